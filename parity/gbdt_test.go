//go:build parity

package parity_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dmitryikh/leaves"

	"github.com/incendio-faas/incendio/export"
	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
	"github.com/incendio-faas/incendio/train/gbdt/lightgbm"
)

// TestGBDTCommand trains and predicts every golden case with the program, as a person
// would with LightGBM's own files, and lets LightGBM, leaves and ONNX Runtime score the
// models.
func TestGBDTCommand(t *testing.T) {
	golden := shared(t, "golden", "lightgbm")
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	confs, err := filepath.Glob(filepath.Join(root, "*", "train.conf"))
	if err != nil || len(confs) < 17 {
		t.Fatalf("%d cases, %v", len(confs), err)
	}
	type check struct {
		name         string
		text         []byte
		model        *gbdt.Model
		rows, narrow *gbdt.Table
		raw          []float64 // by the program
		real         int       // place among the jobs, that of the graph is next
	}
	var checks []check
	var jobs []job
	for i, conf := range confs {
		dir := filepath.Dir(conf)
		c := check{name: filepath.Base(dir)}
		// The files came without the right to write.
		if err := os.Remove(filepath.Join(dir, "model.txt")); err != nil {
			t.Fatal(err)
		}
		o := incendioIn(t, dir, time.Minute, []int{0}, "gbdt", "train", "train.conf", "--json")
		compareMetrics(t, c.name, dir, o.stdout)

		f, err := os.Open(conf)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := lightgbm.Parse(f, conf, nil)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		incendioIn(t, dir, time.Minute, []int{0}, "gbdt", "predict", "model.txt", parsed.Valid, "predict_raw_score=true", "--out", "raw.txt")
		if c.text, err = os.ReadFile(filepath.Join(dir, "model.txt")); err != nil {
			t.Fatal(err)
		}
		if c.model, err = gbdt.ReadText(bytes.NewReader(c.text)); err != nil {
			t.Fatal(err)
		}
		read, err := lightgbm.ReadRows(filepath.Join(dir, parsed.Valid), c.model, false, false)
		if err != nil {
			t.Fatal(err)
		}
		c.rows = read.Table
		c.raw = readNumbers(t, filepath.Join(dir, "raw.txt"))
		if want := readNumbers(t, filepath.Join(golden, c.name, "pred_raw.txt")); !slices.Equal(c.raw, want) {
			t.Errorf("%s: raw scores differ from those of LightGBM's own model", c.name)
		}

		single := make([]float32, len(c.rows.Data))
		narrow := *c.rows
		narrow.Data = make([]float64, len(single))
		for k, v := range c.rows.Data {
			single[k] = float32(v)
			narrow.Data[k] = float64(single[k])
		}
		c.narrow = &narrow
		dims := []int64{int64(c.rows.Rows), int64(len(c.model.Columns))}
		c.real = len(jobs)
		jobs = append(jobs, job{"lightgbm", filepath.Join(dir, "model.txt"), map[string]array{"rows": store(t, filepath.Join(root, fmt.Sprint(i, ".f64")), c.rows.Data, dims...)}})
		m, err := export.Trees(c.model)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		graph := filepath.Join(dir, "model.onnx")
		if err := os.WriteFile(graph, onnx.Encode(m), 0o644); err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, job{"onnx", graph, map[string]array{"features": store(t, filepath.Join(root, fmt.Sprint(i, ".f32")), single, dims...)}})
		checks = append(checks, c)
	}
	var results []result
	peer(t, "models.py", jobs, &results)
	worst, rows := 0.0, 0
	for _, c := range checks {
		rows += c.rows.Rows
		real := load[float64](t, results[c.real].Output, c.rows.Rows)
		graph := load[float32](t, results[c.real+1].Output, c.rows.Rows)
		reader, err := leaves.LGEnsembleFromReader(bufio.NewReader(bytes.NewReader(c.text)), false)
		if err != nil {
			t.Fatalf("%s: leaves: %v", c.name, err)
		}
		for k := range c.rows.Rows {
			if c.raw[k] != real[k] {
				t.Fatalf("%s: row %d is %v, by LightGBM %v", c.name, k, c.raw[k], real[k])
			}
			if v := reader.PredictSingle(c.rows.Row(k), 0); c.raw[k] != v {
				t.Fatalf("%s: row %d is %v, by leaves %v", c.name, k, c.raw[k], v)
			}
			worst = max(worst, relative(float64(graph[k]), c.model.PredictRaw(c.narrow.Row(k))))
		}
	}
	t.Logf("%d models, %d rows: LightGBM and leaves give the same bits, ONNX Runtime differs by at most %.2g", len(checks), rows, worst)
	if !(worst < 1e-5) {
		t.Errorf("ONNX Runtime differs by %g", worst)
	}
}

