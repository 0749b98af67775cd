package pipelines

import (
	"context"
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/scheduler"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/forecast"
)

// bundleFolder is the candidate in a run folder.
const bundleFolder = "bundle"

// CardFile is the file of a bundle that is written for people.
const CardFile = export.CardFile

// exportStage puts what was learned together as a bundle.
func exportStage(r *Run) Stage {
	return Stage{
		Name:    "export",
		Inputs:  []string{forecastFolder, forecastReport, priorityFile, agentFolder, agentReport, slicesFile, slicesReport},
		Outputs: []string{bundleFolder},
		Options: r.recorded(),
		Run:     func(ctx context.Context, r *Run) (Outcome, error) { return r.export(ctx) },
	}
}

func (r *Run) export(ctx context.Context) (Outcome, error) {
	m := &scheduler.Models{}
	var err error
	if m.Forecast, err = r.forecaster(); err != nil {
		return Outcome{}, err
	}
	if _, m.Settings, err = r.tuned(); err != nil {
		return Outcome{}, err
	}
	if m.Clusters, m.Networks, err = r.agents(); err != nil {
		return Outcome{}, err
	}
	if m.Slices, _, err = r.slices(); err != nil {
		return Outcome{}, err
	}
	rates, err := r.trace.Rates(ctx, r.splits.Train)
	if err != nil {
		return Outcome{}, err
	}
	m.Functions = functionInfo(r.trace, rates)
	if err := m.Compile(); err != nil {
		return Outcome{}, err
	}
	metrics, err := r.learned()
	if err != nil {
		return Outcome{}, err
	}
	config, err := bundle.CanonicalJSON(r.recorded())
	if err != nil {
		return Outcome{}, err
	}
	c := export.Candidate{
		Models: m, Metrics: metrics, Start: r.trace.Start, Minute: r.splits.Valid.To, Seed: r.cfg.Seed,
		Manifest: bundle.Manifest{
			BundleVersion: r.cfg.BundleVersion, ProgramVersion: r.env.Version, Seed: r.cfg.Seed,
			Window: bundle.Window{Start: r.trace.Start.UTC().Format("2006-01-02T15:04:05Z"), From: r.splits.Train.From, To: r.splits.Valid.To},
			Traces: []bundle.Trace{{Name: r.trace.Name, Digest: r.trace.Digest}},
			Config: config, Metrics: metrics.headline(),
		},
		Card: r.card(metrics),
	}
	b, err := c.Write(r.Path(bundleFolder))
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Summary: fmt.Sprintf("%d files, %.12s", len(b.Manifest().Files), b.Digest())}, nil
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

// learnedMetrics are the figures of training, all of them on the validation part.
type learnedMetrics struct {
	Forecast struct {
		Classes    map[online.Class]int     `json:"classes"`
		Clusters   []forecast.ClusterReport `json:"clusters"`
		Importance []forecast.Importance    `json:"importance"`
		Fallbacks  int                      `json:"fallbacks"`
	} `json:"forecast"`
	Priority struct {
		Origin string  `json:"origin"`
		Train  float64 `json:"train_cost_s_per_request"`
		Valid  float64 `json:"valid_cost_s_per_request"`
		Trials int     `json:"trials"`
	} `json:"priority"`
	Agents agentTraining   `json:"agents"`
	Slices *slicesTraining `json:"alps"`
}

func (r *Run) learned() (*learnedMetrics, error) {
	var m learnedMetrics
	var rep forecast.Report
	if err := readJSON(r.Path(forecastReport), &rep); err != nil {
		return nil, err
	}
	m.Forecast.Classes, m.Forecast.Clusters, m.Forecast.Importance = rep.Classes, rep.Clusters, rep.Importance
	m.Forecast.Fallbacks = len(rep.Fallbacks)
	res, _, err := r.tuned()
	if err != nil {
		return nil, err
	}
	m.Priority.Origin, m.Priority.Train, m.Priority.Valid, m.Priority.Trials = res.Best.Origin, res.Best.Train, res.Best.Valid, res.Trials
	if _, m.Slices, err = r.slices(); err != nil {
		return nil, err
	}
	return &m, readJSON(r.Path(agentReport), &m.Agents)
}

