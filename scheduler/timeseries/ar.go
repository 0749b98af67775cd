package timeseries

import (
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
// autoregression of order p where the last value is at most a threshold, another where it
// is above. The threshold is that of the deciles of the window with the least sum of
// squares, among those that leave each regime with as many rows as it has coefficients;
// where none does, both regimes are one.
type SETAR struct {
	p         int
	threshold float64
	low, high []float64 // coefficients

	rows  []float64 // shape (n-p, p+1), ordered by the last value
	y     []float64
	order []int
	parts [2]square
	xy    [2][]float64
	b     []float64
	below []float64
}

// NewSETAR returns a model of order p >= 1 that forecasts zero until it is fitted.
func NewSETAR(p int) *SETAR {
	k := p + 1
	return &SETAR{
		p: p, threshold: math.Inf(1), low: make([]float64, k), high: make([]float64, k),
		parts: [2]square{newSquare(k), newSquare(k)}, xy: [2][]float64{make([]float64, k), make([]float64, k)}, b: make([]float64, k), below: make([]float64, k),
	}
}

// Fit chooses the threshold and the coefficients for x, of at least p+2 values.
func (m *SETAR) Fit(x []float64) {
	k, n := m.p+1, len(x)-m.p
	m.order = m.order[:0]
	for i := range n {
		m.order = append(m.order, i)
	}
	slices.SortStableFunc(m.order, func(a, b int) int {
		switch u, v := x[m.p+a-1], x[m.p+b-1]; {
		case u < v:
			return -1
		case u > v:
			return 1
		}
		return 0
	})
	m.rows, m.y = slices.Grow(m.rows[:0], n*k)[:n*k], slices.Grow(m.y[:0], n)[:n]
	low, high := &m.parts[0], &m.parts[1]
	low.clear()
	high.clear()
	clear(m.xy[0])
	clear(m.xy[1])
	var squares [2]float64
	add := func(part, row int, sign float64) {
		r := m.rows[row*k : (row+1)*k]
		m.parts[part].add(r, sign)
		for i, v := range r {
			m.xy[part][i] += sign * v * m.y[row]
		}
		squares[part] += sign * m.y[row] * m.y[row]
	}
	for row, i := range m.order {
		regressors(m.rows[row*k:(row+1)*k], x[:m.p+i])
		m.y[row] = x[m.p+i]
		add(1, row, 1)
	}
	least := high.fit(m.b, m.xy[1], squares[1])
	m.threshold = math.Inf(1)
	copy(m.low, m.b)
	value := func(row int) float64 { return m.rows[row*k+1] }
	for row := 0; row+1 < n; row++ {
		add(0, row, 1)
		add(1, row, -1)
		decile := (row+1)*10/n != row*10/n
		if !decile || row+1 < k || n-row-1 < k || value(row) == value(row+1) {
			continue
		}
		sum := low.fit(m.b, m.xy[0], squares[0])
		if sum >= least {
			continue
		}
		copy(m.below, m.b)
		if sum += high.fit(m.b, m.xy[1], squares[1]); sum < least {
			least, m.threshold = sum, value(row)
			copy(m.low, m.below)
			copy(m.high, m.b)
		}
	}
}

// Forecast returns the forecast of the value after x, of at least p values.
func (m *SETAR) Forecast(x []float64) float64 {
	regressors(m.b, x)
	if m.b[1] <= m.threshold {
		return dot(m.low, m.b)
	}
	return dot(m.high, m.b)
}
