package policy

import (
	"math"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Density is the greedy solution of the function priority scheduling problem of the
// Incendio paper (Eq. 5-7): of the functions whose next request fits the free memory
// and CPU of an invoker, it starts the one with the greatest
//
//	p / (m/M + v/V)
//
// p is the priority, m and v the memory and CPU of a container, M and V what is free
// in the cluster, idle containers included as they can be evicted. A warm start
// takes no memory: its m is 0. A new container is created only where the function's
// own would take longer (see [ESFF]): the problem does not know of waiting for a busy one.
//
// CPU is a constraint of the problem: a stack with this rule has CPUShare 1, so that
// a request waits while the invokers on which it could start execute as much as they
// have cores.
type Density struct {
	candidates
	signals decide.Signals
}

// NewDensity returns the rule with the priorities of signals, which may be nil.
func NewDensity(signals decide.Signals) *Density { return &Density{signals: signals} }

// Next implements decide.Dispatcher.
func (p *Density) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	var memory, cpu float64
	for i := range decide.InvokerID(s.Invokers()) {
		memory += float64(s.Unclaimed(i) + s.IdleMemory(i))
		cpu += max(0, s.InvokerSpec(i).Cores-s.BusyCPU(i))
	}
	wants := func(f decide.FunctionID) bool { return worth(s, f, s.Initialise(f)) }
	return p.best(s, wants, func(f decide.FunctionID, cold bool) float64 {
		// The inverse: the least first. A priority of 0 goes after all others, and
		// so does what more than fills the cluster, but it is started.
		size := ratio(s.CPU(f), cpu)
		if cold {
			size += ratio(float64(s.Memory(f)), memory)
		}
		return min(size/priority(p.signals, s, f), math.MaxFloat64)
	})
}

func ratio(part, whole float64) float64 {
	if whole <= 0 {
		return math.MaxFloat64 / 2
	}
	return part / whole
}

var densityRule = rule{
	name: "density", source: "Incendio, Eq. 5-7, greedy by density, all priorities equal", cpuShare: 1,
	make: func(g decide.Signals, _ uint64) decide.Dispatcher { return NewDensity(g) },
}
