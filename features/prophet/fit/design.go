package fit

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"

	"github.com/incendio-faas/incendio/features/prophet"
)

// A design is what all series with values at the same times share: the columns
// Z = [t, 1, X, (t-s_j)+] and their Gram matrix. A flat trend has no t and no hinges.
// The columns before the hinges are called free: their priors are Gaussian.
type design struct {
	growth        prophet.Growth
	start, end    time.Time
	tau           float64
	seasonalities []prophet.Seasonality
	holidays      []prophet.Holiday

	t            []float64 // scaled times, ascending, length T
	changepoints []float64 // scaled times s_j, ascending, length S
	segment      []int     // segment[j] is the first row with t >= s_j

	free  int       // columns t, 1 and X
	n     int       // all columns
	x     []float64 // free columns, row-major, shape (T, free)
	prior []float64 // precision of the Gaussian prior, length n, 0 of hinges
	gram  []float64 // Z'Z, shape (n, n)
}

// trendPrecision is that of the Gaussian priors of k and m.
const trendPrecision = 1. / 25

// newDesign builds the design of m for values at times, which ascend.
func (m Model) newDesign(times []time.Time) (*design, error) {
	T := len(times)
	d := &design{
		growth: m.Growth,
		start:  times[0].UTC(),
		end:    times[T-1].UTC(),
		tau:    m.ChangepointPriorScale,
		t:      make([]float64, T),
	}
	span := float64(d.end.Sub(d.start))
	for i, at := range times {
		if span > 0 {
			d.t[i] = float64(at.Sub(d.start)) / span
		}
	}
	if m.Growth == prophet.Linear {
		if err := d.placeChangepoints(m); err != nil {
			return nil, err
		}
		d.prior = append(d.prior, trendPrecision)
	}
	var prior []float64
	d.seasonalities, d.holidays, prior = m.terms()
	d.prior = append(append(d.prior, trendPrecision), prior...)
	d.free = len(d.prior)
	d.n = d.free + len(d.changepoints)
	d.prior = append(d.prior, make([]float64, len(d.changepoints))...)

	d.fill(times)
	d.computeGram()
	return d, nil
}

// terms returns the seasonalities and, by name, the holidays of m, with their prior
// scales, and the precision of the prior of each of their columns.
func (m Model) terms() (seasonalities []prophet.Seasonality, holidays []prophet.Holiday, prior []float64) {
	columns := func(scale *float64, otherwise float64, n int) {
		if *scale == 0 {
			*scale = otherwise
		}
		prior = append(prior, slices.Repeat([]float64{1 / (*scale * *scale)}, n)...)
	}
	seasonalities, holidays = slices.Clone(m.Seasonalities), slices.Clone(m.Holidays)
	for i := range seasonalities {
		s := &seasonalities[i]
		columns(&s.PriorScale, m.SeasonalityPriorScale, s.Columns())
	}
	slices.SortFunc(holidays, func(a, b prophet.Holiday) int { return cmp.Compare(a.Name, b.Name) })
	for i := range holidays {
		h := &holidays[i]
		columns(&h.PriorScale, m.HolidaysPriorScale, h.Columns())
	}
	return seasonalities, holidays, prior
}

// placeChangepoints sets the changepoints of a linear trend.
func (d *design) placeChangepoints(m Model) error {
	if len(m.ChangepointTimes) > 0 {
		given, err := m.givenChangepoints(d.start, d.end)
		if err != nil {
			return err
		}
		d.changepoints = given
	} else {
		for _, i := range m.automaticChangepoints(len(d.t)) {
			d.changepoints = append(d.changepoints, d.t[i])
		}
	}
	for _, s := range d.changepoints {
		i, _ := slices.BinarySearch(d.t, s)
		d.segment = append(d.segment, i)
	}
	return nil
}

// givenChangepoints returns the scaled times of the changepoints that were given, in a
// history from start to end.
func (m Model) givenChangepoints(start, end time.Time) ([]float64, error) {
	var out []float64
	for _, c := range slices.SortedFunc(slices.Values(m.ChangepointTimes), time.Time.Compare) {
		if c.Before(start) || c.After(end) {
			return nil, fmt.Errorf("changepoint %v must lie in the history, from %v to %v", c.UTC(), start, end)
		}
		if span := end.Sub(start); span > 0 {
			out = append(out, float64(c.Sub(start))/float64(span))
		}
	}
	return out, nil
}

// automaticChangepoints returns the numbers of the values, of a history of n, at which
// automatic changepoints are: evenly spaced over the first ones, the very first left out.
func (m Model) automaticChangepoints(n int) []int {
	first := int(math.Floor(float64(n) * m.ChangepointRange))
	points := max(0, min(m.Changepoints, first-1))
	out := make([]int, points)
	for j := range out {
		out[j] = int(math.RoundToEven(float64(j+1) * float64(first-1) / float64(points))) // halves to even
	}
	return out
}

