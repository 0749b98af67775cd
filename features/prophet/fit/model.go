package fit

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
)

// A Model says what is estimated.
type Model struct {
	// Growth of the trend: linear (default), logistic or flat.
	Growth prophet.Growth `json:"growth"`
	// Cap and Floor bound a logistic trend, in units of y, where they are not columns;
	// Cap must be above Floor. Default 0 both: there is no capacity that suits all. Values
	// of y may lie outside, as noise.
	Cap   float64 `json:"cap"`
	Floor float64 `json:"floor"`

	// Changepoints is the number of automatic changepoints, >= 0; default 25. A
	// history with fewer rows has fewer.
	Changepoints int `json:"changepoints"`
	// ChangepointRange is the share of the history, from its start, in which
	// automatic changepoints are spread, in (0, 1]; default 0.8.
	ChangepointRange float64 `json:"changepoint_range"`
	// ChangepointTimes, if not empty, are used instead of automatic ones. They must
	// lie in the history.
	ChangepointTimes []time.Time `json:"changepoint_times"`
	// ChangepointPriorScale is tau, the scale of the Laplace prior of delta, > 0; default 0.05.
	ChangepointPriorScale float64 `json:"changepoint_prior_scale"`

	// SeasonalityMode is that of terms without their own: seasonalities, holidays and
	// regressors. Default additive.
	SeasonalityMode prophet.Mode `json:"seasonality_mode"`
	// HolidaysMode, if not empty, is that of holidays without their own; default empty.
	HolidaysMode prophet.Mode `json:"holidays_mode,omitempty"`

	// Scaling of y, to whose unit the priors are; default absmax.
	Scaling Scaling `json:"scaling,omitempty"`

	// Seasonalities in the order of their columns; default none. See AutoSeasonalities.
	Seasonalities []prophet.Seasonality `json:"seasonalities"`
	// SeasonalityPriorScale is for seasonalities without their own, > 0; default 10.
	SeasonalityPriorScale float64 `json:"seasonality_prior_scale"`

	// Holidays in any order; default none. See AnomalousDays.
	Holidays []prophet.Holiday `json:"holidays"`
	// HolidaysPriorScale is for holidays and regressors without their own, > 0; default 10.
	HolidaysPriorScale float64 `json:"holidays_prior_scale"`

	// Regressors in the order of their columns; default none.
	Regressors []Regressor `json:"regressors"`

	// Step, if not 0, is the step to which series on a grid are averaged before they
	// are fitted, a multiple of their own; default 0, as they are. A mean stands at the
	// middle of its step, so that the phase of seasonalities is kept; their amplitude
	// shrinks by sin(x)/x with x = pi*Step/period. sigma_obs is then the noise of means.
	Step time.Duration `json:"step"`
}

// Scaling says in which unit y is fitted.
type Scaling string

// The scalings; the empty one is AbsMax. Where the level is far above what varies, AbsMax
// lets the trend bend as it likes, as its prior is wide against that; MinMax does not.
const (
	AbsMax Scaling = "absmax" // by the largest |y - floor|
	// MinMax takes the least value for the floor and the range for the unit. A logistic
	// trend that has a floor keeps it; its unit is from the lowest floor to the highest
	// capacity.
	MinMax Scaling = "minmax"
)

// DefaultModel returns Prophet's defaults, without seasonalities or holidays.
func DefaultModel() Model {
	return Model{
		Growth:                prophet.Linear,
		Changepoints:          25,
		ChangepointRange:      0.8,
		ChangepointPriorScale: 0.05,
		SeasonalityMode:       prophet.Additive,
		SeasonalityPriorScale: 10,
		HolidaysPriorScale:    10,
	}
}

