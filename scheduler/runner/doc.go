// Package runner runs a scheduler.Control inside a platform: it owns the goroutine that the
// Control needs, the clock and the calls to the platform.
//
//	r, err := runner.Start(cfg, platform, runner.Options{Registry: registry})
//	...
//	err = r.Submit(ctx, scheduler.Event{Kind: decide.Arrival, Function: 7, Request: id})
//	...
//	err = r.Shutdown(ctx)
//
// # What comes in
//
// [Runner.Submit] and [Runner.Post] take events from any goroutine. Their times are those at which
// they were accepted; Event.At is ignored. Submit returns what the scheduler says of the event;
// Post does not wait.
//
// The inbox is bounded. Options.Inbox arrivals at most wait in it, and none is let in while the
// platform has more than Options.Orders orders to carry out; Submit then waits for as long as its
// context lets it, and Post fails with [ErrFull]. All other events, which end what was begun,
// have as much room again of their own and do not wait for the platform, so that a platform that
// is behind can always tell what became of its orders. The goroutine itself never waits for the platform.
//
// # What goes out
//
// A [Platform] is called by Options.Workers goroutines. Calls about one container come one
// after the other, in order. A call says that an order was taken, not that it is done: what becomes
// of it is an event. A call that fails does this:
//
//   - Create, Run, Upgrade, Downgrade: the container has failed. Its requests are tried again
//     or given up, as scheduler.Options.Retries says, and an End is sent after it, in case
//     that something is left;
//   - End, Drop, Resize, Stop: it is tried again, after pauses from 100 ms to 30 s, until it
//     succeeds; a Resize until a later one replaces it.
//
// # Bundles
//
// With Options.Registry the models come from there, through all its checks.
package runner
