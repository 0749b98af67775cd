//go:build parity

package fit_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/internal/seed"
)

// TestPeerGaps fits the real Prophet and this package to series with regular gaps, and
// compares trend and components on the history, and the forecast in the gaps.
func TestPeerGaps(t *testing.T) {
	v := judgeGaps(t, gapCases())
	if len(v.trend)+len(v.parts)+len(v.unseen) > 0 {
		t.Errorf("the trends of %q differ by more than %g of the range, the components of %q by more than %g, the gaps of %q by more than %g",
			v.trend, trendLimit, v.parts, partsLimit, v.unseen, gapsLimit)
	}
	if v.compared < 16 {
		t.Errorf("in %d cases only is Prophet's answer in the gaps one to compare with", v.compared)
	}
}

// The limits of the differences, in shares of the range of y: of the trend, of components, of
// yhat in the gaps, and of how far yhat may be outside that range there.
const (
	trendLimit = 0.02
	partsLimit = 0.03
	gapsLimit  = 0.2
)

// A gapVerdict names the cases whose differences are beyond the limits, of those with an answer of
// Prophet's that is one to compare with: in the gaps there are so many.
type gapVerdict struct {
	trend, parts, unseen []string
	compared             int
}

// judgeGaps compares the two programs. The mean of each component over the rows of the history is
// moved into the trend on both sides, since that is what the data leave open.
//
// Ours must stay near the range of y in the gaps, whatever Prophet does. With Prophet's answer
// it is compared where Prophet has one that is determined: its optimiser is run again
// with a memory of 20 steps rather than 5 (of fewer than 100 values it is Newton's method, and
// what is run is L-BFGS), and on values that are moved at random by 0.01 %
// of their range, and trend, components and gaps are compared as far as both of these
// answers are within the same limits of the first. Where Prophet itself leaves the range
// of y in the gaps by more than a fifth, ours cannot follow (and where it does so because a
// season stops suddenly, its components swing at phases beside the gaps too): there the
// trend alone is compared.
func judgeGaps(t *testing.T, cases []peerCase) (out gapVerdict) {
	var more, moved []peerCase
	for _, c := range cases {
		again := c
		if again.options = map[string]any{"history_size": 20}; len(c.y) < 100 {
			again.options = map[string]any{"algorithm": "LBFGS"}
		}
		more = append(more, again)
		again = c
		rnd := seed.Stream(1, "gaps/moved/"+c.name)
		again.y = slices.Clone(c.y)
		for j := range again.y {
			again.y[j] += 1e-4 * (slices.Max(c.y) - slices.Min(c.y)) * rnd.NormFloat64()
		}
		moved = append(moved, again)
	}
	answers := askPeer(t, slices.Concat(cases, more, moved))
	t.Logf("%-26s %5s %8s %10s %8s %18s %18s %24s   (shares of the range of y)", "case", "rows", "trend", "components", "in gaps", "gaps from, to", "Prophet's", "Prophet from itself")
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n, prophets := len(c.y), answers[i].decomposed(c)
			d := difference(c, decompose(t, c), prophets)
			a, b := difference(c, answers[len(cases)+i].decomposed(c), prophets), difference(c, answers[2*len(cases)+i].decomposed(c), prophets)
			itself := gapDifference{trend: max(a.trend, b.trend), parts: max(a.parts, b.parts), unseen: max(a.unseen, b.unseen)}
			t.Logf("%-26s %5d %8.4f %10.4f %8.4f [%8.3f,%8.3f] [%8.3f,%8.3f] %8.4f%8.4f%8.3f", c.name, n, d.trend, d.parts, d.unseen,
				d.lowest[0], d.highest[0], d.lowest[1], d.highest[1], itself.trend, itself.parts, itself.unseen)
			if d.lowest[0] < -gapsLimit || d.highest[0] > 1+gapsLimit {
				t.Errorf("in the gaps yhat leaves the range of the data: from %.3f to %.3f of it", d.lowest[0], d.highest[0])
			}
			if d.trend > trendLimit && itself.trend <= trendLimit {
				out.trend = append(out.trend, c.name)
			}
			if d.lowest[1] < -gapsLimit || d.highest[1] > 1+gapsLimit {
				return
			}
			if d.parts > partsLimit && itself.parts <= partsLimit {
				out.parts = append(out.parts, c.name)
			}
			if itself.unseen > gapsLimit {
				return
			}
			out.compared++
			if d.unseen > gapsLimit {
				out.unseen = append(out.unseen, c.name)
			}
		})
	}
	return out
}

