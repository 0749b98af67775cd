package gbdt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dmitryikh/leaves"
	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
)

var goldenCases = []string{
	"l1", "l2", "l1_bagging", "l2_reg", "quantile", "huber", "fair", "mape", "gamma", "tweedie", "binary",
	"categorical", "categorical_one",
}

func fit(t testing.TB, table, valid *gbdt.Table, o gbdt.Options) (*gbdt.Model, gbdt.Report) {
	t.Helper()
	m, report, err := gbdt.Train(context.Background(), table, valid, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return m, report
}

func text(t testing.TB, m *gbdt.Model) string {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The cases were trained by LightGBM; testdata/golden/make.py says how.
func TestGolden(t *testing.T) {
	for _, name := range goldenCases {
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, filepath.Join("testdata/golden", name))
			m, report := fit(t, g.train, g.valid, g.options)
			if i, how := firstDifference(m, g.model); i >= 0 {
				t.Errorf("tree %d differs from LightGBM's: %s", i, how)
			} else if strings.TrimSpace(text(t, m)) != strings.TrimSpace(g.text) {
				t.Error("the trees are the same, but the texts differ")
			}
			for i := range g.raw {
				if got := m.PredictRaw(g.valid.Row(i)); relative(got, g.raw[i]) > 1e-9 {
					t.Fatalf("raw score of row %d is %v, want %v", i, got, g.raw[i])
				}
			}
			if len(report.History) != 2*len(g.options.Metric)*g.options.NumIterations {
				t.Errorf("the history has %d values", len(report.History))
			}
			for _, e := range report.History {
				want := g.metrics[strconv.Itoa(e.Iteration)+"/"+e.Set][e.Metric]
				// LightGBM's values were written with six digits.
				if relative(e.Value, want) > 6e-6 {
					t.Errorf("iteration %d: %s/%s is %v, want %v", e.Iteration, e.Set, e.Metric, e.Value, want)
				}
			}
		})
	}
}

// What LightGBM wrote is read, predicts the same bits, and is written back byte by
// byte but for the version.
func TestGoldenText(t *testing.T) {
	for _, name := range goldenCases {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata/golden", name)
			g := readGolden(t, dir)
			for i, want := range g.raw {
				if got := g.model.PredictRaw(g.valid.Row(i)); got != want {
					t.Fatalf("raw score of row %d is %v, want %v", i, got, want)
				}
			}
			if got := text(t, g.model); strings.TrimSpace(got) != strings.TrimSpace(g.text) {
				t.Errorf("the model is written as\n%s\nwant\n%s", got, g.text)
			}
		})
	}
}

// edgeRow draws a row near what the trees compare with, and what they treat specially.
func edgeRow(r interface{ Float64() float64 }, m *gbdt.Model) []float64 {
	row := make([]float64, len(m.Columns))
	for j := range row {
		switch u := r.Float64(); {
		case u < 0.15:
			row[j] = math.NaN()
		case u < 0.3:
			row[j] = 0
		case u < 0.35:
			row[j] = math.Copysign(1e-36, u-0.325)
		case u < 0.4:
			row[j] = math.Inf(int(20*(u-0.35)) - 1)
		case u < 0.8:
			t := &m.Trees[int(r.Float64()*float64(len(m.Trees)))]
			if n := len(t.Threshold); n > 0 {
				row[j] = t.Threshold[int(r.Float64()*float64(n))]
				if math.Abs(row[j]) < 1e-30 {
					// leaves rounds the largest zero to 1e-35, LightGBM to float32(1e-35).
					row[j] = 1e-30
				}
				if u < 0.6 {
					row[j] = math.Nextafter(row[j], math.Inf(1))
				}
			}
		default:
			row[j] = 20 * (r.Float64() - 0.3)
		}
	}
	return row
}

