package pipelines

import (
	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/agents"
	"github.com/incendio-faas/incendio/pipelines/steps/export"
	"github.com/incendio-faas/incendio/pipelines/steps/features"
	"github.com/incendio-faas/incendio/pipelines/steps/forecast"
	"github.com/incendio-faas/incendio/pipelines/steps/index"
	"github.com/incendio-faas/incendio/pipelines/steps/slices"
	"github.com/incendio-faas/incendio/pipelines/steps/tune"
	"github.com/incendio-faas/incendio/pipelines/steps/validate"
)

// Material is what the stages are given: the trace, how it is cut, and the configuration.
type Material struct {
	Program     string // version of it
	Config      Config // as it is recorded: without paths and workers
	Recorded    []byte // the same as canonical JSON
	Trace       *datasets.Trace
	Invocations int64 // in the span of the trace
	Splits      datasets.Splits
	Holidays    []datasets.Holiday
	Champion    Rival
}

// Job returns the stages of a run, in order: reading this function is reading the
// pipeline. Ingest comes before them, in [Open], because every stage depends on what
// the trace is; promotion and the report come after them, in [Run.All].
func Job(m Material) []stage.Stage {
	c := m.Config
	// A trace is known by the digest of its content; minutes after its span are not there.
	trace := stage.Named[*datasets.Trace]{Value: m.Trace, Name: []any{m.Trace.Digest, m.Trace.Span}}
	ground := replay.Ground{Trace: trace, Splits: m.Splits, Learning: c.Learning, Simulation: c.Simulation, Seed: c.Seed}
	return []stage.Stage{
		// trace -> decomposition
		features.Stage(features.Given{Trace: trace, Growth: c.Forecast.Growth, ChangepointPriorScale: c.Forecast.ChangepointPriorScale, Holidays: m.Holidays}),
		// trace -> forecaster
		forecast.Stage(forecast.Given{Trace: trace, Splits: m.Splits, Holidays: m.Holidays, Options: c.Forecast}),
		// trace -> ranks and slices for ALPS
		slices.Stage(slices.Given{Ground: ground, ALPS: c.ALPS}),
		// forecaster -> priorities, by simulation
		tune.Stage(tune.Given{Ground: ground, Priority: c.Priority, SLO: c.SLO}),
		// both -> agents, judged against the rules
		agents.Stage(agents.Given{Ground: ground, Agent: c.Agent, SLO: c.SLO}),
		// index, by simulation; used where it is better than what was learned so far
		index.Stage(index.Given{Ground: ground, Index: c.Index, SLO: c.SLO, Gates: c.Gates}),
		// all of it -> bundle
		export.Stage(export.Given{
			Trace: trace, Invocations: m.Invocations, Splits: m.Splits, SLO: c.SLO, Seed: c.Seed,
			Program: m.Program, BundleVersion: c.BundleVersion, Config: m.Recorded,
		}),
		// bundle, test part -> figures and verdict
		validate.Stage(func() (validate.Given, error) {
			champion, err := m.Champion()
			return validate.Given{
				Trace: trace, Splits: m.Splits, Forecast: c.Forecast, Simulation: c.Simulation, Gates: c.Gates, Seed: c.Seed, Champion: champion,
			}, err
		}),
	}
}
