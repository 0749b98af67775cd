package policy

import (
	"math"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// candidates are the functions with waiting requests that lack nothing but memory or CPU
// to start one. They follow the changes of the state, so that a decision need not look at
// every function that waits, of which there are hundreds under overload. A function that
// wants no other container than it has is known for that until something about it changes.
// And as long as nothing is given back to any invoker, only those can start that
// could before or have changed since.
type candidates struct {
	seen uint64              // changes of the state that are taken in
	warm *decide.FunctionSet // have a container with room for a request
	cold *decide.FunctionSet // have none, and want a new one

	gains uint64              // of the state at the last answer
	able  []decide.FunctionID // could start something then, or have changed since
	mark  []uint64            // by function: the answer at which it was last looked at
	now   uint64              // this one

	cores []float64 // CPU that an invocation can use, by function
	least float64   // and that any start needs

	most    int64   // memory that a new container can have on any invoker, idle ones evicted
	cpu     float64 // of the invoker that has the most to give
	limited bool    // there are CPU limits
}

// rounding is more than that of FreeCPU, and less than any CPU.
const rounding = 1e-8

// fewChanges is up to how many changes it is worth to look at them one by one.
const fewChanges = 64

// each calls try with the functions that can start a request, each once, in an order that
// is of no meaning, and with that start: warm where there is an available container, else
// cold where there is room. A function whose idle containers lack nothing but CPU waits for
// that, rather than for a new container somewhere else. Whether f wants a new container
// may change by events of f alone.
func (c *candidates) each(s decide.Snapshot, wants func(f decide.FunctionID) bool, try func(f decide.FunctionID, st decide.Start)) {
	changed, now, known := s.Changes(c.seen)
	c.seen = now
	if known = known && c.warm.Current(s); !known {
		c.begin(s)
		changed = s.Backlog()
	}
	c.grow(s)
	for i, f := range changed {
		if i == 0 || changed[i-1] != f {
			c.place(s, f, wants)
		}
	}
	c.survey(s)
	if known && c.gains == s.Gains() && len(changed) <= fewChanges {
		c.again(s, changed, try)
		return
	}
	c.gains = s.Gains()
	c.able = c.able[:0]
	if c.cpu >= c.least || s.Concurrency() > 1 { // one more in a container that executes takes no CPU
		for f := c.warm.First(); f != decide.None; f = c.warm.After(f) {
			c.one(s, f, try)
		}
	}
	for f := c.cold.First(); f != decide.None; {
		if s.Memory(f) > c.most {
			f = c.cold.Beyond(f)
			continue
		}
		if c.cores[f] <= c.cpu {
			c.one(s, f, try)
		}
		f = c.cold.After(f)
	}
}

// again is each where nothing was given back since the last answer.
func (c *candidates) again(s decide.Snapshot, changed []decide.FunctionID, try func(decide.FunctionID, decide.Start)) {
	c.now++
	before := len(c.able)
	c.able = append(c.able, changed...)
	old := c.able
	c.able = c.able[:0] // never longer than what is read of it
	for k, f := range old {
		if k < before {
			c.mark[f] = c.now
		} else if c.mark[f] == c.now {
			continue
		}
		c.mark[f] = c.now
		c.one(s, f, try)
	}
}

// begin forgets what is known.
func (c *candidates) begin(s decide.Snapshot) {
	if c.warm == nil || !c.warm.Current(s) {
		c.warm, c.cold = s.NewFunctionSet(), s.NewFunctionSet()
		c.mark, c.cores, c.least = c.mark[:0], c.cores[:0], math.Inf(1)
	}
	c.warm.Clear()
	c.cold.Clear()
}

// grow takes in functions that are new.
func (c *candidates) grow(s decide.Snapshot) {
	for f := decide.FunctionID(len(c.mark)); int(f) < s.Functions(); f++ {
		cores := s.CPU(f)
		c.mark, c.cores = append(c.mark, 0), append(c.cores, cores)
		c.least = min(c.least, cores*decide.LeastShare)
	}
}

// place enters f where it belongs.
func (c *candidates) place(s decide.Snapshot, f decide.FunctionID, wants func(decide.FunctionID) bool) {
	warm, cold := false, false
	if s.Waiting(f) > 0 {
		warm = s.FirstWarm(f) != decide.None
		cold = !warm && wants(f)
	}
	enter(c.warm, f, warm)
	enter(c.cold, f, cold)
}

func enter(set *decide.FunctionSet, f decide.FunctionID, in bool) {
	if in {
		set.Add(f)
	} else {
		set.Remove(f)
	}
}

// one calls try if f can start a request.
func (c *candidates) one(s decide.Snapshot, f decide.FunctionID, try func(decide.FunctionID, decide.Start)) {
	st := decide.Start{Container: decide.None}
	if c.warm.Has(f) {
		if st.Container = s.Available(f); st.Container == decide.None {
			return
		}
	} else if !c.cold.Has(f) || s.Memory(f) > c.most || c.limited && (c.cores[f] > c.cpu || !s.AnyRoom(f)) {
		return
	}
	st.Request = s.Oldest(f)
	c.able = append(c.able, f)
	try(f, st)
}

// survey looks at the invokers once, which spares most functions the look at each of them.
func (c *candidates) survey(s decide.Snapshot) {
	c.most, c.cpu, c.limited = -1, math.Inf(-1), false
	for i := range decide.InvokerID(s.Invokers()) {
		cpu := s.FreeCPU(i) + rounding
		c.cpu = max(c.cpu, cpu)
		if cpu >= c.least {
			c.most = max(c.most, s.Unclaimed(i)+s.IdleMemory(i))
		}
		c.limited = c.limited || s.InvokerSpec(i).CPULimit > 0
	}
}

// best returns the start with the least cost of those that are possible. Ties go to
// the request that arrived first, then to the smaller number. A cost of never is not
// started.
func (c *candidates) best(s decide.Snapshot, wants func(f decide.FunctionID) bool, cost func(f decide.FunctionID, cold bool) float64) (decide.Start, bool) {
	var (
		chosen decide.Start
		found  bool
		least  float64
		since  decide.Time
	)
	c.each(s, wants, func(f decide.FunctionID, st decide.Start) {
		v := cost(f, st.Container == decide.None)
		if v == never {
			return
		}
		_, at := s.Request(st.Request)
		if !found || v < least || v == least && (at < since || at == since && st.Request < chosen.Request) {
			chosen, found, least, since = st, true, v, at
		}
	})
	return chosen, found
}

// another returns the speculative start of a container for the function that has waited the
// longest of those that have none with room for a request, want one and find room for it.
func (c *candidates) another(s decide.Snapshot, wants func(f decide.FunctionID) bool) (decide.Start, bool) {
	st, ok := c.best(s, wants, func(_ decide.FunctionID, cold bool) float64 {
		if !cold {
			return never
		}
		return 0
	})
	st.Speculative = ok
	return st, ok
}

// always is for rules under which every function wants a new container that has none
// with room.
func always(decide.FunctionID) bool { return true }
