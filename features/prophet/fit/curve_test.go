package fit_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/internal/seed"
)

// TestLogisticSaturatesAtItsCapacity fits a curve whose parameters are known.
func TestLogisticSaturatesAtItsCapacity(t *testing.T) {
	const n, limit = 800, 120.0
	want := func(i int) float64 { return limit / (1 + math.Exp(-9*(float64(i)/n-0.4))) }
	s := series(n, time.Hour, func(_ time.Time, i int) float64 { return want(i) + noise(i) })
	m := fit.DefaultModel()
	m.Growth, m.Cap = prophet.Logistic, limit
	f := mustFit(t, m, s)
	if math.Abs(f.K-9) > 0.3 || math.Abs(f.M-0.4) > 0.01 {
		t.Errorf("k %.3f, m %.4f, want 9 and 0.4", f.K, f.M)
	}
	at := append(times(s), monday.Add(10*n*time.Hour), monday.Add(-10*n*time.Hour))
	fc := f.Forecast(at)
	for i := range n {
		if math.Abs(fc.Trend[i]-want(i)) > 1 {
			t.Fatalf("trend %g at %d, want %g", fc.Trend[i], i, want(i))
		}
	}
	if math.Abs(fc.Trend[n]-limit) > 1e-6 || math.Abs(fc.Trend[n+1]) > 1e-6 {
		t.Errorf("far away the trend is %g and %g, want %g and 0", fc.Trend[n], fc.Trend[n+1], limit)
	}
	if err := f.Intervals(fc, prophet.DefaultIntervalOptions()); err != nil {
		t.Fatal(err)
	}
	for i := range at {
		if fc.TrendUpper[i] > limit+1e-9 || fc.TrendLower[i] < -1e-9 {
			t.Fatalf("at %v the interval of the trend is [%g, %g], beyond 0 and the capacity", at[i], fc.TrendLower[i], fc.TrendUpper[i])
		}
	}
}

// TestCapacityIsAColumn doubles the capacity half-way, over a floor that is not 0.
func TestCapacityIsAColumn(t *testing.T) {
	const n = 600
	s := series(n, time.Hour, func(time.Time, int) float64 { return 0 })
	var c prophet.Columns
	for i := range n {
		capacity := 60.0
		if i >= n/2 {
			capacity = 110
		}
		c.Cap, c.Floor = append(c.Cap, capacity), append(c.Floor, 10)
		s.Count[i] = 10 + (capacity-10)/(1+math.Exp(-6*(float64(i)/(n-1)-0.3))) + 0.3*noise(i)
	}
	m := fit.DefaultModel()
	m.Growth = prophet.Logistic
	f, err := m.FitColumns(t.Context(), times(s), s.Count, c)
	if err != nil {
		t.Fatal(err)
	}
	if f.Cap != 110 || f.Floor != 10 {
		t.Errorf("the model keeps cap %g and floor %g, want those of the end, 110 and 10", f.Cap, f.Floor)
	}
	if math.Abs(f.K-6) > 0.2 || math.Abs(f.M-0.3) > 0.01 {
		t.Errorf("k %.3f, m %.4f, want 6 and 0.3", f.K, f.M)
	}
	if got := logPosteriorColumns(f, times(s), s.Count, c, m.ChangepointPriorScale); math.Abs(got-f.LogPosterior) > 1e-6 {
		t.Errorf("log posterior %.9f, recomputed %.9f", f.LogPosterior, got)
	}
	fc, err := f.ForecastColumns(times(s), c)
	if err != nil {
		t.Fatal(err)
	}
	for i, y := range fc.Yhat {
		if math.Abs(y-s.Count[i]) > 2 {
			t.Fatalf("yhat %g for %g at %d", y, s.Count[i], i)
		}
	}
}

