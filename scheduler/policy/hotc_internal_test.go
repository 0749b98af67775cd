package policy

import (
	"math"
	"testing"
)

// TestHotCForecastsAParabola: peaks that follow a quadratic are forecast exactly once the
// first one is forgotten, and an exact forecast has no error for the chain to correct.
func TestHotCForecastsAParabola(t *testing.T) {
	o := DefaultHotCOptions()
	var f hotcFunction
	peak := func(k int) float64 { return float64(2*k*k - 3*k + 5) }
	for k := range 60 {
		n := f.next(peak(k), &o)
		if k >= 25 && n != int(peak(k+1)) {
			t.Errorf("after %d peaks: %d containers, the next peak is %g", k+1, n, peak(k+1))
		}
	}
}

// TestHotCChainCorrects: where an error is always followed by the same other one, the
// chain takes it back: peaks that repeat over five minutes are missed by less with it than with
// smoothing alone.
func TestHotCChainCorrects(t *testing.T) {
	missed := func(states int) float64 {
		o := DefaultHotCOptions()
		o.States = states
		var f hotcFunction
		n, sum := 0, 0.0
		for k := range 200 {
			peak := []float64{3, 3, 9, 9, 3}[k%5]
			if k >= 50 {
				sum += math.Abs(peak - float64(n))
			}
			n = f.next(peak, &o)
		}
		return sum
	}
	// With one state the middle of all errors is 0, and nothing is corrected.
	if with, without := missed(9), missed(1); with >= 0.8*without {
		t.Errorf("missed %g with the chain, %g without", with, without)
	}
}
