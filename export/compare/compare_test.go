package compare_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/export/compare"
	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/priority"
)

// side is a bundle of m, as a loader has it.
func side(t *testing.T, m *scheduler.Models, change func(*bundle.Manifest)) compare.Side {
	t.Helper()
	if err := m.Compile(); err != nil {
		t.Fatal(err)
	}
	content, err := m.Files()
	if err != nil {
		t.Fatal(err)
	}
	manifest := bundle.Manifest{
		BundleVersion: "1", ProgramVersion: "test", Seed: 3, Window: bundle.Window{To: 1440},
		Traces: []bundle.Trace{{Name: synthetic.Format, Digest: bundle.Digest(nil)}}, Config: json.RawMessage(`{"a":{"b":1},"seed":3}`),
		Metrics: map[string]float64{"valid/cost": 0.5, "valid/c00/mean": 0.25, "valid/c01/mean": 0.75},
	}
	if change != nil {
		change(&manifest)
	}
	var files []bundle.File
	for _, name := range slices.Sorted(maps.Keys(content)) {
		files = append(files, bundle.File{Name: name, MediaType: bundle.MediaTypeJSON, Data: content[name]})
	}
	b, err := bundle.New(manifest, files)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := scheduler.Load(b.File)
	if err != nil {
		t.Fatal(err)
	}
	return compare.Side{Bundle: b, Models: loaded}
}

// twoClusters adds a second cluster, which serves the function "failed", under the number
// of which is first.
func twoClusters(t *testing.T, numbers [2]int) *scheduler.Models {
	m := modeltest.Models(t)
	first := m.Forecast.Clusters[0]
	second := first
	second.Mean.Trees = modeltest.Stump(t, m.Forecast.Features.Columns(), "lag_1", 0.5, 0, 1)
	m.Forecast.Clusters = make([]forecast.Cluster, 2)
	for i, c := range []forecast.Cluster{first, second} {
		n := numbers[i]
		c.Name = []string{"c00", "c01"}[n]
		c.Mean.File = "forecast/" + c.Name + "-mean.txt"
		m.Forecast.Clusters[n] = c
	}
	for i := range m.Forecast.Functions {
		switch f := &m.Forecast.Functions[i]; f.Key.Name {
		case "trees":
			f.Cluster = numbers[0]
		case "failed":
			f.Cluster = numbers[1]
		}
	}
	return m
}