// Validate reports every field outside its range.
func (m Model) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("prophet: "+format, args...))
		}
	}
	positive := func(name string, x float64) {
		check(x > 0 && !math.IsInf(x, 0), "%s must be > 0, got %g", name, x)
	}
	check(m.Growth.Valid(), "growth must be %s, %s or %s, got %q", prophet.Linear, prophet.Logistic, prophet.Flat, m.Growth)
	check(!math.IsNaN(m.Cap) && !math.IsInf(m.Cap, 0), "cap must be finite, got %g", m.Cap)
	check(!math.IsNaN(m.Floor) && !math.IsInf(m.Floor, 0), "floor must be finite, got %g", m.Floor)
	check(m.SeasonalityMode.Valid(), "seasonality_mode must be %s or %s, got %q", prophet.Additive, prophet.Multiplicative, m.SeasonalityMode)
	check(m.HolidaysMode.Valid(), "holidays_mode must be %s or %s, got %q", prophet.Additive, prophet.Multiplicative, m.HolidaysMode)
	check(m.Scaling == "" || m.Scaling == AbsMax || m.Scaling == MinMax, "scaling must be %s or %s, got %q", AbsMax, MinMax, m.Scaling)
	check(m.Changepoints >= 0, "changepoints must be >= 0, got %d", m.Changepoints)
	check(m.ChangepointRange > 0 && m.ChangepointRange <= 1, "changepoint_range must be in (0, 1], got %g", m.ChangepointRange)
	positive("changepoint_prior_scale", m.ChangepointPriorScale)
	positive("seasonality_prior_scale", m.SeasonalityPriorScale)
	positive("holidays_prior_scale", m.HolidaysPriorScale)
	check(m.Step >= 0, "step must be >= 0, got %v", m.Step)
	seen := map[string]bool{}
	name := func(kind, s string) {
		check(s != "" && !seen[s], "%s %q must have a name of its own", kind, s)
		seen[s] = true
	}
	term := func(kind, name string, scale float64, mode prophet.Mode) {
		check(scale >= 0 && !math.IsInf(scale, 0), "%s %q: prior_scale must be > 0, or 0 for the model's, got %g", kind, name, scale)
		check(mode.Valid(), "%s %q: mode must be %s or %s, got %q", kind, name, prophet.Additive, prophet.Multiplicative, mode)
	}
	for _, s := range m.Seasonalities {
		name("seasonality", s.Name)
		term("seasonality", s.Name, s.PriorScale, s.Mode)
		check(s.Period > 0 && !math.IsInf(s.Period, 0), "seasonality %q: period must be > 0 days, got %g", s.Name, s.Period)
		check(s.Order >= 1, "seasonality %q: order must be >= 1, got %d", s.Name, s.Order)
	}
	for _, h := range m.Holidays {
		name("holiday", h.Name)
		check(h.LowerWindow <= 0 && h.UpperWindow >= 0, "holiday %q: lower_window must be <= 0 and upper_window >= 0, got %d and %d", h.Name, h.LowerWindow, h.UpperWindow)
		check(len(h.Windows) == 0 || len(h.Windows) == len(h.Dates), "holiday %q: windows must be one per date, got %d for %d", h.Name, len(h.Windows), len(h.Dates))
		for _, w := range h.Windows {
			check(h.LowerWindow <= w[0] && w[0] <= 0 && 0 <= w[1] && w[1] <= h.UpperWindow, "holiday %q: the window of a date must enclose 0 and lie in [%d, %d], got %v", h.Name, h.LowerWindow, h.UpperWindow, w)
		}
		term("holiday", h.Name, h.PriorScale, h.Mode)
	}
	for _, r := range m.Regressors {
		name("regressor", r.Name)
		term("regressor", r.Name, r.PriorScale, r.Mode)
		check(r.Standardise == "" || r.Standardise == Auto || r.Standardise == Always || r.Standardise == Never,
			"regressor %q: standardise must be %s, %s or %s, got %q", r.Name, Auto, Always, Never, r.Standardise)
	}
	return errors.Join(errs...)
}

// Periods of the named seasonalities, in days.
const (
	Hourly  = 1.0 / 24
	Daily   = 1.0
	Weekly  = 7.0
	Monthly = 30.5 // as Prophet's documentation has it
	Yearly  = 365.25
)

// AutoSeasonalities returns the named seasonalities that a history of the given span
// and step can show: each whose period the span covers twice, from the longest to
// the shortest. The Fourier orders are yearly 10, monthly 5, weekly 3, daily 10 and
// hourly 4, or less where the step is too coarse for them: a harmonic needs more than
// two steps, else it is aliased.
func AutoSeasonalities(span, step time.Duration) []prophet.Seasonality {
	all := []prophet.Seasonality{
		{Name: "yearly", Period: Yearly, Order: 10},
		{Name: "monthly", Period: Monthly, Order: 5},
		{Name: "weekly", Period: Weekly, Order: 3},
		{Name: "daily", Period: Daily, Order: 10},
		{Name: "hourly", Period: Hourly, Order: 4},
	}
	var out []prophet.Seasonality
	for _, s := range covered(all, span) {
		if steps := s.Period * hoursPerDay * float64(time.Hour) / float64(step); step > 0 {
			s.Order = min(s.Order, int(math.Ceil(steps/2-1e-9))-1)
		}
		if s.Order >= 1 {
			out = append(out, s)
		}
	}
	return out
}

const hoursPerDay = 24

// covered returns the seasonalities of which span covers two periods.
func covered(all []prophet.Seasonality, span time.Duration) []prophet.Seasonality {
	var out []prophet.Seasonality
	for _, s := range all {
		// The tolerance keeps a period such as 1/24 day, which is not exact in binary.
		if 2*s.Period*hoursPerDay <= span.Hours()*(1+1e-12) {
			out = append(out, s)
		}
	}
	return out
}

// ProphetSeasonalities returns what Prophet turns on by itself for a history of the
// given span between its first and last row and of the given smallest step: yearly
// (order 10) from 730 days, weekly (3) from 14 days and steps below 7, daily (4) from
// 2 days and steps below 1.
func ProphetSeasonalities(span, step time.Duration) []prophet.Seasonality {
	const day = 24 * time.Hour
	var out []prophet.Seasonality
	if span >= 730*day {
		out = append(out, prophet.Seasonality{Name: "yearly", Period: Yearly, Order: 10})
	}
	if span >= 14*day && step < 7*day {
		out = append(out, prophet.Seasonality{Name: "weekly", Period: Weekly, Order: 3})
	}
	if span >= 2*day && step < day {
		out = append(out, prophet.Seasonality{Name: "daily", Period: Daily, Order: 4})
	}
	return out
}
