package scheduler_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/priority"
)

func reader(files map[string][]byte) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		b, ok := files[name]
		if !ok {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		return b, nil
	}
}

func files(t *testing.T, m *scheduler.Models) map[string][]byte {
	t.Helper()
	out, err := m.Files()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestModelsRoundTrip(t *testing.T) {
	want := files(t, modeltest.Models(t))
	for _, name := range []string{
		scheduler.PriorityFile, scheduler.FunctionsFile, scheduler.ClustersFile, scheduler.SlicesFile, scheduler.GlobalAgent, "agent/cluster-0.onnx",
		forecast.ModelFile, forecast.FunctionsFile, forecast.ProphetFile, "forecast/c00-mean.txt",
	} {
		if len(want[name]) == 0 {
			t.Errorf("no file %s", name)
		}
	}
	m, err := scheduler.Load(reader(want))
	if err != nil {
		t.Fatal(err)
	}
	if got := files(t, m); !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("files differ after a round trip: %v and %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

func TestLoadRefuses(t *testing.T) {
	good := files(t, modeltest.Models(t))
	for _, c := range []struct{ file, from, to, want string }{
		{scheduler.PriorityFile, "", "", "priority.json"},
		{scheduler.GlobalAgent, "", "", "agent/global.onnx"},
		{scheduler.PriorityFile, `"memory_price"`, `"price"`, `unknown field "price"`},
		{scheduler.PriorityFile, `"memory_price": 0.25`, `"memory_price": -1`, "memory_price"},
		{scheduler.PriorityFile, `"memory_price": 0.25`, `"memory_price": 1e9`, "memory_price must be in [1e-06, 10000], got 1e+09"},
		{scheduler.PriorityFile, `"cpu_share": 1.5`, `"cpu_share": 1e9`, "cpu_share"},
		{scheduler.PriorityFile, `"default_us": 500000`, `"default_us": 500000000000000`, "default_us"},
		{scheduler.PriorityFile, `"cold_share": 0.3`, `"cold_share": 3e300`, "cold_share"},
		{scheduler.FunctionsFile, `"memory_mb": 128`, `"memory_mb": 1e300`, "memory_mb must be in"},
		{scheduler.ClustersFile, `"window_us": 300000000`, `"window_us": 9000000000000000000`, "window_us must be in"},
		{scheduler.ClustersFile, `"slo_us": 500000`, `"slo_us": 500000000000000`, "slo_us"},
		{forecast.ModelFile, "1.5,", "1e300,", "quantiles must be at most"},
		{forecast.FunctionsFile, `"batch": 2`, `"batch": 1e300`, "batch must be at most"},
		{"forecast/c00-mean.txt", "leaf_value=0 0.5", "leaf_value=0 NaN", "leaf 1 must be a number"},
		{"forecast/c00-mean.txt", "leaf_value=0 0.5", "leaf_value=0 1e300", "leaf 1 must be a number"},
		{scheduler.PriorityFile, "\n}\n", "\n}\n{}", "more after the first value"},
		{scheduler.FunctionsFile, `"per_minute": 1`, `"per_minute": -1`, "o/a/idle"},
		{scheduler.FunctionsFile, "o/a/idle", "o/a/timer", "named twice"},
		{scheduler.SlicesFile, `"rank": 2`, `"rank": 3`, "alps.json: alps: class o/a/trees: rank 3 follows 1"},
		{scheduler.SlicesFile, `"runs"`, `"run"`, `alps.json: json: unknown field "run"`},
		{scheduler.ClustersFile, "cluster-0.onnx", "cluster-1.onnx", "agent/cluster-1.onnx"},
		{scheduler.GlobalAgent, "dense1", "dense9", "agent/global.onnx"},
	} {
		bad := maps.Clone(good)
		if bad[c.file] = bytes.ReplaceAll(good[c.file], []byte(c.from), []byte(c.to)); c.from == "" {
			delete(bad, c.file)
		} else if bytes.Equal(bad[c.file], good[c.file]) {
			t.Fatalf("%s has no %s", c.file, c.from)
		}
		if _, err := scheduler.Load(reader(bad)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %q for %q: error is %v, want one with %q", c.file, c.to, c.from, err, c.want)
		}
	}
}

func TestNetworkFiles(t *testing.T) {
	c := &agent.Clusters{
		Choices: []agent.Choice{{Agent: "agent/cluster-2.onnx"}, {Rule: "sjf"}, {Agent: "agent/cluster-0.onnx"}, {Agent: "agent/cluster-2.onnx"}},
		Global:  agent.Choice{Agent: scheduler.GlobalAgent},
	}
	want := []string{"agent/cluster-0.onnx", "agent/cluster-2.onnx", "agent/global.onnx"}
	if got := scheduler.NetworkFiles(c); !slices.Equal(got, want) {
		t.Errorf("networks are %v, want %v", got, want)
	}
	if got := scheduler.NetworkFiles(&agent.Clusters{Global: agent.Choice{Rule: "sjf"}}); !slices.Equal(got, want[2:]) {
		t.Errorf("networks are %v, want the global one", got)
	}
}

func TestUsesAndRates(t *testing.T) {
	m := modeltest.Models(t)
	if !m.Uses("agent/cluster-0.onnx") || m.Uses(scheduler.GlobalAgent) {
		t.Error("the agent of cluster 0 is used, the global one is not")
	}
	rates := m.Rates([]datasets.Function{{Owner: "o", App: "a", Name: "trees"}, {Owner: "o", App: "a", Name: "new"}})
	if !slices.Equal(rates, []float64{3, 0}) {
		t.Errorf("rates are %v, want 3 and, of a function that training did not see, 0", rates)
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, c := range []struct {
		change func(*scheduler.Models)
		key    string
	}{
		{func(m *scheduler.Models) { m.Forecast = nil }, "forecaster"},
		{func(m *scheduler.Models) { m.Settings.Model = nil }, "priority"},
		{func(m *scheduler.Models) { m.Settings.SLO.Default = -1 }, "default_us"},
		{func(m *scheduler.Models) { m.Clusters.Window = 0 }, "window"},
		{func(m *scheduler.Models) { delete(m.Networks, scheduler.GlobalAgent) }, scheduler.GlobalAgent},
		{func(m *scheduler.Models) { m.Functions[0].PerMinute = nan }, "per_minute"},
	} {
		m := modeltest.Models(t)
		c.change(m)
		wantKey(t, m.Compile(), c.key)
	}
}

func golden(t *testing.T, m *scheduler.Models) *scheduler.Golden {
	t.Helper()
	g, err := m.MakeGolden(modeltest.Start, 1000, 7)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestReplay: models that compute otherwise than those that were exported are found,
// and so is a golden value that is not theirs.
func TestReplay(t *testing.T) {
	if m := modeltest.Models(t); m.Replay(golden(t, m)) != nil {
		t.Fatal(m.Replay(golden(t, m)))
	}
	columns := modeltest.Models(t).Forecast.Columns()
	for _, c := range []struct {
		name   string
		change func(*scheduler.Models, *scheduler.Golden)
		want   string
	}{
		{"weight of a network", func(m *scheduler.Models, _ *scheduler.Golden) {
			m.Networks[scheduler.GlobalAgent].Dense2.Weight[9] += 0.01
		}, scheduler.GlobalAgent},
		{"bias of an agent", func(m *scheduler.Models, _ *scheduler.Golden) {
			m.Networks["agent/cluster-0.onnx"].Defer.Bias[0] += 1e-3
		}, "cluster-0"},
		{"leaf of a tree", func(m *scheduler.Models, _ *scheduler.Golden) {
			m.Forecast.Clusters[0].Mean.Trees = modeltest.Stump(t, columns, "lag_1", 0.75, 0.001, math.Log(2)+0.001)
		}, "forecast of o/a/"},
		{"gap of a timer", func(m *scheduler.Models, _ *scheduler.Golden) { m.Forecast.Functions[2].IAT.Rate = 0.5 }, "o/a/timer"},
		{"weight of a priority", func(m *scheduler.Models, _ *scheduler.Golden) {
			m.Settings.Model.Weight[priority.Exec], m.Settings.Model.Weight[priority.Clock] = -0.49, 0.31
		}, "priority"},
		{"golden forecast", func(_ *scheduler.Models, g *scheduler.Golden) { g.Forecast[0].Want[0].Q99 += 0.001 }, "forecast"},
		{"golden priority", func(_ *scheduler.Models, g *scheduler.Golden) { g.Priority[3].Want += 0.001 }, "priority"},
		{"golden Q-value", func(_ *scheduler.Models, g *scheduler.Golden) { g.Agents[5].Want[0] += 0.001 }, "Q-value 0"},
		{"not a number", func(_ *scheduler.Models, g *scheduler.Golden) { g.Agents[5].Want[0] = float32(nan) }, "Q-value 0"},
		{"forecasts too few", func(_ *scheduler.Models, g *scheduler.Golden) { g.Forecast[0].Want = g.Forecast[0].Want[1:] }, "forecasts"},
		{"counts too few", func(_ *scheduler.Models, g *scheduler.Golden) { g.Forecast[0].Counts[3] = nil }, "counts"},
		{"factors too few", func(_ *scheduler.Models, g *scheduler.Golden) { g.Priority[0].Factors = nil }, "factors"},
		{"network of other size", func(_ *scheduler.Models, g *scheduler.Golden) { g.Agents[0].Candidates = nil }, "shapes"},
		{"Q-values too few", func(_ *scheduler.Models, g *scheduler.Golden) { g.Agents[0].Want = nil }, "Q-values"},
		{"unknown network", func(_ *scheduler.Models, g *scheduler.Golden) { g.Agents[0].File = "agent/x.onnx" }, "agent/x.onnx"},
		{"network without a case", func(_ *scheduler.Models, g *scheduler.Golden) { g.Agents = g.Agents[16:] }, "no golden case"},
	} {
		m := modeltest.Models(t)
		g := golden(t, m)
		c.change(m, g)
		if err := m.Forecast.Compile(); err != nil {
			t.Fatal(err)
		}
		if err := m.Replay(g); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want one with %q", c.name, err, c.want)
		}
	}
}

// write makes a bundle of m whose golden cases are g.
func write(t *testing.T, m *scheduler.Models, g *scheduler.Golden) string {
	t.Helper()
	data, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	in := []bundle.File{{Name: scheduler.GoldenFile, MediaType: bundle.MediaTypeJSON, Data: data}}
	for name, data := range files(t, m) {
		in = append(in, bundle.File{Name: name, MediaType: bundle.MediaTypeJSON, Data: data})
	}
	dir := filepath.Join(t.TempDir(), "bundle")
	if _, err := bundle.Create(dir, bundle.Manifest{BundleVersion: "1", ProgramVersion: "test", Config: json.RawMessage("{}")}, in); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOpen(t *testing.T) {
	m := modeltest.Models(t)
	g := golden(t, m)
	got, _, err := scheduler.Open(write(t, m, g))
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(files(t, got), files(t, m), bytes.Equal) {
		t.Error("the models that were opened are not those that were written")
	}
	g.Priority[0].Want += 0.01
	if _, _, err := scheduler.Open(write(t, m, g)); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("error is %v, want one of integrity: every digest is right, but a golden case is not", err)
	}
	if _, _, err := scheduler.Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error for a folder that is not there")
	}
}
