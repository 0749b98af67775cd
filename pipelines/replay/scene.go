package replay

import (
	"context"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A Ground is where schedulers are tried: a trace, its parts in time, and how it is replayed.
type Ground struct {
	Trace      stage.Named[*datasets.Trace]
	Splits     datasets.Splits
	Learning   Learning
	Simulation Simulation
	Seed       uint64 // of the windows that are drawn and of the workloads
}

// A Scene is a stretch of the trace on which schedulers are tried: its requests and
// forecasts, drawn and computed once.
type Scene struct {
	Workload *sim.Workload
	Options  sim.Options

	trace *datasets.Trace
	table *forecast.Table
	rates []float64 // arrivals per minute in training, by function
	start int       // minute in which the clock begins, that of the warm-up
}

// sceneWarmup is how many minutes are replayed before those that count. A scene is
// short, so that many can be tried; this fills the containers.
const sceneWarmup = 10

// A Frame says how scenes of a trace are cut so that each holds about as many requests
// as are wanted: busy platforms are seen through a part of their invokers, and through
// shorter windows where one invoker is still too busy.
type Frame struct {
	Minutes  int
	Invokers int
}

// Frame fits windows of the given minutes to a number of requests, where functions arrive
// at these rates, per minute.
func (g *Ground) Frame(minutes, requests int, rates []float64) Frame {
	whole := 0.0
	for _, x := range rates {
		whole += x * float64(minutes) * g.Simulation.ScaleArrivals
	}
	n := g.Simulation.Cluster.Invokers
	if whole <= float64(requests) {
		return Frame{minutes, n}
	}
	k := max(1, int(float64(n)*float64(requests)/whole))
	held := whole * float64(k) / float64(n)
	return Frame{max(1, min(minutes, int(float64(minutes)*float64(requests)/held))), k}
}

// Rates are the arrivals per minute of each function in the training part.
func (g *Ground) Rates(ctx context.Context) ([]float64, error) {
	return g.Trace.Value.Rates(ctx, g.Splits.Train)
}

// Draw draws n windows of the length of f from a part of the trace.
func (g *Ground) Draw(ctx context.Context, part datasets.Window, n int, f Frame) ([]datasets.Window, error) {
	return g.Trace.Value.Sample(ctx, part, n, f.Minutes, g.Seed)
}

// Options are those of a short replay of w, through the part of the invokers that f has, and
// the share of all that it is.
func (g *Ground) Options(w datasets.Window, f Frame) (sim.Options, float64) {
	o := g.Simulation.Options(w, g.Seed)
	o.WarmupMinutes = min(sceneWarmup, w.Len())
	return o.Shard(f.Invokers)
}

// Scenes are the windows as scenes, with the forecasts of model. The trace is gone through
// once for all of them.
func (g *Ground) Scenes(ctx context.Context, model *forecast.Model, windows []datasets.Window, f Frame, rates []float64, workers int) ([]Scene, error) {
	trace := g.Trace.Value
	out := make([]Scene, len(windows))
	forecasted := make([]datasets.Window, len(windows))
	shares := make([]float64, len(windows))
	for i, w := range windows {
		o, share := g.Options(w, f)
		s := Scene{Options: o, trace: trace, rates: make([]float64, len(rates))}
		for f, x := range rates {
			s.rates[f] = x * share
		}
		var err error
		if s.Workload, err = sim.Load(ctx, trace, o.Draw); err != nil {
			return nil, err
		}
		s.start = s.Workload.Begin()
		out[i], shares[i], forecasted[i] = s, share, datasets.Window{From: s.start, To: w.To}
	}
	tables, err := forecast.Precompute(ctx, model, trace, forecasted, workers)
	if err != nil {
		return nil, err
	}
	for i, t := range tables {
		if shares[i] != 1 {
			t = t.Scale(shares[i])
		}
		out[i].table = t
	}
	return out, nil
}

// Stack composes the stack "incendio" of p for the scene, which adds rates and forecasts.
func (s Scene) Stack(p scheduler.Parts) sim.NewStack {
	return func(t *datasets.Trace, _ policy.Site) (scheduler.Stack, error) {
		table := s.table.Share()
		p := p
		p.Rate = s.rates
		p.Forecast = table
		p.Start = decide.Time(s.start) * decide.Minute
		p.First = slices.Clone(table.Step(s.start-1, make([]float64, len(t.Functions))))
		return scheduler.Incendio(p)
	}
}

// Run replays the scene under a stack.
func (s Scene) Run(ctx context.Context, stack sim.NewStack) (*sim.Result, error) {
	return sim.Run(ctx, s.trace, s.Workload, stack, s.Options)
}

// MeanCost is the cost per request, in seconds, of scheduling the scenes with p.
func MeanCost(ctx context.Context, scenes []Scene, p scheduler.Parts) (float64, error) {
	var cost, requests float64
	for _, s := range scenes {
		res, err := s.Run(ctx, s.Stack(p))
		if err != nil {
			return 0, err
		}
		cost += res.CostS()
		requests += float64(res.Requests)
	}
	return cost / requests, nil
}
