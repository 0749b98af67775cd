// Package replay runs schedulers on windows of a trace in the simulator: short windows to
// learn on, the test part to judge.
//
//   - [Simulation] and [Learning] are the parts of the configuration that say how.
//   - A [Ground] is a trace with its parts in time, and cuts [Scene]s from it: windows whose
//     requests and forecasts are drawn and computed once, so that many schedulers can be
//     tried on them.
//   - A [Subject] is a bundle that was opened; [Stack] lets it schedule a replay as it
//     would a platform, and [Policies] has it among the rows of a comparison.
package replay
