package policy

import (
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/knapsack"
)

// Knapsack solves the function priority scheduling problem of the Incendio paper
// (Eq. 5-7) exactly, by dynamic programming, one invoker at a time (docs/models.md,
// decision 20). The classes are the functions with waiting requests: one of warm
// starts, which take no memory, with as many copies as it has idle containers, and
// one of cold starts with the rest, if a new container is worth it (see [ESFF]). The
// value of a copy is the function's priority, and the capacity is what is free on
// the invoker with the most memory for new containers, idle ones counted. What the
// solution picks is started in order of priority. When it is used up, the problem is
// posed again with what is left.
//
// As with [Density], a stack with this rule has CPUShare 1.
type Knapsack struct {
	candidates
	signals decide.Signals
	solver  knapsack.Solver
	starts  []startable
	classes []knapsack.Class
	ids     []decide.FunctionID
	plan    []pick
	now     decide.Time
	kind    decide.EventKind
}

// A startable function, and the start of its oldest request.
type startable struct {
	function decide.FunctionID
	start    decide.Start
}

// A pick is a function of which n requests are still to start.
type pick struct {
	function decide.FunctionID
	n        int
	value    float64
}

// NewKnapsack returns the rule with the priorities of signals, which may be nil.
func NewKnapsack(signals decide.Signals) *Knapsack { return &Knapsack{signals: signals} }

// Next implements decide.Dispatcher.
func (p *Knapsack) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if s.Now() != p.now || ev.Kind != p.kind {
		p.plan = p.plan[:0] // of a round that ended early
	}
	p.now, p.kind = s.Now(), ev.Kind
	if st, ok := p.take(s); ok {
		return st, true
	}
	p.solve(s)
	return p.take(s)
}

// take starts the next of the plan that is possible.
func (p *Knapsack) take(s decide.Snapshot) (decide.Start, bool) {
	if len(p.plan) == 0 {
		return decide.Start{}, false
	}
	for len(p.plan) > 0 {
		k := &p.plan[0]
		if k.n > 0 && s.Waiting(k.function) > 0 {
			if st, ok := possible(s, k.function); ok {
				k.n--
				return st, true
			}
		}
		p.plan = p.plan[1:]
	}
	return decide.Start{}, false
}

// possible returns the start of the oldest request of f: in a container that is available
// or, where it has none with room for a request, in a new one that is worth it.
func possible(s decide.Snapshot, f decide.FunctionID) (decide.Start, bool) {
	st := decide.Start{Request: s.Oldest(f), Container: s.Available(f)}
	if st.Container != decide.None {
		return st, true
	}
	return st, s.FirstWarm(f) == decide.None && worth(s, f, s.Initialise(f)) && s.AnyRoom(f)
}

// solve makes a plan.
func (p *Knapsack) solve(s decide.Snapshot) {
	p.classes, p.ids, p.plan = p.classes[:0], p.ids[:0], p.plan[:0]
	p.starts = p.starts[:0]
	wants := func(f decide.FunctionID) bool { return worth(s, f, s.Initialise(f)) }
	p.each(s, wants, func(f decide.FunctionID, st decide.Start) { p.starts = append(p.starts, startable{f, st}) })
	slices.SortFunc(p.starts, func(a, b startable) int { return s.BacklogAt(a.function) - s.BacklogAt(b.function) })
	for _, o := range p.starts {
		f, st := o.function, o.start
		c := knapsack.Class{Value: priority(p.signals, s, f), CPU: s.CPU(f), Copies: s.Waiting(f)}
		if st.Container != decide.None {
			warm := c
			warm.Copies = min(c.Copies, max(1, s.IdleCount(f)))
			p.ids, p.classes = append(p.ids, f), append(p.classes, warm)
			c.Copies -= warm.Copies
		}
		if c.Copies > 0 && worth(s, f, s.Initialise(f)) {
			c.Memory = s.Memory(f)
			p.ids, p.classes = append(p.ids, f), append(p.classes, c)
		}
	}
	switch len(p.ids) {
	case 0:
		return
	case 1: // what the solution picks of one class is what there is room for
		p.plan = append(p.plan, pick{p.ids[0], p.classes[0].Copies, 0})
		return
	}
	problem := knapsack.Problem{Classes: p.classes}
	for i := range decide.InvokerID(s.Invokers()) {
		memory := s.Unclaimed(i) + s.IdleMemory(i)
		cpu := s.InvokerSpec(i).Cores - s.BusyCPU(i)
		if cpu > 0 && memory > problem.Memory {
			problem.Memory, problem.CPU = memory, cpu
		}
	}
	picked := false
	for k, n := range p.solver.Exact(problem).Copies {
		if n > 0 {
			picked = true
			p.add(pick{p.ids[k], n, p.classes[k].Value})
		}
	}
	if picked {
		return
	}
	// No copy fits the quanta of that invoker, yet each class can start somewhere.
	top := 0
	for k := range p.ids {
		if p.classes[k].Value > p.classes[top].Value || p.classes[k].Value == p.classes[top].Value && p.ids[k] < p.ids[top] {
			top = k
		}
	}
	p.add(pick{p.ids[top], 1, 0})
}

// add keeps the plan in descending order of value, then in order of function.
func (p *Knapsack) add(k pick) {
	p.plan = append(p.plan, k)
	for i := len(p.plan) - 1; i > 0; i-- {
		a, b := &p.plan[i-1], &p.plan[i]
		if a.value > b.value || a.value == b.value && a.function < b.function {
			break
		}
		*a, *b = *b, *a
	}
}

var knapsackRule = rule{
	name: "knapsack", source: "Incendio, Eq. 5-7, exact by dynamic programming, all priorities equal", cpuShare: 1,
	make: func(g decide.Signals, _ uint64) decide.Dispatcher { return NewKnapsack(g) },
}
