package prophet

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// A Growth is the shape of the trend.
type Growth string

// The growths. Linear is piecewise linear with changepoints, Logistic saturates at a
// capacity with a rate that is piecewise linear, Flat is a constant.
const (
	Linear   Growth = "linear"
	Logistic Growth = "logistic"
	Flat     Growth = "flat"
)

// Valid reports whether g is one of the growths.
func (g Growth) Valid() bool { return g == Linear || g == Logistic || g == Flat }

// A Mode says how a term enters: added to the trend, or as a share of it.
type Mode string

// The modes. In a [Fitted] the empty Mode is Additive.
const (
	Additive       Mode = "additive"
	Multiplicative Mode = "multiplicative"
)

// Valid reports whether m is a mode or empty.
func (m Mode) Valid() bool { return m == "" || m == Additive || m == Multiplicative }

// A Seasonality is a periodic effect, as a Fourier series of 2*Order columns
// sin(2 pi n d/Period), cos(2 pi n d/Period), n = 1..Order, where d is in days
// since 1970-01-01.
type Seasonality struct {
	Name       string  `json:"name"`
	Period     float64 `json:"period"`         // days, > 0
	Order      int     `json:"order"`          // Fourier order, >= 1
	PriorScale float64 `json:"prior_scale"`    // of each coefficient; 0 means the model's
	Mode       Mode    `json:"mode,omitempty"` // empty means the model's

	// Condition, if not empty, names the condition under which the effect is there; at
	// other times its columns are 0. See [Columns].
	Condition string `json:"condition,omitempty"`
}

// Columns is the number of coefficients of s.
func (s Seasonality) Columns() int { return 2 * s.Order }

// Append appends the columns of s at d days since 1970-01-01 to row.
func (s Seasonality) Append(row []float64, d float64) []float64 {
	s1, c1 := s.phase(d)
	sn, cn := s1, c1
	for n := 1; ; n++ {
		row = append(row, sn, cn)
		if n == s.Order {
			return row
		}
		sn, cn = sn*c1+cn*s1, cn*c1-sn*s1
	}
}

// effect is the product of the columns of s at d with beta.
func (s Seasonality) effect(d float64, beta []float64) float64 {
	s1, c1 := s.phase(d)
	sn, cn := s1, c1
	var sum float64
	for n := 0; n+1 < len(beta); n += 2 {
		sum += beta[n]*sn + beta[n+1]*cn
		sn, cn = sn*c1+cn*s1, cn*c1-sn*s1
	}
	return sum
}

func (s Seasonality) phase(d float64) (sin, cos float64) {
	turn := d / s.Period
	return math.Sincos(2 * math.Pi * (turn - math.Floor(turn)))
}

// A Day is a calendar day in UTC, counted from 1970-01-01 and written 2006-01-02.
type Day int32

// DayOf returns the day on which t falls.
func DayOf(t time.Time) Day {
	return Day(math.Floor(float64(t.Unix()) / secondsPerDay))
}

// Time returns the midnight that begins d.
func (d Day) Time() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// MarshalText implements encoding.TextMarshaler.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Day) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("day %q: must be like 2006-01-02", text)
	}
	*d = DayOf(t)
	return nil
}

const secondsPerDay = 86400

// A Holiday is an effect on given days. It has one 0/1 column per offset from
// LowerWindow to UpperWindow: the column of offset o is 1 on the days Dates[i]+o.
type Holiday struct {
	Name        string  `json:"name"`
	Dates       []Day   `json:"dates"`
	LowerWindow int     `json:"lower_window"`   // days, <= 0
	UpperWindow int     `json:"upper_window"`   // days, >= 0
	PriorScale  float64 `json:"prior_scale"`    // of each coefficient; 0 means the model's
	Mode        Mode    `json:"mode,omitempty"` // empty means the model's

	// Windows, if not empty, has the first and the last offset of each date, where they
	// are not all LowerWindow and UpperWindow, which enclose them.
	Windows [][2]int `json:"windows,omitempty"`
}

// Columns is the number of coefficients of h.
func (h Holiday) Columns() int { return h.UpperWindow - h.LowerWindow + 1 }

// On reports whether the column of the offset is 1 on day.
func (h Holiday) On(day Day, offset int) bool {
	for i, d := range h.Dates {
		if d+Day(offset) == day && (h.Windows == nil || h.Windows[i][0] <= offset && offset <= h.Windows[i][1]) {
			return true
		}
	}
	return false
}

// effect is the product of the columns of h on day with beta.
func (h Holiday) effect(day Day, beta []float64) float64 {
	var sum float64
	for i, b := range beta {
		if h.On(day, h.LowerWindow+i) {
			sum += b
		}
	}
	return sum
}

// A Regressor is the effect of a quantity that is known at every time. Its column is
// (x-Mean)/Scale.
type Regressor struct {
	Name       string  `json:"name"`
	Mean       float64 `json:"mean"`        // 0 if the column was not standardised
	Scale      float64 `json:"scale"`       // > 0; 1 if the column was not standardised
	PriorScale float64 `json:"prior_scale"` // of the coefficient
	Mode       Mode    `json:"mode,omitempty"`
}

