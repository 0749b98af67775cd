package prophet

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/internal/seed"
)

// A Component is one named part of a forecast, a value per time, in units of y.
type Component struct {
	Name  string    `json:"name"`
	Value []float64 `json:"value"`
}

// MaxAbs is the largest absolute value of c, 0 if it has none.
func (c Component) MaxAbs() float64 {
	most := 0.0
	for _, v := range c.Value {
		most = max(most, math.Abs(v))
	}
	return most
}

// A Forecast has a value per time in each of its slices, in units of y.
type Forecast struct {
	Time     []time.Time
	Trend    []float64
	Seasonal []Component // one per seasonality
	Holidays []Component // one per holiday
	Yhat     []float64   // trend and all components

	// The intervals are nil until Intervals fills them.
	Lower, Upper           []float64 // of y: trend uncertainty and noise
	TrendLower, TrendUpper []float64 // of the trend
}

// HolidayTerm is the name of the sum of all holidays among Terms.
const HolidayTerm = "holiday"

// Terms are the additive parts of the forecast beside the trend: each seasonality, and
// the sum of all holidays if there are any.
func (fc *Forecast) Terms() []Component {
	out := slices.Clone(fc.Seasonal)
	if len(fc.Holidays) > 0 {
		sum := make([]float64, len(fc.Yhat))
		for _, h := range fc.Holidays {
			for i, v := range h.Value {
				sum[i] += v
			}
		}
		out = append(out, Component{HolidayTerm, sum})
	}
	return out
}

// Noise is the standard deviation of the noise in units of y.
func (f *Fitted) Noise() float64 { return f.SigmaObs * f.YScale }

// Salience says how clearly a decomposition, evaluated as fc, shows effects of every
// kind, so that the most telling of many can be shown:
//
//	sum_terms log(1 + 10 max|term| / noise)
//
// The logarithm prefers two clear effects to one that is overwhelming. It is 0 of a
// history without noise.
func (f *Fitted) Salience(fc *Forecast) float64 {
	sum := 0.0
	if f.Noise() > 0 {
		for _, c := range fc.Terms() {
			sum += math.Log1p(10 * c.MaxAbs() / f.Noise())
		}
	}
	return sum
}

// Forecast evaluates f at times, in any order, before, in and after the history.
func (f *Fitted) Forecast(times []time.Time) *Forecast {
	n := len(times)
	fc := &Forecast{Time: times, Trend: make([]float64, n), Yhat: make([]float64, n)}
	for _, s := range f.Seasonalities {
		fc.Seasonal = append(fc.Seasonal, Component{s.Name, make([]float64, n)})
	}
	for _, h := range f.Holidays {
		fc.Holidays = append(fc.Holidays, Component{h.Name, make([]float64, n)})
	}
	for i, t := range times {
		trend := f.trend(f.Scale(t))
		var seasonal, holiday float64
		at, d := 0, Days(t)
		for j, s := range f.Seasonalities {
			v := s.effect(d, f.Beta[at:at+s.Columns()]) * f.YScale
			fc.Seasonal[j].Value[i] = v
			seasonal += v
			at += s.Columns()
		}
		day := DayOf(t)
		for j, h := range f.Holidays {
			v := h.effect(day, f.Beta[at:at+h.Columns()]) * f.YScale
			fc.Holidays[j].Value[i] = v
			holiday += v
			at += h.Columns()
		}
		fc.Trend[i] = trend
		fc.Yhat[i] = trend + seasonal + holiday
	}
	return fc
}

// IntervalOptions say how uncertainty is computed.
type IntervalOptions struct {
	Level   float64 `json:"level" mapstructure:"level"`     // probability between lower and upper, in (0, 1); default 0.8
	Samples int     `json:"samples" mapstructure:"samples"` // futures drawn, in [10, 1e6]; default 1000
	Seed    uint64  `json:"seed" mapstructure:"seed"`       // of the draws; default 1
}

// DefaultIntervalOptions returns Prophet's: 1000 samples, a level of 0.8.
func DefaultIntervalOptions() IntervalOptions {
	return IntervalOptions{Level: 0.8, Samples: 1000, Seed: 1}
}

// Validate reports an option outside its range.
func (o IntervalOptions) Validate() error {
	if !(o.Level > 0 && o.Level < 1) {
		return fmt.Errorf("prophet: level must be in (0, 1), got %g", o.Level)
	}
	if o.Samples < 10 || o.Samples > 1e6 {
		return fmt.Errorf("prophet: samples must be in [10, 1e6], got %d", o.Samples)
	}
	return nil
}

