package timeseries

import "math"

// A square is a symmetric matrix of which the lower half is kept.
type square struct {
	k int
	a []float64 // shape (k, k)
	l []float64 // its Cholesky factor
}

func newSquare(k int) square { return square{k, make([]float64, k*k), make([]float64, k*k)} }

func (s *square) clear()                  { clear(s.a) }
func (s *square) at(i, j int) float64     { return s.a[i*s.k+j] }
func (s *square) set(i, j int, v float64) { s.a[i*s.k+j] = v }

// add adds sign times the outer product of row with itself.
func (s *square) add(row []float64, sign float64) {
	for i, v := range row {
		v *= sign
		for j := 0; j <= i; j++ {
			s.a[i*s.k+j] += v * row[j]
		}
	}
}

// ridge is the part of the mean of the diagonal that is added to it, so that a singular
// matrix has a solution, and one of nearly the least norm; regular ones hardly change.
const ridge = 1e-9

// solve replaces b by the solution of s x = b.
func (s *square) solve(b []float64) {
	k, l := s.k, s.l
	var trace float64
	for i := range k {
		trace += s.at(i, i)
	}
	small := ridge*trace/float64(k) + math.SmallestNonzeroFloat64
	for i := range k {
		for j := 0; j <= i; j++ {
			v := s.at(i, j)
			if i == j {
				v += small
			}
			for m := range j {
				v -= l[i*k+m] * l[j*k+m]
			}
			if i == j {
				l[i*k+i] = math.Sqrt(max(v, small))
			} else {
				l[i*k+j] = v / l[j*k+j]
			}
		}
	}
	for i := range k {
		for j := range i {
			b[i] -= l[i*k+j] * b[j]
		}
		b[i] /= l[i*k+i]
	}
	for i := k - 1; i >= 0; i-- {
		for j := i + 1; j < k; j++ {
			b[i] -= l[j*k+i] * b[j]
		}
		b[i] /= l[i*k+i]
	}
}

// fit sets b to the coefficients of least squares, where xy are the products with the
// response and yy its squares, and returns the sum of squares that is left.
func (s *square) fit(b, xy []float64, yy float64) float64 {
	copy(b, xy)
	s.solve(b)
	return max(0, yy-dot(b, xy))
}

func dot(a, b []float64) float64 {
	var sum float64
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}
