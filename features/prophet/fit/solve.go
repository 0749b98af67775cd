package fit

import (
	"math"
	"slices"
)

// minSigma keeps sigma_obs away from 0, in scaled units: without noise the density
// grows without bound as sigma falls.
const minSigma = 1e-6

// A workspace holds what one worker needs to fit one series after another.
type workspace struct {
	b []float64 // Z'y, scaled

	theta  []float64 // the solution, length n
	target []float64 // the solution for the present active set
	rhs    []float64
	active []int     // columns in the factor: the free ones, then hinges
	in     []bool    // whether a column is active
	sign   []float64 // of an active hinge
	chol   []float64 // Cholesky factor of Q over active, rows of stride n
	saved  []float64 // a solution to compare with
}

// reset makes room for n columns. All vectors are cleared.
func (w *workspace) reset(n int) {
	for _, v := range []*[]float64{&w.b, &w.theta, &w.target, &w.rhs, &w.sign, &w.saved} {
		*v = slices.Grow((*v)[:0], n)[:n]
		clear(*v)
	}
	w.chol = slices.Grow(w.chol[:0], n*n)[:n*n]
	w.in = slices.Grow(w.in[:0], n)[:n]
	clear(w.in)
	w.active = slices.Grow(w.active[:0], n)
}

// maximise finds the mode for a series with Z'y = w.b and y'y = yy over rows rows,
// all scaled. It leaves the parameters in w.theta and returns sigma and the sum of
// squared residuals.
func (d *design) maximise(w *workspace, yy float64, rows int) (sigma, sse float64) {
	// A start above all fixed points: the sum of squares of no fit at all.
	clear(w.theta)
	upper := d.alternate(w, nextVariance(yy, rows), yy, rows)
	sseUpper := d.sse(w, yy)
	if len(d.changepoints) == 0 {
		return math.Sqrt(upper), sseUpper
	}
	copy(w.saved, w.theta)

	// And one below: the sum of squares of the fit without penalties, the least there is.
	d.leastSquares(w)
	least := nextVariance(d.sse(w, yy), rows)
	copy(w.theta, w.saved) // given sigma there is one minimum, so begin where it is likely to be
	lower := d.alternate(w, least, yy, rows)
	if lower < upper*(1-1e-6) {
		if sse := d.sse(w, yy); d.objective(w.theta, lower, sse, rows) > d.objective(w.saved, upper, sseUpper, rows) {
			return math.Sqrt(lower), sse
		}
	}
	copy(w.theta, w.saved)
	return math.Sqrt(upper), sseUpper
}

// leastSquares sets w.theta to the minimum of the sum of squares, all hinges active.
func (d *design) leastSquares(w *workspace) {
	w.active = w.active[:0]
	for i := range d.n {
		w.active = append(w.active, i)
	}
	const variance = minSigma * minSigma // of the ridge: it settles what the data leave open
	d.factor(w, variance, 0)
	d.solve(w, variance, 0)
	copy(w.theta, w.target)
}

// alternate iterates theta and sigma from the given variance until neither moves,
// and returns the variance.
func (d *design) alternate(w *workspace, variance, yy float64, rows int) float64 {
	const (
		rounds    = 200  // a bound that is not met: the iteration contracts
		tolerance = 1e-9 // of the variance; lp is flat there, so its error is T*1e-18
	)
	for range rounds {
		d.lasso(w, variance)
		next := nextVariance(d.sse(w, yy), rows)
		done := math.Abs(next-variance) <= tolerance*variance
		variance = next
		if done {
			break
		}
	}
	return variance
}

// nextVariance is the sigma^2 that maximises the density given the sum of squares.
func nextVariance(sse float64, rows int) float64 {
	T := float64(rows)
	// (sqrt(T^2 + 16 SSE) - T) / 8, written without cancellation.
	v := 2 * sse / (T + math.Sqrt(T*T+16*sse))
	return max(v, minSigma*minSigma)
}

