package fit

import (
	"math"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/internal/seed"
)

// TestStartsFindTheBestMode climbs from many random points as well: none ends above the
// mode that the fixed starts find.
func TestStartsFindTheBestMode(t *testing.T) {
	start := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	const n = 150
	for name, c := range map[string]struct {
		growth prophet.Growth
		mode   prophet.Mode
		trend  func(x float64) float64
	}{
		"rising":        {prophet.Logistic, prophet.Additive, func(x float64) float64 { return 0.9 / (1 + math.Exp(-8*(x-0.4))) }},
		"falling":       {prophet.Logistic, prophet.Multiplicative, func(x float64) float64 { return 0.7 / (1 + math.Exp(6*(x-0.5))) }},
		"peak":          {prophet.Logistic, prophet.Additive, func(x float64) float64 { return 0.9 / (1 + math.Exp(4*math.Abs(x-0.5)-1)) }},
		"line":          {prophet.Linear, prophet.Multiplicative, func(x float64) float64 { return 0.2 + 0.5*x - 0.6*max(0, x-0.6) }},
		"through zero":  {prophet.Linear, prophet.Multiplicative, func(x float64) float64 { return 0.6 - x }},
		"level":         {prophet.Flat, prophet.Multiplicative, func(float64) float64 { return 0.6 }},
		"almost level":  {prophet.Logistic, prophet.Multiplicative, func(x float64) float64 { return 0.5 + 0.02*x }},
		"noise, linear": {prophet.Linear, prophet.Multiplicative, func(float64) float64 { return 0 }},
	} {
		m := DefaultModel()
		m.Growth, m.SeasonalityMode, m.Changepoints = c.growth, c.mode, 8
		m.Seasonalities = []prophet.Seasonality{{Name: "weekly", Period: 7, Order: 2}}
		rnd := seed.Stream(1, "modes/"+name)
		var times []time.Time
		var y, capacity []float64
		for i := range n {
			x := float64(i) / n
			times = append(times, start.AddDate(0, 0, i))
			y = append(y, c.trend(x)*(1+0.2*math.Sin(2*math.Pi*float64(i)/7))+0.05*rnd.NormFloat64())
			capacity = append(capacity, 1)
		}
		if c.growth != prophet.Logistic {
			capacity = nil
		}
		d, err := m.newDesign(times, prophet.Columns{})
		if err != nil {
			t.Fatal(err)
		}
		w := new(workspace)
		w.reset(d.n)
		curve := d.newCurve(y, capacity, nil)
		_, best := curve.maximise(w)
		for range 25 {
			clear(w.theta)
			w.theta[0], w.theta[d.head()-1] = 6*rnd.NormFloat64(), 1.5*rnd.NormFloat64()
			for i := d.head(); i < d.n; i++ {
				w.theta[i] = rnd.NormFloat64() * float64(rnd.IntN(2))
			}
			noise := nextVariance(curve.evaluate(w.theta), n, curve.least) * math.Exp(-4*rnd.Float64())
			variance, sse := curve.climb(w, noise)
			if lp := d.objective(w.theta, variance, sse, n); lp > best+1e-6 {
				t.Errorf("%s: a random start ends at the log posterior %.9f, above %.9f", name, lp, best)
			}
		}
	}
}
