package timeseries

import (
	"cmp"
	"math"
	"slices"
)

// AR forecasts by an autoregression with an intercept, fitted to a window by least
// squares:
//
//	x_t = b_0 + b_1 x_(t-1) + ... + b_p x_(t-p)
//
// Where the window does not determine the coefficients, a small ridge does.
type AR struct {
	p    int
	gram square // of the regressors 1, x_(t-1), ..., x_(t-p)
	b    []float64
	last []float64 // regressors of the forecast
}

// NewAR returns an autoregression of order p >= 1.
func NewAR(p int) *AR {
	return &AR{p: p, gram: newSquare(p + 1), b: make([]float64, p+1), last: make([]float64, p+1)}
}

// Forecast fits x, of at least p+2 values, and returns the forecast of the next value.
func (m *AR) Forecast(x []float64) float64 {
	p, n := m.p, len(x)
	g := m.gram
	g.clear()
	clear(m.b)
	g.a[0] = float64(n - p)
	for i := 0; i <= p; i++ {
		var sum, cross float64
		for t := p; t < n; t++ {
			sum += x[t-i]
			cross += x[t-i] * x[t]
		}
		if i == 0 {
			m.b[0] = sum
		} else {
			m.b[i] = cross
			g.set(i, 0, sum)
		}
	}
	// The products of two lags follow from those of lags one shorter: one row enters, and
	// one leaves.
	for i := 1; i <= p; i++ {
		for j := 1; j <= i; j++ {
			var v float64
			if j == 1 {
				for t := p; t < n; t++ {
					v += x[t-i] * x[t-1]
				}
			} else {
				v = g.at(i-1, j-1) + x[p-i]*x[p-j] - x[n-i]*x[n-j]
			}
			g.set(i, j, v)
		}
	}
	g.solve(m.b)
	regressors(m.last, x)
	return dot(m.b, m.last)
}

// regressors sets row to 1 and the last values of x, the latest one first.
func regressors(row, x []float64) {
	row[0] = 1
	for i := 1; i < len(row); i++ {
		row[i] = x[len(x)-i]
	}
}

// SETAR is a self-exciting threshold autoregression (Tong and Lim 1980) of two regimes: one
// autoregression where the last value is at most a threshold, another where it is above. The
// zero value forecasts 0. A [SETARFitter] fits it.
type SETAR struct {
	threshold float64
	low, high []float64 // coefficients
}

// Forecast returns the forecast of the value after x, of at least as many values as the order.
func (m *SETAR) Forecast(x []float64) float64 {
	b := m.low
	if len(b) == 0 {
		return 0
	}
	if x[len(x)-1] > m.threshold {
		b = m.high
	}
	y := b[0]
	for i := 1; i < len(b); i++ {
		y += b[i] * x[len(x)-i]
	}
	return y
}

// A SETARFitter fits SETARs of one order. It keeps its tables for the next one.
type SETARFitter struct {
	p     int
	rows  []float64 // shape (n, p+1), ordered by the last value
	y     []float64
	order []int
	parts [2]square
	xy    [2][]float64
	yy    [2]float64
	b     []float64
	below []float64
}

// NewSETARFitter returns one of order p >= 1.
func NewSETARFitter(p int) *SETARFitter {
	k := p + 1
	return &SETARFitter{
		p: p, parts: [2]square{newSquare(k), newSquare(k)}, xy: [2][]float64{make([]float64, k), make([]float64, k)},
		b: make([]float64, k), below: make([]float64, k),
	}
}

// Fit fits m to x, of at least p+2 values. The threshold is that of the deciles of the window with the
// least sum of squares, among those that leave each regime with as many rows as it has
// coefficients; where none does, or none is better than one regime for all, there is one.
func (w *SETARFitter) Fit(m *SETAR, x []float64) {
	k, n := w.p+1, len(x)-w.p
	if len(m.low) != k {
		m.low, m.high = make([]float64, k), make([]float64, k)
	}
	w.sort(x)
	for part := range w.parts {
		w.parts[part].clear()
		clear(w.xy[part])
		w.yy[part] = 0
	}
	for row := range n {
		w.add(1, row, 1)
	}
	least := w.parts[1].fit(w.b, w.xy[1], w.yy[1])
	m.threshold = math.Inf(1)
	copy(m.low, w.b)
	value := func(row int) float64 { return w.rows[row*k+1] }
	for row := 0; row+1 < n; row++ {
		w.add(0, row, 1)
		w.add(1, row, -1)
		decile := (row+1)*10/n != row*10/n
		if !decile || row+1 < k || n-row-1 < k || value(row) == value(row+1) {
			continue
		}
		sum := w.parts[0].fit(w.below, w.xy[0], w.yy[0])
		if sum >= least {
			continue
		}
		if sum += w.parts[1].fit(w.b, w.xy[1], w.yy[1]); sum < least {
			least, m.threshold = sum, value(row)
			copy(m.low, w.below)
			copy(m.high, w.b)
		}
	}
}

// sort sets rows and y to the regressors and responses of x, ordered by the last value before
// the response.
func (w *SETARFitter) sort(x []float64) {
	k, n := w.p+1, len(x)-w.p
	w.order = w.order[:0]
	for i := range n {
		w.order = append(w.order, i)
	}
	slices.SortStableFunc(w.order, func(a, b int) int { return cmp.Compare(x[w.p+a-1], x[w.p+b-1]) })
	w.rows, w.y = slices.Grow(w.rows[:0], n*k)[:n*k], slices.Grow(w.y[:0], n)[:n]
	for row, i := range w.order {
		regressors(w.rows[row*k:(row+1)*k], x[:w.p+i])
		w.y[row] = x[w.p+i]
	}
}

// add adds a row to one of the two parts, or takes it away where sign is -1.
func (w *SETARFitter) add(part, row int, sign float64) {
	k := w.p + 1
	r, y := w.rows[row*k:(row+1)*k], w.y[row]
	w.parts[part].add(r, sign)
	for i, v := range r {
		w.xy[part][i] += sign * v * y
	}
	w.yy[part] += sign * y * y
}
