package fit

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// minSigma keeps sigma_obs away from 0, in units of the deviation of y from a trend:
// without noise the density grows without bound as sigma falls.
const minSigma = 1e-6

// A workspace holds what one worker needs to fit one series after another.
type workspace struct {
	b     []float64 // Z'y, scaled
	level float64   // to which a design with gaps is held
	least float64   // variance

	theta    []float64 // the solution, length n
	gradient []float64 // b - G*theta
	step     []float64 // to the solution of the present active set, in its order
	active   []int     // columns in the factor: the free ones, then hinges
	in       []bool    // whether a column is active
	sign     []float64 // of an active hinge
	saved    []float64 // a solution to compare with

	// The Cholesky factor of Q = G + reference*prior over active: row r has r+1 values.
	// The rows of free columns may be the design's.
	rows      [][]float64
	chol      []float64 // memory of the others, rows of stride n
	reference float64
	// shrinks is the share of an error that a step leaves, since Q is taken at the
	// reference and not at the variance.
	shrinks float64
}

// reset makes room for n columns. All vectors are cleared.
func (w *workspace) reset(n int) {
	for _, v := range []*[]float64{&w.b, &w.theta, &w.gradient, &w.step, &w.sign, &w.saved} {
		*v = slices.Grow((*v)[:0], n)[:n]
		clear(*v)
	}
	w.chol = slices.Grow(w.chol[:0], n*n)[:n*n]
	w.rows = slices.Grow(w.rows[:0], n)[:n]
	w.in = slices.Grow(w.in[:0], n)[:n]
	clear(w.in)
	w.active = slices.Grow(w.active[:0], n)
}

// maximise finds the mode for a series with Z'y = w.b and y'y = yy over rows rows,
// all scaled. It leaves the parameters in w.theta and returns sigma and the sum of
// squared residuals. A design with gaps is held to the given level.
func (d *design) maximise(w *workspace, yy float64, rows int, level float64) (sigma, sse float64) {
	if d.hold != nil {
		at := d.head() - 1
		w.b[at] += d.hold.level * level
		yy += d.hold.level * level * level
		defer func() { w.b[at] -= d.hold.level * level }()
	}
	w.level = level
	// A start above all fixed points: the sum of squares of no fit at all.
	clear(w.theta)
	d.begin(w)
	upper := d.alternate(w, nextVariance(yy, rows, w.least), math.Inf(1), yy, rows)
	sseUpper := d.sse(w, yy)
	if len(d.changepoints) == 0 {
		return math.Sqrt(upper), sseUpper
	}

	// And one below: the sum of squares of the fit without penalties, the least there is.
	// Given sigma there is one minimum, so begin where it is likely to be.
	copy(w.saved, w.theta)
	const met = 1 - 1e-6
	lower := d.alternate(w, nextVariance(d.leastSquares(w, yy), rows, w.least), met*upper, yy, rows)
	if lower < met*upper {
		sse := d.sse(w, yy)
		if d.objective(w.theta, lower, sse+d.held(w.theta, level), rows) > d.objective(w.saved, upper, sseUpper+d.held(w.saved, level), rows) {
			return math.Sqrt(lower), sse
		}
	}
	copy(w.theta, w.saved)
	return math.Sqrt(upper), sseUpper
}

// leastSquares is the least sum of squared residuals: y'y - |L^-1 b|^2 with the factor of
// the design. What it uses of w is free between two calls of lasso.
func (d *design) leastSquares(w *workspace, yy float64) float64 {
	x := w.step[:d.n]
	for r := range x {
		row := d.chol[r*d.n : r*d.n+r+1]
		x[r] = (w.b[r] - floats.Dot(row[:r], x[:r])) / row[r]
	}
	return max(yy-floats.Dot(x, x), 0)
}

// alternate iterates theta and sigma from the given variance until neither moves or the
// variance reaches enough, and returns the variance. w must be ready for descend.
func (d *design) alternate(w *workspace, variance, enough, yy float64, rows int) float64 {
	const (
		rounds    = 200  // a bound that is not met: the iteration contracts
		tolerance = 1e-9 // of the variance; lp is flat there, so its error is T*1e-18
	)
	for range rounds {
		d.descend(w, variance)
		next := nextVariance(d.sse(w, yy), rows, w.least)
		done := math.Abs(next-variance) <= tolerance*variance || next >= enough
		variance = next
		if done {
			break
		}
	}
	return variance
}

