package chains

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
)

// lag is how many minutes after the first stage a later one is looked for.
const lag = 2

// Apply returns the trace that a plan makes of t, in which the functions that it makes
// stand after those of t; t stays as it is.
//
// A request of a chain is an invocation of its first stage for which all invocations of
// the later ones are found, in its minute or the two after it, on the same day. Its
// invocations become one of each function that the plan makes, in the minute of the
// first; every other invocation stays. So no work is made up where a chain did not run
// to its end. As minutes are what is matched, single invocations that t may know are
// left aside, and drawn from the counts.
func Apply(t *datasets.Trace, chains []Chain, p Plan) *datasets.Trace {
	out := *t
	out.Functions = slices.Clone(t.Functions)
	s := &source{Source: t.Source, functions: len(t.Functions)}
	for i := range chains {
		c := &chains[i]
		m := made{chain: c}
		for _, u := range c.units(p) {
			if u.new {
				m.units = append(m.units, u)
				out.Functions = append(out.Functions, u.function(t.Functions, datasets.FunctionID(len(out.Functions))))
			}
		}
		s.made = append(s.made, m)
	}
	out.Source = s
	out.Notes = append(slices.Clone(t.Notes), fmt.Sprintf("%d chains, fused: %t, bundled: %t", len(chains), p.Fuse, p.Bundle))
	return &out
}

// function that a unit becomes.
func (u *unit) function(functions []datasets.Function, id datasets.FunctionID) datasets.Function {
	first, slowest := &functions[u.stages[0].Function], u.slowest(functions)
	out := *first
	out.ID, out.Memory, out.CPU = id, 0, 0
	var names []string
	for _, s := range u.stages {
		f, n := &functions[s.Function], u.bundled(s)
		name := f.Name
		if n > 1 {
			name = fmt.Sprintf("%s*%d", name, n)
		}
		names = append(names, name)
		out.Memory = max(out.Memory, int64(n)*f.Memory)
		out.CPU = max(out.CPU, float64(n)*f.CPU)
		out.Assumed |= f.Assumed
	}
	out.Name = strings.Join(names, "+")
	out.Execution = u.execution(functions).distribution()
	out.Initialisation, out.Termination = slowest.Initialisation, slowest.Termination
	return out
}

// made is what becomes of a chain: the units that are new functions.
type made struct {
	chain *Chain
	units []unit
}

// A source is the counts of the trace that a plan makes.
type source struct {
	datasets.Source
	functions int // of the original
	made      []made
}

// Day implements datasets.Source. Only this method of the original is used.
func (s *source) Day(ctx context.Context, day int) (*datasets.Counts, error) {
	in, err := s.Source.Day(ctx, day)
	if err != nil {
		return nil, err
	}
	changed := map[datasets.FunctionID]*row{}
	next := datasets.FunctionID(s.functions)
	for i := range s.made {
		m := &s.made[i]
		requests := m.take(in, changed)
		for range m.units {
			changed[next] = requests
			next++
		}
	}
	out := &datasets.Counts{Day: in.Day, Offset: []int{0}}
	for f := range next {
		if r := changed[f]; r != nil {
			for minute, n := range r {
				if n > 0 {
					out.Minute, out.Count = append(out.Minute, int32(minute)), append(out.Count, n)
				}
			}
		} else {
			minute, count := in.Function(f)
			out.Minute, out.Count = append(out.Minute, minute...), append(out.Count, count...)
		}
		out.Offset = append(out.Offset, len(out.Count))
	}
	return out, nil
}

// A row is the counts of a function by minute of a day.
type row [datasets.MinutesPerDay]int64

func rowOf(in *datasets.Counts, f datasets.FunctionID) *row {
	var out row
	minute, count := in.Function(f)
	for i, m := range minute {
		out[m] = count[i]
	}
	return &out
}

// take takes the requests of the chain that are found out of the counts of the stages that
// the plan changes, and returns how many there were by minute.
func (m *made) take(in *datasets.Counts, changed map[datasets.FunctionID]*row) *row {
	stages := m.chain.Stages
	rows := make([]*row, len(stages)) // of which what was found is gone
	for k, s := range stages {
		rows[k] = rowOf(in, s.Function)
	}
	var requests row
	for minute, heads := range rows[0] {
		last := min(minute+lag, datasets.MinutesPerDay-1)
		n := heads
		for k, s := range stages[1:] {
			var there int64
			for _, x := range rows[k+1][minute : last+1] {
				there += x
			}
			n = min(n, there/int64(s.Width))
		}
		requests[minute] = n
		for k, s := range stages {
			left := n * int64(s.Width)
			for at := minute; left > 0; at++ {
				x := min(left, rows[k][at])
				rows[k][at] -= x
				left -= x
			}
		}
	}
	for _, u := range m.units {
		for _, s := range u.stages {
			k := slices.Index(stages, s)
			changed[s.Function] = rows[k]
		}
	}
	return &requests
}

// Requests is how many requests of each chain are found in t, as [Apply] finds them.
func Requests(ctx context.Context, t *datasets.Trace, chains []Chain) ([]int64, error) {
	out := make([]int64, len(chains))
	for day := t.Span.From / datasets.MinutesPerDay; day < t.Days(); day++ {
		counts, err := t.Day(ctx, day)
		if err != nil {
			return nil, err
		}
		for i := range chains {
			m := made{chain: &chains[i]}
			for _, n := range m.take(counts, nil) {
				out[i] += n
			}
		}
	}
	return out, nil
}
