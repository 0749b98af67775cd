package sim

import (
	"math"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// TestRemaining: the rest of a uniform execution between 1 and 3 s, at quantiles.
func TestRemaining(t *testing.T) {
	d := datasets.Distribution{Prob: []float64{0, 1}, Value: []time.Duration{time.Second, 3 * time.Second}}
	for _, c := range []struct{ executed, u, want float64 }{
		{0, 0, 1}, {0, 0.5, 2}, {0, 1, 3}, // s: all of it
		{2, 0, 0}, {2, 0.5, 0.5}, {2, 1, 1},
		{3.5, 0.5, 7}, // nothing is as long: what it is left with stays
	} {
		if got := remaining(d, c.executed*1e6, 7e6, c.u) / 1e6; math.Abs(got-c.want) > 1e-3 {
			t.Errorf("after %g s, at %g: %g s, want %g", c.executed, c.u, got, c.want)
		}
	}
}
