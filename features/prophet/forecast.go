package prophet

import (
	"fmt"
	"math"
	"slices"
	"time"
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
	return f.forecast(NewTimeline(times, nil), Columns{})
}

// ForecastOn is Forecast at the times of l.
func (f *Fitted) ForecastOn(l *Timeline) *Forecast { return f.forecast(l, Columns{}) }

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
	return f.forecast(NewTimeline(times, nil), c), nil
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

func (f *Fitted) forecast(l *Timeline, columns Columns) *Forecast {
	times, n := l.times, len(l.times)
	shared := make([][]float64, len(f.Seasonalities))
	for j, s := range f.Seasonalities {
		shared[j] = l.columnsOf(s)
	}
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
				beta := f.Beta[at : at+s.Columns()]
				var v float64
				if shared[j] != nil {
					v = effectOf(shared[j][i*len(beta):(i+1)*len(beta)], beta)
				} else {
					v = s.effect(d, beta)
				}
				v *= f.scale(s.Mode)
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
