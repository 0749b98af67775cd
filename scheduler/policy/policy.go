// Package policy holds the policies that Incendio is compared with, and the simple
// rules that its agent has to beat, one to a file.
//
// A policy is up to three choices (package decide): a dispatcher, a pool, a placer.
// [Native] and [FaasCache] are whole stacks; [Rule] names the dispatchers, which go
// with any pool. Every doc comment names the source and says where this is a
// reconstruction.
//
// All of them are deterministic, decide nothing that cannot be done (a cold start
// only where some invoker has room, a warm one only in an available container) and
// are used by one goroutine.
package policy

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Parts are the three choices of a stack.
type Parts struct {
	Dispatcher decide.Dispatcher
	Pool       decide.Pool
	Placer     decide.Placer
}

// rules is the one table of dispatchers.
var rules = []struct {
	name string
	make func(g decide.Signals, seed uint64) decide.Dispatcher
}{
	{"density", func(g decide.Signals, _ uint64) decide.Dispatcher { return NewDensity(g) }},
	{"esff", func(decide.Signals, uint64) decide.Dispatcher { return ESFF{} }},
	{"fcfs", func(decide.Signals, uint64) decide.Dispatcher { return FCFS{} }},
	{"knapsack", func(g decide.Signals, _ uint64) decide.Dispatcher { return NewKnapsack(g) }},
	{"leastslack", func(decide.Signals, uint64) decide.Dispatcher { return LeastSlack{} }},
	{"random", func(_ decide.Signals, rnd uint64) decide.Dispatcher { return NewRandom(rnd) }},
	{"sjf", func(decide.Signals, uint64) decide.Dispatcher { return SJF{} }},
}

// Rules are the names that [Rule] knows, sorted.
func Rules() []string {
	names := make([]string, len(rules))
	for i, r := range rules {
		names[i] = r.name
	}
	return names
}

// Rule builds the dispatcher of that name. Rules that weigh functions ask signals
// for priorities; where signals is nil all are worth the same. The seed is for "random".
func Rule(name string, signals decide.Signals, seed uint64) (decide.Dispatcher, error) {
	i := slices.IndexFunc(rules, func(r struct {
		name string
		make func(decide.Signals, uint64) decide.Dispatcher
	}) bool {
		return r.name == name
	})
	if i < 0 {
		return nil, fmt.Errorf("policy: rule %q: must be one of %s", name, strings.Join(Rules(), ", "))
	}
	return rules[i].make(signals, seed), nil
}

// A field answers, for one decision, which functions can start where. It spares most
// of them the look at every invoker.
type field struct {
	s    decide.Snapshot
	most int64 // memory that a new container can have on any invoker, idle ones evicted
}

func survey(s decide.Snapshot) field {
	f := field{s: s}
	for i := range decide.InvokerID(s.Invokers()) {
		f.most = max(f.most, s.Unclaimed(i)+s.IdleMemory(i))
	}
	return f
}

// start returns the start of f's oldest request: warm where there is an available
// container, else cold where there is room. A function whose idle containers lack
// nothing but CPU waits for that, rather than for a new container somewhere else.
func (d field) start(f decide.FunctionID) (decide.Start, bool) {
	st := decide.Start{Request: d.s.Oldest(f), Container: d.s.Available(f)}
	if st.Container != decide.None {
		return st, true
	}
	ok := d.s.Memory(f) <= d.most && d.s.FirstWarm(f) == decide.None && d.s.AnyRoom(f)
	return st, ok
}

// priority of f, 1 where nothing was learned.
func priority(g decide.Signals, s decide.Snapshot, f decide.FunctionID) float64 {
	if g == nil {
		return 1
	}
	return g.Priority(s, f)
}

// best returns the start with the least cost of those that are possible. Ties go to
// the request that arrived first, then to the smaller number. A cost of never is not
// started.
func best(s decide.Snapshot, ev decide.Event, cost func(f decide.FunctionID, cold bool) float64) (decide.Start, bool) {
	var (
		d      = survey(s)
		chosen decide.Start
		found  bool
		least  float64
		since  decide.Time
	)
	try := func(f decide.FunctionID) {
		st, ok := d.start(f)
		if !ok {
			return
		}
		c := cost(f, st.Container == decide.None)
		if c == never {
			return
		}
		_, at := s.Request(st.Request)
		if !found || c < least || c == least && (at < since || at == since && st.Request < chosen.Request) {
			chosen, found, least, since = st, true, c, at
		}
	}
	// Mostly no function but the event's has both a request that waits and a container
	// for it; then of the others only those can start whose new container fits.
	own, matched := decide.FunctionID(decide.None), 0
	if ev.Kind != decide.Tick && s.Waiting(ev.Function) > 0 {
		own = ev.Function
		try(own)
		if s.FirstWarm(own) != decide.None {
			matched = 1
		}
	}
	if s.Matched() > matched {
		for _, f := range s.Backlog() {
			if f != own {
				try(f)
			}
		}
		return chosen, found
	}
	for f := s.Smallest(); f != decide.None && s.Memory(f) <= d.most; f = s.Larger(f) {
		if f != own {
			try(f)
		}
	}
	return chosen, found
}

// worth reports whether another container of f, ready after the given time, would
// shorten its queue: with k containers and n waiting requests of mean duration d,
// whether those take longer than that, n d / k > start. It is the rule by which ESFF
// creates an extra instance; without it a policy that ranks functions by anything
// else evicts containers that it will want back at once.
func worth(s decide.Snapshot, f decide.FunctionID, start decide.Time) bool {
	k := s.Live(f)
	return k == 0 || float64(s.Waiting(f))*float64(s.Execution(f)) > float64(k)*float64(start)
}

// never is the cost of what is not to start.
var never = math.Inf(1)
