package pipelines

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines/report"
	weights "github.com/incendio-faas/incendio/scheduler/priority"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/agent"
	"github.com/incendio-faas/incendio/train/forecast"
)

// report gathers what the stages left in the run folder and writes report.json.
func (r *Run) report(v *Validation, took time.Duration) (*report.Data, error) {
	d := &report.Data{
		Title: "Incendio nightly run", Run: r.ID, Program: "incendio " + r.env.Version, Seed: r.cfg.Seed, AsOf: r.AsOf,
		Page: r.Path(pageFile), Absent: map[string]string{},
		Timing: &report.Timing{TotalS: report.Real(took.Seconds()), Workers: r.env.Workers, StagesS: map[string]report.Real{}, Decision: map[string]report.Delay{}},
	}
	d.Verdict = &report.Verdict{Verdict: v.Verdict, Reason: v.Reason, Champion: v.Champion}
	for _, rule := range v.Rules {
		champion := report.Missing
		if rule.Champion != nil {
			champion = report.Real(*rule.Champion)
		}
		d.Verdict.Rules = append(d.Verdict.Rules, report.Rule{
			Rule: rule.Rule, Value: report.Real(rule.Value), Bound: report.Real(rule.Bound), Champion: champion, OK: rule.OK, Text: ruleText[rule.Rule],
		})
	}
	d.Trace = r.traceSection()
	if r.trace.Label() == datasets.SemiSynthetic {
		d.Notes = append(d.Notes, "The trace is "+r.trace.Caveat()+".")
	}
	for _, s := range r.Done {
		d.Stages = append(d.Stages, report.Stage{Name: s.Name, Rows: s.Rows, Outputs: s.Summary, Cached: s.Cached})
		if !s.Cached {
			d.Timing.StagesS[s.Name] = report.Real(s.Took.Seconds())
		}
		d.Notes = append(d.Notes, s.Warnings...)
	}
	if err := r.bundleSection(d, v); err != nil {
		return nil, err
	}
	if err := readJSON(r.Path(decompositionFile), &d.Decomposition); err != nil {
		return nil, err
	}
	if d.Decomposition == nil {
		d.Absent["decomposition"] = "the trace has no function"
	}
	if err := r.forecastSections(d, v); err != nil {
		return nil, err
	}
	if err := r.learningSections(d); err != nil {
		return nil, err
	}
	if err := r.policySection(d, v.Simulation); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := report.Encode(&b, d); err != nil {
		return nil, err
	}
	return d, writeFile(r.Path(report.File), b.Bytes())
}

// ruleText says what each gate asks.
var ruleText = map[string]string{
	"network_max_diff":     "onnx-go computes the Q-values of every exported network as we do",
	"forecast_wape_pooled": "the hybrid forecasts better than the best naive baseline, and not worse than the champion",
	"mean_latency_ms":      "requests complete sooner than under native, and not later than under the champion",
	"dropped_share":        "no more requests are dropped than under native, but for the tolerance gates.dropped",
	"cost_s_per_request":   "latency, and idle memory at the price of RUM, cost less than under native and under the champion",
}

func (r *Run) traceSection() *report.Trace {
	t, q := r.trace, r.description.Quarantined
	s := &report.Trace{
		Name: t.Name, Format: t.Format, Digest: t.Digest, Functions: len(t.Functions), Invocations: r.invocations,
		Days: report.Real(float64(t.Span.Len()) / datasets.MinutesPerDay), Start: t.Time(t.Span.From),
		Quarantined: q.Rows, Reasons: q.Reasons, Notes: t.Notes,
	}
	for _, w := range []struct {
		name string
		w    datasets.Window
	}{{datasets.TrainWindow, r.splits.Train}, {datasets.ValidWindow, r.splits.Valid}, {datasets.TestWindow, r.splits.Test}} {
		s.Windows = append(s.Windows, report.Window{Name: w.name, From: t.Time(w.w.From), To: t.Time(w.w.To)})
	}
	return s
}

func (r *Run) bundleSection(d *report.Data, v *Validation) error {
	d.Bundle = &report.Bundle{Path: r.Path(bundleFolder), Digest: v.Bundle}
	return filepath.WalkDir(d.Bundle.Path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		d.Bundle.Files++
		d.Bundle.Bytes += info.Size()
		return nil
	})
}

