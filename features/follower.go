package features

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/internal/codec"
)

// A Spec says which columns a [Follower] makes.
type Spec struct {
	// Hours are looked back at this minute of the hour, in [1, 72].
	Hours int `json:"hours"`
	// Days are looked back at this minute of the day, in [0, 7].
	Days int `json:"days"`
	// Surprises adds what the base erred by at this minute of the last days.
	Surprises bool `json:"surprises,omitempty"`
	// Calendar adds the minute of the day and the day of the week.
	Calendar bool `json:"calendar"`
	// Components adds what a decomposition says of the minute.
	Components bool `json:"components"`
}

// Largest values of a Spec.
const (
	MaxHours = 72
	MaxDays  = 7
)

// SpecFor returns what a history of span minutes can show: hours and days of which at most
// half the span is needed, so that every second row has them, and the calendar from two days on.
func SpecFor(span int) Spec {
	s := Spec{
		Hours:    max(1, min(MaxHours, span/2/60)),
		Days:     min(MaxDays, span/2/datasets.MinutesPerDay),
		Calendar: span >= 2*datasets.MinutesPerDay,
	}
	s.Surprises = s.Days > 0
	return s
}

// Validate reports whether s can be used.
func (s Spec) Validate() error {
	if s.Hours < 1 || s.Hours > MaxHours {
		return fmt.Errorf("features: hours must be in [1, %d], got %d", MaxHours, s.Hours)
	}
	if s.Days < 0 || s.Days > MaxDays {
		return fmt.Errorf("features: days must be in [0, %d], got %d", MaxDays, s.Days)
	}
	if s.Surprises && s.Days == 0 {
		return errors.New("features: surprises need days")
	}
	return nil
}

// Reach is the number of minutes that a Follower keeps.
func (s Spec) Reach() int {
	return max(shortMinutes, 60*s.Hours+stepMinutes+1, s.Days*datasets.MinutesPerDay+levelMinutes+dayWidths[len(dayWidths)-1]+1)
}

const (
	// shortMinutes is how far lags look back.
	shortMinutes = 130
	// stepMinutes before a minute of the last hours are its level.
	stepMinutes = 10
	// levelMinutes before a minute of the last days are its level.
	levelMinutes = 15
)

// The columns. All that are levels are differences to the base, in units of z.
var (
	lagMinutes = [...]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 30, 45, 60, 120}
	// adjustedLags are the lags brought to this minute of the hour by the expected steps.
	adjustedLags = [...]int{1, 2, 3, 5}
	// followRates are those of the levels that expect the step of the minute.
	followRates = [...]float64{0.6, 0.4, 0.2, 0.1, 0.05, 0.02, 0.007, 0.002, 0.0007}
	// smoothRates are those of plain exponential smoothing.
	smoothRates = [...]float64{0.3, 0.1, 0.03}
	// hourBack are the hours back whose step and deviation are columns.
	hourBack = [...]int{1, 2, 3, 6, 24, 72}
	// periods of cron's ticks, minutes.
	periods = [...]int{5, 10, 15, 30}
	// dayBack are the days back that are columns.
	dayBack = [...]int{1, 2, 3, 4, 5, 6, 7}
	// surpriseBack are the days back whose surprises are columns.
	surpriseBack = [...]int{1, 2, 7}
	// dayWidths are the half-widths of the means about this minute of a day.
	dayWidths = [...]int{0, 2, 5}
)

// baseRates are the numbers in followRates of which the base is one.
var baseRates = [...]int{1, 2, 3, 4}

const (
	// hourMemory is the number of hours that the expected step remembers.
	hourMemory = 24
	// trustMinutes is the memory of how far expected steps come true.
	trustMinutes = 720
	// trustPrior is weight of the assumption that they do not.
	trustPrior = 10
	// errorRate is that of the errors by which the base is chosen, once in an hour.
	errorRate = 0.001
	// noiseRate is that of the size of the errors of the base.
	noiseRate = 0.02
	// knotMinutes are the minutes between evaluations of a decomposition: its fastest term
	// has a period of hours, and between them it is nearly straight.
	knotMinutes = 15
	// componentRate is that of the level of a decomposition.
	componentRate = 0.03
)

