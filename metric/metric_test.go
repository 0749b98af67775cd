package metric_test

import (
	"math"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/metric"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func near(a, b, tolerance float64) bool {
	return a == b || (a != a && b != b) || math.Abs(a-b) <= tolerance*max(1, math.Abs(b))
}

// errorsOf adds up forecasts that are medians and means at once.
func errorsOf(actual, forecast []float64) metric.Errors {
	var e metric.Errors
	for i, a := range actual {
		e.Add(a, forecast[i], forecast[i], 1)
	}
	return e
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name             string
		actual, forecast []float64
		mae, rmse, wape  float64
	}{
		{"exact", []float64{1, 2}, []float64{1, 2}, 0, 0, 0},
		{"known", []float64{1, 3}, []float64{2, 1}, 1.5, math.Sqrt(2.5), 0.75},
		{"zeros, wrong", []float64{0, 0}, []float64{0, 4}, 2, math.Sqrt(8), inf},
		{"nothing", nil, nil, nan, nan, nan},
		{"no forecast", []float64{1}, []float64{nan}, nan, nan, nan},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := errorsOf(tt.actual, tt.forecast)
			s := e.Scores(nil)
			for _, c := range []struct {
				name      string
				got, want float64
			}{{"MAE", float64(s.MAE), tt.mae}, {"RMSE", float64(s.RMSE), tt.rmse}, {"WAPE", float64(s.WAPE), tt.wape}} {
				if !near(c.got, c.want, 1e-15) {
					t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
				}
			}
		})
	}

	// The median and the mean are judged each by its own error; a weight of two is two counts.
	var e metric.Errors
	e.Add(4, 3, 6, 1)
	if e.MAE() != 1 || e.RMSE() != 2 {
		t.Errorf("MAE and RMSE are %v and %v, want 1 and 2", e.MAE(), e.RMSE())
	}
	var twice, two metric.Errors
	twice.Add(4, 3, 6, 2)
	two.Merge(e)
	two.Merge(e)
	if twice != two {
		t.Errorf("a weight of two gives %+v, two counts %+v", twice, two)
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
		{"too short", []float64{1, 2}, 2, nan},
		{"constant", []float64{2, 2, 2}, 1, inf},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := errorsOf([]float64{4, 6}, []float64{5, 5})
			e.Scale = metric.SeasonalNaive(tt.history, tt.period)
			if got := e.MASE(); !near(got, tt.want, 1e-15) {
				t.Errorf("MASE = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPinball(t *testing.T) {
	for _, tt := range []struct{ p, actual, q, want float64 }{
		{0.9, 3, 1, 1.8}, {0.9, 1, 3, 0.2}, {0.5, 1, 3, 1}, {0.9, 2, 2, 0},
	} {
		if got := metric.Pinball(tt.p, tt.actual, tt.q); !near(got, tt.want, 1e-15) {
			t.Errorf("Pinball(%v, %v, %v) = %v, want %v", tt.p, tt.actual, tt.q, got, tt.want)
		}
	}
}

func TestCoverage(t *testing.T) {
	var c, other metric.Coverage
	c.Add(1, 1, 2)
	c.Add(2, 3, 4)
	other.Add(3, 2, 3)
	other.Add(5, nan, 9)
	if c.Merge(other); c.Share() != 0.5 {
		t.Errorf("%v of %v are inside, want half", c.Inside, c.N)
	}
	if s := new(metric.Coverage).Share(); s == s {
		t.Errorf("the share of nothing is %v, want NaN", s)
	}
}

// The percentiles that are printed lie where whole numbers say: their fractions do not round across a rank.
func TestPercentiles(t *testing.T) {
	for n := int64(1); n < 3000; n++ {
		for _, p := range []int64{25, 50, 75, 90, 95, 99, 100} {
			if got, want := metric.Rank(n, float64(p)/100), (n*p+99)/100; got != want {
				t.Fatalf("the %d %% of %d values are at %d, want %d", p, n, got, want)
			}
		}
	}
	x := []float64{1, 2, 4, 8}
	for _, tt := range []struct{ p, empirical, linear float64 }{
		{0, 1, 1}, {0.25, 1, 1.75}, {0.5, 2, 3}, {0.51, 4, 3.06}, {0.9, 8, 6.8}, {1, 8, 8},
	} {
		if e, l := metric.Empirical(x, tt.p), metric.Linear(x, tt.p); e != tt.empirical || !near(l, tt.linear, 1e-15) {
			t.Errorf("at %v: %v and %v, want %v and %v", tt.p, e, l, tt.empirical, tt.linear)
		}
	}
	if e, l := metric.Empirical(nil, 0.5), metric.Linear([]int{7}, 0.3); e != 0 || l != 7 {
		t.Errorf("of none %v, want 0; of one %v, want 7", e, l)
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

func TestJain(t *testing.T) {
	tests := []struct {
		x    []float64
		want float64
	}{
		{nil, 1}, {[]float64{0, 0}, 1}, {[]float64{3, 3, 3}, 1}, {[]float64{1, 0, 0, 0}, 0.25},
		{[]float64{1, 2}, 0.9},
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
