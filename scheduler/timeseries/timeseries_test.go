package timeseries_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/timeseries"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func series(n int, f func(i float64) float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = f(float64(i))
	}
	return x
}

// noise are n draws of the uniform distribution in [-1/2, 1/2).
func noise(n int, rnd uint64) []float64 {
	key := seed.Key(rnd, "timeseries")
	return series(n, func(i float64) float64 { return seed.Uniform(key, uint64(i)) - 0.5 })
}

// TestQuadraticIsExact: the smoothing whose name it is forecasts a parabola exactly, any
// number of steps ahead. What is left of the first value after n steps is (1-alpha)^n n^2.
func TestQuadraticIsExact(t *testing.T) {
	for _, alpha := range []float64{0.3, 0.5, 0.8} {
		f := func(i float64) float64 { return 3 - 2*i + 0.25*i*i }
		var q timeseries.Quadratic
		for i := range 200 {
			q.Observe(f(float64(i)), alpha)
		}
		for _, h := range []float64{1, 2, 7} {
			near(t, "quadratic", q.Forecast(h, alpha), f(199+h), 1e-6)
		}
	}
	var q timeseries.Quadratic
	q.Observe(5, 0.8)
	near(t, "after one value", q.Forecast(1, 0.8), 5, 1e-12)
}

func TestHolt(t *testing.T) {
	m := timeseries.Holt{Alpha: 0.5, Beta: 0.5}
	for _, y := range []float64{1, 2, 4} {
		m.Observe(y)
	}
	// 1: level 1, trend 0. 2: level 1.5, trend 0.25. 4: level 2.875, trend 0.8125.
	near(t, "by hand", m.Forecast(), 3.6875, 1e-12)
	m.Fit(series(50, func(i float64) float64 { return 2*i + 1 }), false)
	near(t, "a line", m.Forecast(), 101, 1e-3)
	m.Fit(series(50, func(i float64) float64 { return math.Mod(i, 2) }), true)
	if m.Beta != 0 || m.Alpha != 0.1 {
		t.Errorf("alternating values are best forecast by their mean, got %+v", m)
	}
}

// TestFourierContinuesAWave: a wave whose period divides the window and that is even about
// its middle, so that no trend is seen in it, is continued; a trend is, with what it should not
// take of the wave.
func TestFourierContinuesAWave(t *testing.T) {
	const n = 60
	m := timeseries.NewFourier(n, 1, 10)
	out := make([]float64, 24)
	for _, period := range []float64{60, 20, 12, 6} {
		f := func(i float64) float64 { return 5 + 2*math.Cos(2*math.Pi/period*(i-(n-1)/2.)) }
		m.Forecast(series(n, f), out)
		for h, v := range out {
			near(t, "wave", v, f(n+float64(h)), 1e-9)
		}
	}
	line := func(i float64) float64 { return 0.5*i - 3 }
	m.Forecast(series(n, line), out)
	near(t, "line", out[9], line(n+9), 1e-9)
	bend := func(i float64) float64 { return 0.5*i*i - 3*i + 1 }
	timeseries.NewFourier(n, 2, 0).Forecast(series(n, bend), out)
	near(t, "parabola", out[9], bend(n+9), 1e-6)
	// A period of 5 steps is the twelfth harmonic: ten do not have it.
	m.Forecast(series(n, func(i float64) float64 { return math.Cos(2 * math.Pi / 5 * (i - (n-1)/2.)) }), out)
	near(t, "above the harmonics", out[0], 0, 1e-9)
}

// TestARFollowsItsEquation: a series that obeys x_t = 1 + 0.5 x_(t-1) - 0.3 x_(t-2) is
// continued by it, by an order above as well.
func TestARFollowsItsEquation(t *testing.T) {
	x := []float64{1, 4}
	for i := 2; i < 30; i++ {
		x = append(x, 1+0.5*x[i-1]-0.3*x[i-2])
	}
	want := 1 + 0.5*x[29] - 0.3*x[28]
	for _, p := range []int{2, 5} {
		near(t, "AR", timeseries.NewAR(p).Forecast(x), want, 1e-6)
	}
	near(t, "zeros", timeseries.NewAR(10).Forecast(make([]float64, 120)), 0, 0)
	near(t, "ones", timeseries.NewAR(10).Forecast(series(120, func(float64) float64 { return 1 })), 1, 1e-6)
}

// TestSETARFindsTwoRegimes: a series that doubles up to 1 and loses 0.9 of what it has above is no
// autoregression; with a threshold it is one of order 1 in each regime.
func TestSETARFindsTwoRegimes(t *testing.T) {
	step := func(x float64) float64 {
		if x <= 1 {
			return 0.3 + 1.3*x
		}
		return 1.1 - 0.6*x
	}
	x := []float64{0.2}
	for i := 1; i < 120; i++ {
		x = append(x, step(x[i-1])+0.001*noise(120, 1)[i])
	}
	var m timeseries.SETAR
	near(t, "not fitted", m.Forecast(x), 0, 0)
	timeseries.NewSETARFitter(1).Fit(&m, x)
	// The threshold is the decile next to 1, not 1 itself.
	near(t, "SETAR", m.Forecast(x), step(x[119]), 0.03)
	if ar := timeseries.NewAR(1).Forecast(x); math.Abs(ar-step(x[119])) < 0.06 {
		t.Errorf("one regime forecasts %v of %v: the case shows nothing", ar, step(x[119]))
	}
	timeseries.NewSETARFitter(10).Fit(&m, make([]float64, 120))
	near(t, "zeros", m.Forecast(make([]float64, 120)), 0, 0)
}

