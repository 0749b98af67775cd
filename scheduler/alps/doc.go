// Package alps is the front end of ALPS (Fu et al., "ALPS: An Adaptive Learning,
// Priority OS Scheduler for Serverless Functions", ATC 2024): it learns from a
// simulation of shortest-remaining-time-first, run over what was executed lately,
// which functions a machine shall serve first and for how long at a time.
//
// A class is a function, by its number. [Simulate] runs the simulation and returns the
// [Stats] of the stretches that each class got the CPU for; [Table.Learn] makes ranks
// and slices of them; a [Learner] does both every ten seconds on what a machine has
// executed. A [Ranking] is what was learned offline, by package train/alps, for the file
// alps.json of a bundle. The back end, which schedules by a [Table], is a kernel's or, in
// a simulation, that of package sim.
//
// # The intended version
//
// What the authors describe and what their front end computes differ. Here the
// description holds: the number that is handed out is the rank of a class, not its name,
// and slices are smoothed with those before. The slice of a class is at most that of
// the class before it, and that is made so after smoothing, as smoothing across a change
// of ranks would undo it. What the description leaves open was decided so:
//
//   - A class that was not seen lately keeps what was last learned of it.
//   - A class that was never seen has the rank in the middle and the smallest slice: it
//     neither starves nor starves others. Before anything was learned all share a
//     rank, and the machine serves them by turns, as CFS does.
//   - Slices have a floor, the granularity below which CFS does not switch.
//   - The authors run the simulation on a random part of the load, one core's. So is it
//     here, with the draw a function of the seed and of the number of the invocation.
package alps
