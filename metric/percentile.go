package metric

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Rank is the place, from 1, in ascending order of the smallest of n >= 1 values that a
// share p in [0, 1] of them does not exceed.
func Rank(n int64, p float64) int64 { return max(1, int64(math.Ceil(p*float64(n)))) }

// Empirical is the p-quantile of sorted values as their distribution function has it: the
// value at [Rank] (type 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages",
// The American Statistician, 1996). It is 0 without values.
func Empirical(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[Rank(int64(len(sorted)), p)-1]
}

// Linear is the p-quantile of at least one sorted value, straight between two of them (type 7
// of Hyndman and Fan).
func Linear[T int | float64](sorted []T, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return float64(sorted[len(sorted)-1])
	}
	return float64(sorted[i]) + (at-float64(i))*float64(sorted[i+1]-sorted[i])
}

// Bootstrap returns a confidence interval of a statistic of n items by the percentile
// method (Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of
// Statistics, 1979). statistic is called with the numbers of n items drawn with
// replacement, resamples times, and must not keep its argument; the interval holds the
// share level, in (0, 1), of its values. Values that are NaN, of samples without
// anything to measure, are left out; if all are, both ends are NaN. The draws come
// from r alone.
//
// It panics if n or resamples is less than 1 or level is out of range.
func Bootstrap(n, resamples int, level float64, r *rand.Rand, statistic func(items []int) float64) (low, high float64) {
	if n < 1 || resamples < 1 || !(level > 0 && level < 1) {
		panic(fmt.Sprintf("metric: bootstrap needs n >= 1, resamples >= 1 and level in (0, 1), got %d, %d and %v", n, resamples, level))
	}
	items := make([]int, n)
	values := make([]float64, 0, resamples)
	for range resamples {
		for i := range items {
			items[i] = r.IntN(n)
		}
		if v := statistic(items); v == v {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	slices.Sort(values)
	return Empirical(values, (1-level)/2), Empirical(values, (1+level)/2)
}
