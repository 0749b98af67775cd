package fit_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/internal/seed"
)

// monday is a midnight UTC.
var monday = time.Date(2019, 7, 15, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// series makes n values of y at monday, monday+step, …
func series(n int, step time.Duration, y func(at time.Time, i int) float64) datasets.Series {
	s := datasets.Series{Start: monday, Step: step, Count: make([]float64, n)}
	for i := range s.Count {
		s.Count[i] = y(monday.Add(time.Duration(i)*step), i)
	}
	return s
}

func times(s datasets.Series) []time.Time {
	out := make([]time.Time, len(s.Count))
	for i := range out {
		out[i] = s.Start.Add(time.Duration(i) * s.Step)
	}
	return out
}

func mustFit(t testing.TB, m fit.Model, s datasets.Series) *prophet.Fitted {
	t.Helper()
	f, err := m.Fit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
	return f
}

func noise(i int) float64 { return seed.Normal(seed.Key(1, "noise"), uint64(i)) }

// TestRetail has the log posterior of the real Prophet (r-cran-prophet 1.0, rstan
// 2.21.7), 1020.936814, and of a solution by another program, 1023.444425, on
// Prophet's example_retail_sales.csv. TestGolden, under the tag parity, has more.
func TestRetail(t *testing.T) {
	times, y := readSeries(t, "testdata/retail_sales.csv")
	m := fit.DefaultModel()
	m.Seasonalities = fit.ProphetSeasonalities(times[len(times)-1].Sub(times[0]), 28*day)
	f, err := m.FitTimes(t.Context(), times, y)
	if err != nil {
		t.Fatal(err)
	}
	if f.LogPosterior < 1023.444425-1e-6 {
		t.Errorf("log posterior %.6f", f.LogPosterior)
	}
	if got := logPosterior(f, times, y, m.ChangepointPriorScale); math.Abs(got-f.LogPosterior) > 1e-6 {
		t.Errorf("log posterior %.9f, recomputed from the rows %.9f", f.LogPosterior, got)
	}

	// The rows in another order are the same history.
	slices.Reverse(times)
	slices.Reverse(y)
	g, err := m.FitTimes(t.Context(), times, y)
	if err != nil {
		t.Fatal(err)
	}
	if asJSON(t, f) != asJSON(t, g) {
		t.Error("the order of the rows changes the result")
	}
}

// TestMode looks for a better point around the one found: in no direction, and
// along none of the coordinates, may the density be higher.
func TestMode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rnd := seed.Stream(rapid.Uint64().Draw(t, "seed"), "mode")
		m := fit.DefaultModel()
		m.Changepoints = rapid.IntRange(0, 12).Draw(t, "changepoints")
		m.ChangepointPriorScale = rapid.SampledFrom([]float64{0.001, 0.05, 5}).Draw(t, "tau")
		if rapid.Bool().Draw(t, "flat") {
			m.Growth = prophet.Flat
		}
		m.Seasonalities = []prophet.Seasonality{{Name: "daily", Period: 1, Order: 2}}
		m.Holidays = []prophet.Holiday{{Name: "h", Dates: []prophet.Day{prophet.DayOf(monday) + 2}, UpperWindow: 1}}
		n := rapid.IntRange(60, 200).Draw(t, "n")
		bend, tall := rnd.Float64()*4-2, rnd.Float64()*3
		s := series(n, time.Hour, func(at time.Time, i int) float64 {
			x := float64(i) / float64(n)
			if rnd.IntN(20) == 0 {
				return math.NaN()
			}
			return 5 + 2*x + bend*max(0, x-0.4)*3 + tall*math.Sin(2*math.Pi*prophet.Days(at)) + 0.3*rnd.NormFloat64()
		})
		f, err := m.Fit(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		at := times(s)
		best := logPosterior(f, at, s.Count, m.ChangepointPriorScale)
		if math.Abs(best-f.LogPosterior) > 1e-6 {
			t.Fatalf("log posterior %.9f, recomputed %.9f", f.LogPosterior, best)
		}
		for _, size := range []float64{1e-3, 1e-2, 0.1} {
			for try := range 12 {
				g := *f
				g.Delta, g.Beta = slices.Clone(f.Delta), slices.Clone(f.Beta)
				move := func() float64 {
					if try%3 != 0 || rnd.IntN(4) == 0 {
						return size * rnd.NormFloat64()
					}
					return 0
				}
				if g.Growth == prophet.Linear {
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

// TestOptimality checks the conditions of Karush, Kuhn and Tucker from the rows: the
// derivative of the density is 0 along every parameter that is not at a kink, and
// within +-1/tau, the slope of the kink, along every delta that is 0.
func TestOptimality(t *testing.T) {
	const n = 8 * 48
	for _, tau := range []float64{0.002, 0.05, 1} {
		for kind := range 6 {
			s := series(n, 30*time.Minute, func(at time.Time, i int) float64 {
				x := float64(i) / n
				bend := []float64{0, 1, -3, 8, 0.3, 2}[kind]
				return 10 + 3*x + bend*max(0, x-0.3) - bend/2*max(0, x-0.6) + math.Sin(2*math.Pi*prophet.Days(at)) + 0.4*noise(i+1000*kind)
			})
			m := fit.DefaultModel()
			m.ChangepointPriorScale = tau
			m.Seasonalities = []prophet.Seasonality{{Name: "daily", Period: 1, Order: 2, PriorScale: 0.05}}
			m.Holidays = []prophet.Holiday{{Name: "h", Dates: []prophet.Day{prophet.DayOf(monday) + 2}, PriorScale: 0.1}}
			f := mustFit(t, m, s)

			var one, line, sse float64 // derivatives of the likelihood
			delta, beta := make([]float64, len(f.Delta)), make([]float64, len(f.Beta))
			fc := f.Forecast(times(s))
			v := f.SigmaObs * f.SigmaObs
			for i, at := range fc.Time {
				r := (s.Count[i] - fc.Yhat[i]) / f.YScale
				sse += r * r
				x := f.Scale(at)
				one += r / v
				line += r * x / v
				for j, c := range f.Changepoints {
					delta[j] += r * max(0, x-c) / v
				}
				row := f.Seasonalities[0].Append(nil, prophet.Days(at))
				if f.Holidays[0].On(prophet.DayOf(at), 0) {
					row = append(row, 1)
				} else {
					row = append(row, 0)
				}
				for j, c := range row {
					beta[j] += r * c / v
				}
			}
			// Derivatives are of the size n/sigma before they cancel.
			tolerance := 1e-7 * n / f.SigmaObs
			zero := func(name string, d float64) {
				if math.Abs(d) > tolerance {
					t.Errorf("tau %g, kind %d: derivative along %s is %g", tau, kind, name, d)
				}
			}
			zero("k", line-f.K/25)
			zero("m", one-f.M/25)
			zero("sigma", -4*f.SigmaObs-n/f.SigmaObs+sse/(v*f.SigmaObs))
			for j, scale := range priorScales(f) {
				zero("beta", beta[j]-f.Beta[j]/(scale*scale))
			}
			for j, d := range f.Delta {
				if d != 0 {
					zero("delta", delta[j]-math.Copysign(1/tau, d))
				} else if math.Abs(delta[j]) > 1/tau+tolerance {
					t.Errorf("tau %g, kind %d: derivative along delta %d, which is 0, is %g, beyond %g", tau, kind, j, delta[j], 1/tau)
				}
			}
		}
	}
}

func TestLineIsItsTrend(t *testing.T) {
	s := series(600, time.Hour, func(_ time.Time, i int) float64 { return 100 + 0.5*float64(i) })
	m := fit.DefaultModel()
	m.Seasonalities = fit.AutoSeasonalities(600*time.Hour, time.Hour)
	f := mustFit(t, m, s)
	ahead := append(times(s), monday.Add(1000*time.Hour))
	fc := f.Forecast(ahead)
	for i, at := range ahead {
		want := 100 + 0.5*at.Sub(monday).Hours()
		if math.Abs(fc.Trend[i]-want) > 1e-3 || math.Abs(fc.Yhat[i]-want) > 1e-3 {
			t.Fatalf("at %v: trend %.6f, yhat %.6f, want %g", at, fc.Trend[i], fc.Yhat[i], want)
		}
	}
}

func TestHarmonicIsItsSeasonality(t *testing.T) {
	wave := func(at time.Time) float64 {
		d := prophet.Days(at)
		return 3*math.Sin(2*math.Pi*d) - 2*math.Cos(4*math.Pi*d)
	}
	s := series(10*96, 15*time.Minute, func(at time.Time, i int) float64 { return 20 + wave(at) + 0.05*noise(i) })
	m := fit.DefaultModel()
	m.Seasonalities = []prophet.Seasonality{
		{Name: "daily", Period: 1, Order: 4},
		{Name: "halfday", Period: 0.37, Order: 2}, // not a whole number of steps, and not in the data
	}
	f := mustFit(t, m, s)
	fc := f.Forecast(times(s))
	for i, at := range fc.Time {
		if d := math.Abs(fc.Seasonal[0].Value[i] - wave(at)); d > 0.03 {
			t.Fatalf("daily differs by %g at %v", d, at)
		}
		if d := math.Abs(fc.Seasonal[1].Value[i]); d > 0.03 {
			t.Fatalf("halfday is %g at %v", d, at)
		}
	}
}

func TestChangepointIsFound(t *testing.T) {
	s := series(1000, time.Hour, func(_ time.Time, i int) float64 {
		return 50 + 0.1*float64(i) + 0.4*max(0, float64(i)-500) + 0.5*noise(i)
	})
	m := fit.DefaultModel()
	m.ChangepointTimes = []time.Time{monday.Add(750 * time.Hour), monday.Add(500 * time.Hour), monday.Add(250 * time.Hour)}
	f := mustFit(t, m, s)
	slope := 0.4 * 999 / f.YScale
	if math.Abs(f.Delta[1]-slope) > 0.02*slope || math.Abs(f.Delta[0]) > 0.02*slope || math.Abs(f.Delta[2]) > 0.02*slope {
		t.Errorf("delta %v, want about 0, %g, 0", f.Delta, slope)
	}
	if at := f.Time(f.Changepoints[1]); !at.Equal(monday.Add(500 * time.Hour)) {
		t.Errorf("changepoint at %v", at)
	}
}

func TestHolidayIsFound(t *testing.T) {
	s := series(14*24, time.Hour, func(at time.Time, i int) float64 {
		y := 30 + noise(i)
		switch prophet.DayOf(at) - prophet.DayOf(monday) {
		case 3:
			y += 12
		case 4:
			y -= 5
		}
		return y
	})
	m := fit.DefaultModel()
	m.Holidays = []prophet.Holiday{
		{Name: "step", Dates: []prophet.Day{prophet.DayOf(monday) + 3}, LowerWindow: -1, UpperWindow: 1},
		{Name: "far", Dates: []prophet.Day{prophet.DayOf(monday) + 1000}}, // outside: no effect
	}
	f := mustFit(t, m, s)
	fc := f.Forecast([]time.Time{monday.Add(2 * day), monday.Add(3*day + 5*time.Hour), monday.Add(4 * day), monday.Add(6 * day), monday.Add(1000 * day)})
	if fc.Holidays[0].Name != "far" || fc.Holidays[1].Name != "step" {
		t.Fatalf("holidays %q, %q: must be in order of name", fc.Holidays[0].Name, fc.Holidays[1].Name)
	}
	for i, want := range []float64{0, 12, -5, 0, 0} {
		if got := fc.Holidays[0].Value[i] + fc.Holidays[1].Value[i]; math.Abs(got-want) > 1 {
			t.Errorf("at %v: effect %.2f, want about %g", fc.Time[i], got, want)
		}
	}
}

func TestDegenerate(t *testing.T) {
	m := fit.DefaultModel()
	m.Seasonalities = []prophet.Seasonality{{Name: "daily", Period: 1, Order: 4}}
	nan := math.NaN()
	for name, c := range map[string]struct {
		y    []float64
		want float64
		n    int
	}{
		"none":     {nil, 0, 0},
		"zeros":    {make([]float64, 100), 0, 100},
		"constant": {slices.Repeat([]float64{-3.7}, 50), -3.7, 50},
		"missing":  {slices.Repeat([]float64{nan}, 50), 0, 0},
		"one":      {[]float64{nan, 5, nan}, 5, 1},
	} {
		f := mustFit(t, m, datasets.Series{Start: monday, Step: time.Minute, Count: c.y})
		fc := f.Forecast([]time.Time{monday.Add(-day), monday, monday.Add(9 * day)})
		if err := f.Intervals(fc, prophet.DefaultIntervalOptions()); err != nil {
			t.Fatal(err)
		}
		for i, y := range fc.Yhat {
			if y != c.want || fc.Lower[i] != y || fc.Upper[i] != y {
				t.Errorf("%s: yhat %g in [%g, %g], want %g", name, y, fc.Lower[i], fc.Upper[i], c.want)
			}
		}
		if f.Observations != c.n {
			t.Errorf("%s: %d observations, want %d", name, f.Observations, c.n)
		}
		asJSON(t, f)
	}
	// Fewer values than parameters, and two of them: finite, and close to the data.
	for _, n := range []int{2, 3, 8, 20} {
		s := series(n, 17*time.Minute, func(_ time.Time, i int) float64 { return 10 + 3*noise(i) })
		f := mustFit(t, m, s)
		fc := f.Forecast(times(s))
		for i, y := range fc.Yhat {
			if math.Abs(y-s.Count[i]) > 12 || math.IsNaN(y) {
				t.Errorf("%d values: yhat %g for %g", n, y, s.Count[i])
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	good := series(50, time.Hour, func(_ time.Time, i int) float64 { return noise(i) })
	for name, c := range map[string]struct {
		change func(*fit.Model, *datasets.Series)
		want   string
	}{
		"infinite": {func(_ *fit.Model, s *datasets.Series) { s.Count[7] = math.Inf(1) }, "value 7"},
		"infinities": {func(m *fit.Model, s *datasets.Series) {
			s.Count[9], s.Count[10], m.Step = math.Inf(-1), math.Inf(1), 4*time.Hour
		}, "value 9, at 2019-07-15 09:00"},
		"step":        {func(_ *fit.Model, s *datasets.Series) { s.Step = 0 }, "step"},
		"coarse step": {func(m *fit.Model, _ *datasets.Series) { m.Step = 90 * time.Minute }, "multiple"},
		"growth":      {func(m *fit.Model, _ *datasets.Series) { m.Growth = "cubic" }, `"cubic"`},
		"tau":         {func(m *fit.Model, _ *datasets.Series) { m.ChangepointPriorScale = 0 }, "changepoint_prior_scale"},
		"range":       {func(m *fit.Model, _ *datasets.Series) { m.ChangepointRange = 1.5 }, "changepoint_range"},
		"order": {func(m *fit.Model, _ *datasets.Series) {
			m.Seasonalities = []prophet.Seasonality{{Name: "x", Period: 1}}
		}, "order"},
		"windows": {func(m *fit.Model, _ *datasets.Series) { m.Holidays = []prophet.Holiday{{Name: "x", LowerWindow: 1}} }, "lower_window"},
		"names": {func(m *fit.Model, _ *datasets.Series) {
			m.Holidays = []prophet.Holiday{{Name: "x"}}
			m.Seasonalities = []prophet.Seasonality{{Name: "x", Period: 1, Order: 1}}
		}, "name"},
		"changepoint": {func(m *fit.Model, _ *datasets.Series) { m.ChangepointTimes = []time.Time{monday.Add(-day)} }, "changepoint"},
	} {
		m, s := fit.DefaultModel(), good
		s.Count = slices.Clone(good.Count)
		s.Function = 12
		c.change(&m, &s)
		_, err := m.Fit(t.Context(), s)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "function 12") {
			t.Errorf("%s: error %v, want one that names %q and function 12", name, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fit.DefaultModel().Fit(ctx, good); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// fleet is a few kinds of series on one grid of steps.
func fleet(n, steps int) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		rnd := seed.Stream(uint64(i), "fleet")
		size := math.Exp(3 * rnd.NormFloat64())
		out[i] = make([]float64, steps)
		for j := range out[i] {
			phase := 2 * math.Pi * float64(j) / 1440
			rate := size * (1.2 + math.Sin(phase+float64(i)) + 0.3*math.Cos(phase/7))
			out[i][j] = math.Floor(max(0, rate*(1+0.5*rnd.NormFloat64())+rnd.Float64()))
		}
		switch i % 6 {
		case 3: // an outage
			for j := steps / 3; j < steps/3+50; j++ {
				out[i][j] = math.NaN()
			}
		case 4:
			clear(out[i])
		case 5: // deployed late
			for j := range steps / 4 {
				out[i][j] = math.NaN()
			}
		}
	}
	return out
}

func TestFleetIsSingleFits(t *testing.T) {
	const steps = 3 * 1440
	grid := fit.Grid{Start: monday, Step: time.Minute}
	m := fit.DefaultModel()
	m.Seasonalities = fit.AutoSeasonalities(steps*time.Minute, time.Minute)
	all := fleet(12, steps)
	for _, step := range []time.Duration{0, 5 * time.Minute} {
		m.Step = step
		var first []string
		for _, workers := range []int{1, 2, 5} {
			fitted, err := m.Fleet(t.Context(), grid, all, workers)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range fitted {
				got = append(got, asJSON(t, f))
			}
			if first == nil {
				first = got
			}
			if !slices.Equal(first, got) {
				t.Errorf("step %v: %d workers give other bytes than 1", step, workers)
			}
		}
		for i, y := range all {
			f := mustFit(t, m, datasets.Series{Start: monday, Step: time.Minute, Count: y})
			if asJSON(t, f) != first[i] {
				t.Errorf("step %v: series %d is not the single fit", step, i)
			}
		}
	}

	// A grid is a shortcut for times: folding seasonalities must not change the mode.
	m.Step = 0
	for i, y := range all {
		s := datasets.Series{Start: monday, Step: time.Minute, Count: y}
		a := mustFit(t, m, s)
		b, err := m.FitTimes(t.Context(), times(s), y)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(a.LogPosterior-b.LogPosterior) > 1e-6 {
			t.Errorf("series %d: log posterior %.9f on the grid, %.9f by times", i, a.LogPosterior, b.LogPosterior)
		}
	}
}

func TestCoarseStep(t *testing.T) {
	const n = 6 * 1440
	s := series(n, time.Minute, func(at time.Time, i int) float64 {
		return 40 + float64(i)/n*10 + 6*math.Sin(2*math.Pi*prophet.Days(at)) + 0.1*noise(i)
	})
	m := fit.DefaultModel()
	m.Seasonalities = []prophet.Seasonality{{Name: "daily", Period: 1, Order: 4}}
	fine := mustFit(t, m, s).Forecast(times(s))
	m.Step = 15 * time.Minute
	coarse := mustFit(t, m, s).Forecast(times(s))
	for i := range fine.Yhat {
		if d := math.Abs(fine.Yhat[i] - coarse.Yhat[i]); d > 0.05 {
			t.Fatalf("minute %d: %.3f by minutes, %.3f by quarters", i, fine.Yhat[i], coarse.Yhat[i])
		}
	}
}

func TestRollingOrigin(t *testing.T) {
	const steps = 4 * 1440
	grid := fit.Grid{Start: monday, Step: time.Minute}
	m := fit.DefaultModel()
	m.Changepoints = 5
	m.Seasonalities = fit.AutoSeasonalities(steps*time.Minute, time.Minute)
	all := fleet(4, steps)
	cutoffs := []int{1440, 2 * 1440, 3 * 1440}
	origins, err := m.RollingOrigin(t.Context(), grid, all, cutoffs, 2)
	if err != nil {
		t.Fatal(err)
	}
	// What comes after a cutoff must not matter.
	changed := make([][]float64, len(all))
	for i, y := range all {
		changed[i] = slices.Clone(y)
		for j := cutoffs[1]; j < steps; j++ {
			changed[i][j] = 1e6 * float64(j%7)
		}
	}
	again, err := m.RollingOrigin(t.Context(), grid, changed, cutoffs, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		for c := range 2 {
			if asJSON(t, origins[c].Fitted[i]) != asJSON(t, again[c].Fitted[i]) {
				t.Errorf("series %d: the fit at %d depends on later values", i, cutoffs[c])
			}
		}
		if asJSON(t, origins[2].Fitted[i]) == asJSON(t, again[2].Fitted[i]) {
			t.Errorf("series %d: the fit at %d does not depend on the values before it", i, cutoffs[2])
		}
	}
	if s := origins[0].Fitted[0].Seasonalities; len(s) != 1 || s[0].Name != "hourly" {
		t.Errorf("one day has the seasonalities %v, want hourly alone", s)
	}
	if s := origins[1].Fitted[0].Seasonalities; len(s) != 2 || s[0].Name != "daily" {
		t.Errorf("two days have the seasonalities %v, want daily and hourly", s)
	}
	if _, err := m.RollingOrigin(t.Context(), grid, all, []int{100, 100}, 1); err == nil {
		t.Error("equal cutoffs were accepted")
	}
}

func TestAutoSeasonalities(t *testing.T) {
	for _, c := range []struct {
		span, step time.Duration
		want       string
	}{
		{119 * time.Minute, time.Minute, ""},
		{2 * time.Hour, time.Minute, "hourly:4"},
		{2 * day, time.Minute, "daily:10 hourly:4"},
		{13 * day, time.Minute, "daily:10 hourly:4"},
		{14 * day, time.Minute, "weekly:3 daily:10 hourly:4"},
		{14 * day, 15 * time.Minute, "weekly:3 daily:10 hourly:1"},
		{14 * day, time.Hour, "weekly:3 daily:10"},
		{14 * day, 4 * time.Hour, "weekly:3 daily:2"},
		{70 * day, day, "monthly:5 weekly:3"},
		{731 * day, day, "yearly:10 monthly:5 weekly:3"},
	} {
		var got []string
		for _, s := range fit.AutoSeasonalities(c.span, c.step) {
			got = append(got, fmt.Sprintf("%s:%d", s.Name, s.Order))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("span %v, step %v: %q, want %q", c.span, c.step, s, c.want)
		}
	}
}

func TestAnomalousDays(t *testing.T) {
	grid := fit.Grid{Start: monday, Step: time.Minute}
	// Two weeks with quiet weekends, an outage on the second Tuesday, a burst on the
	// first Thursday, and a last day that is cut short.
	y := series(15*1440-300, time.Minute, func(at time.Time, i int) float64 {
		rate := 20 + 2*noise(i)
		if w := at.Weekday(); w == time.Saturday || w == time.Sunday {
			rate /= 4
		}
		switch i / 1440 {
		case 3:
			rate *= 3
		case 8:
			rate = 0
		}
		return math.Floor(rate)
	}).Count
	var got []string
	for _, h := range fit.AnomalousDays(grid, y) {
		got = append(got, h.Name)
		if len(h.Dates) != 1 || "anomalous_"+h.Dates[0].String() != h.Name {
			t.Errorf("%s on %v", h.Name, h.Dates)
		}
	}
	if want := []string{"anomalous_2019-07-18", "anomalous_2019-07-23"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if got := fit.AnomalousDays(grid, y[:3*1440]); len(got) != 0 {
		t.Errorf("three days have anomalies %v", got)
	}
}

func asJSON(t testing.TB, f *prophet.Fitted) string {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// BenchmarkFleet fits two weeks of minutes with 25 changepoints. "daily,weekly" are the
// terms that Prophet turns on by itself (41 columns), "auto" are those of the pipeline
// (69 columns).
func BenchmarkFleet(b *testing.B) {
	const steps = 14 * 1440
	all := fleet(240, steps)
	grid := fit.Grid{Start: monday, Step: time.Minute}
	var complete, gaps [][]float64
	for i, y := range all {
		switch {
		case i%6 < 3:
			complete = append(complete, y)
		case i%6 == 3: // gaps of its own, in more patterns than are kept
			for k := range 4 {
				y := slices.Clone(y)
				for j := range 30 {
					y[(i*7919+k*4801+j)%steps] = math.NaN()
				}
				gaps = append(gaps, y)
			}
		}
	}
	prophets := fit.ProphetSeasonalities(steps*time.Minute, time.Minute)
	auto := fit.AutoSeasonalities(steps*time.Minute, time.Minute)
	for _, c := range []struct {
		name          string
		series        [][]float64
		seasonalities []prophet.Seasonality
		step          time.Duration
	}{
		{"daily,weekly", complete, prophets, 0},
		{"auto", complete, auto, 0},
		{"auto/step=15m", complete, auto, 15 * time.Minute},
		{"gaps", gaps, prophets, 0},
		{"mixed", all, auto, 0},
	} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", c.name, workers), func(b *testing.B) {
				m := fit.DefaultModel()
				m.Seasonalities, m.Step = c.seasonalities, c.step
				for b.Loop() {
					if _, err := m.Fleet(b.Context(), grid, c.series, workers); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(c.series)*b.N)/b.Elapsed().Seconds(), "series/s")
			})
		}
	}
}

// BenchmarkFit fits one series with nothing to share, and reports the log posterior
// it reaches.
func BenchmarkFit(b *testing.B) {
	const steps = 10 * 1440
	s := datasets.Series{Start: monday, Step: time.Minute, Count: fleet(1, steps)[0]}
	m := fit.DefaultModel()
	m.Seasonalities = []prophet.Seasonality{{Name: "daily", Period: 1, Order: 4}}
	var lp float64
	for b.Loop() {
		lp = mustFit(b, m, s).LogPosterior
	}
	b.ReportMetric(lp, "lp")
}

// readSeries reads a file of ds,y.
func readSeries(t *testing.T, path string) (times []time.Time, y []float64) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		times = append(times, parseTime(t, row[0]))
		v, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			v = math.NaN() // "NA" or empty
		}
		y = append(y, v)
	}
	return times, y
}

func parseTime(t *testing.T, s string) time.Time {
	t.Helper()
	for _, layout := range []string{time.DateTime, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	t.Fatalf("time %q", s)
	return time.Time{}
}
