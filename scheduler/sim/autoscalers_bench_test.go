package sim_test

import (
	"context"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// BenchmarkAutoscalers replays the half hour of [BenchmarkRun] under the policies that decide at a
// clock of their own, beside native, with memory that is short and with enough of it.
func BenchmarkAutoscalers(b *testing.B) {
	tr := mixed(500, 30, 60_000, 1)
	for i := range tr.Functions {
		f := &tr.Functions[i]
		for k := range f.Execution.Value {
			f.Execution.Value[k] /= 16
		}
	}
	for _, c := range []struct {
		name     string
		memoryMB int
	}{{"memory=4GB", 4 << 10}, {"memory=16GB", 16 << 10}} {
		o := sim.DefaultOptions()
		o.Cluster.MemoryMB = c.memoryMB
		o.Window = datasets.Window{From: 0, To: 30}
		w, err := sim.Load(context.Background(), tr, o.Draw)
		if err != nil {
			b.Fatal(err)
		}
		for _, name := range []string{"native", "knative", "hotc", "icebreaker", "mpc", "femux", "spes"} {
			p := baseline(b, name)
			b.Run("policy="+name+"/"+c.name, func(b *testing.B) {
				var r *sim.Result
				began := cpuTime()
				for b.Loop() {
					if r, err = sim.Run(context.Background(), tr, w, p.New, o); err != nil {
						b.Fatal(err)
					}
				}
				n := float64(r.Requests)
				b.ReportMetric(n*float64(b.N)/(cpuTime()-began).Seconds(), "invocations/cpu-s")
				b.ReportMetric(100*float64(r.Cold)/n, "cold%")
				b.ReportMetric(100*float64(r.Dropped)/n, "dropped%")
			})
		}
	}
}