// headline are the few figures of the manifest; names as in docs/models.md.
func (m *learnedMetrics) headline() map[string]float64 {
	out := map[string]float64{
		"valid/cost_s_per_request": m.Priority.Valid,
		"forecast/fallbacks":       float64(m.Forecast.Fallbacks),
	}
	won := 0
	for _, row := range m.Agents.Rows {
		if row.Won {
			won++
		}
	}
	out["agent/rows_won"] = float64(won)
	for _, c := range m.Forecast.Clusters {
		for _, k := range c.Candidates {
			if k.Chosen && !math.IsNaN(k.Score) && !math.IsInf(k.Score, 0) {
				out["valid/"+c.Name+"/"+k.Head] = k.Score
			}
		}
	}
	return out
}

// card describes the bundle to people.
func (r *Run) card(m *learnedMetrics) export.Card {
	day := func(minute int) string { return r.trace.Time(minute).Format("2006-01-02 15:04") }
	c := export.Card{
		Title: "Incendio bundle " + r.cfg.BundleVersion,
		Trace: fmt.Sprintf("Learned from the trace %s (%s): %d functions, %d invocations.",
			r.trace.Name, r.trace.Format, len(r.trace.Functions), r.invocations),
		Window: fmt.Sprintf("Fitted on %s to %s, chosen on %s to %s (UTC).",
			day(r.splits.Train.From), day(r.splits.Train.To), day(r.splits.Valid.From), day(r.splits.Valid.To)),
		Made: []string{
			fmt.Sprintf("Forecaster: %d functions have boosted trees in %d clusters, %d the histogram of their inter-arrival times.",
				m.Forecast.Classes[online.Trees], len(m.Forecast.Clusters), m.Forecast.Classes[online.Interarrival]),
			fmt.Sprintf("Priority: weights from %s, of %d trials in simulation.", m.Priority.Origin, m.Priority.Trials),
			fmt.Sprintf("Slices of CPU: of %d functions, from %d invocations, one core's part.", m.Slices.Functions, m.Slices.Invocations),
			fmt.Sprintf("Program %s, seed %d.", r.env.Version, r.cfg.Seed),
		},
		Results: []string{fmt.Sprintf("Cost %.4f s per request (latency, and idle memory at the price of RUM).", m.Priority.Valid),
			fmt.Sprintf("Native, with invokers that share their CPU by ps: mean latency %.1f ms; by alps with these slices %.1f ms, by alps that learns as it runs %.1f ms.",
				m.Slices.PS, m.Slices.Trained, m.Slices.Online),
		},
		Limits: append([]string{
			"Figures on minutes that nothing of this bundle has seen are not in it: `incendio validate` measures them.",
			"A function that training did not see is forecast by its inter-arrival times, from what it shows at run time.",
		}, r.trace.Notes...),
		Includes: []string{
			"forecast/*.txt: trees as LightGBM text, which the run time reads; forecast/*.onnx are the same trees for other runtimes.",
			"agent/global.onnx: the network trained on all environments; agent/clusters.json says whether it is used.",
			"alps.json: ranks and slices for invokers that share their CPU by ALPS, and whether that was better.",
			"golden/scheduler.json: inputs and outputs that every reader must reproduce.",
		},
	}
	for _, row := range m.Agents.Rows {
		name := "all windows"
		if row.Cluster >= 0 {
			name = fmt.Sprintf("cluster %d", row.Cluster)
		}
		if row.Windows == 0 {
			continue
		}
		c.Results = append(c.Results, fmt.Sprintf("Scheduling, %s: agent %.1f ms, best rule (%s) %.1f ms, random %.1f ms; %s is used.",
			name, row.AgentMS, row.BestRule, row.RuleMS, row.RandomMS, chosen(row)))
	}
	return c
}
