package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// starts keeps when each request began to execute and was done.
type starts struct{ start, done map[uint64]decide.Time }

func (s *starts) Handled(decide.Snapshot, decide.Event, []decide.Decision) {}
func (s *starts) Finished(o sim.Outcome)                                   { s.start[o.Number], s.done[o.Number] = o.Start, o.Done }

// TestStartsShareTheCPU: two containers that start at once on one core, of which each can use
// all while it starts, take twice as long, and so does what they execute then.
func TestStartsShareTheCPU(t *testing.T) {
	tr := counts([]datasets.Function{
		function("a", 128, 1, 2*time.Second, time.Second, time.Second),
		function("b", 128, 1, 2*time.Second, time.Second, time.Second),
	}, [][]int{{1}, {1}})
	for _, c := range []struct {
		sharing     string
		startCPU    float64
		start, done [2]float64 // s
	}{
		{sim.PS, 0, [2]float64{1, 1}, [2]float64{5, 5}},
		{sim.PS, 0.5, [2]float64{1, 1}, [2]float64{5, 5}},
		{sim.PS, 1, [2]float64{2, 2}, [2]float64{6, 6}},
		// One after the other: the second start waits for the first, the first execution
		// for both, as they came before it.
		{sim.FIFO, 1, [2]float64{1, 2}, [2]float64{4, 6}},
		{sim.SRPT, 1, [2]float64{1, 2}, [2]float64{4, 6}},
	} {
		o := sim.DefaultOptions()
		o.Cluster = sim.Cluster{Invokers: 1, Cores: 1, MemoryMB: 1024, Sharing: c.sharing, StartCPU: c.startCPU}
		o.Arrivals, o.WarmupMinutes = sim.MinuteStart, 0
		rec := &starts{map[uint64]decide.Time{}, map[uint64]decide.Time{}}
		o.Observer = rec
		w, err := sim.Load(context.Background(), tr, o.Draw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sim.Run(context.Background(), tr, w, baseline(t, "native").New, o); err != nil {
			t.Fatal(err)
		}
		for n := range c.start {
			if start, done := rec.start[uint64(n)].Seconds(), rec.done[uint64(n)].Seconds(); start != c.start[n] || done != c.done[n] {
				t.Errorf("%s, start_cpu %g: request %d starts at %g s and is done at %g s, want %g and %g", c.sharing, c.startCPU, n, start, done, c.start[n], c.done[n])
			}
		}
	}
}

// TestStartCPUUnderAllPolicies: the books agree whatever shares the CPU, with containers of one
// request and of three, and starts that take CPU make nothing faster.
func TestStartCPUUnderAllPolicies(t *testing.T) {
	ctx, tr := context.Background(), mixed(12, 6, 900, 8)
	o := options(datasets.Window{From: 2, To: 6})
	w, err := sim.Load(ctx, tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all(t) {
		for _, concurrency := range []int{1, 3} {
			if p.Sharing != "" && concurrency > 1 {
				continue // these do not share the CPU of a container
			}
			o.Scheduler.Concurrency = concurrency
			o.Cluster.StartCPU = 1
			if _, err := sim.Run(ctx, tr, w, p.New, o); err != nil {
				t.Errorf("%s with %d requests a container: %v", p.Name, concurrency, err)
			}
		}
	}
	o.Scheduler.Concurrency = 1
	var mean [2]float64
	for i, cpu := range []float64{0, 1} {
		o.Cluster.StartCPU = cpu
		r, err := sim.Run(ctx, tr, w, baseline(t, "native").New, o)
		if err != nil {
			t.Fatal(err)
		}
		mean[i] = r.Latency.Mean
	}
	if mean[1] <= mean[0] {
		t.Errorf("mean latency of native is %g ms with starts that take a core, %g without", mean[1], mean[0])
	}
	o.Cluster.StartCPU = -1
	if err := o.Validate(); err == nil {
		t.Error("start_cpu -1 passes")
	}
}
