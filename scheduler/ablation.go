package scheduler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// The stacks that run a bundle in part, to see what each half is worth (Incendio,
// Section VIII-C).
const (
	WithoutScheduler = "incendio-wo-s"
	WithoutPredictor = "incendio-wo-p"
)

// A LearnedRow names a stack that runs the models of a bundle.
type LearnedRow struct {
	Name   string
	Source string // what of the bundle it runs
}

// learned is the one table of stacks that need a bundle.
var learned = []struct {
	LearnedRow
	build func(Parts) (Stack, error)
}{
	{LearnedRow{IncendioName, "this project: the models of a bundle"}, Incendio},
	{LearnedRow{WithoutScheduler, "incendio's pool; requests start in order of arrival"}, withoutScheduler},
	{LearnedRow{WithoutPredictor, "incendio's dispatcher; the pool of native"}, withoutPredictor},
}

// Learned returns the stacks that run the models of a bundle, in the order of tables.
func Learned() []LearnedRow {
	out := make([]LearnedRow, len(learned))
	for i, r := range learned {
		out[i] = r.LearnedRow
	}
	return append(out, LearnedRow{TrainedALPSName, "native, and invokers serve functions by the ranks and slices of the bundle (ALPS)"})
}

// Ablated composes the row of [Learned] of that name from the parts of "incendio"; all
// but [TrainedALPSName], which has none of them (see [Models.TrainedALPS]).
func Ablated(name string, p Parts) (Stack, error) {
	names := make([]string, len(learned))
	for i, r := range learned {
		if names[i] = r.Name; r.Name == name {
			s, err := r.build(p)
			s.Name = name
			return s, err
		}
	}
	return Stack{}, fmt.Errorf("scheduler: policy %q of a bundle: must be one of %s", name, strings.Join(names, ", "))
}

// Variant is [Models.Stack] for the row of [Learned] of that name.
func (m *Models) Variant(name string, functions []datasets.Function, source forecast.Source, first []forecast.Forecast, start decide.Time, seed uint64) (Stack, error) {
	return Ablated(name, m.parts(functions, source, first, start, seed))
}

// withoutScheduler is "Incendio-wo-S": what is learned of requests, their priorities,
// the agents, the SLO guard and the limit on what executes at once, gives way to the
// order of arrival. Priorities still say which idle container is evicted first.
func withoutScheduler(p Parts) (Stack, error) {
	if p.Index != nil {
		return indexWithoutScheduler(*p.Index, p.Rate)
	}
	p.Dispatcher = func(decide.Signals) (decide.Dispatcher, error) { return policy.FCFS{}, nil }
	p.SLO = SLO{}
	p.Pool.CPUShare = 0
	return Incendio(p)
}

// withoutPredictor is "Incendio-wo-P": nothing is forecast and nothing prewarmed, idle
// containers end after a fixed time, the least recently used first where memory is short.
func withoutPredictor(p Parts) (Stack, error) {
	if p.Index != nil {
		return indexWithoutPredictor(*p.Index, p.Rate)
	}
	p.First = nil
	s, err := Incendio(p)
	if err != nil {
		return Stack{}, err
	}
	inner := s.Pool.(*pool)
	s.Pool = &watchedLRU{LRU: policy.LRU{Keep: policy.NativeKeepAlive}, signals: inner.signals, observers: slices.Clone(inner.observers)}
	return s, nil
}

// watchedLRU is native's pool that shows what it sees to the dispatcher.
type watchedLRU struct {
	policy.LRU
	signals   *signals // of the dispatcher
	observers []observer
}

// Deployed implements decide.Deployer.
func (p *watchedLRU) Deployed(_ decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.signals.grow(int(f) + 1)
	p.signals.rate[f] = max(p.signals.rate[f], profile.PerMinute)
	p.signals.cached[f].until = 0
}

// Observe implements decide.Pool.
func (p *watchedLRU) Observe(s decide.Snapshot, ev decide.Event) {
	for _, o := range p.observers {
		o.Observe(s, ev)
	}
}
