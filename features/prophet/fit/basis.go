package fit

import (
	"math"
	"slices"
	"sort"
	"time"

	"gonum.org/v1/gonum/floats"

	"github.com/incendio-faas/incendio/features/prophet"
)

// A basis is what all series on one grid share, whatever values they miss: the columns
// [1, X] at every time of the grid, and sums over blocks of rows, from which the Gram
// matrix of any part of the grid follows in a time that does not grow with its length.
type basis struct {
	grid          Grid
	rows          int // times of the grid
	seasonalities []prophet.Seasonality
	holidays      []prophet.Holiday

	columns int       // of [1, X]
	x       []float64 // row-major, shape (rows, columns)
	prior   []float64 // precision of the Gaussian prior of each column

	// Sums over blocks of rows; the rows at the end that fill no block are in none.
	prefix []float64 // sum of x x' before each block, shape (blocks+1, columns*(columns+1)/2), lower triangles by rows
	moment []float64 // sums of x and of i*x in each block, i counted from its start, shape (blocks, 2, columns)

	folds []fold
	dense []column // columns of X that are no fold's and not sparse
	ones  []ones
}

// block is the number of rows in a block: the sums over whole ones cost as much as
// the rows at the ends of a part.
const block = 64

// A run is the rows from first up to, not including, end.
type run struct{ first, end int }

// A fold computes the products of a seasonality's columns with y from the sums of y
// over all rows of equal phase. Half a period later a harmonic of odd number has the
// opposite sign, and one of even number is the harmonic of half that number of half the
// period: differences and sums of the two halves hence take its place, again and again.
type fold struct {
	period int // steps of the grid
	source int // the fold to take sums from, -1 for y itself
	halves [][]wave
	rest   []wave // over what is left of a period that cannot be halved any more
}

// A wave is a column of a seasonality over the part of a period that is needed.
type wave struct {
	column int
	value  []float64
}

// newFold returns the fold of s with the given period in steps of g; first is the number
// of its first column.
func newFold(g Grid, s prophet.Seasonality, period, first int) fold {
	f := fold{period: period, source: -1}
	columns := make([][]float64, s.Columns())
	var row []float64
	for p := range period {
		row = s.Append(row[:0], prophet.Days(g.At(p)))
		for i, v := range row {
			columns[i] = append(columns[i], v)
		}
	}
	for i, values := range columns {
		length, level := period, 0
		for n := i/2 + 1; n%2 == 0 && length%2 == 0; n /= 2 {
			length /= 2
			level++
		}
		if length%2 != 0 {
			f.rest = append(f.rest, wave{first + i, slices.Clone(values[:length])})
			continue
		}
		for len(f.halves) <= level {
			f.halves = append(f.halves, nil)
		}
		f.halves[level] = append(f.halves[level], wave{first + i, slices.Clone(values[:length/2])})
	}
	return f
}

// products puts the products of the columns with the sums by phase into b. It needs
// scratch space for two halves of a period.
func (f *fold) products(b, sums, scratch []float64) {
	half, difference := scratch[:f.period/2], scratch[f.period/2:f.period]
	for _, waves := range f.halves {
		n := len(sums) / 2
		first, second := sums[:n], sums[n:]
		floats.AddScaledTo(difference[:n], first, -1, second)
		for _, w := range waves {
			b[w.column] = floats.Dot(w.value, difference[:n])
		}
		floats.AddTo(half[:n], first, second)
		sums = half[:n]
	}
	for _, w := range f.rest {
		b[w.column] = floats.Dot(w.value, sums)
	}
}

// A column is a column of X over all rows.
type column struct {
	number int
	value  []float64
}

// ones is a 0/1 column given by the runs where it is 1.
type ones struct {
	column int
	runs   []run
}

// newBasis builds the basis of m for the first rows times of g.
func (m Model) newBasis(g Grid, rows int) *basis {
	b := &basis{grid: g, rows: rows}
	terms := m.terms()
	b.seasonalities, b.holidays = terms.seasonalities, terms.holidays
	b.prior = slices.Insert(terms.prior, 0, trendPrecision)
	b.columns = len(b.prior)
	b.x = make([]float64, 0, rows*b.columns)
	days := calendar{holidays: b.holidays}
	for i := range rows {
		at := g.At(i)
		b.x = append(b.x, 1)
		for _, s := range b.seasonalities {
			b.x = s.Append(b.x, prophet.Days(at))
		}
		b.x = days.append(b.x, at)
	}
	b.sumBlocks()
	b.plan()
	return b
}

// sumBlocks fills the sums over blocks.
func (b *basis) sumBlocks() {
	n, blocks := b.columns, b.rows/block
	triangle := n * (n + 1) / 2
	b.prefix = make([]float64, (blocks+1)*triangle)
	b.moment = make([]float64, blocks*2*n)
	transposed := make([]float64, n*block)
	for k := range blocks {
		x := b.x[k*block*n : (k+1)*block*n]
		for i := range block {
			for c, v := range x[i*n : (i+1)*n] {
				transposed[c*block+i] = v
			}
		}
		before := b.prefix[k*triangle : (k+1)*triangle]
		after := b.prefix[(k+1)*triangle : (k+2)*triangle]
		at := 0
		for r := range n {
			xr := transposed[r*block : (r+1)*block]
			for c := range r + 1 {
				after[at] = before[at] + floats.Dot(xr, transposed[c*block:(c+1)*block])
				at++
			}
			b.moment[2*k*n+r] = floats.Sum(xr)
			b.moment[(2*k+1)*n+r] = floats.Dot(xr, blockIndex[:])
		}
	}
}

