package scheduler

import (
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// ids relates what the platform calls things to the numbers that they have inside.
type ids[N ~int32] struct {
	to map[uint64]N
	of []uint64 // by number; 0: nobody has it
}

func newIDs[N ~int32]() ids[N] { return ids[N]{to: map[uint64]N{}} }

func (m *ids[N]) get(id uint64) (N, bool) {
	n, ok := m.to[id]
	return n, ok
}

// id of n; 0 if it has none.
func (m *ids[N]) id(n N) uint64 {
	if int(n) >= len(m.of) {
		return 0
	}
	return m.of[n]
}

func (m *ids[N]) put(id uint64, n N) {
	for int(n) >= len(m.of) {
		m.of = append(m.of, 0)
	}
	m.of[n] = id
	m.to[id] = n
}

func (m *ids[N]) remove(id uint64) {
	if n, ok := m.to[id]; ok {
		m.of[n] = 0
		delete(m.to, id)
	}
}

// retire lets nothing more be said of id, under which its number is still known.
func (m *ids[N]) retire(id uint64) { delete(m.to, id) }

// fresh reports an id that cannot be given to something new.
func (m *ids[N]) fresh(what string, id uint64) error {
	if id == 0 {
		return fmt.Errorf("scheduler: the id of a %s must not be 0", what)
	}
	if _, ok := m.to[id]; ok {
		return fmt.Errorf("scheduler: %s %d is there already", what, id)
	}
	return nil
}

// names numbers owners, applications and languages in the order in which they come.
type names struct {
	Owners, Languages map[string]int32
	Apps              map[[2]string]int32
}

func newNames() names {
	return names{map[string]int32{}, map[string]int32{}, map[[2]string]int32{}}
}

func numbered[K comparable](m map[K]int32, key K) int32 {
	n, ok := m[key]
	if !ok {
		n = int32(len(m))
		m[key] = n
	}
	return n
}

// profile is what is known of f. Times are cut to what a profile may expect.
func (n *names) profile(f Function, m *Models) decide.Profile {
	p := decide.Profile{
		Owner: numbered(n.Owners, f.Owner), App: numbered(n.Apps, [2]string{f.Owner, f.App}), Language: numbered(n.Languages, f.Language),
		Memory: f.Memory, CPU: f.CPU,
		Execution: decide.FromDuration(f.Execution), Initialise: decide.FromDuration(f.Initialise), Termination: decide.FromDuration(f.Termination),
	}
	if m != nil {
		if i, ok := m.info(forecast.Key{Owner: f.Owner, App: f.App, Name: f.Name}); ok {
			ms := func(v float64) decide.Time {
				if !(v > 0) || math.IsInf(v, 0) {
					return 0
				}
				return decide.Time(min(v, 1e9) * float64(decide.Millisecond))
			}
			p.Memory = orElse(p.Memory, int64(i.MemoryMB*(1<<20)))
			p.CPU = orElse(p.CPU, i.CPU)
			p.Execution = orElse(p.Execution, ms(i.Execution))
			p.Initialise = orElse(p.Initialise, ms(i.Init))
			p.Termination = orElse(p.Termination, ms(i.Term))
		}
	}
	p.CPU = orElse(p.CPU, datasets.DefaultCPU)
	p.Execution = orElse(p.Execution, decide.FromDuration(datasets.DefaultExecution))
	if p.Memory > 0 && (p.Initialise == 0 || p.Termination == 0) {
		assumed := datasets.Function{Owner: f.Owner, App: f.App, Name: f.Name, Memory: p.Memory}
		assumed.AssumeStartCost(0)
		p.Initialise = orElse(p.Initialise, decide.FromDuration(assumed.Initialisation.Mean()))
		p.Termination = orElse(p.Termination, decide.FromDuration(assumed.Termination.Mean()))
	}
	return p
}

// orElse is v, or other where v is 0.
func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}