// Intervals fills the intervals of fc, which is a forecast of f.
//
// Up to the end of the history the trend is held to be known, so y is Gaussian and
// the interval is in closed form. After it, the trend may change again: in each
// sample the number of new changepoints up to the last time of fc, at scaled time
// Tmax, is Poisson with mean S*(Tmax-1), they are uniform on [1, Tmax], and their
// changes of slope are Laplace(0, mean|delta|+1e-8) (the paper, Section 3.1.4);
// noise is added, and the interval is that between quantiles of the samples. A flat
// trend has no such uncertainty.
func (f *Fitted) Intervals(fc *Forecast, o IntervalOptions) error {
	if err := o.Validate(); err != nil {
		return err
	}
	n := len(fc.Time)
	fc.Lower, fc.Upper = make([]float64, n), make([]float64, n)
	fc.TrendLower, fc.TrendUpper = slices.Clone(fc.Trend), slices.Clone(fc.Trend)

	half := math.Sqrt2 * math.Erfinv(o.Level) * f.SigmaObs * f.YScale
	scaled := make([]float64, n)
	var future []int // indexes of the times after the history, by time
	last := 1.0
	for i, t := range fc.Time {
		fc.Lower[i], fc.Upper[i] = fc.Yhat[i]-half, fc.Yhat[i]+half
		scaled[i] = f.Scale(t)
		if scaled[i] > 1 {
			future = append(future, i)
			last = max(last, scaled[i])
		}
	}
	if f.Growth == Flat || len(f.Changepoints) == 0 || len(future) == 0 {
		return nil
	}
	slices.SortStableFunc(future, func(a, b int) int { return fc.Time[a].Compare(fc.Time[b]) })

	paths := f.drawPaths(last, o)
	noise := seed.Stream(o.Seed, "prophet/noise")
	trend, y := make([]float64, o.Samples), make([]float64, o.Samples)
	for _, i := range future {
		rest := fc.Yhat[i] - fc.Trend[i]
		for j := range paths {
			g := fc.Trend[i] + paths[j].at(scaled[i])*f.YScale
			trend[j] = g
			y[j] = g + rest + noise.NormFloat64()*f.SigmaObs*f.YScale
		}
		slices.Sort(trend)
		slices.Sort(y)
		fc.TrendLower[i], fc.TrendUpper[i] = quantile(trend, (1-o.Level)/2), quantile(trend, (1+o.Level)/2)
		fc.Lower[i], fc.Upper[i] = quantile(y, (1-o.Level)/2), quantile(y, (1+o.Level)/2)
	}
	return nil
}

// A path is the deviation of one sampled future from the trend: a sum of hinges
// that is walked forward in time.
type path struct {
	when, delta []float64 // scaled times, ascending, and changes of slope
	next        int       // first changepoint not yet passed
	slope, base float64   // deviation is slope*t + base
}

func (p *path) at(t float64) float64 {
	for p.next < len(p.when) && p.when[p.next] <= t {
		p.slope += p.delta[p.next]
		p.base -= p.delta[p.next] * p.when[p.next]
		p.next++
	}
	return p.slope*t + p.base
}

// drawPaths draws the futures up to the scaled time last.
func (f *Fitted) drawPaths(last float64, o IntervalOptions) []path {
	var scale float64
	for _, d := range f.Delta {
		scale += math.Abs(d)
	}
	scale = scale/float64(len(f.Delta)) + 1e-8 // the constant is Prophet's
	rate := float64(len(f.Changepoints))
	rnd := seed.Stream(o.Seed, "prophet/trend")
	paths := make([]path, o.Samples)
	for i := range paths {
		// A Poisson process by its exponential gaps: the changepoints come out in
		// order, and their number is Poisson with mean rate*(last-1).
		p := &paths[i]
		for t := 1 + rnd.ExpFloat64()/rate; t < last; t += rnd.ExpFloat64() / rate {
			d := rnd.ExpFloat64() * scale // Laplace: an exponential with a random sign
			if rnd.Uint64()&1 == 0 {
				d = -d
			}
			p.when, p.delta = append(p.when, t), append(p.delta, d)
		}
	}
	return paths
}

// quantile of sorted values, linear between them (type 7 of Hyndman and Fan).
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
