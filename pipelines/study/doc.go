// Package study repeats the experiments of the papers behind Incendio in simulation, each
// with a table, figures, and the paper's claim beside what comes out here.
//
// A [Study] is an experiment by name, [All] lists them. [Study.Run] takes an [Input], the
// trace and the bundle to use if any, and returns a [Result]: what was run, [Table]s,
// [Claim]s and figures. Without a trace a study makes its own workload from the seed.
//
// What a simulation can repeat is the direction of a claim and its order of magnitude on
// a comparable set-up; not milliseconds of other machines. Every claim says in a sentence
// why the figures differ. Equal settings give equal results, but for what is measured in
// time, which stands in [Result].Timing.
package study
