package fit

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/incendio-faas/incendio/features/prophet"
)

// A logistic trend is bent by what moves it, so of a season with gaps the data say more than
// they do beside a line: there Prophet's L-BFGS and its Newton method agree to the level,
// and its answer in the gaps may be far outside the range of y. Ours stays near it with the least
// weight that does, so that the trend is as near to Prophet's as it can be.
const (
	// outside is the share of the range of y by which the forecast of a curve may leave it in a
	// gap.
	outside = 0.18
	// stride is the factor between the weights that are tried until one suffices, strides how
	// many there are, and halvings how often the last factor is then halved, in its logarithm.
	stride   = 8
	strides  = 8
	halvings = 6
)

// An absence is times at phases that the history never saw.
type absence struct {
	t   []float64 // scaled times, ascending
	row []int     // of the history, the last before each
	x   []float64 // columns of the seasonalities, row-major
}

// absent are the times in the gaps of the seasons of c, from one period before its first row to one
// beyond the last: those at the step of the rows if these are on a grid, else many. It is nil where
// conditions say which season a time has.
func (c *curve) absent() *absence {
	first, days := prophet.Days(c.design.start), c.end.Sub(c.design.start).Hours()/hoursPerDay
	step := c.hold.step
	onGrid := !slices.ContainsFunc(c.t, func(t float64) bool {
		n := t * days / step
		return math.Abs(n-math.Round(n)) > 1e-6
	})
	out := new(absence)
	for _, s := range c.hold.seasons {
		if s.Condition != "" {
			return nil
		}
		if !onGrid {
			step = s.Period / float64(8*s.Order)
		}
		for i := math.Ceil(-s.Period / step); i*step < days+s.Period; i++ {
			phase := first + i*step
			phase -= s.Period * math.Floor(phase/s.Period)
			if slices.ContainsFunc(s.gaps, func(g prophet.Gap) bool { return g.Holds(phase, s.Period) }) {
				out.t = append(out.t, i*step/days)
			}
		}
	}
	slices.Sort(out.t)
	out.t = slices.Compact(out.t)
	row := 0
	for _, t := range out.t {
		for row+1 < len(c.t) && c.t[row+1] <= t {
			row++
		}
		out.row = append(out.row, row)
		for _, s := range c.hold.seasons {
			out.x = s.Append(out.x, first+t*days)
		}
	}
	return out
}

// of are the limits of what c forecasts at these times, without holidays and regressors.
func (a *absence) of(c *curve, theta []float64) limits {
	var slope, offset float64
	switch c.growth {
	case prophet.Linear:
		slope, offset = theta[0], theta[1]
	case prophet.Logistic:
		slope, offset = theta[0], -theta[0]*theta[1]
	default:
		offset = theta[0]
	}
	columns := len(a.x) / len(a.t)
	out := limits{math.Inf(1), math.Inf(-1)}
	j := 0
	for i, t := range a.t {
		for ; j < len(c.changepoints) && c.changepoints[j] <= t; j++ {
			slope += theta[c.free+j]
			offset -= theta[c.free+j] * c.changepoints[j]
		}
		g := slope*t + offset
		if c.capacity != nil {
			g = c.capacity[a.row[i]] / (1 + math.Exp(-g))
		}
		if c.base != nil {
			g += c.base[a.row[i]]
		}
		factor, added := 1., 0.
		for _, p := range c.parts {
			from, to := p.from, min(p.to, c.head+columns)
			if from >= to {
				continue
			}
			effect := floats.Dot(a.x[i*columns+from-c.head:i*columns+to-c.head], theta[from:to])
			if p.share {
				factor += effect
			} else {
				added += effect
			}
		}
		v := g*factor + added
		out = limits{min(out.low, v), max(out.high, v)}
	}
	return out
}

// confine keeps the forecast of c near the range of y in the gaps of its seasons: if it is
// not, it climbs again from where it is, with more weight on the start of the seasons; with
// returns the curve with so many times the weight. The parameters are in w.theta, and sigma
// and lp those of what they belong to.
func (c *curve) confine(w *workspace, sigma, lp float64, with func(times float64) *curve) (float64, float64) {
	a, y := c.absent(), c.reach()
	allowed := outside * (y.high - y.low)
	inside := func(c *curve) bool {
		if a == nil || len(a.t) == 0 {
			return c.inside(w.theta, c.trendLimits(w.theta), y)
		}
		forecast := a.of(c, w.theta)
		return forecast.low >= y.low-allowed && forecast.high <= y.high+allowed
	}
	if inside(c) {
		return sigma, lp
	}
	// The last that is outside, and the first that is not.
	last, lastVariance := slices.Clone(w.theta), sigma*sigma
	low, high := 1., float64(stride)
	climb := func(times float64) (*curve, float64) {
		c := with(times)
		copy(w.theta, last)
		variance, _ := c.climb(w, lastVariance)
		return c, variance
	}
	next, variance := climb(high)
	for range strides - 1 {
		if inside(next) {
			break
		}
		low, lastVariance = high, variance
		copy(last, w.theta)
		high *= stride
		next, variance = climb(high)
	}
	best := slices.Clone(w.theta)
	for range halvings {
		middle := math.Sqrt(low * high)
		if between, v := climb(middle); inside(between) {
			next, high, variance = between, middle, v
			copy(best, w.theta)
		} else {
			low, lastVariance = middle, v
			copy(last, w.theta)
		}
	}
	copy(w.theta, best)
	return math.Sqrt(variance), next.objective(best, variance, next.evaluate(best), len(c.y))
}
