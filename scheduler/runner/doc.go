// Package runner runs a scheduler.Control inside a platform: it owns the goroutine that the
// Control needs, the clock, the calls to the platform and the state on disk.
//
//	r, err := runner.Start(cfg, platform, runner.Options{Registry: registry, State: "state"})
//	...
//	err = r.Submit(ctx, scheduler.Event{Kind: decide.Arrival, Function: 7, Request: id})
//	...
//	err = r.Shutdown(ctx)
//
// # What comes in
//
// [Runner.Submit] and [Runner.Post] take events from any goroutine. Their times are those at which
// they were accepted; Event.At is ignored. Submit returns what the scheduler says of the event, and
// with a state folder not before the event is in the journal; Post does not wait.
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
// # State
//
// With Options.State what happens goes into a journal before any order of it goes out. A process
// that dies at any moment, and is started again with the same folder, takes the journal in
// again and goes on where it was, because a Control decides the same on the same events: no event that
// Submit has confirmed is lost, and every order that may not have been carried out is sent again, as it was,
// under its number Order.Seq. A platform that carries out no number twice executes nothing twice. It repeats an
// event that was not confirmed; that it is known by then is an error that wraps scheduler.ErrImpossible.
// The journal is never shortened.
//
// # Bundles
//
// With Options.Registry the models come from there, through all its checks, and
// with Options.Follow the bundle that Options.Ref names is looked for again and again and swapped in
// while requests go on. A bundle that cannot be opened leaves the running one. [Runner.Swap] does
// the same at once.
package runner
