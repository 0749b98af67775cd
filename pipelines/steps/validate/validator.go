package validate

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/crosscheck"
	"github.com/incendio-faas/incendio/pipelines/gates"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/scenario"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/scheduler"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/forecast"
)

// A Validation is what `incendio validate --json` prints: the figures of a bundle on a
// window that nothing of it has seen, and the verdict of the gates.
type Validation struct {
	*forecast.BacktestReport

	Bundle     string            `json:"bundle"` // digest
	Simulation *sim.Report       `json:"simulation"`
	Networks   []NetworkCheck    `json:"networks"`
	Scenarios  []scenario.Result `json:"scenarios"`
	Verdict    string            `json:"verdict"` // bundle.Accepted or bundle.Refused
	Reason     string            `json:"reason"`
	Champion   string            `json:"champion,omitempty"` // digest of the bundle that was compared with
	Rules      []bundle.Rule     `json:"rules"`
	// Comparison with the champion, nil where there is none.
	Comparison *gates.Comparison `json:"comparison,omitempty"`
}

// A NetworkCheck is the judgement of onnx-go on a Q-network.
type NetworkCheck struct {
	File    string  `json:"file"`
	Used    bool    `json:"used"` // some environment is dispatched by it
	Cases   int     `json:"cases"`
	MaxDiff float64 `json:"max_diff"` // largest absolute difference of a Q-value
}

// A Validator judges bundles on a window of a trace.
type Validator struct {
	Trace  *datasets.Trace
	Splits datasets.Splits // whose training and validation parts the baseline of plain trees is made on
	Window datasets.Window

	Forecast   forecast.Options // of that baseline
	Simulation replay.Simulation
	Gates      gates.Bounds
	Seed       uint64

	Workers  int // >= 1; figures do not depend on it
	Progress stage.Progress
}

// Validate judges candidate, against champion where there is one.
func (v *Validator) Validate(ctx context.Context, candidate, champion *replay.Subject) (*Validation, error) {
	if v.Window.Len() < 1 {
		return nil, fmt.Errorf("validate: window %v of trace %q is empty", v.Window, v.Trace.Name)
	}
	if champion != nil && champion.Bundle.Digest() == candidate.Bundle.Digest() {
		champion = nil // it cannot beat itself
	}
	baseline, err := v.baseline(ctx)
	if err != nil {
		return nil, err
	}
	bar := v.Progress.Begin("validate", 4)
	defer bar.End()

	checks, err := networks(candidate)
	if err != nil {
		return nil, err
	}
	scores, err := v.evaluate(ctx, candidate, baseline)
	if err != nil {
		return nil, err
	}
	bar.Set(1, "forecasts")
	var theirs *forecast.BacktestReport
	if champion != nil {
		if theirs, err = v.evaluate(ctx, champion, nil); err != nil {
			return nil, fmt.Errorf("champion: %w", err)
		}
	}
	bar.Set(2, "simulation")
	entrants := []entrant{{scheduler.IncendioName, candidate}}
	if champion != nil {
		entrants = append(entrants, entrant{championName, champion})
	}
	rep, err := v.simulate(ctx, entrants)
	if err != nil {
		return nil, err
	}
	bar.Set(3, "scenarios")
	scenarios, err := scenario.Around(ctx, v.Trace, v.Simulation.Options(v.Window, v.Seed), replay.Build(ctx, candidate.Models), v.Workers)
	if err != nil {
		return nil, err
	}
	bar.Set(4, "gates")
	out := &Validation{BacktestReport: scores, Bundle: candidate.Bundle.Digest(), Simulation: rep, Networks: checks, Scenarios: scenarios}
	for _, s := range []*replay.Subject{candidate, champion} {
		if s == nil {
			continue
		}
		if note := s.Flattered(v.Trace, v.Window); note != "" {
			scores.Notes = append(scores.Notes, note)
		}
	}
	e := evidence(scores, theirs, rep, checks, scenarios)
	if champion != nil {
		out.Champion = champion.Bundle.Digest()
		if e.Comparison, err = v.compare(ctx, candidate, champion, scores, theirs, rep); err != nil {
			return nil, err
		}
		out.Comparison = e.Comparison
	}
	if out.Rules, err = gates.Judge(e, v.Gates); err != nil {
		return nil, fmt.Errorf("validate: window %v of trace %q: %w", v.Window, v.Trace.Name, err)
	}
	out.Verdict, out.Reason = gates.Verdict(out.Rules, out.Comparison)
	return out, nil
}

