package cost_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets/internal/cost"
)

// Of ten requests nine took 10 ms and one took 20 ms: the tail begins above 90 %.
func TestWeighted(t *testing.T) {
	var s cost.Weighted
	s.Add(20, 1)
	s.Add(10, 9)
	got := s.Quantiles(0, 0.25, 0.9, 0.91, 1)
	if want := []float64{10, 10, 10, 20, 20}; !slices.Equal(got, want) {
		t.Errorf("quantiles %v, expected %v", got, want)
	}
	if m := s.Median(); m != 10 {
		t.Errorf("median %v", m)
	}
	d := s.Distribution(time.Millisecond)
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	ms := time.Millisecond
	if want := []time.Duration{10 * ms, 10 * ms, 10 * ms, 10 * ms, 10 * ms, 20 * ms, 20 * ms}; !slices.Equal(d.Value, want) {
		t.Errorf("distribution %v, expected %v", d.Value, want)
	}
}

func TestWeightedEmptyAndTiny(t *testing.T) {
	var s cost.Weighted
	if !s.Empty() || s.Median() != 0 {
		t.Error("an empty one has no value")
	}
	s.Add(0, 1)
	if d := s.Distribution(time.Second); s.Empty() || d.Value[0] != time.Microsecond {
		t.Errorf("distribution %v: a duration must be at least a microsecond", d)
	}
}

// Whatever is added, in one or in several that are merged, quantiles lie within
// half a percent of those of the sorted values, and are exact for up to 128 different ones.
func TestWeightedAgainstSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		distinct := rapid.IntRange(1, 600).Draw(t, "distinct")
		pool := rapid.SliceOfN(rapid.Float64Range(1e-6, 1e6), distinct, distinct).Draw(t, "values")
		var all []float64
		var one cost.Weighted
		parts := make([]cost.Weighted, rapid.IntRange(1, 4).Draw(t, "parts"))
		for i, v := range pool {
			weight := 1 + i%3
			one.Add(v, float64(weight))
			parts[i%len(parts)].Add(v, float64(weight))
			for range weight {
				all = append(all, v)
			}
		}
		var merged cost.Weighted
		for i := range parts {
			merged.Merge(&parts[i])
		}
		slices.Sort(all)
		p := []float64{0, 0.01, 0.25, 0.5, 0.75, 0.99, 1}
		got := one.Quantiles(p...)
		for i, p := range p {
			want := all[max(0, int(math.Ceil(p*float64(len(all))-1e-9))-1)]
			if err := math.Abs(got[i]/want - 1); err > 0.0051 || distinct <= 128 && got[i] != want {
				t.Fatalf("quantile %g of %d different values is %g, expected %g", p, distinct, got[i], want)
			}
		}
		for i, m := range merged.Quantiles(p...) {
			if math.Abs(m/got[i]-1) > 0.0101 || distinct <= 128 && m != got[i] {
				t.Fatalf("quantile %g is %g merged and %g in one", p[i], m, got[i])
			}
		}
	})
}
