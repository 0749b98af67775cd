package fit_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/internal/seed"
)

// sameMode fails if two fits are not the same mode within rounding.
func sameMode(t *testing.T, name string, a, b *prophet.Fitted) {
	t.Helper()
	if a.Start != b.Start || a.End != b.End || a.YScale != b.YScale || a.Observations != b.Observations {
		t.Fatalf("%s: history %v to %v of %d values, scale %g; want %v to %v of %d, %g",
			name, a.Start, a.End, a.Observations, a.YScale, b.Start, b.End, b.Observations, b.YScale)
	}
	if math.Abs(a.LogPosterior-b.LogPosterior) > 1e-7 {
		t.Errorf("%s: log posterior %.9f, want %.9f", name, a.LogPosterior, b.LogPosterior)
	}
	close := func(what string, a, b []float64) {
		if len(a) != len(b) {
			t.Fatalf("%s: %d values of %s, want %d", name, len(a), what, len(b))
		}
		for i := range a {
			if math.Abs(a[i]-b[i]) > 1e-7 {
				t.Errorf("%s: %s[%d] is %.12g, want %.12g", name, what, i, a[i], b[i])
			}
		}
	}
	close("k, m and sigma", []float64{a.K, a.M, a.SigmaObs}, []float64{b.K, b.M, b.SigmaObs})
	close("changepoints", a.Changepoints, b.Changepoints)
	close("delta", a.Delta, b.Delta)
	close("beta", a.Beta, b.Beta)
}

// gaps takes values away from y: none, some ends, long outages, many short ones or most.
func gaps(kind int, y []float64, rnd *rand.Rand) []float64 {
	y = slices.Clone(y)
	hole := func(first, n int) {
		for i := max(0, first); i < min(first+n, len(y)); i++ {
			y[i] = math.NaN()
		}
	}
	switch kind {
	case 1:
		hole(0, rnd.IntN(len(y)/2))
		hole(len(y)-rnd.IntN(len(y)/4), len(y))
	case 2:
		for range 3 {
			hole(rnd.IntN(len(y)), 150)
		}
	case 3:
		for range 40 {
			hole(rnd.IntN(len(y)), 1+rnd.IntN(5))
		}
	case 4:
		for i := range y {
			if rnd.Float64() < 0.8 {
				y[i] = math.NaN()
			}
		}
	}
	return y
}

// TestFleetIsPlain compares what folding, sums over blocks and corrections of the Gram
// matrix give with the fit that multiplies the matrices out.
func TestFleetIsPlain(t *testing.T) {
	const steps = 4*288 + 100 // of 5 minutes; not a whole number of blocks or days
	grid := fit.Grid{Start: monday.Add(7*time.Hour + 25*time.Minute), Step: 5 * time.Minute}
	linear := fit.DefaultModel()
	linear.Seasonalities = []prophet.Seasonality{
		{Name: "daily", Period: 1, Order: 3},
		{Name: "hourly", Period: fit.Hourly, Order: 2},
		{Name: "odd", Period: 0.7313, Order: 2}, // no whole number of steps
	}
	linear.Holidays = []prophet.Holiday{{Name: "special", Dates: []prophet.Day{prophet.DayOf(monday) + 2}, LowerWindow: -1, UpperWindow: 1}}
	flat := linear
	flat.Growth = prophet.Flat
	given := linear
	given.ChangepointTimes = []time.Time{monday.Add(44*time.Hour + 123*time.Second), monday.Add(70 * time.Hour)}
	short := linear
	short.Changepoints, short.ChangepointRange = 3, 1

	source := fleet(30, steps)
	for name, m := range map[string]fit.Model{"linear": linear, "flat": flat, "given": given, "short": short} {
		f, err := m.NewFleet(grid, steps)
		if err != nil {
			t.Fatal(err)
		}
		for kind := range 5 {
			rnd := seed.Stream(uint64(kind), "gaps")
			var batch [][]float64
			for i := range 3 {
				batch = append(batch, gaps(kind, source[6*i+i], rnd))
			}
			fitted, err := f.Fit(t.Context(), batch, 1)
			if err != nil {
				t.Fatal(err)
			}
			for i, y := range batch {
				plain, err := m.FitTimes(t.Context(), times(datasets.Series{Start: grid.Start, Step: grid.Step, Count: y}), y)
				if err != nil {
					t.Fatal(err)
				}
				sameMode(t, fmt.Sprintf("%s, gaps %d, series %d", name, kind, i), fitted[i], plain)
			}
		}
	}
}

// TestRollingOriginIsFleet compares with fits of the history up to each cutoff.
func TestRollingOriginIsFleet(t *testing.T) {
	const steps = 5 * 1440
	grid := fit.Grid{Start: monday, Step: time.Minute}
	m := fit.DefaultModel()
	m.Seasonalities = fit.AutoSeasonalities(steps*time.Minute, time.Minute)
	for _, step := range []time.Duration{0, 15 * time.Minute} {
		m.Step = step
		all := fleet(6, steps)
		cutoffs := []int{60, 1000, 1500, 2880, 4000, steps}
		f, err := m.NewFleet(grid, steps)
		if err != nil {
			t.Fatal(err)
		}
		origins, err := f.RollingOrigin(t.Context(), all, cutoffs, 2)
		if err != nil {
			t.Fatal(err)
		}
		for k, c := range cutoffs {
			at := m
			at.Seasonalities = fit.AutoSeasonalities(time.Duration(c)*time.Minute, time.Minute)
			for i, y := range all {
				want := mustFit(t, at, datasets.Series{Start: monday, Step: time.Minute, Count: y[:c]})
				sameMode(t, fmt.Sprintf("step %v, cutoff %d, series %d", step, c, i), origins[k].Fitted[i], want)
			}
		}
	}
}

// TestExtremeValues: the unit of y does not matter.
func TestExtremeValues(t *testing.T) {
	const steps = 500
	m := fit.DefaultModel()
	m.Seasonalities = []prophet.Seasonality{{Name: "daily", Period: 1, Order: 2}}
	s := datasets.Series{Start: monday, Step: time.Hour, Count: gaps(3, fleet(1, steps)[0], seed.Stream(1, "gaps"))}
	want := mustFit(t, m, s)
	for _, exponent := range []int{-900, -400, 10, 400, 900} {
		unit := math.Ldexp(1, exponent)
		y := slices.Clone(s.Count)
		for i := range y {
			y[i] *= unit
		}
		got := mustFit(t, m, datasets.Series{Start: s.Start, Step: s.Step, Count: y})
		if got.YScale != want.YScale*unit {
			t.Errorf("2^%d: y_scale %g, want %g", exponent, got.YScale, want.YScale*unit)
		}
		got.YScale = want.YScale
		sameMode(t, fmt.Sprintf("2^%d", exponent), got, want)
	}
}