// The same models under other numbers are the same models.
func TestNumbersOfClustersMeanNothing(t *testing.T) {
	a := side(t, twoClusters(t, [2]int{0, 1}), nil)
	b := side(t, twoClusters(t, [2]int{1, 0}), func(m *bundle.Manifest) {
		m.Metrics["valid/c00/mean"], m.Metrics["valid/c01/mean"] = 0.75, 0.25
	})
	d, err := compare.Bundles(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if d.Equal || len(d.Files.Changed) == 0 {
		t.Fatalf("the files are the same: %+v", d.Files)
	}
	for _, s := range d.Models {
		if !s.Same {
			t.Errorf("%v: %+v and %+v are told apart", s.Functions, s.A, s.B)
		}
		if s.A.Class == forecast.Trees && (s.A.Scores["mean"] != s.B.Scores["mean"] || s.A.Scores["mean"] == 0) {
			t.Errorf("%v: scores %v and %v", s.Functions, s.A.Scores, s.B.Scores)
		}
	}
	for _, f := range d.Figures {
		if f.Name != "valid/cost" {
			t.Errorf("figure %s is of a cluster", f.Name)
		}
	}
	if len(d.Weights)+len(d.Environments)+len(d.Configuration)+len(d.Functions.Added)+len(d.Functions.Gone) != 0 || !d.SamePart {
		t.Errorf("%+v", d)
	}
}

func TestBundles(t *testing.T) {
	a := side(t, twoClusters(t, [2]int{0, 1}), nil)
	m := twoClusters(t, [2]int{0, 1})
	m.Forecast.Clusters[1].Mean.Trees = modeltest.Stump(t, m.Forecast.Features.Columns(), "lag_1", 0.5, 0, 2)
	// timer goes, new comes; trees is decomposed otherwise.
	gone, added := modeltest.Key("timer"), modeltest.Key("new")
	m.Functions = slices.DeleteFunc(m.Functions, func(f scheduler.FunctionInfo) bool { return f.Key == gone })
	m.Forecast.Functions = slices.DeleteFunc(m.Forecast.Functions, func(f forecast.Function) bool { return f.Key == gone })
	info := m.Functions[0]
	info.Key, info.PerMinute = added, 7
	m.Functions = append(m.Functions, info)
	m.Forecast.Functions = append(m.Forecast.Functions, forecast.Function{Key: added, Class: forecast.Zero})
	slices.SortFunc(m.Functions, func(x, y scheduler.FunctionInfo) int { return x.Key.Compare(y.Key) })
	slices.SortFunc(m.Forecast.Functions, func(x, y forecast.Function) int { return x.Key.Compare(y.Key) })
	m.Forecast.Prophet[modeltest.Key("trees")].M = 0.5
	m.Slices = nil
	m.Settings.Pool.MemoryPrice = 0.5
	m.Settings.Model.Weight[priority.Exec], m.Settings.Model.Weight[priority.Memory] = -0.4, -0.3
	m.Clusters.Choices[1] = agent.Choice{Rule: "esff"}
	b := side(t, m, func(m *bundle.Manifest) {
		m.Config, m.Window.To, m.Metrics = json.RawMessage(`{"a":{"b":2},"seed":3}`), 2880, map[string]float64{"valid/new": 1}
	})
	d, err := compare.Bundles(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if f := d.Functions; !slices.Equal(f.Added, []forecast.Key{added}) || !slices.Equal(f.Gone, []forecast.Key{gone}) || f.Kept != 3 {
		t.Errorf("functions %+v", f)
	}
	served := map[string]compare.Served{}
	for _, s := range d.Models {
		for _, k := range s.Functions {
			served[k.Name] = s
		}
	}
	for name, same := range map[string]bool{"idle": true, "trees": false, "failed": false, "timer": false, "new": false} {
		if s, ok := served[name]; !ok || s.Same != same || (s.A == nil) != (name == "new") || (s.B == nil) != (name == "timer") {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if d.Models[0].Functions[0] != added || d.Models[0].PerMinute != 7 {
		t.Errorf("the first model is of %v", d.Models[0])
	}
	changed := map[string]bool{}
	for _, c := range d.Weights {
		changed[c.Key] = true
	}
	for _, key := range []string{"pool.memory_price", "priority.exec.weight", "priority.memory.weight", "alps.sharing"} {
		if !changed[key] {
			t.Errorf("weight %s is not among %v", key, d.Weights)
		}
	}
	if changed["priority.clock.weight"] || changed["slo.urgent"] {
		t.Errorf("weights that are the same: %v", d.Weights)
	}
	// Both have learned the environment that the second one dispatches otherwise.
	if e := d.Environments; len(e) != 2 || e[0].Of != "a" || e[1].Of != "b" || e[0].A != "rule density" || e[0].B != "rule esff" || e[0].Values["rate"] != 0 {
		t.Errorf("environments %+v", e)
	}
	if len(d.Configuration) != 1 || d.Configuration[0].Key != "a.b" || d.SamePart {
		t.Errorf("configuration %v, the same part: %t", d.Configuration, d.SamePart)
	}
	if f := d.Figures; len(f) != 2 || f[0].Name != "valid/cost" || f[0].B != nil || f[1].A != nil || *f[1].B != 1 {
		t.Errorf("figures %+v", f)
	}
	last := d.Sizes[len(d.Sizes)-1]
	if last.Part != "total" || last.AFiles != len(a.Bundle.Manifest().Files) || last.BFiles != last.AFiles-1 {
		t.Errorf("sizes %+v", d.Sizes)
	}
	if d, err := compare.Bundles(a, a); err != nil || !d.Equal || len(d.Weights) != 0 {
		t.Errorf("with itself %+v, %v", d, err)
	}
}
