// Package export is the stage that puts what was learned together as a bundle.
package export

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/agents"
	forecaster "github.com/incendio-faas/incendio/pipelines/steps/forecast"
	"github.com/incendio-faas/incendio/pipelines/steps/index"
	"github.com/incendio-faas/incendio/pipelines/steps/slices"
	"github.com/incendio-faas/incendio/pipelines/steps/tune"
	"github.com/incendio-faas/incendio/scheduler"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// Folder is what the stage writes: the candidate.
const Folder = "bundle"

// Given is what the stage depends on.
type Given struct {
	Trace         stage.Named[*datasets.Trace]
	Invocations   int64 // of the trace
	Splits        datasets.Splits
	SLO           scheduler.SLO
	Seed          uint64
	Program       string          // version of it
	BundleVersion string          // of the owner
	Config        json.RawMessage // that the run was made with, for the manifest
}

// Stage returns the stage.
func Stage(given Given) stage.Stage {
	inputs := []string{forecaster.Models, forecaster.Report, tune.File, agents.Folder, agents.Report, slices.File, slices.Report, index.File, index.Report}
	return stage.New("export", inputs, []string{Folder}, stage.Always(given), write)
}

func write(ctx context.Context, at *stage.Place, given Given) (stage.Outcome, error) {
	trace := given.Trace.Value
	m := &scheduler.Models{}
	var err error
	if m.Forecast, err = forecaster.Read(at); err != nil {
		return stage.Outcome{}, err
	}
	if _, m.Settings, err = tune.Read(at, given.SLO); err != nil {
		return stage.Outcome{}, err
	}
	if m.Clusters, m.Networks, err = agents.Read(at); err != nil {
		return stage.Outcome{}, err
	}
	if m.Slices, _, err = slices.Read(at); err != nil {
		return stage.Outcome{}, err
	}
	if m.Index, _, err = index.Read(at); err != nil {
		return stage.Outcome{}, err
	}
	rates, err := trace.Rates(ctx, given.Splits.Train)
	if err != nil {
		return stage.Outcome{}, err
	}
	m.Functions = functionInfo(trace, rates)
	if err := m.Compile(); err != nil {
		return stage.Outcome{}, err
	}
	metrics, err := learned(at, given.SLO)
	if err != nil {
		return stage.Outcome{}, err
	}
	c := export.Candidate{
		Models: m, Metrics: metrics, Start: trace.Start, Minute: given.Splits.Valid.To, Seed: given.Seed,
		Manifest: bundle.Manifest{
			BundleVersion: given.BundleVersion, ProgramVersion: given.Program, Seed: given.Seed,
			Window: bundle.Window{Start: trace.Start.UTC().Format("2006-01-02T15:04:05Z"), From: given.Splits.Train.From, To: given.Splits.Valid.To},
			Windows: &bundle.Windows{
				Fitted: bundle.Span(given.Splits.Train), Chosen: bundle.Span(given.Splits.Valid), Judged: bundle.Span(given.Splits.Test),
			},
			Traces: []bundle.Trace{{Name: trace.Name, Digest: trace.Digest}},
			Config: given.Config, Metrics: metrics.headline(),
		},
		Card: card(given, metrics),
	}
	to, err := at.Out(Folder)
	if err != nil {
		return stage.Outcome{}, err
	}
	b, err := c.Write(to)
	if err != nil {
		return stage.Outcome{}, err
	}
	return stage.Outcome{Summary: fmt.Sprintf("%d files, %.12s", len(b.Manifest().Files), b.Digest())}, nil
}

// functionInfo is the function info table as training saw it.
func functionInfo(t *datasets.Trace, rates []float64) []scheduler.FunctionInfo {
	out := make([]scheduler.FunctionInfo, len(t.Functions))
	profiles := sim.Profiles(t)
	for i := range t.Functions {
		f, p := &t.Functions[i], profiles[i]
		out[i] = scheduler.FunctionInfo{
			Key: online.KeyOf(f), PerMinute: rates[i],
			MemoryMB: float64(f.Memory) / (1 << 20), CPU: f.CPU,
			Execution: 1000 * p.Execution.Seconds(), Init: 1000 * p.Initialise.Seconds(), Term: 1000 * p.Termination.Seconds(),
		}
		for _, a := range []struct {
			flag datasets.Assumed
			name string
		}{
			{datasets.AssumedMemory, "memory"}, {datasets.AssumedCPU, "cpu"},
			{datasets.AssumedExecution, "execution"}, {datasets.AssumedStartCost, "start_cost"},
		} {
			if f.Assumed&a.flag != 0 {
				out[i].Assumed = append(out[i].Assumed, a.name)
			}
		}
	}
	return out
}