// TestMultiplicativeHarmonic grows with the trend.
func TestMultiplicativeHarmonic(t *testing.T) {
	const n = 20 * 24
	wave := func(at time.Time) float64 { return 0.3 * math.Sin(2*math.Pi*prophet.Days(at)) }
	s := series(n, time.Hour, func(at time.Time, i int) float64 {
		y := 20 + 0.2*float64(i)
		if prophet.DayOf(at) == prophet.DayOf(monday)+9 {
			return y*(1+wave(at)) + 15 + 0.1*noise(i)
		}
		return y*(1+wave(at)) + 0.1*noise(i)
	})
	m := fit.DefaultModel()
	m.SeasonalityMode = prophet.Multiplicative
	m.Seasonalities = []prophet.Seasonality{{Name: "daily", Period: 1, Order: 3}}
	m.Holidays = []prophet.Holiday{{Name: "more", Dates: []prophet.Day{prophet.DayOf(monday) + 9}, Mode: prophet.Additive}}
	f := mustFit(t, m, s)
	fc := f.Forecast(times(s))
	for i, at := range fc.Time {
		if d := math.Abs(fc.Seasonal[0].Value[i] - wave(at)); d > 0.003 {
			t.Fatalf("daily is %g at %v, want %g", fc.Seasonal[0].Value[i], at, wave(at))
		}
		sum := fc.Trend[i]*(1+fc.Seasonal[0].Value[i]) + fc.Holidays[0].Value[i]
		if math.Abs(sum-fc.Yhat[i]) > 1e-9 {
			t.Fatalf("the parts make %g at %v, yhat is %g", sum, at, fc.Yhat[i])
		}
		if c := f.Components(at); c.Yhat != fc.Yhat[i] || math.Abs(c.Seasonal-fc.Trend[i]*fc.Seasonal[0].Value[i]) > 1e-12 {
			t.Fatalf("at %v: Components %+v, Forecast has yhat %v", at, c, fc.Yhat[i])
		}
	}
	more := fc.Holidays[0]
	if more.Mode == prophet.Multiplicative || math.Abs(more.MaxAbs()-15) > 0.2 {
		t.Errorf("the holiday adds %g (%s), want 15", more.MaxAbs(), more.Mode)
	}
}

// TestConditionAndRegressor has a daily rhythm on working days only, and a quantity of
// its own scale.
func TestConditionAndRegressor(t *testing.T) {
	const n = 28 * 24
	rnd := seed.Stream(1, "regressor")
	load := make([]float64, n)
	open := make([]bool, n)
	s := series(n, time.Hour, func(at time.Time, i int) float64 {
		load[i] = 1000 + 100*rnd.NormFloat64()
		open[i] = at.Hour() >= 9 && at.Hour() < 17
		y := 50 + 0.02*load[i] + noise(i)/5
		if w := at.Weekday(); w != time.Saturday && w != time.Sunday {
			y += 6 * math.Cos(2*math.Pi*prophet.Days(at))
		}
		if open[i] {
			y += 4 * math.Sin(2*math.Pi*prophet.Days(at)/0.25)
		}
		return y
	})
	m := fit.DefaultModel()
	m.Seasonalities = []prophet.Seasonality{
		{Name: "work", Period: 1, Order: 2, Condition: "weekday"},
		{Name: "open", Period: 0.25, Order: 1, Condition: "open"},
	}
	m.Regressors = []fit.Regressor{{Name: "load"}}
	c := prophet.Columns{Conditions: map[string][]bool{"open": open}, Regressors: map[string][]float64{"load": load}}
	f, err := m.FitColumns(t.Context(), times(s), s.Count, c)
	if err != nil {
		t.Fatal(err)
	}
	if got := logPosteriorColumns(f, times(s), s.Count, c, m.ChangepointPriorScale); math.Abs(got-f.LogPosterior) > 1e-6 {
		t.Errorf("log posterior %.9f, recomputed %.9f", f.LogPosterior, got)
	}
	fc, err := f.ForecastColumns(times(s), c)
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range fc.Time {
		want := 0.0
		if w := at.Weekday(); w != time.Saturday && w != time.Sunday {
			want = 6 * math.Cos(2*math.Pi*prophet.Days(at))
		}
		if math.Abs(fc.Seasonal[0].Value[i]-want) > 0.2 || want == 0 && fc.Seasonal[0].Value[i] != 0 {
			t.Fatalf("work is %g at %v, want %g", fc.Seasonal[0].Value[i], at, want)
		}
		if !open[i] && fc.Seasonal[1].Value[i] != 0 {
			t.Fatalf("open is %g at %v, where the condition does not hold", fc.Seasonal[1].Value[i], at)
		}
		if want := 0.02 * (load[i] - f.Regressors[0].Mean); math.Abs(fc.Regressors[0].Value[i]-want) > 0.2 {
			t.Fatalf("load has the effect %g at %v, want %g", fc.Regressors[0].Value[i], at, want)
		}
	}
	if _, err := f.ForecastColumns(times(s), prophet.Columns{Conditions: c.Conditions}); err == nil || !strings.Contains(err.Error(), `"load"`) {
		t.Errorf("without the regressor: error %v, want one that names it", err)
	}
}

