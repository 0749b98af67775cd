package pipelines

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/internal/null"
	"github.com/incendio-faas/incendio/pipelines/gates"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/agents"
	"github.com/incendio-faas/incendio/pipelines/steps/export"
	"github.com/incendio-faas/incendio/pipelines/steps/features"
	forecaster "github.com/incendio-faas/incendio/pipelines/steps/forecast"
	"github.com/incendio-faas/incendio/pipelines/steps/tune"
	"github.com/incendio-faas/incendio/pipelines/steps/validate"
	weights "github.com/incendio-faas/incendio/scheduler/priority"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/agent"
	"github.com/incendio-faas/incendio/train/forecast"
)

// report gathers what the stages left in the run folder and writes report.json.
func (r *Run) report(v *validate.Validation, took time.Duration) (*report.Data, error) {
	d := &report.Data{
		Title: "Incendio nightly run", Run: r.ID, Program: "incendio " + r.env.Version, Seed: r.material.Config.Seed, AsOf: r.AsOf,
		Page: r.folder.Path(pageFile), Absent: map[string]string{},
		Timing: &report.Timing{TotalS: null.Float(took.Seconds()), Workers: r.env.Workers, StagesS: map[string]null.Float{}, Decision: map[string]report.Delay{}},
	}
	d.Verdict = &report.Verdict{Verdict: v.Verdict, Reason: v.Reason, Champion: v.Champion}
	for _, rule := range v.Rules {
		champion := null.Missing
		if rule.Champion != nil {
			champion = null.Float(*rule.Champion)
		}
		row := report.Rule{
			Rule: rule.Rule, Value: null.Float(rule.Value), Bound: null.Float(rule.Bound), Champion: champion, OK: rule.OK, Text: gates.Text(rule.Rule),
		}
		if f := v.Comparison.Figure(rule.Rule); f != nil {
			row.Change = &report.Change{Value: f.Change, Bounds: f.Bounds, Margin: null.Float(f.Margin), Result: f.Result}
		}
		d.Verdict.Rules = append(d.Verdict.Rules, row)
	}
	d.Trace = traceSection(r.material, r.description.Quarantined)
	if r.material.Trace.Label() == datasets.SemiSynthetic {
		d.Notes = append(d.Notes, "The trace is "+r.material.Trace.Caveat()+".")
	}
	for _, s := range r.Done {
		d.Stages = append(d.Stages, report.Stage{Name: s.Name, Rows: s.Rows, Outputs: s.Summary, Cached: s.Cached})
		if s.Took > 0 || !s.Cached { // a stage that is up to date keeps the time that it took
			d.Timing.StagesS[s.Name] = null.Float(s.Took.Seconds())
		}
		d.Notes = append(d.Notes, s.Warnings...)
	}
	var err error
	if d.Bundle, err = bundleSection(r.folder.Path(export.Folder), v.Bundle); err != nil {
		return nil, err
	}
	if d.Decomposition, err = features.Read(r.folder); err != nil {
		return nil, err
	}
	if d.Decomposition == nil {
		d.Absent["decomposition"] = "the trace has no function"
	}
	if err := forecastSections(d, r.folder, r.material.Trace, v); err != nil {
		return nil, err
	}
	if err := learningSections(d, r.folder, r.material.Config); err != nil {
		return nil, err
	}
	if err := policySection(d, r.folder, v.Simulation); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := report.Encode(&b, d); err != nil {
		return nil, err
	}
	return d, r.folder.Write(report.File, b.Bytes())
}

func traceSection(m Material, q parquet.Quarantined) *report.Trace {
	t := m.Trace
	s := &report.Trace{
		Name: t.Name, Format: t.Format, Digest: t.Digest, Functions: len(t.Functions), Invocations: m.Invocations,
		Days: null.Float(float64(t.Span.Len()) / datasets.MinutesPerDay), Start: t.Time(t.Span.From),
		Quarantined: q.Rows, Reasons: q.Reasons, Notes: t.Notes,
	}
	for _, w := range []struct {
		name string
		w    datasets.Window
	}{{datasets.TrainWindow, m.Splits.Train}, {datasets.ValidWindow, m.Splits.Valid}, {datasets.TestWindow, m.Splits.Test}} {
		s.Windows = append(s.Windows, report.Window{Name: w.name, From: t.Time(w.w.From), To: t.Time(w.w.To)})
	}
	return s
}

func bundleSection(dir, digest string) (*report.Bundle, error) {
	b := &report.Bundle{Path: dir, Digest: digest}
	return b, filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		b.Files++
		b.Bytes += info.Size()
		return nil
	})
}

