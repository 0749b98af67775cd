package scheduler_test

import (
	"context"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// TestForecastSavesColdStarts: in the simulator, on a function that is invoked every
// fifth minute, a forecast that knows the future prewarms for nearly every request,
// and one that expects nothing for none.
func TestForecastSavesColdStarts(t *testing.T) {
	const minutes = 200
	day := &datasets.Counts{Offset: []int{0}}
	future := map[int][]float64{}
	for m := 4; m < minutes; m += 5 {
		day.Minute, day.Count = append(day.Minute, int32(m)), append(day.Count, 1)
		future[m] = []float64{4} // as good as certain: the chance of none is exp(-4)
	}
	day.Offset = append(day.Offset, len(day.Minute))
	trace := &datasets.Trace{
		Name: "every fifth", Span: datasets.Window{To: minutes}, Source: datasets.Memory{day},
		Functions: []datasets.Function{{
			Owner: "o", App: "a", Name: "f", Memory: 128 << 20, CPU: 1,
			Execution: datasets.Constant(100 * time.Millisecond), Initialisation: datasets.Constant(time.Second), Termination: datasets.Constant(time.Second / 2),
		}},
	}
	o := sim.DefaultOptions()
	o.Cluster.Invokers, o.WarmupMinutes = 1, 0
	load, err := sim.Load(context.Background(), trace, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	replay := func(want map[int][]float64) *sim.Result {
		res, err := sim.Run(context.Background(), trace, load, func(*datasets.Trace, policy.Site) (scheduler.Stack, error) {
			p := parts()
			p.Forecast, p.Rate = &script{want: want}, []float64{0}
			return scheduler.Incendio(p)
		}, o)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	with, without := replay(future), replay(nil)
	if n := without.Requests; n != minutes/5 || without.Cold != n {
		t.Errorf("without a forecast %d of %d requests start cold, want all", without.Cold, n)
	}
	// One that comes in the second in which its container initialises finds none yet.
	if with.Cold+with.DelayedWarm > with.Requests/10 {
		t.Errorf("with the future known %d of %d requests start cold and %d wait", with.Cold, with.Requests, with.DelayedWarm)
	}
	if with.CostS() >= without.CostS() {
		t.Errorf("knowing the future costs %g s, not knowing it %g s", with.CostS(), without.CostS())
	}
}
