package timeseries

import "math"

const (
	stationaryLags     = 4     // of the augmented Dickey-Fuller regression
	stationaryCritical = -2.86 // of its t statistic with an intercept, 5 %, large samples (MacKinnon 1996)
	linearDistance     = 1.5   // standard deviations within which two values count as near
	linearCritical     = 1.96  // 5 %, two sides of the normal distribution
	harmonicsLongest   = 60    // steps: the longest period that counts, half of a history of 120
	harmonicsHeight    = 2     // standard deviations above the mean amplitude that make a peak
)

// Stationary reports whether the augmented Dickey-Fuller test (1979) with an intercept and
// four lagged differences rejects, at 5 %, that x has a unit root. A constant series
// is stationary, and so, for want of evidence, is one of fewer than 20 values.
func Stationary(x []float64) bool {
	const k = stationaryLags + 2
	n := len(x)
	if n < 20 || constant(x) {
		return true
	}
	gram, xy, row := newSquare(k), make([]float64, k), make([]float64, k)
	var yy float64
	rows := 0
	for t := stationaryLags + 1; t < n; t++ {
		y := x[t] - x[t-1]
		row[0], row[1] = 1, x[t-1]
		for i := 1; i <= stationaryLags; i++ {
			row[1+i] = x[t-i] - x[t-i-1]
		}
		gram.add(row, 1)
		for i, v := range row {
			xy[i] += v * y
		}
		yy += y * y
		rows++
	}
	b, inverse := make([]float64, k), make([]float64, k)
	left := gram.fit(b, xy, yy)
	inverse[1] = 1
	gram.solve(inverse) // its second column
	return b[1] < stationaryCritical*math.Sqrt(left/float64(rows-k)*inverse[1])
}

// Linear reports whether the test of Brock, Dechert and Scheinkman (1987), with an embedding
// of two, does not reject at 5 % that the changes of log(1+x) are independent: then a linear
// model misses nothing. A constant series is linear, and so, for want of evidence, is one of
// fewer than 20 values. All values must be above -1.
func Linear(x []float64) bool {
	if len(x) < 20 || constant(x) {
		return true
	}
	change := make([]float64, len(x)-1)
	var mean, square float64
	for i := range change {
		change[i] = math.Log1p(x[i+1]) - math.Log1p(x[i])
		mean += change[i] / float64(len(change))
	}
	for _, c := range change {
		square += (c - mean) * (c - mean) / float64(len(change))
	}
	if square == 0 {
		return true
	}
	near := linearDistance * math.Sqrt(square)
	isNear := func(i, j int) bool { return math.Abs(change[i]-change[j]) < near }
	n := len(change) - 1 // pairs of successive changes
	degree := make([]float64, n)
	var one, two float64
	for i := range n {
		for j := i + 1; j < n; j++ {
			if !isNear(i, j) {
				continue
			}
			one++
			degree[i]++
			degree[j]++
			if isNear(i+1, j+1) {
				two++
			}
		}
	}
	pairs := float64(n) * float64(n-1) / 2
	c1, c2 := one/pairs, two/pairs
	var triples float64
	for _, d := range degree {
		triples += d * (d - 1)
	}
	k := triples / (float64(n) * float64(n-1) * float64(n-2))
	deviation := 2 * (k - c1*c1) // of sqrt(n) (c2 - c1^2)
	if deviation <= 0 {
		return true
	}
	return math.Abs(math.Sqrt(float64(n))*(c2-c1*c1)/deviation) < linearCritical
}

// Harmonics is the number of dominant harmonics of x without its linear trend: the
// frequencies, of periods from 2 to 60 steps, whose amplitude is at least two standard
// deviations above the mean of all those.
func Harmonics(x []float64) int {
	n := len(x)
	if n < 4 || constant(x) {
		return 0
	}
	m := NewFourier(n, 1, 0)
	m.Forecast(x, nil) // leaves what the trend does
	var amplitude []float64
	var mean, square float64
	for k := max(1, (n+harmonicsLongest-1)/harmonicsLongest); k < (n+1)/2; k++ {
		var re, im float64
		for i, j := 0, 0; i < n; i++ {
			re += m.rest[i] * m.cos[j]
			im += m.rest[i] * m.sin[j]
			if j += k; j >= n {
				j -= n
			}
		}
		a := 2 / float64(n) * math.Hypot(re, im)
		amplitude = append(amplitude, a)
		mean += a
	}
	mean /= float64(len(amplitude))
	for _, a := range amplitude {
		square += (a - mean) * (a - mean)
	}
	height := mean + harmonicsHeight*math.Sqrt(square/float64(len(amplitude)))
	peaks := 0
	for _, a := range amplitude {
		if a > 0 && a >= height {
			peaks++
		}
	}
	return peaks
}

func constant(x []float64) bool {
	for _, v := range x {
		if v != x[0] {
			return false
		}
	}
	return true
}
