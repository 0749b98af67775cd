// Package pipelines is the nightly job: a trace in, a proved bundle out, or a reason why not.
//
// [Job] is the job as a page: one line a stage, each a folder below steps with what it is
// given, what it reads and writes, and a plain function that does the work.
//
//	trace -> features -> forecast -> tune -> agents -> index -> export -> validate -> promote
//
// What happens when a run is asked for:
//
//  1. [Open] checks the [Config], opens the trace store and the trace (the embedded one is
//     made, if the store does not have it), cuts it in time into a training, a validation
//     and a test part, and claims the run folder.
//  2. [Run.Until] and [Run.All] go through the stages. The engine, pipelines/stage, knows
//     nothing of schedulers: it computes the key of a stage from what its work is handed,
//     skips it where that and the outputs are as they were, and keeps one process apart from
//     another with a lock for each stage.
//  3. "features" describes the trace. "forecast" trains forecasters of the arrivals.
//     "slices" learns how invokers share their CPU. "tune" tunes priorities and the pool by
//     replaying windows (pipelines/replay). "agents" trains Q-networks and keeps those that
//     beat the rules. "export" puts all of it into a bundle.
//  4. "validate" replays the test part, which nothing so far has seen, and lets the rules of
//     pipelines/gates decide.
//  5. [Run.All] then promotes the candidate in the registry, or records that it was refused,
//     and writes report.json, and report.html from it (pipelines/report).
//
// No stage contains an equation: those stand in train, scheduler and features.
package pipelines
