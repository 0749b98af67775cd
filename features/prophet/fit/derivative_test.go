package fit

import (
	"math"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/internal/seed"
)

// TestDerivatives compares the derivatives of the sum of squares, which need no pass over
// the columns of the hinges, with differences of its values.
func TestDerivatives(t *testing.T) {
	start := time.Date(2019, 7, 15, 0, 0, 0, 0, time.UTC)
	for _, growth := range []prophet.Growth{prophet.Linear, prophet.Logistic, prophet.Flat} {
		for _, mode := range []prophet.Mode{prophet.Additive, prophet.Multiplicative} {
			m := DefaultModel()
			m.Growth, m.Changepoints, m.Cap, m.SeasonalityMode = growth, 4, 1, mode
			m.Seasonalities = []prophet.Seasonality{{Name: "a", Period: 1, Order: 2}, {Name: "b", Period: 3, Order: 1, Mode: prophet.Additive}}
			m.Holidays = []prophet.Holiday{{Name: "h", Dates: []prophet.Day{prophet.DayOf(start) + 1}}}
			var times []time.Time
			var y, capacity []float64
			for i := range 60 {
				times = append(times, start.Add(time.Duration(i*i/10+2*i)*time.Hour))
				y = append(y, 0.5+0.3*seed.Normal(seed.Key(1, "y"), uint64(i)))
				capacity = append(capacity, 1+0.01*float64(i))
			}
			d, err := m.newDesign(times, prophet.Columns{})
			if err != nil {
				t.Fatal(err)
			}
			if growth != prophet.Logistic {
				capacity = nil
			}
			c := d.newCurve(y, capacity, nil)
			theta := make([]float64, d.n)
			for i := range theta {
				theta[i] = 0.6 * seed.Normal(seed.Key(1, "theta"), uint64(i))
			}
			at := func(moves ...int) float64 {
				const step = 1e-4
				x := append([]float64{}, theta...)
				for i := 0; i < len(moves); i += 2 {
					x[moves[i]] += float64(moves[i+1]) * step
				}
				return c.evaluate(x) / 2 / step
			}
			sse := c.evaluate(theta)
			if other := d.residuals(y, 1, theta); d.additive() && math.Abs(sse-other) > 1e-9 {
				t.Errorf("%s, %s: sum of squares %g, of the linear model %g", growth, mode, sse, other)
			}
			c.assemble(theta, true)
			uphill, tangent := append([]float64{}, c.uphill...), append([]float64{}, c.tangent...)
			for i := range theta {
				if want := -(at(i, 1) - at(i, -1)) / 2; math.Abs(uphill[i]-want) > 1e-5 {
					t.Errorf("%s, %s: descent along %d is %g, by differences %g", growth, mode, i, uphill[i], want)
				}
				for j := range theta {
					want := (at(i, 1, j, 1) - at(i, 1, j, -1) - at(i, -1, j, 1) + at(i, -1, j, -1)) / 4 / 1e-4
					if math.Abs(tangent[i*d.n+j]-want) > 1e-4*(1+math.Abs(want)) {
						t.Errorf("%s, %s: second derivative along %d and %d is %g, by differences %g", growth, mode, i, j, tangent[i*d.n+j], want)
					}
				}
			}
			// Without curvature it is that of the squares of the tangent: semidefinite.
			c.evaluate(theta)
			c.assemble(theta, false)
			local := *d
			local.gram = c.tangent
			w := new(workspace)
			w.reset(d.n)
			if !local.convex(w, 1e-6) {
				t.Errorf("%s, %s: the Gauss-Newton matrix is not positive definite", growth, mode)
			}
		}
	}
}
