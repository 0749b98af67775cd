package pipelines

import (
	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/forecast"
)

// Splits are the parts of the trace in time.
func (r *Run) Splits() datasets.Splits { return r.splits }

// Gates judges figures that were measured elsewhere.
func (v *Validator) Gates(scores, champion *forecast.BacktestReport, rep *sim.Report, networks []NetworkCheck) []bundle.Rule {
	return v.gates(scores, champion, rep, networks, champion != nil)
}

// Measured reports a rule without figures.
var Measured = measured