// nextVariance is the sigma^2 that maximises the density given the sum of squares, but not
// below the least.
func nextVariance(sse float64, rows int, least float64) float64 {
	T := float64(rows)
	// (sqrt(T^2 + 16 SSE) - T) / 8, written without cancellation.
	v := 2 * sse / (T + math.Sqrt(T*T+16*sse))
	return max(v, least)
}

// leastVariance is that of a series with Z'y = b and y'y = yy over rows rows: relative to
// what varies about a line, about the mean if the trend is flat.
func (d *design) leastVariance(yy float64, b []float64, rows int) float64 {
	T, at := float64(rows), d.head()-1
	about, line := yy-b[at]*b[at]/T, 0.
	if at == 1 {
		if tt := d.gram[0] - d.gram[1]*d.gram[1]/T; tt > 0 {
			ty := b[0] - d.gram[1]*b[1]/T
			line = ty * ty / tt
		}
	}
	return least(about, line, rows)
}

// least is the least variance, given the sum of squares about the mean, and how much of it
// a line takes away.
func least(about, line float64, rows int) float64 {
	if rest := about - line; rest > 1e-12*about { // or it is nothing but a line, and rounding
		about = rest
	}
	return max(minSigma*minSigma*about/float64(rows), math.SmallestNonzeroFloat64)
}

// leastOfRows is leastVariance from the rows.
func leastOfRows(t, y []float64, sloped bool) float64 {
	T := float64(len(y))
	mt, my := floats.Sum(t)/T, floats.Sum(y)/T
	var tt, ty, yy float64
	for i, v := range y {
		v, u := v-my, t[i]-mt
		tt, ty, yy = tt+u*u, ty+u*v, yy+v*v
	}
	line := 0.
	if sloped && tt > 0 {
		line = ty * ty / tt
	}
	return least(yy, line, len(y))
}

// sse is the sum of squared residuals at w.theta, from the Gram matrix:
// y'y - theta'(2 b - G theta), less what the start is held with.
func (d *design) sse(w *workspace, yy float64) float64 {
	for i, v := range w.theta {
		yy -= v * (w.b[i] + w.gradient[i])
	}
	return max(yy-d.held(w.theta, w.level), 0)
}

// objective is the log posterior without constants.
func (d *design) objective(theta []float64, variance, sse float64, rows int) float64 {
	lp := -2*variance - float64(rows)*math.Log(variance)/2 - sse/(2*variance)
	for i, v := range theta {
		if i < d.free {
			lp -= d.prior[i] * v * v / 2
		} else {
			lp -= math.Abs(v) / d.tau
		}
	}
	return lp
}

// lasso minimises, for the given variance and beginning at w.theta,
//
//	theta'(G + variance*prior)theta/2 - b'theta + (variance/tau) sum|delta|
//
// It needs the Gram matrix and the priors of d alone.
func (d *design) lasso(w *workspace, variance float64) {
	d.activate(w)
	d.refactor(w, variance)
	d.evaluate(w)
	d.descend(w, variance)
}

// begin makes w ready for descend from theta = 0, with the factor of the design.
func (d *design) begin(w *workspace) {
	d.activate(w)
	w.reference, w.shrinks = factorVariance, 0
	for r := range d.free {
		w.rows[r] = d.chol[r*d.n : r*d.n+r+1]
	}
	copy(w.gradient, w.b)
}

// activate makes the free columns active, and the hinges that are not 0.
func (d *design) activate(w *workspace) {
	w.active = w.active[:0]
	for i := range d.n {
		w.in[i] = i < d.free || w.theta[i] != 0
		if w.in[i] {
			w.sign[i] = math.Copysign(1, w.theta[i])
			w.active = append(w.active, i)
		}
	}
}

