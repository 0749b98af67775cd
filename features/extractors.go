package features

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
)

// DefaultLags are the lags in minutes that forecasts at one minute profit from: the
// last minutes, round intervals of timers, the day and the week before.
func DefaultLags() []int { return []int{1, 2, 3, 4, 5, 10, 15, 30, 60, 1440, 10080} }

// DefaultWindows are the windows in minutes of rolling statistics.
func DefaultWindows() []int { return []int{5, 15, 60, 1440} }

// Trim returns the lags or windows that span minutes of training data can show at
// least once for every second row: those of at most half of it.
func Trim(minutes []int, span int) []int {
	var kept []int
	for _, m := range minutes {
		if 2*m <= span {
			kept = append(kept, m)
		}
	}
	return kept
}

// Lags has the counts of the minutes now-k, one column lag_k each; all k >= 1. A
// lag that past does not reach, because it is too old or not known yet, is NaN.
type Lags []int

// Columns implements Extractor.
func (l Lags) Columns() []string { return names("lag_%d", l) }

// Append implements Extractor.
func (l Lags) Append(row []float64, now int, past *History) []float64 {
	ahead := aheadOf(now, past)
	for _, k := range l {
		row = append(row, past.Lag(k-ahead))
	}
	return row
}

// CountColumns implements Counter: all are counts.
func (l Lags) CountColumns() []bool { return slices.Repeat([]bool{true}, len(l)) }

// Reach implements Reacher.
func (l Lags) Reach() int { return largest(l) }

// Rolling has the mean and the maximum of the last k known minutes for each k, mean_k and
// max_k, then zero_run, the minutes since the last arrival, and last_iat, the
// minutes between the last two minutes with arrivals. It sees no further back than
// its longest window: a longer zero_run is cut to that, and last_iat is NaN unless
// both minutes lie inside. So a row does not depend on when a History was begun, as
// long as it is as old as the window, which at run time is all that can be promised.
type Rolling []int

// Columns implements Extractor.
func (r Rolling) Columns() []string {
	var out []string
	for _, k := range r {
		out = append(out, fmt.Sprintf("mean_%d", k), fmt.Sprintf("max_%d", k))
	}
	return append(out, "zero_run", "last_iat")
}

// Append implements Extractor.
func (r Rolling) Append(row []float64, now int, past *History) []float64 {
	aheadOf(now, past)
	for _, k := range r {
		row = append(row, past.Mean(k), past.Max(k))
	}
	run, iat, reach := past.ZeroRun(), past.LastIAT(), r.Reach()
	if float64(run+1)+iat > float64(reach) {
		iat = math.NaN()
	}
	return append(row, float64(min(run, reach)), iat)
}

// CountColumns implements Counter: means and maxima are counts.
func (r Rolling) CountColumns() []bool {
	return append(slices.Repeat([]bool{true}, 2*len(r)), false, false)
}

// Reach implements Reacher.
func (r Rolling) Reach() int { return largest(r) }

// Calendar has the phase of the day and of the week as sine and cosine,
// minute_of_day_sin, minute_of_day_cos, day_of_week_sin, day_of_week_cos, and the
// hour, an integer in [0, 24), UTC. The phase of the week moves with every minute.
type Calendar struct {
	Start time.Time // the first midnight UTC of the trace, minute 0
}

// Columns implements Extractor.
func (Calendar) Columns() []string {
	return []string{"minute_of_day_sin", "minute_of_day_cos", "day_of_week_sin", "day_of_week_cos", "hour"}
}

// Append implements Extractor.
func (c Calendar) Append(row []float64, now int, _ *History) []float64 {
	const week = 7 * datasets.MinutesPerDay
	minute := (int(c.Start.Unix()/60) + now) % week // since a Thursday, as 1970-01-01 was
	day := minute % datasets.MinutesPerDay
	ds, dc := math.Sincos(2 * math.Pi * float64(day) / datasets.MinutesPerDay)
	ws, wc := math.Sincos(2 * math.Pi * float64(minute) / week)
	return append(row, ds, dc, ws, wc, float64(day/60))
}

