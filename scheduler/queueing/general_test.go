package queueing_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/queueing"
)

// TestMeanWaits: M/M/1, M/D/1 and the stable limit by hand.
func TestMeanWaits(t *testing.T) {
	if got := queueing.MeanWait(1, 0.5, 1); !near(got, 1, 1e-12) { // rho/(mu-lambda)
		t.Errorf("M/M/1: %g, want 1", got)
	}
	if got := queueing.MeanWaitGG(1, 0.5, 1, 1, 0); !near(got, 0.5, 1e-12) { // Pollaczek-Khinchine: half of it
		t.Errorf("M/D/1: %g, want 0.5", got)
	}
	if got := queueing.MeanWait(2, 2, 1); !math.IsInf(got, 1) {
		t.Errorf("a saturated queue waits %g", got)
	}
	if got := queueing.WaitWithinGG(4, 3, 1, 0.7, 1, 1); got != queueing.WaitWithin(4, 3, 1, 0.7) {
		t.Errorf("exponential times: %g", got)
	}
	if got := queueing.WaitWithinGG(4, 3, 1, 0.7, 0, 0); got != 1 {
		t.Errorf("nothing varies: %g, want 1", got)
	}
	if got := queueing.WaitWithinGG(3, 3, 1, 0.7, 0, 0); got != 0 {
		t.Errorf("nothing varies and all are busy: %g, want 0", got)
	}
	// Less variation needs no more servers, more variation no fewer.
	last := 0
	for _, v := range []float64{0, 0.25, 1, 4, 16} {
		c, err := queueing.ServersGG(30, 10, 0.1, 0.99, 1, v)
		if err != nil || c < last {
			t.Errorf("cs2 = %g: %d servers, %d before, %v", v, c, last, err)
		}
		if got := queueing.WaitWithinGG(c, 30, 10, 0.1, 1, v); got < 0.99 {
			t.Errorf("cs2 = %g: %d servers keep %g", v, c, got)
		}
		last = c
	}
	if _, err := queueing.ServersGG(1, 1, 1, 0.9, -1, 0); err == nil {
		t.Error("a negative coefficient: no error")
	}
}

// TestSlowestFirst against the sum of the probabilities as written, and against LaSS's
// number where all rates are equal.
func TestSlowestFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "containers")
		rates := rapid.SliceOfN(rapid.Float64Range(0.1, 10), n, n).Draw(t, "rates")
		slices.Sort(rates)
		wait := rapid.Float64Range(0, 3).Draw(t, "t")
		var m float64
		for _, r := range rates {
			m += r
		}
		lambda := m * rapid.Float64Range(0.01, 0.99).Draw(t, "rho")
		l := int(math.Floor(wait*m + float64(n) - 1))
		var within, all, term, sum float64
		for k, term0 := 0, 1.0; k < 20000; k++ {
			if term = term0; k > 0 {
				if k <= n {
					sum += rates[k-1]
				}
				term *= lambda / sum
			}
			term0 = term
			all += term
			if k <= l {
				within += term
			}
		}
		if got := queueing.SlowestFirst(lambda, rates, wait); math.Abs(got-within/all) > 1e-9 {
			t.Fatalf("%g, want %g", got, within/all)
		}
		// One more container never hurts.
		if more := append(slices.Clone(rates), rates[n-1]); queueing.SlowestFirst(lambda, more, wait) < within/all-1e-9 {
			t.Fatalf("one more container: %g, before %g", queueing.SlowestFirst(lambda, more, wait), within/all)
		}
	})
	for _, c := range [][3]float64{{10, 10, 0.1}, {30, 10, 0.1}, {50, 5, 0.1}, {20, 10, 0.05}, {5, 1, 0.5}} {
		want, err := queueing.LaSSServers(c[0], c[1], c[2], 0.99)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := queueing.AddServers(c[0], nil, c[1], c[2], 0.99); err != nil || got != want {
			t.Errorf("AddServers%v to none: %d, %v, want LaSS's %d", c, got, err, want)
		}
		// Containers at 0.7 of the rate do not need fewer.
		deflated := make([]float64, want)
		for i := range deflated {
			deflated[i] = 0.7 * c[1]
		}
		if got, err := queueing.AddServers(c[0], deflated, c[1], c[2], 0.99); err != nil || got < 1 {
			t.Errorf("AddServers%v to %d deflated ones: %d, %v, want some", c, want, got, err)
		}
	}
	if got := queueing.SlowestFirst(1, make1(5000, 0.001), 1); !(got > 0.99 && got <= 1) {
		t.Errorf("5000 slow containers at a fifth of their load: %g", got)
	}
	if queueing.SlowestFirst(3, []float64{1, 2}, 5) != 0 {
		t.Error("a saturated queue keeps something")
	}
}

func make1(n int, v float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// TestHierarchicalMaxMin: a user with many functions gets no more than one with few.
func TestHierarchicalMaxMin(t *testing.T) {
	got := queueing.HierarchicalMaxMin([]queueing.Group{
		{Weight: 1, Demand: []float64{5, 5, 5, 5}, Weights: []float64{1, 1, 1, 1}},
		{Weight: 1, Demand: []float64{9}, Weights: []float64{1}},
		{Weight: 2, Demand: []float64{1, 2}, Weights: []float64{1, 3}},
	}, 15)
	// The third is satisfied with 3; 12 are left for two users of equal weight.
	for i, want := range [][]float64{{1.5, 1.5, 1.5, 1.5}, {6}, {1, 2}} {
		for k := range want {
			if !near(got[i][k], want[k], 1e-12) {
				t.Fatalf("got %v, want %v in group %d", got, want, i)
			}
		}
	}
}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		shares   []float64
		demand   []int
		capacity int
		want     []int
	}{
		{[]float64{2.5, 1.3, 1.2}, []int{4, 4, 4}, 5, []int{3, 1, 1}},
		{[]float64{2.9999999999, 2}, []int{3, 2}, 5, []int{3, 2}},
		{[]float64{4.8, 0.1, 0.1}, []int{9, 9, 9}, 5, []int{3, 1, 1}}, // none is left with nothing
		{[]float64{0.5, 0.5, 0.5, 0.5}, []int{1, 1, 1, 1}, 2, []int{1, 1, 0, 0}},
		{[]float64{0, 3}, []int{0, 3}, 3, []int{0, 3}},
	} {
		if got := queueing.Whole(c.shares, c.demand, c.capacity); !slices.Equal(got, c.want) {
			t.Errorf("Whole(%v, %v, %d) = %v, want %v", c.shares, c.demand, c.capacity, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(t, "n")
		demand := rapid.SliceOfN(rapid.IntRange(0, 9), n, n).Draw(t, "demand")
		capacity := rapid.IntRange(0, 60).Draw(t, "capacity")
		exact, weight := make([]float64, n), make1(n, 1)
		wanted, sum := 0, 0
		for i, d := range demand {
			exact[i] = float64(d)
			sum += d
			if d > 0 {
				wanted++
			}
		}
		got := queueing.Whole(queueing.WeightedMaxMin(exact, weight, float64(capacity)), demand, capacity)
		given := 0
		for i, x := range got {
			given += x
			if x < 0 || x > demand[i] || x == 0 && demand[i] > 0 && capacity >= wanted {
				t.Fatalf("%v of %v, capacity %d", got, demand, capacity)
			}
		}
		if given != min(sum, capacity) {
			t.Fatalf("%d of %d are given, capacity %d: %v of %v", given, sum, capacity, got, demand)
		}
	})
}
