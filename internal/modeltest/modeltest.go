// Package modeltest makes small models for the tests of the packages that store them.
package modeltest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/features/interarrival"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/priority"
)

// Start is the midnight of minute 0.
var Start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Key of the function of that name.
func Key(name string) forecast.Key { return forecast.Key{Owner: "o", App: "a", Name: name} }

// Stump is a model file in LightGBM's format with one tree: left where the column is
// at most the threshold.
func Stump(t testing.TB, columns []string, column string, threshold, left, right float64) *forecast.Ensemble {
	t.Helper()
	tree := fmt.Sprintf("Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=%d\nsplit_gain=1\nthreshold=%g\ndecision_type=8\n"+
		"left_child=-1\nright_child=-2\nleaf_value=%g %g\nleaf_weight=1 1\nleaf_count=1 1\ninternal_value=0\ninternal_weight=1\n"+
		"internal_count=2\nis_linear=0\nshrinkage=1\n\n\n", slices.Index(columns, column), threshold, left, right)
	head := fmt.Sprintf("tree\nversion=v3\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=%d\nobjective=regression\n"+
		"feature_names=%s\nfeature_infos=%s\ntree_sizes=%d\n\n", len(columns)-1, strings.Join(columns, " "),
		strings.TrimSpace(strings.Repeat("[0:1] ", len(columns))), len(tree))
	e, err := forecast.NewEnsemble([]byte(head + tree + "end of trees\n"))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Network has 4 candidates, 8 hidden units and weights drawn from the name.
func Network(t testing.TB, name string) *agent.Network {
	t.Helper()
	n, err := agent.NewNetwork(4, 8)
	if err != nil {
		t.Fatal(err)
	}
	src := seed.Stream(1, name)
	for _, l := range n.Layers() {
		for i := range l.Weight {
			l.Weight[i] = float32(src.NormFloat64() / 4)
		}
		for i := range l.Bias {
			l.Bias[i] = float32(src.NormFloat64() / 4)
		}
	}
	return n
}

// Models of four functions, one forecast by trees, and of two environments, one
// dispatched by an agent of its own.
func Models(t testing.TB) *scheduler.Models {
	t.Helper()
	spec := features.Spec{Hours: 1, Calendar: true, Components: true}
	calibration := forecast.Calibration{Edge: []float64{1}, Z: [][5]float64{{-1, 0, 1, 1.5, 2}, {-2, 0, 2, 2.5, 3}}}
	f := &forecast.Model{
		Features: spec,
		Clusters: []forecast.Cluster{{
			Name:        "c00",
			Mean:        forecast.Head{Objective: "regression", Link: forecast.Residual, File: "forecast/c00-mean.txt", Trees: Stump(t, spec.Columns(), "lag_1", 0.75, 0, 0.5)},
			Median:      forecast.Head{},
			Calibration: calibration,
		}},
		Functions: []forecast.Function{
			{Key: Key("failed"), Class: forecast.Trees, Cluster: 0, Keep: 130, Fallback: "time limit"},
			{Key: Key("idle"), Class: forecast.Zero},
			{Key: Key("timer"), Class: forecast.Interarrival, IAT: &interarrival.Histogram{Gap: []int32{90}, Count: []int32{98}, Rate: 1. / 90, Batch: 2}},
			{Key: Key("trees"), Class: forecast.Trees, Cluster: 0, Keep: 130},
		},
		Prophet: map[forecast.Key]*prophet.Fitted{
			Key("trees"): {
				Growth: prophet.Flat, Start: Start, End: Start.Add(time.Hour), YScale: 8, M: 0.25, SigmaObs: 0.1, Observations: 60,
				Changepoints: []float64{}, Delta: []float64{}, Seasonalities: []prophet.Seasonality{}, Holidays: []prophet.Holiday{}, Beta: []float64{},
			},
		},
		Totals: []forecast.Function{},
	}
	if err := f.Compile(); err != nil {
		t.Fatal(err)
	}
	p := &priority.Model{Form: priority.Loglinear}
	p.Weight[priority.Exec], p.Weight[priority.Clock], p.Weight[priority.Memory] = -0.5, 0.3, -0.2
	p.High[priority.Exec], p.High[priority.Clock], p.High[priority.Memory] = 3, 6, 2
	ones, encoder := slices.Repeat([]float64{1}, agent.EnvSize), agent.DefaultOptions()
	encoder.Candidates = 4
	m := &scheduler.Models{
		Forecast: f,
		Settings: scheduler.Settings{Model: p, Pool: scheduler.PoolOptions{MemoryPrice: 0.25, CPUShare: 1.5}, SLO: scheduler.DefaultSLO()},
		Clusters: &agent.Clusters{
			Columns: agent.EnvColumns(), Window: 5 * decide.Minute, Mean: make([]float64, agent.EnvSize), Std: ones,
			Centroids: [][]float64{ones, make([]float64, agent.EnvSize)}, Radius: []float64{2, 3},
			Choices: []agent.Choice{{Agent: "agent/cluster-0.onnx"}, {Rule: "density"}}, Global: agent.Choice{Rule: "esff"}, Encoder: encoder,
		},
		Networks: map[string]*agent.Network{},
	}
	for _, name := range scheduler.NetworkFiles(m.Clusters) {
		m.Networks[name] = Network(t, name)
	}
	for i, fn := range f.Functions {
		m.Functions = append(m.Functions, scheduler.FunctionInfo{
			Key: fn.Key, PerMinute: float64(i), MemoryMB: 128, CPU: 0.5, Execution: 12.5, Init: 700, Term: 420, Assumed: []string{"start_cost"},
		})
	}
	stats := make([]alps.Stats, 2) // of a short function and of a long one
	stats[0].Add(20e3)
	stats[1].Add(300e3)
	stats[1].Add(500e3)
	var err error
	if m.Slices, err = alps.Learned([]datasets.Function{{Owner: "o", App: "a", Name: "timer"}, {Owner: "o", App: "a", Name: "trees"}}, stats, alps.DefaultOptions()); err != nil {
		t.Fatal(err)
	}
	if err := m.Compile(); err != nil {
		t.Fatal(err)
	}
	return m
}
