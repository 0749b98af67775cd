package export

import (
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/agents"
	forecaster "github.com/incendio-faas/incendio/pipelines/steps/forecast"
	"github.com/incendio-faas/incendio/pipelines/steps/index"
	"github.com/incendio-faas/incendio/pipelines/steps/slices"
	"github.com/incendio-faas/incendio/pipelines/steps/tune"
	"github.com/incendio-faas/incendio/scheduler"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train/forecast"
)

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
	Agents agents.Training  `json:"agents"`
	Slices *slices.Training `json:"alps"`
	Index  *index.Training  `json:"index"`
}

// learned reads what the stages before reported.
func learned(from stage.Reader, slo scheduler.SLO) (*learnedMetrics, error) {
	var m learnedMetrics
	rep, err := forecaster.ReadReport(from)
	if err != nil {
		return nil, err
	}
	m.Forecast.Classes, m.Forecast.Clusters, m.Forecast.Importance = rep.Classes, rep.Clusters, rep.Importance
	m.Forecast.Fallbacks = len(rep.Fallbacks)
	res, _, err := tune.Read(from, slo)
	if err != nil {
		return nil, err
	}
	m.Priority.Origin, m.Priority.Train, m.Priority.Valid, m.Priority.Trials = res.Best.Origin, res.Best.Train, res.Best.Valid, res.Trials
	if _, m.Slices, err = slices.Read(from); err != nil {
		return nil, err
	}
	if _, m.Index, err = index.Read(from); err != nil {
		return nil, err
	}
	training, err := agents.ReadTraining(from)
	if err != nil {
		return nil, err
	}
	m.Agents = *training
	return &m, nil
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
	out["valid/index_cost"], out["valid/native_cost"], out["valid/stack_cost"] = m.Index.Cost, m.Index.NativeCost, m.Index.StackCost
	for _, c := range m.Forecast.Clusters {
		for _, k := range c.Candidates {
			if k.Chosen && !math.IsNaN(k.Score) && !math.IsInf(k.Score, 0) {
				out["valid/"+c.Name+"/"+k.Head] = k.Score
			}
		}
	}
	return out
}

// Limits of every bundle that was learned from a trace, a line each.
func Limits(trace *datasets.Trace) []string {
	return append([]string{
		"A function that training did not see is forecast by its inter-arrival times, from what it shows at run time.",
	}, trace.Notes...)
}

// card describes the bundle to people.
func card(given Given, m *learnedMetrics) export.Card {
	trace, splits := given.Trace.Value, given.Splits
	day := func(minute int) string { return trace.Time(minute).Format("2006-01-02 15:04") }
	c := export.Card{
		Title: "Incendio bundle " + given.BundleVersion,
		Trace: fmt.Sprintf("Learned from the trace %s (%s): %d functions, %d invocations.",
			trace.Name, trace.Format, len(trace.Functions), given.Invocations),
		Window: fmt.Sprintf("Fitted on %s to %s, chosen on %s to %s, to be judged on %s to %s (UTC).",
			day(splits.Train.From), day(splits.Train.To), day(splits.Valid.From), day(splits.Valid.To), day(splits.Test.From), day(splits.Test.To)),
		Made: []string{
			fmt.Sprintf("Forecaster: %d functions have boosted trees in %d clusters, %d the histogram of their inter-arrival times.",
				m.Forecast.Classes[online.Trees], len(m.Forecast.Clusters), m.Forecast.Classes[online.Interarrival]),
			fmt.Sprintf("Priority: weights from %s, of %d trials in simulation.", m.Priority.Origin, m.Priority.Trials),
			fmt.Sprintf("Slices of CPU: of %d functions, from %d invocations, one core's part.", m.Slices.Functions, m.Slices.Invocations),
			fmt.Sprintf("Index: numbers from %s, %d requests simulated.", m.Index.Best.Origin, m.Index.Requests),
			fmt.Sprintf("Program %s, seed %d.", given.Program, given.Seed),
		},
		Results: []string{fmt.Sprintf("Cost %.4f s per request (latency, and idle memory at the price of RUM).", m.Priority.Valid),
			fmt.Sprintf("Native, with invokers that share their CPU by ps: mean latency %.1f ms; by alps with these slices %.1f ms, by alps that learns as it runs %.1f ms.",
				m.Slices.PS, m.Slices.Trained, m.Slices.Online),
		},
		Limits: append([]string{
			"Figures on minutes that nothing of this bundle has seen are not in it: `incendio validate` measures them, and a run writes them beside it.",
		}, Limits(trace)...),
		Includes: []string{
			"forecast/*.txt: trees as LightGBM text, which the run time reads; forecast/*.onnx are the same trees for other runtimes.",
			"agent/global.onnx: the network trained on all environments; agent/clusters.json says whether it is used.",
			"alps.json: ranks and slices for invokers that share their CPU by ALPS, and whether that was better.",
			"index.json: order, holding, placement, eviction, keep-alive and CPU shares as numbers, and whether the stack runs them.",
			"golden/scheduler.json: inputs and outputs that every reader must reproduce.",
		},
	}
	use := "is not used: priorities, pool and agents are"
	if m.Index.Used {
		use = "is used, and priorities, pool and agents are not"
	}
	c.Results = append(c.Results, fmt.Sprintf("The index %s. Mean latency over what nobody can beat, drops counted, on the validation part: index %.3f, native %.3f, priorities, pool and agents %.3f%s.",
		use, math.Exp(m.Index.Cost), math.Exp(m.Index.NativeCost), math.Exp(m.Index.StackCost), m.Index.Lost()))
	for _, row := range m.Agents.Rows {
		name := "all windows"
		if row.Cluster >= 0 {
			name = fmt.Sprintf("cluster %d", row.Cluster)
		}
		if row.Windows == 0 {
			continue
		}
		c.Results = append(c.Results, fmt.Sprintf("Scheduling, %s: agent %.1f ms, best rule (%s) %.1f ms, random %.1f ms; %s is used.",
			name, row.AgentMS, row.BestRule, row.RuleMS, row.RandomMS, agents.Chosen(row)))
	}
	return c
}
