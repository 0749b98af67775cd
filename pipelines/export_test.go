package pipelines

import (
	"context"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/forecast"
)

// Pick chooses windows of part to learn on.
func (r *Run) Pick(ctx context.Context, part datasets.Window, n, length int) ([]datasets.Window, error) {
	return r.pick(ctx, part, n, length)
}

// Splits are the parts of the trace in time.
func (r *Run) Splits() datasets.Splits { return r.splits }

// Gates judges figures that were measured elsewhere.
func (v *Validator) Gates(scores, champion *forecast.BacktestReport, rep *sim.Report, networks []NetworkCheck) []bundle.Rule {
	return v.gates(scores, champion, rep, networks, champion != nil)
}

// Measured reports a rule without figures.
var Measured = measured
