package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// NativeKeepAlive is how long OpenWhisk keeps an idle container
// (idle-container in its container-pool configuration).
const NativeKeepAlive = 10 * decide.Minute

// Native is Apache OpenWhisk as the Incendio paper describes it (Section VIII-A):
// reuse an idle container of the function; else create one; else evict the idle
// containers that were used least recently until it fits; else wait. An idle
// container is ended after ten minutes, counted from its last completion. Nothing is
// prewarmed: stem cells are off by default there too.
//
// Requests start under [FCFS].
func Native() Parts {
	return Parts{FCFS{}, &LRU{Keep: NativeKeepAlive}, LeastLoaded{}}
}

// LRU is a pool that keeps idle containers for a fixed time and evicts the one that
// has been idle the longest, for a prewarm as for a request.
type LRU struct {
	Keep decide.Time // >= 0; decide.Forever: until evicted
}

// Observe implements decide.Pool.
func (*LRU) Observe(decide.Snapshot, decide.Event) {}

// KeepAlive implements decide.Pool.
func (p *LRU) KeepAlive(decide.Snapshot, decide.ContainerID) decide.Time { return p.Keep }

// Evict implements decide.Pool.
func (*LRU) Evict(s decide.Snapshot, i decide.InvokerID, _ decide.FunctionID, _ bool) (decide.ContainerID, bool) {
	c := s.IdleHead(i)
	return c, c != decide.None
}

// Adjust implements decide.Pool: there is nothing to adjust.
func (*LRU) Adjust(decide.Snapshot) (decide.Adjustment, bool) { return decide.Adjustment{}, false }

// Wake implements decide.Pool: expiry is the scheduler's.
func (*LRU) Wake() decide.Time { return decide.Forever }
