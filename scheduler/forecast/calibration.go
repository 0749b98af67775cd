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

// largestResidual is far above what a count can lie off its forecast, in standard deviations.
const largestResidual = 1e9

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
			if !(math.Abs(v) <= largestResidual) || i > 0 && v < z[i-1] {
				return fmt.Errorf("calibration: quantiles must be at most %g and not descend, got %v", largestResidual, z)
			}
		}
	}
	return nil
}

// level is the number of the level of a forecast.
func (c *Calibration) level(mean float64) int {
	return sort.Search(len(c.Edge), func(i int) bool { return mean < c.Edge[i] })
}

// Bias returns, for each level, the mean scaled residual of counts about forecasts.
func (c *Calibration) Bias(forecast, count []float64) []float64 {
	sum, n := make([]float64, len(c.Z)), make([]float64, len(c.Z))
	for i, m := range forecast {
		l := c.level(m)
		sum[l] += ScaledResidual(m, count[i])
		n[l]++
	}
	for l := range sum {
		sum[l] /= max(1, n[l])
	}
	return sum
}

// Quantile returns the quantile number q (P05 to P99) of the count whose mean is
// forecast to be mean; >= 0.
func (c *Calibration) Quantile(mean float64, q int) float64 {
	return max(0, mean+c.Z[c.level(mean)][q]*math.Sqrt(mean+varianceFloor))
}

// At returns the quantile at p in (0, 1) of the count whose mean is forecast to be mean; >= 0.
func (c *Calibration) At(mean, p float64) float64 {
	return max(0, mean+c.residual(mean, p)*math.Sqrt(mean+varianceFloor))
}

// residual is the scaled residual at probability p in (0, 1): between the probabilities of
// the table straight in units of a normal distribution, beyond them as between the last two.
func (c *Calibration) residual(mean, p float64) float64 {
	z := &c.Z[c.level(mean)]
	i := 1
	for i < quantiles-1 && p > probs[i] {
		i++
	}
	a, b := scores[i-1], scores[i]
	return z[i-1] + (normal(p)-a)/(b-a)*(z[i]-z[i-1])
}

// spread is half the width of the table between the probabilities 0.05 and 0.95, in units of
// a normal distribution's mean absolute value.
func (c *Calibration) spread(mean float64) float64 {
	z := &c.Z[c.level(mean)]
	return max(1e-3, (z[P95]-z[P05])/(scores[P95]-scores[P05])*math.Sqrt(2/math.Pi))
}

// normal is the quantile of the normal distribution at p in (0, 1).
func normal(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// scores are the quantiles of the normal distribution at probs.
var scores = func() (s [quantiles]float64) {
	for i, p := range probs {
		s[i] = normal(p)
	}
	return s
}()
