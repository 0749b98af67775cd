package cost

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// smallest is the bound below which weighted values share one bin.
const smallest = 1e-9

// Weighted is the distribution of measurements of one thing, each of which stands for
// several. As long as there are few different values they are kept as they are, at least
// up to 128 of them, so that what takes few values (the size of a container) is exact; of
// more, the weight in each of many bins, as in [Quantiles]. The zero value is empty. It is
// not safe for use by several goroutines.
type Weighted struct {
	weight   float64
	min, max float64

	exact []weighted // while binned is false; unsorted, and values may stand there twice

	binned bool
	low    int // number of bins[0]
	bins   []float64
}

type weighted struct{ value, weight float64 }

// Add takes a measurement, v >= 0 and finite, that stands for weight > 0 of them.
func (s *Weighted) Add(v, weight float64) {
	if s.weight == 0 {
		s.min, s.max = v, v
	}
	s.min, s.max = min(s.min, v), max(s.max, v)
	s.weight += weight
	s.put(weighted{v, weight})
}

func (s *Weighted) put(w weighted) {
	if s.binned {
		*s.bin(w.value) += w.weight
		return
	}
	if s.exact = append(s.exact, w); len(s.exact) < exactly {
		return
	}
	if s.compact(); len(s.exact) > exactly/2 {
		s.binned = true
		for _, w := range s.exact {
			*s.bin(w.value) += w.weight
		}
		s.exact = nil
	}
}

// compact sorts the values, each once. Equal ones are added up in the order in which they
// came.
func (s *Weighted) compact() {
	slices.SortStableFunc(s.exact, func(a, b weighted) int { return cmp.Compare(a.value, b.value) })
	kept := s.exact[:0]
	for _, w := range s.exact {
		if n := len(kept); n > 0 && kept[n-1].value == w.value {
			kept[n-1].weight += w.weight
		} else {
			kept = append(kept, w)
		}
	}
	s.exact = kept
}

// bin is the weight in the bin of a value.
func (s *Weighted) bin(v float64) *float64 {
	n := int(math.Floor(math.Log(max(v, smallest)) / math.Log(growth)))
	switch {
	case len(s.bins) == 0:
		s.low, s.bins = n, make([]float64, 1, 64)
	case n < s.low:
		s.bins = append(make([]float64, s.low-n, len(s.bins)+s.low-n), s.bins...)
		s.low = n
	case n >= s.low+len(s.bins):
		s.bins = append(s.bins, make([]float64, n-s.low-len(s.bins)+1)...)
	}
	return &s.bins[n-s.low]
}

// Merge takes what another was given. The other must not be used afterwards.
func (s *Weighted) Merge(o *Weighted) {
	switch {
	case o.weight == 0:
		return
	case s.weight == 0:
		*s = *o
		return
	}
	s.min, s.max = min(s.min, o.min), max(s.max, o.max)
	s.weight += o.weight
	if o.binned && !s.binned {
		s.binned, s.low, s.bins = true, o.low, o.bins
		o.exact, s.exact, o.binned = s.exact, nil, false
	}
	for _, w := range o.exact {
		s.put(w)
	}
	if o.binned {
		for i, w := range o.bins {
			if w > 0 {
				*s.bin(middle(o.low + i)) += w
			}
		}
	}
}

// middle is the value in the middle of a bin.
func middle(bin int) float64 { return math.Pow(growth, float64(bin)+0.5) }

// Empty reports whether nothing was added.
func (s *Weighted) Empty() bool { return s.weight == 0 }

// Quantiles returns for each p in [0, 1] the least value that at least the share p of the
// weight does not exceed; the least of all for 0, and the largest for 1. The
// probabilities must ascend. An empty one has zeros.
func (s *Weighted) Quantiles(p ...float64) []float64 {
	out := make([]float64, len(p))
	if s.weight == 0 {
		return out
	}
	var parts []weighted
	if s.binned {
		for i, w := range s.bins {
			if w > 0 {
				parts = append(parts, weighted{min(s.max, max(s.min, middle(s.low+i))), w})
			}
		}
	} else {
		s.compact()
		parts = s.exact
	}
	i, sum := 0, parts[0].weight
	for k, p := range p {
		switch {
		case p <= 0:
			out[k] = s.min
			continue
		case p >= 1:
			out[k] = s.max
			continue
		}
		// Sums of weights round: a share that is met but for that is met.
		for i+1 < len(parts) && sum < p*s.weight*(1-1e-12) {
			i++
			sum += parts[i].weight
		}
		out[k] = parts[i].value
	}
	return out
}

// Median is the quantile at one half.
func (s *Weighted) Median() float64 { return s.Quantiles(0.5)[0] }

// Distribution is the table of the quantiles 0, 1, 25, 50, 75, 99 and 100 % of values in
// the given unit, as durations of whole microseconds from one on.
func (s *Weighted) Distribution(unit time.Duration) datasets.Distribution {
	d := datasets.Distribution{Prob: slices.Clone(probabilities), Value: make([]time.Duration, len(probabilities))}
	for i, v := range s.Quantiles(probabilities...) {
		d.Value[i] = max(time.Microsecond, time.Duration(math.Round(v*float64(unit)/float64(time.Microsecond)))*time.Microsecond)
	}
	return d
}
