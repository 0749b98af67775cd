package fit

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/incendio-faas/incendio/features/prophet"
)

// A curve is the problem of one series whose trend is logistic or that has
// multiplicative terms: the squares are not those of a linear function, so the Gram
// matrix is that of the tangent and changes with the parameters.
//
// With u the hinge function of the parameters, u = a_0 t + a_1 + sum_j delta_j (t-s_j)+,
//
//	f = g(u) (1 + sum_m beta_c x_c) + sum_a beta_c x_c
//
// where m are the multiplicative and a the additive columns of X. Linear: g(u) = u,
// a = (k, m). Logistic: g(u) = cap/(1+exp(-u)), a = (k, -k m): its offsets at the
// changepoints make the product of rate and time since the offset continuous, so this is
// a hinge function too. All sums with hinges hence come from sums between changepoints.
type curve struct {
	*design
	y        []float64 // scaled
	capacity []float64 // scaled; nil unless logistic
	head     int       // columns of the trend in x: t and 1, or 1
	parts    []part    // the columns of X
	shared   bool      // whether there are multiplicative columns
	start    float64   // to which the level is held where there are gaps
	base     []float64 // floor, scaled, which multiplicative effects multiply too; nil without them
	least    float64   // variance

	// At the parameters that were evaluated last, a value per row:
	g, g1, g2 []float64 // trend, and its derivatives by u
	factor    []float64 // 1 + multiplicative terms
	rest      []float64 // residual

	tangent []float64 // the matrix of assemble, shape (n, n)
	uphill  []float64 // minus the gradient of assemble, length n
}

// A part is columns of X beside each other that are multiplicative, or that are not.
type part struct {
	from, to int // among the free columns
	share    bool
}

func (d *design) newCurve(y, capacity, base []float64) *curve {
	T := len(y)
	rows := make([]float64, 5*T)
	c := &curve{
		design: d, y: y, capacity: capacity,
		head: d.head(),
		g:    rows[:T:T], g1: rows[T : 2*T : 2*T], g2: rows[2*T : 3*T : 3*T], factor: rows[3*T : 4*T : 4*T], rest: rows[4*T:],
		tangent: make([]float64, d.n*d.n),
		uphill:  make([]float64, d.n),
	}
	c.least = leastOfRows(d.t, y, d.head() == 2)
	c.start = d.level(y[0], floats.Sum(y)/float64(T))
	for i, share := range d.share {
		if n := len(c.parts); n == 0 || c.parts[n-1].share != share {
			c.parts = append(c.parts, part{from: c.head + i, share: share})
		}
		c.parts[len(c.parts)-1].to = c.head + i + 1
		c.shared = c.shared || share
	}
	if c.shared && slices.ContainsFunc(base, func(v float64) bool { return v != 0 }) {
		c.base = base
	}
	return c
}

// evaluate computes what depends on theta, and returns the sum of squared residuals.
func (c *curve) evaluate(theta []float64) (sse float64) {
	var slope, offset float64
	switch c.growth {
	case prophet.Linear:
		slope, offset = theta[0], theta[1]
	case prophet.Logistic:
		slope, offset = theta[0], -theta[0]*theta[1]
	default:
		offset = theta[0]
	}
	f, j := c.free, 0
	for i, y := range c.y {
		for j < len(c.changepoints) && c.segment[j] <= i {
			slope += theta[f+j]
			offset -= theta[f+j] * c.changepoints[j]
			j++
		}
		u := slope*c.t[i] + offset
		x := c.x[i*f : (i+1)*f]
		factor, added := 1.0, 0.0
		for _, p := range c.parts {
			if effect := floats.Dot(x[p.from:p.to], theta[p.from:p.to]); p.share {
				factor += effect
			} else {
				added += effect
			}
		}
		g, g1, g2 := u, 1.0, 0.0
		if c.capacity != nil {
			s := 1 / (1 + math.Exp(-u))
			g = c.capacity[i] * s
			g1 = g * (1 - s)
			g2 = g1 * (1 - 2*s)
		}
		r := y - g*factor - added
		if c.base != nil {
			r -= c.base[i] * (factor - 1)
			g += c.base[i]
		}
		c.g[i], c.g1[i], c.g2[i], c.factor[i], c.rest[i] = g, g1, g2, factor, r
		sse += r * r
	}
	return sse
}

