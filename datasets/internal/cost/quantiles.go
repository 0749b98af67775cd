package cost

import (
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// Probabilities are those of the tables of quantiles, as in the Azure trace of 2019.
func Probabilities() []float64 { return slices.Clone(probabilities) }

var probabilities = []float64{0, 0.01, 0.25, 0.5, 0.75, 0.99, 1}

const (
	// exactly is the number of observations of which each is kept.
	exactly = 256

	// growth is the ratio between the bounds of bins: quantiles of more observations
	// are right to half a percent. A factor of 10^12, from a microsecond to eleven
	// days, has 2777 bins.
	growth = 1.01
)

// Quantiles collects durations, in microseconds from 1. A few are kept as they are; of
// more, the number in each of many bins, which takes some KB at most. The order in which
// they come does not matter. The zero value is ready for use.
type Quantiles struct {
	n        int64
	min, max int64
	exact    []int64
	bins     map[int16]int64
}

// Add adds a duration; one below a microsecond counts as one.
func (q *Quantiles) Add(micros int64) {
	micros = max(1, micros)
	if q.n == 0 {
		q.min = micros
	}
	q.min, q.max = min(q.min, micros), max(q.max, micros)
	q.n++
	if q.bins == nil && len(q.exact) < exactly {
		q.exact = append(q.exact, micros)
		return
	}
	if q.bins == nil {
		q.bins = map[int16]int64{}
		for _, v := range q.exact {
			q.bins[bin(v)]++
		}
		q.exact = nil
	}
	q.bins[bin(micros)]++
}

func bin(micros int64) int16 { return int16(math.Log(float64(micros)) / math.Log(growth)) }

// N is the number of durations.
func (q *Quantiles) N() int64 { return q.n }

// Distribution is the table of the quantiles 0, 1, 25, 50, 75, 99 and 100 %: exact for
// up to 256 durations, linear between order statistics; otherwise right to half a percent.
// There must be at least one.
func (q *Quantiles) Distribution() datasets.Distribution {
	d := datasets.Distribution{Prob: slices.Clone(probabilities), Value: make([]time.Duration, len(probabilities))}
	if q.bins == nil {
		slices.Sort(q.exact)
	}
	order := make([]int16, 0, len(q.bins))
	for b := range q.bins {
		order = append(order, b)
	}
	slices.Sort(order)
	for i, p := range probabilities {
		at := p * float64(q.n-1)
		var v float64
		if q.bins == nil {
			k := int(at)
			v = float64(q.exact[k])
			if k+1 < len(q.exact) {
				v += (at - float64(k)) * float64(q.exact[k+1]-q.exact[k])
			}
		} else {
			v = q.middle(order, int64(at))
		}
		switch i {
		case 0:
			v = float64(q.min)
		case len(probabilities) - 1:
			v = float64(q.max)
		}
		d.Value[i] = time.Duration(math.Round(v)) * time.Microsecond
	}
	return d
}

// middle is the middle of the bin in which the k-th smallest lies, k from 0.
func (q *Quantiles) middle(order []int16, k int64) float64 {
	for _, b := range order {
		if k -= q.bins[b]; k < 0 {
			return min(float64(q.max), max(float64(q.min), math.Pow(growth, float64(b)+0.5)))
		}
	}
	return float64(q.max)
}
