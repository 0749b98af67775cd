package measure

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// smallest is the bound below which weighted values share one bin.
const smallest = 1e-9

// Weighted is the distribution of measurements of one thing, each of which stands for
// several. Up to 256 different values are kept as they are, so that what takes few values
// (the size of a container) is exact; of more, the weight in each of many bins, as in
// [Quantiles]. The zero value is empty. It is not safe for use by several goroutines.
type Weighted struct {
	weight   float64
	min, max float64
	exact    map[float64]float64 // weight by value; nil once there are bins
	bins     map[int32]float64
}

// Add takes a measurement, v >= 0 and finite, that stands for weight > 0 of them.
func (s *Weighted) Add(v, weight float64) {
	if s.weight == 0 {
		s.min, s.max = v, v
		s.exact = map[float64]float64{}
	}
	s.min, s.max = min(s.min, v), max(s.max, v)
	s.weight += weight
	if s.exact == nil {
		s.bins[weightedBin(v)] += weight
		return
	}
	s.exact[v] += weight
	if len(s.exact) > exactly {
		s.toBins()
	}
}

// toBins gives the single values up, in their order, so that sums do not depend on that
// of a map.
func (s *Weighted) toBins() {
	s.bins = make(map[int32]float64, len(s.exact))
	for _, v := range slices.Sorted(maps.Keys(s.exact)) {
		s.bins[weightedBin(v)] += s.exact[v]
	}
	s.exact = nil
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
	if s.exact != nil && o.exact != nil {
		for v, w := range o.exact { // each value once: the order does not matter
			s.exact[v] += w
		}
		if len(s.exact) > exactly {
			s.toBins()
		}
		return
	}
	if s.exact != nil {
		s.toBins()
	}
	if o.exact != nil {
		o.toBins()
	}
	for b, w := range o.bins {
		s.bins[b] += w
	}
}

func weightedBin(v float64) int32 {
	return int32(math.Floor(math.Log(max(v, smallest)) / math.Log(growth)))
}

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
	type part struct{ value, weight float64 }
	var parts []part
	if s.exact != nil {
		for _, v := range slices.Sorted(maps.Keys(s.exact)) {
			parts = append(parts, part{v, s.exact[v]})
		}
	} else {
		for _, b := range slices.Sorted(maps.Keys(s.bins)) {
			middle := math.Pow(growth, float64(b)+0.5)
			parts = append(parts, part{min(s.max, max(s.min, middle)), s.bins[b]})
		}
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
