package pipelines

import (
	"context"
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/policy"
	weights "github.com/incendio-faas/incendio/scheduler/priority"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/priority"
)

// priorityFile is what the stage "tune" learned.
const priorityFile = "models/priority.json"

// tuneRule is the dispatcher under which weights are tuned: the greedy solution of
// the FPS problem, which every change of a priority moves.
const tuneRule = "density"

// tuneStage tunes the priority model and the pool's parameters by simulation.
func tuneStage(r *Run) Stage {
	return Stage{
		Name:    "tune",
		Inputs:  []string{forecastFolder},
		Outputs: []string{priorityFile},
		Options: struct {
			Priority   priority.Options
			Learning   Learning
			Simulation Simulation
			SLO        scheduler.SLO
			Splits     datasets.Splits
			Seed       uint64
		}{r.cfg.Priority, r.cfg.Learning, r.cfg.Simulation, r.cfg.SLO, r.splits, r.cfg.Seed},
		Run: func(ctx context.Context, r *Run) (Outcome, error) { return r.tune(ctx) },
	}
}

func (r *Run) tune(ctx context.Context) (Outcome, error) {
	model, err := r.forecaster()
	if err != nil {
		return Outcome{}, err
	}
	bar := r.env.Progress.Begin("tune", r.cfg.Priority.Search.Trials)
	defer bar.End()
	rates, err := r.trace.Rates(ctx, r.splits.Train)
	if err != nil {
		return Outcome{}, err
	}
	l := r.cfg.Learning
	f := r.frame(l.WindowMinutes, l.WindowRequests, rates)
	var onTrain, onValid []scene
	for _, p := range []struct {
		part datasets.Window
		to   *[]scene
	}{{r.splits.Train, &onTrain}, {r.splits.Valid, &onValid}} {
		windows, err := r.trace.Sample(ctx, p.part, l.Windows, f.minutes, r.cfg.Seed)
		if err != nil {
			return Outcome{}, err
		}
		if *p.to, err = r.scenes(ctx, model, windows, f, rates); err != nil {
			return Outcome{}, err
		}
	}
	values, latency, err := r.screening(ctx, onTrain, rates)
	if err != nil {
		return Outcome{}, err
	}
	cost := func(scenes []scene) priority.Objective {
		return func(ctx context.Context, c priority.Candidate) (float64, error) {
			p := r.parts(scheduler.Settings{Model: c.Model, Policy: scheduler.PoolOptions{MemoryPrice: c.MemoryPrice, CPUShare: c.CPUShare}, SLO: r.cfg.SLO}, ruled(tuneRule, r.cfg.Seed))
			return meanCost(ctx, r, scenes, p)
		}
	}
	res, err := priority.Tune(ctx, values, latency, cost(onTrain), cost(onValid), r.cfg.Priority, r.env.Workers, r.cfg.Seed, progress{bar, "tune/value"})
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{
		Summary: fmt.Sprintf("%s weights from %s, %d trials", res.Best.Model.Form, res.Best.Origin, res.Trials),
	}, writeJSON(r.Path(priorityFile), res)
}

// tuned reads what the stage "tune" wrote.
func (r *Run) tuned() (*priority.Result, scheduler.Settings, error) {
	var res priority.Result
	if err := readJSON(r.Path(priorityFile), &res); err != nil {
		return nil, scheduler.Settings{}, err
	}
	b := res.Best
	return &res, scheduler.Settings{Model: b.Model, Policy: scheduler.PoolOptions{MemoryPrice: b.MemoryPrice, CPUShare: b.CPUShare}, SLO: r.cfg.SLO}, nil
}

// simOptions are the options of a simulation of w.
func simOptions(c Config, w datasets.Window) sim.Options {
	s := c.Simulation
	o := sim.DefaultOptions()
	o.Cluster, o.Scheduler = s.Cluster, s.Scheduler
	o.WarmupMinutes, o.ScaleArrivals = s.WarmupMinutes, s.ScaleArrivals
	o.Seed, o.Window = c.Seed, w
	return o
}