// An Origin is a decomposition of one function with the minute from which it may be
// used: it was fitted on minutes before From alone.
type Origin struct {
	From   int
	Fitted *prophet.Fitted
}

// Components has the decomposition of one function, extrapolated to now, in counts:
// trend, seasonal, holiday and yhat.
type Components struct {
	Start time.Time // the first midnight UTC of the trace, minute 0

	// Origins ascend in From; the last one with From <= now is evaluated, and where
	// there is none the columns are NaN. At run time there is usually one; in
	// training there is one per refit, so that no feature has seen its own target.
	Origins []Origin
}

// Columns implements Extractor.
func (Components) Columns() []string { return []string{"trend", "seasonal", "holiday", "yhat"} }

// Append implements Extractor.
func (c Components) Append(row []float64, now int, _ *History) []float64 {
	i := len(c.Origins) - 1
	for i >= 0 && c.Origins[i].From > now {
		i--
	}
	if i < 0 {
		nan := math.NaN()
		return append(row, nan, nan, nan, nan)
	}
	v := c.Origins[i].Fitted.Components(c.Start.Add(time.Duration(now) * time.Minute))
	return append(row, v.Trend, v.Seasonal, v.Holiday, v.Yhat)
}

// CountColumns implements Counter: all are counts.
func (Components) CountColumns() []bool { return []bool{true, true, true, true} }

// A Scale is the size of a function, in counts per minute; > 0. Dividing by it
// makes functions of one shape look alike to a model.
type Scale float64

// NewScale returns the mean of the non-zero training counts; 1 if there are none.
// The mean over all minutes would blow up the counts of rare functions.
func NewScale(train []float64) Scale {
	var sum float64
	n := 0
	for _, c := range train {
		if c > 0 {
			sum += c
			n++
		}
	}
	if n == 0 {
		return 1
	}
	return Scale(sum / float64(n))
}

// A Set composes the extractors of one function: their columns in order, those in
// counts divided by the scale, and the column log_scale = ln(1+scale) at the end,
// by which a model can tell large functions from small ones.
type Set struct {
	scale   Scale
	parts   []Extractor
	columns []string
	counts  []int // numbers of the columns to be divided
	reach   int
}

// NewSet composes parts for a function of the given scale, which must be > 0.
func NewSet(scale Scale, parts ...Extractor) *Set {
	if !(scale > 0) {
		panic(fmt.Sprintf("features: scale must be > 0, got %g", float64(scale)))
	}
	s := &Set{scale: scale, parts: parts}
	for _, p := range parts {
		if c, ok := p.(Counter); ok {
			for i, isCount := range c.CountColumns() {
				if isCount {
					s.counts = append(s.counts, len(s.columns)+i)
				}
			}
		}
		s.columns = append(s.columns, p.Columns()...)
		s.reach = max(s.reach, Reach(p))
	}
	s.columns = append(s.columns, "log_scale")
	return s
}

// Scale is the size of the function: a model's output times it is in counts.
func (s *Set) Scale() Scale { return s.scale }

// Columns implements Extractor.
func (s *Set) Columns() []string { return slices.Clone(s.columns) }

// Append implements Extractor. It does not allocate if row has room.
func (s *Set) Append(row []float64, now int, past *History) []float64 {
	first := len(row)
	for _, p := range s.parts {
		row = p.Append(row, now, past)
	}
	for _, i := range s.counts {
		row[first+i] /= float64(s.scale)
	}
	return append(row, math.Log1p(float64(s.scale)))
}

// Reach implements Reacher.
func (s *Set) Reach() int { return s.reach }

// aheadOf is the number of minutes before now that past does not know. It panics if
// past knows minute now, which a forecast of it must not.
func aheadOf(now int, past *History) int {
	if past.Now() > now {
		panic(fmt.Sprintf("features: forecast of minute %d from a history up to minute %d", now, past.Now()))
	}
	return now - past.Now()
}

func names(format string, values []int) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprintf(format, v)
	}
	return out
}

func largest(values []int) int {
	if len(values) == 0 {
		return 0
	}
	return slices.Max(values)
}