// TestARIsLeastSquares: no other coefficients, near to those that it must have found, have a
// smaller sum of squares; the model with one threshold has no larger one.
func TestARIsLeastSquares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(0, 5), 30, 60).Draw(t, "x")
		// The forecast for history x is linear in the coefficients: compare with normal
		// equations solved by elimination.
		const p = 2
		n := len(x)
		var a [p + 1][p + 2]float64
		for i := p; i < n; i++ {
			row := [p + 1]float64{1, x[i-1], x[i-2]}
			for j := range row {
				for k := range row {
					a[j][k] += row[j] * row[k]
				}
				a[j][p+1] += row[j] * x[i]
			}
		}
		for i := range a {
			for j := i + 1; j < len(a); j++ {
				f := a[j][i] / a[i][i]
				for k := i; k < p+2; k++ {
					a[j][k] -= f * a[i][k]
				}
			}
		}
		var b [p + 1]float64
		for i := p; i >= 0; i-- {
			b[i] = a[i][p+1]
			for k := i + 1; k <= p; k++ {
				b[i] -= a[i][k] * b[k]
			}
			b[i] /= a[i][i]
			if math.IsNaN(b[i]) || math.IsInf(b[i], 0) || math.Abs(a[i][i]) < 0.1 {
				return // singular: the ridge decides
			}
		}
		want := b[0] + b[1]*x[n-1] + b[2]*x[n-2]
		if got := timeseries.NewAR(p).Forecast(x); math.Abs(got-want) > 1e-4 {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestChain(t *testing.T) {
	c := timeseries.NewChain(4)
	if _, ok := c.Next(); ok {
		t.Error("a chain that has seen nothing knows what follows")
	}
	for _, s := range []int{0, 2, 0, 2, 0, 1, 3, 0} {
		c.Observe(s)
	}
	if s, ok := c.Next(); !ok || s != 2 {
		t.Errorf("after 0 follows %d, want 2", s)
	}
	c.Observe(3)
	if s, ok := c.Next(); !ok || s != 0 {
		t.Errorf("after 3 follows %d, want 0", s)
	}
	d := timeseries.NewChain(5)
	for _, s := range []int{2, 0, 2, 4, 2, 3, 2, 1, 2} {
		d.Observe(s)
	}
	if s, ok := d.Next(); !ok || s != 3 {
		t.Errorf("of four states that followed equally often, next is %d, want the near and high 3", s)
	}
}

// TestFeatures: hand-made series of each kind are told apart.
func TestFeatures(t *testing.T) {
	white := noise(504, 3)
	for i := range white {
		white[i] += 1
	}
	walk := make([]float64, 504)
	for i := 1; i < len(walk); i++ {
		walk[i] = walk[i-1] + white[i] - 1
	}
	for i := range walk {
		walk[i] += 20
	}
	chaos := make([]float64, 505) // whose changes of log(1+x) are a logistic map
	r := 0.3
	for i := 1; i < len(chaos); i++ {
		r = 3.9 * r * (1 - r)
		chaos[i] = math.Expm1(math.Log1p(chaos[i-1]) + (r-0.5)/50)
	}
	independent := make([]float64, 505)
	for i := 1; i < len(independent); i++ {
		independent[i] = math.Expm1(math.Log1p(independent[i-1]) + white[i-1]/100)
	}
	flat := series(504, func(float64) float64 { return 2 })
	waves := series(504, func(i float64) float64 { return 3 + math.Sin(2*math.Pi*i/12) + math.Sin(2*math.Pi*i/28) })
	for _, c := range []struct {
		name               string
		x                  []float64
		stationary, linear int // -1: not the point
		harmonics          int
	}{
		{"white noise", white, 1, -1, -1},
		{"random walk", walk, 0, -1, -1},
		{"logistic map", chaos, -1, 0, -1},
		{"independent changes", independent, -1, 1, -1},
		{"constant", flat, 1, 1, 0},
		{"two waves", waves, -1, -1, 2},
	} {
		if got := timeseries.Stationary(c.x); c.stationary >= 0 && got != (c.stationary == 1) {
			t.Errorf("%s: stationary %v", c.name, got)
		}
		if got := timeseries.Linear(c.x); c.linear >= 0 && got != (c.linear == 1) {
			t.Errorf("%s: linear %v", c.name, got)
		}
		if got := timeseries.Harmonics(c.x); c.harmonics >= 0 && got != c.harmonics {
			t.Errorf("%s: %d harmonics, want %d", c.name, got, c.harmonics)
		}
	}
	if !timeseries.Stationary(nil) || !timeseries.Linear(nil) || timeseries.Harmonics(nil) != 0 {
		t.Error("an empty series shows something")
	}
}

func BenchmarkForecasters(b *testing.B) {
	x := noise(120, 1)
	b.Run("AR", func(b *testing.B) {
		m := timeseries.NewAR(10)
		b.ReportAllocs()
		for b.Loop() {
			m.Forecast(x)
		}
	})
	b.Run("SETAR", func(b *testing.B) {
		var m timeseries.SETAR
		w := timeseries.NewSETARFitter(10)
		b.ReportAllocs()
		for b.Loop() {
			w.Fit(&m, x)
		}
	})
	b.Run("Fourier", func(b *testing.B) {
		m, out := timeseries.NewFourier(120, 1, 10), make([]float64, 1)
		b.ReportAllocs()
		for b.Loop() {
			m.Forecast(x, out)
		}
	})
	b.Run("Holt", func(b *testing.B) {
		var m timeseries.Holt
		b.ReportAllocs()
		for b.Loop() {
			m.Fit(x, false)
		}
	})
	long := noise(504, 1)
	b.Run("features", func(b *testing.B) {
		for b.Loop() {
			timeseries.Stationary(long)
			timeseries.Linear(long)
			timeseries.Harmonics(long)
		}
	})
}
