package sim_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// TestFront: the front is what no other point beats, by the definition.
func TestFront(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "n")
		value := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 4), func(v int) float64 { return float64(v) }), n, n)
		x, y := value.Draw(t, "x"), value.Draw(t, "y")
		var want []int
		for i := range x {
			beaten := false
			for j := range x {
				beaten = beaten || x[j] <= x[i] && y[j] <= y[i] && (x[j] < x[i] || y[j] < y[i])
			}
			if !beaten {
				want = append(want, i)
			}
		}
		got := sim.Front(x, y)
		if !slices.IsSortedFunc(got, func(a, b int) int { return int(x[a] - x[b]) }) {
			t.Errorf("front %v of %v is not in order", got, x)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("front of %v, %v: %v, want %v", x, y, got, want)
		}
	})
}

// TestRowsOnTheFront: keeping for ever and never keeping are the ends of the front, the
// clairvoyant policy is on none, and a sweep has one front over all its values.
func TestRowsOnTheFront(t *testing.T) {
	ctx := context.Background()
	tr := mixed(8, 4, 300, 3)
	o := options(datasets.Window{From: 1, To: 4})
	policies := []sim.Contender{baseline(t, "native:keep_alive_s=0"), baseline(t, "ttl"), baseline(t, "native:keep_alive_s=1000"), baseline(t, "oracle")}
	sweep, err := sim.ParseSweep("memory=2048,4096")
	if err != nil {
		t.Fatal(err)
	}
	rep, err := sweep.Run(ctx, o, 2, func(ctx context.Context, o sim.Options, workers int) (*sim.Report, error) {
		return sim.Compare(ctx, tr, policies, o, workers)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range rep.Points {
		front := p.Report.Pareto
		if len(front) == 0 || front[0] != "native:keep_alive_s=0" || slices.Contains(front, "oracle") || slices.Contains(front, sim.LowerBound) {
			t.Errorf("memory %g: on the front are %v", p.Value, front)
		}
	}
	if len(rep.Pareto) < 2 || rep.Pareto[0].Policy != "native:keep_alive_s=0" {
		t.Errorf("front of the sweep: %+v", rep.Pareto)
	}
	for i, p := range rep.Pareto[1:] {
		if q := rep.Pareto[i]; p.WastedGBS < q.WastedGBS || p.Cold+p.Dropped > q.Cold+q.Dropped {
			t.Errorf("%+v after %+v", p, q)
		}
	}
}

// TestLoadSweep: a sweep of the load has the loads it was asked for, but for the rounding
// of counts.
func TestLoadSweep(t *testing.T) {
	ctx := context.Background()
	tr := mixed(8, 4, 300, 3)
	o := options(datasets.Window{From: 1, To: 4})
	sweep, err := sim.ParseSweep("load=0.1,0.2")
	if err != nil {
		t.Fatal(err)
	}
	if err := sweep.Validate(o); err == nil {
		t.Error("a sweep of the load without its base is accepted")
	}
	if sweep.Base, err = sim.OfferedLoad(ctx, tr, o); err != nil {
		t.Fatal(err)
	}
	rep, err := sweep.Run(ctx, o, 2, func(ctx context.Context, o sim.Options, workers int) (*sim.Report, error) {
		return sim.Compare(ctx, tr, []sim.Contender{baseline(t, "native")}, o, workers)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.1, 0.2} {
		if got := rep.Points[i].Report.Load; math.Abs(got/want-1) > 0.15 {
			t.Errorf("load %g, want about %g", got, want)
		}
	}
	if rep.Pareto != nil {
		t.Error("loads of different numbers of requests have a common front")
	}
	one, err := sim.Compare(ctx, tr, nil, o, 1)
	if err != nil {
		t.Fatal(err)
	}
	if one.Load != sweep.Base {
		t.Errorf("offered load %g, report's %g", sweep.Base, one.Load)
	}
}
