package forecast_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dmitryikh/leaves"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// drawTrees returns a model of random trees over columns columns, the last two of which
// are categorical, and the thresholds that it compares.
func drawTrees(r *rand.Rand, trees, columns int) (*gbdt.Model, []float64) {
	m := &gbdt.Model{Objective: "regression", Infos: make([]gbdt.ColumnInfo, columns)}
	for i := range columns {
		m.Columns = append(m.Columns, fmt.Sprintf("x%d", i))
	}
	var thresholds []float64
	for range trees {
		t := gbdt.Tree{LeafValue: []float64{r.NormFloat64()}, Shrinkage: 1}
		// A split takes the place of a leaf, which becomes its left child.
		for i := range int32(r.IntN(12)) {
			leaf := int32(r.IntN(int(i) + 1))
			for j := range i {
				if t.Left[j] == ^leaf {
					t.Left[j] = i
				}
				if t.Right[j] == ^leaf {
					t.Right[j] = i
				}
			}
			f := r.IntN(columns)
			d := gbdt.DecisionType(r.IntN(2)<<1 | r.IntN(3)<<2)
			v := []float64{0, math.Copysign(0, -1), 1e-35, -1e-35, 0.5, r.NormFloat64(), math.Round(r.NormFloat64())}[r.IntN(7)]
			if f >= columns-2 {
				d |= 1
				v = float64(max(0, len(t.CatBoundaries)-1))
				if len(t.CatBoundaries) == 0 {
					t.CatBoundaries = []int32{0}
				}
				for range 1 + r.IntN(3) {
					t.CatThreshold = append(t.CatThreshold, r.Uint32()&r.Uint32()|1<<r.IntN(32))
				}
				t.CatBoundaries = append(t.CatBoundaries, int32(len(t.CatThreshold)))
			} else {
				thresholds = append(thresholds, v)
			}
			t.SplitFeature = append(t.SplitFeature, int32(f))
			t.Threshold = append(t.Threshold, v)
			t.DecisionType = append(t.DecisionType, d)
			t.Left, t.Right = append(t.Left, ^leaf), append(t.Right, ^(i+1))
			t.LeafValue = append(t.LeafValue, r.NormFloat64())
		}
		n := len(t.SplitFeature)
		t.SplitGain, t.InternalValue, t.InternalWeight, t.InternalCount = make([]float32, n), make([]float64, n), make([]float64, n), make([]int, n)
		t.LeafWeight, t.LeafCount = make([]float64, n+1), make([]int, n+1)
		m.Trees = append(m.Trees, t)
	}
	return m, thresholds
}

// drawRow fills row with what decides: thresholds, their neighbours, zeros, missing
// values, infinities and categories.
func drawRow(r *rand.Rand, row, thresholds []float64) {
	for i := range row {
		v := r.NormFloat64()
		if len(thresholds) > 0 && r.IntN(2) == 0 {
			v = thresholds[r.IntN(len(thresholds))]
		}
		switch r.IntN(12) {
		case 0:
			v = math.NaN()
		case 1:
			v = math.Copysign(0, v)
		case 2:
			v = math.Copysign(1e-36, v)
		case 3:
			v = math.Nextafter(v, math.Inf(1))
		case 4:
			v = math.Nextafter(v, math.Inf(-1))
		case 5:
			v = math.Inf(int(math.Copysign(1, v)))
		case 6, 7, 8:
			v = float64(r.IntN(110)-5) + float64(r.IntN(2))/2
		case 9:
			v *= 1e12
		}
		row[i] = v
	}
}

