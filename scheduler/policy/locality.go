package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// Locality is [Native] with the placement of OpenWhisk's sharding load balancer, which
// the Incendio paper leaves out: each function has a home invoker, given by the hash of
// its name, and goes on to others at a step of its own when there is no room (see
// [Home]). Containers of one function gather on few machines, whatever their load. Idle
// ones are kept for the given time.
func Locality(keep decide.Time) Stack {
	return Stack{Dispatcher: FCFS{}, Pool: &LRU{Keep: keep}, Placer: &Home{}}
}

var localityRow = kept(Row{Name: "locality", Source: "OpenWhisk's sharding load balancer: native, placed by the hash of the function"}, Locality)
