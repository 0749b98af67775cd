package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// TTL keeps an idle container for a time (ten minutes: [NativeKeepAlive]) from its last use and ends none before:
// the fixed keep-alive that providers had when FaasCache (ASPLOS 2021) was written,
// taken by itself. A request that finds no room waits until a container expires.
//
// FaasCache's own baseline of that name also evicts the least recently used container
// when memory is short, which makes it [Native]; this one shows what time alone does.
//
// Requests start under [FCFS].
func TTL(keep decide.Time) Stack {
	return Stack{Dispatcher: FCFS{}, Pool: &ttl{LRU{Keep: keep}}, Placer: withoutEviction{}}
}

type ttl struct{ LRU }

// Evict implements decide.Pool: time alone ends containers.
func (*ttl) Evict(decide.Snapshot, decide.InvokerID, decide.FunctionID, bool) (decide.ContainerID, bool) {
	return decide.None, false
}

// withoutEviction places as [LeastLoaded] does, where that needs no eviction.
type withoutEviction struct{}

// Place implements decide.Placer.
func (withoutEviction) Place(s decide.Snapshot, f decide.FunctionID) (decide.InvokerID, bool) {
	i, ok := LeastLoaded{}.Place(s, f)
	return i, ok && s.Unclaimed(i) >= s.Memory(f)
}

var ttlRow = kept(Row{Name: "ttl", Source: "a fixed keep-alive of ten minutes, and no eviction before"}, TTL)
