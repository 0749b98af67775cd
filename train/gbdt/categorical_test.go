package gbdt_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/dmitryikh/leaves"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// byCategory has one column of categories and a label that is the mean of each.
func byCategory(means map[float64]float32, rows int) *gbdt.Table {
	t := &gbdt.Table{Columns: []string{"c"}}
	for _, c := range slices.Sorted(maps.Keys(means)) {
		for range rows {
			t.Data, t.Label = append(t.Data, c), append(t.Label, means[c])
			t.Rows++
		}
	}
	return t
}

// leftSet returns the categories below 64 that the root sends left.
func leftSet(m *gbdt.Model) (set []int) {
	if len(m.Trees) == 0 || m.Trees[0].NumLeaves() == 1 {
		return nil
	}
	t := &m.Trees[0]
	left := t.Leaf([]float64{math.NaN()})
	for c := range 64 {
		if t.Leaf([]float64{float64(c)}) != left {
			set = append(set, c)
		}
	}
	return set
}

func TestCategoricalKnownTree(t *testing.T) {
	options := func() gbdt.Options {
		o := gbdt.DefaultOptions()
		o.NumIterations, o.NumLeaves, o.LearningRate, o.MinDataInLeaf = 1, 2, 1, 1
		o.CategoricalFeature = []int{0}
		o.CatSmooth, o.CatL2, o.MinDataPerGroup = 0, 0, 1
		return o
	}
	alternating := map[float64]float32{0: 9, 3: 1, 4: 9, 7: 1, 40: 9, 50: 1}
	tests := []struct {
		name   string
		means  map[float64]float32
		change func(o *gbdt.Options)
		want   []int
	}{
		// No cut of the numbers separates these.
		{"set", alternating, func(*gbdt.Options) {}, []int{0, 4, 40}},
		{"one against the rest", map[float64]float32{0: 1, 1: 9, 2: 1}, func(*gbdt.Options) {}, []int{1}},
		{"one of many against the rest", map[float64]float32{0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 9, 6: 1},
			func(o *gbdt.Options) { o.MaxCatToOnehot = 10 }, []int{5}},
		{"at most two go left", map[float64]float32{0: 1, 1: 1, 2: 2, 3: 5, 4: 5, 5: 5},
			func(o *gbdt.Options) { o.MaxCatThreshold = 2 }, []int{0, 1}},
		{"group too small", alternating, func(o *gbdt.Options) { o.MinDataPerGroup = 61 }, nil},
		{"leaf too small", alternating, func(o *gbdt.Options) { o.MinDataInLeaf = 61 }, nil},
		{"categories too rare", alternating, func(o *gbdt.Options) { o.CatSmooth = 21 }, nil},
		{"ignored", alternating, func(o *gbdt.Options) { o.IgnoreColumn = []int{0} }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := options()
			tt.change(&o)
			m, _ := fit(t, byCategory(tt.means, 20), nil, o)
			if got := leftSet(m); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Fatalf("%v go left, want %v", got, tt.want)
			}
			for _, unseen := range []float64{math.NaN(), -1, -7, 1000, 1e300, math.Inf(1), 63} {
				if tt.want != nil && m.Trees[0].Leaf([]float64{unseen}) != m.Trees[0].Leaf([]float64{63}) {
					t.Errorf("%v goes left", unseen)
				}
			}
			if tt.want != nil {
				if got, want := m.Trees[0].Leaf([]float64{float64(tt.want[0]) + 0.9}), m.Trees[0].Leaf([]float64{float64(tt.want[0])}); got != want {
					t.Error("the fraction of a category counts")
				}
			}
		})
	}
}