// plan decides how each column of X is multiplied with y.
func (b *basis) plan() {
	c := 1
	for _, s := range b.seasonalities {
		steps := s.Period * hoursPerDay * float64(time.Hour) / float64(b.grid.Step)
		period := int(math.Round(steps))
		// 1e-12 of a period is a phase error below the columns' own.
		if period >= 2 && 2*period <= b.rows && math.Abs(steps-float64(period)) < 1e-12*steps {
			b.folds = append(b.folds, newFold(b.grid, s, period, c))
		} else {
			for i := c; i < c+s.Columns(); i++ {
				col := column{number: i, value: make([]float64, b.rows)}
				for j := range col.value {
					col.value[j] = b.x[j*b.columns+i]
				}
				b.dense = append(b.dense, col)
			}
		}
		c += s.Columns()
	}
	slices.SortStableFunc(b.folds, func(a, b fold) int { return b.period - a.period })
	for i := range b.folds {
		for j := range i {
			if b.folds[j].period%b.folds[i].period == 0 {
				b.folds[i].source = j // the shortest that will do
			}
		}
	}
	for ; c < b.columns; c++ {
		o := ones{column: c}
		for i := range b.rows {
			if b.x[i*b.columns+c] == 0 {
				continue
			}
			if n := len(o.runs); n > 0 && o.runs[n-1].end == i {
				o.runs[n-1].end++
			} else {
				o.runs = append(o.runs, run{i, i + 1})
			}
		}
		b.ones = append(b.ones, o)
	}
}

// addGram adds sign times the sum of x x' over the rows of r to the lower triangle g.
func (b *basis) addGram(g []float64, r run, sign float64) {
	first, end := (r.first+block-1)/block, r.end/block // whole blocks
	if first >= end {
		b.addRows(g, r, sign)
		return
	}
	b.addRows(g, run{r.first, first * block}, sign)
	n := len(g)
	before, after := b.prefix[first*n:(first+1)*n], b.prefix[end*n:(end+1)*n]
	for i := range g {
		g[i] += sign * (after[i] - before[i])
	}
	b.addRows(g, run{end * block, r.end}, sign)
}

func (b *basis) addRows(g []float64, r run, sign float64) {
	for i := r.first; i < r.end; i++ {
		x := b.x[i*b.columns : (i+1)*b.columns]
		at := 0
		for j, v := range x {
			v *= sign
			row := g[at : at+j+1]
			for c := range row {
				row[c] += v * x[c]
			}
			at += j + 1
		}
	}
}

// gram returns the lower triangle of the sum of x x' over runs, which ascend: what is
// there is added up or, if that is less work, what is missing is taken away.
func (b *basis) gram(runs []run) []float64 {
	g := make([]float64, b.columns*(b.columns+1)/2)
	whole := run{runs[0].first, runs[len(runs)-1].end}
	if 2*count(runs) < whole.end-whole.first {
		for _, r := range runs {
			b.addGram(g, r, 1)
		}
		return g
	}
	b.addGram(g, whole, 1)
	for i := 1; i < len(runs); i++ {
		b.addGram(g, run{runs[i-1].end, runs[i].first}, -1)
	}
	return g
}

// A gridDesign is the design of the series that have values at the same times of a grid.
type gridDesign struct {
	design
	basis  *basis
	runs   []run     // rows with values, ascending, not empty
	values int       // in all runs
	origin []float64 // place of each changepoint on the grid, in steps
}

// span is the number of steps from the first value to the last.
func (d *gridDesign) span() float64 {
	return float64(d.runs[len(d.runs)-1].end - 1 - d.runs[0].first)
}

// design returns the design for series with values in runs, which it keeps. m is the
// model of b, with the changepoints that are wanted.
func (b *basis) design(m Model, runs []run) (*gridDesign, error) {
	d := &gridDesign{basis: b, runs: runs, values: count(runs)}
	d.growth, d.tau = m.Growth, m.ChangepointPriorScale
	d.start, d.end = b.grid.At(runs[0].first).UTC(), b.grid.At(runs[len(runs)-1].end-1).UTC()
	d.seasonalities, d.holidays = b.seasonalities, b.holidays
	if m.Growth == prophet.Linear {
		if err := d.placeChangepoints(m); err != nil {
			return nil, err
		}
		d.prior = append(d.prior, trendPrecision)
	}
	d.prior = append(d.prior, b.prior...)
	d.free = len(d.prior)
	d.n = d.free + len(d.changepoints)
	d.prior = append(d.prior, make([]float64, len(d.changepoints))...)
	d.computeGram()
	d.holdGaps(newGridHistory(b.grid, runs), d.values)
	d.factorise()
	return d, nil
}

