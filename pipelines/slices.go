package pipelines

import (
	"context"
	"errors"
	"fmt"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	online "github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/alps"
)

// Files of the stage "slices".
const (
	slicesFile   = "models/alps.json"
	slicesReport = "models/alps-training.json"
)

// slicesTraining is what the stage "slices" reports.
type slicesTraining struct {
	alps.Report
	// Mean latency in milliseconds on windows of the validation part, under native on
	// invokers that share their CPU by ps, by the slices that were learned, and by those
	// that an invoker learns as it runs.
	PS      float64 `json:"valid_ps_ms"`
	Trained float64 `json:"valid_trained_ms"`
	Online  float64 `json:"valid_online_ms"`
}

// slicesStage learns ranks and slices of functions for ALPS on the training part; the
// validation part says whether invokers are better off with them.
func slicesStage(r *Run) Stage {
	return Stage{
		Name:    "slices",
		Outputs: []string{slicesFile, slicesReport},
		Options: struct {
			ALPS       alps.Options
			Learning   Learning
			Simulation Simulation
			Splits     datasets.Splits
			Seed       uint64
		}{r.cfg.ALPS, r.cfg.Learning, r.cfg.Simulation, r.splits, r.cfg.Seed},
		Run: func(ctx context.Context, r *Run) (Outcome, error) { return r.learnSlices(ctx) },
	}
}

func (r *Run) learnSlices(ctx context.Context) (Outcome, error) {
	bar := r.env.Progress.Begin("slices", 0)
	defer bar.End()
	var out Outcome
	share := min(1, r.cfg.Simulation.ScaleArrivals/r.cfg.Simulation.Cluster.TotalCores())
	p, report, err := alps.Fit(ctx, r.trace, r.splits.Train, share, r.cfg.Seed, r.cfg.ALPS)
	if errors.Is(err, alps.ErrNothing) {
		out.Warnings = append(out.Warnings, err.Error())
		report = &alps.Report{Window: r.splits.Train}
		p, err = online.Learned(nil, nil, r.cfg.ALPS.FrontEnd)
	}
	if err != nil {
		return Outcome{}, err
	}
	training := slicesTraining{Report: *report}
	if err := r.judgeSlices(ctx, p, &training); err != nil {
		return Outcome{}, err
	}
	p.Sharing = sim.PS
	if training.Trained < training.PS {
		p.Sharing = sim.ALPS
	}
	out.Summary = fmt.Sprintf("%d functions, mean latency %.1f ms, under ps %.1f ms: %s", len(p.Classes), training.Trained, training.PS, p.Sharing)
	return out, errors.Join(writeJSON(r.Path(slicesFile), p), writeJSON(r.Path(slicesReport), training))
}

// judgeSlices replays windows of the validation part.
func (r *Run) judgeSlices(ctx context.Context, p *online.Ranking, to *slicesTraining) error {
	rates, err := r.trace.Rates(ctx, r.splits.Train)
	if err != nil {
		return err
	}
	l := r.cfg.Learning
	f := r.frame(l.WindowMinutes, l.WindowRequests, rates)
	windows, err := r.trace.Sample(ctx, r.splits.Valid, l.Windows, f.minutes, r.cfg.Seed)
	if err != nil {
		return err
	}
	native, err := sim.Baseline(sim.Native, r.cfg.Seed)
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
		o := simOptions(r.cfg, w)
		o.WarmupMinutes, o.Scheduler.Concurrency = min(sceneWarmup, w.Len()), 1
		o, _ = o.Shard(f.invokers)
		workload, err := sim.Load(ctx, r.trace, o)
		if err != nil {
			return err
		}
		for _, way := range ways {
			res, err := sim.Run(ctx, r.trace, workload, sharing(native.New, way.sharing), o)
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

// slices reads what the stage "slices" wrote.
func (r *Run) slices() (*online.Ranking, *slicesTraining, error) {
	var p online.Ranking
	var t slicesTraining
	if err := errors.Join(readJSON(r.Path(slicesFile), &p), readJSON(r.Path(slicesReport), &t)); err != nil {
		return nil, nil, err
	}
	return &p, &t, p.Validate()
}
