package study

import (
	"math"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
)

// uniform draws the n-th number of a purpose, uniform in its logarithm between low and high.
func uniform(rnd uint64, purpose string, n uint64, low, high float64) float64 {
	return low * math.Pow(high/low, seed.Uniform(seed.Key(rnd, purpose), n))
}

// times is the distribution of d times by.
func times(d datasets.Distribution, by float64) datasets.Distribution {
	out := datasets.Distribution{Prob: d.Prob, Value: make([]time.Duration, len(d.Value))}
	for i, v := range d.Value {
		out.Value[i] = time.Duration(by * float64(v)).Truncate(time.Microsecond)
	}
	return out
}
