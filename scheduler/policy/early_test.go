package policy_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A bindings observer knows which invoker each request was given to, where memory never
// makes one wait, and what every invoker had to do just before.
type bindings struct {
	sim.Observer
	cpu   []float64 // of the functions
	load  []float64 // by invoker: CPU of the requests that it was given and has not done
	idle  map[[2]int]int
	given map[decide.RequestID]decide.InvokerID
	check func(o *bindings, f decide.FunctionID, i decide.InvokerID)
}

func (o *bindings) Finished(out sim.Outcome) { o.load[o.given[out.Request]] -= o.cpu[out.Function] }

func (o *bindings) Handled(s decide.Snapshot, ev decide.Event, decisions []decide.Decision) {
	for _, d := range decisions {
		if ev.Kind == decide.Arrival && d.Request == ev.Request {
			o.check(o, ev.Function, d.Invoker)
			o.given[d.Request] = d.Invoker
			o.load[d.Invoker] += o.cpu[d.Function]
		}
	}
	clear(o.idle)
	for f := range decide.FunctionID(s.Functions()) {
		for c := s.FirstWarm(f); c != decide.None; c = s.NextWarm(c) {
			o.idle[[2]int{int(f), int(s.Invoker(c))}]++
		}
	}
}

const rounding = 1e-9 // of sums of CPU

// A workload that was drawn, with memory for all.
type drawnWorkload struct {
	trace       *datasets.Trace
	invocations []datasets.Invocation
	options     sim.Options
}

// drawn draws a workload of functions that can use one to most times the given CPU.
func drawn(t *rapid.T, cpu float64, most int) drawnWorkload {
	w := drawnWorkload{trace: &datasets.Trace{Name: "drawn", Span: datasets.Window{From: 0, To: 4}}, options: sim.DefaultOptions()}
	w.options.Cluster = sim.Cluster{Invokers: rapid.IntRange(1, 5).Draw(t, "invokers"), Cores: cores, MemoryMB: 1 << 20, Sharing: sim.PS}
	for i := range rapid.IntRange(1, 6).Draw(t, "functions") {
		d := time.Duration(rapid.IntRange(10, 800).Draw(t, "initialisation")) * time.Millisecond
		w.trace.Functions = append(w.trace.Functions, datasets.Function{
			ID: datasets.FunctionID(i), App: fmt.Sprint(i), Memory: 1 << 20, CPU: cpu * float64(rapid.IntRange(1, most).Draw(t, "cpus")),
			Execution: datasets.Constant(time.Second), Initialisation: datasets.Constant(d), Termination: datasets.Constant(d / 2),
		})
	}
	at := time.Duration(0)
	for range rapid.IntRange(1, 120).Draw(t, "requests") {
		at += time.Duration(rapid.IntRange(0, 1500).Draw(t, "gap")) * time.Millisecond
		w.invocations = append(w.invocations, datasets.Invocation{
			Function: datasets.FunctionID(rapid.IntRange(0, len(w.trace.Functions)-1).Draw(t, "function")),
			Arrival:  at, Duration: time.Duration(rapid.IntRange(1, 10000).Draw(t, "work")) * time.Millisecond,
		})
	}
	return w
}

const cores = 2 // of an invoker

// replay replays w under a stack, with an observer.
func replay(t *rapid.T, w drawnWorkload, stack func([]decide.Profile, []decide.InvokerSpec) policy.Stack, cpuShare float64, o sim.Observer) *sim.Result {
	w.options.Observer = o
	load, err := sim.Single(w.trace, w.invocations, w.options.Draw)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sim.Run(context.Background(), w.trace, load, func(_ *datasets.Trace, site policy.Site) (scheduler.Stack, error) {
		x := stack(site.Profiles, site.Invokers)
		return scheduler.Stack{Name: "drawn", Dispatcher: x.Dispatcher, Pool: x.Pool, Placer: x.Placer, CPUShare: cpuShare}, nil
	}, w.options)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// watch replays a drawn workload under a stack that binds requests, and checks every binding.
func watch(t *rapid.T, stack func([]decide.Profile, []decide.InvokerSpec) policy.Stack, check func(*bindings, decide.FunctionID, decide.InvokerID)) {
	w := drawn(t, 0.25, 6)
	seen := &bindings{load: make([]float64, w.options.Cluster.Invokers), idle: make(map[[2]int]int), given: make(map[decide.RequestID]decide.InvokerID), check: check}
	for i := range w.trace.Functions {
		seen.cpu = append(seen.cpu, w.trace.Functions[i].CPU)
	}
	if r := replay(t, w, stack, 0, seen); r.Warm+r.Cold != r.Requests {
		t.Fatalf("requests waited or were dropped with memory for all: %+v", r)
	}
}

// TestHermodPacksThenSpreads: as long as an invoker has CPU to spare none that has not gets a
// request; none that is empty gets one while another that is not could have it; a
// container is used where there is one; and at high load the least loaded invoker gets it.
func TestHermodPacksThenSpreads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		watch(t, func([]decide.Profile, []decide.InvokerSpec) policy.Stack {
			return policy.Hermod(policy.DefaultHermodOptions())
		}, func(o *bindings, f decide.FunctionID, i decide.InvokerID) {
			for j, load := range o.load {
				switch {
				case o.load[i] >= cores-rounding && load < o.load[i]-rounding:
					t.Fatalf("invoker %d with %g gets a request, %d has %g", i, o.load[i], j, load)
				case o.load[i] < rounding && load > rounding && load < cores-rounding:
					t.Fatalf("the empty invoker %d gets a request, %d has %g", i, j, load)
				case load > rounding && load < cores-rounding && o.idle[[2]int{int(f), j}] > 0 && o.idle[[2]int{int(f), int(i)}] == 0:
					t.Fatalf("invoker %d without a container gets a request, %d with %g has one", i, j, load)
				}
			}
		})
	})
}

// TestCHRLUIsBounded: no invoker is loaded beyond the bound while another could stay below.
func TestCHRLUIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := policy.DefaultCHRLUOptions()
		opts.Bound = rapid.Float64Range(0.5, 2).Draw(t, "bound")
		opts.Popular = rapid.Float64Range(0, 1).Draw(t, "popular")
		watch(t, func(p []decide.Profile, i []decide.InvokerSpec) policy.Stack { return policy.CHRLU(p, i, opts, 1) },
			func(o *bindings, f decide.FunctionID, i decide.InvokerID) {
				if (o.load[i]+o.cpu[f])/cores <= opts.Bound+rounding {
					return
				}
				for j, load := range o.load {
					if (load+o.cpu[f])/cores < opts.Bound-rounding {
						t.Fatalf("invoker %d comes to %g, %d would to %g, the bound is %g", i, (o.load[i]+o.cpu[f])/cores, j, (load+o.cpu[f])/cores, opts.Bound)
					}
				}
			})
	})
}
