package fit

import (
	"math"

	"gonum.org/v1/gonum/floats"

	"github.com/incendio-faas/incendio/features/prophet"
)

// maximiseCurve finds a mode of a model that is not linear in its parameters. The
// density may have several: the best of those that are reached from a fixed list of
// starts is taken. It leaves the parameters in w.theta and returns sigma and the log
// posterior.
func (c *curve) maximise(w *workspace) (sigma, lp float64) {
	T := len(c.y)
	best := make([]float64, c.n)
	lp = math.Inf(-1)
	var variance float64
	try := func(from float64) {
		v, s := c.climb(w, from)
		if l := c.objective(w.theta, v, s+c.heldCurve(w.theta), T); l > lp {
			lp, variance = l, v
			copy(best, w.theta)
		}
	}
	for _, start := range c.starts(w) {
		copy(w.theta, start)
		try(nextVariance(c.evaluate(start), T, c.least))
	}
	// There may be a mode of less noise, in which the penalties weigh less.
	copy(w.theta, best)
	try(max(variance*1e-4, c.least))
	copy(w.theta, best)
	return math.Sqrt(variance), c.objective(best, variance, c.evaluate(best), T)
}

// heldCurve is held for a trend of any kind: it begins where the series does.
func (c *curve) heldCurve(theta []float64) float64 {
	if c.hold == nil {
		return 0
	}
	g, _, _ := c.first(theta)
	return c.hold.level*(c.start-g)*(c.start-g) + c.heldSeasons(theta)
}

// climb raises the log posterior from w.theta and the variance until neither moves, and
// returns the variance and the sum of squared residuals.
//
// A step is one of Newton's method with the L1 penalty kept as it is (proximal Newton):
// the lasso on the second derivative at the present parameters, which the active set
// solves exactly, then a search along the line to its minimum. After each, the variance
// is set to its maximum.
func (c *curve) climb(w *workspace, variance float64) (float64, float64) {
	const (
		rounds     = 500   // a bound that is not met but by data without noise
		gain       = 1e-10 // in the log posterior, below which a step is none
		halvings   = 30
		sufficient = 1e-4 // share of the predicted descent that a step must bring
	)
	T := len(c.y)
	local := *c.design
	local.gram = c.tangent
	now := make([]float64, c.n)
	damping := 0.0
	sse := c.evaluate(w.theta)
	for range rounds {
		copy(now, w.theta)
		cost := (sse+c.heldCurve(now))/2 + variance*c.penalty(now)

		c.assemble(now, true)
		if damping > 0 || !local.convex(w, variance) {
			c.assemble(now, false)
			for i := range c.n {
				c.tangent[i*c.n+i] *= 1 + damping
			}
		}
		descent := 0.0
		for i := range c.n {
			w.b[i] = c.uphill[i] + floats.Dot(c.tangent[i*c.n:(i+1)*c.n], now)
		}
		local.lasso(w, variance)
		for i, v := range w.theta {
			descent += c.uphill[i] * (v - now[i])
		}
		// What the step promises to first order, penalties in full: an upper bound of
		// what Newton's model of it promises, twice over.
		descent += variance * (c.penalty(now) - c.penalty(w.theta))

		step := w.saved
		for i := range step {
			step[i] = w.theta[i] - now[i]
		}
		share, moved := 1.0, false
		for range halvings {
			for i := range w.theta {
				w.theta[i] = now[i] + share*step[i]
			}
			s := c.evaluate(w.theta)
			if next := (s+c.heldCurve(w.theta))/2 + variance*c.penalty(w.theta); next <= cost-sufficient*share*descent {
				sse, moved = s, true
				break
			}
			share /= 2
		}
		small := descent <= gain*variance
		if !moved {
			copy(w.theta, now)
			sse = c.evaluate(now)
			if !small && damping < 1e6 {
				damping = max(10*damping, 1e-3)
				continue
			}
		} else if damping /= 10; damping < 1e-4 {
			damping = 0
		}
		next := nextVariance(sse, T, c.least)
		settled := math.Abs(next-variance) <= 1e-9*variance
		variance = next
		if small && settled {
			break
		}
	}
	return variance, sse
}

