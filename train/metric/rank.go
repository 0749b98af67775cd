package metric

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Spearman returns the rank correlation of x and y in [-1, 1] (Spearman, "The Proof and
// Measurement of Association between Two Things", 1904): the correlation of Pearson
// between their ranks, where equal values share the mean of their ranks. Pairs with a
// NaN are left out. It is 0, no association, if either side is constant or fewer than
// two pairs are left.
func Spearman(x, y []float64) float64 {
	sameLength(len(x), len(y))
	var a, b []float64
	for i, v := range x {
		if w := y[i]; v == v && w == w {
			a, b = append(a, v), append(b, w)
		}
	}
	if constant(a) || constant(b) {
		return 0
	}
	return max(-1, min(1, stat.Correlation(ranks(a), ranks(b), nil)))
}

func constant(x []float64) bool {
	for _, v := range x {
		if v != x[0] {
			return false
		}
	}
	return true
}

// ranks returns the rank of each value, from 1, in ascending order.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
	out := make([]float64, len(x))
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && x[order[to]] == x[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			out[i] = float64(from+1+to) / 2
		}
		from = to
	}
	return out
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
	return stat.Quantile((1-level)/2, stat.Empirical, values, nil),
		stat.Quantile((1+level)/2, stat.Empirical, values, nil)
}
