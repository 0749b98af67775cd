package rank_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/train/rank"
)

var nan = math.NaN()

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance }

func TestSpearman(t *testing.T) {
	tests := []struct {
		name string
		x, y []float64
		want float64
	}{
		{"monotone", []float64{1, 2, 30}, []float64{1, 8, 27}, 1},
		{"reversed", []float64{1, 2, 3}, []float64{5, 4, -3}, -1},
		{"ties", []float64{1, 2, 2, 3}, []float64{1, 3, 2, 4}, 4.5 / math.Sqrt(4.5*5)},
		{"missing", []float64{1, nan, 2, 3}, []float64{1, 9, 2, 3}, 1},
		{"constant", []float64{1, 1}, []float64{1, 2}, 0},
		{"one", []float64{1}, []float64{1}, 0},
		{"none", nil, nil, 0},
	}
	for _, tt := range tests {
		if got := rank.Spearman(tt.x, tt.y); !near(got, tt.want, 1e-15) {
			t.Errorf("%s: Spearman = %v, want %v", tt.name, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-5, 5), 2, 20).Draw(t, "x")
		y := rapid.SliceOfN(rapid.Float64Range(-5, 5), len(x), len(x)).Draw(t, "y")
		e := make([]float64, len(x))
		for i, v := range x {
			e[i] = 3 * v // monotone: the ranks stay
		}
		if a, b := rank.Spearman(x, y), rank.Spearman(y, e); !near(a, b, 1e-12) {
			t.Fatalf("Spearman(x, y) = %v, Spearman(y, 3x) = %v", a, b)
		}
	})
}

func TestLengths(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("slices of different lengths must panic")
		}
	}()
	rank.Spearman([]float64{1}, nil)
}