func forecastSections(d *report.Data, from stage.Reader, t *datasets.Trace, v *validate.Validation) error {
	d.ForecastScores = &report.ForecastScores{Trace: v.Trace, HorizonMin: v.Horizon, Cutoffs: len(v.Cutoffs)}
	for _, m := range v.Models {
		d.ForecastScores.Models = append(d.ForecastScores.Models, report.ForecastScore{Name: m.Name, Scope: m.Scope, Scores: m.Scores, Coverage90: m.Coverage90})
	}
	e, err := validate.ReadExample(from)
	if err != nil {
		return err
	}
	if e == nil {
		d.Absent["forecast"] = "no function is forecast by trees"
	} else {
		d.Forecast = exampleSection(t, e)
	}
	rep, err := forecaster.ReadReport(from)
	if err != nil {
		return err
	}
	if len(rep.Importance) == 0 {
		d.Absent["importance"] = "no trees are used"
		return nil
	}
	d.Importance = &report.Importance{Model: "all trees that are used"}
	for _, i := range rep.Importance {
		d.Importance.Features = append(d.Importance.Features, report.Feature{Feature: i.Column, Gain: null.Float(i.Gain)})
	}
	return nil
}

// exampleHours of a forecast can be told apart in a figure.
const exampleHours = 12

func exampleSection(t *datasets.Trace, e *forecast.Example) *report.Forecast {
	n := min(len(e.Minute), exampleHours*60)
	f := &report.Forecast{
		Function: named(t, e), Level: 0.9,
		Actual: e.Actual[:n], Mean: e.Mean[:n], Lower: e.Lower[:n], Upper: e.Upper[:n],
	}
	for _, m := range e.Minute[:n] {
		f.Times = append(f.Times, t.Time(m))
	}
	return f
}

func named(t *datasets.Trace, e *forecast.Example) string {
	for i := range t.Functions {
		if f := &t.Functions[i]; f.Owner == e.Function.Owner && f.App == e.Function.App && f.Name == e.Function.Name {
			return features.ShortName(f)
		}
	}
	return e.Function.String()
}

func learningSections(d *report.Data, from stage.Reader, cfg Config) error {
	res, _, err := tune.Read(from, cfg.SLO)
	if err != nil {
		return err
	}
	best := res.Best
	d.Priority = &report.Priority{
		Mode: best.Model.Form, Trials: res.Trials,
		Note: fmt.Sprintf("Weights from %s; memory at %.3g of the RUM price; %s.", best.Origin, best.MemoryPrice, cpuText(best.CPUShare)),
	}
	for k, c := range res.Screening {
		w := null.Missing
		if c.Kept || best.Model.Weight[k] != 0 {
			w = null.Float(best.Model.Weight[k])
		}
		d.Priority.Features = append(d.Priority.Features, report.Screened{Feature: weights.Factor(k).String(), Spearman: null.Float(c.Rho), Kept: c.Kept, Weight: w})
	}
	t, err := agents.ReadTraining(from)
	if err != nil {
		return err
	}
	d.Agents = &report.Agents{
		Rule:   "An agent is used where it beats the best rule on validation windows by more than half the width of the confidence interval.",
		Reward: "minus the priority-weighted waiting of an episode, in seconds; in the table, minus the mean priority-weighted latency in ms",
	}
	for _, row := range t.Rows {
		c := report.Cluster{
			Cluster: rowName(row), Agent: null.Float(-row.AgentMS), BestRule: null.Float(-row.RuleMS), BestRuleName: row.BestRule,
			Random: null.Float(-row.RandomMS), Won: row.Won,
		}
		if row.Windows == 0 {
			c.Agent, c.BestRule, c.Random = null.Missing, null.Missing, null.Missing
		}
		curves := t.Curves
		if row.Cluster >= 0 {
			curves = t.Clusters[row.Cluster]
		}
		c.Runs = []report.Run{{Seed: cfg.Seed, Return: curves.Return, Loss: curves.QLoss}}
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

func cpuText(share float64) string {
	if share == 0 {
		return "no limit on the CPU that executes at once"
	}
	return fmt.Sprintf("at most %g times the cores execute at once", share)
}

func policySection(d *report.Data, from stage.Reader, s *sim.Report) error {
	curves, err := validate.ReadCurves(from)
	if err != nil {
		return err
	}
	d.Policies = comparison(s, datasets.TestWindow, curves)
	for _, p := range s.Policies {
		if p.Kind == "" {
			d.Timing.Decision[p.Name] = report.Delay{P50: null.Float(p.Timing.DecisionUS.P50), P99: null.Float(p.Timing.DecisionUS.P99)}
		}
	}
	return nil
}