// A decomposition is yhat, and the trend and the components with their modes.
type decomposition struct {
	yhat  []float64
	parts map[string][]float64
	modes map[string]prophet.Mode
}

// decompose fits c and forecasts it at all its times.
func decompose(t *testing.T, c peerCase) decomposition {
	t.Helper()
	n := len(c.y)
	history := make([]int, n)
	for j := range history {
		history[j] = j
	}
	f, err := c.model.FitColumns(t.Context(), c.times[:n], c.y, c.columns.At(history))
	if err != nil {
		t.Fatal(err)
	}
	fc, err := f.ForecastColumns(c.times, c.columns)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Gaps) == 0 || len(f.Unseen(c.times[:n], c.columns)) > 0 {
		t.Errorf("the gaps are %v", f.Gaps)
	}
	out := decomposition{fc.Yhat, map[string][]float64{"trend": fc.Trend}, map[string]prophet.Mode{}}
	for _, p := range fc.Seasonal {
		out.parts[p.Name], out.modes[p.Name] = p.Value, p.Mode
	}
	for _, p := range fc.Holidays {
		if out.parts["holidays"] == nil {
			out.parts["holidays"] = make([]float64, len(c.times))
		}
		out.modes["holidays"] = p.Mode
		for j, v := range p.Value {
			out.parts["holidays"][j] += v
		}
	}
	return out
}

// decomposed is a as a decomposition of c.
func (a peerAnswer) decomposed(c peerCase) decomposition {
	modes := map[string]prophet.Mode{"holidays": cmp.Or(c.model.HolidaysMode, c.model.SeasonalityMode)}
	for _, s := range c.model.Seasonalities {
		modes[s.Name] = cmp.Or(s.Mode, c.model.SeasonalityMode)
	}
	return decomposition{a.Yhat, a.Parts, modes}
}

// A gapDifference says how far two decompositions are from each other, in shares of the range
// of y: the largest differences of the trend and of the components on the history and of yhat in
// the gaps, and where yhat lies in the gaps, from the least value of y, of both.
type gapDifference struct {
	trend, parts, unseen float64
	lowest, highest      [2]float64
}

