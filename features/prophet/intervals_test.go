package prophet_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/features/prophet"
)

func TestBetween(t *testing.T) {
	sorted := func(x []float64, p float64) float64 {
		at := p * float64(len(x)-1)
		i := min(int(at), len(x)-2)
		return x[i] + (at-float64(i))*(x[i+1]-x[i])
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Float64Range(-3, 3), rapid.Map(rapid.IntRange(0, 2), func(i int) float64 { return float64(i) }))
		x := rapid.SliceOfN(value, 10, 200).Draw(t, "x")
		level := rapid.Float64Range(0.001, 0.999).Draw(t, "level")
		order := slices.Sorted(slices.Values(x))
		lower, upper := prophet.Between(x, level)
		if lower != sorted(order, (1-level)/2) || upper != sorted(order, (1+level)/2) {
			t.Fatalf("quantiles %g and %g of %v at level %g", lower, upper, order, level)
		}
		if slices.Sort(x); !slices.Equal(x, order) {
			t.Fatal("values were lost")
		}
	})
}

// probability is that of y <= yhat + x at u after the end of the history, all in scaled
// units, from its characteristic function. New changepoints are a Poisson process of the
// given rate, their changes of slope Laplace(0, b), so the trend's deviation has
//
//	E exp(iwD) = exp(rate * integral_0^u (1/(1+(b w s)^2) - 1) ds) = exp(rate * (atan(bwu)/(bw) - u))
func probability(x, u, rate, b, sigma float64) float64 {
	const nodes = 4000
	end := 9 / sigma // exp(-81/2) is nothing
	h := end / nodes
	sum := x / 2 // the integrand at 0
	for i := 1; i <= nodes; i++ {
		w := float64(i) * h
		sum += math.Sin(w*x) / w * math.Exp(rate*(math.Atan(b*w*u)/(b*w)-u)-sigma*sigma*w*w/2)
	}
	return 0.5 + sum*h/math.Pi
}

// TestCoverage compares the intervals with the exact distribution.
func TestCoverage(t *testing.T) {
	f := example()
	f.Seasonalities, f.Holidays, f.Beta = nil, nil, nil
	var b float64
	for _, d := range f.Delta {
		b += math.Abs(d) / float64(len(f.Delta))
	}
	rate := float64(len(f.Changepoints))
	var times []time.Time
	for h := range 200 {
		times = append(times, f.End.Add(time.Duration(h+1)*time.Hour))
	}
	fc := f.Forecast(times)
	const n = 4000
	for _, level := range []float64{0.5, 0.8, 0.99} {
		if err := f.Intervals(fc, prophet.IntervalOptions{Level: level, Samples: n, Seed: 7}); err != nil {
			t.Fatal(err)
		}
		// The share below a quantile of n draws deviates by sqrt(p(1-p)/n).
		bound := 4 * math.Sqrt((1-level)*(1+level)/4/n)
		for i, at := range times {
			u := f.Scale(at) - 1
			for _, side := range []struct{ edge, want float64 }{{fc.Lower[i], (1 - level) / 2}, {fc.Upper[i], (1 + level) / 2}} {
				p := probability((side.edge-fc.Yhat[i])/f.YScale, u, rate, b, f.SigmaObs)
				if math.Abs(p-side.want) > bound {
					t.Errorf("level %g, %v after the history: %.4f lies below the edge, want %.4f within %.4f", level, at.Sub(f.End), p, side.want, bound)
				}
			}
		}
	}
	// Soon after the history, all but the noise vanishes.
	soon := f.Forecast([]time.Time{f.End, f.End.Add(time.Second)})
	if err := f.Intervals(soon, prophet.DefaultIntervalOptions()); err != nil {
		t.Fatal(err)
	}
	if d := math.Abs((soon.Upper[1]-soon.Yhat[1])/(soon.Upper[0]-soon.Yhat[0]) - 1); d > 5e-3 {
		t.Errorf("the interval jumps by %.2g at the end of the history", d)
	}
}
