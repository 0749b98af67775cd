package forecast

import (
	"fmt"
	"math"
	"sort"
)

// Probs are the probabilities of a Calibration's quantiles.
var probs = [...]float64{0.05, 0.5, 0.9, 0.95, 0.99}

// Numbers of the quantiles of a Calibration.
const (
	P05 = iota
	P50
	P90
	P95
	P99
	quantiles
)

// Probabilities returns those of a Calibration's quantiles: 0.05, 0.5, 0.9, 0.95, 0.99.
func Probabilities() [quantiles]float64 { return probs }

// varianceFloor keeps the scaled residual finite where the forecast is 0, in counts.
const varianceFloor = 0.25

// ScaledResidual is the error of a forecast in units of about its standard deviation,
// were arrivals Poisson: (count - mean) / sqrt(mean + 1/4).
func ScaledResidual(mean, count float64) float64 {
	return (count - mean) / math.Sqrt(mean+varianceFloor)
}

// A Calibration knows how counts lay about their forecasts on the validation window:
// quantiles of the scaled residual by the level of the forecast. It makes no
// assumption on their distribution; the square root only makes neighbouring levels alike.
type Calibration struct {
	// Edge ascends: a forecast below Edge[0] is of level 0, one at Edge[i] or more of a
	// level above i. Length levels-1.
	Edge []float64 `json:"edge"`
	// Z has the quantiles of each level at Probabilities, not descending; at least one level.
	Z [][quantiles]float64 `json:"z"`
}

// Validate reports whether the table can be used.
func (c *Calibration) Validate() error {
	if len(c.Z) == 0 || len(c.Edge) != len(c.Z)-1 {
		return fmt.Errorf("calibration: %d levels need one edge less, got %d", len(c.Z), len(c.Edge))
	}
	for i, e := range c.Edge {
		if math.IsNaN(e) || i > 0 && !(e > c.Edge[i-1]) {
			return fmt.Errorf("calibration: edges must ascend, got %v", c.Edge)
		}
	}
	for _, z := range c.Z {
		for i, v := range z {
			if math.IsNaN(v) || math.IsInf(v, 0) || i > 0 && v < z[i-1] {
				return fmt.Errorf("calibration: quantiles must be finite and not descend, got %v", z)
			}
		}
	}
	return nil
}

// Quantile returns the quantile number q (P05 to P99) of the count whose mean is
// forecast to be mean; >= 0.
func (c *Calibration) Quantile(mean float64, q int) float64 {
	level := sort.Search(len(c.Edge), func(i int) bool { return mean < c.Edge[i] })
	return max(0, mean+c.Z[level][q]*math.Sqrt(mean+varianceFloor))
}

// Interval returns the central interval of 90 %, between the quantiles 0.05 and 0.95,
// of the count of a function of which f is the forecast.
func (m *Model) Interval(k Key, f Forecast) (lower, upper float64) {
	i, ok := m.byKey[k]
	if !ok {
		return 0, f.Q99 // nothing tells its quantile at 0.95
	}
	switch fn := &m.Functions[i]; fn.Class {
	case Trees:
		c := &m.Clusters[fn.Cluster].Calibration
		lower, upper = c.Quantile(f.Mean, P05), c.Quantile(f.Mean, P95)
	case SeasonalNaive:
		half := 1.6449 * math.Sqrt2 * math.Sqrt(f.Mean+varianceFloor) // as its other quantiles
		lower, upper = max(0, f.Mean-half), f.Mean+half
	case Interarrival:
		p := f.Mean / fn.IAT.Batch
		if p > 0.95 {
			lower = fn.IAT.Batch
		}
		if p > 0.05 {
			upper = fn.IAT.Batch
		}
	default:
		return 0, f.Q99
	}
	return min(lower, f.Median), max(upper, f.Median)
}
