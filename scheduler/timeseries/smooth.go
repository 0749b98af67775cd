package timeseries

// Quadratic is Brown's quadratic (triple) exponential smoothing (Brown, Smoothing,
// Forecasting and Prediction, 1963, Chapter 9). The zero value has seen nothing.
//
//	s1 <- alpha y + (1-alpha) s1,  s2 <- alpha s1 + (1-alpha) s2,  s3 <- alpha s2 + (1-alpha) s3
//	a = 3 s1 - 3 s2 + s3
//	b = alpha / (2 (1-alpha)^2) ((6-5 alpha) s1 - 2 (5-4 alpha) s2 + (4-3 alpha) s3)
//	c = alpha^2 / (1-alpha)^2 (s1 - 2 s2 + s3)
//	forecast of h steps = a + b h + c h^2 / 2
//
// Once the first value, with which all three begin, is forgotten, forecasts of a
// quadratic series are exact.
type Quadratic struct {
	s1, s2, s3 float64
	seen       bool
}

// Observe takes in the next value, with a smoothing factor alpha in (0, 1).
func (q *Quadratic) Observe(y, alpha float64) {
	if !q.seen {
		*q = Quadratic{y, y, y, true}
		return
	}
	q.s1 += alpha * (y - q.s1)
	q.s2 += alpha * (q.s1 - q.s2)
	q.s3 += alpha * (q.s2 - q.s3)
}

// Forecast returns the forecast of h steps after the last value; alpha as in Observe.
func (q *Quadratic) Forecast(h, alpha float64) float64 {
	r := 1 - alpha
	a := 3*q.s1 - 3*q.s2 + q.s3
	b := alpha / (2 * r * r) * ((6-5*alpha)*q.s1 - 2*(5-4*alpha)*q.s2 + (4-3*alpha)*q.s3)
	c := alpha * alpha / (r * r) * (q.s1 - 2*q.s2 + q.s3)
	return a + b*h + c*h*h/2
}

// Holt is Holt's linear exponential smoothing (1957):
//
//	level' = alpha y + (1-alpha) (level + trend)
//	trend' = beta (level' - level) + (1-beta) trend
//
// A beta of 0 is simple exponential smoothing. The zero value has seen nothing.
type Holt struct {
	Alpha, Beta  float64 // in [0, 1]
	level, trend float64
	seen         bool
}

// Observe takes in the next value.
func (m *Holt) Observe(y float64) {
	if !m.seen {
		m.level, m.seen = y, true
		return
	}
	before := m.level
	m.level = m.Alpha*y + (1-m.Alpha)*(m.level+m.trend)
	m.trend = m.Beta*(m.level-before) + (1-m.Beta)*m.trend
}

// Forecast returns the forecast of the next value.
func (m *Holt) Forecast() float64 { return m.level + m.trend }

// Fit chooses the factors that forecast x best, one step ahead and by the sum of squares, of
// a grid of tenths: alpha from 0.1 to 0.9 and beta, unless level alone is wanted, from 0 to
// 0.9. Of equals the smallest are chosen. It has seen x then.
func (m *Holt) Fit(x []float64, levelOnly bool) {
	best, least := Holt{}, 0.0
	for a := 1; a <= 9; a++ {
		for b := 0; b <= 9; b++ {
			if b > 0 && levelOnly {
				break
			}
			try := Holt{Alpha: float64(a) / 10, Beta: float64(b) / 10}
			sum := 0.0
			for i, y := range x {
				if i > 0 {
					e := y - try.Forecast()
					sum += e * e
				}
				try.Observe(y)
			}
			if a == 1 && b == 0 || sum < least {
				best, least = try, sum
			}
		}
	}
	*m = best
}
