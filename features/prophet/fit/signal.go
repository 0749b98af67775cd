package fit

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// A signal is what a worker knows of the series it is at: its values, and the sums
// from which Z'y follows for any design on the grid.
type signal struct {
	y     []float64 // one value per row, 0 where it is missing
	runs  []run     // rows that are not missing
	unit  float64   // of y: a power of 2
	whole []sums    // of each full block

	// Of the rows before end:
	basis    *basis
	end      int
	largest  float64     // |y|
	constant bool        // whether all values are equal
	yy       float64     // sum of y^2
	folded   [][]float64 // sums of y by phase, one per fold of the basis

	kept    []float64 // memory of y where it is not the caller's
	scratch []float64
}

// sums are those of y, of i*y with i counted from the first row, and of y^2 over some
// rows, and the largest |y| of them.
type sums struct{ y, iy, yy, largest float64 }

// sum returns the sums over y, which has at most block values.
func sum(y []float64) sums {
	s := sums{y: floats.Sum(y), iy: floats.Dot(y, blockIndex[:len(y)]), yy: floats.Dot(y, y)}
	s.largest = maxAbs(y)
	return s
}

// maxAbs is the largest |x|, 0 without any. Four at a time take half the time.
func maxAbs(x []float64) float64 {
	most := 0.
	for ; len(x) >= 4; x = x[4:] {
		if v := math.Abs(x[0]); v > most {
			most = v
		}
		if v := math.Abs(x[1]); v > most {
			most = v
		}
		if v := math.Abs(x[2]); v > most {
			most = v
		}
		if v := math.Abs(x[3]); v > most {
			most = v
		}
	}
	for _, v := range x {
		if v = math.Abs(v); v > most {
			most = v
		}
	}
	return most
}

// blockIndex is 0, 1, … block-1.
var blockIndex = func() (index [block]float64) {
	for i := range index {
		index[i] = float64(i)
	}
	return index
}()

// load takes the values of a series, NaN where they are missing. It sums over blocks:
// only of those whose sum is not a number are the values looked at.
func (s *signal) load(y []float64) *infiniteError {
	s.y, s.unit, s.runs, s.whole = y, 1, s.runs[:0], s.whole[:0]
	for first := 0; first < len(y); first += block {
		end := min(first+block, len(y))
		part := sum(y[first:end])
		if math.IsNaN(part.y) || math.IsInf(part.y, 0) {
			if &s.y[0] == &y[0] {
				s.kept = append(s.kept[:0], y...)
				s.y = s.kept
			}
			if err := s.fill(first, end); err != nil {
				return err
			}
			part = sum(s.y[first:end])
		} else {
			s.observed(run{first, end})
		}
		if end == first+block {
			s.whole = append(s.whole, part)
		}
	}
	return nil
}

// observed adds a run at the end.
func (s *signal) observed(r run) {
	if n := len(s.runs); n > 0 && s.runs[n-1].end == r.first {
		s.runs[n-1].end = r.end
	} else {
		s.runs = append(s.runs, r)
	}
}

// fill puts zeros for the missing ones of some values.
func (s *signal) fill(first, end int) *infiniteError {
	for i := first; i < end; i++ {
		switch v := s.y[i]; {
		case math.IsNaN(v):
			s.y[i] = 0
		case math.IsInf(v, 0):
			return &infiniteError{i, v}
		default:
			s.observed(run{i, i + 1})
		}
	}
	return nil
}

// begin starts the sums that depend on the basis.
func (s *signal) begin(b *basis) {
	s.basis, s.end, s.yy, s.largest, s.constant = b, 0, 0, 0, true
	s.folded = slices.Grow(s.folded, len(b.folds))[:len(b.folds)]
	for i, f := range b.folds {
		s.folded[i] = slices.Grow(s.folded[i][:0], f.period)[:f.period]
		clear(s.folded[i])
	}
}

// extend extends those sums to the rows before end.
func (s *signal) extend(end int) {
	for i, f := range s.basis.folds {
		if f.source >= 0 {
			continue // folded from another, when it is needed
		}
		for at := s.end; at < end; {
			phase := at % f.period
			n := min(f.period-phase, end-at)
			floats.Add(s.folded[i][phase:phase+n], s.y[at:at+n])
			at += n
		}
	}
	s.stayConstant(end)
	for s.end < end {
		var part sums
		k := s.end / block
		to := min((k+1)*block, end)
		if to-s.end == block {
			part = s.whole[k]
		} else {
			part = sum(s.y[s.end:to])
		}
		s.yy += part.yy
		s.largest = max(s.largest, part.largest)
		s.end = to
	}
}

// stayConstant updates constant for the rows before end.
func (s *signal) stayConstant(end int) {
	for _, r := range s.runs {
		for i := max(r.first, s.end); i < min(r.end, end) && s.constant; i++ {
			s.constant = s.y[i] == s.y[s.runs[0].first]
		}
		if !s.constant || r.end >= end {
			return
		}
	}
}

