package fit

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

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

	at    []int  // the number of each row's time on the grid; nil if it is the row's own
	folds []fold // seasonalities whose period is a whole number of steps, longest first
	dense []int  // columns of x that are no fold's, t, 1 or sparse
	ones  []ones // holiday columns
}

// A fold computes the products of a seasonality's columns with y from the sums of y
// over all rows of equal phase.
type fold struct {
	period int       // steps of the grid
	source int       // the fold to take sums from, -1 for y itself
	first  int       // first column
	table  []float64 // columns at each phase, row-major, shape (period, columns)
}

// ones is a 0/1 column given by the rows where it is 1.
type ones struct {
	column int
	rows   []int
}

// newDesign builds the design of m for values at times, which ascend. If step is not
// 0, they lie on a grid of that step.
func (m Model) newDesign(times []time.Time, step time.Duration) (*design, error) {
	T := len(times)
	d := &design{
		growth:        m.Growth,
		start:         times[0].UTC(),
		end:           times[T-1].UTC(),
		tau:           m.ChangepointPriorScale,
		seasonalities: slices.Clone(m.Seasonalities),
		holidays:      slices.Clone(m.Holidays),
		t:             make([]float64, T),
	}
	span := float64(d.end.Sub(d.start))
	for i, at := range times {
		if span > 0 {
			d.t[i] = float64(at.Sub(d.start)) / span
		}
	}
	if m.Growth == prophet.Linear {
		if err := m.placeChangepoints(d, times); err != nil {
			return nil, err
		}
		d.free = 1
		d.prior = append(d.prior, 1./25)
	}
	d.free++
	d.prior = append(d.prior, 1./25)
	x0 := d.free // first column of X
	for i := range d.seasonalities {
		s := &d.seasonalities[i]
		if s.PriorScale == 0 {
			s.PriorScale = m.SeasonalityPriorScale
		}
		d.free += s.Columns()
		d.prior = append(d.prior, slices.Repeat([]float64{1 / (s.PriorScale * s.PriorScale)}, s.Columns())...)
	}
	slices.SortFunc(d.holidays, func(a, b prophet.Holiday) int { return cmp.Compare(a.Name, b.Name) })
	for i := range d.holidays {
		h := &d.holidays[i]
		if h.PriorScale == 0 {
			h.PriorScale = m.HolidaysPriorScale
		}
		d.free += h.Columns()
		d.prior = append(d.prior, slices.Repeat([]float64{1 / (h.PriorScale * h.PriorScale)}, h.Columns())...)
	}
	d.n = d.free + len(d.changepoints)
	d.prior = append(d.prior, make([]float64, len(d.changepoints))...)

	d.fill(times)
	d.plan(x0, step)
	d.computeGram()
	return d, nil
}

// placeChangepoints sets the changepoints of a linear trend.
func (m Model) placeChangepoints(d *design, times []time.Time) error {
	if len(m.ChangepointTimes) > 0 {
		given := slices.SortedFunc(slices.Values(m.ChangepointTimes), time.Time.Compare)
		for _, c := range given {
			if c.Before(d.start) || c.After(d.end) {
				return fmt.Errorf("changepoint %v must lie in the history, from %v to %v", c.UTC(), d.start, d.end)
			}
			if span := d.end.Sub(d.start); span > 0 {
				d.changepoints = append(d.changepoints, float64(c.Sub(d.start))/float64(span))
			}
		}
	} else {
		rows := int(math.Floor(float64(len(times)) * m.ChangepointRange))
		n := min(m.Changepoints, rows-1)
		for j := 1; j <= n; j++ {
			// Evenly spaced over the first rows, the first row left out; halves to even.
			i := int(math.RoundToEven(float64(j) * float64(rows-1) / float64(n)))
			d.changepoints = append(d.changepoints, d.t[i])
		}
	}
	for _, s := range d.changepoints {
		i, _ := slices.BinarySearch(d.t, s)
		d.segment = append(d.segment, i)
	}
	return nil
}