// sse is the sum of squared residuals at w.theta, which is 0 outside w.active, from
// the Gram matrix.
func (d *design) sse(w *workspace, yy float64) float64 {
	sum := yy
	for _, i := range w.active {
		ti := w.theta[i]
		g := d.gram[i*d.n : (i+1)*d.n]
		var row float64
		for _, j := range w.active {
			row += g[j] * w.theta[j]
		}
		sum += ti * (row - 2*w.b[i])
	}
	return max(sum, 0)
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
// by an active set: within it the problem is linear; a step that would carry a
// delta across zero stops there and drops it; of those outside, the one that
// violates its bound on the gradient most comes in. Every step lowers the objective,
// so no set comes twice and the method ends at the minimum.
func (d *design) lasso(w *workspace, variance float64) {
	weight := variance / d.tau
	w.active = w.active[:0]
	for i := range d.free {
		w.in[i] = true
		w.active = append(w.active, i)
	}
	for i := d.free; i < d.n; i++ {
		w.in[i] = w.theta[i] != 0
		if w.in[i] {
			w.sign[i] = math.Copysign(1, w.theta[i])
			w.active = append(w.active, i)
		}
	}
	d.factor(w, variance, 0)

	var largest float64
	for _, v := range w.b {
		largest = max(largest, math.Abs(v))
	}
	slack := 1e-9*weight + 1e-14*largest // rounding of the gradient
	entered := -1
	for range 40 * (len(d.changepoints) + 1) { // a bound against cycles by rounding
		d.solve(w, variance, weight)

		// How far to the target may we go before a delta changes sign?
		step, leaves := 1., -1
		for at, c := range w.active[d.free:] {
			if w.target[c]*w.sign[c] > 0 {
				continue
			}
			reach := 0.
			if w.theta[c] != 0 {
				reach = w.theta[c] / (w.theta[c] - w.target[c])
			}
			if leaves < 0 || reach < step {
				step, leaves = reach, d.free+at
			}
		}
		if leaves >= 0 {
			c := w.active[leaves]
			for _, i := range w.active {
				w.theta[i] += step * (w.target[i] - w.theta[i])
			}
			w.theta[c] = 0
			w.in[c] = false
			w.active = slices.Delete(w.active, leaves, leaves+1)
			d.factor(w, variance, leaves)
			if c == entered && step == 0 {
				// It came in by rounding alone: the rest is at its minimum.
				d.solve(w, variance, weight)
				for _, i := range w.active {
					w.theta[i] = w.target[i]
				}
				d.refine(w, variance, weight)
				return
			}
			continue
		}
		for _, i := range w.active {
			w.theta[i] = w.target[i]
		}
		d.refine(w, variance, weight)

		worst, excess := -1, slack
		var gradient float64
		for i := d.free; i < d.n; i++ {
			if w.in[i] {
				continue
			}
			g := d.gram[i*d.n : (i+1)*d.n]
			c := w.b[i]
			for _, j := range w.active {
				c -= g[j] * w.theta[j]
			}
			if e := math.Abs(c) - weight; e > excess {
				worst, excess, gradient = i, e, c
			}
		}
		if worst < 0 {
			return
		}
		entered = worst
		w.in[worst], w.sign[worst] = true, math.Copysign(1, gradient)
		w.active = append(w.active, worst)
		d.factor(w, variance, len(w.active)-1)
	}
}

// factor computes the rows of the Cholesky factor of Q = G + variance*prior over
// the active columns, from row first on.
func (d *design) factor(w *workspace, variance float64, first int) {
	n := d.n
	for r := first; r < len(w.active); r++ {
		c := w.active[r]
		g := d.gram[c*n : (c+1)*n]
		row := w.chol[r*n : r*n+r+1]
		for k := range r {
			lk := w.chol[k*n : k*n+k+1]
			row[k] = (g[w.active[k]] - dot(row[:k], lk[:k])) / lk[k]
		}
		diagonal := g[c] + variance*d.prior[c]
		// A column that depends on those before it, to rounding, gets no weight.
		pivot := max(diagonal-dot(row[:r], row[:r]), 1e-14*g[c], math.SmallestNonzeroFloat64)
		row[r] = math.Sqrt(pivot)
	}
}

// solve puts the minimum for the present active set and signs into w.target.
func (d *design) solve(w *workspace, variance, weight float64) {
	for r, c := range w.active {
		w.rhs[r] = w.b[c]
		if c >= d.free {
			w.rhs[r] -= weight * w.sign[c]
		}
	}
	d.substitute(w)
	for r, c := range w.active {
		w.target[c] = w.rhs[r]
	}
}

// refine takes back from w.theta, the rounded solution of solve, what the
// conditioning of hinges costs: one step of iterative refinement.
func (d *design) refine(w *workspace, variance, weight float64) {
	for r, c := range w.active {
		g := d.gram[c*d.n : (c+1)*d.n]
		rest := w.b[c] - variance*d.prior[c]*w.theta[c]
		if c >= d.free {
			rest -= weight * w.sign[c]
		}
		for _, j := range w.active {
			rest -= g[j] * w.theta[j]
		}
		w.rhs[r] = rest
	}
	d.substitute(w)
	for r, c := range w.active {
		w.theta[c] += w.rhs[r]
	}
}

// substitute solves Q x = rhs in place with the factor.
func (d *design) substitute(w *workspace) {
	n, k := d.n, len(w.active)
	x := w.rhs[:k]
	for r := range k {
		row := w.chol[r*n : r*n+r+1]
		x[r] = (x[r] - dot(row[:r], x[:r])) / row[r]
	}
	for r := k - 1; r >= 0; r-- {
		row := w.chol[r*n : r*n+r+1]
		x[r] /= row[r]
		for j, v := range row[:r] {
			x[j] -= v * x[r]
		}
	}
}

func dot(a, b []float64) float64 {
	var s0, s1 float64
	b = b[:len(a)]
	i := 0
	for ; i+1 < len(a); i += 2 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
	}
	if i < len(a) {
		s0 += a[i] * b[i]
	}
	return s0 + s1
}
