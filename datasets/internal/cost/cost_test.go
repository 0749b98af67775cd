package cost_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/cost"
)

// Beside the quantiles of all durations, linear between order statistics.
func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(1, 1e9), 1, 600).Draw(t, "durations")
		var q, back cost.Quantiles
		for i := range all {
			q.Add(all[i])
			back.Add(all[len(all)-1-i])
		}
		got, other := q.Distribution(), back.Distribution()
		if q.N() != int64(len(all)) || !slices.Equal(got.Value, other.Value) {
			t.Fatalf("%d durations; %v, in the other order %v", q.N(), got, other)
		}
		slices.Sort(all)
		for i, p := range got.Prob {
			at := p * float64(len(all)-1)
			k := int(at)
			low, high := float64(all[k]), float64(all[min(k+1, len(all)-1)])
			want := low + (at-float64(k))*(high-low)
			v := float64(got.Value[i] / time.Microsecond)
			switch {
			case len(all) <= 256 || p == 0 || p == 1:
				if math.Abs(v-want) > 0.5 {
					t.Fatalf("%v at %v, expected %v", v, p, want)
				}
			case v < low*0.995-1 || v > low*1.005+1:
				t.Fatalf("%v at %v, expected %v to half a percent", v, p, low)
			}
		}
	})
}

func TestSet(t *testing.T) {
	var c cost.Cost
	c.Execution.Add(1000)
	c.Initialisation.Add(200_000)
	c.Memory = 128.5
	every := datasets.AssumedCPU | datasets.AssumedMemory | datasets.AssumedExecution | datasets.AssumedStartCost
	f := datasets.Function{Assumed: every}
	c.Set(&f)
	if f.Assumed != datasets.AssumedCPU || f.Memory != 128.5*(1<<20) || f.Execution.Value[3] != time.Millisecond ||
		f.Initialisation.Value[3] != 200*time.Millisecond || f.Termination.Value[3] != 120*time.Millisecond {
		t.Errorf("%+v", f)
	}
	known := datasets.Function{Memory: 7, Execution: datasets.Constant(1), Initialisation: datasets.Constant(2), Termination: datasets.Constant(3)}
	f = known
	c.Set(&f)
	if f.Memory != 7 || f.Execution.Value[0] != 1 || f.Initialisation.Value[0] != 2 || f.Termination.Value[0] != 3 {
		t.Errorf("%+v: what was known must stay", f)
	}
	c.Termination.Add(50_000)
	c.Cores = 0.5
	f = datasets.Function{Assumed: every}
	c.Set(&f)
	if f.Assumed != 0 || f.CPU != 0.5 || f.Initialisation.Value[3] != 200*time.Millisecond || f.Termination.Value[3] != 50*time.Millisecond {
		t.Errorf("%+v", f)
	}
	f = datasets.Function{Assumed: every}
	(&cost.Cost{}).Set(&f)
	if f.Assumed != every {
		t.Errorf("%+v: nothing was measured", f)
	}
}