// Columns are the names of the values of a row, of which the first is the base.
func (s Spec) Columns() []string {
	out := []string{BaseColumn}
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, k := range lagMinutes {
		add("lag_%d", k)
	}
	for _, k := range adjustedLags {
		add("adjusted_lag_%d", k)
	}
	for _, r := range followRates {
		add("follow_%g", r)
	}
	for _, r := range smoothRates {
		add("smooth_%g", r)
	}
	add("step")
	add("trust")
	add("noise")
	add("max_10")
	add("min_10")
	for _, h := range hourBack {
		if h <= s.Hours {
			add("hour_%d_step", h)
			add("hour_%d_deviation", h)
		}
	}
	add("hours_deviation")
	for _, p := range periods {
		add("period_%d", p)
		add("period_%d_mean", p)
		add("period_%d_step", p)
		add("minute_mod_%d", p)
	}
	add("minute_mod_60")
	for _, d := range dayBack {
		if d <= s.Days {
			for _, w := range dayWidths {
				add("day_%d_width_%d", d, w)
			}
		}
	}
	if s.Days > 0 {
		for _, w := range dayWidths {
			add("days_width_%d", w)
		}
	}
	if s.Surprises {
		for _, d := range surpriseBack {
			if d <= s.Days {
				add("surprise_%d", d)
			}
		}
		add("surprises_mean")
		add("surprises_median")
	}
	add("zero_run")
	add("last_iat")
	add("due")
	add("due_count")
	if s.Calendar {
		add("minute_of_day")
		add("day_of_week")
	}
	if s.Components {
		add("component")
		add("component_step")
		add("holiday")
	}
	return out
}

// BaseColumn is the column of the base: a level that follows the counts at the rate 0.4,
// 0.2, 0.1 or 0.05, whichever erred least so far, and expects the step of the minute of the
// hour, in units of z. Every other level is a difference to it.
const BaseColumn = "base"

// A Follower goes with one function through time and makes rows of features. Its memory
// does not grow, and a minute takes constant time. It is not safe for concurrent use.
//
// Levels follow z(t) = [Stabilise](count) with the expected step into minute t
//
//	P(t) = L(t-1) + b D(t mod 60)        L(t) = P(t) + a (z(t) - P(t))
//
// where D is a running mean, over a day of hours, of the steps z(t) - z(t-1) into this minute of the hour,
// and b in [0, 1] how far such expectations have come true in the last hours: the regression
// coefficient of the steps on D. A function without a rhythm in the hour has a b near 0.
type Follower struct {
	spec    Spec
	phase   int // minute of the week of minute 0, from a Thursday on, as 1970-01-01 was
	start   time.Time
	origins []Origin

	state
	ring      []code     // ring[t % len]
	surprises []surprise // as long; nil where none are kept
}

const (
	// surpriseMinutes are those that must be kept for surprises to be: of functions that keep less, single
	// minutes of single days say nothing.
	surpriseMinutes = 2 * datasets.MinutesPerDay
)

// state is all that changes, beside the ring.
type state struct {
	Now   int // the first minute that is not known
	From  int // the first minute, were the ring endless
	Known int // minutes with a count

	Follow [len(followRates)]float64
	Smooth [len(smoothRates)]float64
	Step   [60]float32 // D
	Hours  [60]uint8   // of which a step is known
	Steps  float64     // sum of Step
	Rate   int         // number in followRates of the base
	Errors [len(baseRates)]float64
	Came   float64 // of D times the step
	Tried  float64 // of D squared
	Noise  float64
	Peak   float64 // largest count, halved every day

	LastActive, PreviousActive int // minutes with an arrival
	Active                     int // how many, up to 2

	// Of the decomposition: its level, and that of the counts since it is known.
	Component, Counterpart float64
	ComponentKnown         int
	Knot                   int // minute of the knots below; -1 before the first
	KnotOrigin             int
	Knots                  [2]knot
}