// placeChangepoints sets the changepoints of a linear trend.
func (d *gridDesign) placeChangepoints(m Model) error {
	span := d.end.Sub(d.start)
	place := func(s, origin float64) {
		d.changepoints = append(d.changepoints, s)
		d.origin = append(d.origin, origin)
	}
	if len(m.ChangepointTimes) > 0 {
		given, err := m.givenChangepoints(d.start, d.end)
		for _, s := range given {
			place(s, float64(d.runs[0].first)+s*d.span())
		}
		return err
	}
	before, r := 0, 0 // before: values in the runs before r
	for _, i := range m.automaticChangepoints(d.values) {
		for i-before >= d.runs[r].end-d.runs[r].first {
			before += d.runs[r].end - d.runs[r].first
			r++
		}
		row := d.runs[r].first + i - before
		place(float64(d.basis.grid.At(row).UTC().Sub(d.start))/float64(span), float64(row))
	}
	return nil
}

// A tail holds sums over the rows from some place on: of each column of [1, X], of its
// products with the distance u from that place in steps, and of u^2. It grows from the
// end of the grid backwards, since then nothing cancels.
type tail struct {
	basis  *basis
	at     float64   // the place
	m0, m1 []float64 // sums of x and of u*x; the first column of x is 1
	u2     float64
}

// move moves the place back.
func (t *tail) move(to float64) {
	h := t.at - to
	t.at = to
	t.u2 += h * (2*t.m1[0] + h*t.m0[0])
	floats.AddScaled(t.m1, h, t.m0)
}

// add adds the rows of r, which end where the tail began or earlier.
func (t *tail) add(r run) {
	b, n := t.basis, t.basis.columns
	for r.end > r.first {
		k := (r.end - 1) / block
		first := k * block
		t.move(float64(max(first, r.first)))
		if first >= r.first && first+block == r.end {
			sums := b.moment[2*k*n : 2*(k+1)*n]
			floats.Add(t.m0, sums[:n])
			floats.Add(t.m1, sums[n:])
			t.u2 += (block - 1) * block * (2*block - 1) / 6
			r.end = first
			continue
		}
		first = max(first, r.first)
		for i := first; i < r.end; i++ {
			u, x := float64(i-first), b.x[i*n:(i+1)*n]
			floats.Add(t.m0, x)
			floats.AddScaled(t.m1, u, x)
			t.u2 += u * u
		}
		r.end = first
	}
}

// computeGram computes Z'Z.
func (d *gridDesign) computeGram() {
	b, n := d.basis, d.n
	d.gram = make([]float64, n*n)
	first := d.free - b.columns // of [1, X] in Z: after t
	triangle := b.gram(d.runs)
	for r := range b.columns {
		copy(d.gram[(first+r)*n+first:], triangle[:r+1])
		triangle = triangle[r+1:]
	}
	if d.growth == prophet.Linear {
		d.computeTrendGram()
	}
	for r := range n {
		for c := range r {
			d.gram[c*n+r] = d.gram[r*n+c]
		}
	}
}

// computeTrendGram computes the rows of Z'Z of t and of the hinges.
func (d *gridDesign) computeTrendGram() {
	b, n := d.basis, d.n
	unit := 1 / d.span() // of a step, in scaled time
	t := tail{basis: b, m0: make([]float64, b.columns), m1: make([]float64, b.columns)}
	t.at = float64(d.runs[len(d.runs)-1].end - 1)
	j := len(d.changepoints) - 1
	record := func() {
		t.move(d.origin[j])
		g := d.gram[(d.free+j)*n:]
		for c, v := range t.m1 {
			g[1+c] = v * unit
		}
		// sum (u-s_j)(u-s_l) over u >= s_j, for l <= j: u-s_l = (u-s_j) + (s_j-s_l).
		g[0] = (t.u2 + (d.origin[j]-float64(d.runs[0].first))*t.m1[0]) * unit * unit
		for l := 0; l <= j; l++ {
			g[d.free+l] = (t.u2 + (d.origin[j]-d.origin[l])*t.m1[0]) * unit * unit
		}
		j--
	}
	for _, r := range slices.Backward(d.runs) {
		for j >= 0 && d.origin[j] > float64(r.first) {
			cut := int(math.Ceil(d.origin[j]))
			t.add(run{cut, r.end})
			record()
			r.end = min(r.end, cut)
		}
		t.add(r)
	}
	for j >= 0 {
		record()
	}
	t.move(float64(d.runs[0].first))
	for c, v := range t.m1 {
		d.gram[(1+c)*n] = v * unit
	}
	d.gram[0] = t.u2 * unit * unit
}

// clip appends the part of runs before end to out.
func clip(out, runs []run, end int) []run {
	n := sort.Search(len(runs), func(i int) bool { return runs[i].first >= end })
	out = append(out, runs[:n]...)
	if n > 0 {
		last := &out[len(out)-1]
		last.end = min(last.end, end)
	}
	return out
}
