package sim_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// TestNoAllocationPerEvent: ten minutes more of a steady stream, 20,000 requests and
// twice as many events, allocate next to nothing more.
func TestNoAllocationPerEvent(t *testing.T) {
	tr := mixed(50, 20, 2000, 3)
	o := sim.DefaultOptions()
	for _, name := range []string{"native", "faascache"} {
		allocations := func(minutes int) (float64, int64) {
			o.Window = datasets.Window{From: 0, To: minutes}
			w, err := sim.Load(context.Background(), tr, o.Draw)
			if err != nil {
				t.Fatal(err)
			}
			return testing.AllocsPerRun(3, func() {
				if _, err := sim.Run(context.Background(), tr, w, baseline(t, name).New, o); err != nil {
					t.Fatal(err)
				}
			}), w.Requests()
		}
		short, few := allocations(10)
		long, many := allocations(20)
		if many < few+15_000 {
			t.Fatalf("%d and %d requests", few, many)
		}
		// What still grows are tables whose peak is later, by doubling.
		if long > short+30 {
			t.Errorf("%s: %g allocations for %d requests, %g for %d", name, short, few, long, many)
		}
	}
}

// TestOverload: twenty times what the cluster can do, for ever. The time-out bounds the
// queue, every request has an outcome, and the run ends.
func TestOverload(t *testing.T) {
	tr := counts([]datasets.Function{function("f", 128, 1, 2*time.Second, time.Second, time.Second)}, [][]int{{600, 600, 600}})
	o := options(datasets.Window{})
	o.Cluster = sim.Cluster{Invokers: 1, Cores: 1, MemoryMB: 256, Sharing: sim.PS}
	o.Scheduler.Timeout = 5 * decide.Second
	rep, err := sim.Compare(context.Background(), tr, []sim.Contender{baseline(t, "native")}, o, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := rep.Results[0]
	if r.Dropped < 1600 || r.Warm+r.Cold+r.DelayedWarm+r.Dropped != 1800 {
		t.Errorf("%d of 1800 requests dropped, %d warm, %d cold, %d delayed", r.Dropped, r.Warm, r.Cold, r.DelayedWarm)
	}
	for m, n := range r.Waiting {
		if n > 51 { // 10 a second for 5 s, and what is about to start
			t.Errorf("minute %d: %g requests wait", m, n)
		}
	}
	o.Scheduler.QueueLimit = 3
	if rep, err = sim.Compare(context.Background(), tr, []sim.Contender{baseline(t, "native")}, o, 1); err != nil {
		t.Fatal(err)
	}
	for m, n := range rep.Results[0].Waiting {
		if n > 3 {
			t.Errorf("minute %d: %g requests wait, the limit is 3", m, n)
		}
	}
}

// TestPoissonCounts: the counts of the trace are the means of those that are drawn, and
// every seed draws others.
func TestPoissonCounts(t *testing.T) {
	tr := counts([]datasets.Function{function("f", 128, 1, 0, 0, 0)}, [][]int{{900, 900, 900, 900}})
	o := options(datasets.Window{})
	o.Arrivals = sim.Poisson
	o.ScaleArrivals = 0.5
	seen := make(map[int64]bool)
	for range 5 {
		w, err := sim.Load(context.Background(), tr, o.Draw)
		if err != nil {
			t.Fatal(err)
		}
		seen[w.Requests()] = true
		if n := w.Requests(); n < 1800-4*43 || n > 1800+4*43 { // four standard deviations
			t.Errorf("%d requests, want about 1800", n)
		}
		o.Seed++
	}
	if len(seen) < 3 {
		t.Errorf("five seeds draw %d different numbers", len(seen))
	}
}

// deflating gives every container half of its CPU at 1.5 s, and all of it at 2.5 s.
type deflating struct {
	decide.Pool
	step int
	todo []decide.Adjustment
}

func (p *deflating) Wake() decide.Time {
	return []decide.Time{1500 * decide.Millisecond, 2500 * decide.Millisecond, decide.Forever}[p.step]
}

func (p *deflating) Observe(s decide.Snapshot, ev decide.Event) {
	if ev.Kind != decide.Tick || ev.At < p.Wake() {
		return
	}
	for c := range decide.ContainerID(s.Containers()) {
		p.todo = append(p.todo, decide.Adjustment{Kind: decide.Deflate, Container: c, Share: []float64{0.5, 1}[p.step]})
	}
	p.step++
}

func (p *deflating) Adjust(decide.Snapshot) (decide.Adjustment, bool) {
	if len(p.todo) == 0 {
		return decide.Adjustment{}, false
	}
	a := p.todo[0]
	p.todo = p.todo[1:]
	return a, true
}

// TestDeflation: a request of 2 s starts at 1 s and has half of its CPU from 1.5 s to
// 2.5 s. It does 0.5 s of work, then 0.5 s in 1 s, and the last 1 s by 3.5 s. With a slack
// of 0.2, half of the CPU gives 0.5/0.8 of the speed: 0.625 s in that second, and it is done
// at 3.375 s. FIFO lets it keep what it began with, until 3 s.
func TestDeflation(t *testing.T) {
	for _, c := range []struct {
		sharing string
		slack   float64
		done    decide.Time
	}{
		{sim.PS, 0, 3500 * decide.Millisecond},
		{sim.SRPT, 0, 3500 * decide.Millisecond},
		{sim.PS, 0.2, 3375 * decide.Millisecond},
		{sim.FIFO, 0, 3 * decide.Second},
	} {
		tr := counts([]datasets.Function{function("f", 128, 1, 0, time.Second, 0)}, nil)
		tr.Span.To = 1
		o := options(datasets.Window{})
		o.Cluster.Sharing, o.Cluster.CPUSlack = c.sharing, c.slack
		var got outcomes
		o.Observer = &got
		w, err := sim.Single(tr, []datasets.Invocation{{Duration: 2 * time.Second}}, o.Draw)
		if err != nil {
			t.Fatal(err)
		}
		build, err := scheduler.Baseline("native", 1)
		if err != nil {
			t.Fatal(err)
		}
		_, err = sim.Run(context.Background(), tr, w, func(_ *datasets.Trace, site policy.Site) (scheduler.Stack, error) {
			s, err := build(site)
			s.Pool = &deflating{Pool: s.Pool}
			return s, err
		}, o)
		if err != nil || len(got.all) != 1 {
			t.Fatal(err, got.all)
		}
		// Work left is rounded up to its unit, and a completion to a microsecond.
		if d := got.all[0].Done - c.done; d < 0 || d > 1 {
			t.Errorf("%s with slack %g: done at %d us, want %d", c.sharing, c.slack, got.all[0].Done, c.done)
		}
	}
}

// TestNothingMeasured: a trace without durations is one of durations 0; one without
// memory, and one whose application fits no invoker, are refused by name.
func TestNothingMeasured(t *testing.T) {
	o := options(datasets.Window{})
	bare := datasets.Function{Owner: "o", App: "a", Name: "f", Memory: 600 * mb, CPU: 1}
	tr := counts([]datasets.Function{bare, bare}, [][]int{{3}, {2}})
	rep, err := sim.Compare(context.Background(), tr, []sim.Contender{baseline(t, "native")}, o, 1)
	if err != nil || rep.Requests != 5 {
		t.Fatalf("no durations: %v", err)
	}
	o.Unit = sim.PerApp
	if _, err := sim.Compare(context.Background(), tr, []sim.Contender{baseline(t, "native")}, o, 1); err == nil || errors.Is(err, sim.ErrInvariant) {
		t.Errorf("an application of 1200 MB on invokers of 1024: %v", err)
	}
	tr.Functions[1].Memory = 0
	o.Unit = sim.PerFunction
	if _, err := sim.Compare(context.Background(), tr, []sim.Contender{baseline(t, "native")}, o, 1); err == nil {
		t.Error("no memory: no error")
	}
}