// products computes Z'y for the rows before s.end.
func (s *signal) products(d *gridDesign, b []float64) {
	first := d.free - d.basis.columns // of [1, X] in Z: after t
	clear(b)

	// Sums between changepoints give the trend's columns. m0 and m1 are those of y and
	// of y times the distance from the place at, in steps, over the rows from cut on.
	var m0, m1, at float64
	cut := s.end
	extend := func(to int) {
		for cut > to {
			k := (cut - 1) / block
			begin := max(k*block, to)
			m1 += (at - float64(begin)) * m0
			at = float64(begin)
			if begin == k*block && begin+block == cut {
				m0 += s.whole[k].y
				m1 += s.whole[k].iy
			} else {
				m0 += floats.Sum(s.y[begin:cut])
				m1 += floats.Dot(s.y[begin:cut], blockIndex[:cut-begin])
			}
			cut = begin
		}
	}
	unit := 0. // of a step, in scaled time
	if span := d.span(); span > 0 {
		unit = 1 / span
	}
	for j := len(d.origin) - 1; j >= 0; j-- {
		extend(int(math.Ceil(d.origin[j])))
		m1 += (at - d.origin[j]) * m0
		at = d.origin[j]
		b[d.free+j] = m1 * unit
	}
	extend(d.runs[0].first)
	m1 += (at - float64(d.runs[0].first)) * m0
	if first == 1 {
		b[0] = m1 * unit
	}
	b[first] = m0

	for i, f := range d.basis.folds {
		sums := s.folded[i]
		if f.source >= 0 {
			clear(sums)
			for source := s.folded[f.source]; len(source) > 0; source = source[f.period:] {
				floats.Add(sums, source[:f.period])
			}
		}
		s.scratch = slices.Grow(s.scratch[:0], f.period)[:f.period]
		f.products(b[first:], sums, s.scratch)
	}
	for _, c := range d.basis.dense {
		b[first+c.number] = floats.Dot(c.value[:s.end], s.y[:s.end])
	}
	for _, o := range d.basis.ones {
		for _, r := range o.runs {
			if r.first < s.end {
				b[first+o.column] += floats.Sum(s.y[r.first:min(r.end, s.end)])
			}
		}
	}
}

// residuals returns the sum of squared residuals of y/scale at theta, from the rows.
func (s *signal) residuals(d *gridDesign, scale float64, theta []float64) float64 {
	n, begin := d.basis.columns, float64(d.runs[0].first)
	first := d.free - n
	unit := 0.
	if span := d.span(); span > 0 {
		unit = 1 / span
	}
	var sse, slope, offset float64
	if first == 1 {
		slope = theta[0]
		offset = -slope * begin
	}
	j := 0
	for _, r := range d.runs {
		for i := r.first; i < r.end; i++ {
			for j < len(d.origin) && d.origin[j] <= float64(i) {
				slope += theta[d.free+j]
				offset -= theta[d.free+j] * d.origin[j]
				j++
			}
			rest := s.y[i]/scale - (slope*float64(i)+offset)*unit
			rest -= floats.Dot(d.basis.x[i*n:(i+1)*n], theta[first:d.free])
			sse += rest * rest
		}
	}
	return sse
}

// reach are the limits of the values in runs, scaled.
func (s *signal) reach(runs []run, scale float64) limits {
	out := limits{math.Inf(1), math.Inf(-1)}
	for _, r := range runs {
		part := limitsOf(s.y[r.first:r.end])
		out = limits{min(out.low, part.low/scale), max(out.high, part.high/scale)}
	}
	return out
}

// extreme reports whether the squares of the values would overflow or vanish.
func (s *signal) extreme() bool { return s.largest > 1e100 || 0 < s.largest && s.largest < 1e-100 }

// normalised returns a signal of the values before s.end in a unit in which they are not
// extreme.
func (s *signal) normalised() *signal {
	_, exponent := math.Frexp(s.largest)
	y := slices.Repeat([]float64{math.NaN()}, s.end)
	for _, r := range s.runs {
		for i := r.first; i < min(r.end, s.end); i++ {
			y[i] = math.Ldexp(s.y[i], -exponent)
		}
	}
	n := new(signal)
	n.load(y)
	n.unit = math.Ldexp(1, exponent)
	n.begin(s.basis)
	n.extend(s.end)
	return n
}

// above returns a signal of the values before s.end less a level.
func (s *signal) above(level float64) *signal {
	y := slices.Repeat([]float64{math.NaN()}, s.end)
	for _, r := range s.runs {
		for i := r.first; i < min(r.end, s.end); i++ {
			y[i] = s.y[i] - level
		}
	}
	n := new(signal)
	n.load(y)
	n.begin(s.basis)
	n.extend(s.end)
	return n
}

// infiniteError says which value of a series is infinite.
type infiniteError struct {
	number int
	value  float64
}