// leaves is an independent reader of the text format.
func TestLeaves(t *testing.T) {
	r := seed.Stream(7, "gbdt/test/leaves")
	for _, objective := range []string{"regression", "regression_l1", "quantile", "poisson"} {
		for _, zero := range []bool{false, true} {
			t.Run(fmt.Sprintf("objective=%s/zero=%v", objective, zero), func(t *testing.T) {
				table := synthetic(1000, 11)
				for i, v := range table.Label {
					table.Label[i] = max(0, v)
				}
				o := gbdt.DefaultOptions()
				o.Objective, o.NumIterations, o.ZeroAsMissing = objective, 20, zero
				m, _ := fit(t, table, nil, o)
				e, err := leaves.LGEnsembleFromReader(newReader(text(t, m)), false)
				if err != nil {
					t.Fatal(err)
				}
				for range 2000 {
					row := edgeRow(r, m)
					if got, want := e.PredictSingle(row, 0), m.PredictRaw(row); got != want {
						t.Fatalf("leaves says %v for %v, we say %v", got, row, want)
					}
				}
			})
		}
	}
}

func TestWorkers(t *testing.T) {
	table, valid := synthetic(12_000, 21), synthetic(500, 21)
	table.Weight = make([]float32, table.Rows)
	for i := range table.Weight {
		table.Weight[i] = float32(1 + i%3)
	}
	for _, weighted := range []bool{false, true} {
		for _, objective := range []string{"regression", "regression_l1"} {
			table := *table
			if !weighted {
				table.Weight = nil
			}
			o := gbdt.DefaultOptions()
			o.Objective, o.NumIterations, o.BaggingFreq, o.BaggingFraction = objective, 3, 1, 0.7
			var first string
			var history []gbdt.Evaluation
			for _, o.Workers = range []int{1, 2, 3, 40} {
				m, report := fit(t, &table, valid, o)
				switch got := text(t, m); {
				case first == "":
					first, history = got, report.History
				case got != first:
					t.Errorf("%s, weighted %v: %d workers make another model than 1", objective, weighted, o.Workers)
				case fmt.Sprint(report.History) != fmt.Sprint(history):
					t.Errorf("%s, weighted %v: %d workers measure other metrics than 1", objective, weighted, o.Workers)
				}
			}
		}
	}
}

// The signs of unweighted L1 are summed by a kernel of their own, which must flush
// before it overflows; weights of 1 take the general one. Only the first tree is the
// same, because weighted and unweighted medians differ.
func TestSigns(t *testing.T) {
	a := synthetic(70_000, 5)
	for i := range a.Data {
		if i%5 == 3 {
			a.Data[i] = float64(i / 5 % 3 / 2) // two thirds of the rows in one bin
		}
	}
	b := *a
	b.Weight = make([]float32, b.Rows)
	for i := range b.Weight {
		b.Weight[i] = 1
	}
	o := gbdt.DefaultOptions()
	o.Objective, o.NumIterations = "regression_l1", 1
	x, _ := fit(t, a, nil, o)
	y, _ := fit(t, &b, nil, o)
	copy(x.Trees[0].LeafValue, y.Trees[0].LeafValue)
	if i, how := firstDifference(x, y); i >= 0 {
		t.Error(how)
	}
	if got, want := fmt.Sprint(x.Trees[0].LeafWeight), fmt.Sprint(y.Trees[0].LeafWeight); got != want {
		t.Errorf("the leaves weigh %v, want %v", got, want)
	}
}

// Weighting every row by a power of two scales sums exactly, so that the trees stay
// when the regularisation is 0 and the bounds on hessians do not bind.
func TestWeightsScale(t *testing.T) {
	a := synthetic(2000, 11)
	b := *a
	b.Weight = make([]float32, b.Rows)
	for i := range b.Weight {
		b.Weight[i] = 4
	}
	o := gbdt.DefaultOptions()
	o.NumIterations = 10
	x, _ := fit(t, a, nil, o)
	y, _ := fit(t, &b, nil, o)
	if i, how := firstDifference(x, y); i >= 0 {
		t.Errorf("tree %d differs: %s", i, how)
	}
}

