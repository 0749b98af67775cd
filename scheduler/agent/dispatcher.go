package agent

import (
	"fmt"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A Chooser chooses one of the legal actions of an observation, of which there is
// always at least one.
type Chooser interface {
	Choose(o *Observation) int
}

// A Dispatcher is a decide.Dispatcher: what an encoder sees, a chooser decides.
type Dispatcher struct {
	encoder *Encoder
	chooser Chooser
	seen    *Observation
}

// NewDispatcher joins an encoder and a chooser.
func NewDispatcher(e *Encoder, c Chooser) *Dispatcher {
	return &Dispatcher{encoder: e, chooser: c, seen: NewObservation(e.options.Candidates)}
}

// Open returns the greedy dispatcher of n. It is an error if the encoder's options have
// another number of candidates than n.
func Open(n *Network, signals decide.Signals, o Options) (*Dispatcher, error) {
	if n.Candidates != o.Candidates {
		return nil, fmt.Errorf("agent: the network has %d candidates, the options %d", n.Candidates, o.Candidates)
	}
	e, err := NewEncoder(signals, o)
	if err != nil {
		return nil, err
	}
	return NewDispatcher(e, NewGreedy(n)), nil
}

// Next implements decide.Dispatcher. Where nothing can start it defers without asking.
func (d *Dispatcher) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	if d.encoder.Encode(s, d.seen) == 0 {
		return decide.Start{}, false
	}
	return d.seen.Start(s, d.chooser.Choose(d.seen))
}

// Start translates an action that is legal in o, the observation of s.
func (o *Observation) Start(s decide.Snapshot, action int) (decide.Start, bool) {
	if action == o.Defer() {
		return decide.Start{}, false
	}
	f := o.Functions[action/2]
	st := decide.Start{Request: s.Oldest(f), Container: decide.None}
	if action%2 == 0 {
		st.Container = s.Available(f)
	}
	return st, true
}

// Action translates a start, or with ok false its absence, to the action of o, the
// observation of s, that has the same effect. It reports false if there is none: the
// function is no candidate, the request not its oldest, the start speculative, or the
// action not legal.
func (o *Observation) Action(s decide.Snapshot, st decide.Start, ok bool) (int, bool) {
	action := o.Defer()
	if ok {
		f, _ := s.Request(st.Request)
		i := 0
		for i < o.N && o.Functions[i] != f {
			i++
		}
		if i == o.N || st.Speculative || st.Request != s.Oldest(f) {
			return 0, false
		}
		action = 2 * i
		if st.Container == decide.None {
			action++
		}
	}
	return action, o.Legal[action]
}
