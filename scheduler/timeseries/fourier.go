package timeseries

import "math"

// Fourier continues a series by a polynomial trend and the lowest harmonics of what the
// trend leaves, as IceBreaker (ASPLOS 2022) does with a line, and the forecasts of Nguyen et al.
// (arXiv 2508.07640) with a parabola. As harmonics of the window repeat after it, a wave whose
// period divides the window is continued exactly, if the trend does not take it for its own.
type Fourier struct {
	n, degree, harmonics int
	cos                  []float64 // of a turn, in n parts
	sin                  []float64
	rest                 []float64
}

// NewFourier returns a Fourier of windows of n >= 3 values, with a trend of degree 1 or 2 and
// at most that many harmonics beside the mean; there are (n-1)/2.
func NewFourier(n, degree, harmonics int) *Fourier {
	m := &Fourier{n: n, degree: degree, harmonics: min(harmonics, (n-1)/2)}
	m.cos, m.sin, m.rest = make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		m.sin[i], m.cos[i] = math.Sincos(2 * math.Pi * float64(i) / float64(n))
	}
	return m
}

// Forecast sets out to the values that follow x, which has the length of the window.
func (m *Fourier) Forecast(x, out []float64) {
	n := float64(m.n)
	// Orthogonal polynomials over the window: 1, u, u^2 - (n^2-1)/12, with u from its middle.
	middle, square := (n-1)/2, (n*n-1)/12
	var mean, line, bend float64
	for i, v := range x {
		u := float64(i) - middle
		mean += v
		line += v * u
		bend += v * (u*u - square)
	}
	mean /= n
	line /= n * square
	bend /= n * (n*n - 1) * (n*n - 4) / 180
	if m.degree < 2 {
		bend = 0
	}
	trend := func(i int) float64 {
		u := float64(i) - middle
		return mean + line*u + bend*(u*u-square)
	}
	for i, v := range x {
		m.rest[i] = v - trend(i)
	}
	for h := range out {
		out[h] = trend(m.n + h)
	}
	for k := 1; k <= m.harmonics; k++ {
		var re, im float64
		for i, j := 0, 0; i < m.n; i++ {
			re += m.rest[i] * m.cos[j]
			im += m.rest[i] * m.sin[j]
			if j += k; j >= m.n {
				j -= m.n
			}
		}
		for h := range out {
			j := h * k % m.n
			out[h] += 2 / n * (re*m.cos[j] + im*m.sin[j])
		}
	}
}