func TestKnownTree(t *testing.T) {
	o := gbdt.DefaultOptions()
	o.NumIterations, o.LearningRate, o.NumLeaves, o.MinDataInLeaf, o.MinDataInBin = 1, 1, 2, 1, 1
	table := &gbdt.Table{
		Columns: []string{"x"}, Rows: 5,
		Data:   []float64{1, 2, 3, 4, math.NaN()},
		Label:  []float32{0, 2, 10, 12, 11},
		Weight: []float32{2, 1, 1, 1, 1},
	}
	m, _ := fit(t, table, nil, o)
	// The best cut separates {0, 0, 2} from {10, 12, 11}; NaN goes right.
	for _, tt := range []struct{ x, want float64 }{{1, 2. / 3}, {2.4, 2. / 3}, {2.6, 11}, {9, 11}, {math.NaN(), 11}} {
		if got := m.Predict([]float64{tt.x}); math.Abs(got-tt.want) > 1e-6 {
			t.Errorf("Predict(%v) = %v, want %v", tt.x, got, tt.want)
		}
	}
	if got := m.Importance(gbdt.BySplit); got[0] != 1 {
		t.Errorf("importance by split is %v, want 1", got)
	}
	if got := m.Importance(gbdt.ByGain); math.Abs(got[0]-float64(m.Trees[0].SplitGain[0])) > 0 {
		t.Errorf("importance by gain is %v, want %v", got, m.Trees[0].SplitGain)
	}
}

func TestPoissonPredictsMeans(t *testing.T) {
	r := seed.Stream(1, "gbdt/test/poisson")
	table := &gbdt.Table{Columns: []string{"x"}}
	for i := range 4000 {
		x := float64(i % 2)
		rate, n, p := 0.5+3*x, 0, r.Float64()
		for p > math.Exp(-rate) { // Knuth's method
			p *= r.Float64()
			n++
		}
		table.Data, table.Label = append(table.Data, x), append(table.Label, float32(n))
		table.Rows++
	}
	o := gbdt.DefaultOptions()
	o.Objective = "poisson"
	m, _ := fit(t, table, nil, o)
	// 2000 counts of mean 3.5 have a mean within 0.04 (one deviation).
	for x, want := range []float64{0.5, 3.5} {
		if got := m.Predict([]float64{float64(x)}); math.Abs(got-want) > 0.15 {
			t.Errorf("Predict(%d) = %v, want about %v", x, got, want)
		}
	}
	p, err := m.PredictTable(table)
	if err != nil || p[1] != m.Predict([]float64{1}) {
		t.Errorf("PredictTable gives %v, %v", p[1], err)
	}
}

func TestQuantileCovers(t *testing.T) {
	table := synthetic(4000, 11)
	o := gbdt.DefaultOptions()
	o.Objective, o.Alpha = "quantile", 0.8
	m, _ := fit(t, table, nil, o)
	below := 0
	for i, y := range table.Label {
		if float64(y) <= m.Predict(table.Row(i)) {
			below++
		}
	}
	if share := float64(below) / 4000; math.Abs(share-0.8) > 0.03 {
		t.Errorf("%v of the labels are below the 0.8 quantile", share)
	}
}

func TestEarlyStopping(t *testing.T) {
	table, valid := synthetic(600, 11), synthetic(900, 11)
	valid.Data, valid.Label, valid.Rows = valid.Data[600*11:], valid.Label[600:], 300
	o := gbdt.DefaultOptions()
	o.NumIterations, o.LearningRate, o.EarlyStoppingRound = 500, 0.3, 5
	m, report := fit(t, table, valid, o)
	best, at := math.Inf(1), 0
	for _, e := range report.History {
		if e.Value < best {
			best, at = e.Value, e.Iteration
		}
	}
	if report.BestIteration != at || len(m.Trees) != at || report.Iterations != at || len(report.History) != at+5 {
		t.Errorf("best iteration %d (want %d), %d trees, %d measured", report.BestIteration, at, len(m.Trees), len(report.History))
	}
}