// A column of hundreds of categories does not fit a byte. Its trees must send rows
// where training sent them, whatever the number of workers, and read back equal in the
// independent reader.
func TestManyCategories(t *testing.T) {
	r := seed.Stream(3, "gbdt/test/categories")
	table := &gbdt.Table{Columns: []string{"x", "c", "n"}, Rows: 9000}
	effect := make([]float64, 700)
	for i := range effect {
		effect[i] = r.NormFloat64()
	}
	for range table.Rows {
		x, c := r.Float64(), r.IntN(len(effect))
		category := float64(c)
		if r.IntN(50) == 0 {
			category = math.NaN()
		}
		table.Data = append(table.Data, x, category, math.Floor(2000*r.Float64()))
		table.Label = append(table.Label, float32(3*x+effect[c]+0.1*r.NormFloat64()))
	}
	for _, objective := range []string{"regression", "regression_l1"} {
		o := gbdt.DefaultOptions()
		o.Objective, o.NumIterations, o.CategoricalFeature, o.MaxBin = objective, 10, []int{1}, 1000
		o.MinDataPerGroup = 20
		var first string
		for _, o.Workers = range []int{1, 3} {
			m, _ := fit(t, table, nil, o)
			if got := text(t, m); first == "" {
				first = got
			} else if got != first {
				t.Errorf("%s: another model with %d workers", objective, o.Workers)
			}
			used := m.Importance(gbdt.BySplit)
			if used[0] == 0 || used[1] == 0 || used[2] == 0 {
				t.Errorf("%s: columns are split %v times; the test needs all", objective, used)
			}
			for i := range m.Trees {
				counts := make([]int, m.Trees[i].NumLeaves())
				for r := range table.Rows {
					counts[m.Trees[i].Leaf(table.Row(r))]++
				}
				if fmt.Sprint(counts) != fmt.Sprint(m.Trees[i].LeafCount) {
					t.Fatalf("%s, tree %d: leaves hold %v rows, %v in training", objective, i, counts, m.Trees[i].LeafCount)
				}
			}
			e, err := leaves.LGEnsembleFromReader(newReader(first), false)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []float64{0, 1, 1.5, 699, 700, 1e6, -1, -0.5, math.NaN()} {
				row := []float64{0.3, c, 17}
				if got, want := e.PredictSingle(row, 0), m.PredictRaw(row); got != want {
					t.Errorf("%s: leaves says %v for category %v, we say %v", objective, got, c, want)
				}
			}
		}
	}
}

func TestCategoricalColumns(t *testing.T) {
	table := synthetic(100, 3)
	for _, tt := range []struct {
		change func(o *gbdt.Options)
		want   string
	}{
		{func(o *gbdt.Options) { o.CategoricalFeature = []int{3} }, "columns in [0, 3), got 3"},
		{func(o *gbdt.Options) { o.IgnoreColumn = []int{-1} }, "columns from 0, got -1"},
		{func(o *gbdt.Options) { o.MaxCatToOnehot = 0 }, "max_cat_to_onehot must be at least 1"},
		{func(o *gbdt.Options) { o.MinDataPerGroup = 0 }, "min_data_per_group must be at least 1"},
		{func(o *gbdt.Options) { o.CatSmooth = math.NaN() }, "cat_smooth"},
	} {
		o := gbdt.DefaultOptions()
		tt.change(&o)
		if err := trainError(table, o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q in it", err, tt.want)
		}
	}
}

// A split of the missing values from all others has an infinite threshold, which our
// reader and the independent one understand.
func TestMissingAgainstRest(t *testing.T) {
	table := &gbdt.Table{Columns: []string{"x"}}
	for i := range 100 {
		x := float64(i%10) - 4
		if i%2 == 0 {
			x = math.NaN()
		}
		table.Data, table.Label = append(table.Data, x), append(table.Label, float32(i%2))
		table.Rows++
	}
	o := gbdt.DefaultOptions()
	o.NumIterations, o.NumLeaves = 1, 2
	m, _ := fit(t, table, nil, o)
	if got := m.Trees[0].Threshold; len(got) != 1 || !math.IsInf(got[0], 1) {
		t.Fatalf("thresholds are %v", got)
	}
	written := text(t, m)
	if !strings.Contains(written, "\nthreshold=inf\n") {
		t.Errorf("the threshold is written otherwise than LightGBM does:\n%s", written)
	}
	again, err := gbdt.ReadText(strings.NewReader(written))
	if err != nil {
		t.Fatal(err)
	}
	e, err := leaves.LGEnsembleFromReader(newReader(written), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []float64{math.NaN(), 0, 5, -1e300, 1e300, math.Inf(1)} {
		row := []float64{x}
		want := m.PredictRaw(row)
		if (want < 0.5) != math.IsNaN(x) {
			t.Errorf("%v is %v", x, want)
		}
		if a, b := again.PredictRaw(row), e.PredictSingle(row, 0); a != want || b != want {
			t.Errorf("%v is %v, when read again %v, by leaves %v", x, want, a, b)
		}
	}
	var b strings.Builder
	if err := m.Dump(&b); err != nil || !strings.Contains(b.String(), "x is not missing (gain") {
		t.Errorf("dump %v:\n%s", err, b.String())
	}
}
