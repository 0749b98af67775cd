package fit

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"gonum.org/v1/gonum/floats"

	"github.com/incendio-faas/incendio/features/prophet"
)

// Where no value has some phases of a seasonality (the weekend of a history of working
// days, the nights of opening hours), the data leave directions open: a season that is
// -c at all phases that are seen and anything elsewhere is undone by a level that is c
// higher. Other directions are almost open: a Fourier series that is small on half of
// its period can be thousands of times as large on the other half. The priors N(0, 5)
// and N(0, 10), which are wide against any data, then decide about the level, and the
// noise about the gap: the mode of Prophet's density is of no use there.
//
// Prophet does not get that far. Its optimiser starts at the level of the data without
// any season, moves along the directions of which the data say something, and stops.
// Early stopping of a descent is a ridge towards where it starts (Friedman and Popescu,
// "Gradient directed regularization", 2004), so we hold the parameters in question to
// Prophet's start as that would: as if so many rows had been seen at it.
const (
	// heldShare is the weight of the start, in rows per row of the history: what is
	// learned of a column that the data determine is off by 0.04 % for it (the mean
	// square of a column is 1/2).
	heldShare = 2e-4
	// firmer is the factor between that and the next weight that is tried where the
	// season still leaves its range in a gap, and mostFirm bounds how often.
	firmer   = 2
	mostFirm = 24
	// beyond is the share of the range of y by which the model may leave that range in the
	// gaps of its seasons.
	beyond = 0.15
	// wide is the width, in periods/(2*order+1), from which a gap leaves directions open:
	// a Fourier series has that many degrees of freedom, evenly spread over its period.
	wide = 1.5
)

// A span is the days since 1970-01-01 from one row up to another, without a gap.
type span struct{ from, to float64 }

// A history says where the rows are: step is the usual distance from one to the next in
// days, and spans returns the runs of rows that are at most limit days apart, ascending,
// of those under a condition (all if it is empty).
type history struct {
	step  float64
	spans func(limit float64, condition string) []span
}

