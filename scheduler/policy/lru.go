package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// LeastRecentlyUsed is FaasCache's variant of that name (ASPLOS 2021): a container is
// kept until its room is needed, and the one that has been idle the longest goes first.
// It is [Native] without a time limit: memory works as a cache of containers.
func LeastRecentlyUsed() Stack {
	return Stack{Dispatcher: FCFS{}, Pool: &LRU{Keep: decide.Forever}, Placer: LeastLoaded{}}
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

var lruRow = plain(Row{Name: "lru", Source: "FaasCache's variant LRU: kept until the room is needed"},
	func(Site) Stack { return LeastRecentlyUsed() })