// A scene is a stretch of the trace on which schedulers are tried: its requests and
// forecasts, drawn and computed once.
type scene struct {
	workload *sim.Workload
	options  sim.Options
	table    *online.Table
	rates    []float64 // arrivals per minute in training, by function
	start    int       // minute in which the clock begins, that of the warm-up
}

// sceneWarmup is how many minutes are replayed before those that count. A scene is
// short, so that many can be tried; this fills the containers.
const sceneWarmup = 10

// A frame says how scenes of a trace are cut so that each holds about as many requests
// as are wanted: busy platforms are seen through a part of their invokers, and through
// shorter windows where one invoker is still too busy.
type frame struct {
	minutes  int
	invokers int
}

// frame fits windows of the given minutes to a number of requests, on a trace with
// these rates of arrival.
func (r *Run) frame(minutes, requests int, rates []float64) frame {
	whole := 0.0
	for _, x := range rates {
		whole += x * float64(minutes) * r.cfg.Simulation.ScaleArrivals
	}
	n := r.cfg.Simulation.Cluster.Invokers
	if whole <= float64(requests) {
		return frame{minutes, n}
	}
	k := max(1, int(float64(n)*float64(requests)/whole))
	held := whole * float64(k) / float64(n)
	return frame{max(1, min(minutes, int(float64(minutes)*float64(requests)/held))), k}
}

// scenes are the windows of part to learn on.
func (r *Run) scenes(ctx context.Context, model *online.Model, windows []datasets.Window, f frame, rates []float64) ([]scene, error) {
	out := make([]scene, len(windows))
	for i, w := range windows {
		o := simOptions(r.cfg, w)
		o.WarmupMinutes = min(sceneWarmup, w.Len())
		o, share := o.Shard(f.invokers)
		s := scene{options: o, rates: make([]float64, len(rates))}
		for f, x := range rates {
			s.rates[f] = x * share
		}
		var err error
		if s.workload, err = sim.Load(ctx, r.trace, o); err != nil {
			return nil, err
		}
		s.start = s.workload.Begin()
		if s.table, err = online.Precompute(ctx, model, r.trace, datasets.Window{From: s.start, To: w.To}, r.env.Workers); err != nil {
			return nil, err
		}
		if share != 1 {
			s.table = s.table.Scale(share)
		}
		out[i] = s
	}
	return out, nil
}

// parts of the stack "incendio", but for what a scene adds.
func (r *Run) parts(s scheduler.Settings, dispatcher func(decide.Signals) (decide.Dispatcher, error)) scheduler.Parts {
	return scheduler.Parts{Priority: s.Model, Policy: s.Policy, SLO: s.SLO, Dispatcher: dispatcher}
}

// ruled dispatches by a rule.
func ruled(name string, rnd uint64) func(decide.Signals) (decide.Dispatcher, error) {
	return func(g decide.Signals) (decide.Dispatcher, error) { return policy.Rule(name, g, rnd) }
}

// stack composes p for the scene.
func (s scene) stack(p scheduler.Parts) sim.NewStack {
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

// meanCost is the cost per request of scheduling the scenes with p.
func meanCost(ctx context.Context, r *Run, scenes []scene, p scheduler.Parts) (float64, error) {
	var cost, requests float64
	for _, s := range scenes {
		res, err := sim.Run(ctx, r.trace, s.workload, s.stack(p), s.options)
		if err != nil {
			return 0, err
		}
		cost += res.CostS()
		requests += float64(res.Requests)
	}
	return cost / requests, nil
}

// screening returns the factors of each function that the scenes invoke, and its mean
// latency under first come, first served: what is to be explained must not depend on
// the priorities.
func (r *Run) screening(ctx context.Context, scenes []scene, rates []float64) ([]weights.Values, []float64, error) {
	sum := make([]float64, len(r.trace.Functions))
	n := make([]float64, len(r.trace.Functions))
	native, err := sim.Baseline(sim.Native, r.cfg.Seed)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range scenes {
		res, err := sim.Run(ctx, r.trace, s.workload, native.New, s.options)
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
	for f, p := range sim.Profiles(r.trace) {
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