type knot struct{ Yhat, Plain float64 } // z of yhat, and of yhat without holidays

// NewFollower returns a Follower of a function of a trace whose minute 0 is start, a
// midnight UTC; s must be valid. It keeps so many minutes, at most Spec.Reach: columns that
// look further back are missing. Origins are its decompositions, see [Origin].
func NewFollower(s Spec, start time.Time, keep int, origins []Origin) *Follower {
	const week = 7 * datasets.MinutesPerDay
	keep = max(shortMinutes, min(keep, s.Reach()))
	f := &Follower{spec: s, phase: int(start.Unix() / 60 % week), start: start, origins: origins, ring: make([]code, keep+1)}
	if s.Surprises && keep >= surpriseMinutes {
		f.surprises = make([]surprise, keep+1)
	}
	f.Reset(0)
	return f
}

// Reset forgets everything: the next minute observed is from, which must not be negative.
func (f *Follower) Reset(from int) {
	f.state = state{Now: from, From: from, Knot: -1, Rate: baseRates[0]}
	for i := range f.ring {
		f.ring[i] = missing
	}
	for i := range f.surprises {
		f.surprises[i] = noSurprise
	}
}

// Minute is the first minute that is not known.
func (f *Follower) Minute() int { return f.Now }

// Seen is the number of minutes with a count.
func (f *Follower) Seen() int { return f.Known }

// Bound is the largest forecast that is believed: twice the largest count, of which a day
// halves the memory, at least 10.
func (f *Follower) Bound() float64 { return max(10, 2*f.Peak) }

// Observe takes the count of minute Now and advances. NaN, a negative or an infinite count is
// a minute of which nothing is known; one above LargestCount is taken for that.
func (f *Follower) Observe(count float64) {
	if !(count >= 0) || math.IsInf(count, 0) {
		count = math.NaN()
	}
	count = min(count, LargestCount)
	now := f.Now
	minute := now % 60
	c := encode(count)
	f.ring[now%len(f.ring)] = c
	if f.surprises != nil {
		f.surprises[now%len(f.ring)] = noSurprise
	}
	f.Now++
	f.Peak *= halfADay
	step := f.expected(minute)
	if c == missing {
		for i := range f.Follow {
			f.Follow[i] += step
		}
		return
	}
	z := Stabilise(count)
	f.Known++
	f.Peak = max(f.Peak, count)
	if count > 0 {
		f.PreviousActive, f.LastActive = f.LastActive, now
		f.Active = min(f.Active+1, 2)
	}
	if f.Known == 1 {
		for i := range f.Follow {
			f.Follow[i] = z
		}
		for i := range f.Smooth {
			f.Smooth[i] = z
		}
		f.observeComponents(now, z)
		return
	}
	least := 1 / float64(f.Known) // at first the mean
	e := z - (f.Follow[f.Rate] + step)
	f.Noise += max(noiseRate, least) * (e*e - f.Noise)
	if f.surprises != nil {
		f.surprises[now%len(f.ring)] = surprised(e)
	}
	for i, k := range baseRates {
		f.Errors[i] += max(errorRate, least) * (math.Abs(z-(f.Follow[k]+step)) - f.Errors[i])
	}
	if minute == 59 {
		best := 0
		for i, e := range f.Errors {
			if e < f.Errors[best] {
				best = i
			}
		}
		f.Rate = baseRates[best]
	}
	for i, a := range followRates {
		p := f.Follow[i] + step
		f.Follow[i] = p + max(a, least)*(z-p)
	}
	for i, a := range smoothRates {
		f.Smooth[i] += max(a, least) * (z - f.Smooth[i])
	}
	if before := f.code(now - 1); before != missing {
		f.learnStep(minute, z-before.z())
	}
	f.observeComponents(now, z)
}