// A Fitted is a model with its parameters. It is immutable after fitting, safe for
// concurrent use, and evaluates identically after a round trip through JSON.
type Fitted struct {
	Growth Growth `json:"growth"`

	Start time.Time `json:"start"` // scaled time 0: the first observation
	End   time.Time `json:"end"`   // scaled time 1: the last observation

	YScale float64 `json:"y_scale"` // largest |y-Floor| of the history, 1 if that is 0
	Floor  float64 `json:"floor"`   // of the trend, in units of y

	// Cap is the capacity of a logistic trend in units of y, above Floor. Where the
	// capacity and the floor are columns, the model has those of the end of the history.
	Cap float64 `json:"cap,omitempty"`

	K            float64   `json:"k"`            // initial slope, scaled units; logistic: growth rate
	M            float64   `json:"m"`            // offset, scaled units; logistic: scaled time of half the capacity
	Changepoints []float64 `json:"changepoints"` // scaled times, ascending; length S
	Delta        []float64 `json:"delta"`        // change of slope or rate at each; length S

	Seasonalities []Seasonality `json:"seasonalities"`
	Holidays      []Holiday     `json:"holidays"` // in order of name
	Regressors    []Regressor   `json:"regressors,omitempty"`

	// Beta has the coefficients of the columns of each seasonality, then of each
	// holiday, then of each regressor, in their order. Those of additive terms are in
	// scaled units, those of multiplicative ones are shares of the trend.
	Beta []float64 `json:"beta"`

	SigmaObs float64 `json:"sigma_obs"` // standard deviation of the noise, scaled units; 0 of a constant history

	// LogPosterior is the logarithm of the posterior density at the parameters,
	// constants dropped, see the package fit; 0 where the history was constant, so
	// that nothing was fitted.
	LogPosterior float64 `json:"log_posterior"`

	Observations int `json:"observations"` // values in the history that were not missing

	// Gaps are the phases of seasonalities that the history never saw, by seasonality in
	// their order and then by phase. See Unseen.
	Gaps []Gap `json:"gaps,omitempty"`
}

// Validate reports whether the lengths and ranges of f fit together. A Fitted that
// was read from a file must pass before it is evaluated.
func (f *Fitted) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("prophet: "+format, args...))
		}
	}
	check(f.Growth.Valid(), "growth must be %s, %s or %s, got %q", Linear, Logistic, Flat, f.Growth)
	check(f.Growth != Logistic || f.Cap > f.Floor, "cap must be above floor, got %g and %g", f.Cap, f.Floor)
	check(f.YScale > 0 && !math.IsInf(f.YScale, 0), "y_scale must be > 0, got %g", f.YScale)
	check(f.SigmaObs >= 0, "sigma_obs must be >= 0, got %g", f.SigmaObs)
	check(!f.End.Before(f.Start), "end must not be before start, got %v and %v", f.End, f.Start)
	check(len(f.Delta) == len(f.Changepoints), "delta must have one value per changepoint, got %d for %d", len(f.Delta), len(f.Changepoints))
	for i := 1; i < len(f.Changepoints); i++ {
		check(f.Changepoints[i] >= f.Changepoints[i-1], "changepoints must ascend, got %g after %g", f.Changepoints[i], f.Changepoints[i-1])
	}
	columns := 0
	for _, s := range f.Seasonalities {
		check(s.Period > 0 && s.Order >= 1, "seasonality %q: period must be > 0 and order >= 1, got %g and %d", s.Name, s.Period, s.Order)
		columns += s.Columns()
	}
	mode := func(kind, name string, m Mode) {
		check(m.Valid(), "%s %q: mode must be %s or %s, got %q", kind, name, Additive, Multiplicative, m)
	}
	for _, s := range f.Seasonalities {
		mode("seasonality", s.Name, s.Mode)
	}
	for _, h := range f.Holidays {
		mode("holiday", h.Name, h.Mode)
		check(h.LowerWindow <= 0 && h.UpperWindow >= 0, "holiday %q: windows must enclose 0, got %d and %d", h.Name, h.LowerWindow, h.UpperWindow)
		check(h.Windows == nil || len(h.Windows) == len(h.Dates), "holiday %q: windows must be one per date, got %d for %d", h.Name, len(h.Windows), len(h.Dates))
		columns += h.Columns()
	}
	for _, r := range f.Regressors {
		mode("regressor", r.Name, r.Mode)
		check(r.Scale > 0 && !math.IsInf(r.Scale, 0), "regressor %q: scale must be > 0, got %g", r.Name, r.Scale)
		columns++
	}
	check(len(f.Beta) == columns, "beta must have one value per column, got %d for %d", len(f.Beta), columns)
	for _, v := range [][]float64{{f.K, f.M, f.Floor, f.Cap, f.SigmaObs}, f.Changepoints, f.Delta, f.Beta} {
		for _, x := range v {
			check(!math.IsNaN(x) && !math.IsInf(x, 0), "parameters must be finite, got %g", x)
		}
	}
	return errors.Join(errs...)
}

