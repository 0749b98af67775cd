package sim

import (
	"math"
	"math/bits"

	"github.com/incendio-faas/incendio/metric"
)

// A histogram counts integers >= 0 in buckets that grow with the value: 128 to an
// octave, so that the middle of a bucket is within 1/256 (0.4 %) of every value in
// it; values below 256 have buckets of their own.
type histogram struct {
	count    []int64
	n        int64
	least    int64
	greatest int64
}

const octave = 128

func bucket(v int64) int {
	if v < 2*octave {
		return int(v)
	}
	e := bits.Len64(uint64(v)) - 8
	return 2*octave + (e-1)*octave + int(v>>e) - octave
}

// middle is the value in the middle of bucket i.
func middle(i int) float64 {
	if i < 2*octave {
		return float64(i)
	}
	e := (i-2*octave)/octave + 1
	low := (i-2*octave)%octave + octave
	return math.Ldexp(float64(low), e) + (math.Ldexp(1, e)-1)/2
}

func (h *histogram) add(v int64) {
	if v < 0 {
		v = 0
	}
	i := bucket(v)
	if i >= len(h.count) {
		h.count = append(h.count, make([]int64, i+1-len(h.count))...)
	}
	h.count[i]++
	if h.n == 0 || v < h.least {
		h.least = v
	}
	h.greatest = max(h.greatest, v)
	h.n++
}

// quantiles returns the values at the ascending probabilities: the smallest that
// is not exceeded by that share. 0 where nothing was counted.
func (h *histogram) quantiles(probabilities ...float64) []float64 {
	out := make([]float64, len(probabilities))
	if h.n == 0 {
		return out
	}
	i, below := 0, h.count[0]
	for k, p := range probabilities {
		rank := metric.Rank(h.n, p)
		for below < rank {
			i++
			below += h.count[i]
		}
		switch rank {
		case 1: // the first and the last value are known exactly
			out[k] = float64(h.least)
		case h.n:
			out[k] = float64(h.greatest)
		default:
			out[k] = min(max(middle(i), float64(h.least)), float64(h.greatest))
		}
	}
	return out
}
