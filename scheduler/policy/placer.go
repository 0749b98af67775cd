package policy

import (
	"hash/fnv"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// LeastLoaded places a container on the invoker that needs no eviction for it and
// has the least CPU in use per core; among equals on the one with the most
// unclaimed memory, then the lowest number. Where all need to evict, it is the one
// that has to free the least.
type LeastLoaded struct{}

// Place implements decide.Placer.
func (LeastLoaded) Place(s decide.Snapshot, f decide.FunctionID) (decide.InvokerID, bool) {
	memory := s.Memory(f)
	best, bestFree, bestLoad := decide.InvokerID(decide.None), int64(0), 0.0
	evicts := true
	for i := range decide.InvokerID(s.Invokers()) {
		if !s.Room(i, f) {
			continue
		}
		free := s.Unclaimed(i)
		if free < memory {
			if evicts && (best == decide.None || free > bestFree) {
				best, bestFree = i, free
			}
			continue
		}
		load := s.BusyCPU(i) / s.InvokerSpec(i).Cores
		if evicts || load < bestLoad || load == bestLoad && free > bestFree {
			best, bestFree, bestLoad, evicts = i, free, load, false
		}
	}
	return best, best != decide.None
}

// Home places a container where its function's hash points to, and else on the
// next invoker with room at the function's own step, as OpenWhisk's sharding load
// balancer does: steps that have no common divisor with the number of invokers reach
// all of them. Invokers that need no eviction are tried first.
type Home struct {
	steps []int // coprime to the number of invokers they were computed for
	n     int
}

// Place implements decide.Placer.
func (h *Home) Place(s decide.Snapshot, f decide.FunctionID) (decide.InvokerID, bool) {
	n := s.Invokers()
	if h.n != n {
		h.n, h.steps = n, h.steps[:0]
		for k := 1; k <= n; k++ {
			if gcd(k, n) == 1 {
				h.steps = append(h.steps, k)
			}
		}
	}
	x := fnv.New64a()
	_, _ = x.Write([]byte{byte(f), byte(f >> 8), byte(f >> 16), byte(f >> 24)}) // never fails
	sum := x.Sum64()
	home, step := int(sum%uint64(n)), h.steps[sum>>32%uint64(len(h.steps))]
	memory := s.Memory(f)
	fallback := decide.InvokerID(decide.None)
	for k := range n {
		i := decide.InvokerID((home + k*step) % n)
		if !s.Room(i, f) {
			continue
		}
		if s.Unclaimed(i) >= memory {
			return i, true
		}
		if fallback == decide.None {
			fallback = i
		}
	}
	return fallback, fallback != decide.None
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