// halfADay is a half of a day's power.
var halfADay = math.Exp2(-1. / datasets.MinutesPerDay)

// learnStep takes the step into a minute of the hour. Steps beyond four times the usual
// error are cut to that, so that one burst does not become a habit.
func (f *Follower) learnStep(minute int, step float64) {
	d := float64(f.Step[minute])
	const forget = 1 - 1./trustMinutes
	f.Came = forget*f.Came + d*step
	f.Tried = forget*f.Tried + d*d
	n := min(f.Hours[minute]+1, hourMemory)
	f.Hours[minute] = n
	if most := 4 * math.Sqrt(f.Noise) * math.Sqrt2; n > 2 && math.Abs(step-d) > most {
		step = d + math.Copysign(most, step-d)
	}
	next := float32(d + (step-d)/float64(n))
	f.Step[minute] = next
	f.Steps += float64(next) - d
}

// trust is b.
func (f *Follower) trust() float64 { return min(1, max(0, f.Came/(f.Tried+trustPrior))) }

// expected is the step b D into a minute of the hour; over an hour they cancel.
func (f *Follower) expected(minute int) float64 {
	return f.trust() * (float64(f.Step[minute]) - f.Steps/60)
}

// between is the sum of the expected steps into the minutes of (from, to].
func (f *Follower) between(from, to int) float64 {
	n := (to - from) % 60
	sum := 0.0
	for k := range n {
		sum += float64(f.Step[(to-k+120)%60]) // to may lie before minute 0, by less than two hours
	}
	return f.trust() * (sum - float64(n)*f.Steps/60)
}

// code of minute t; missing of what is not kept or not known.
func (f *Follower) code(t int) code {
	if t >= f.Now || t < f.From || t <= f.Now-len(f.ring) {
		return missing
	}
	return f.ring[t%len(f.ring)]
}

// z of minute t; NaN of what is not kept or not known.
func (f *Follower) z(t int) float64 {
	c := f.code(t)
	if c == missing {
		return math.NaN()
	}
	return c.z()
}

