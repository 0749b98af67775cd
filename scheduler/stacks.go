package scheduler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// A Row names a stack that needs no bundle.
type Row struct {
	Name           string
	Source         string // where the policy comes from
	Reconstruction bool   // from a description, where no code or pseudocode of the authors was at hand

	build func(profiles []decide.Profile, seed uint64) Stack
}

// baselines is the one table of stacks that need no bundle. Those that are named
// for a rule differ from native in the dispatcher alone.
var baselines = slices.Concat([]Row{
	{
		Name: "native", Source: "Apache OpenWhisk: LRU eviction, 10-minute keep-alive",
		build: func([]decide.Profile, uint64) Stack { return compose(policy.Native()) },
	},
	{
		Name: "faascache", Source: "Fuerst and Sharma, FaasCache, ASPLOS 2021: GDSF; requests wait for room up to the time-out",
		build: func(profiles []decide.Profile, _ uint64) Stack { return compose(policy.FaasCache(profiles)) },
	},
}, []Row{
	rule("random", "a request drawn at random", 0, false),
	rule("sjf", "shortest expected job first, initialisation included", 0, false),
	rule("esff", "enhanced shortest function first, arXiv 2310.16475", 0, true),
	rule("leastslack", "least slack first, Fifer, Middleware 2020, with Incendio's objective", 0, true),
	rule("density", "Incendio, Eq. 5-7, greedy by density, all priorities equal", 1, false),
	rule("knapsack", "Incendio, Eq. 5-7, exact by dynamic programming, all priorities equal", 1, false),
})

func compose(p policy.Parts) Stack {
	return Stack{Dispatcher: p.Dispatcher, Pool: p.Pool, Placer: p.Placer}
}

// rule is a row that dispatches by a rule without learned signals.
func rule(name, source string, cpuShare float64, reconstruction bool) Row {
	return Row{
		Name: name, Source: source, Reconstruction: reconstruction,
		build: func(_ []decide.Profile, seed uint64) Stack {
			s := compose(policy.Native())
			d, err := policy.Rule(name, nil, seed)
			if err != nil {
				panic(err) // a row of this table that names no rule
			}
			s.Dispatcher, s.CPUShare = d, cpuShare
			return s
		},
	}
}

// Baselines returns the stacks that [Baseline] knows, in the order of tables.
func Baselines() []Row { return slices.Clone(baselines) }

// Baseline returns the builder of the stack of that name. The profiles are those of
// the functions that the Scheduler is made for; the seed is for policies that draw.
// Every Scheduler needs a Stack of its own.
func Baseline(name string, seed uint64) (func(profiles []decide.Profile) Stack, error) {
	i := slices.IndexFunc(baselines, func(r Row) bool { return r.Name == name })
	if i < 0 {
		names := make([]string, len(baselines))
		for k, r := range baselines {
			names[k] = r.Name
		}
		return nil, fmt.Errorf("scheduler: policy %q: must be one of %s", name, strings.Join(names, ", "))
	}
	return func(profiles []decide.Profile) Stack {
		s := baselines[i].build(profiles, seed)
		s.Name = name
		return s
	}, nil
}
