package pipelines

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/judge"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/forecast"
)

// A Validation is what `incendio validate --json` prints: the figures of a bundle on a
// window that nothing of it has seen, and the verdict of the gates.
type Validation struct {
	*forecast.BacktestReport

	Bundle     string         `json:"bundle"` // digest
	Simulation *sim.Report    `json:"simulation"`
	Networks   []NetworkCheck `json:"networks"`
	Verdict    string         `json:"verdict"` // bundle.Accepted or bundle.Refused
	Reason     string         `json:"reason"`
	Champion   string         `json:"champion,omitempty"` // digest of the bundle that was compared with
	Rules      []bundle.Rule  `json:"rules"`
}

// A NetworkCheck is the judgement of onnx-go on a Q-network.
type NetworkCheck struct {
	File    string  `json:"file"`
	Used    bool    `json:"used"` // some environment is dispatched by it
	Cases   int     `json:"cases"`
	MaxDiff float64 `json:"max_diff"` // largest absolute difference of a Q-value
}

// A Subject is a bundle that was opened.
type Subject struct {
	Models *scheduler.Models
	Bundle *bundle.Bundle
}

// OpenSubject opens the bundle in dir.
func OpenSubject(dir string) (*Subject, error) {
	m, b, err := scheduler.Open(dir)
	if err != nil {
		return nil, err
	}
	return &Subject{m, b}, nil
}

// OpenReference opens the bundle that ref names for the registry: a directory, an alias
// or a digest. A bundle of the registry must be the one that its journal knows.
func OpenReference(r *bundle.Registry, ref string) (*Subject, error) {
	if _, err := r.Open(ref, bundle.Policy{}); err != nil {
		return nil, err
	}
	dir, err := r.Resolve(ref)
	if err != nil {
		return nil, err
	}
	return OpenSubject(dir)
}

// A Validator judges bundles on a window of a trace.
type Validator struct {
	Trace  *datasets.Trace
	Window datasets.Window
	Config Config
	Env    Env

	// Baseline is the model of plain boosted trees that is reported beside the
	// hybrid; nil leaves it out.
	Baseline *online.Model
}

// Validate judges candidate, against champion where there is one.
func (v *Validator) Validate(ctx context.Context, candidate, champion *Subject) (*Validation, error) {
	if v.Window.Len() < 1 {
		return nil, fmt.Errorf("validate: window %v of trace %q is empty", v.Window, v.Trace.Name)
	}
	if champion != nil && champion.Bundle.Digest() == candidate.Bundle.Digest() {
		champion = nil // it cannot beat itself
	}
	bar := v.Env.Progress.Begin("validate", 3)
	defer bar.End()

	networks, err := v.networks(candidate)
	if err != nil {
		return nil, err
	}
	evaluate := func(s *Subject) (*forecast.BacktestReport, error) {
		return forecast.Evaluate(ctx, s.Models.Forecast, v.Trace, v.Window, forecast.EvaluateOptions{
			LightGBM: v.Baseline, Seed: v.Config.Seed, Workers: v.Env.Workers,
		})
	}
	scores, err := evaluate(candidate)
	if err != nil {
		return nil, err
	}
	bar.Set(1, "forecasts")
	var championScores *forecast.BacktestReport
	if champion != nil {
		if championScores, err = evaluate(champion); err != nil {
			return nil, fmt.Errorf("champion: %w", err)
		}
	}
	bar.Set(2, "simulation")
	rep, err := v.simulate(ctx, candidate, champion)
	if err != nil {
		return nil, err
	}
	bar.Set(3, "gates")
	out := &Validation{
		BacktestReport: scores, Bundle: candidate.Bundle.Digest(), Simulation: rep, Networks: networks,
		Rules: v.gates(scores, championScores, rep, networks, champion != nil),
	}
	if champion != nil {
		out.Champion = champion.Bundle.Digest()
	}
	if err := measured(out.Rules); err != nil {
		return nil, fmt.Errorf("validate: window %v of trace %q: %w", v.Window, v.Trace.Name, err)
	}
	out.decide()
	return out, nil
}

