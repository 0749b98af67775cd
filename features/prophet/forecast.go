package prophet

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/internal/seed"
)

// A Component is one named part of a forecast, a value per time: in units of y, or the
// share of the trend if the term is multiplicative.
type Component struct {
	Name  string    `json:"name"`
	Value []float64 `json:"value"`
	Mode  Mode      `json:"mode,omitempty"` // empty is Additive
}

// MaxAbs is the largest absolute value of c, 0 if it has none.
func (c Component) MaxAbs() float64 {
	most := 0.0
	for _, v := range c.Value {
		most = max(most, math.Abs(v))
	}
	return most
}

// A Forecast has a value per time in each of its slices, in units of y, but for
// multiplicative components:
//
//	Yhat = Trend (1 + multiplicative components) + additive components
type Forecast struct {
	Time       []time.Time
	Trend      []float64
	Seasonal   []Component // one per seasonality
	Holidays   []Component // one per holiday
	Regressors []Component // one per regressor
	Yhat       []float64   // trend and all components

	// The intervals are nil until Intervals fills them.
	Lower, Upper           []float64 // of y: trend uncertainty and noise
	TrendLower, TrendUpper []float64 // of the trend

	columns Columns
}

// Components are all components: seasonalities, holidays and regressors.
func (fc *Forecast) Components() []Component {
	return slices.Concat(fc.Seasonal, fc.Holidays, fc.Regressors)
}

// factor is what the trend at time i is multiplied with: 1 + multiplicative components.
func (fc *Forecast) factor(i int) float64 {
	f := 1.0
	for _, part := range [][]Component{fc.Seasonal, fc.Holidays, fc.Regressors} {
		for j := range part {
			if part[j].Mode == Multiplicative {
				f += part[j].Value[i]
			}
		}
	}
	return f
}

// inUnits is c in units of y.
func (fc *Forecast) inUnits(c Component) Component {
	if c.Mode != Multiplicative {
		return c
	}
	v := make([]float64, len(c.Value))
	for i, x := range c.Value {
		v[i] = fc.Trend[i] * x
	}
	return Component{Name: c.Name, Value: v}
}

// HolidayTerm is the name of the sum of all holidays among Terms.
const HolidayTerm = "holiday"