// difference compares two decompositions of c.
func difference(c peerCase, ours, prophets decomposition) gapDifference {
	n := len(c.y)
	low, high := slices.Min(c.y), slices.Max(c.y)
	reach := high - low
	a, b := centred(ours.parts, prophets.modes, n), centred(prophets.parts, prophets.modes, n)
	var d gapDifference
	d.lowest, d.highest = [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for j := range c.times {
		if j < n {
			d.trend = max(d.trend, math.Abs(a["trend"][j]-b["trend"][j])/reach)
			for name := range b {
				scale := reach
				if prophets.modes[name] == prophet.Multiplicative {
					scale = reach / math.Abs(b["trend"][j])
				}
				if name != "trend" {
					d.parts = max(d.parts, math.Abs(a[name][j]-b[name][j])/scale)
				}
			}
			continue
		}
		d.unseen = max(d.unseen, math.Abs(ours.yhat[j]-prophets.yhat[j])/reach)
		for k, v := range []float64{ours.yhat[j], prophets.yhat[j]} {
			d.lowest[k], d.highest[k] = min(d.lowest[k], (v-low)/reach), max(d.highest[k], (v-low)/reach)
		}
	}
	return d
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// centred is the parts of a decomposition with the mean of each component over the first
// n rows moved into the trend.
func centred(parts map[string][]float64, modes map[string]prophet.Mode, n int) map[string][]float64 {
	out := map[string][]float64{"trend": slices.Clone(parts["trend"])}
	add, factor := 0.0, 1.0
	for name, v := range parts {
		if name == "trend" {
			continue
		}
		if m := mean(v[:n]); modes[name] == prophet.Multiplicative {
			factor += m
		} else {
			add += m
		}
	}
	for name, v := range parts {
		if name == "trend" {
			continue
		}
		m := mean(v[:n])
		for _, x := range v {
			if modes[name] == prophet.Multiplicative {
				out[name] = append(out[name], (x-m)/factor)
			} else {
				out[name] = append(out[name], x-m)
			}
		}
	}
	for i := range out["trend"] {
		out["trend"][i] = out["trend"][i]*factor + add
	}
	return out
}

// gapCases are series with regular gaps. The times of each are those of the history, then those
// in the gaps.
func gapCases() []peerCase {
	var out []peerCase
	type shape = func(d, x float64) float64
	wave := func(d, period, shift float64) float64 { return math.Sin(2*math.Pi*d/period + shift) }
	hour := func(d float64) float64 { return 24 * (d - math.Floor(d)) }
	// add generates n steps from a day on, of which those that are open are the history.
	add := func(name, start string, n int, step func(at time.Time) time.Time, open func(time.Time) bool, noise float64, y shape, change func(m *fit.Model, c *peerCase)) {
		first, err := time.Parse(time.DateOnly, start)
		if err != nil {
			panic(err)
		}
		c := peerCase{name: name, model: fit.DefaultModel()}
		rnd := seed.Stream(1, "gaps/"+name)
		var closed []time.Time
		at := first
		for i := range n {
			if d := prophet.Days(at); open(at) {
				c.times = append(c.times, at)
				c.y = append(c.y, math.Round(1000*(y(d, float64(i)/float64(n))+noise*rnd.NormFloat64()))/1000)
			} else {
				closed = append(closed, at)
			}
			at = step(at)
		}
		c.times = append(c.times, closed...)
		change(&c.model, &c)
		out = append(out, c)
	}
	every := func(d time.Duration) func(time.Time) time.Time {
		return func(at time.Time) time.Time { return at.Add(d) }
	}
	daily, hourly := every(day), every(time.Hour)
	working := func(at time.Time) bool { return at.Weekday() != time.Saturday && at.Weekday() != time.Sunday }
	hours := func(from, to int) func(time.Time) bool {
		return func(at time.Time) bool { return from <= at.Hour() && at.Hour() <= to }
	}
	months := func(from, to time.Month) func(time.Time) bool {
		return func(at time.Time) bool { return from <= at.Month() && at.Month() <= to }
	}
	office := func(at time.Time) bool { return working(at) && hours(8, 18)(at) }
	yearly := prophet.Seasonality{Name: "yearly", Period: 365.25, Order: 10}
	weekly := prophet.Seasonality{Name: "weekly", Period: 7, Order: 3}
	perDay := prophet.Seasonality{Name: "daily", Period: 1, Order: 4}
	terms := func(s ...prophet.Seasonality) func(*fit.Model, *peerCase) {
		return func(m *fit.Model, _ *peerCase) { m.Seasonalities = s }
	}
	mode := func(mode prophet.Mode, s ...prophet.Seasonality) func(*fit.Model, *peerCase) {
		return func(m *fit.Model, _ *peerCase) { m.Seasonalities, m.SeasonalityMode = s, mode }
	}

	for _, level := range []float64{113, 1113, -113} {
		add(fmt.Sprintf("weekdays_at_%g", level), "2022-01-03", 420, daily, working, 2,
			func(d, x float64) float64 { return level + 8*wave(d, 7, 1) + 3*wave(d, 3.5, 0) + 6*x }, terms(weekly))
	}
	add("weekdays_of_years", "2020-01-03", 1000, daily, working, 2,
		func(d, x float64) float64 { return 50 + 20*wave(d, 365.25, 0) + 8*wave(d, 7, 1) + 6*x }, terms(yearly, weekly))
	add("weekdays_monday_peak", "2022-01-03", 500, daily, working, 1,
		func(d, x float64) float64 { return 30 + 20*math.Max(0, wave(d, 7, -2.1)) + 4*x }, terms(weekly))
	add("six_days", "2022-01-03", 300, daily, func(at time.Time) bool { return at.Weekday() != time.Sunday }, 3,
		func(d, x float64) float64 { return 200 + 15*wave(d, 7, 2) - 20*math.Max(0, x-.4) }, terms(weekly))
	add("four_days", "2022-01-03", 300, daily, func(at time.Time) bool { return at.Weekday() >= time.Monday && at.Weekday() <= time.Thursday }, 3,
		func(d, x float64) float64 { return 20 + 5*wave(d, 7, 2) + 30*x }, terms(weekly))
	add("hours_9_to_12", "2023-01-01", 24*60, hourly, hours(9, 12), 4, func(d, x float64) float64 { return 153 + 12*wave(d, 1, 0) }, terms(weekly, perDay))
	add("mornings", "2023-01-01", 24*60, hourly, hours(0, 6), 2, func(d, x float64) float64 { return 80 + 12*wave(d, 1, 0) + 10*x }, terms(weekly, perDay))
	add("opening_hours", "2023-01-01", 24*60, hourly, hours(8, 20), 3,
		func(d, x float64) float64 { return 60 + 10*wave(hour(d)-8, 24, 0) + 5*x }, terms(weekly, perDay))
	add("office_hours", "2023-01-02", 24*70, hourly, office, 12,
		func(d, x float64) float64 { return 500 + 60*wave(hour(d)-8, 20, 0) + 20*wave(d, 7, 0) }, terms(weekly, perDay))
	add("office_hours_flat", "2023-01-02", 24*70, hourly, office, 8, func(d, x float64) float64 { return 500 + 30*wave(hour(d)-8, 24, 0) },
		func(m *fit.Model, c *peerCase) {
			m.Growth = prophet.Flat
			m.Seasonalities = []prophet.Seasonality{weekly, perDay}
		})
	add("nights_missing_5min", "2023-03-01", 288*10, every(5*time.Minute), hours(8, 17), 3, func(d, x float64) float64 { return 100 + 10*wave(d, 1, -1) }, terms(perDay))
	add("nights_missing_1min", "2023-03-01", 1440*6, every(time.Minute), hours(8, 17), 10, func(d, x float64) float64 { return 100 + 10*wave(d, 1, -1) },
		terms(prophet.Seasonality{Name: "day", Period: 1, Order: 10}, prophet.Seasonality{Name: "hourly", Period: 1. / 24, Order: 4}))
	add("winter_season", "2015-11-01", 365*5, daily, func(at time.Time) bool { return at.Month() <= time.March || at.Month() >= time.November }, 10,
		func(d, x float64) float64 {
			return 300 + 40*wave(d, 365.25, 1.5) + 25*wave(d, 365.25/2, 0) + 15*wave(d, 7, 0)
		}, terms(yearly, weekly))
	add("first_quarters", "2016-01-01", 365*5, daily, months(1, 3), 10, func(d, x float64) float64 { return 300 + 40*wave(d, 365.25/2, 1.5) + 30*x }, terms(yearly, weekly))
	add("summer_peak", "2018-01-01", 365*4, daily, months(5, 9), 4,
		func(d, x float64) float64 { return 20 + 80*math.Max(0, wave(d, 365.25, -1.7)) + 10*x }, terms(yearly, weekly))
	add("half_years", "2018-01-01", 365*4, daily, months(4, 9), 6, func(d, x float64) float64 { return 100 + 15*wave(d, 365.25, -0.5) + 10*x + 5*wave(d, 7, 0) }, terms(yearly, weekly))
	add("half_years_by_month", "2000-01-01", 12*20, func(at time.Time) time.Time { return at.AddDate(0, 1, 0) }, months(4, 9), 3,
		func(d, x float64) float64 { return 100 + 30*wave(d, 365.25, -1.5) + 20*x }, terms(yearly))
	add("sudden_hours", "2023-01-01", 24*40, hourly, hours(9, 17), 1, func(d, x float64) float64 {
		if h := hour(d); h > 10.5 && h < 14.5 {
			return 180
		}
		return 150
	}, terms(weekly, perDay))
	add("noiseless_hours", "2023-01-01", 24*40, hourly, hours(9, 17), 0.1, func(d, x float64) float64 { return 150 + 30*math.Pow(wave(d, 1, 0), 3) }, terms(weekly, perDay))
	add("steep_summer", "2018-01-01", 365*4, daily, months(4, 9), 1, func(d, x float64) float64 { return 100 + 60*wave(d, 365.25, -1.5) }, terms(yearly))
	add("six_hours_apart", "2023-01-01", 24*120, hourly, func(at time.Time) bool { return at.Hour()%6 == 0 }, 2,
		func(d, x float64) float64 { return 70 + 5*wave(d, 1, 0) + 10*x }, terms(weekly, perDay))
	add("own_cycle", "2023-01-01", 200, daily, func(at time.Time) bool { return prophet.DayOf(at)%10 < 6 }, 1,
		func(d, x float64) float64 { return 40 + 6*wave(d, 10, 1) + 9*x }, terms(prophet.Seasonality{Name: "shift", Period: 10, Order: 4}))
	add("conditional_hours", "2023-01-01", 24*60, hourly, hours(7, 19), 2, func(d, x float64) float64 {
		if int(math.Floor(d)+3)%7 >= 5 {
			return 40 + 4*wave(hour(d)-7, 24, 0)
		}
		return 40 + 12*wave(hour(d)-7, 24, 0)
	}, func(m *fit.Model, c *peerCase) {
		m.Seasonalities = []prophet.Seasonality{{Name: "work", Period: 1, Order: 4, Condition: "weekday"}, {Name: "rest", Period: 1, Order: 4, Condition: "weekend"}}
		var work, rest []bool
		for _, at := range c.times {
			work, rest = append(work, working(at)), append(rest, !working(at))
		}
		c.columns.Conditions = map[string][]bool{"weekday": work, "weekend": rest}
	})
	add("weekdays_holidays", "2022-01-03", 420, daily, working, 2, func(d, x float64) float64 {
		y := 113 + 8*wave(d, 7, 1) + 6*x
		if int(d)%60 == 11 {
			y += 25
		}
		return y
	}, func(m *fit.Model, c *peerCase) {
		m.Seasonalities = []prophet.Seasonality{weekly}
		h := prophet.Holiday{Name: "event"}
		for _, at := range c.times {
			if prophet.DayOf(at)%60 == 11 {
				h.Dates = append(h.Dates, prophet.DayOf(at))
			}
		}
		m.Holidays = []prophet.Holiday{h}
	})
	add("multiplicative_weekdays", "2020-01-03", 1000, daily, working, 5,
		func(d, x float64) float64 { return (100 + 150*x) * (1 + .2*wave(d, 7, 1)) }, mode(prophet.Multiplicative, yearly, weekly))
	add("multiplicative_hours", "2023-01-01", 24*60, hourly, hours(8, 18), 5,
		func(d, x float64) float64 {
			return (100 + 150*x - 200*math.Max(0, x-.5)) * (1 + .2*wave(hour(d)-8, 24, 0))
		}, mode(prophet.Multiplicative, weekly, perDay))
	add("multiplicative_flat", "2023-01-02", 24*70, hourly, office, 12, func(d, x float64) float64 { return 500 * (1 + .1*wave(hour(d)-8, 20, 0)) },
		func(m *fit.Model, c *peerCase) {
			mode(prophet.Multiplicative, weekly, perDay)(m, c)
			m.Growth = prophet.Flat
		})
	limited := func(m prophet.Mode, s ...prophet.Seasonality) func(*fit.Model, *peerCase) {
		return func(model *fit.Model, c *peerCase) {
			mode(m, s...)(model, c)
			model.Growth = prophet.Logistic
			c.columns.Cap = slices.Repeat([]float64{200}, len(c.times))
		}
	}
	rising := func(x float64) float64 { return 180 / (1 + math.Exp(-8*(x-.4))) }
	add("logistic_weekdays", "2020-01-03", 600, daily, working, 3, func(d, x float64) float64 { return rising(x) + 8*wave(d, 7, 1) }, limited(prophet.Additive, weekly))
	add("logistic_office_hours", "2023-01-02", 24*70, hourly, office, 4, func(d, x float64) float64 { return rising(x) + 10*wave(hour(d)-8, 24, 0) }, limited(prophet.Additive, weekly, perDay))
	add("logistic_multiplicative", "2020-01-03", 600, daily, working, 3, func(d, x float64) float64 { return rising(x) * (1 + .1*wave(d, 7, 1)) }, limited(prophet.Multiplicative, weekly))
	return out
}