// descend is lasso from where it ended before, with another variance, by an active set:
// within it the problem is linear; a step that would carry a delta across zero stops
// there and drops it; of those outside, the one that violates its bound on the gradient
// most comes in. Every step lowers the objective, so no set comes twice and the method
// ends at the minimum.
//
// The factor is that of Q at the reference, so that it serves for all variances and its
// rows of free columns for all series: a step then leaves the share
// |variance-reference|*prior/Q of the error, which another step takes away. Where the
// data say so little that this share is large, Q is factored anew.
func (d *design) descend(w *workspace, variance float64) {
	const tolerance = 1e-12 // of theta
	weight := variance / d.tau
	slack := 1e-9*weight + 1e-14*maxAbs(w.b) // rounding of the gradient
	entered := -1
	last := math.Inf(1)                        // size of the step before, in this active set
	for range 40 * (len(d.changepoints) + 1) { // a bound against cycles by rounding
		size := d.direct(w, variance, weight)
		scale := tolerance * maxAbs(w.theta)
		if !math.IsInf(last, 1) && size > scale {
			w.shrinks = size / last
			if w.shrinks > 0.01 && w.reference != variance {
				d.refactor(w, variance)
				last = math.Inf(1)
				continue
			}
		}

		// How far may we go before a delta changes sign?
		reach, leaves := 1., -1
		for at := d.free; at < len(w.active); at++ {
			c := w.active[at]
			if (w.theta[c]+w.step[at])*w.sign[c] > 0 {
				continue
			}
			r := 0.
			if w.theta[c] != 0 {
				r = -w.theta[c] / w.step[at]
			}
			if leaves < 0 || r < reach {
				reach, leaves = r, at
			}
		}
		for at, c := range w.active {
			w.theta[c] += reach * w.step[at]
		}
		if leaves >= 0 {
			c := w.active[leaves]
			w.theta[c] = 0
			w.in[c] = false
			w.active = slices.Delete(w.active, leaves, leaves+1)
			d.factor(w, leaves)
			d.evaluate(w)
			if c == entered && reach == 0 {
				// It came in by rounding alone: the rest is at its minimum.
				return
			}
			last = math.Inf(1)
			continue
		}
		d.evaluate(w)

		if size > scale && w.shrinks < 0.5 && (size*w.shrinks > scale || w.shrinks == 0) {
			last = size
			continue
		}

		worst, excess := -1, slack
		for i := d.free; i < d.n; i++ {
			if e := math.Abs(w.gradient[i]) - weight; e > excess && !w.in[i] {
				worst, excess = i, e
			}
		}
		if worst < 0 {
			return
		}
		entered, last = worst, math.Inf(1)
		w.in[worst], w.sign[worst] = true, math.Copysign(1, w.gradient[worst])
		w.active = append(w.active, worst)
		d.factor(w, len(w.active)-1)
	}
}

// factorVariance is the variance at which the factor of a design is computed: its ridge
// settles only what the data leave open.
const factorVariance = 1e-12

// factorise computes the factor of the design: that of Q over all columns.
func (d *design) factorise() {
	w := &workspace{reference: factorVariance, chol: make([]float64, d.n*d.n), rows: make([][]float64, d.n)}
	for i := range d.n {
		w.active = append(w.active, i)
	}
	d.factor(w, 0)
	d.chol = w.chol
}

// refactor computes the factor over the active columns at the given variance.
func (d *design) refactor(w *workspace, variance float64) {
	w.reference, w.shrinks = variance, 0
	d.factor(w, 0)
}

// factor computes the rows of the factor from row first on.
func (d *design) factor(w *workspace, first int) {
	n := d.n
	for r := first; r < len(w.active); r++ {
		c := w.active[r]
		g := d.gram[c*n : (c+1)*n]
		row := w.chol[r*n : r*n+r+1]
		for k := range r {
			lk := w.rows[k]
			row[k] = (g[w.active[k]] - floats.Dot(row[:k], lk[:k])) / lk[k]
		}
		diagonal := g[c] + w.reference*d.prior[c]
		// A column that depends on those before it, to rounding, gets no weight.
		pivot := max(diagonal-floats.Dot(row[:r], row[:r]), 1e-14*g[c], math.SmallestNonzeroFloat64)
		row[r] = math.Sqrt(pivot)
		w.rows[r] = row
	}
}

// evaluate computes the gradient at w.theta, which is 0 outside w.active.
func (d *design) evaluate(w *workspace) {
	for i := range w.gradient {
		g := d.gram[i*d.n : (i+1)*d.n]
		sum := w.b[i] - floats.Dot(g[:d.free], w.theta[:d.free])
		for _, c := range w.active[d.free:] {
			sum -= g[c] * w.theta[c]
		}
		w.gradient[i] = sum
	}
}

// direct computes the step to the minimum for the present active set and signs, and
// returns the largest change of a parameter.
func (d *design) direct(w *workspace, variance, weight float64) float64 {
	x := w.step[:len(w.active)]
	for r, c := range w.active {
		rest := w.gradient[c] - variance*d.prior[c]*w.theta[c]
		if c >= d.free {
			rest -= weight * w.sign[c]
		}
		row := w.rows[r]
		x[r] = (rest - floats.Dot(row[:r], x[:r])) / row[r]
	}
	for r := len(x) - 1; r >= 0; r-- {
		row := w.rows[r]
		x[r] /= row[r]
		floats.AddScaled(x[:r], -x[r], row[:r])
	}
	return maxAbs(x)
}
