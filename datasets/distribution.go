package datasets

import (
	"errors"
	"fmt"
	"sort"
	"time"
)

// A Distribution of durations is given by its inverse CDF at a few probabilities,
// linear between them. The zero value is the constant 0.
type Distribution struct {
	Prob  []float64       `json:"prob"`  // ascending, from 0 to 1
	Value []time.Duration `json:"value"` // not descending, >= 0
}

// Constant is the distribution that is always d.
func Constant(d time.Duration) Distribution {
	return Distribution{Prob: []float64{0, 1}, Value: []time.Duration{d, d}}
}

// Quantile returns the inverse CDF at u in [0, 1].
func (d Distribution) Quantile(u float64) time.Duration {
	n := len(d.Prob)
	if n == 0 {
		return 0
	}
	i := sort.SearchFloat64s(d.Prob, u)
	if i == 0 {
		return d.Value[0]
	}
	if i == n {
		return d.Value[n-1]
	}
	if d.Prob[i] == u { // exactly, which the line below may miss by a rounding
		return d.Value[i]
	}
	span := d.Prob[i] - d.Prob[i-1]
	return d.Value[i-1] + time.Duration(float64(d.Value[i]-d.Value[i-1])*(u-d.Prob[i-1])/span)
}

// Mean is the expectation: the trapezoid rule, exact for a linear inverse CDF.
func (d Distribution) Mean() time.Duration {
	var sum float64
	for i := 1; i < len(d.Prob); i++ {
		sum += (d.Prob[i] - d.Prob[i-1]) * float64(d.Value[i]+d.Value[i-1]) / 2
	}
	return time.Duration(sum)
}

// Validate reports whether the table is an inverse CDF of durations.
func (d Distribution) Validate() error {
	if len(d.Prob) != len(d.Value) {
		return fmt.Errorf("%d probabilities and %d values", len(d.Prob), len(d.Value))
	}
	if len(d.Prob) == 0 {
		return nil
	}
	if d.Prob[0] != 0 || d.Prob[len(d.Prob)-1] != 1 {
		return errors.New("probabilities must run from 0 to 1")
	}
	for i := range d.Prob {
		if d.Value[i] < 0 {
			return fmt.Errorf("value %v must not be negative", d.Value[i])
		}
		if i > 0 && !(d.Prob[i] > d.Prob[i-1]) {
			return fmt.Errorf("probability %g after %g: must ascend", d.Prob[i], d.Prob[i-1])
		}
		if i > 0 && d.Value[i] < d.Value[i-1] {
			return fmt.Errorf("value %v after %v: must not descend", d.Value[i], d.Value[i-1])
		}
	}
	return nil
}
