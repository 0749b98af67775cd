package cluster

import "math"

// A Scaler standardises columns: z = (x - Mean) / Std.
type Scaler struct {
	Mean []float64 `json:"mean"` // length dimensions
	Std  []float64 `json:"std"`  // length dimensions, > 0
}

// FitScaler measures the mean and the (population) standard deviation of each column
// of points, of shape (points, dimensions). A column that does not vary has Std 1, so
// that it becomes 0. The errors are those of KMeans.
func FitScaler(points [][]float64) (*Scaler, error) {
	if err := check(points); err != nil {
		return nil, err
	}
	s := &Scaler{Mean: make([]float64, len(points[0])), Std: make([]float64, len(points[0]))}
	n := float64(len(points))
	for _, p := range points {
		for j, v := range p {
			s.Mean[j] += v / n
		}
	}
	for _, p := range points {
		for j, v := range p {
			d := v - s.Mean[j]
			s.Std[j] += d * d / n
		}
	}
	for j, v := range s.Std {
		s.Std[j] = math.Sqrt(v)
		// Rounding leaves a trace of a constant column.
		if s.Std[j] <= 1e-9*math.Abs(s.Mean[j]) || s.Std[j] == 0 {
			s.Std[j] = 1
		}
	}
	return s, nil
}

// Apply appends the standardised x to dst and returns it.
func (s *Scaler) Apply(dst, x []float64) []float64 {
	for j, v := range x {
		dst = append(dst, (v-s.Mean[j])/s.Std[j])
	}
	return dst
}

// ApplyAll returns the standardised points.
func (s *Scaler) ApplyAll(points [][]float64) [][]float64 {
	out := make([][]float64, len(points))
	for i, p := range points {
		out[i] = s.Apply(make([]float64, 0, len(p)), p)
	}
	return out
}