// measured reports a rule without figures: neither a verdict nor JSON can be made of it.
func measured(rules []bundle.Rule) error {
	for _, r := range rules {
		figures := []float64{r.Value, r.Bound}
		if r.Champion != nil {
			figures = append(figures, *r.Champion)
		}
		for _, x := range figures {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Errorf("there is nothing to judge %s by: its value, bound and champion's value are %v", r.Rule, figures)
			}
		}
	}
	return nil
}

// decide sums the rules up.
func (v *Validation) decide() {
	v.Verdict = bundle.Accepted
	var failed []string
	for _, r := range v.Rules {
		if !r.OK {
			failed = append(failed, r.Rule)
		}
	}
	switch {
	case len(failed) > 0:
		v.Verdict = bundle.Refused
		v.Reason = fmt.Sprintf("Refused by %s.", strings.Join(failed, ", "))
	case v.Champion == "":
		v.Reason = "All rules hold; there is no other champion to beat."
	default:
		v.Reason = "All rules hold, and it costs less than the champion."
	}
}

// championName is the row of the champion in a simulation.
const championName = "champion"

// simulate replays the window under the configured policies and the bundles.
func (v *Validator) simulate(ctx context.Context, candidate, champion *Subject) (*sim.Report, error) {
	o := simOptions(v.Config, v.Window)
	var policies []sim.Contender
	for _, name := range v.Config.Simulation.Policies {
		p, err := sim.Baseline(name, v.Config.Seed)
		if err != nil {
			return nil, err
		}
		policies = append(policies, p)
	}
	policies = append(policies, sim.Contender{Name: scheduler.IncendioName, New: Replay(ctx, candidate.Models, o)})
	if champion != nil {
		policies = append(policies, sim.Contender{Name: championName, New: Replay(ctx, champion.Models, o)})
	}
	return sim.Compare(ctx, v.Trace, policies, o, v.Env.Workers)
}

// Replay builds the stack "incendio" of m for a simulation under o: its forecaster is
// primed with the minutes of the trace before the clock begins, and then sees what
// arrives, as in a control plane.
func Replay(ctx context.Context, m *scheduler.Models, o sim.Options) sim.NewStack {
	return ReplayVariant(ctx, scheduler.IncendioName, m, o)
}

// ReplayVariant is [Replay] for a row of [scheduler.Learned].
func ReplayVariant(ctx context.Context, name string, m *scheduler.Models, o sim.Options) sim.NewStack {
	return func(t *datasets.Trace, _ policy.Site) (scheduler.Stack, error) {
		start := o.Begin(t)
		rt, err := online.NewRuntime(m.Forecast, t.Functions, t.Start)
		if err != nil {
			return scheduler.Stack{}, err
		}
		var first []online.Forecast
		counts := make([]float64, len(t.Functions))
		from := m.Forecast.WarmUp(t.Span, start)
		for day := from / datasets.MinutesPerDay; from < start && day*datasets.MinutesPerDay < start; day++ {
			c, err := t.Day(ctx, day)
			if err != nil {
				return scheduler.Stack{}, err
			}
			low, high := max(from, day*datasets.MinutesPerDay), min(start, (day+1)*datasets.MinutesPerDay)
			for minute, row := range c.Rows(low-day*datasets.MinutesPerDay, high-day*datasets.MinutesPerDay, counts) {
				if at := day*datasets.MinutesPerDay + minute; at < start-1 {
					rt.Prime(at, row)
				} else {
					first = slices.Clone(rt.Step(at, row))
				}
			}
		}
		return m.Variant(name, t.Functions, rt, first, decide.Time(start)*decide.Minute, o.Seed)
	}
}