// fill computes the free columns.
func (d *design) fill(times []time.Time) {
	d.x = make([]float64, 0, len(times)*d.free)
	var days map[prophet.Day][]float64 // holiday columns of a day
	if len(d.holidays) > 0 {
		days = map[prophet.Day][]float64{}
	}
	for i, at := range times {
		if d.growth == prophet.Linear {
			d.x = append(d.x, d.t[i])
		}
		d.x = append(d.x, 1)
		at1 := prophet.Days(at)
		for _, s := range d.seasonalities {
			d.x = s.Append(d.x, at1)
		}
		if days == nil {
			continue
		}
		day := prophet.DayOf(at)
		row, ok := days[day]
		if !ok {
			for _, h := range d.holidays {
				for o := h.LowerWindow; o <= h.UpperWindow; o++ {
					v := 0.
					if h.On(day, o) {
						v = 1
					}
					row = append(row, v)
				}
			}
			days[day] = row
		}
		d.x = append(d.x, row...)
	}
}

// plan decides how each column of X is multiplied with y; column is the first of X.
func (d *design) plan(column int, step time.Duration) {
	T := len(d.t)
	length := T // of the grid
	if step > 0 {
		length = int(d.end.Sub(d.start)/step) + 1
		if length > T {
			d.at = make([]int, T)
			for i, t := range d.t {
				d.at[i] = int(math.Round(t * float64(length-1)))
			}
		}
	}
	for _, s := range d.seasonalities {
		steps := 0.
		if step > 0 {
			steps = s.Period * hoursPerDay * float64(time.Hour) / float64(step)
		}
		period := int(math.Round(steps))
		// 1e-12 of a period is a phase error below the columns' own.
		if period >= 2 && 2*period <= length && math.Abs(steps-float64(period)) < 1e-12*steps {
			f := fold{period: period, source: -1, first: column}
			for p := range period {
				f.table = s.Append(f.table, prophet.Days(d.start.Add(time.Duration(p)*step)))
			}
			d.folds = append(d.folds, f)
		} else {
			for c := range s.Columns() {
				d.dense = append(d.dense, column+c)
			}
		}
		column += s.Columns()
	}
	slices.SortStableFunc(d.folds, func(a, b fold) int { return b.period - a.period })
	for i := range d.folds {
		for j := range i {
			if d.folds[j].period%d.folds[i].period == 0 {
				d.folds[i].source = j // the shortest that will do
			}
		}
	}
	for ; column < d.free; column++ {
		o := ones{column: column}
		for i := range T {
			if d.x[i*d.free+column] != 0 {
				o.rows = append(o.rows, i)
			}
		}
		d.ones = append(d.ones, o)
	}
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

// products computes Z'y, of length n, with scratch space from w.
func (d *design) products(y []float64, w *workspace) []float64 {
	b := w.b
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

	for i, fd := range d.folds {
		sums := w.folded[i]
		if fd.source < 0 && d.at != nil {
			clear(sums)
			for j, v := range y {
				sums[d.at[j]%fd.period] += v
			}
		} else {
			source := y
			if fd.source >= 0 {
				source = w.folded[fd.source]
			}
			copy(sums, source[:fd.period])
			for at := fd.period; at < len(source); at += fd.period {
				for p, v := range source[at:min(at+fd.period, len(source))] {
					sums[p] += v
				}
			}
		}
		columns := len(fd.table) / fd.period
		out := b[fd.first : fd.first+columns]
		for p, v := range sums {
			for c, x := range fd.table[p*columns : (p+1)*columns] {
				out[c] += v * x
			}
		}
	}
	if len(d.dense) > 0 {
		for i, v := range y {
			row := d.x[i*f : (i+1)*f]
			for _, c := range d.dense {
				b[c] += v * row[c]
			}
		}
	}
	for _, o := range d.ones {
		for _, i := range o.rows {
			b[o.column] += y[i]
		}
	}
	return b
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