// penalty is minus the logarithm of the prior of theta.
func (d *design) penalty(theta []float64) float64 {
	var sum float64
	for i, v := range theta {
		if i < d.free {
			sum += d.prior[i] * v * v / 2
		} else {
			sum += math.Abs(v) / d.tau
		}
	}
	return sum
}

// convex reports whether the Gram matrix with the ridge of the variance is positive
// definite, with a margin for rounding.
func (d *design) convex(w *workspace, variance float64) bool {
	n := d.n
	for r := range n {
		row := w.chol[r*n : r*n+r+1]
		for k := range r {
			row[k] = (d.gram[r*n+k] - floats.Dot(row[:k], w.chol[k*n:k*n+k])) / w.chol[k*n+k]
		}
		diagonal := d.gram[r*n+r] + variance*d.prior[r]
		pivot := diagonal - floats.Dot(row[:r], row[:r])
		if !(pivot > 1e-12*math.Abs(diagonal)) {
			return false
		}
		row[r] = math.Sqrt(pivot)
	}
	return true
}

// starts are the parameters from which modes are looked for.
//
// The first is Prophet's: a trend through the first and the last value. The second is
// the mode of the linear, additive model, to which the curve is made the tangent: of
// the logits of y, if the trend is logistic, and with multiplicative effects that are
// as large as the additive ones at the mean of the trend. The last two have a level
// trend, rising and falling, and no effects.
func (c *curve) starts(w *workspace) [][]float64 {
	T := len(c.y)
	first, last := c.y[0], c.y[T-1]
	level := 0.0
	for _, v := range c.y {
		level += v
	}
	level /= float64(T)

	var out [][]float64
	add := func(trend ...float64) []float64 {
		theta := make([]float64, c.n)
		copy(theta, trend)
		out = append(out, theta)
		return theta
	}
	tangent := func(y []float64) {
		var yy float64
		for _, v := range y {
			yy += v * v
		}
		c.products(y, w.b)
		w.least = c.leastVariance(yy, w.b, T)
		level := 0.0
		for _, v := range y {
			level += v / float64(T)
		}
		c.design.maximise(w, yy, T, c.level(y[0], level))
	}
	switch c.growth {
	case prophet.Flat:
		add(level)
		tangent(c.y)
		theta := add(w.theta...)
		c.rescale(theta, theta[0])
	case prophet.Linear:
		add(last-first, first)
		tangent(c.y)
		theta := add(w.theta...)
		c.rescale(theta, level)
		theta = add(w.theta...)
		clear(theta[c.head:c.free])
	case prophet.Logistic:
		add(growth(first, last, c.capacity[0], c.capacity[T-1])...)
		logits := make([]float64, T)
		for i, v := range c.y {
			logits[i] = logit(v, c.capacity[i])
		}
		tangent(logits)
		theta := add(w.theta...)
		clear(theta[c.head:c.free])
		if k := theta[0]; k != 0 {
			theta[1] = -theta[1] / k
		}
		c0 := logit(level, c.capacity[T/2])
		for _, k := range []float64{1, -1} {
			add(k, -c0/k)
		}
	}
	return out
}

// rescale turns the effects of multiplicative columns into shares of the level.
func (c *curve) rescale(theta []float64, level float64) {
	if c.base != nil {
		level += floats.Sum(c.base) / float64(len(c.base))
	}
	for col, m := range c.share {
		if m && math.Abs(level) > 1e-3 { // y is scaled: a smaller level is none
			theta[c.head+col] /= level
		}
	}
}

// logit is the logit of y within its capacity, both scaled, with y kept off the bounds.
func logit(y, capacity float64) float64 {
	share := min(max(y/capacity, 0.01), 0.99)
	return math.Log(share / (1 - share))
}

// growth is the rate and the offset of a logistic trend through the first and the last
// value, as Prophet starts.
func growth(first, last, capacity0, capacity1 float64) []float64 {
	r0 := capacity0 / max(0.01*capacity0, min(0.99*capacity0, first))
	r1 := capacity1 / max(0.01*capacity1, min(0.99*capacity1, last))
	if math.Abs(r0-r1) <= 0.01 {
		r0 *= 1.05
	}
	l0, l1 := math.Log(r0-1), math.Log(r1-1)
	return []float64{l0 - l1, l0 / (l0 - l1)}
}
