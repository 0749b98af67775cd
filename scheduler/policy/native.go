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
func Native(keep decide.Time) Stack {
	return Stack{Dispatcher: FCFS{}, Pool: &LRU{Keep: keep}, Placer: LeastLoaded{}}
}

var nativeRow = kept(Row{Name: "native", Source: "Apache OpenWhisk: LRU eviction, 10-minute keep-alive"}, Native)
