package sample

import "slices"

// Wasserstein is the distance between two samples in any order.
func Wasserstein(a, b []float64) float64 {
	return distance(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