// compare measures by how much the candidate differs from the champion: by the report of the first
// seed, and by replays of both under the seeds after it.
func (v *Validator) compare(ctx context.Context, candidate, champion *replay.Subject, scores, theirs *forecast.BacktestReport, rep *sim.Report) (*gates.Comparison, error) {
	o := v.Simulation.Options(v.Window, v.Seed+1)
	more, err := sim.Paired(ctx, v.Trace, func(rnd uint64) ([]sim.Contender, error) {
		o := o
		o.Seed = rnd
		return []sim.Contender{
			{Name: scheduler.IncendioName, New: replay.Stack(ctx, candidate.Models, o)},
			{Name: championName, New: replay.Stack(ctx, champion.Models, o)},
		}, nil
	}, o, v.Gates.Champion.Seeds-1, v.Workers)
	if err != nil {
		return nil, err
	}
	runs := append([][]*sim.Result{{result(rep, scheduler.IncendioName), result(rep, championName)}}, more...)
	p := pairs(runs, scores.Losses, theirs.Losses)
	for i := range runs {
		p.Seeds = append(p.Seeds, v.Seed+uint64(i))
	}
	if p.Age, err = age(candidate.Bundle.Manifest().Window, champion.Bundle.Manifest().Window); err != nil {
		return nil, err
	}
	return gates.Compare(p, v.Gates.Champion, v.Seed), nil
}

// pairs are the figures of candidate and champion, by minute: of the simulations, those of a seed in
// a row, and of the forecasts.
func pairs(runs [][]*sim.Result, candidate, champion *forecast.Losses) gates.Pairs {
	p := gates.Pairs{
		Pinball:      gates.Pair{Candidate: [][]float64{candidate.Pinball}, Champion: [][]float64{champion.Pinball}},
		DecisionCost: gates.Pair{Candidate: [][]float64{candidate.Decision}, Champion: [][]float64{champion.Decision}},
	}
	for _, seed := range runs {
		for k, r := range seed {
			latency, dropped, cost := make([]float64, len(r.Minutes)), make([]float64, len(r.Minutes)), make([]float64, len(r.Minutes))
			requests := make([]float64, len(r.Minutes))
			for i, m := range r.Minutes {
				latency[i], dropped[i], cost[i] = m.Latency.Seconds(), float64(m.Dropped), m.CostS()
				requests[i] = float64(m.Requests)
			}
			if k == 0 {
				p.Latency.Candidate, p.Dropped.Candidate, p.Cost.Candidate = append(p.Latency.Candidate, latency), append(p.Dropped.Candidate, dropped), append(p.Cost.Candidate, cost)
				p.Dropped.Requests = append(p.Dropped.Requests, requests)
			} else {
				p.Latency.Champion, p.Dropped.Champion, p.Cost.Champion = append(p.Latency.Champion, latency), append(p.Dropped.Champion, dropped), append(p.Cost.Champion, cost)
			}
		}
	}
	return p
}

// age is by how much later one window ends than the champion's; 0 where one has no date.
func age(candidate, champion bundle.Window) (time.Duration, error) {
	if candidate.Start == "" || champion.Start == "" {
		return 0, nil
	}
	a, err := candidate.End()
	if err != nil {
		return 0, err
	}
	b, err := champion.End()
	return a.Sub(b), err
}

// baseline trains the plain boosted trees that the hybrid is compared with, on the next minute
// alone, as all are judged.
func (v *Validator) baseline(ctx context.Context) (*online.Model, error) {
	o := v.Forecast
	o.Components, o.Ahead, o.Seed, o.Workers = false, nil, v.Seed, v.Workers
	bar := v.Progress.Begin("baseline", 0)
	defer bar.End()
	m, _, err := forecast.Train(ctx, v.Trace, v.Splits, nil, o, stage.Recorder{Bar: bar})
	return m, err
}

// championName is the row of the champion in a simulation.
const championName = "champion"

// evaluate forecasts the window, beside trees that were trained for it if there are any.
func (v *Validator) evaluate(ctx context.Context, s *replay.Subject, beside *online.Model) (*forecast.BacktestReport, error) {
	return forecast.Evaluate(ctx, s.Models.Forecast, v.Trace, v.Window, forecast.EvaluateOptions{LightGBM: beside, Seed: v.Seed, Workers: v.Workers})
}

// An entrant is a bundle in a simulation, under the name of its row.
type entrant struct {
	name    string
	subject *replay.Subject
}

