package scheduler

import (
	"math"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/priority"
)

// Factors returns what the priority of a function depends on (Incendio, Table I):
// its profile, its arrivals per minute, and the time since the arrival before.
func Factors(p decide.Profile, perMinute float64, sinceLast decide.Time) priority.Values {
	return priority.Values{
		priority.CPU:    p.CPU,
		priority.Memory: float64(p.Memory) / (512 << 20),
		priority.Init:   p.Initialise.Seconds(),
		priority.Exec:   p.Execution.Seconds(),
		priority.Term:   p.Termination.Seconds(),
		priority.Freq:   perMinute,
		priority.Clock:  math.Log1p(sinceLast.Seconds()),
	}
}

// signals implements decide.Signals from a priority model and the forecasts.
type signals struct {
	model    *priority.Model
	start    decide.Time
	rate     []float64 // arrivals per minute in training, by function
	forecast []forecast.Forecast
	cached   []cachedTerms
}

// grow makes room for n functions, of which nothing is expected.
func (g *signals) grow(n int) {
	for len(g.rate) < n {
		g.rate = append(g.rate, 0)
		g.cached = append(g.cached, cachedTerms{})
	}
	for len(g.forecast) < n {
		g.forecast = append(g.forecast, forecast.Forecast{})
	}
}

// expect takes over the forecasts of a minute.
func (g *signals) expect(f []forecast.Forecast) {
	clear(g.forecast[copy(g.forecast, f):])
}

// cachedTerms are the sum of the terms of all factors but the clock, which alone
// changes while a request waits.
type cachedTerms struct {
	sum   float64
	until decide.Time
}

// refresh is how long cachedTerms stay valid: the running means of a function's
// times move slowly (docs/models.md, decision 38).
const refresh = decide.Second

// ratePrior is how many minutes of observation the rate seen in training is worth.
const ratePrior = 60

// Priority implements decide.Signals.
func (g *signals) Priority(s decide.Snapshot, f decide.FunctionID) float64 {
	now := s.Now()
	before := s.PreviousArrival(f)
	if before == decide.None {
		before = g.start
	}
	c := &g.cached[f]
	if now >= c.until {
		v := Factors(s.Profile(f), g.perMinute(s, f), 0)
		c.sum = 0
		for k := range v {
			if k := priority.Factor(k); k != priority.Clock {
				c.sum += g.model.Term(k, v[k])
			}
		}
		c.until = now + refresh
	}
	return g.model.Bound(c.sum + g.model.Term(priority.Clock, math.Log1p((now-before).Seconds())))
}

// Expected implements decide.Signals.
func (g *signals) Expected(f decide.FunctionID) float64 { return g.forecast[f].Mean }

// perMinute is the mean rate of f, from training and from what has arrived since.
func (g *signals) perMinute(s decide.Snapshot, f decide.FunctionID) float64 {
	minutes := float64(s.Now()-g.start) / float64(decide.Minute)
	return (g.rate[f]*ratePrior + float64(s.Arrivals(f))) / (ratePrior + minutes)
}
