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
	regressors    []prophet.Regressor

	t            []float64 // scaled times, ascending, length T
	changepoints []float64 // scaled times s_j, ascending, length S
	segment      []int     // segment[j] is the first row with t >= s_j

	free  int       // columns t, 1 and X
	n     int       // all columns
	x     []float64 // free columns, row-major, shape (T, free)
	prior []float64 // precision of the Gaussian prior, length n, 0 of hinges
	share []bool    // which columns of X are multiplicative
	gram  []float64 // Z'Z with the weights of hold, shape (n, n)
	chol  []float64 // Cholesky factor of G + factorVariance*prior, shape (n, n)

	gaps []prophet.Gap // phases of the seasonalities without a value
	hold *hold         // what holds the seasons that they leave open; nil without any
}

// trendPrecision is that of the Gaussian priors of k and m.
const trendPrecision = 1. / 25

// newDesign builds the design of m for values at times, which ascend, with what is known
// of the times: a column that the model needs must be there.
func (m Model) newDesign(times []time.Time, columns prophet.Columns) (*design, error) {
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
	if m.Growth != prophet.Flat {
		if err := d.placeChangepoints(m); err != nil {
			return nil, err
		}
	}
	d.prior = slices.Repeat([]float64{trendPrecision}, d.head())
	terms := m.terms()
	d.seasonalities, d.holidays, d.share = terms.seasonalities, terms.holidays, terms.share
	d.prior = append(d.prior, terms.prior...)
	for _, r := range m.Regressors {
		fitted, err := r.standardised(columns.Regressors[r.Name], times)
		if err != nil {
			return nil, err
		}
		d.prior = append(d.prior, settle(&fitted.PriorScale, m.HolidaysPriorScale, &fitted.Mode, m.SeasonalityMode))
		d.share = append(d.share, fitted.Mode == prophet.Multiplicative)
		d.regressors = append(d.regressors, fitted)
	}
	d.free = len(d.prior)
	d.n = d.free + len(d.changepoints)
	d.prior = append(d.prior, make([]float64, len(d.changepoints))...)

	d.fill(times, columns)
	d.computeGram()
	d.holdGaps(newHistory(times, d.t, columns), T)
	d.factorise()
	return d, nil
}

// known reports what the model needs to know of the times and columns lack. Of a
// logistic trend, capacity and floor are columns.
func (m Model) known(times []time.Time, columns prophet.Columns) error {
	if m.Growth == prophet.Logistic {
		for i, capacity := range columns.Cap {
			if floor := columns.Floor[i]; !(capacity > floor) || math.IsInf(capacity-floor, 0) {
				return fmt.Errorf("cap of logistic growth must be above floor, got %g and %g at %v", capacity, floor, times[i].UTC())
			}
		}
	}
	for _, s := range m.Seasonalities {
		if _, ok := columns.Conditions[s.Condition]; !ok && s.Condition != "" && !prophet.CalendarCondition(s.Condition) {
			return fmt.Errorf("seasonality %q: condition %q is not known of the times", s.Name, s.Condition)
		}
	}
	return nil
}

// head is the number of columns of the trend among the free ones.
func (d *design) head() int {
	if d.growth == prophet.Flat {
		return 1
	}
	return 2
}

// additive reports whether the model is linear in its parameters, so that the Gram
// matrix says all.
func (d *design) additive() bool {
	return d.growth != prophet.Logistic && !slices.Contains(d.share, true)
}

// settle gives a term what it leaves open, its prior scale and its mode, and returns the
// precision of the prior. In what is fitted the additive mode is empty: that is the same
// in fewer bytes.
func settle(scale *float64, otherwise float64, mode *prophet.Mode, usual prophet.Mode) (precision float64) {
	if *scale == 0 {
		*scale = otherwise
	}
	if *mode == "" {
		*mode = usual
	}
	if *mode == prophet.Additive {
		*mode = ""
	}
	return 1 / (*scale * *scale)
}

// terms are the seasonalities and, by name, the holidays of a model, settled, with the
// precision of the prior of each of their columns, and whether it is multiplicative.
type terms struct {
	seasonalities []prophet.Seasonality
	holidays      []prophet.Holiday
	prior         []float64
	share         []bool
}

func (m Model) terms() terms {
	t := terms{seasonalities: slices.Clone(m.Seasonalities), holidays: slices.Clone(m.Holidays)}
	columns := func(n int, precision float64, mode prophet.Mode) {
		t.prior = append(t.prior, slices.Repeat([]float64{precision}, n)...)
		t.share = append(t.share, slices.Repeat([]bool{mode == prophet.Multiplicative}, n)...)
	}
	for i := range t.seasonalities {
		s := &t.seasonalities[i]
		columns(s.Columns(), settle(&s.PriorScale, m.SeasonalityPriorScale, &s.Mode, m.SeasonalityMode), s.Mode)
	}
	slices.SortFunc(t.holidays, func(a, b prophet.Holiday) int { return cmp.Compare(a.Name, b.Name) })
	for i := range t.holidays {
		h := &t.holidays[i]
		columns(h.Columns(), settle(&h.PriorScale, m.HolidaysPriorScale, &h.Mode, cmp.Or(m.HolidaysMode, m.SeasonalityMode)), h.Mode)
	}
	return t
}

// placeChangepoints sets the changepoints of a trend that has some.
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
func (d *design) fill(times []time.Time, columns prophet.Columns) {
	d.x = make([]float64, 0, len(times)*d.free)
	days := calendar{holidays: d.holidays}
	for i, at := range times {
		if d.head() == 2 {
			d.x = append(d.x, d.t[i])
		}
		d.x = append(d.x, 1)
		for _, s := range d.seasonalities {
			from := len(d.x)
			d.x = s.Append(d.x, prophet.Days(at))
			if s.Condition != "" && !columns.Holds(s.Condition, i, at) {
				clear(d.x[from:])
			}
		}
		d.x = days.append(d.x, at)
		for _, r := range d.regressors {
			d.x = append(d.x, (columns.Regressors[r.Name][i]-r.Mean)/r.Scale)
		}
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
	if d.head() == 2 {
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
