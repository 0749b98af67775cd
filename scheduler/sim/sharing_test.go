package sim_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// TestEqualJobs: where all jobs are equal there is nobody to prefer, and ALPS runs them to
// completion in the order in which they came, as FIFO does. (Its penalty cuts the slices
// of a busy machine, so here it never does.)
func TestEqualJobs(t *testing.T) {
	f := function("f", 32, 1, 150*time.Millisecond, 100*time.Millisecond, time.Millisecond)
	rate := make([]int, 3)
	for i := range rate {
		rate[i] = 700 // of the 800 that two cores can do
	}
	tr := counts([]datasets.Function{f}, [][]int{rate})
	o := sim.DefaultOptions()
	o.Cluster = sim.Cluster{Invokers: 1, Cores: 2, MemoryMB: 1 << 16, Sharing: sim.PS}
	o.WarmupMinutes = 0
	latencies := func(spec string) []decide.Time {
		var got outcomes
		o.Observer = &got
		w, err := sim.Load(context.Background(), tr, o.Draw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sim.Run(context.Background(), tr, w, baseline(t, spec).New, o); err != nil {
			t.Fatal(err)
		}
		out := make([]decide.Time, len(got.all))
		for _, x := range got.all {
			if x.Arrival > 20*decide.Second { // the first rounds of learning are over
				out[x.Number] = x.Done
			}
		}
		return out
	}
	fifo := latencies("fifo")
	if alps := latencies("alps:theta=100"); !reflect.DeepEqual(alps, fifo) {
		t.Error("ALPS completes equal jobs at other times than FIFO")
	}
	if reflect.DeepEqual(latencies("native"), fifo) {
		t.Error("so does processor sharing: nothing was tested")
	}
}

// TestSlices: with slices that were learned before, ALPS serves the short function first
// from the first request on; without, it has to learn.
func TestSlices(t *testing.T) {
	long := function("long", 32, 1, 400*time.Millisecond, time.Millisecond, time.Millisecond)
	short := function("short", 32, 1, 20*time.Millisecond, time.Millisecond, time.Millisecond)
	tr := counts([]datasets.Function{long, short}, nil)
	tr.Span = datasets.Window{From: 0, To: 1}
	var invocations []datasets.Invocation
	for i := range time.Duration(8) {
		invocations = append(invocations, datasets.Invocation{Function: 0, Arrival: i * time.Millisecond, Duration: 400 * time.Millisecond})
	}
	invocations = append(invocations, datasets.Invocation{Function: 1, Arrival: 100 * time.Millisecond, Duration: 20 * time.Millisecond})
	o := sim.DefaultOptions()
	o.Cluster = sim.Cluster{Invokers: 1, Cores: 1, MemoryMB: 1 << 10, Sharing: sim.ALPS}
	o.WarmupMinutes = 0
	w, err := sim.Single(tr, invocations, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	latency := func() time.Duration {
		var got outcomes
		o.Observer = &got
		if _, err := sim.Run(context.Background(), tr, w, baseline(t, sim.Native).New, o); err != nil {
			t.Fatal(err)
		}
		for _, x := range got.all {
			if x.Function == 1 {
				return (x.Done - x.Arrival).Duration()
			}
		}
		t.Fatal("no outcome")
		return 0
	}
	learning := latency()
	stats := make([]alps.Stats, 2)
	stats[0].Add(400e3)
	stats[1].Add(20e3)
	if o.Slices, err = alps.Learned(tr.Functions, stats, alps.DefaultOptions()); err != nil {
		t.Fatal(err)
	}
	// The container, the rest of a slice of long's, and its own execution.
	if learned := latency(); learned > 41*time.Millisecond {
		t.Errorf("the latency is %v with slices, %v without", learned, learning)
	} else if learning < 2*learned {
		t.Errorf("the latency is %v with slices, and %v without: nothing was tested", learned, learning)
	}
}

func TestSharingOptions(t *testing.T) {
	bad := policy.DefaultSharing(sim.SFS)
	bad.SFS = policy.SFSOptions{Overload: -1}
	err := bad.Validate()
	for _, want := range []string{
		"sfs: initial slice must be positive, got 0 us", "sfs: floor of the slice must be positive", "sfs: window must be at least 1 arrival, got 0",
		"sfs: overload must not be negative, got -1",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	o := sim.DefaultOptions()
	o.Scheduler.Concurrency = 2
	tr := counts([]datasets.Function{function("f", 32, 1, time.Second, time.Second, time.Second)}, [][]int{{1}})
	w, err := sim.Load(context.Background(), tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sim.Run(context.Background(), tr, w, baseline(t, "sfs").New, o)
	if want := `simulate sfs: sim: concurrency is 2: the requests of a container share its CPU, which needs sharing ps, got "sfs"`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestMementoCost: the start costs of the trace are divided, and nothing else changes.
func TestMementoCost(t *testing.T) {
	tr := counts([]datasets.Function{function("f", 32, 1, time.Second, 580*time.Millisecond, 116*time.Millisecond)}, [][]int{{1}})
	s := sim.DefaultShape()
	s.StartCost = sim.MementoCost
	out, err := s.Apply(tr, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := tr.Functions[0]
	want.Initialisation, want.Termination = datasets.Constant(500*time.Millisecond), datasets.Constant(100*time.Millisecond)
	if !reflect.DeepEqual(out.Functions[0], want) {
		t.Errorf("the function is %+v, want %+v", out.Functions[0], want)
	}
	s.MementoSpeedup = 1.3
	if _, err := s.Apply(tr, 1); err == nil || !strings.Contains(err.Error(), "memento_speedup must be in [1.08, 1.28]") {
		t.Errorf("error is %v, want one about the published range", err)
	}
}
