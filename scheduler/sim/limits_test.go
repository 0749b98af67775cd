package sim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// TestParameterLimits: every policy works at both ends of the range of each of its parameters, with
// containers of one request and, unless it says how cores are shared, of three, and refuses what is beyond by its name and range.
func TestParameterLimits(t *testing.T) {
	ctx, tr := context.Background(), mixed(8, 6, 200, 5)
	o := options(datasets.Window{From: 2, To: 6})
	w, err := sim.Load(ctx, tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range scheduler.Baselines() {
		for _, p := range row.Parameters {
			for _, v := range []float64{p.Low, p.High} {
				spec := fmt.Sprintf("%s:%s=%g", row.Name, p.Name, v)
				for _, concurrency := range []int{1, 3} {
					o.Scheduler.Concurrency = concurrency
					r, err := sim.Run(ctx, tr, w, baseline(t, spec).New, o)
					if concurrency > 1 && err != nil && strings.Contains(err.Error(), "needs sharing ps") {
						continue
					}
					if err != nil {
						t.Errorf("%s with %d requests a container: %v", spec, concurrency, err)
					} else if r.Warm+r.Cold+r.DelayedWarm+r.Dropped != r.Requests {
						t.Errorf("%s with %d requests a container: %+v", spec, concurrency, r)
					}
				}
			}
			for _, v := range []float64{p.Low - 0.001*(1+p.High-p.Low), p.High + 0.001*(1+p.High-p.Low)} {
				spec := fmt.Sprintf("%s:%s=%g", row.Name, p.Name, v)
				want := fmt.Sprintf(" in [%g, %g]", p.Low, p.High)
				if p.Kind == policy.Switch {
					want = " must be 1 or 0"
				}
				if _, err := scheduler.Baseline(spec, 1); err == nil || !strings.Contains(err.Error(), p.Name+" must be") || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: got %v, want %q", spec, err, want)
				}
			}
			if p.Doc == "" || p.Default < p.Low || p.Default > p.High {
				t.Errorf("%s: parameter %+v", row.Name, p)
			}
		}
	}
}
