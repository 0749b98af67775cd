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
	turns                [][fourierBlock]turn // of blocks of harmonics, each over the window
	rest                 []float64
}

// fourierBlock harmonics are summed side by side: alone, each addition would wait for the one before.
const fourierBlock = 5

type turn struct{ cos, sin float64 }

// NewFourier returns a Fourier of windows of n >= 3 values, with a trend of degree 1 or 2 and
// at most that many harmonics beside the mean; there are (n-1)/2.
func NewFourier(n, degree, harmonics int) *Fourier {
	m := &Fourier{n: n, degree: degree, harmonics: min(harmonics, (n-1)/2)}
	m.cos, m.sin, m.rest = make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		m.sin[i], m.cos[i] = math.Sincos(2 * math.Pi * float64(i) / float64(n))
	}
	for first := 1; first <= m.harmonics; first += fourierBlock {
		for i := range n {
			var t [fourierBlock]turn
			for b := range t {
				j := i * (first + b) % n
				t[b] = turn{m.cos[j], m.sin[j]}
			}
			m.turns = append(m.turns, t)
		}
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
		if v == 0 { // as arrivals often are
			continue
		}
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
	scale := 2 / n
	for first := 1; first <= m.harmonics; first += fourierBlock {
		sums := m.sums(m.turns[(first-1)/fourierBlock*m.n:][:m.n])
		for b, sum := range sums[:min(fourierBlock, m.harmonics-first+1)] {
			for h, j := 0, 0; h < len(out); h++ {
				out[h] += scale * (sum.cos*m.cos[j] + sum.sin*m.sin[j])
				if j += first + b; j >= m.n {
					j -= m.n
				}
			}
		}
	}
}

// sums returns the products of the rest with the harmonics of a block.
func (m *Fourier) sums(turns [][fourierBlock]turn) [fourierBlock]turn {
	var a, b, c, d, e turn
	rest := m.rest[:len(turns)]
	for i := range turns {
		t, v := &turns[i], rest[i]
		a.cos += v * t[0].cos
		a.sin += v * t[0].sin
		b.cos += v * t[1].cos
		b.sin += v * t[1].sin
		c.cos += v * t[2].cos
		c.sin += v * t[2].sin
		d.cos += v * t[3].cos
		d.sin += v * t[3].sin
		e.cos += v * t[4].cos
		e.sin += v * t[4].sin
	}
	return [fourierBlock]turn{a, b, c, d, e}
}