// fill computes the free columns.
func (d *design) fill(times []time.Time) {
	d.x = make([]float64, 0, len(times)*d.free)
	days := calendar{holidays: d.holidays}
	for i, at := range times {
		if d.growth == prophet.Linear {
			d.x = append(d.x, d.t[i])
		}
		d.x = append(d.x, 1)
		for _, s := range d.seasonalities {
			d.x = s.Append(d.x, prophet.Days(at))
		}
		d.x = days.append(d.x, at)
	}
}

// A calendar computes the columns of holidays once for each day.
type calendar struct {
	holidays []prophet.Holiday
	columns  map[prophet.Day][]float64
}

// append appends the columns at the time at to row.
func (c *calendar) append(row []float64, at time.Time) []float64 {
	if len(c.holidays) == 0 {
		return row
	}
	day := prophet.DayOf(at)
	columns, ok := c.columns[day]
	if !ok {
		for _, h := range c.holidays {
			for o := h.LowerWindow; o <= h.UpperWindow; o++ {
				v := 0.
				if h.On(day, o) {
					v = 1
				}
				columns = append(columns, v)
			}
		}
		if c.columns == nil {
			c.columns = map[prophet.Day][]float64{}
		}
		c.columns[day] = columns
	}
	return append(row, columns...)
}

// computeGram computes Z'Z.
func (d *design) computeGram() {
	n, f := d.n, d.free
	d.gram = make([]float64, n*n)
	for i := range d.t {
		row := d.x[i*f : (i+1)*f]
		for a, xa := range row {
			if xa == 0 {
				continue
			}
			g := d.gram[a*n : a*n+a+1]
			for b := range g {
				g[b] += xa * row[b]
			}
		}
	}
	// Rows of hinges times free columns: M0_j and M1_j are the sums of x and of
	// x*(t-s_j) over the rows from s_j on. Both grow from the last changepoint
	// backwards without cancellation.
	S := len(d.changepoints)
	m0, m1 := make([]float64, f), make([]float64, f)
	var u0, u1, u2 float64 // the same for x = 1, and the sum of (t-s_j)^2
	end := len(d.t)
	for j := S - 1; j >= 0; j-- {
		s := d.changepoints[j]
		if j+1 < S {
			h := d.changepoints[j+1] - s
			for c := range m1 {
				m1[c] += h * m0[c]
			}
			u2 += h * (2*u1 + h*u0)
			u1 += h * u0
		}
		for i := d.segment[j]; i < end; i++ {
			u := d.t[i] - s
			for c, x := range d.x[i*f : (i+1)*f] {
				m0[c] += x
				m1[c] += u * x
			}
			u0++
			u1 += u
			u2 += u * u
		}
		end = d.segment[j]
		g := d.gram[(f+j)*n:]
		copy(g, m1)
		// sum (t-s_j)(t-s_l) over t >= s_j, for l <= j: t-s_l = (t-s_j) + (s_j-s_l).
		for l := 0; l <= j; l++ {
			g[f+l] = u2 + (s-d.changepoints[l])*u1
		}
	}
	for a := range n {
		for b := range a {
			d.gram[b*n+a] = d.gram[a*n+b]
		}
	}
}

// products computes Z'y, of length n, into b.
func (d *design) products(y, b []float64) {
	clear(b)
	f := d.free

	// Sums between changepoints give the trend's columns.
	S := len(d.changepoints)
	var m0, m1 float64
	end := len(y)
	for j := S - 1; j >= -1; j-- {
		s, first := 0., 0
		if j >= 0 {
			s, first = d.changepoints[j], d.segment[j]
		}
		if j+1 < S {
			m1 += (d.changepoints[j+1] - s) * m0
		}
		var a0, a1 float64
		for i, v := range y[first:end] {
			a0 += v
			a1 += v * (d.t[first+i] - s)
		}
		m0 += a0
		m1 += a1
		end = first
		if j >= 0 {
			b[f+j] = m1
		}
	}
	c := 0
	if d.growth == prophet.Linear {
		b[0] = m1
		c = 1
	}
	b[c] = m0

	for i, v := range y {
		floats.AddScaled(b[c+1:f], v, d.x[i*f+c+1:(i+1)*f])
	}
}

// residuals returns the sum of squared residuals of y/scale at theta, from the rows.
func (d *design) residuals(y []float64, scale float64, theta []float64) float64 {
	f := d.free
	var sse, slope, offset float64
	j := 0
	for i, v := range y {
		for j < len(d.changepoints) && d.segment[j] <= i {
			slope += theta[f+j]
			offset -= theta[f+j] * d.changepoints[j]
			j++
		}
		r := v/scale - (slope*d.t[i] + offset)
		for c, x := range d.x[i*f : (i+1)*f] {
			r -= x * theta[c]
		}
		sse += r * r
	}
	return sse
}
