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

// A rule is a dispatcher that goes with any pool. It is a [Row] too: native with that dispatcher.
type rule struct {
	name, source   string
	cpuShare       float64 // of the stack of its row
	reconstruction bool
	make           func(g decide.Signals, seed uint64) decide.Dispatcher
}

// row is native that dispatches by the rule, without learned signals.
func (r rule) row() Row {
	return plain(Row{Name: r.name, Source: r.source, Reconstruction: r.reconstruction}, func(site Site) Stack {
		s := Native(NativeKeepAlive)
		s.Dispatcher, s.CPUShare = r.make(nil, site.Seed), r.cpuShare
		return s
	})
}

// rules are the dispatchers, sorted by their names. The row fcfs is that of [Strict].
var rules = []rule{
	densityRule, esffRule,
	{name: "fcfs", make: func(decide.Signals, uint64) decide.Dispatcher { return FCFS{} }},
	knapsackRule, leastSlackRule, randomRule, sjfRule,
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
	i := slices.IndexFunc(rules, func(r rule) bool { return r.name == name })
	if i < 0 {
		return nil, fmt.Errorf("policy: rule %q: must be one of %s", name, strings.Join(Rules(), ", "))
	}
	return rules[i].make(signals, seed), nil
}

// priority of f, 1 where nothing was learned.
func priority(g decide.Signals, s decide.Snapshot, f decide.FunctionID) float64 {
	if g == nil {
		return 1
	}
	return g.Priority(s, f)
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