// assemble computes half the second derivative of the sum of squares by theta, at the
// parameters that were evaluated last, into c.tangent, and half its descent into
// c.uphill. Without curvature, the terms with residuals are left out (Gauss-Newton):
// what remains is positive semidefinite.
func (c *curve) assemble(theta []float64, curvature bool) {
	n, f, head := c.n, c.free, c.head
	H, b := c.tangent, c.uphill
	clear(H)
	clear(b)

	// From the last changepoint backwards: sums of each column, times what it has in
	// common with the derivative by u, and of these times t-s_j, over the rows from s_j on.
	m0, m1 := make([]float64, f), make([]float64, f)
	var u0, u1, u2 float64 // of the derivative by u with itself, times 1, t-s_j and its square
	var r0, r1 float64     // of the residual with the derivative by u
	S := len(c.changepoints)
	end := len(c.y)
	for j := S - 1; j >= -1; j-- {
		s, first := 0., 0
		if j >= 0 {
			s, first = c.changepoints[j], c.segment[j]
		}
		if j+1 < S {
			h := c.changepoints[j+1] - s
			for col := range m1 {
				m1[col] += h * m0[col]
			}
			u2 += h * (2*u1 + h*u0)
			u1 += h * u0
			r1 += h * r0
		}
		for i := first; i < end; i++ {
			x := c.x[i*f : (i+1)*f]
			r, w := c.rest[i], c.factor[i]*c.g1[i]
			own, mixed := w*w, w*c.g[i]
			if curvature {
				own -= r * c.factor[i] * c.g2[i]
				mixed -= r * c.g1[i]
			}
			t := c.t[i] - s
			add := func(from, to int, with, uphill float64) {
				floats.AddScaled(m0[from:to], with, x[from:to])
				floats.AddScaled(m1[from:to], t*with, x[from:to])
				floats.AddScaled(b[from:to], uphill, x[from:to])
			}
			for col := range head {
				m0[col] += own * x[col]
				m1[col] += t * own * x[col]
			}
			for _, p := range c.parts {
				if p.share {
					add(p.from, p.to, mixed, r*c.g[i])
				} else {
					add(p.from, p.to, w, r)
				}
			}
			u0 += own
			u1 += t * own
			u2 += t * t * own
			r0 += r * w
			r1 += t * r * w
		}
		end = first
		if j < 0 {
			break
		}
		row := H[(f+j)*n:]
		copy(row, m1)
		for l := 0; l <= j; l++ {
			row[f+l] = u2 + (s-c.changepoints[l])*u1
		}
		b[f+j] = r1
	}
	// The columns 1 and t are those of a hinge at 0.
	copy(H[(head-1)*n:], m0)
	b[head-1] = r0
	if head == 2 {
		copy(H, m1)
		b[0] = r1
	}
	c.effects(m0)
	if c.hold != nil {
		for i, v := range c.hold.weight {
			if c.shared { // or it is in what was copied
				H[i*n+i] += v
			}
			b[i] -= v * theta[i]
		}
		g, g1, g2 := c.first(theta)
		off, own := c.start-g, g1*g1
		if curvature {
			own -= off * g2
		}
		H[(head-1)*n+head-1] += c.hold.level * own
		b[head-1] += c.hold.level * off * g1
	}

	for i := range n { // what was computed is H[i][j] for j <= i, but for the trend's rows
		for j := range i {
			if j < head {
				if i < f {
					H[i*n+j] = H[j*n+i]
				} else {
					H[j*n+i] = H[i*n+j]
				}
			} else {
				H[j*n+i] = H[i*n+j]
			}
		}
	}
	if c.growth != prophet.Logistic {
		return
	}
	// From (a_0, a_1) to (k, m): d/dk = d/da_0 - m d/da_1 and d/dm = -k d/da_1.
	k, m := theta[0], theta[1]
	for i := range n {
		h := H[i*n:]
		h[0], h[1] = h[0]-m*h[1], -k*h[1]
	}
	for i := range n {
		h0, h1 := H[i], H[n+i]
		H[i], H[n+i] = h0-m*h1, -k*h1
	}
	if curvature {
		H[1] += b[1]
		H[n] += b[1]
	}
	b[0], b[1] = b[0]-m*b[1], -k*b[1]
}

// first is the trend at the first row, and its derivatives by u.
func (c *curve) first(theta []float64) (g, g1, g2 float64) {
	if c.growth != prophet.Logistic {
		return theta[c.head-1], 1, 0
	}
	s := 1 / (1 + math.Exp(theta[0]*theta[1]))
	g = c.capacity[0] * s
	g1 = g * (1 - s)
	return g, g1, g1 * (1 - 2*s)
}

// trendLimits are the limits of the trend at theta, on the history.
func (c *curve) trendLimits(theta []float64) limits {
	c.evaluate(theta)
	return limitsOf(c.g)
}

// reach are the limits of y, with the floor if the trend has it.
func (c *curve) reach() limits {
	y := c.y
	if c.base != nil {
		y = floats.AddTo(make([]float64, len(y)), y, c.base)
	}
	return limitsOf(y)
}

// effects fills the part of the tangent of the columns of X with each other. Without
// multiplicative columns it does not change.
func (c *curve) effects(scaled []float64) {
	n, f, head := c.n, c.free, c.head
	if !c.shared {
		for a := head; a < f; a++ {
			copy(c.tangent[a*n+head:a*n+a+1], c.gram[a*n+head:])
		}
		return
	}
	for i := range c.y {
		x := c.x[i*f : (i+1)*f]
		for _, p := range c.parts {
			with := 1.0
			if p.share {
				with = c.g[i]
			}
			floats.ScaleTo(scaled[p.from:p.to], with, x[p.from:p.to])
		}
		for a := head; a < f; a++ {
			if v := scaled[a]; v != 0 {
				floats.AddScaled(c.tangent[a*n+head:a*n+a+1], v, scaled[head:a+1])
			}
		}
	}
}
