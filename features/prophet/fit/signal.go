package fit

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// A signal is what a worker knows of the series it is at: its values, and the sums
// from which Z'y follows for any design on the grid.
type signal struct {
	y    []float64 // one value per row, 0 where it is missing
	runs []run     // rows that are not missing
	unit float64   // of y: a power of 2

	sum, moment []float64 // sums of y and of i*y in each block, i counted from its start

	// Of the rows before end:
	basis     *basis
	end       int
	low, high float64     // extremes of the values
	yy        float64     // sum of y^2
	folded    [][]float64 // sums of y by phase, one per fold of the basis

	kept []float64 // memory of y where it is not the caller's
}

// blockIndex is 0, 1, … block-1.
var blockIndex = func() (index [block]float64) {
	for i := range index {
		index[i] = float64(i)
	}
	return index
}()

// load takes the values of a series, NaN where they are missing.
func (s *signal) load(y []float64) *infiniteError {
	s.y, s.unit = y, 1
	s.runs = s.runs[:0]
	if len(y) > 0 {
		s.runs = append(s.runs, run{0, len(y)})
	}
	s.sumBlocks()
	total := floats.Sum(s.sum)
	if math.IsNaN(total) || math.IsInf(total, 0) {
		if err := s.fill(y); err != nil {
			return err
		}
		s.sumBlocks()
	}
	return nil
}

// sumBlocks sums over blocks. The last, if it is not full, counts for load alone.
func (s *signal) sumBlocks() {
	s.sum, s.moment = s.sum[:0], s.moment[:0]
	for y := s.y; len(y) > 0; y = y[min(block, len(y)):] {
		n := min(block, len(y))
		s.sum = append(s.sum, floats.Sum(y[:n]))
		s.moment = append(s.moment, floats.Dot(y[:n], blockIndex[:n]))
	}
}

// fill puts zeros where y misses a value.
func (s *signal) fill(y []float64) *infiniteError {
	s.kept, s.runs = s.kept[:0], s.runs[:0]
	for i, v := range y {
		if math.IsInf(v, 0) {
			return &infiniteError{i, v}
		}
		if math.IsNaN(v) {
			s.kept = append(s.kept, 0)
			continue
		}
		if n := len(s.runs); n > 0 && s.runs[n-1].end == i {
			s.runs[n-1].end++
		} else {
			s.runs = append(s.runs, run{i, i + 1})
		}
		s.kept = append(s.kept, v)
	}
	s.y = s.kept
	return nil
}

// begin starts the sums that depend on the basis.
func (s *signal) begin(b *basis) {
	s.basis, s.end, s.yy = b, 0, 0
	s.low, s.high = math.Inf(1), math.Inf(-1)
	s.folded = s.folded[:0]
	for _, f := range b.folds {
		s.folded = append(s.folded, make([]float64, f.period))
	}
}

// extend extends those sums to the rows before end.
func (s *signal) extend(end int) {
	for _, r := range s.runs {
		if r.end <= s.end {
			continue
		}
		if r.first >= end {
			break
		}
		low, high := s.low, s.high
		for _, v := range s.y[max(r.first, s.end):min(r.end, end)] {
			if v < low {
				low = v
			}
			if v > high {
				high = v
			}
		}
		s.low, s.high = low, high
	}
	y := s.y[s.end:end]
	s.yy += floats.Dot(y, y)
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
	s.end = end
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
				m0 += s.sum[k]
				m1 += s.moment[k]
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
		for c, table := range f.table {
			b[first+f.first+c] = floats.Dot(table, sums)
		}
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

// extreme reports whether the squares of the values would overflow or vanish.
func (s *signal) extreme() bool {
	largest := s.largest()
	return largest > 1e100 || 0 < largest && largest < 1e-100
}

// largest is the largest |y|.
func (s *signal) largest() float64 { return max(s.high, -s.low) }

// normalised returns a signal of the values before s.end in a unit in which they are not
// extreme.
func (s *signal) normalised() *signal {
	_, exponent := math.Frexp(s.largest())
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

// infiniteError says which value of a series is infinite.
type infiniteError struct {
	number int
	value  float64
}
