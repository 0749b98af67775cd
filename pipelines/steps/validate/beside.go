package validate

import (
	"context"
	"fmt"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/gates"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/forecast"
)

// Names of the rows of two bundles in a simulation of [Validator.Beside].
const (
	RowA = "a"
	RowB = "b"
)

// A Comparison has the figures of two bundles on one window.
type Comparison struct {
	Trace  string          `json:"trace"`
	Window datasets.Window `json:"window"`
	// SeenA and SeenB are how many minutes of the window, by their dates, the bundles have
	// learned from. Figures of a bundle on minutes that it has seen flatter it.
	SeenA int `json:"seen_minutes_a"`
	SeenB int `json:"seen_minutes_b"`

	A          *forecast.BacktestReport `json:"a"` // forecasts of the first, beside the baselines
	B          *forecast.BacktestReport `json:"b"`
	Simulation *sim.Report              `json:"simulation"` // with the rows RowA and RowB

	PlayedA gates.Played `json:"played_a"` // of those rows, as the gates judge by
	PlayedB gates.Played `json:"played_b"`
}

// Forecasts are the figures of the two that gates judge by, NaN where a report has none.
func (c *Comparison) Forecasts() (a, b gates.Forecast) {
	return figures(c.A, forecast.Incendio), figures(c.B, forecast.Incendio)
}

// Beside evaluates two bundles on the window, each as Validate evaluates a candidate: the
// same figures, without gates, scenarios and the baseline of trees, which are made for one.
func (v *Validator) Beside(ctx context.Context, a, b *replay.Subject) (*Comparison, error) {
	if v.Window.Len() < 1 {
		return nil, fmt.Errorf("validate: window %v of trace %q is empty", v.Window, v.Trace.Name)
	}
	bar := v.Progress.Begin("compare", 3)
	defer bar.End()
	c := &Comparison{Trace: v.Trace.Name, Window: v.Window, SeenA: v.seen(a.Bundle), SeenB: v.seen(b.Bundle)}
	var err error
	if c.A, err = v.evaluate(ctx, a, nil); err != nil {
		return nil, fmt.Errorf("bundle %.12s: %w", a.Bundle.Digest(), err)
	}
	bar.Set(1, "forecasts")
	if c.B, err = v.evaluate(ctx, b, nil); err != nil {
		return nil, fmt.Errorf("bundle %.12s: %w", b.Bundle.Digest(), err)
	}
	bar.Set(2, "simulation")
	if c.Simulation, err = v.simulate(ctx, []entrant{{RowA, a}, {RowB, b}}); err != nil {
		return nil, err
	}
	if c.Simulation.Requests == 0 {
		return nil, fmt.Errorf("validate: no request in window %v of trace %q", v.Window, v.Trace.Name)
	}
	c.PlayedA, c.PlayedB = *played(c.Simulation, RowA), *played(c.Simulation, RowB)
	bar.Set(3, "")
	return c, nil
}

// seen is how many minutes of the window b has learned from, if its trace has the name of
// this one.
func (v *Validator) seen(b *bundle.Bundle) int {
	m := b.Manifest()
	for _, t := range m.Traces {
		if t.Name != v.Trace.Name {
			continue
		}
		start, err := time.Parse(time.RFC3339, m.Window.Start)
		if err != nil { // the manifest was validated: it has no date
			start = v.Trace.Start
		}
		shift := int(start.Sub(v.Trace.Start) / time.Minute)
		return max(0, min(v.Window.To, m.Window.To+shift)-max(v.Window.From, m.Window.From+shift))
	}
	return 0
}
