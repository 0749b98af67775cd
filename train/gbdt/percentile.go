package gbdt

import (
	"math/bits"
	"slices"
)

// percentile returns the alpha-quantile of v as LightGBM defines it: in descending
// order, position (n-1)(1-alpha), interpolated between its neighbours. It reorders v,
// which must not be empty. In float32, the difference of the neighbours is rounded to
// float32, as LightGBM's template does for labels.
func percentile[T float32 | float64](v []T, alpha float64) float64 {
	n := len(v)
	if n == 1 {
		return float64(v[0])
	}
	at := float64(float64(n-1) * (1 - alpha))
	k := int(at) + 1 // the neighbours are k-1 and k, counting from 0 at the largest
	if k >= n {
		return float64(slices.Min(v))
	}
	bias := at - float64(k-1)
	// Descending place k is ascending place n-1-k; what lies above it is not smaller,
	// so the least of that is descending place k-1.
	selectPlace(v, n-1-k)
	low, high := v[n-1-k], slices.Min(v[n-k:])
	return float64(high) - float64(float64(high-low)*bias)
}

// selectPlace reorders v so that v[k] is what sorting would put there, nothing before
// it is larger and nothing after it is smaller. It is Hoare's quickselect with a median
// of three, after v has been narrowed to a part between two pivots from a sample, and
// sorts what is left if the pivots turn out badly.
func selectPlace[T float32 | float64](v []T, k int) {
	lo, hi := narrow(v, k)
	for tries := 3 * bits.Len(uint(len(v))); hi-lo > 16 && tries > 0; tries-- {
		mid := lo + (hi-lo)/2
		if v[mid] < v[lo] {
			v[mid], v[lo] = v[lo], v[mid]
		}
		if v[hi] < v[lo] {
			v[hi], v[lo] = v[lo], v[hi]
		}
		if v[hi] < v[mid] {
			v[hi], v[mid] = v[mid], v[hi]
		}
		pivot := v[mid]
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return
		}
	}
	slices.Sort(v[lo : hi+1])
}

const (
	sampleSize = 256
	// sampleGap is how far from the place of k in the sample the pivots are: two standard
	// deviations of the place of a median.
	sampleGap = 16
	// narrowFrom is the length from which a sample is worth sorting.
	narrowFrom = 8 * sampleSize
)

// narrow reorders v so that, as after selectPlace, v[k] belongs in [lo, hi], and nothing
// before is larger nor after smaller. The pivots are as in Floyd and Rivest, "Expected
// time bounds for selection", CACM 1975; the passes have no branch to mispredict, which
// is most of what quickselect takes.
func narrow[T float32 | float64](v []T, k int) (lo, hi int) {
	lo, hi = 0, len(v)-1
	if len(v) < narrowFrom {
		return lo, hi
	}
	var sample [sampleSize]T
	for i := range sample {
		sample[i] = v[i*(len(v)/sampleSize)]
	}
	slices.Sort(sample[:])
	at := k * sampleSize / len(v)
	low, high := sample[max(0, at-sampleGap)], sample[min(sampleSize-1, at+sampleGap)]
	// A pass that leaves k on the wrong side of its pivot narrows less, but right.
	if n := toFront(v, high); k < n {
		hi = n - 1
	} else {
		lo = n
	}
	if n := lo + toFront(v[lo:hi+1], low); k < n {
		hi = n - 1
	} else {
		lo = n
	}
	return lo, hi
}

// toFront moves the values below p to the front of v and returns their number.
func toFront[T float32 | float64](v []T, p T) int {
	n := 0
	for i, x := range v {
		less := 0
		if x < p {
			less = 1
		}
		v[i] = v[n]
		v[n] = x
		n += less
	}
	return n
}

// weighted is a value with its weight.
type weighted struct{ value, weight float64 }

// weightedPercentile returns the alpha-quantile of v as LightGBM defines it: the first
// value in ascending order whose cumulated weight exceeds alpha of the whole. If the
// weight w of the value after it is at least 1, the result is moved by
// (alpha*total - cumulated)/w, a negative number, of the way from the value before it.
// It sorts v, which must not be empty, in a stable way.
func weightedPercentile(v []weighted, alpha float64, round func(float64) float64) float64 {
	n := len(v)
	if n == 1 {
		return v[0].value
	}
	slices.SortStableFunc(v, func(a, b weighted) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	cdf := make([]float64, n)
	sum := 0.0
	for i, x := range v {
		sum += x.weight
		cdf[i] = sum
	}
	threshold := sum * alpha
	k := min(n-1, firstAbove(cdf, threshold))
	if k == 0 || k == n-1 {
		return v[k].value
	}
	before, at := v[k-1].value, v[k].value
	if next := cdf[k+1] - cdf[k]; next >= 1 {
		return float64((threshold-cdf[k])/next*round(at-before)) + before
	}
	return at
}

// firstAbove returns the first index of the ascending cdf whose value exceeds x.
func firstAbove(cdf []float64, x float64) int {
	i, _ := slices.BinarySearchFunc(cdf, x, func(c, x float64) int {
		if c <= x {
			return -1
		}
		return 1
	})
	return i
}

func round32(v float64) float64 { return float64(float32(v)) }

func sign(v float64) int {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}