// mean of z over the known minutes of [from, to); NaN if there is none.
func (f *Follower) mean(from, to int) float64 {
	from = max(from, f.From, f.Now-len(f.ring)+1)
	to = min(to, f.Now)
	sum, n := 0.0, 0
	if from >= to {
		return math.NaN()
	}
	i := from % len(f.ring)
	for range to - from {
		if c := f.ring[i]; c != missing {
			sum += c.z()
			n++
		}
		if i++; i == len(f.ring) {
			i = 0
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}

// Base is the base of minute Now+ahead-1, ahead >= 1, in units of z; that of no arrivals
// before the first count.
func (f *Follower) Base(ahead int) float64 {
	if f.Known == 0 {
		return Stabilise(0)
	}
	return f.Follow[f.Rate] + f.between(f.Now-1, f.Now+ahead-1)
}

// Append appends to row the values of Spec.Columns for minute Now+ahead-1, ahead >= 1. It
// does not allocate if row has room.
func (f *Follower) Append(row []float64, ahead int) []float64 {
	s, now, at := f.spec, f.Now, f.Now+ahead-1
	nan := math.NaN()
	base := f.Base(ahead)
	step := f.between(now-1, at)
	row = append(row, base)
	for _, k := range lagMinutes {
		row = append(row, f.z(now-k)-base)
	}
	for _, k := range adjustedLags {
		row = append(row, f.z(now-k)+f.between(now-k, at)-base)
	}
	for i := range f.Follow {
		row = append(row, f.Follow[i]+step-base)
	}
	for i := range f.Smooth {
		row = append(row, f.Smooth[i]-base)
	}
	high, low := nan, nan
	for k := 1; k <= 10; k++ {
		if z := f.z(now - k); z == z {
			if !(z <= high) {
				high = z
			}
			if !(z >= low) {
				low = z
			}
		}
	}
	row = append(row, float64(f.Step[at%60]), f.trust(), math.Sqrt(f.Noise), high-base, low-base)

	// Minutes of past hours, only those that are known.
	late := (ahead - 1) / 60 // hours by which the last one is not known yet
	deviations, n := 0.0, 0
	for _, h := range hourBack {
		if h > s.Hours {
			break
		}
		t := at - 60*(h+late)
		z := f.z(t)
		deviation := z - f.mean(t-stepMinutes, t)
		row = append(row, z-f.z(t-1), deviation)
		if deviation == deviation {
			deviations += deviation
			n++
		}
	}
	if n > 0 {
		row = append(row, deviations/float64(n))
	} else {
		row = append(row, nan)
	}
	for _, p := range periods {
		t := at - p*((ahead-1)/p+1)
		z := f.z(t)
		sum, known := 0.0, 0
		for k := range 3 {
			if v := f.z(t - p*k); v == v {
				sum += v
				known++
			}
		}
		mean := nan
		if known > 0 {
			mean = sum/float64(known) - base
		}
		row = append(row, z-base, mean, z-f.z(t-1), float64(at%p))
	}
	row = append(row, float64(at%60))
	row = f.appendDays(row, ahead)

	run, iat, due, dueCount := float64(now-f.From), nan, nan, nan
	if f.Active > 0 {
		run = float64(now - 1 - f.LastActive)
	}
	if f.Active > 1 {
		gap := f.LastActive - f.PreviousActive
		iat = float64(gap)
		due = float64(f.LastActive + gap - at)
		dueCount = f.z(at-gap) - base
	}
	const reach = datasets.MinutesPerDay // beyond, a row would tell how old the history is
	row = append(row, min(run, reach), min(iat, reach), max(-reach, min(due, reach)), dueCount)
	if s.Calendar {
		const day = datasets.MinutesPerDay
		m := (f.phase + at) % (7 * day)
		row = append(row, float64(m%day), float64(m/day))
	}
	if s.Components {
		row = f.appendComponents(row, at, base)
	}
	return row
}

// appendDays appends this minute of the last days, brought to today's level: about it,
// against the minutes before it that were known as long before.
func (f *Follower) appendDays(row []float64, ahead int) []float64 {
	s, at := f.spec, f.Now+ahead-1
	if s.Days == 0 {
		return row
	}
	var sums [len(dayWidths)]float64
	var n [len(dayWidths)]int
	late := (ahead - 1) / datasets.MinutesPerDay
	for _, d := range dayBack {
		if d > s.Days {
			break
		}
		t := at - datasets.MinutesPerDay*(d+late)
		level := f.mean(t-ahead+1-levelMinutes, t-ahead+1)
		for i, w := range dayWidths {
			v := f.mean(t-w, t+w+1) - level
			row = append(row, v)
			if v == v {
				sums[i] += v
				n[i]++
			}
		}
	}
	for i := range dayWidths {
		if n[i] == 0 {
			row = append(row, math.NaN())
			continue
		}
		row = append(row, sums[i]/float64(n[i]))
	}
	if s.Surprises {
		row = f.appendSurprises(row, at-datasets.MinutesPerDay*late)
	}
	return row
}

// appendSurprises appends what the base erred by a number of days before minute at, in units of z: of
// a task that runs once a day, which the minute of the hour does not show.
func (f *Follower) appendSurprises(row []float64, at int) []float64 {
	var known [MaxDays]float64
	n, sum, next := 0, 0.0, 0
	for d := 1; d <= f.spec.Days; d++ {
		v := math.NaN()
		if t := at - datasets.MinutesPerDay*d; f.surprises != nil && f.code(t) != missing {
			if s := f.surprises[t%len(f.ring)]; s != noSurprise {
				v = s.z()
				known[n] = v
				sum += v
				n++
			}
		}
		if next < len(surpriseBack) && d == surpriseBack[next] {
			row = append(row, v)
			next++
		}
	}
	if n == 0 {
		return append(row, math.NaN(), math.NaN())
	}
	sorted := known[:n]
	slices.Sort(sorted)
	return append(row, sum/float64(n), (sorted[(n-1)/2]+sorted[n/2])/2)
}

// observeComponents follows the level of the decomposition beside that of the counts.
func (f *Follower) observeComponents(now int, z float64) {
	if !f.spec.Components {
		return
	}
	k, ok := f.component(now)
	if !ok {
		return
	}
	f.ComponentKnown++
	a := max(componentRate, 1/float64(f.ComponentKnown))
	f.Component += a * (k.Yhat - f.Component)
	f.Counterpart += a * (z - f.Counterpart)
}

// appendComponents appends what the decomposition expects of minute at, at the level of the
// counts; its step into that minute; and the effect of holidays.
func (f *Follower) appendComponents(row []float64, at int, base float64) []float64 {
	nan := math.NaN()
	k, ok := f.component(at)
	if !ok || f.ComponentKnown == 0 {
		return append(row, nan, nan, nan)
	}
	return append(row, k.Yhat-f.Component+f.Counterpart-base, k.Yhat-f.Component, k.Yhat-k.Plain)
}

// component is the decomposition at minute t, straight between knots: of the last origin
// that was known when the last known minute had passed.
func (f *Follower) component(t int) (knot, bool) {
	origin := len(f.origins) - 1
	for origin >= 0 && f.origins[origin].From > min(t, f.Now) {
		origin--
	}
	if origin < 0 {
		return knot{}, false
	}
	if k := t - t%knotMinutes; k != f.Knot || origin != f.KnotOrigin {
		fitted := f.origins[origin].Fitted
		if k == f.Knot+knotMinutes && origin == f.KnotOrigin && f.Knot >= 0 {
			f.Knots[0] = f.Knots[1]
		} else {
			f.Knots[0] = f.evaluate(fitted, k)
		}
		f.Knots[1] = f.evaluate(fitted, k+knotMinutes)
		f.Knot, f.KnotOrigin = k, origin
	}
	share := float64(t%knotMinutes) / knotMinutes
	a, b := f.Knots[0], f.Knots[1]
	return knot{a.Yhat + share*(b.Yhat-a.Yhat), a.Plain + share*(b.Plain-a.Plain)}, true
}

func (f *Follower) evaluate(fitted *prophet.Fitted, minute int) knot {
	c := fitted.Components(f.start.Add(time.Duration(minute) * time.Minute))
	return knot{Stabilise(c.Yhat), Stabilise(c.Yhat - c.Holiday)}
}

// expertLags, expertPeriods: the simple forecasts of Experts.
var (
	expertLags    = [...]int{1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 60, 120}
	expertPeriods = [...]int{2, 3, 5, 10, 15, 20, 30, 60}
	expertFollow  = [...]int{1, 3, 5} // numbers in followRates
)

// medianMinutes are those of the median among the experts.
const medianMinutes = 30

// Experts is the number of forecasts that AppendExperts appends.
const Experts = len(expertLags) + len(expertPeriods) + len(expertFollow) + len(smoothRates) + 5

// AppendExperts appends simple forecasts of minute Now+ahead-1, in counts: the last counts,
// means of the last three at some periods, levels with and without the steps of the hour, the
// median of half an hour, yesterday's minute at today's level and its mean over the days, the
// decomposition at today's level, and zero. What is not known is the base.
func (f *Follower) AppendExperts(out []float64, ahead int) []float64 {
	at, base := f.Now+ahead-1, f.Base(ahead)
	step := f.between(f.Now-1, at)
	fallback := Count(base)
	add := func(z float64) {
		if z == z {
			out = append(out, Count(z))
		} else {
			out = append(out, fallback)
		}
	}
	for _, k := range expertLags {
		if c := f.code(f.Now - k); c != missing {
			out = append(out, c.count())
		} else {
			out = append(out, fallback)
		}
	}
	for _, p := range expertPeriods {
		t := at - p*((ahead-1)/p+1)
		sum, n := 0.0, 0.0
		for k := range 3 {
			if c := f.code(t - p*k); c != missing {
				sum += c.count()
				n++
			}
		}
		if n > 0 {
			out = append(out, sum/n)
		} else {
			out = append(out, fallback)
		}
	}
	for _, i := range expertFollow {
		add(f.Follow[i] + step)
	}
	for i := range f.Smooth {
		add(f.Smooth[i])
	}
	out = append(out, f.median(fallback))
	day, days, n := math.NaN(), 0.0, 0.0
	late := (ahead - 1) / datasets.MinutesPerDay
	for d := 1; d <= f.spec.Days; d++ {
		t := at - datasets.MinutesPerDay*(d+late)
		v := f.mean(t-1, t+2) - f.mean(t-ahead+1-levelMinutes, t-ahead+1)
		if d == 1 {
			day = v
		}
		if v == v {
			days += v
			n++
		}
	}
	add(base + day)
	add(base + days/n) // 0/0 is NaN
	component := math.NaN()
	if f.spec.Components && f.ComponentKnown > 0 {
		if k, ok := f.component(at); ok {
			component = k.Yhat - f.Component + f.Counterpart
		}
	}
	add(component)
	return append(out, 0)
}

// median of the known counts of the last medianMinutes; otherwise if none is known.
func (f *Follower) median(otherwise float64) float64 {
	var sorted [medianMinutes]code
	n := 0
	for k := 1; k <= medianMinutes; k++ {
		c := f.code(f.Now - k)
		if c == missing {
			continue
		}
		i := n
		for ; i > 0 && sorted[i-1] > c; i-- {
			sorted[i] = sorted[i-1]
		}
		sorted[i] = c
		n++
	}
	if n == 0 {
		return otherwise
	}
	return (sorted[(n-1)/2].count() + sorted[n/2].count()) / 2
}

// Code writes all that f has learned of its function, or takes up what a Follower of the same Spec, start, memory
// and origins wrote.
func (f *Follower) Code(c *codec.Codec) {
	n, days, s := len(f.ring), len(f.surprises), &f.state
	codec.Shorts(c, &f.ring)
	codec.Tinies(c, &f.surprises)
	for _, v := range []*int{&s.Now, &s.From, &s.Known, &s.Rate, &s.LastActive, &s.PreviousActive, &s.Active, &s.ComponentKnown, &s.Knot, &s.KnotOrigin} {
		codec.Int(c, v)
	}
	for _, v := range []*float64{&s.Steps, &s.Came, &s.Tried, &s.Noise, &s.Peak, &s.Component, &s.Counterpart} {
		codec.Float(c, v)
	}
	codec.Fixed(c, s.Follow[:], codec.Float[float64])
	codec.Fixed(c, s.Smooth[:], codec.Float[float64])
	codec.Fixed(c, s.Step[:], codec.Float[float32])
	codec.Fixed(c, s.Hours[:], codec.Int[uint8])
	codec.Fixed(c, s.Errors[:], codec.Float[float64])
	codec.Fixed(c, s.Knots[:], func(c *codec.Codec, k *knot) {
		codec.Float(c, &k.Yhat)
		codec.Float(c, &k.Plain)
	})
	if len(f.surprises) == 0 {
		f.surprises = nil
	}
	switch {
	case !c.Reading():
	case len(f.ring) != n:
		c.Fail(fmt.Errorf("features: state of a follower: it keeps %d minutes, expected %d", len(f.ring)-1, n-1))
	case len(f.surprises) != days:
		c.Fail(fmt.Errorf("features: state of a follower: surprises of %d minutes, expected %d", len(f.surprises), days))
	case s.Now < s.From || s.From < 0 || !slices.Contains(baseRates[:], s.Rate):
		c.Fail(errors.New("features: state of a follower: minutes or rate out of range"))
	}
}
