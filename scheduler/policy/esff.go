package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// ESFF is the enhanced shortest function first of arXiv 2310.16475, reconstructed
// as weighted shortest processing time over batches. The n waiting requests of a
// function with mean execution d are one batch, and the batch with the least time per
// request goes first:
//
//	w = (t_evict + [no container] t_cold + n d) / n
//
// t_evict is the mean termination time of the function's own container where room
// has to be made, as the one that will be evicted is not known yet.
//
// A function that has k containers gets another one only if they need longer than
// that for its queue, n d / k > t_cold; else its requests wait for those it has.
type ESFF struct{ candidates }

// Next implements decide.Dispatcher.
func (p *ESFF) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	var free int64
	for i := range decide.InvokerID(s.Invokers()) {
		free = max(free, s.Unclaimed(i))
	}
	// One that is not worth its initialisation is not worth that and an eviction.
	wants := func(f decide.FunctionID) bool { return worth(s, f, s.Initialise(f)) }
	return p.best(s, wants, func(f decide.FunctionID, cold bool) float64 {
		n := float64(s.Waiting(f))
		batch := n * float64(s.Execution(f))
		if !cold {
			return batch / n
		}
		start := s.Initialise(f)
		if s.Memory(f) > free {
			start += s.Termination(f)
		}
		if !worth(s, f, start) {
			return never
		}
		return (float64(start) + batch) / n
	})
}

var esffRule = rule{
	name: "esff", source: "enhanced shortest function first, arXiv 2310.16475", reconstruction: true,
	make: func(decide.Signals, uint64) decide.Dispatcher { return new(ESFF) },
}
