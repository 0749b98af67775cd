package gbdt_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// synthetic returns a table for benchmarks: a sum of smooth effects with Laplace noise,
// 5% missing values in column 5, 80% zeros in column 6, a minute of day, a day of week
// and a heavy tail.
func synthetic(rows, cols int) *gbdt.Table {
	t := &gbdt.Table{Rows: rows, Data: make([]float64, rows*cols), Label: make([]float32, rows)}
	for j := range cols {
		t.Columns = append(t.Columns, fmt.Sprintf("x%d", j))
	}
	key := seed.Key(42, "gbdt/synthetic")
	u := func(i, j int) float64 { return seed.Uniform(key, uint64(i*1024+j)) }
	round := func(v float64) float64 { return math.Round(v*1e6) / 1e6 }
	x := make([]float64, max(cols, 10)) // the label depends on the first ten
	for i := range rows {
		for j := range x {
			v := u(i, j)
			switch {
			case j == 5 && u(i, 500) < 0.05:
				v = math.NaN()
			case j == 6:
				if u(i, 501) < 0.8 {
					v = 0
				} else {
					v = round(v*4 - 2)
				}
			case j == 7:
				v = math.Floor(v * 1440)
			case j == 8:
				v = math.Floor(v * 7)
			case j == 9:
				v = round(-math.Log(1-v) * 100)
			default:
				v = round(v)
			}
			x[j] = v
		}
		copy(t.Row(i), x)
		e := u(i, 600) - 0.5
		y := -math.Copysign(math.Log(1-2*math.Abs(e)), e) + 2
		if x[5] == x[5] {
			y += 3*x[5] - 2
		}
		y += 10*math.Sin(math.Pi*x[0]*x[1]) + 20*(x[2]-.5)*(x[2]-.5) + 10*x[3] + 5*x[4] + 2*x[6] +
			6*math.Sin(2*math.Pi*x[7]/1440) + 1.5*x[8]*x[3] + math.Sqrt(x[9])
		t.Label[i] = float32(round(y))
	}
	return t
}

func BenchmarkTrain(b *testing.B) {
	for _, objective := range []string{"regression_l1", "regression", "poisson"} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("objective=%s/rows=100000/columns=30/leaves=63/workers=%d", objective, workers), func(b *testing.B) {
				t := synthetic(100_000, 30)
				for i, v := range t.Label {
					t.Label[i] = max(0, v)
				}
				o := gbdt.DefaultOptions()
				o.Objective, o.NumLeaves, o.NumIterations, o.Workers = objective, 63, 100, workers
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := gbdt.Train(context.Background(), t, nil, o, train.Discard); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(t.Rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

func BenchmarkPredict(b *testing.B) {
	t := synthetic(20_000, 25)
	o := gbdt.DefaultOptions()
	o.NumIterations = 300
	m, _, err := gbdt.Train(context.Background(), t, nil, o, train.Discard)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("trees=300/leaves=31/columns=25", func(b *testing.B) {
		i := 0
		for b.Loop() {
			sink += m.PredictRaw(t.Row(i % t.Rows))
			i++
		}
	})
}

var sink float64
