package gbdt

import (
	"math"
	"slices"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
)

// The kernels of the platform add what the portable ones do, to the bit, and read no row
// that they are not given.
func TestKernels(t *testing.T) {
	const all, stride = 500, 2 * groupWidth
	r := seed.Stream(3, "gbdt/test/kernel")
	blocks := make([]uint8, all*stride)
	for i := range blocks {
		blocks[i] = uint8(r.IntN(256) >> (i % 8))
	}
	codes, gradients := make([]uint8, all), make([]gradient, all)
	for i := range codes {
		codes[i] = uint8(r.IntN(9))
		gradients[i] = gradient{float32(r.NormFloat64()), float32(r.ExpFloat64())}
	}
	for _, n := range []int{0, 1, 31, 32, 33, 64, 300} {
		rows := make([]int32, n)
		for i := range rows {
			rows[i] = int32(r.IntN(all))
		}
		for _, quads := range [][2]int{{0, 4}, {0, 1}, {1, 4}, {3, 4}, {2, 2}} {
			from, to := quads[0], quads[1]
			var got, want [groupWidth][256]uint32
			addSigns(&got, blocks[groupWidth:], stride, rows, codes, &change.of, from, to)
			addSignsGeneric(&want, blocks[groupWidth:], stride, rows, codes, &change.of, from, to)
			if got != want {
				t.Errorf("signs of %d rows, quads %v: the kernels differ", n, quads)
			}
			var g, w [groupWidth][256]cell
			for f := range w {
				for b := range w[f] {
					w[f][b] = cell{r.NormFloat64(), r.NormFloat64()}
				}
			}
			g = w
			addGradients(&g, blocks[groupWidth:], stride, rows, gradients, from, to)
			addGradientsGeneric(&w, blocks[groupWidth:], stride, rows, gradients, from, to)
			if g != w {
				t.Errorf("gradients of %d rows, quads %v: the kernels differ", n, quads)
			}
		}
	}
}

func TestSort(t *testing.T) {
	r := seed.Stream(4, "gbdt/test/sort")
	var s sorter
	for _, n := range []int{0, 1, 1023, 1024, 5000} {
		v := make([]float64, n)
		for i := range v {
			v[i] = math.Ldexp(r.NormFloat64(), r.IntN(2000)-1000)
			if i%7 == 0 {
				v[i] = float64(i%21) + 1
			}
		}
		want := slices.Sorted(slices.Values(v))
		s.sort(v)
		if !slices.Equal(v, want) {
			t.Errorf("%d values are not sorted", n)
		}
	}
}

// A percentile is between its neighbours in sorted order, for any pivots.
func TestPercentile(t *testing.T) {
	r := seed.Stream(5, "gbdt/test/percentile")
	for _, n := range []int{1, 2, 3, 17, 18, 100, 1001, 2048, 9000} {
		for _, alpha := range []float64{0.01, 0.5, 0.9, 0.99} {
			for range 20 {
				v := make([]float64, n)
				few := []int{1, 3, n + 3}[r.IntN(3)] // distinct values
				for i := range v {
					v[i] = float64(r.IntN(few))
				}
				sorted := slices.Sorted(slices.Values(v))
				at := float64(n-1) * (1 - alpha)
				k := n - 1 - int(at)
				want := sorted[k]
				if k > 0 {
					want -= (sorted[k] - sorted[k-1]) * (at - math.Floor(at))
				}
				if got := percentile(v, alpha); math.Abs(got-want) > 1e-12*float64(n) {
					t.Fatalf("percentile(%d values, %v) = %v, want %v", n, alpha, got, want)
				}
			}
		}
	}
}

// Samples are ascending and distinct, and those that LightGBM draws.
func TestRandom(t *testing.T) {
	for n := 1; n < 20; n++ {
		for k := range n + 2 {
			got := newRandom(2).sample(n, k)
			if k > n && got != nil || k <= n && !slices.IsSorted(got) {
				t.Fatalf("sample(%d, %d) = %v", n, k, got)
			}
			if k <= n/3 && len(slices.Compact(slices.Clone(got))) != k {
				t.Fatalf("sample(%d, %d) = %v", n, k, got)
			}
		}
	}
	// LightGBM 4.6 with feature_fraction 0.4 of five features splits these.
	r := newRandom(2)
	r.sample(5, 2)
	for _, want := range [][]int{{0, 3}, {1, 4}, {1, 3}, {1, 4}, {3, 4}} {
		if got := r.sample(5, 2); !slices.Equal(got, want) {
			t.Errorf("sample(5, 2) = %v, want %v", got, want)
		}
	}
}
