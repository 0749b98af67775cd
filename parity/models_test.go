//go:build parity

package parity_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dmitryikh/leaves"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// A job is a model to compute, and a result what models.py made of it.
type job struct {
	Kind   string           `json:"kind"`
	Model  string           `json:"model"`
	Inputs map[string]array `json:"inputs"`
}

type result struct {
	Columns, Operators []string
	Output             string
}

// rowsPerModel are drawn at random.
const rowsPerModel = 500

func TestTrees(t *testing.T) {
	_, run := smallRun(t)
	checkTrees(t, filepath.Join(run, "bundle"))
}

// checkTrees computes every boosted tree of a bundle with LightGBM, with leaves, which
// the run time uses, and as a graph with ONNX Runtime.
func checkTrees(t *testing.T, bundle string) {
	t.Helper()
	texts, err := filepath.Glob(filepath.Join(bundle, "forecast", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	graphs, err := filepath.Glob(filepath.Join(bundle, "forecast", "*.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) < 2 || len(graphs) != len(texts) {
		t.Fatalf("the bundle has %d texts and %d graphs of trees, expected as many of both, and several", len(texts), len(graphs))
	}
	dir := t.TempDir()
	type check struct {
		model        *gbdt.Model
		text         []byte
		wide, narrow []float64 // rows: of float64, and of values that float32 holds
	}
	var checks []check
	var jobs []job
	for i, name := range texts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := gbdt.ReadText(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r := seed.Stream(7, filepath.Base(name))
		c := check{m, text, randomRows(m, r), randomRows(m, r)}
		single := make([]float32, len(c.narrow))
		for i, v := range c.narrow {
			single[i] = float32(v)
			c.narrow[i] = float64(single[i])
		}
		dims := []int64{rowsPerModel, int64(len(m.Columns))}
		jobs = append(jobs,
			job{"lightgbm", name, map[string]array{"rows": store(t, filepath.Join(dir, fmt.Sprint(i, ".f64")), c.wide, dims...)}},
			job{"onnx", name[:len(name)-len(".txt")] + ".onnx", map[string]array{"features": store(t, filepath.Join(dir, fmt.Sprint(i, ".f32")), single, dims...)}})
		checks = append(checks, c)
	}
	var results []result
	peer(t, "models.py", jobs, &results)
	worst, trees := 0.0, 0
	for i, c := range checks {
		name := filepath.Base(texts[i])
		trees += len(c.model.Trees)
		if got := results[2*i].Columns; !slices.Equal(got, c.model.Columns) {
			t.Errorf("%s: LightGBM reads the columns %v, we %v", name, got, c.model.Columns)
		}
		lightgbm := load[float64](t, results[2*i].Output, rowsPerModel)
		runtime, err := leaves.LGEnsembleFromReader(bufio.NewReader(bytes.NewReader(c.text)), false)
		if err != nil {
			t.Fatal(err)
		}
		graph := load[float32](t, results[2*i+1].Output, rowsPerModel)
		width := len(c.model.Columns)
		for k := range rowsPerModel {
			row := c.wide[k*width : (k+1)*width]
			ours := c.model.PredictRaw(row)
			if math.Float64bits(ours) != math.Float64bits(lightgbm[k]) {
				t.Fatalf("%s: row %d is %v, by LightGBM %v", name, k, ours, lightgbm[k])
			}
			if v := runtime.PredictSingle(row, 0); math.Float64bits(ours) != math.Float64bits(v) {
				t.Fatalf("%s: row %d is %v, by leaves %v", name, k, ours, v)
			}
			ours = c.model.PredictRaw(c.narrow[k*width : (k+1)*width])
			worst = max(worst, relative(float64(graph[k]), ours))
		}
	}
	t.Logf("%d models of %d trees, %d rows each: LightGBM and leaves give the same bits, ONNX Runtime differs by at most %.2g", len(checks), trees, rowsPerModel, worst)
	if !(worst < 1e-5) {
		t.Errorf("ONNX Runtime differs by %g", worst)
	}
}

// zeroThreshold bounds what LightGBM calls zero (kZeroThreshold, 1e-35 as a float32).
// What reads its rows puts 0 for smaller values and for this one before a tree sees them.
// That decides otherwise than the trees for one value alone: minus this one, where it
// is also a threshold, which is left out of the random rows.
const zeroThreshold = float64(float32(1e-35))

// randomRows draws rows that try every split of m: values at, next to and between the
// thresholds of a column, zero, tiny and missing ones, and those far from all.
func randomRows(m *gbdt.Model, r *rand.Rand) []float64 {
	thresholds := make([][]float64, len(m.Columns))
	for i := range m.Trees {
		for k, f := range m.Trees[i].SplitFeature {
			thresholds[f] = append(thresholds[f], m.Trees[i].Threshold[k])
		}
	}
	out := make([]float64, rowsPerModel*len(m.Columns))
	for i := range out {
		at := thresholds[i%len(m.Columns)]
		switch k := r.IntN(12); {
		case k == 0:
			out[i] = math.NaN()
		case k == 1:
			out[i] = 0
		case k == 2:
			out[i] = r.NormFloat64() * 1e-35 // LightGBM calls some of these zero
		case k == 3 || len(at) == 0:
			out[i] = r.NormFloat64() * 1000
		case k < 7:
			out[i] = at[r.IntN(len(at))]
		case k < 9:
			v := at[r.IntN(len(at))]
			out[i] = math.Nextafter(v, v+float64(r.IntN(3)-1))
		default:
			a, b := at[r.IntN(len(at))], at[r.IntN(len(at))]
			out[i] = a + (b-a)*r.Float64()
		}
		if out[i] == -zeroThreshold {
			out[i] = 0
		}
	}
	return out
}

// relative is the difference of got from want, in units of want or of 1.
func relative(got, want float64) float64 {
	if math.IsNaN(got) {
		return math.Inf(1)
	}
	return math.Abs(got-want) / max(1, math.Abs(want))
}

// operators are those that a Q-network may use, so that every reader computes it alike.
var operators = []string{"Add", "Concat", "MatMul", "Mul", "Relu", "Reshape", "Transpose"}

func TestNetworks(t *testing.T) {
	_, run := smallRun(t)
	checkNetworks(t, filepath.Join(run, "bundle"))
}

// checkNetworks has ONNX check every Q-network of a bundle and ONNX Runtime answer its
// golden cases.
func checkNetworks(t *testing.T, bundle string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(bundle, "agent", "*.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(bundle, filepath.FromSlash(scheduler.GoldenFile)))
	if err != nil {
		t.Fatal(err)
	}
	var golden scheduler.Golden
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cases := map[string]int{}
	var jobs []job
	for i, g := range golden.Agents {
		k := len(g.Want) / 2
		o, err := g.Observation(k)
		if err != nil {
			t.Fatal(err)
		}
		input := func(name string, values []float32, dims ...int64) array {
			return store(t, filepath.Join(dir, fmt.Sprint(i, name)), values, dims...)
		}
		jobs = append(jobs, job{"onnx", filepath.Join(bundle, filepath.FromSlash(g.File)), map[string]array{
			"candidates": input("candidates", o.Candidates, int64(k), agent.Features),
			"global":     input("global", o.Global, 1, agent.Globals),
			"mask":       input("mask", o.Mask, 1, int64(k)),
		}})
		cases[filepath.Join(bundle, filepath.FromSlash(g.File))]++
	}
	for _, f := range files {
		if cases[f] == 0 {
			t.Errorf("%s has no golden case", filepath.Base(f))
		}
	}
	if len(files) == 0 {
		t.Fatal("the bundle has no Q-network")
	}
	var results []result
	peer(t, "models.py", jobs, &results)
	worst := 0.0
	for i, g := range golden.Agents {
		for _, op := range results[i].Operators {
			if !slices.Contains(operators, op) {
				t.Errorf("%s uses the operator %s, expected only %v", g.File, op, operators)
			}
		}
		got := load[float32](t, results[i].Output, len(g.Want))
		for j, want := range g.Want {
			if j < 2*g.N || j == len(g.Want)-1 { // values of empty rows mean nothing
				worst = max(worst, relative(float64(got[j]), float64(want)))
			}
		}
	}
	t.Logf("%d Q-networks, %d golden cases: ONNX Runtime differs by at most %.2g", len(files), len(golden.Agents), worst)
	if !(worst < 1e-5) {
		t.Errorf("ONNX Runtime differs by %g", worst)
	}
}
