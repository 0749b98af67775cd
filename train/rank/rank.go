// Package rank says how alike two orders are.
package rank

import (
	"cmp"
	"fmt"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Spearman returns the rank correlation of x and y in [-1, 1] (Spearman, "The Proof and
// Measurement of Association between Two Things", 1904): the correlation of Pearson
// between their ranks, where equal values share the mean of their ranks. Pairs with a
// NaN are left out. It is 0, no association, if either side is constant or fewer than
// two pairs are left. It panics if x and y differ in length.
func Spearman(x, y []float64) float64 {
	if len(x) != len(y) {
		panic(fmt.Sprintf("rank: x and y must have equal lengths, got %d and %d", len(x), len(y)))
	}
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