func TestStandardise(t *testing.T) {
	const n = 100
	s := series(n, time.Hour, func(_ time.Time, i int) float64 { return 3 + noise(i) })
	wide, binary, level := make([]float64, n), make([]float64, n), slices.Repeat([]float64{7}, n)
	for i := range n {
		wide[i], binary[i] = float64(i), float64(i%2)
	}
	m := fit.DefaultModel()
	m.Regressors = []fit.Regressor{{Name: "wide"}, {Name: "raw", Standardise: fit.Never}, {Name: "binary"},
		{Name: "always", Standardise: fit.Always}, {Name: "level", Standardise: fit.Always}}
	f, err := m.FitColumns(t.Context(), times(s), s.Count, prophet.Columns{Regressors: map[string][]float64{
		"wide": wide, "raw": wide, "binary": binary, "always": binary, "level": level}})
	if err != nil {
		t.Fatal(err)
	}
	deviation := math.Sqrt(n * (n*n - 1) / 12. / (n - 1)) // of 0, …, n-1
	for i, want := range [][2]float64{{49.5, deviation}, {0, 1}, {0, 1}, {0.5, math.Sqrt(25. / 99)}, {0, 1}} {
		if r := f.Regressors[i]; math.Abs(r.Mean-want[0]) > 1e-12 || math.Abs(r.Scale-want[1]) > 1e-12 {
			t.Errorf("%s: mean %g and scale %g, want %v", r.Name, r.Mean, r.Scale, want)
		}
	}
}

// TestCurveMode is TestMode for models that are not linear in their parameters: nothing
// near the mode that is found has a higher density.
func TestCurveMode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rnd := seed.Stream(rapid.Uint64().Draw(t, "seed"), "mode")
		m := fit.DefaultModel()
		m.Changepoints = rapid.IntRange(0, 8).Draw(t, "changepoints")
		m.ChangepointPriorScale = rapid.SampledFrom([]float64{0.01, 0.05, 1}).Draw(t, "tau")
		m.Growth = rapid.SampledFrom([]prophet.Growth{prophet.Linear, prophet.Logistic, prophet.Flat}).Draw(t, "growth")
		m.Cap, m.Floor = 40, -3
		m.SeasonalityMode = rapid.SampledFrom([]prophet.Mode{prophet.Additive, prophet.Multiplicative}).Draw(t, "mode")
		m.Seasonalities = []prophet.Seasonality{{Name: "daily", Period: 1, Order: 2}}
		m.Holidays = []prophet.Holiday{{Name: "h", Dates: []prophet.Day{prophet.DayOf(monday) + 2}, UpperWindow: 1, Mode: prophet.Multiplicative}}
		n := rapid.IntRange(60, 150).Draw(t, "n")
		rise, tall := rnd.Float64()*10-4, rnd.Float64()*3
		s := series(n, time.Hour, func(at time.Time, i int) float64 {
			x := float64(i) / float64(n)
			return 25/(1+math.Exp(-rise*(x-0.5)))*(1+0.1*math.Cos(2*math.Pi*prophet.Days(at))) + tall*math.Sin(2*math.Pi*prophet.Days(at)) + 0.5*rnd.NormFloat64()
		})
		f, err := m.Fit(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		at := times(s)
		best := logPosterior(f, at, s.Count, m.ChangepointPriorScale)
		if math.Abs(best-f.LogPosterior) > 1e-6 {
			t.Fatalf("log posterior %.9f, recomputed %.9f", f.LogPosterior, best)
		}
		for _, size := range []float64{1e-4, 1e-3, 1e-2} {
			for try := range 12 {
				g := *f
				g.Delta, g.Beta = slices.Clone(f.Delta), slices.Clone(f.Beta)
				move := func() float64 {
					if try%3 != 0 || rnd.IntN(4) == 0 {
						return size * rnd.NormFloat64()
					}
					return 0
				}
				if g.Growth != prophet.Flat {
					g.K += move()
				}
				g.M += move()
				for i := range g.Delta {
					g.Delta[i] += move()
				}
				for i := range g.Beta {
					g.Beta[i] += move()
				}
				g.SigmaObs *= math.Exp(move())
				if lp := logPosterior(&g, at, s.Count, m.ChangepointPriorScale); lp > best+1e-7 {
					t.Fatalf("a point at distance %g has the log posterior %.9f, more than %.9f", size, lp, best)
				}
			}
		}
	})
}

