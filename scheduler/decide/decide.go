// Package decide is the vocabulary of scheduling: what happened (an [Event]), what
// is known (a [Snapshot] of the [State]) and what to do (a [Decision]).
//
// A scheduler is composed of three choices, each a small interface:
//
//   - a [Dispatcher] chooses which waiting request starts next;
//   - a [Pool] chooses which containers to prewarm, keep and end;
//   - a [Placer] chooses the invoker of a new container.
//
// They see a Snapshot and change nothing; package scheduler applies what they
// choose to the State and turns it into Decisions. So every policy is judged on the
// same machinery, and a policy is the difference between it and the next one.
//
// The package is a leaf: it holds no policy, and it knows nothing of simulation.
// Time is an integer number of microseconds since an origin that the caller
// chooses; nothing here reads a clock.
package decide

import (
	"fmt"
	"math"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// Time is a number of microseconds: since the caller's origin, or a duration.
type Time int64

// Units of Time.
const (
	Microsecond Time = 1
	Millisecond      = 1000 * Microsecond
	Second           = 1000 * Millisecond
	Minute           = 60 * Second

	// Forever is later than every event.
	Forever Time = math.MaxInt64
)

// FromDuration converts d, dropping what is below a microsecond.
func FromDuration(d time.Duration) Time { return Time(d / time.Microsecond) }

// Duration converts t.
func (t Time) Duration() time.Duration { return time.Duration(t) * time.Microsecond }

// Seconds converts t.
func (t Time) Seconds() float64 { return float64(t) / float64(Second) }

// A FunctionID is the row of a function in the function table.
type FunctionID = datasets.FunctionID

// An InvokerID numbers the invokers (worker machines) from 0.
type InvokerID int32

// A ContainerID numbers the containers. The State gives the numbers out, and gives
// one out again once its container has ended.
type ContainerID int32

// A RequestID numbers the requests that are in the system. The caller gives the
// numbers out, small ones first, and may give one out again once its request has
// completed or was dropped: the State keeps an array of as many rows as the largest.
type RequestID int32

// None stands for no request, no container, no invoker, no function.
const None = -1

// An EventKind says what happened.
type EventKind uint8

// The kinds of events.
const (
	Arrival    EventKind = iota // of Request, to Function
	Ready                       // Container has initialised
	Completion                  // of Request in Container, after executing for Took
	Ended                       // Container has terminated and its memory is free
	Tick                        // the clock reached the time that Wake asked for
	Failed                      // Container could not start, or has crashed: it is gone
	Cancelled                   // Request is not wanted any more
	Drained                     // Invoker is to finish what it has and to take no more
	Lost                        // Invoker is gone with all that lived there
	Removed                     // Function is no longer
	Returned                    // Invoker, which was lost, is there again, as it was and empty
	Deployed                    // a function is there that was not
	Changed                     // Function has another memory or profile
	Joined                      // an invoker is there that was not
	Adopted                     // a container or requests are there that the scheduler does not know of
)

func (k EventKind) String() string {
	names := [...]string{"arrival", "ready", "completion", "ended", "tick", "failed", "cancelled", "drained", "lost", "removed", "returned", "deployed", "changed", "joined", "adopted"}
	if int(k) >= len(names) {
		return fmt.Sprintf("event %d", k)
	}
	return names[k]
}

// An Event is what happened at a time. Fields that its kind does not name are ignored.
//
// Policies see the first five kinds alone. What the others change they see as these: a
// request that waits anew as an Arrival, one that will not be executed as a Completion after
// the expected time, a container that is gone as Ended, one that was adopted as Ready. Of functions
// and invokers that come later a [Deployer] and a [Joiner] are told.
type Event struct {
	At        Time
	Kind      EventKind
	Function  FunctionID
	Request   RequestID
	Container ContainerID
	Invoker   InvokerID
	Took      Time // by a Completion: the execution; by Ready: the initialisation; by Ended: the termination
}

// A DecisionKind says what to do.
type DecisionKind uint8

// The kinds of decisions.
const (
	Run       DecisionKind = iota // execute Request in Container
	Create                        // initialise Container of Function on Invoker, for Request or as a prewarm (None)
	End                           // terminate Container
	Drop                          // give Request up
	Resize                        // give Container the part Share of its CPU
	Downgrade                     // take Container, which is idle, down to the layer Function
	Upgrade                       // build one of Function for Request on Container, which is a layer
	Stop                          // abort Request in Container, which executes it: it was cancelled
	Report                        // Request ran in Container, which failed, and is not tried again
	Swapped                       // nothing: what follows was decided by other models than what was before
)

func (k DecisionKind) String() string {
	return [...]string{"run", "create", "end", "drop", "resize", "downgrade", "upgrade", "stop", "report", "swapped"}[k]
}

// A Decision is an order to the platform. Waiting is the absence of one.
type Decision struct {
	Kind      DecisionKind
	Cause     Cause // of an End, Downgrade, Drop or Report
	Function  FunctionID
	Request   RequestID
	Container ContainerID
	Invoker   InvokerID
	For       FunctionID // by an End that is Evicted: whose container takes the room
	Share     float64    // by a Resize
}

// A Start is a Dispatcher's choice: Request starts now, in Container if it names an
// available one (a warm start), else in a new container (a cold start). A Container that is
// a layer, for which [Snapshot.CanUpgrade] holds, is built upon first: a start at a part of
// the cost.
//
// A speculative start creates the container while the request stays in the queue:
// whichever container is available first serves it.
type Start struct {
	Request     RequestID
	Container   ContainerID // None: a new one
	Speculative bool        // only with Container None
}

// A Dispatcher chooses which waiting request starts next.
type Dispatcher interface {
	// Next returns the next start after ev, or false to wait for another event.
	// It is asked again, with the state after its last choice, until it says false.
	// A cold start for which no invoker has room ends the round as false does.
	Next(s Snapshot, ev Event) (Start, bool)
}

// A Pool chooses which containers to prewarm, to keep and to end.
type Pool interface {
	// Observe sees every event, after the state has taken it in and before anything
	// is decided.
	Observe(s Snapshot, ev Event)

	// KeepAlive returns for how long c, which has just become idle, may stay idle.
	// It is ended then, unless it was used again. Forever keeps it until evicted, and
	// 0 ends it at once. A prewarmed container, which Snapshot.Used tells, is asked
	// about when it is ready.
	KeepAlive(s Snapshot, c ContainerID) Time

	// Evict returns the idle container on invoker i that shall end first to make
	// room for a container of f, a prewarm or for a request; false refuses.
	// It is asked again until the room suffices.
	Evict(s Snapshot, i InvokerID, f FunctionID, prewarm bool) (ContainerID, bool)

	// Adjust returns the next change of the pool that is not the answer to a
	// request, or false for none. It is asked after every Tick, and again after each change.
	Adjust(s Snapshot) (Adjustment, bool)

	// Wake returns when the pool wants the next Tick, or Forever.
	Wake() Time
}

// A Layer is what is left of a container whose upper layers were taken down: a language
// runtime without a function, or less. It is idle, executes nothing, and can be built upon for
// any function of its language.
//
// The State numbers layers after the functions that there are at first, in their order: see
// [Snapshot.LayerAt]. A container that was taken down to a layer is one of that "function".
type Layer struct {
	Language int32   // of the functions that can be built on it; None: any
	Memory   int64   // bytes that it holds, > 0
	Start    float64 // part of a function's initialisation that building on it takes, in [0, 1]
}

// A LayeredPool takes containers down by layers instead of ending them.
type LayeredPool interface {
	Pool

	// Layers that containers can be taken down to. They do not change.
	Layers() []Layer

	// Downgrade returns the layer that c, which was idle for as long as KeepAlive said, is
	// taken down to, or None to end it. A layer holds no more memory than c, and is
	// of its language or of none. KeepAlive is asked about it at once.
	Downgrade(s Snapshot, c ContainerID) FunctionID
}

// An AdjustmentKind says what to change.
type AdjustmentKind uint8

// The kinds of adjustments.
const (
	// Prewarm initialises a container of Function for no request in particular, on the
	// invoker that the Placer chooses. Nothing happens where there is no room.
	Prewarm AdjustmentKind = iota
	// Retire ends Container: an idle one now, a busy one once it has completed what it
	// executes, one that initialises when it is ready, or has completed the request that
	// it was created for. It takes no other request until then.
	Retire
	// Deflate gives Container, which lives, the part Share in (0, 1] of the CPU that its
	// function can use; 1 gives it all back. What it executes feels it at once.
	Deflate
)

// An Adjustment is a change of the pool that is not the answer to a request.
type Adjustment struct {
	Kind      AdjustmentKind
	Function  FunctionID  // to prewarm
	Container ContainerID // to retire or deflate
	Share     float64     // to deflate to
}

// LeastShare is the part of its CPU that a container keeps however far it is deflated: what
// it executes must end some time.
const LeastShare = 0.01

// A Placer chooses the invoker of a new container.
type Placer interface {
	// Place returns the invoker for a new container of f, or false where none has
	// room, counting the idle containers that could be evicted (Snapshot.Room).
	Place(s Snapshot, f FunctionID) (InvokerID, bool)
}

// A Future knows what is going to happen: a replay has one, a platform none. A policy
// that asks it is a reference for others, not one that can be run. Both methods are
// cheap where the times of calls do not go back far.
type Future interface {
	// NextArrival is the first arrival of f after the given time, or Forever.
	NextArrival(f FunctionID, after Time) Time

	// Arrivals is the number of arrivals of f in (from, to].
	Arrivals(f FunctionID, from, to Time) int
}

// Signals are what was learned of functions beyond what the State measures. The
// scheduler implements it from its bundle.
type Signals interface {
	// Priority of f now, in [0, 1]: of two waiting requests the one whose function
	// has the higher priority is worth more to start (Incendio, Section IV).
	Priority(s Snapshot, f FunctionID) float64

	// Expected is the forecast number of arrivals of f in the current minute, >= 0.
	Expected(f FunctionID) float64
}

// A Forgetter is a pool that keeps account of requests from their arrival on, and has to be told
// of those that leave neither by a Completion nor, where they wait, by their time-out.
type Forgetter interface {
	// Forget tells that r does not wait any more because it was cancelled or its function
	// removed, or that the container that was created for it is not: it may arrive anew.
	Forget(s Snapshot, r RequestID)
}