// simulate replays the window under the configured policies and the bundles.
func (v *Validator) simulate(ctx context.Context, entrants []entrant) (*sim.Report, error) {
	o := v.Simulation.Options(v.Window, v.Seed)
	policies, err := replay.Policies(ctx, v.Simulation.Policies, o, nil)
	if err != nil {
		return nil, err
	}
	for _, e := range entrants {
		policies = append(policies, sim.Contender{Name: e.name, New: replay.Stack(ctx, e.subject.Models, o)})
	}
	return sim.Compare(ctx, v.Trace, policies, o, v.Workers)
}

// networks runs the golden cases of every Q-network on another engine.
func networks(s *replay.Subject) ([]NetworkCheck, error) {
	golden, err := s.Models.Golden(s.Bundle)
	if err != nil {
		return nil, err
	}
	cases := map[string][]crosscheck.Case{}
	for i := range golden.Agents {
		g := &golden.Agents[i]
		o, err := g.Observation(s.Models.Networks[g.File].Candidates)
		if err != nil {
			return nil, err
		}
		cases[g.File] = append(cases[g.File], crosscheck.Case{Observation: o, Want: g.Want})
	}
	var out []NetworkCheck
	for _, name := range slices.Sorted(maps.Keys(s.Models.Networks)) {
		file, err := s.Bundle.File(name)
		if err != nil {
			return nil, err
		}
		worst, err := crosscheck.Network(file, cases[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, NetworkCheck{File: name, Used: s.Models.Uses(name), Cases: len(cases[name]), MaxDiff: worst})
	}
	return out, nil
}

// evidence takes from the reports what the rules judge by. The scores of the champion are
// nil where there is none.
func evidence(scores, champion *forecast.BacktestReport, rep *sim.Report, checks []NetworkCheck, scenarios []scenario.Result) gates.Evidence {
	e := gates.Evidence{
		Naive: figures(scores, forecast.Naive), Native: played(rep, sim.Native),
		Candidate: contender(scores, rep, scheduler.IncendioName),
	}
	for _, s := range scenarios {
		e.Scenarios = append(e.Scenarios, s.Evidence())
	}
	for _, c := range checks {
		e.NetworkMaxDiff = max(e.NetworkMaxDiff, c.MaxDiff)
	}
	better := func(naive *float64, seasonal float64) {
		if !math.IsNaN(seasonal) { // on a short trace there may be no season to repeat
			*naive = min(*naive, seasonal)
		}
	}
	s := figures(scores, forecast.SeasonalNaive)
	better(&e.Naive.WAPE, s.WAPE)
	better(&e.Naive.Pinball, s.Pinball)
	better(&e.Naive.DecisionCost, s.DecisionCost)
	if champion != nil {
		c := contender(champion, rep, championName)
		e.Champion = &c
	}
	return e
}

// contender is the bundle of which the report r judges the forecasts, and the row called name the rest.
func contender(r *forecast.BacktestReport, rep *sim.Report, name string) gates.Contender {
	c := gates.Contender{Forecast: figures(r, forecast.Incendio), Played: *played(rep, name)}
	for _, k := range r.Reliability {
		c.Coverage = append(c.Coverage, gates.Coverage{Minutes: k.Minutes, Covered: float64(k.Coverage90)})
	}
	return c
}

// figures of a model over all functions, NaN if the report has none.
func figures(r *forecast.BacktestReport, model string) gates.Forecast {
	f, ok := r.Model(model, forecast.PooledScope)
	if !ok {
		return gates.Forecast{WAPE: math.NaN(), Pinball: math.NaN(), DecisionCost: math.NaN()}
	}
	pinball := 0.0
	for _, p := range quantiles {
		pinball += float64(f.PinballNormalised[p]) / float64(len(quantiles))
	}
	return gates.Forecast{WAPE: float64(f.WAPE), Pinball: pinball, DecisionCost: float64(f.DecisionCost)}
}

// quantiles are those of a report.
var quantiles = [...]string{"0.5", "0.9", "0.99"}

// result is that of a row, nil if there is none of that name.
func result(rep *sim.Report, name string) *sim.Result {
	i := slices.IndexFunc(rep.Policies, func(r sim.Row) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return rep.Results[i]
}

// played are the figures of a row, nil if there is none of that name.
func played(rep *sim.Report, name string) *gates.Played {
	r := result(rep, name)
	if r == nil {
		return nil
	}
	n := float64(r.Requests)
	return &gates.Played{MeanLatencyMS: r.Latency.Mean, DroppedShare: float64(r.Dropped) / n, CostSPerRequest: r.CostS() / n}
}
