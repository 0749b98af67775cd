package agent

import (
	"context"
	"fmt"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A NewDispatcher builds the dispatcher that a run is to use from the signals of its stack.
type NewDispatcher func(decide.Signals) (decide.Dispatcher, error)

// An Episode replays a window of the trace in the simulator, with the caller's stack
// around the dispatcher and o as the observer. Equal arguments must give equal
// runs; the seed is that of arrivals, durations and start costs. It is called by several
// goroutines at once. A window without requests is sim.ErrNoRequests.
type Episode func(ctx context.Context, dispatcher NewDispatcher, w datasets.Window, seed uint64, o sim.Observer) (*sim.Result, error)

// A NewStack composes a stack around a dispatcher, for one run on a trace.
type NewStack func(t *datasets.Trace, profiles []decide.Profile, dispatcher NewDispatcher) (scheduler.Stack, error)

// Simulated returns the Episode that runs stack on t under o, whose window, seed and
// observer are the episode's.
func Simulated(t *datasets.Trace, o sim.Options, stack NewStack) Episode {
	return func(ctx context.Context, dispatcher NewDispatcher, w datasets.Window, seed uint64, observer sim.Observer) (*sim.Result, error) {
		o := o
		o.Window, o.Seed, o.Observer = w, seed, observer
		load, err := sim.Load(ctx, t, o.Draw)
		if err != nil {
			return nil, err
		}
		return sim.Run(ctx, t, load, func(t *datasets.Trace, s policy.Site) (scheduler.Stack, error) {
			return stack(t, s.Profiles, dispatcher)
		}, o)
	}
}

// An actor is the dispatcher of a training run: it turns every decision into a step.
type actor struct {
	encoder *agent.Encoder
	seen    *agent.Observation
	meter   *meter
	end     decide.Time // of the window; what follows is not learned from
	steps   *replay
	chained bool    // the last step is that of the decision before
	phi     float64 // the potential there

	// choose returns the action, given what the rule, if any, would do.
	choose func(o *agent.Observation) int
	rule   decide.Dispatcher // to follow, instead of choose
	expert bool              // the rule is the one to imitate
	made   int
}

// Next implements decide.Dispatcher.
func (a *actor) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	legal := a.encoder.Encode(s, a.seen)
	if a.rule != nil {
		return a.follow(s, ev, legal)
	}
	if legal == 0 {
		return decide.Start{}, false
	}
	action := a.choose(a.seen)
	a.record(s, action)
	return a.seen.Start(s, action)
}

// follow does what the rule does, and records it where the agent could have done it.
func (a *actor) follow(s decide.Snapshot, ev decide.Event, legal int) (decide.Start, bool) {
	st, ok := a.rule.Next(s, ev)
	if legal > 0 {
		if action, same := a.seen.Action(s, st, ok); same {
			a.record(s, action)
		} else {
			a.chained = false
		}
	}
	return st, ok
}

func (a *actor) record(s decide.Snapshot, action int) {
	now := s.Now()
	reward, discount := a.meter.take(now)
	if now >= a.end {
		a.chained = false
		return
	}
	phi := a.meter.potential(s)
	if a.chained {
		a.steps.link(reward+discount*phi-a.phi, discount)
	}
	a.phi = phi
	step := a.steps.push(a.seen, action)
	step.expert = a.expert
	a.chained = true
	a.made++
	if action != a.seen.Defer() && action%2 == 1 {
		a.meter.charge(a.meter.cost.cold * s.Initialise(a.seen.Functions[action/2]).Seconds())
	}
}

// run replays one window under an actor and returns its meter.
func run(ctx context.Context, episode Episode, w datasets.Window, seed uint64, o Options, make func(decide.Signals, *actor) error) (*actor, error) {
	a := &actor{
		seen: agent.NewObservation(o.Observation.Candidates), meter: newMeter(o.cost()),
		end: decide.Time(w.To) * decide.Minute,
	}
	_, err := episode(ctx, func(g decide.Signals) (_ decide.Dispatcher, err error) {
		a.meter.signals = g
		if a.encoder, err = agent.NewEncoder(g, o.Observation); err != nil {
			return nil, err
		}
		return a, make(g, a)
	}, w, seed, a.meter)
	if err != nil {
		return nil, fmt.Errorf("episode %v: %w", w, err)
	}
	return a, nil
}

// measure replays one window under a dispatcher that nothing is learned from.
func measure(ctx context.Context, episode Episode, w datasets.Window, seed uint64, o Options, make NewDispatcher) (*meter, error) {
	m := newMeter(o.cost())
	_, err := episode(ctx, func(g decide.Signals) (decide.Dispatcher, error) {
		m.signals = g
		return make(g)
	}, w, seed, m)
	if err != nil {
		return nil, fmt.Errorf("episode %v: %w", w, err)
	}
	return m, nil
}

// greedy returns what builds the dispatcher of a network.
func greedy(n *agent.Network, o Options) NewDispatcher {
	return func(g decide.Signals) (decide.Dispatcher, error) { return agent.Open(n, g, o.Observation) }
}

// rule returns what builds the dispatcher of a rule.
func rule(name string, seed uint64) NewDispatcher {
	return func(g decide.Signals) (decide.Dispatcher, error) { return policy.Rule(name, g, seed) }
}