func TestCurveDegenerate(t *testing.T) {
	logistic := fit.DefaultModel()
	logistic.Growth, logistic.Cap = prophet.Logistic, 10
	shares := fit.DefaultModel()
	shares.SeasonalityMode = prophet.Multiplicative
	for name, m := range map[string]fit.Model{"logistic": logistic, "multiplicative": shares} {
		m.Seasonalities = []prophet.Seasonality{{Name: "daily", Period: 1, Order: 4}}
		for _, want := range []float64{0, 5, -3} {
			f := mustFit(t, m, series(40, time.Hour, func(time.Time, int) float64 { return want }))
			if y := f.Forecast([]time.Time{monday.Add(99 * day)}).Yhat[0]; y != want {
				t.Errorf("%s: a constant of %g has the forecast %g", name, want, y)
			}
		}
		// Fewer values than parameters, values above the capacity and below the floor.
		for _, n := range []int{2, 3, 8, 20} {
			s := series(n, 7*time.Hour, func(_ time.Time, i int) float64 { return 6 + 9*noise(i) })
			f := mustFit(t, m, s)
			for i, y := range f.Forecast(times(s)).Yhat {
				if math.IsNaN(y) || math.Abs(y-s.Count[i]) > 40 {
					t.Errorf("%s, %d values: yhat %g for %g", name, n, y, s.Count[i])
				}
			}
		}
	}
}

