package replay

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A Subject is a bundle that was opened.
type Subject struct {
	Models *scheduler.Models
	Bundle *bundle.Bundle
}

// Open opens the bundle in dir.
func Open(dir string) (*Subject, error) {
	m, b, err := scheduler.Open(dir)
	if err != nil {
		return nil, err
	}
	return &Subject{m, b}, nil
}

// OpenReference opens the bundle that ref names for the registry, as p asks for: a
// directory, an alias or a digest. A bundle of the registry must be the one that its
// journal knows. A release is remembered once the golden cases came out as exported.
func OpenReference(r *bundle.Registry, ref string, p bundle.Policy) (*Subject, error) {
	var s Subject
	also := p.Accept
	p.Accept = func(b *bundle.Bundle) (err error) {
		s.Bundle = b
		if s.Models, err = scheduler.Use(b); err == nil && also != nil {
			err = also(b)
		}
		return err
	}
	if _, err := r.Open(ref, p); err != nil {
		return nil, err
	}
	return &s, nil
}

// Seen is the part of a window of t that the bundle was fitted, chosen or calibrated on, of length 0
// where it has seen nothing of it. Minutes are the same if their times are, and the traces have the same
// name or content: a trace that has grown since has another digest.
func (s *Subject) Seen(t *datasets.Trace, w datasets.Window) datasets.Window {
	m := s.Bundle.Manifest()
	if !slices.ContainsFunc(m.Traces, func(x bundle.Trace) bool { return x.Name == t.Name || x.Digest == t.Digest }) {
		return datasets.Window{}
	}
	shift := 0
	if start, err := time.Parse(time.RFC3339, m.Window.Start); err == nil { // else the trace has no date, and no other start
		shift = int(start.Sub(t.Start) / time.Minute)
	}
	seen := datasets.Window{From: max(w.From, m.Window.From+shift), To: min(w.To, m.Window.To+shift)}
	if seen.Len() <= 0 {
		return datasets.Window{}
	}
	return seen
}

// Flattered says that a bundle is judged on minutes that it has seen, or nothing.
func (s *Subject) Flattered(t *datasets.Trace, w datasets.Window) string {
	seen := s.Seen(t, w)
	if seen.Len() == 0 {
		return ""
	}
	return fmt.Sprintf("bundle %.12s was learned on %d of the %d minutes of the window, up to %s: its figures flatter it",
		s.Bundle.Digest(), seen.Len(), w.Len(), t.Time(seen.To).Format(time.RFC3339))
}

// Stack builds the stack "incendio" of m for a simulation under o: its forecaster is
// primed with the minutes of the trace before the clock begins, and then sees what
// arrives, as in a control plane.
func Stack(ctx context.Context, m *scheduler.Models, o sim.Options) sim.NewStack {
	return Variant(ctx, scheduler.IncendioName, m, o)
}

// Build is [Stack] for whatever replay.
func Build(ctx context.Context, m *scheduler.Models) func(o sim.Options) sim.NewStack {
	return func(o sim.Options) sim.NewStack { return Stack(ctx, m, o) }
}

// Variant is [Stack] for a row of [scheduler.Learned].
func Variant(ctx context.Context, name string, m *scheduler.Models, o sim.Options) sim.NewStack {
	return func(t *datasets.Trace, _ policy.Site) (scheduler.Stack, error) {
		start := o.Begin(t)
		rt, err := forecast.NewRuntime(m.Forecast, t.Functions, t.Start)
		if err != nil {
			return scheduler.Stack{}, err
		}
		var first []forecast.Forecast
		counts := make([]float64, len(t.Functions))
		from := m.Forecast.WarmUp(t.Span, start)
		for day := from / datasets.MinutesPerDay; from < start && day*datasets.MinutesPerDay < start; day++ {
			c, err := t.Day(ctx, day)
			if err != nil {
				return scheduler.Stack{}, err
			}
			low, high := max(from, day*datasets.MinutesPerDay), min(start, (day+1)*datasets.MinutesPerDay)
			for minute, row := range c.Rows(low-day*datasets.MinutesPerDay, high-day*datasets.MinutesPerDay, counts) {
				if at := day*datasets.MinutesPerDay + minute; at < start-1 {
					rt.Prime(at, row)
				} else {
					first = slices.Clone(rt.Step(at, row))
				}
			}
		}
		return m.Variant(name, t.Functions, rt, first, decide.Time(start)*decide.Minute, o.Seed)
	}
}

// Policies are the rows of a comparison under o, by name. The name "all" is every policy that
// needs no bundle, and those that do if there is one.
func Policies(ctx context.Context, names []string, o sim.Options, s *Subject) ([]sim.Contender, error) {
	var out []sim.Contender
	add := func(name string) error {
		if learned(name) {
			if s == nil {
				return fmt.Errorf("policy %q runs a bundle: name one with --bundle", name)
			}
			if name == scheduler.TrainedALPSName {
				if _, err := s.Models.TrainedALPS(); err != nil {
					return err
				}
				out = append(out, sim.Contender{Name: name, Sharing: sim.ALPS, New: func(*datasets.Trace, policy.Site) (scheduler.Stack, error) {
					return s.Models.TrainedALPS()
				}})
				return nil
			}
			out = append(out, sim.Contender{Name: name, New: Variant(ctx, name, s.Models, o)})
			return nil
		}
		p, err := sim.Baseline(name, o.Seed)
		if err != nil {
			return err
		}
		out = append(out, p)
		return nil
	}
	for _, name := range names {
		if name != "all" {
			if err := add(name); err != nil {
				return nil, err
			}
			continue
		}
		for _, row := range scheduler.Baselines() {
			if err := add(row.Name); err != nil {
				return nil, err
			}
		}
		if s == nil {
			continue
		}
		for _, row := range scheduler.Learned() {
			if row.Name == scheduler.TrainedALPSName && s.Models.Slices == nil {
				continue // a bundle from before there were any
			}
			if err := add(row.Name); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// learned reports whether a policy of that name runs a bundle.
func learned(name string) bool {
	return slices.ContainsFunc(scheduler.Learned(), func(r scheduler.LearnedRow) bool { return r.Name == name })
}