func textOf(t testing.TB, m *gbdt.Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The sums are those of leaves, the reader of record, bit for bit, one row at a time or
// many, for every kind of split and value.
func TestSumsAreThoseOfLeaves(t *testing.T) {
	r := seed.Stream(1, "forecast/test/flat")
	var s forecast.Scratch
	for range 150 {
		columns := 4 + r.IntN(5)
		m, thresholds := drawTrees(r, 1+r.IntN(11), columns)
		text := textOf(t, m)
		record, err := leaves.LGEnsembleFromReader(bufio.NewReader(bytes.NewReader(text)), false)
		if err != nil {
			t.Fatal(err)
		}
		e, err := forecast.NewEnsemble(text)
		if err != nil {
			t.Fatal(err)
		}
		const n = 131 // two batches and a rest that is no multiple of four
		rows, sums, want := make([]float64, n*columns), make([]float64, n), make([]float64, 1)
		for i := range n {
			drawRow(r, rows[i*columns:(i+1)*columns], thresholds)
		}
		e.PredictRows(rows, sums, &s)
		for i := range n {
			row := rows[i*columns : (i+1)*columns]
			if err := record.Predict(row, 0, want); err != nil {
				t.Fatal(err)
			}
			if got := e.Predict(row, &s); math.Float64bits(got) != math.Float64bits(want[0]) {
				t.Fatalf("sum for %v is %v, leaves has %v", row, got, want[0])
			}
			if math.Float64bits(sums[i]) != math.Float64bits(want[0]) {
				t.Fatalf("sum for %v among rows is %v, leaves has %v", row, sums[i], want[0])
			}
		}
	}
}

// Trees with more thresholds than the arrays take are predicted by leaves itself.
func TestLargeEnsemble(t *testing.T) {
	m := &gbdt.Model{Objective: "regression", Columns: []string{"a", "b"}, Infos: make([]gbdt.ColumnInfo, 2)}
	for i := range 300 {
		m.Trees = append(m.Trees, gbdt.Tree{
			SplitFeature: []int32{1}, Threshold: []float64{float64(i)}, DecisionType: []gbdt.DecisionType{0},
			Left: []int32{^0}, Right: []int32{^1}, LeafValue: []float64{0, 1},
			SplitGain: make([]float32, 1), InternalValue: make([]float64, 1), InternalWeight: make([]float64, 1), InternalCount: make([]int, 1),
			LeafWeight: make([]float64, 2), LeafCount: make([]int, 2), Shrinkage: 1,
		})
	}
	e, err := forecast.NewEnsemble(textOf(t, m))
	if err != nil {
		t.Fatal(err)
	}
	var s forecast.Scratch
	out := make([]float64, 2)
	e.PredictRows([]float64{0, 100, 0, 1000}, out, &s)
	if one := e.Predict([]float64{0, 100}, &s); one != 100 || out[0] != 100 || out[1] != 300 {
		t.Errorf("sums are %v, and %v for the first alone, expected [100 300] and 100", out, one)
	}
}

func TestNewEnsembleRefuses(t *testing.T) {
	m, _ := drawTrees(seed.Stream(2, "forecast/test/flat"), 20, 6)
	whole := string(textOf(t, m))
	for want, change := range map[string]func(string) string{
		"outputs": func(s string) string {
			return strings.Replace(strings.Replace(s, "num_class=1", "num_class=2", 1), "iteration=1", "iteration=2", 1)
		},
		"columns":     func(s string) string { return strings.Replace(s, "max_feature_idx=5", "max_feature_idx=99999999", 1) },
		"lightgbm.rf": func(s string) string { return strings.Replace(s, "num_class=1", "num_class=1\naverage_output=1", 1) },
		"feature must be in [0, 6), got 777": func(s string) string {
			at := strings.Index(s, "split_feature=") + len("split_feature=")
			return s[:at] + "777" + s[at+1:]
		},
		"error while reading": func(s string) string { return s[:len(s)/2] },
	} {
		if _, err := forecast.NewEnsemble([]byte(change(whole))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, expected one with %q", err, want)
		}
	}
}

// A malformed file is an error, and never a panic or a sum that leaves does not have.
func FuzzNewEnsemble(f *testing.F) {
	for k := range uint64(3) {
		m, _ := drawTrees(seed.Stream(k, "forecast/test/fuzz"), 3, 5)
		f.Add(textOf(f, m))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := forecast.NewEnsemble(text)
		if err != nil {
			return
		}
		var s forecast.Scratch
		rows, out := make([]float64, 2*e.Columns()), make([]float64, 2)
		e.PredictRows(rows, out, &s)
		if got := e.Predict(rows[:e.Columns()], &s); math.Float64bits(got) != math.Float64bits(out[1]) {
			t.Errorf("one row has %v, two have %v", got, out[1])
		}
	})
}

// benchEnsemble returns 300 trees of 31 leaves over 25 columns, and rows like those that
// they were trained on.
func benchEnsemble(b *testing.B) (text []byte, rows []float64) {
	b.Helper()
	const n, columns = 20_000, 25
	r := seed.Stream(3, "forecast/test/bench")
	t := &gbdt.Table{Rows: n, Data: make([]float64, n*columns), Label: make([]float32, n)}
	for j := range columns {
		t.Columns = append(t.Columns, fmt.Sprintf("x%d", j))
	}
	for i := range n {
		x := t.Row(i)
		for j := range x {
			x[j] = r.ExpFloat64()
			if j == 5 && r.IntN(20) == 0 {
				x[j] = math.NaN()
			}
		}
		t.Label[i] = float32(math.Sin(3*x[0]*x[1])*5 + x[2]*x[3] + x[4] + math.Sqrt(x[6]) + r.NormFloat64())
	}
	o := gbdt.DefaultOptions()
	o.NumIterations = 300
	m, _, err := gbdt.Train(context.Background(), t, nil, o, train.Discard)
	if err != nil {
		b.Fatal(err)
	}
	return textOf(b, m), t.Data
}

func BenchmarkPredict(b *testing.B) {
	const columns = 25
	text, rows := benchEnsemble(b)
	n := len(rows) / columns
	e, err := forecast.NewEnsemble(text)
	if err != nil {
		b.Fatal(err)
	}
	record, err := leaves.LGEnsembleFromReader(bufio.NewReader(bytes.NewReader(text)), false)
	if err != nil {
		b.Fatal(err)
	}
	var s forecast.Scratch
	perRow := func(b *testing.B, rows int) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
		b.ReportAllocs()
	}
	b.Run("reader=ours/rows=1", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			e.Predict(rows[i%n*columns:][:columns], &s)
		}
		perRow(b, 1)
	})
	b.Run("reader=ours/rows=1000", func(b *testing.B) {
		out := make([]float64, 1000)
		for i := 0; b.Loop(); i++ {
			e.PredictRows(rows[i%(n/1000)*1000*columns:][:1000*columns], out, &s)
		}
		perRow(b, 1000)
	})
	b.Run("reader=leaves/rows=1", func(b *testing.B) {
		out := make([]float64, 1)
		for i := 0; b.Loop(); i++ {
			if err := record.Predict(rows[i%n*columns:][:columns], 0, out); err != nil {
				b.Fatal(err)
			}
		}
		perRow(b, 1)
	})
}
