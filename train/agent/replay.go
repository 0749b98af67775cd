package agent

import (
	"math/rand/v2"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/agent"
)

// A step is one decision. Actions are numbered among the rows there are: 2i and 2i+1
// start candidate i, 2N defers.
type step struct {
	x      []float32 // (N, Features)
	g      [agent.Globals]float32
	legal  []bool // (2N+1)
	action int

	reward   float64 // until the next step, unscaled
	discount float64 // of what follows the next step
	linked   bool    // the next step of the buffer follows this one, and reward is known
	expert   bool    // demonstrated by the rule to imitate
}

// set takes over what o shows.
func (s *step) set(o *agent.Observation, action int) {
	s.x = append(s.x[:0], o.Candidates[:o.N*agent.Features]...)
	copy(s.g[:], o.Global)
	s.legal = append(append(s.legal[:0], o.Legal[:2*o.N]...), o.Legal[o.Defer()])
	s.action = min(action, 2*o.N) // deferring is the last action there, too
	s.linked, s.expert = false, false
}

// A replay is a ring of steps in the order in which they were made.
type replay struct {
	steps []step
	next  int // that is written next
	limit int
}

// push adds a step. The one pushed before it is linked to it by link.
func (r *replay) push(o *agent.Observation, action int) *step {
	if len(r.steps) < r.limit {
		r.steps = append(r.steps, step{})
	}
	s := &r.steps[r.next]
	s.set(o, action)
	r.next = (r.next + 1) % r.limit
	return s
}

// link closes the last step: the next push follows it.
func (r *replay) link(reward, discount float64) {
	s := &r.steps[(r.next+r.limit-1)%r.limit]
	s.reward, s.discount, s.linked = reward, discount, true
	// What the next push overwrites is no successor of the step before it any more; as
	// that is this one, nothing else is to be done.
}

// usable reports whether there is anything to sample.
func (r *replay) usable() bool {
	return slices.ContainsFunc(r.steps, func(s step) bool { return s.linked })
}

// sample returns the index of a step whose successor is known. r must be usable.
func (r *replay) sample(rng *rand.Rand) int {
	for range 1000 {
		if i := rng.IntN(len(r.steps)); r.ready(i) {
			return i
		}
	}
	for i := range r.steps { // almost none is linked
		if r.ready(i) {
			return i
		}
	}
	panic("agent: sample from a replay buffer without transitions")
}

// ready reports whether step i is linked to one that is there.
func (r *replay) ready(i int) bool {
	return r.steps[i].linked && (i+1)%r.limit != r.next%r.limit
}

// target sums up to n rewards from step i on: the return, the discount of the value of
// the state after them, and the step of that state.
func (r *replay) target(i, n int) (reward, discount float64, at int) {
	discount, at = 1, i
	for range n {
		s := &r.steps[at]
		reward += discount * s.reward
		discount *= s.discount
		at = (at + 1) % r.limit
		if !r.ready(at) {
			break
		}
	}
	return reward, discount, at
}
