// Package slices is the stage that learns ranks and slices of functions for ALPS on the
// training part; the validation part says whether invokers are better off with them.
package slices

import (
	"context"
	"errors"
	"fmt"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/scheduler"
	slicer "github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/alps"
)

// Files that the stage writes.
const (
	File   = "models/alps.json"          // ranks and slices
	Report = "models/alps-training.json" // how they were learned
)

// Given is what the stage depends on.
type Given struct {
	replay.Ground
	ALPS alps.Options
}

// Training is what the stage "slices" reports.
type Training struct {
	alps.Report
	// Mean latency in milliseconds on windows of the validation part, under native on
	// invokers that share their CPU by ps, by the slices that were learned, and by those
	// that an invoker learns as it runs.
	PS      float64 `json:"valid_ps_ms"`
	Trained float64 `json:"valid_trained_ms"`
	Online  float64 `json:"valid_online_ms"`
}

// Stage returns the stage.
func Stage(given Given) stage.Stage {
	return stage.New("slices", nil, []string{File, Report}, stage.Always(given), learn)
}

// Read reads what the stage wrote.
func Read(from stage.Reader) (*slicer.Ranking, *Training, error) {
	var p slicer.Ranking
	var t Training
	if err := errors.Join(stage.ReadJSON(from, File, &p), stage.ReadJSON(from, Report, &t)); err != nil {
		return nil, nil, err
	}
	return &p, &t, p.Validate()
}

func learn(ctx context.Context, at *stage.Place, given Given) (stage.Outcome, error) {
	bar := at.Progress.Begin("slices", 0)
	defer bar.End()
	var out stage.Outcome
	share := min(1, given.Simulation.ScaleArrivals/given.Simulation.Cluster.TotalCores())
	p, report, err := alps.Fit(ctx, given.Trace.Value, given.Splits.Train, share, given.Seed, given.ALPS)
	if errors.Is(err, alps.ErrNothing) {
		out.Warnings = append(out.Warnings, err.Error())
		report = &alps.Report{Window: given.Splits.Train}
		p, err = slicer.Learned(nil, nil, given.ALPS.FrontEnd)
	}
	if err != nil {
		return stage.Outcome{}, err
	}
	training := Training{Report: *report}
	if err := judge(ctx, &given.Ground, p, &training); err != nil {
		return stage.Outcome{}, err
	}
	p.Sharing = sim.PS
	if training.Trained < training.PS {
		p.Sharing = sim.ALPS
	}
	out.Summary = fmt.Sprintf("%d functions, mean latency %.1f ms, under ps %.1f ms: %s", len(p.Classes), training.Trained, training.PS, p.Sharing)
	return out, errors.Join(stage.WriteJSON(at, File, p), stage.WriteJSON(at, Report, training))
}

// judge replays windows of the validation part.
func judge(ctx context.Context, g *replay.Ground, p *slicer.Ranking, to *Training) error {
	rates, err := g.Rates(ctx)
	if err != nil {
		return err
	}
	f := g.Frame(g.Learning.WindowMinutes, g.Learning.WindowRequests, rates)
	windows, err := g.Draw(ctx, g.Splits.Valid, g.Learning.Windows, f)
	if err != nil {
		return err
	}
	native, err := sim.Baseline(sim.Native, g.Seed)
	if err != nil {
		return err
	}
	ways := []struct {
		sharing policy.Sharing
		mean    *float64
	}{
		{policy.DefaultSharing(sim.PS), &to.PS},
		{policy.Sharing{Name: sim.ALPS, ALPS: p.Options, Slices: p}, &to.Trained},
		{policy.Sharing{Name: sim.ALPS, ALPS: p.Options}, &to.Online},
	}
	var requests int64
	for _, w := range windows {
		o, _ := g.Options(w, f)
		o.Scheduler.Concurrency = 1 // requests that share a container share its CPU, whatever orders them
		workload, err := sim.Load(ctx, g.Trace.Value, o.Draw)
		if err != nil {
			return err
		}
		for _, way := range ways {
			res, err := sim.Run(ctx, g.Trace.Value, workload, sharing(native.New, way.sharing), o)
			if err != nil {
				return err
			}
			*way.mean += 1000 * res.LatencySum.Seconds()
		}
		requests += workload.Requests()
	}
	for _, way := range ways {
		*way.mean /= float64(requests)
	}
	return nil
}

// sharing is a stack on invokers that share their CPU so.
func sharing(of sim.NewStack, s policy.Sharing) sim.NewStack {
	return func(t *datasets.Trace, site policy.Site) (scheduler.Stack, error) {
		stack, err := of(t, site)
		stack.Sharing = s
		return stack, err
	}
}