// Tables that no split can improve give one constant tree and a warning.
func TestConstant(t *testing.T) {
	column := func(rows int, f func(i int) float64) *gbdt.Table {
		t := &gbdt.Table{Columns: []string{"x"}, Rows: rows}
		for i := range rows {
			t.Data = append(t.Data, f(i))
			t.Label = append(t.Label, float32(i%3))
		}
		return t
	}
	index := func(i int) float64 { return float64(i) }
	sameLabel := column(100, index)
	for i := range sameLabel.Label {
		sameLabel.Label[i] = 1
	}
	tests := []struct {
		name  string
		table *gbdt.Table
		want  float64
	}{
		{"one row", column(1, index), 0},
		{"fewer rows than two leaves", column(39, index), 1},
		{"constant column", column(99, func(int) float64 { return 5 }), 1},
		{"zero column", column(99, func(int) float64 { return 0 }), 1},
		{"missing column", column(99, func(int) float64 { return math.NaN() }), 1},
		{"constant label", sameLabel, 1},
	}
	for _, tt := range tests {
		for _, objective := range []string{"regression", "regression_l1"} {
			for _, average := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s/%v", tt.name, objective, average), func(t *testing.T) {
					o := gbdt.DefaultOptions()
					o.Objective, o.BoostFromAverage, o.NumIterations = objective, average, 3
					m, report := fit(t, tt.table, tt.table, o)
					if tt.name == "constant label" && !average {
						// Only the start is missing, and every iteration adds a part of it.
						if len(m.Trees) == 0 {
							t.Fatal("no trees")
						}
						return
					}
					if len(m.Trees) != 1 || m.Trees[0].NumLeaves() != 1 || m.Trees[0].LeafValue[0] != tt.want {
						t.Fatalf("trees are %+v, want one leaf of %v", m.Trees, tt.want)
					}
					if len(report.Warnings) == 0 {
						t.Error("there is no warning")
					}
					again, err := gbdt.ReadText(strings.NewReader(text(t, m)))
					if err != nil {
						t.Fatal(err)
					}
					if got := again.Predict([]float64{math.NaN()}); got != tt.want {
						t.Errorf("Predict = %v after a round trip, want %v", got, tt.want)
					}
				})
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	good := func() *gbdt.Table { return synthetic(100, 3) }
	tests := []struct {
		name   string
		change func(table, valid *gbdt.Table, o *gbdt.Options)
		want   string
	}{
		{"NaN label", func(x, _ *gbdt.Table, _ *gbdt.Options) { x.Label[7] = float32(math.NaN()) }, "label of row 7 must be finite, got NaN"},
		{"infinite feature", func(x, _ *gbdt.Table, _ *gbdt.Options) { x.Data[3*5+1] = math.Inf(-1) }, `column "x1" of row 5`},
		{"huge feature", func(x, _ *gbdt.Table, _ *gbdt.Options) { x.Data[0] = 2e300 }, `column "x0" of row 0`},
		{"duplicate name", func(x, _ *gbdt.Table, _ *gbdt.Options) { x.Columns[2] = "x0" }, `columns 0 and 2 are both named "x0"`},
		{"white space", func(x, _ *gbdt.Table, _ *gbdt.Options) { x.Columns[2] = "a b" }, "white space"},
		{"no columns", func(x, _ *gbdt.Table, _ *gbdt.Options) { x.Columns = nil }, "columns must not be empty"},
		{"no rows", func(x, _ *gbdt.Table, _ *gbdt.Options) { *x = gbdt.Table{Columns: x.Columns} }, "rows must be at least 1"},
		{"short data", func(x, _ *gbdt.Table, _ *gbdt.Options) { x.Data = x.Data[1:] }, "100 x 3 values, got 299"},
		{"short labels", func(x, _ *gbdt.Table, _ *gbdt.Options) { x.Label = x.Label[1:] }, "labels must be as many as rows"},
		{"short weights", func(x, _ *gbdt.Table, _ *gbdt.Options) { x.Weight = []float32{1} }, "weights must be as many as rows"},
		{"negative weight", func(x, _ *gbdt.Table, _ *gbdt.Options) {
			x.Weight = make([]float32, 100)
			x.Weight[9] = -1
		}, "weight of row 9"},
		{"no weight", func(x, _ *gbdt.Table, _ *gbdt.Options) { x.Weight = make([]float32, 100) }, "must not all be 0"},
		{"columns differ", func(_, v *gbdt.Table, _ *gbdt.Options) { v.Columns[1] = "y" }, `validation table: column 1 must be "x1", got "y"`},
		{"poisson", func(x, _ *gbdt.Table, o *gbdt.Options) { o.Objective, x.Label[4] = "poisson", -1 }, "label of row 4 must be at least 0"},
		{"poisson zeros", func(x, _ *gbdt.Table, o *gbdt.Options) {
			o.Objective = "poisson"
			clear(x.Label)
		}, "must not all be 0"},
		{"objective", func(_, _ *gbdt.Table, o *gbdt.Options) { o.Objective = "l1" }, `objective must be one of binary, fair, gamma, huber, mape, poisson, quantile, regression, regression_l1, tweedie, got "l1"`},
		{"metric", func(_, _ *gbdt.Table, o *gbdt.Options) { o.Metric = []string{"l2", "ndcg"} }, `got "ndcg"`},
		{"metric twice", func(_, _ *gbdt.Table, o *gbdt.Options) { o.Metric = []string{"l2", "l2"} }, "free of duplicates"},
		{"leaves", func(_, _ *gbdt.Table, o *gbdt.Options) { o.NumLeaves = 1 }, "num_leaves must be in [2, 131072], got 1"},
		{"bins", func(_, _ *gbdt.Table, o *gbdt.Options) { o.MaxBin = 65536 }, "max_bin must be in [2, 65535], got 65536"},
		{"rate", func(_, _ *gbdt.Table, o *gbdt.Options) { o.LearningRate = math.NaN() }, "learning_rate"},
		{"zero without missing", func(_, _ *gbdt.Table, o *gbdt.Options) { o.UseMissing, o.ZeroAsMissing = false, true }, "zero_as_missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table, valid, o := good(), good(), gbdt.DefaultOptions()
			for i, v := range table.Label {
				table.Label[i] = max(0, v)
			}
			tt.change(table, valid, &o)
			_, _, err := gbdt.Train(context.Background(), table, valid, o, train.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}

	o := gbdt.DefaultOptions()
	o.EarlyStoppingRound = 1
	if _, _, err := gbdt.Train(context.Background(), good(), nil, o, train.Discard); err == nil {
		t.Error("early stopping without a validation table must be an error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := gbdt.Train(ctx, good(), nil, gbdt.DefaultOptions(), train.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	m, _ := fit(t, good(), nil, gbdt.DefaultOptions())
	if _, err := m.PredictTable(synthetic(10, 2)); err == nil || !strings.Contains(err.Error(), "columns must be 3, got 2") {
		t.Errorf("error %v, want the number of columns", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("PredictRaw of a short row must panic")
		}
	}()
	m.PredictRaw([]float64{1, 2})
}

// Any table gives a model that predicts finite numbers within the labels' range for L1,
// and survives the text format.
func TestAnyTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, cols := rapid.IntRange(1, 120).Draw(t, "rows"), rapid.IntRange(1, 4).Draw(t, "cols")
		value := rapid.SampledFrom([]float64{0, 1, -1, 2.5, 1e-36, -1e-35, 1e300, -1e300, math.NaN(), 3, 4, 5})
		table := &gbdt.Table{Rows: rows}
		for j := range cols {
			table.Columns = append(table.Columns, "c"+strconv.Itoa(j))
		}
		table.Data = rapid.SliceOfN(value, rows*cols, rows*cols).Draw(t, "data")
		table.Label = rapid.SliceOfN(rapid.Float32Range(-100, 100), rows, rows).Draw(t, "label")
		if rapid.Bool().Draw(t, "weighted") {
			table.Weight = rapid.SliceOfN(rapid.Float32Range(0.01, 3), rows, rows).Draw(t, "weight")
		}
		o := gbdt.DefaultOptions()
		o.Objective = rapid.SampledFrom([]string{
			"regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie", "binary",
		}).Draw(t, "objective")
		admit(o.Objective, table.Label)
		o.NumIterations, o.Workers = 5, 2
		o.MinDataInLeaf = rapid.IntRange(0, 10).Draw(t, "min_data_in_leaf")
		o.MinDataInBin = rapid.IntRange(1, 3).Draw(t, "min_data_in_bin")
		o.MaxBin = rapid.IntRange(2, 255).Draw(t, "max_bin")
		o.UseMissing = rapid.Bool().Draw(t, "use_missing")
		o.ZeroAsMissing = o.UseMissing && rapid.Bool().Draw(t, "zero_as_missing")
		o.FeatureFraction = rapid.SampledFrom([]float64{1, 0.5}).Draw(t, "feature_fraction")
		o.BaggingFreq = rapid.IntRange(0, 2).Draw(t, "bagging_freq")
		o.BaggingFraction = 0.5
		o.CategoricalFeature = rapid.SliceOfNDistinct(rapid.IntRange(0, cols-1), 0, cols, rapid.ID).Draw(t, "categorical_feature")
		o.CatSmooth = rapid.Float64Range(0, 3).Draw(t, "cat_smooth")
		o.MaxCatToOnehot = rapid.IntRange(1, 6).Draw(t, "max_cat_to_onehot")
		o.MinDataPerGroup = rapid.IntRange(1, 10).Draw(t, "min_data_per_group")
		m, _, err := gbdt.Train(context.Background(), table, nil, o, train.Discard)
		bounded := false // whether raw scores stay near the labels
		switch o.Objective {
		case "binary":
			if err != nil && strings.Contains(err.Error(), "labels must hold both 0 and 1") {
				return
			}
		case "poisson", "gamma", "tweedie":
			// Newton steps of these may leave the numbers.
			if err != nil && strings.Contains(err.Error(), "derivatives of the objective must have finite sums") {
				return
			}
		default:
			bounded = true
		}
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := m.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		again, err := gbdt.ReadText(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			got := m.PredictRaw(table.Row(i))
			if math.IsNaN(got) || bounded && math.Abs(got) > 1000 {
				t.Fatalf("row %d: the raw score is %v", i, got)
			}
			if v := again.PredictRaw(table.Row(i)); v != got {
				t.Fatalf("row %d: %v after a round trip, %v before", i, v, got)
			}
		}
		for i := range m.Trees {
			tree, counts := &m.Trees[i], make([]int, m.Trees[i].NumLeaves())
			for r := range rows {
				counts[tree.Leaf(table.Row(r))]++
			}
			// Without a bag, training and prediction must send the same rows to every leaf.
			if o.BaggingFreq == 0 && fmt.Sprint(counts) != fmt.Sprint(tree.LeafCount) {
				t.Fatalf("tree %d: leaves hold %v rows, %v in training", i, counts, tree.LeafCount)
			}
		}
	})
}

// admit changes labels into some that an objective admits.
func admit(objective string, label []float32) {
	for i, v := range label {
		switch objective {
		case "poisson", "tweedie", "gamma":
			label[i] = float32(math.Abs(float64(v))) + 0.01
		case "binary":
			label[i] = 0
			if v > 0 {
				label[i] = 1
			}
		}
	}
}

func trainError(table *gbdt.Table, o gbdt.Options) error {
	_, _, err := gbdt.Train(context.Background(), table, nil, o, train.Discard)
	return err
}