// Scale returns the scaled time of t.
func (f *Fitted) Scale(t time.Time) float64 {
	span := f.End.Sub(f.Start)
	if span <= 0 {
		return 0 // one observation: the slope is 0, any scale will do
	}
	return float64(t.Sub(f.Start)) / float64(span)
}

// Time returns the time of the scaled time s, to the nanosecond.
func (f *Fitted) Time(s float64) time.Time {
	return f.Start.Add(time.Duration(math.Round(s * float64(f.End.Sub(f.Start)))))
}

// Days returns the days since 1970-01-01 00:00 UTC, with their fraction.
func Days(t time.Time) float64 {
	s := t.Unix()
	return (float64(s) + float64(t.Nanosecond())*1e-9) / secondsPerDay
}

// hinges is the piecewise linear function of the scaled time t that rises from start
// with slope k and changes slope by delta_j at s_j:
//
//	start + k t + sum_j delta_j (t - s_j)+
//
// a sum that does not cancel where t and s_j are large. As the offsets of the trend at
// changepoints exist to make it continuous, it is the linear trend with start = m, and
// with start = -k m the logit of the logistic one.
func (f *Fitted) hinges(start, t float64) float64 {
	g := start + f.K*t
	for j, s := range f.Changepoints {
		if t < s {
			break
		}
		g += f.Delta[j] * (t - s)
	}
	return g
}

// trend is g at the scaled time t, in units of y.
//
//	linear    g(t) = (k + sum_j a_j(t) delta_j) t + (m - sum_j a_j(t) s_j delta_j),  a_j(t) = [t >= s_j]
//	logistic  g(t) = cap / (1 + exp(-(k + sum_j a_j(t) delta_j) (t - (m + sum_j a_j(t) gamma_j))))
func (f *Fitted) trend(t, capacity, floor float64) float64 {
	switch f.Growth {
	case Linear:
		return f.hinges(f.M, t)*f.YScale + f.Floor
	case Logistic:
		return saturated(f.hinges(-f.K*f.M, t), capacity, floor)
	}
	return f.M*f.YScale + f.Floor
}

// saturated is the logistic trend, in units of y, of the logit u.
func saturated(u, capacity, floor float64) float64 {
	return (capacity-floor)/(1+math.Exp(-u)) + floor
}

// Components are the parts of a forecast at one time, in units of y:
// Yhat = Trend + Seasonal + Holiday + Regressor. Of multiplicative terms, these are
// their products with the trend.
type Components struct {
	Trend     float64 `json:"trend"`
	Seasonal  float64 `json:"seasonal"`            // all seasonalities
	Holiday   float64 `json:"holiday"`             // all holidays
	Regressor float64 `json:"regressor,omitempty"` // all regressors
	Yhat      float64 `json:"yhat"`                // may be negative
}

// add adds an effect of a term in the given mode to sum.
func (c *Components) add(sum *float64, effect float64, m Mode) {
	if m == Multiplicative {
		effect *= c.Trend
	}
	*sum += effect
}

// Cycle is seasonality i at times, as in a Forecast but whatever its condition.
func (f *Fitted) Cycle(i int, times []time.Time) []float64 {
	at := 0
	for j := range i {
		at += f.Seasonalities[j].Columns()
	}
	s := &f.Seasonalities[i]
	out := make([]float64, len(times))
	for j, t := range times {
		out[j] = s.effect(Days(t), f.Beta[at:at+s.Columns()]) * f.scale(s.Mode)
	}
	return out
}

// scale is what an effect of the given mode is multiplied with to be in units of y or
// a share of the trend.
func (f *Fitted) scale(m Mode) float64 {
	if m == Multiplicative {
		return 1
	}
	return f.YScale
}

// Components evaluates f at t, under the assumptions of Forecast. It does not allocate.
// The values are the same, bit for bit, as those of Forecast.
func (f *Fitted) Components(t time.Time) Components {
	c := Components{Trend: f.trend(f.Scale(t), f.Cap, f.Floor)}
	at, d := 0, Days(t)
	for i := range f.Seasonalities {
		s := &f.Seasonalities[i]
		n := s.Columns()
		if s.Condition == "" || calendar(s.Condition, t) {
			c.add(&c.Seasonal, s.effect(d, f.Beta[at:at+n])*f.scale(s.Mode), s.Mode)
		}
		at += n
	}
	if len(f.Holidays) > 0 {
		day := DayOf(t)
		for i := range f.Holidays {
			h := &f.Holidays[i]
			n := h.Columns()
			c.add(&c.Holiday, h.effect(day, f.Beta[at:at+n])*f.scale(h.Mode), h.Mode)
			at += n
		}
	}
	c.Yhat = c.Trend + c.Seasonal + c.Holiday
	return c
}
