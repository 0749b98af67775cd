package study

import (
	"context"
	"fmt"

	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// The loads that policies are compared at: what idle platforms, busy ones and overload
// look like.
var comparedLoads = []float64{0.5, 0.8, 1.1}

// loads compares every policy at three loads.
func loads(ctx context.Context, l *lab) error {
	t, o, err := l.platform()
	if err != nil {
		return err
	}
	one := o
	one.ScaleArrivals = 1
	base, err := sim.OfferedLoad(ctx, t, one)
	if err != nil {
		return err
	}
	sweep := sim.Sweep{Parameter: sim.LoadParameter, Values: comparedLoads, Base: base}
	names := []string{"all"}
	rep, err := sweep.Run(ctx, o, l.Workers, func(ctx context.Context, o sim.Options, workers int) (*sim.Report, error) {
		return sim.CompareSeeds(ctx, t, func(rnd uint64) ([]sim.Contender, error) {
			return replay.Policies(ctx, names, l.Config.Simulation.Options(o.Window, rnd), l.Subject)
		}, o, l.Seeds, workers)
	})
	if err != nil {
		return err
	}
	table := Table{Columns: []Column{{"policy", "policy", ""}}}
	for k, p := range rep.Points {
		load := fmt.Sprintf("load %.1f", p.Value)
		l.say("Load %.1f is that of --scale-arrivals %.3f: %d requests.", p.Value, p.Value/base, p.Report.Requests)
		key := fmt.Sprintf("load_%g_", p.Value)
		table.Columns = append(table.Columns, Column{key + "mean_ms", load + ": mean ms", "%.0f"}, Column{key + "p99_s", "p99 s", "%.1f"},
			Column{key + "cold", "cold %", "%.2f"}, Column{key + "dropped", "dropped %", "%.2f"}, Column{key + "idle_gbh", "idle GBh", "%.4g"})
		c := pipelines.Comparison(p.Report, "")
		for i, f := range report.PolicyFigures(c) {
			if i < 3 { // latency, states and front
				f.ID = fmt.Sprintf("%s-%02.0f", f.ID, 10*p.Value)
				f.Caption = fmt.Sprintf("Load %.1f: %s", p.Value, f.Caption)
				l.out.Figures = append(l.out.Figures, f)
			}
		}
		if k == 0 {
			l.say("On %d invokers of %g cores and %d MB, minutes %v of %s.", p.Report.Cluster.Invokers, p.Report.Cluster.Cores, p.Report.Cluster.MemoryMB, p.Report.Window, p.Report.Trace)
		}
	}
	for i := range rep.Points[0].Report.Policies {
		first := &rep.Points[0].Report.Policies[i]
		cells := []any{first.Name}
		for _, p := range rep.Points {
			r, n := row(p.Report, first.Name), float64(p.Report.Requests)
			mean := meanLatency(r)
			if r.Kind == sim.KindBound {
				cells = append(cells, mean, nil, nil, nil, nil)
				continue
			}
			cells = append(cells, mean, r.Latency.P99/1000, 100*float64(r.Cold)/n, 100*float64(r.Dropped)/n, r.WastedGBS/3600)
		}
		table.add(cells...)
	}
	l.table(table)
	return nil
}
