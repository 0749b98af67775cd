package metric_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/train/metric"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func near(a, b, tolerance float64) bool {
	return a == b || (a != a && b != b) || math.Abs(a-b) <= tolerance*max(1, math.Abs(b))
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name             string
		actual, forecast []float64
		mae, rmse        float64
		wape, smape      float64
		pinball          float64 // at 0.9
	}{
		{"exact", []float64{1, 2}, []float64{1, 2}, 0, 0, 0, 0, 0},
		{"known", []float64{1, 3}, []float64{2, 1}, 1.5, math.Sqrt(2.5), 0.75, (2./3 + 1) / 2, (0.1 + 1.8) / 2},
		{"missing", []float64{1, nan, 3}, []float64{2, nan, 1}, 1.5, math.Sqrt(2.5), 0.75, (2./3 + 1) / 2, (0.1 + 1.8) / 2},
		{"zeros, exact", []float64{0, 0}, []float64{0, 0}, 0, 0, 0, 0, 0},
		{"zeros, wrong", []float64{0, 0}, []float64{0, 4}, 2, math.Sqrt(8), inf, 1, 0.2},
		{"no pairs", nil, nil, nan, nan, nan, nan, nan},
		{"all missing", []float64{nan}, []float64{1}, nan, nan, nan, nan, nan},
		{"no forecast", []float64{1}, []float64{nan}, nan, nan, nan, nan, nan},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range []struct {
				name      string
				got, want float64
			}{
				{"MAE", metric.MAE(tt.actual, tt.forecast), tt.mae},
				{"RMSE", metric.RMSE(tt.actual, tt.forecast), tt.rmse},
				{"WAPE", metric.WAPE(tt.actual, tt.forecast), tt.wape},
				{"SMAPE", metric.SMAPE(tt.actual, tt.forecast), tt.smape},
				{"Pinball", metric.Pinball(tt.actual, tt.forecast, 0.9), tt.pinball},
			} {
				if !near(c.got, c.want, 1e-15) {
					t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
				}
			}
		})
	}
}

func TestMASE(t *testing.T) {
	tests := []struct {
		name    string
		history []float64
		period  int
		want    float64
	}{
		{"naive", []float64{1, 3, 2}, 1, 1 / 1.5},
		{"seasonal", []float64{1, 5, 3, 5}, 2, 1},
		{"gap", []float64{1, nan, 3, 5}, 1, 0.5},
		{"too short", []float64{1, 2}, 2, nan},
		{"constant", []float64{2, 2, 2}, 1, inf},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := metric.MASE([]float64{4, 6}, []float64{5, 5}, tt.history, tt.period); !near(got, tt.want, 1e-15) {
				t.Errorf("MASE = %v, want %v", got, tt.want)
			}
		})
	}
	if got := metric.MASE([]float64{4}, []float64{4}, []float64{2, 2}, 1); got != 0 {
		t.Errorf("MASE of an exact forecast after a constant = %v, want 0", got)
	}
}

func TestCoverage(t *testing.T) {
	got := metric.Coverage([]float64{1, 2, 3, nan, 5}, []float64{1, 3, 2, 0, nan}, []float64{2, 4, 3, 9, 9})
	if got != 0.5 {
		t.Errorf("Coverage = %v, want 0.5", got)
	}
	if got := metric.Coverage(nil, nil, nil); got == got {
		t.Errorf("Coverage of nothing = %v, want NaN", got)
	}
}

// The sum of the series is the check of the closed form.
func TestPoissonMAE(t *testing.T) {
	for _, rate := range []float64{0, 1e-3, 0.3, math.Ln2, 0.7, 1, 1.68, 2.5, 7, 30.2, 100} {
		want := inf
		for m := 0.0; m < rate+3; m++ {
			p, sum := math.Exp(-rate), 0.0
			for k := 0.0; k < rate+40*math.Sqrt(rate+1); k++ {
				sum += p * math.Abs(k-m)
				p *= rate / (k + 1)
			}
			want = min(want, sum)
		}
		if got := metric.PoissonMAE(rate); !near(got, want, 1e-12) {
			t.Errorf("PoissonMAE(%v) = %v, want %v", rate, got, want)
		}
	}
	if got, want := metric.PoissonMAE(1), 2/math.E; !near(got, want, 1e-15) {
		t.Errorf("PoissonMAE(1) = %v, want 2/e", got)
	}
	for _, rate := range []float64{1e4, 1e6, 1e9} {
		if got, want := metric.PoissonMAE(rate), math.Sqrt(2*rate/math.Pi); !near(got, want, 1e-4) {
			t.Errorf("PoissonMAE(%v) = %v, want about %v", rate, got, want)
		}
	}
}

func TestPoissonFloor(t *testing.T) {
	if got, want := metric.PoissonFloor([]float64{1, nan, 0.5, 0}), (2/math.E+0.5)/1.5; !near(got, want, 1e-15) {
		t.Errorf("PoissonFloor = %v, want %v", got, want)
	}
	if got := metric.PoissonFloor([]float64{0}); got != 0 {
		t.Errorf("PoissonFloor of zero = %v, want 0", got)
	}
	if got := metric.PoissonFloor(nil); got == got {
		t.Errorf("PoissonFloor of nothing = %v, want NaN", got)
	}
}

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
		if got := metric.Spearman(tt.x, tt.y); !near(got, tt.want, 1e-15) {
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
		if a, b := metric.Spearman(x, y), metric.Spearman(y, e); !near(a, b, 1e-12) {
			t.Fatalf("Spearman(x, y) = %v, Spearman(y, 3x) = %v", a, b)
		}
	})
}

func TestJain(t *testing.T) {
	tests := []struct {
		x    []float64
		want float64
	}{
		{nil, 1}, {[]float64{0, 0}, 1}, {[]float64{3, 3, 3}, 1}, {[]float64{1, 0, 0, 0}, 0.25},
		{[]float64{1, 2}, 0.9}, {[]float64{1e200, 2e200}, 0.9},
	}
	for _, tt := range tests {
		if got := metric.Jain(tt.x); !near(got, tt.want, 1e-15) {
			t.Errorf("Jain(%v) = %v, want %v", tt.x, got, tt.want)
		}
	}
}

func TestBootstrap(t *testing.T) {
	const n = 400
	r := seed.Stream(1, "test/data")
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	mean := func(items []int) float64 {
		sum := 0.0
		for _, i := range items {
			sum += x[i]
		}
		return sum / float64(len(items))
	}
	low, high := metric.Bootstrap(n, 2000, 0.95, seed.Stream(1, "bootstrap"), mean)
	// The normal interval of a mean is 2 * 1.96 / sqrt(n) wide; 2000 draws give it
	// within a few percent.
	if want := 2 * 1.96 / math.Sqrt(n); !near((high-low)/want, 1, 0.1) {
		t.Errorf("the interval is %v wide, want about %v", high-low, want)
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	if m := mean(all); !(low < m && m < high) {
		t.Errorf("interval [%v, %v] does not hold the mean %v", low, high, m)
	}
	again, _ := metric.Bootstrap(n, 2000, 0.95, seed.Stream(1, "bootstrap"), mean)
	if again != low {
		t.Errorf("the same seed gives %v, then %v", low, again)
	}
	if low, high := metric.Bootstrap(1, 3, 0.5, r, func([]int) float64 { return nan }); low == low || high == high {
		t.Errorf("nothing to measure gives [%v, %v], want NaN", low, high)
	}
}

func TestLengths(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("slices of different lengths must panic")
		}
	}()
	metric.MAE([]float64{1}, nil)
}
