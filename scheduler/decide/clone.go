package decide

import "slices"

// Clone returns a state of its own that is equal to s.
func (s *State) Clone() *State {
	c := *s
	c.functions, c.containers, c.freed = slices.Clone(s.functions), slices.Clone(s.containers), slices.Clone(s.freed)
	c.requests, c.invokers, c.backlog = slices.Clone(s.requests), slices.Clone(s.invokers), slices.Clone(s.backlog)
	if s.changes.list != nil {
		c.changes.list = append(make([]FunctionID, 0, cap(s.changes.list)), s.changes.list...)
	}
	return &c
}
