package decide

import "fmt"

// A Cause is why a decision gives something up.
type Cause uint8

// The causes of an End or a Downgrade, of a Drop and of a Report. Other decisions have none.
const (
	Unstated       Cause = iota
	KeptEnough           // Container was idle for as long as it was to be kept
	Evicted              // Container, which was idle, makes room for one of For
	Surplus              // the pool wants one container less
	OfDrained            // its invoker takes no more
	OfRemoved            // its function was removed
	StartLate            // Container took longer to initialise than it may
	TimedOut             // Request waited for as long as it may
	QueueFull            // too many requests of its function wait
	FailedTooOften       // the containers of Request failed as often as they may
	OfChanged            // its function has another size
)

func (c Cause) String() string {
	names := [...]string{"", "keep-alive over", "evicted", "surplus", "invoker drained", "function removed", "start late", "timed out", "queue full", "failed too often", "function changed"}
	if int(c) >= len(names) {
		return fmt.Sprintf("cause %d", c)
	}
	return names[c]
}

// An Explainer is a dispatcher that can say why a request that waits is not started although
// it could be.
type Explainer interface {
	// Explain returns what holds the waiting request r, or false where nothing of the
	// dispatcher's own does.
	Explain(s Snapshot, r RequestID) (Hold, bool)
}

// A Hold is why a dispatcher lets a request wait.
type Hold struct {
	Reason  string    // in words, without a full stop
	Invoker InvokerID // that Reason is about, or None
	Until   Time      // when it ends at the latest if nothing else changes; Forever: not known
}
