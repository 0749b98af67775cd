package sim_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// BenchmarkRun replays half an hour of 500 functions, held in memory, at three sizes of
// memory. Cold share and drops stand beside the rate: with little memory requests
// queue, with more they start cold and evict one another, with enough they are warm.
func BenchmarkRun(b *testing.B) {
	tr := halfLoaded(30)
	for _, c := range []struct {
		name     string
		memoryMB int
	}{{"memory=4GB", 4 << 10}, {"memory=16GB", 16 << 10}, {"memory=128GB", 128 << 10}} {
		o := sim.DefaultOptions()
		o.Cluster.MemoryMB = c.memoryMB
		o.Window = datasets.Window{From: 0, To: 30}
		w, err := sim.Load(context.Background(), tr, o.Draw)
		if err != nil {
			b.Fatal(err)
		}
		for _, name := range []string{"native", "faascache", "histogram", "lass", "esff"} {
			b.Run("policy="+name+"/"+c.name, func(b *testing.B) { replay(b, tr, w, name, o) })
		}
	}
}

// BenchmarkOverload replays a minute of the same with memory for a fraction of the
// functions, under every policy: hundreds of functions have requests that wait, and their
// mean number over the minute stands beside the rate.
func BenchmarkOverload(b *testing.B) {
	tr := halfLoaded(30)
	o := sim.DefaultOptions()
	o.Cluster.MemoryMB = 4 << 10
	o.Window = datasets.Window{From: 0, To: 1}
	w, err := sim.Load(context.Background(), tr, o.Draw)
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range scheduler.Baselines() {
		b.Run("policy="+row.Name, func(b *testing.B) {
			r := replay(b, tr, w, row.Name, o)
			b.ReportMetric(r.Waiting[0], "waiting")
		})
	}
}

// halfLoaded is a trace of 500 functions, 60,000 requests a minute and, in the mean, a load
// of about a half on the default cluster.
func halfLoaded(minutes int) *datasets.Trace {
	tr := mixed(500, minutes, 60_000, 1)
	for i := range tr.Functions {
		f := &tr.Functions[i]
		for k := range f.Execution.Value {
			f.Execution.Value[k] /= 16
		}
	}
	return tr
}

// replay measures runs of w under the policy of that name.
func replay(b *testing.B, tr *datasets.Trace, w *sim.Workload, name string, o sim.Options) *sim.Result {
	b.ReportAllocs()
	p := baseline(b, name)
	var r *sim.Result
	var err error
	began := cpuTime()
	for b.Loop() {
		if r, err = sim.Run(context.Background(), tr, w, p.New, o); err != nil {
			b.Fatal(err)
		}
	}
	n := float64(r.Requests)
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "invocations/s")
	b.ReportMetric(n*float64(b.N)/(cpuTime()-began).Seconds(), "invocations/cpu-s")
	b.ReportMetric(100*float64(r.Cold)/n, "cold%")
	b.ReportMetric(100*float64(r.Dropped)/n, "dropped%")
	return r
}

// BenchmarkSharing replays ten minutes of 100 functions on machines that are nearly busy
// under the disciplines of sharing their CPUs.
func BenchmarkSharing(b *testing.B) {
	tr := mixed(100, 10, 12_000, 1)
	o := sim.DefaultOptions()
	o.Cluster.MemoryMB = 64 << 10
	o.WarmupMinutes = 0
	w, err := sim.Load(context.Background(), tr, o.Draw)
	if err != nil {
		b.Fatal(err)
	}
	for _, sharing := range []string{sim.PS, sim.FIFO, sim.SRPT, sim.SFS, sim.ALPS} {
		o.Cluster.Sharing = sharing
		b.Run(sharing, func(b *testing.B) {
			b.ReportAllocs()
			var r *sim.Result
			began := cpuTime()
			for b.Loop() {
				if r, err = sim.Run(context.Background(), tr, w, baseline(b, sim.Native).New, o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(r.Requests)*float64(b.N)/(cpuTime()-began).Seconds(), "invocations/cpu-s")
			b.ReportMetric(r.Latency.Mean, "ms-mean")
		})
	}
}

// cpuTime is what this process has used of the CPUs: on a machine that others use too,
// it says more than the clock on the wall.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
