// Package tune is the stage that tunes the priority model and the parameters of the pool by
// simulation.
package tune

import (
	"context"
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/forecast"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	weights "github.com/incendio-faas/incendio/scheduler/priority"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/priority"
)

// File is what the stage writes: the result of the search.
const File = "models/priority.json"

// tuneRule is the dispatcher under which weights are tuned: the greedy solution of
// the FPS problem, which every change of a priority moves.
const tuneRule = "density"

// Given is what the stage depends on.
type Given struct {
	replay.Ground
	Priority priority.Options
	SLO      scheduler.SLO
}

// Stage returns the stage.
func Stage(given Given) stage.Stage {
	return stage.New("tune", []string{forecast.Models}, []string{File}, stage.Always(given), tune)
}

// Read reads what the stage wrote, and the settings of the scheduler that are the best.
func Read(from stage.Reader, slo scheduler.SLO) (*priority.Result, scheduler.Settings, error) {
	var res priority.Result
	if err := stage.ReadJSON(from, File, &res); err != nil {
		return nil, scheduler.Settings{}, err
	}
	return &res, settings(res.Best.Candidate, slo), nil
}

// settings of the scheduler under a candidate.
func settings(c priority.Candidate, slo scheduler.SLO) scheduler.Settings {
	return scheduler.Settings{Model: c.Model, Pool: scheduler.PoolOptions{MemoryPrice: c.MemoryPrice, CPUShare: c.CPUShare}, SLO: slo}
}

func tune(ctx context.Context, at *stage.Place, given Given) (stage.Outcome, error) {
	model, err := forecast.Read(at)
	if err != nil {
		return stage.Outcome{}, err
	}
	bar := at.Progress.Begin("tune", given.Priority.Search.Trials)
	defer bar.End()
	rates, err := given.Rates(ctx)
	if err != nil {
		return stage.Outcome{}, err
	}
	l := given.Learning
	f := given.Frame(l.WindowMinutes, l.WindowRequests, rates)
	onTrain, err := given.Draw(ctx, given.Splits.Train, l.Windows, f)
	if err != nil {
		return stage.Outcome{}, err
	}
	onValid, err := given.Draw(ctx, given.Splits.Valid, l.Windows, f)
	if err != nil {
		return stage.Outcome{}, err
	}
	scenes, err := given.Scenes(ctx, model, slices.Concat(onTrain, onValid), f, rates, at.Workers)
	if err != nil {
		return stage.Outcome{}, err
	}
	learnt, judged := scenes[:len(onTrain)], scenes[len(onTrain):]
	values, latency, err := screen(ctx, &given.Ground, learnt, rates)
	if err != nil {
		return stage.Outcome{}, err
	}
	cost := func(scenes []replay.Scene) priority.Objective {
		return func(ctx context.Context, c priority.Candidate) (float64, error) {
			p := settings(c, given.SLO).Parts(ruled(tuneRule, given.Seed))
			return replay.MeanCost(ctx, scenes, p)
		}
	}
	res, err := priority.Tune(ctx, values, latency, cost(learnt), cost(judged), given.Priority, train.Resources{Seed: given.Seed, Workers: at.Workers, Recorder: stage.Recorder{Bar: bar, Metric: "tune/value"}})
	if err != nil {
		return stage.Outcome{}, err
	}
	return stage.Outcome{
		Summary: fmt.Sprintf("%s weights from %s, %d trials", res.Best.Model.Form, res.Best.Origin, res.Trials),
	}, stage.WriteJSON(at, File, res)
}

// ruled dispatches by a rule.
func ruled(name string, rnd uint64) func(decide.Signals) (decide.Dispatcher, error) {
	return func(g decide.Signals) (decide.Dispatcher, error) { return policy.Rule(name, g, rnd) }
}

// screen returns the factors of each function that the scenes invoke, and its mean
// latency under first come, first served: what is to be explained must not depend on
// the priorities.
func screen(ctx context.Context, g *replay.Ground, scenes []replay.Scene, rates []float64) ([]weights.Values, []float64, error) {
	trace := g.Trace.Value
	sum := make([]float64, len(trace.Functions))
	n := make([]float64, len(trace.Functions))
	native, err := sim.Baseline(sim.Native, g.Seed)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range scenes {
		res, err := s.Run(ctx, native.New)
		if err != nil {
			return nil, nil, err
		}
		for f := range res.Functions {
			sum[f] += res.Functions[f].Latency.Seconds()
			n[f] += float64(res.Functions[f].Requests())
		}
	}
	var values []weights.Values
	var latency []float64
	for f, p := range sim.Profiles(trace) {
		if n[f] == 0 || rates[f] == 0 {
			continue
		}
		values = append(values, scheduler.Factors(p, rates[f], decide.Time(float64(decide.Minute)/rates[f])))
		latency = append(latency, sum[f]/n[f])
	}
	if len(values) == 0 {
		return nil, nil, fmt.Errorf("no function is invoked both in training and in the windows to learn on")
	}
	return values, latency, nil
}
