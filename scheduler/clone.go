package scheduler

import (
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Clone returns a scheduler of its own in the state of s, between two events, whose stack is the
// one given: s's is not copied, so that a replay can go on from here under another choice.
func (s *Scheduler) Clone(stack Stack) *Scheduler {
	c := *s
	c.state = s.state.Clone()
	c.view, c.stack = c.state.Snapshot(), stack
	c.layered, _ = stack.Pool.(decide.LayeredPool)
	c.expiry, c.timers, c.starts = slices.Clone(s.expiry), slices.Clone(s.timers), slices.Clone(s.starts)
	c.removed, c.out, c.lost = slices.Clone(s.removed), nil, nil
	return &c
}