// compareMetrics compares what gbdt train printed with metrics.csv of LightGBM: within
// 0.2% in the first 20 iterations and 1% in all, and as many iterations.
func compareMetrics(t *testing.T, name, dir string, stdout []byte) {
	t.Helper()
	printed := decode[struct {
		Metrics map[string]map[string][]float64
	}](t, stdout)
	f, err := os.Open(filepath.Join(dir, "metrics.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, l := range lines[min(1, len(lines)):] {
		iteration, err := strconv.Atoi(l[0])
		if err != nil {
			t.Fatal(err)
		}
		want, err := strconv.ParseFloat(l[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		got := printed.Metrics[l[1]][l[2]]
		bound := 0.01
		if iteration <= 20 {
			bound = 0.002
		}
		if len(got) < iteration || relative(got[iteration-1], want) > bound {
			t.Fatalf("%s: %s/%s of iteration %d is not within %g of %g; we have %d iterations", name, l[1], l[2], iteration, bound, want, len(got))
		}
		counts[l[1]+l[2]] = max(counts[l[1]+l[2]], iteration)
	}
	for set, metrics := range printed.Metrics {
		for m, v := range metrics {
			if len(v) != counts[set+m] {
				t.Errorf("%s: %s/%s has %d iterations, by LightGBM %d", name, set, m, len(v), counts[set+m])
			}
		}
	}
}

func readNumbers(t *testing.T, name string) []float64 {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []float64
	for line := range strings.FieldsSeq(string(data)) {
		v, err := strconv.ParseFloat(line, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, v)
	}
	return out
}

// trainings is the number of random tables and options that TestGBDTRandom tries.
const trainings = 200

// TestGBDTRandom trains on random tables with random options, and with LightGBM on the
// same. The model texts must be equal.
func TestGBDTRandom(t *testing.T) {
	r := seed.Stream(6, "parity/gbdt")
	dir := t.TempDir()
	type training struct {
		Rows        array          `json:"rows"`
		Label       string         `json:"label"`
		Weight      string         `json:"weight"`
		Categorical []int          `json:"categorical"`
		Parameters  map[string]any `json:"parameters"`
		Rounds      int            `json:"rounds"`
		Probe       array          `json:"probe"`
		Trees       int            `json:"trees"`
	}
	var jobs []training
	var ours []string
	var scores [][]float64 // of the probes
	for i := range trainings {
		o := randomOptions(r)
		table := randomTable(r, &o)
		m, _, err := gbdt.Train(context.Background(), table, nil, o, train.Discard)
		if err != nil {
			t.Fatalf("training %d, %+v: %v", i, o, err)
		}
		var text bytes.Buffer
		if err := m.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		ours = append(ours, text.String())
		probe := probeRows(r, table)
		raw := make([]float64, probe.Rows)
		for k := range raw {
			raw[k] = m.PredictRaw(probe.Row(k))
		}
		scores = append(scores, raw)
		file := func(kind string, values any) string {
			return store(t, filepath.Join(dir, fmt.Sprint(i, kind)), values).File
		}
		j := training{
			Rows:  store(t, filepath.Join(dir, fmt.Sprint(i, ".rows")), table.Data, int64(table.Rows), int64(len(table.Columns))),
			Label: file(".label", table.Label), Categorical: o.CategoricalFeature, Rounds: o.NumIterations,
			Parameters: map[string]any{}, Trees: len(m.Trees),
			Probe: store(t, filepath.Join(dir, fmt.Sprint(i, ".probe")), probe.Data, int64(probe.Rows), int64(len(table.Columns))),
		}
		if table.Weight != nil {
			j.Weight = file(".weight", table.Weight)
		}
		// The names of the options are LightGBM's.
		encoded, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(encoded, &j.Parameters); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"metric", "categorical_feature", "ignore_column", "num_iterations", "workers", "early_stopping_round"} {
			delete(j.Parameters, key)
		}
		jobs = append(jobs, j)
	}
	var theirs []struct {
		Text string
		Raw  []float64
	}
	peer(t, "gbdt.py", jobs, &theirs)
	same, trees := 0, 0
	for i := range jobs {
		got, want := strings.TrimSpace(ours[i]), theirs[i].Text
		want = strings.TrimSpace(strings.Replace(want, "version=v4", "version=v3", 1))
		// LightGBM for Python goes on when no leaf can be split any more.
		if n := strings.Count(got, "\nTree="); n < jobs[i].Rounds {
			got, want = firstTrees(got, n), firstTrees(want, n)
		}
		// A tree that did not grow at all has no weight there.
		want = strings.ReplaceAll(want, "\nleaf_weight=\n", "\nleaf_weight=0\n")
		got, want = withoutSizes(got), withoutSizes(want)
		if got != want {
			t.Errorf("training %d, %v, %d rows, categories %v, weights %v: %s", i, jobs[i].Parameters, jobs[i].Rows.Dims[0],
				jobs[i].Categorical, jobs[i].Weight != "", firstLine(got, want))
			continue
		}
		if !slices.Equal(scores[i], theirs[i].Raw) {
			t.Errorf("training %d: raw scores are %v, by LightGBM %v", i, scores[i], theirs[i].Raw)
		}
		same++
		trees += strings.Count(ours[i], "\nTree=")
	}
	t.Logf("%d of %d models are LightGBM's to the byte, %d trees", same, len(jobs), trees)
}

// probeRows returns rows of values that t has and of such that it has not: missing,
// negative and unknown categories among them.
func probeRows(r *rand.Rand, t *gbdt.Table) *gbdt.Table {
	p := &gbdt.Table{Columns: t.Columns, Rows: 50}
	for range p.Rows * len(t.Columns) {
		c := len(p.Data) % len(t.Columns)
		v := t.Row(r.IntN(t.Rows))[c]
		if r.IntN(2) == 0 {
			v = []float64{math.NaN(), 0, -1, -7.5, 0.5, 3.7, 31, 32, 999, 1e6, 1e30, -1e30}[r.IntN(12)]
		}
		p.Data = append(p.Data, v)
	}
	return p
}

// firstTrees returns the first n trees of a model text.
func firstTrees(text string, n int) string {
	trees := strings.Split(text, "\nTree=")[1:]
	trees = trees[:min(n, len(trees))]
	last := len(trees) - 1
	trees[last], _, _ = strings.Cut(trees[last], "\nend of trees")
	return strings.TrimSpace(strings.Join(trees, "\n"))
}

// withoutSizes drops the line that counts bytes, which follows from the others.
func withoutSizes(text string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "tree_sizes=") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// firstLine returns the first line in which two texts differ, and where.
func firstLine(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	tree := "header"
	for i := range min(len(a), len(b)) {
		if strings.HasPrefix(a[i], "Tree=") {
			tree = a[i]
		}
		if a[i] != b[i] {
			return fmt.Sprintf("%s: %.300s\nLightGBM has %.300s", tree, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, LightGBM has %d", len(a), len(b))
}

// randomOptions leaves out what LightGBM 4.7 defines otherwise than 4.6: the percentile
// of weighted rows, which mape uses always.
func randomOptions(r *rand.Rand) gbdt.Options {
	one := func(of ...float64) float64 { return of[r.IntN(len(of))] }
	o := gbdt.DefaultOptions()
	o.Objective = []string{"regression", "regression_l1", "huber", "fair", "quantile", "poisson", "gamma", "tweedie", "binary"}[r.IntN(9)]
	o.NumIterations = 1 + r.IntN(12)
	o.LearningRate = one(0.1, 0.3, 1, 0.05)
	o.NumLeaves = 2 + r.IntN(40)
	o.MaxDepth = int(one(-1, -1, 3, 6))
	o.MinDataInLeaf = int(one(0, 1, 5, 20, 40))
	o.MinSumHessianInLeaf = one(1e-3, 0.5, 3)
	o.LambdaL1, o.LambdaL2 = one(0, 0, 0.5, 4), one(0, 0, 1, 10)
	o.MinGainToSplit = one(0, 0, 0.1)
	o.BaggingFraction, o.BaggingFreq, o.BaggingSeed = one(1, 0.8, 0.3), r.IntN(3), r.IntN(9)
	o.FeatureFraction, o.FeatureFractionSeed = one(1, 1, 0.5, 0.8), r.IntN(9)
	o.MaxBin = int(one(255, 255, 2, 15, 63, 256, 500))
	o.MinDataInBin = int(one(3, 3, 1, 10))
	o.BinConstructSampleCnt = int(one(200000, 200000, 200))
	o.DataRandomSeed = r.IntN(9)
	o.UseMissing = r.IntN(5) > 0
	o.ZeroAsMissing = o.UseMissing && r.IntN(5) == 0
	o.FeaturePreFilter = r.IntN(4) > 0
	o.BoostFromAverage = r.IntN(4) > 0
	o.MaxCatToOnehot = int(one(4, 4, 1, 12))
	o.MaxCatThreshold = int(one(32, 32, 3))
	o.CatL2, o.CatSmooth = one(10, 1, 0), one(10, 1, 0.5)
	o.MinDataPerGroup = int(one(100, 10, 1))
	o.Alpha = one(0.9, 0.5, 0.2)
	o.FairC = one(1, 3)
	o.PoissonMaxDeltaStep = one(0.7, 0.2)
	o.TweedieVariancePower = one(1.5, 1.1, 1.9)
	o.Sigmoid = one(1, 0.5)
	if o.IsUnbalance = r.IntN(3) == 0; !o.IsUnbalance {
		o.ScalePosWeight = one(1, 2.5)
	}
	return o
}

// randomTable draws columns of many kinds, and labels that o admits.
func randomTable(r *rand.Rand, o *gbdt.Options) *gbdt.Table {
	t := &gbdt.Table{Rows: 60 + r.IntN(2500)}
	width := 1 + r.IntN(12)
	kinds := make([]int, width)
	for c := range kinds {
		t.Columns = append(t.Columns, "Column_"+strconv.Itoa(c))
		kinds[c] = r.IntN(9)
		if kinds[c] >= 7 {
			o.CategoricalFeature = append(o.CategoricalFeature, c)
		}
	}
	weighted := r.IntN(3) == 0 && o.Objective != "regression_l1" && o.Objective != "quantile"
	for range t.Rows {
		y := 0.0
		for c, kind := range kinds {
			var v float64
			switch kind {
			case 0:
				v = r.Float64()
			case 1: // missing now and then
				if v = r.NormFloat64(); r.IntN(8) == 0 {
					v = math.NaN()
				}
			case 2: // mostly zero
				if r.IntN(5) == 0 {
					v = math.Round(40*r.NormFloat64()) / 8
				}
			case 3:
				v = float64(r.IntN(6)) - 2
			case 4:
				v = math.Exp(4 * r.NormFloat64())
			case 5: // two values
				v = float64(r.IntN(2)) * 3
			case 6: // mostly one value that is not zero
				if v = 7; r.IntN(9) == 0 {
					v = float64(r.IntN(30))
				}
			case 7: // few categories
				v = float64(r.IntN(3 + c))
			case 8: // many, some missing
				if v = math.Floor(math.Abs(60 * r.NormFloat64())); r.IntN(20) == 0 {
					v = math.NaN()
				}
			}
			t.Data = append(t.Data, v)
			switch {
			case v != v:
				y += 0.5
			case kind >= 7:
				y += math.Sin(17 * v)
			default:
				y += math.Atan(v) * float64(c%3+1) / 2
			}
		}
		y += 0.3 * r.NormFloat64()
		switch o.Objective {
		case "poisson", "tweedie":
			y = math.Round(math.Abs(y))
		case "gamma":
			y = 0.1 + math.Abs(y)
		case "binary":
			y = float64(min(1, int(math.Abs(y)))) // a row of either class is below
		}
		t.Label = append(t.Label, float32(y))
		if weighted {
			t.Weight = append(t.Weight, float32(0.1+2*r.Float64()))
		}
	}
	t.Label[0], t.Label[1] = 1, 1
	if o.Objective == "binary" {
		t.Label[1] = 0
	}
	return t
}
