package scheduler

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// keptMinutes is how many minutes of arrivals a Control keeps for models to come: a day.
const keptMinutes = 24 * 60

// minutes are the arrivals of the last minutes by function, those that had any.
type minutes struct {
	now  int     // the minute of the last list
	list [][]tot // the last keptMinutes at most, the one of now last
}

// A tot is the arrivals of a function in a minute.
type tot struct {
	function decide.FunctionID
	n        int32
}

// begin takes in the minutes before now.
func (m *minutes) begin(now int, history [][]float64) {
	if len(history) > keptMinutes {
		history = history[len(history)-keptMinutes:]
	}
	m.now = now
	for _, counts := range history {
		var list []tot
		for f, n := range counts {
			if n > 0 {
				list = append(list, tot{decide.FunctionID(f), int32(min(n, 1<<30))})
			}
		}
		m.list = append(m.list, list)
	}
	m.list = append(m.list, nil)
}

// pass lets time pass until the minute now.
func (m *minutes) pass(now int) {
	if now-m.now > keptMinutes {
		m.now, m.list = now-1, [][]tot{nil}
	}
	for ; m.now < now; m.now++ {
		m.list = append(m.list, nil)
	}
	if over := len(m.list) - keptMinutes - 1; over > 0 {
		m.list = slices.Delete(m.list, 0, over)
	}
}

// add counts an arrival of f in the minute now.
func (m *minutes) add(now int, f decide.FunctionID) {
	m.pass(now)
	last := &m.list[len(m.list)-1]
	for k := range slices.Backward(*last) {
		if t := &(*last)[k]; t.function == f {
			t.n++
			return
		}
		if len(*last)-k > 8 {
			break // it gets another entry: they are summed where they are read
		}
	}
	*last = append(*last, tot{f, 1})
}

// history are the counts of functions in the whole minutes before now.
func (m *minutes) history(now, functions int) [][]float64 {
	m.pass(now)
	out := make([][]float64, len(m.list)-1)
	all := make([]float64, len(out)*functions)
	for k := range out {
		out[k] = all[k*functions : (k+1)*functions : (k+1)*functions]
		for _, t := range m.list[k] {
			out[k][t.function] += float64(t.n)
		}
	}
	return out
}

// Swap lets the models m decide, in place of those that did, from the last event on: a Tick before it
// lets the time pass. Containers, queues and what was measured of functions stay; deflated
// containers get their CPU back. The new forecasters see the arrivals of the last day, as far as they were
// seen; the old forecasts serve until the minute ends. What else the policy had learned of this platform
// while it ran (environments, gaps between requests, the envelope of the index) begins
// anew from the models. The first order is a Swapped. After an error all is as it was.
func (c *Control) Swap(m *Models) ([]Order, error) {
	switch {
	case m == nil:
		return nil, errors.New("scheduler: swap: there are no models")
	case c.cfg.Models == nil:
		return nil, fmt.Errorf("scheduler: swap: policy %q runs without models", c.Name())
	}
	if m == c.cfg.Models || m.digest != "" && m.digest == c.cfg.Models.digest { // the same bundle
		c.out = append(c.out[:0], Order{Kind: decide.Swapped})
		return c.out, nil
	}
	v := c.s.view
	start := v.Now() - v.Now()%decide.Minute
	cfg := c.cfg
	cfg.Models = m
	cfg.History = c.minutes.history(int(start/decide.Minute), len(c.known))
	old, _ := c.s.stack.Pool.(*pool)
	var first []forecast.Forecast
	if old != nil {
		first = slices.Clone(old.signals.forecast)
	}
	stack, rt, err := cfg.stack(c.known, profilesOf(v), specsOf(v), c.midnight, start, first)
	if err != nil {
		return nil, fmt.Errorf("scheduler: swap: %w", err)
	}
	if p, ok := stack.Pool.(*pool); ok && old != nil {
		copy(p.counts, old.counts)
	}
	cfg.History = nil
	c.cfg, c.runtime, c.identity = cfg, rt, ""
	clear(c.former)
	c.out = append(c.out[:0], Order{Kind: decide.Swapped})
	c.s.swap(stack)
	for i := range c.s.out {
		c.order(&c.s.out[i])
	}
	return c.out, nil
}

// profilesOf are the functions as they are known now.
func profilesOf(v decide.Snapshot) []decide.Profile {
	out := make([]decide.Profile, v.Functions())
	for f := range out {
		out[f] = v.Profile(decide.FunctionID(f))
	}
	return out
}

// specsOf are the invokers.
func specsOf(v decide.Snapshot) []decide.InvokerSpec {
	out := make([]decide.InvokerSpec, v.Invokers())
	for i := range out {
		out[i] = v.InvokerSpec(decide.InvokerID(i))
	}
	return out
}

// swap lets another stack decide.
func (s *Scheduler) swap(stack Stack) {
	s.out = s.out[:0]
	s.stack = stack
	s.state.Limit(stack.CPUShare)
	for c := range decide.ContainerID(s.view.Containers()) {
		s.resize(c, 1)
	}
	if g, ok := stack.Dispatcher.(*guard); ok {
		for r := s.view.OldestAll(); r != decide.None; r = s.view.After(r) {
			g.note(s.view, r)
		}
	}
	s.tick()
}