// gaps returns the phases of s that no row has, ascending, and the spans of those that
// some row has. weak says whether the data then leave the season open.
func (h history) gaps(s prophet.Seasonality) (gaps []prophet.Gap, seen []span, weak bool) {
	const rounding = 1e-9
	period, freedom := s.Period, float64(s.Columns()+1)
	// With coarse steps rows of two neighbouring times say nothing of the phases between.
	coarse := h.step*freedom > wide*period*(1+rounding)
	limit, least := 1.5*h.step, 1.5*h.step
	if coarse {
		limit, least = 0, period/freedom
	}
	rows := h.spans(limit, s.Condition)
	whole := []span{{0, period}}
	if len(rows) == 0 {
		return nil, whole, false // its columns are 0
	}
	for i, r := range rows {
		if r.to-r.from+limit >= period*(1-rounding) {
			return nil, whole, false
		}
		first := r.from - period*math.Floor(r.from/period)
		rows[i] = span{first, first + r.to - r.from}
	}
	slices.SortFunc(rows, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	reach := math.Inf(-1)
	for _, r := range rows {
		reach = max(reach, r.to-period) // what reaches into the next period
	}
	var widest float64
	phases := 0
	for _, r := range rows {
		if r.from-reach > 1e-6*period {
			phases++
		}
		if n := len(seen); n > 0 && r.from <= reach+max(limit, 1e-6*period) {
			seen[n-1].to = max(seen[n-1].to, r.to)
		} else {
			seen = append(seen, r)
		}
		if width := r.from - reach; width > least*(1+rounding) {
			widest = max(widest, width)
			margin := min(h.step/2, width/10)
			from := reach + margin
			turn := period * math.Floor(from/period)
			gaps = append(gaps, prophet.Gap{Seasonality: s.Name, From: from - turn, To: r.from - margin - turn})
		}
		reach = max(reach, r.to)
	}
	slices.SortFunc(gaps, func(a, b prophet.Gap) int { return cmp.Compare(a.From, b.From) })
	weak = widest*freedom > wide*period*(1+rounding) && widest > 1.5*h.step*(1+rounding) || coarse && phases <= s.Columns()
	return gaps, seen, weak
}

// usualStep is the median distance of the times, which ascend, in days, of those that
// differ. Of a long history a sample of them is enough.
func usualStep(times []time.Time) float64 {
	const sample = 1024
	every := max(1, (len(times)-1)/sample)
	steps := make([]float64, 0, min(len(times), 2*sample))
	for i := 0; i+1 < len(times); i += every {
		if d := times[i+1].Sub(times[i]); d > 0 {
			steps = append(steps, d.Hours()/hoursPerDay)
		}
	}
	if len(steps) == 0 {
		return 0
	}
	if slices.Min(steps) == slices.Max(steps) {
		return steps[0]
	}
	slices.Sort(steps)
	return steps[(len(steps)-1)/2]
}

// newHistory is where the rows at times are, which ascend; scaled are the scaled times.
func newHistory(times []time.Time, scaled []float64, columns prophet.Columns) history {
	days := times[len(times)-1].Sub(times[0]).Hours() / hoursPerDay
	widest := 0.0 // distance of rows, scaled: without gaps nothing more is asked of them
	for i := 1; i < len(scaled); i++ {
		widest = max(widest, scaled[i]-scaled[i-1])
	}
	return history{step: usualStep(times), spans: func(limit float64, condition string) []span {
		far := time.Duration(limit * hoursPerDay * float64(time.Hour))
		var out []span
		if condition == "" && days > 0 {
			// The usual case, without arithmetic of times.
			far, first := limit/days*(1+1e-12), 0
			for i := 1; i < len(scaled) && widest > far; i++ {
				if scaled[i]-scaled[i-1] > far {
					out = append(out, span{prophet.Days(times[first]), prophet.Days(times[i-1])})
					first = i
				}
			}
			return append(out, span{prophet.Days(times[first]), prophet.Days(times[len(times)-1])})
		}
		var last time.Time
		for i, at := range times {
			if condition != "" && !columns.Holds(condition, i, at) {
				continue
			}
			if len(out) > 0 && at.Sub(last) <= far {
				last = at
				continue
			}
			if n := len(out); n > 0 {
				out[n-1].to = prophet.Days(last)
			}
			day := prophet.Days(at)
			out, last = append(out, span{day, day}), at
		}
		if n := len(out); n > 0 {
			out[n-1].to = prophet.Days(last)
		}
		return out
	}}
}

// newGridHistory is where the values in runs of g are.
func newGridHistory(g Grid, runs []run) history {
	step := g.Step.Hours() / hoursPerDay
	h := history{step: step}
	if values := count(runs); 2*(values-len(runs)) < values-1 {
		// Most values have none beside them.
		steps := slices.Repeat([]int{1}, values-len(runs))
		for i := 1; i < len(runs); i++ {
			steps = append(steps, runs[i].first-runs[i-1].end+1)
		}
		slices.Sort(steps)
		h.step = float64(steps[(len(steps)-1)/2]) * step
	}
	first := prophet.Days(g.Start)
	h.spans = func(limit float64, _ string) []span {
		far := int(limit / step * (1 + 1e-12))
		var out []span
		for _, r := range runs {
			if far < 1 {
				for i := r.first; i < r.end; i++ {
					at := first + float64(i)*step
					out = append(out, span{at, at})
				}
				continue
			}
			from, to := first+float64(r.first)*step, first+float64(r.end-1)*step
			if n := len(out); n > 0 && from-out[n-1].to <= limit*(1+1e-12) {
				out[n-1].to = to
			} else {
				out = append(out, span{from, to})
			}
		}
		return out
	}
	return h
}

// A hold says how a design with gaps is held to Prophet's start.
type hold struct {
	weight  []float64 // of each free column, in rows; 0 of those that the data determine
	level   float64   // weight of the level, in rows
	seasons []season
	step    float64 // usual distance of rows, days

	once sync.Once
	next *design // with the next weight
}

// A season is a seasonality of a design with gaps.
type season struct {
	prophet.Seasonality
	from, to     int // among the free columns
	phases       []span
	gaps         []prophet.Gap
	seen, unseen []float64 // columns at some phases that were seen, and at others, row-major
}

// holdGaps looks for gaps in the history, and holds what they leave open. The Gram
// matrix must be there, the factor not yet.
func (d *design) holdGaps(h history, rows int) {
	at := d.head()
	var seasons []season
	for _, s := range d.seasonalities {
		gaps, seen, weak := h.gaps(s)
		d.gaps = append(d.gaps, gaps...)
		if weak {
			if d.hold == nil {
				d.hold = &hold{weight: make([]float64, d.free), step: h.step}
			}
			for c := at; c < at+s.Columns(); c++ {
				d.hold.weight[c] = heldShare * float64(rows)
			}
		}
		seasons = append(seasons, season{Seasonality: s, from: at, to: at + s.Columns(), gaps: gaps, phases: seen})
		at += s.Columns()
	}
	if d.hold == nil {
		return
	}
	for i := range seasons {
		seasons[i].sample()
	}
	d.hold.seasons = seasons
	d.hold.level = heldShare * float64(rows)
	d.addHold(1)
}

// sample computes the columns at some phases.
func (s *season) sample() {
	step := s.Period / float64(8*s.Order)
	between := func(to []float64, from, end float64) []float64 {
		n := int((end - from) / step)
		for i := range n + 1 {
			to = s.Append(to, from+(end-from)*float64(i)/float64(max(n, 1)))
		}
		return to
	}
	for _, r := range s.phases {
		s.seen = between(s.seen, r.from, r.to)
	}
	for _, g := range s.gaps {
		s.unseen = between(s.unseen, g.From, g.To)
	}
}

// addHold adds the given times the weights to the Gram matrix.
func (d *design) addHold(times float64) {
	for c, v := range d.hold.weight {
		d.gram[c*d.n+c] += times * v
	}
	level := d.head() - 1
	d.gram[level*d.n+level] += times * d.hold.level
}

// firmer is d with more weight on the start of the seasons.
func (d *design) firmer() *design {
	d.hold.once.Do(func() { d.hold.next = d.heldBy(firmer) })
	return d.hold.next
}

// heldBy is d with so many times the weight on the start of the seasons.
func (d *design) heldBy(times float64) *design {
	next := *d
	next.gram = slices.Clone(d.gram)
	next.hold = &hold{weight: slices.Clone(d.hold.weight), level: d.hold.level, seasons: d.hold.seasons, step: d.hold.step}
	next.addHold(-1)
	floats.Scale(times, next.hold.weight)
	next.addHold(1)
	next.factorise()
	return &next
}

// held is the weighted sum of squares of what theta is off from the start, of which the
// level is given.
func (d *design) held(theta []float64, level float64) float64 {
	if d.hold == nil {
		return 0
	}
	off := theta[d.head()-1] - level
	return d.hold.level*off*off + d.heldSeasons(theta)
}

// heldSeasons is the part of held that is about the seasons.
func (d *design) heldSeasons(theta []float64) float64 {
	if d.hold == nil {
		return 0
	}
	sum := 0.0
	for c, v := range d.hold.weight {
		sum += v * theta[c] * theta[c]
	}
	return sum
}

// inside reports whether the model stays, in the gaps of its seasons, near the range of y or
// in that which it has without them; all scaled. trend are the least and the largest value
// of the trend, y those of the history.
func (d *design) inside(theta []float64, trend, y limits) bool {
	// The extremes of all additive and of all multiplicative seasons, at the phases that were
	// seen and at all: of those without a condition and of those with one, each condition by
	// itself, since one usually excludes the other.
	var conditions []string
	for _, s := range d.hold.seasons {
		if !slices.Contains(conditions, s.Condition) {
			conditions = append(conditions, s.Condition)
		}
	}
	allowed := beyond * (y.high - y.low)
	for _, condition := range conditions {
		var seen, all [2]limits
		for _, s := range d.hold.seasons {
			if s.Condition != "" && s.Condition != condition {
				continue
			}
			mode := 0
			if d.share != nil && d.share[s.from-d.head()] {
				mode = 1
			}
			beta := theta[s.from:s.to]
			known := bounds(s.seen, beta)
			seen[mode] = limits{seen[mode].low + known.low, seen[mode].high + known.high}
			if len(s.unseen) > 0 {
				gap := bounds(s.unseen, beta)
				known = limits{min(known.low, gap.low), max(known.high, gap.high)}
			}
			all[mode] = limits{all[mode].low + known.low, all[mode].high + known.high}
		}
		known, forecast := with(trend, seen), with(trend, all)
		if forecast.low < min(known.low, y.low-allowed) || forecast.high > max(known.high, y.high+allowed) {
			return false
		}
	}
	return true
}

// with are the limits of a trend with additive and with multiplicative seasons.
func with(trend limits, season [2]limits) limits {
	out := limits{math.Inf(1), math.Inf(-1)}
	for _, g := range []float64{trend.low, trend.high} {
		a, b := g*(1+season[1].low), g*(1+season[1].high)
		out.low = min(out.low, min(a, b)+season[0].low)
		out.high = max(out.high, max(a, b)+season[0].high)
	}
	return out
}

// limits are the least and the largest of some values.
type limits struct{ low, high float64 }

func limitsOf(x []float64) limits { return limits{slices.Min(x), slices.Max(x)} }

// trendLimits are the limits of a trend that is no curve, on the history.
func (d *design) trendLimits(theta []float64) limits {
	at := d.head() - 1
	out := limits{theta[at], theta[at]}
	if d.head() < 2 {
		return out
	}
	value, slope, last := theta[at], theta[0], 0.
	for j := range len(d.changepoints) + 1 {
		s := 1.
		if j < len(d.changepoints) {
			s = d.changepoints[j]
		}
		value += slope * (s - last)
		out = limits{min(out.low, value), max(out.high, value)}
		if last = s; j < len(d.changepoints) {
			slope += theta[d.free+j]
		}
	}
	return out
}

// bounds are the limits of the products of the rows of x with beta.
func bounds(x, beta []float64) limits {
	out := limits{math.Inf(1), math.Inf(-1)}
	for n := len(beta); len(x) > 0; x = x[n:] {
		v := floats.Dot(x[:n], beta)
		out = limits{min(out.low, v), max(out.high, v)}
	}
	return out
}