func TestBadColumns(t *testing.T) {
	good := series(50, time.Hour, func(_ time.Time, i int) float64 { return 5 + noise(i) })
	n := len(good.Count)
	ones := func() []float64 { return slices.Repeat([]float64{1}, n) }
	for name, c := range map[string]struct {
		change func(*fit.Model, *prophet.Columns)
		want   string
	}{
		"no capacity": {func(m *fit.Model, _ *prophet.Columns) { m.Growth = prophet.Logistic }, "cap"},
		"floor above": {func(m *fit.Model, _ *prophet.Columns) { m.Growth, m.Cap, m.Floor = prophet.Logistic, 1, 2 }, "1 and 2 at 2019"},
		"short":       {func(m *fit.Model, c *prophet.Columns) { m.Growth, c.Cap = prophet.Logistic, ones()[1:] }, "cap has 49 values for 50"},
		"column":      {func(m *fit.Model, c *prophet.Columns) { m.Growth, c.Cap, c.Floor = prophet.Logistic, ones(), ones() }, "1 and 1 at 2019"},
		"missing": {func(m *fit.Model, c *prophet.Columns) {
			m.Growth, c.Cap = prophet.Logistic, ones()
			c.Cap[3] = math.NaN()
		}, "NaN"},
		"condition": {func(m *fit.Model, _ *prophet.Columns) {
			m.Seasonalities = []prophet.Seasonality{{Name: "x", Period: 1, Order: 1, Condition: "open"}}
		}, `"open"`},
		"mode":         {func(m *fit.Model, _ *prophet.Columns) { m.SeasonalityMode = "both" }, "seasonality_mode"},
		"mode of term": {func(m *fit.Model, _ *prophet.Columns) { m.Regressors = []fit.Regressor{{Name: "x", Mode: "both"}} }, `regressor "x": mode`},
		"no regressor": {func(m *fit.Model, _ *prophet.Columns) { m.Regressors = []fit.Regressor{{Name: "x"}} }, `regressor "x"`},
		"NaN regressor": {func(m *fit.Model, c *prophet.Columns) {
			m.Regressors = []fit.Regressor{{Name: "x"}}
			c.Regressors = map[string][]float64{"x": ones()}
			c.Regressors["x"][4] = math.NaN()
		}, `regressor "x" is NaN at 2019-07-15 04:00`},
		"window": {func(m *fit.Model, _ *prophet.Columns) {
			m.Holidays = []prophet.Holiday{{Name: "x", Dates: []prophet.Day{0}, Windows: [][2]int{{0, 1}}}}
		}, "window"},
	} {
		m, columns := fit.DefaultModel(), prophet.Columns{}
		c.change(&m, &columns)
		if _, err := m.FitColumns(t.Context(), times(good), good.Count, columns); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that names %q", name, err, c.want)
		}
	}
}

// TestCurvesInAFleet are what they are alone, whatever the number of workers.
func TestCurvesInAFleet(t *testing.T) {
	m := fit.DefaultModel()
	m.Growth, m.Cap = prophet.Logistic, 30
	m.Seasonalities = []prophet.Seasonality{{Name: "daily", Period: 1, Order: 2, Mode: prophet.Multiplicative}}
	var all [][]float64
	for k := range 6 {
		s := series(120, time.Hour, func(at time.Time, i int) float64 {
			return 20/(1+math.Exp(-float64(i-60)/20))*(1+0.1*float64(k)*math.Sin(2*math.Pi*prophet.Days(at))) + noise(i+1000*k)
		})
		all = append(all, s.Count)
	}
	for _, workers := range []int{1, 3} {
		fleet, err := m.Fleet(t.Context(), fit.Grid{Start: monday, Step: time.Hour}, all, workers)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range fleet {
			if asJSON(t, f) != asJSON(t, mustFit(t, m, datasets.Series{Start: monday, Step: time.Hour, Count: all[i]})) {
				t.Errorf("series %d differs in a fleet of %d workers", i, workers)
			}
		}
	}
}

// BenchmarkCurve fits a logistic trend with yearly and weekly terms to 8 years of days,
// additive and multiplicative.
func BenchmarkCurve(b *testing.B) {
	const n = 2900
	s := series(n, day, func(at time.Time, i int) float64 {
		x := float64(i) / n
		return 90/(1+math.Exp(-5*(x-0.3)))*(1+0.1*math.Sin(2*math.Pi*prophet.Days(at)/365.25)+0.05*math.Cos(2*math.Pi*prophet.Days(at)/7)) + 3*noise(i)
	})
	at := times(s)
	for _, mode := range []prophet.Mode{prophet.Additive, prophet.Multiplicative} {
		b.Run(string(mode), func(b *testing.B) {
			m := fit.DefaultModel()
			m.Growth, m.Cap, m.SeasonalityMode = prophet.Logistic, 100, mode
			m.Seasonalities = fit.ProphetSeasonalities(n*day, day)
			var lp float64
			for b.Loop() {
				f, err := m.FitTimes(b.Context(), at, s.Count)
				if err != nil {
					b.Fatal(err)
				}
				lp = f.LogPosterior
			}
			b.ReportMetric(lp, "lp")
		})
	}
}