// networks runs the golden cases of every Q-network on another engine.
func (v *Validator) networks(s *Subject) ([]NetworkCheck, error) {
	golden, err := s.Models.Golden(s.Bundle)
	if err != nil {
		return nil, err
	}
	cases := map[string][]judge.Case{}
	for i := range golden.Agents {
		g := &golden.Agents[i]
		o, err := g.Observation(s.Models.Networks[g.File].Candidates)
		if err != nil {
			return nil, err
		}
		cases[g.File] = append(cases[g.File], judge.Case{Observation: o, Want: g.Want})
	}
	var out []NetworkCheck
	for _, name := range sortedKeys(s.Models.Networks) {
		file, err := s.Bundle.File(name)
		if err != nil {
			return nil, err
		}
		worst, err := judge.Network(file, cases[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, NetworkCheck{File: name, Used: s.Models.Uses(name), Cases: len(cases[name]), MaxDiff: worst})
	}
	return out, nil
}

// gates applies the rules. Every rule is in the result, whether it holds or not.
func (v *Validator) gates(scores, champion *forecast.BacktestReport, rep *sim.Report, networks []NetworkCheck, crowned bool) []bundle.Rule {
	g := v.Config.Gates
	var rules []bundle.Rule
	// add adds a rule that value must be at most bound and, where there is a champion,
	// at most the champion's share worse than it.
	add := func(name string, value, bound float64, of *float64, slack float64) {
		r := bundle.Rule{Rule: name, Value: value, Bound: bound, Champion: of, OK: value <= bound}
		if of != nil {
			r.OK = r.OK && value <= *of*(1+slack)
		}
		rules = append(rules, r)
	}
	worst := 0.0
	for _, n := range networks {
		worst = max(worst, n.MaxDiff)
	}
	add("network_max_diff", worst, g.Network, nil, 0)

	wape := func(r *forecast.BacktestReport, model string) float64 {
		f, ok := r.Model(model, forecast.PooledScope)
		if !ok {
			return math.NaN()
		}
		return float64(f.WAPE)
	}
	naive := wape(scores, forecast.Naive)
	if s := wape(scores, forecast.SeasonalNaive); !math.IsNaN(s) { // on a short trace there may be no season to repeat
		naive = min(naive, s)
	}
	var of *float64
	if crowned {
		w := wape(champion, forecast.Incendio)
		of = &w
	}
	add("forecast_wape_pooled", wape(scores, forecast.Incendio), naive*(1+g.Forecast), of, g.Champion)

	row := func(name string) *sim.Result {
		for i, p := range rep.Policies {
			if p.Name == name {
				return rep.Results[i]
			}
		}
		return nil
	}
	ours, native, crown := row(scheduler.IncendioName), row(sim.Native), row(championName)
	// figure adds a rule on a figure of the simulation. Without native in the
	// comparison its bound is the champion's alone.
	figure := func(name string, of func(*sim.Result) float64, bound func(native float64) float64, slack float64) {
		value := of(ours)
		limit := value
		if native != nil {
			limit = bound(of(native))
		}
		var c *float64
		if crown != nil {
			x := of(crown)
			c = &x
		}
		add(name, value, limit, c, slack)
	}
	figure("mean_latency_ms", func(r *sim.Result) float64 { return r.Latency.Mean },
		func(n float64) float64 { return n * (1 + g.Latency) }, g.Champion)
	figure("dropped_share", func(r *sim.Result) float64 { return float64(r.Dropped) / float64(r.Requests) },
		func(n float64) float64 { return n + g.Dropped }, g.Champion)
	figure("cost_s_per_request", func(r *sim.Result) float64 { return r.CostS() / float64(r.Requests) },
		func(n float64) float64 { return n }, 0)
	if crown != nil { // yesterday's is to be beaten, not to be met
		last := &rules[len(rules)-1]
		last.OK = last.OK && last.Value < *last.Champion
	}
	return rules
}

// TrainBaseline trains the plain boosted trees that the hybrid is compared with.
func TrainBaseline(ctx context.Context, t *datasets.Trace, s datasets.Splits, cfg Config, env Env) (*online.Model, error) {
	o := cfg.Forecast
	o.Components, o.Seed, o.Workers = false, cfg.Seed, env.Workers
	bar := env.Progress.Begin("baseline", 0)
	defer bar.End()
	m, _, err := forecast.Train(ctx, t, s, nil, o, progress{bar: bar})
	return m, err
}