func (r *Run) forecastSections(d *report.Data, v *Validation) error {
	d.ForecastScores = &report.ForecastScores{Trace: v.Trace, HorizonMin: v.Horizon, Cutoffs: len(v.Cutoffs)}
	for _, m := range v.Models {
		pinball := map[string]report.Real{}
		for q, x := range m.Pinball {
			pinball[q] = report.Real(x)
		}
		d.ForecastScores.Models = append(d.ForecastScores.Models, report.ForecastScore{
			Name: m.Name, Scope: m.Scope, WAPE: report.Real(m.WAPE), MAE: report.Real(m.MAE), RMSE: report.Real(m.RMSE),
			MASE: report.Real(m.MASE), Pinball: pinball, Coverage90: report.Real(m.Coverage90),
		})
	}
	var e *forecast.Example
	if err := readJSON(r.Path(exampleFile), &e); err != nil {
		return err
	}
	if e == nil {
		d.Absent["forecast"] = "no function is forecast by trees"
	} else {
		d.Forecast = r.exampleSection(e)
	}
	var rep forecast.Report
	if err := readJSON(r.Path(forecastReport), &rep); err != nil {
		return err
	}
	if len(rep.Importance) == 0 {
		d.Absent["importance"] = "no trees are used"
		return nil
	}
	d.Importance = &report.Importance{Model: "all trees that are used"}
	for _, i := range rep.Importance {
		d.Importance.Features = append(d.Importance.Features, report.Feature{Feature: i.Column, Gain: report.Real(i.Gain)})
	}
	return nil
}

// exampleHours of a forecast can be told apart in a figure.
const exampleHours = 12

func (r *Run) exampleSection(e *forecast.Example) *report.Forecast {
	n := min(len(e.Minute), exampleHours*60)
	f := &report.Forecast{
		Function: r.named(e), Level: 0.9,
		Actual: e.Actual[:n], Mean: e.Mean[:n], Lower: e.Lower[:n], Upper: e.Upper[:n],
	}
	for _, m := range e.Minute[:n] {
		f.Times = append(f.Times, r.trace.Time(m))
	}
	return f
}

func (r *Run) named(e *forecast.Example) string {
	for i := range r.trace.Functions {
		if f := &r.trace.Functions[i]; f.Owner == e.Function.Owner && f.App == e.Function.App && f.Name == e.Function.Name {
			return shortName(f)
		}
	}
	return e.Function.String()
}

func (r *Run) learningSections(d *report.Data) error {
	res, _, err := r.tuned()
	if err != nil {
		return err
	}
	best := res.Best
	d.Priority = &report.Priority{
		Mode: best.Model.Form, Trials: res.Trials,
		Note: fmt.Sprintf("Weights from %s; memory at %.3g of the RUM price; %s.", best.Origin, best.MemoryPrice, cpuText(best.CPUShare)),
	}
	for k, c := range res.Screening {
		w := report.Missing
		if c.Kept || best.Model.Weight[k] != 0 {
			w = report.Real(best.Model.Weight[k])
		}
		d.Priority.Features = append(d.Priority.Features, report.Screened{Feature: weights.Factor(k).String(), Spearman: report.Real(c.Rho), Kept: c.Kept, Weight: w})
	}
	var t agentTraining
	if err := readJSON(r.Path(agentReport), &t); err != nil {
		return err
	}
	d.Agents = &report.Agents{
		Rule:   "An agent is used where it beats the best rule on validation windows by more than half the width of the confidence interval.",
		Reward: "minus the priority-weighted waiting of an episode, in seconds; in the table, minus the mean priority-weighted latency in ms",
	}
	for _, row := range t.Rows {
		c := report.Cluster{
			Cluster: rowName(row), Agent: report.Real(-row.AgentMS), BestRule: report.Real(-row.RuleMS), BestRuleName: row.BestRule,
			Random: report.Real(-row.RandomMS), Won: row.Won,
		}
		if row.Windows == 0 {
			c.Agent, c.BestRule, c.Random = report.Missing, report.Missing, report.Missing
		}
		curves := t.Curves
		if row.Cluster >= 0 {
			curves = t.Clusters[row.Cluster]
		}
		c.Runs = []report.Run{{Seed: r.cfg.Seed, Return: curves.Return, Loss: curves.QLoss}}
		d.Agents.Clusters = append(d.Agents.Clusters, c)
	}
	return nil
}

func rowName(row agent.Row) string {
	if row.Cluster < 0 {
		return report.AllEnvironments
	}
	return strconv.Itoa(row.Cluster)
}

// chosen names what dispatches in a cluster.
func chosen(row agent.Row) string {
	if row.Choice.Agent != "" {
		return row.Choice.Agent
	}
	return "the rule " + row.Choice.Rule
}

func cpuText(share float64) string {
	if share == 0 {
		return "no limit on the CPU that executes at once"
	}
	return fmt.Sprintf("at most %g times the cores execute at once", share)
}

func (r *Run) policySection(d *report.Data, s *sim.Report) error {
	var curves simulationCurves
	if err := readJSON(r.Path(curvesFile), &curves); err != nil {
		return err
	}
	d.Policies = comparison(s, datasets.TestWindow, curves)
	for _, p := range s.Policies {
		if p.Kind == "" {
			d.Timing.Decision[p.Name] = report.Delay{P50: report.Real(p.Timing.DecisionUS.P50), P99: report.Real(p.Timing.DecisionUS.P99)}
		}
	}
	return nil
}