// Terms are the parts of the forecast beside the trend, in units of y: each seasonality,
// the sum of all holidays if there are any, and each regressor.
func (fc *Forecast) Terms() []Component {
	var out []Component
	for _, c := range fc.Seasonal {
		out = append(out, fc.inUnits(c))
	}
	if len(fc.Holidays) > 0 {
		sum := make([]float64, len(fc.Yhat))
		for _, h := range fc.Holidays {
			for i, v := range fc.inUnits(h).Value {
				sum[i] += v
			}
		}
		out = append(out, Component{Name: HolidayTerm, Value: sum})
	}
	for _, c := range fc.Regressors {
		out = append(out, fc.inUnits(c))
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

// Forecast evaluates f at times, in any order, before, in and after the history, with
// the model's own capacity and floor, calendar conditions only, and regressors whose
// column is 0, which is their mean if they were standardised.
func (f *Fitted) Forecast(times []time.Time) *Forecast {
	return f.forecast(times, Columns{})
}

// ForecastColumns is Forecast with what is known of the times. A condition or a
// regressor of the model must be a column, or a condition of the calendar, and a
// capacity above its floor; else it is an error.
func (f *Fitted) ForecastColumns(times []time.Time, c Columns) (*Forecast, error) {
	if err := c.Len(len(times)); err != nil {
		return nil, err
	}
	for _, s := range f.Seasonalities {
		if _, ok := c.Conditions[s.Condition]; !ok && s.Condition != "" && !CalendarCondition(s.Condition) {
			return nil, fmt.Errorf("prophet: seasonality %q: condition %q is not known", s.Name, s.Condition)
		}
	}
	for _, r := range f.Regressors {
		x, ok := c.Regressors[r.Name]
		if !ok {
			return nil, fmt.Errorf("prophet: regressor %q is not known", r.Name)
		}
		for i, v := range x {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("prophet: regressor %q is %g at %v: must be finite", r.Name, v, times[i].UTC())
			}
		}
	}
	if f.Growth == Logistic {
		for i, t := range times {
			if capacity, floor := f.bounds(c, i); !(capacity > floor) || math.IsInf(capacity-floor, 0) {
				return nil, fmt.Errorf("prophet: cap must be above floor, got %g and %g at %v", capacity, floor, t.UTC())
			}
		}
	}
	return f.forecast(times, c), nil
}

// bounds are the capacity and the floor at time i.
func (f *Fitted) bounds(c Columns, i int) (capacity, floor float64) {
	capacity, floor = f.Cap, f.Floor
	if c.Cap != nil {
		capacity = c.Cap[i]
	}
	if c.Floor != nil {
		floor = c.Floor[i]
	}
	return capacity, floor
}

func (f *Fitted) forecast(times []time.Time, columns Columns) *Forecast {
	n := len(times)
	fc := &Forecast{Time: times, Trend: make([]float64, n), Yhat: make([]float64, n), columns: columns}
	for _, s := range f.Seasonalities {
		fc.Seasonal = append(fc.Seasonal, Component{s.Name, make([]float64, n), s.Mode})
	}
	for _, h := range f.Holidays {
		fc.Holidays = append(fc.Holidays, Component{h.Name, make([]float64, n), h.Mode})
	}
	for _, r := range f.Regressors {
		fc.Regressors = append(fc.Regressors, Component{r.Name, make([]float64, n), r.Mode})
	}
	for i, t := range times {
		capacity, floor := f.bounds(columns, i)
		c := Components{Trend: f.trend(f.Scale(t), capacity, floor)}
		at, d := 0, Days(t)
		for j := range f.Seasonalities {
			s := &f.Seasonalities[j]
			if s.Condition == "" || columns.Holds(s.Condition, i, t) {
				v := s.effect(d, f.Beta[at:at+s.Columns()]) * f.scale(s.Mode)
				fc.Seasonal[j].Value[i] = v
				c.add(&c.Seasonal, v, s.Mode)
			}
			at += s.Columns()
		}
		day := DayOf(t)
		for j := range f.Holidays {
			h := &f.Holidays[j]
			v := h.effect(day, f.Beta[at:at+h.Columns()]) * f.scale(h.Mode)
			fc.Holidays[j].Value[i] = v
			c.add(&c.Holiday, v, h.Mode)
			at += h.Columns()
		}
		for j := range f.Regressors {
			r := &f.Regressors[j]
			if x, ok := columns.Regressors[r.Name]; ok {
				v := f.Beta[at] * (x[i] - r.Mean) / r.Scale * f.scale(r.Mode)
				fc.Regressors[j].Value[i] = v
				c.add(&c.Regressor, v, r.Mode)
			}
			at++
		}
		fc.Trend[i] = c.Trend
		fc.Yhat[i] = c.Trend + c.Seasonal + c.Holiday + c.Regressor
	}
	return fc
}

// shifted is the trend at time i of fc, at scaled time t, if it deviates by dev from
// the fitted one: in scaled units, of a logistic trend in its logit.
func (f *Fitted) shifted(fc *Forecast, i int, t, dev float64) float64 {
	if f.Growth == Logistic {
		capacity, floor := f.bounds(fc.columns, i)
		return saturated(f.hinges(-f.K*f.M, t)+dev, capacity, floor)
	}
	return fc.Trend[i] + dev*f.YScale
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
		factor := fc.factor(i)
		rest := fc.Yhat[i] - fc.Trend[i]*factor
		for j := range paths {
			g := f.shifted(fc, i, scaled[i], paths[j].at(scaled[i]))
			trend[j] = g
			y[j] = g*factor + rest + noise.NormFloat64()*f.SigmaObs*f.YScale
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
