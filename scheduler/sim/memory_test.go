package sim_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A generated source has every day anew, and holds none.
type generated struct {
	functions int
	perMinute int64 // of each function, in the minutes in which it is called: every fifth
}

func (g generated) Day(_ context.Context, day int) (*datasets.Counts, error) {
	c := &datasets.Counts{Day: day, Offset: []int{0}}
	for f := range g.functions {
		for m := f % 5; m < datasets.MinutesPerDay; m += 5 {
			c.Minute = append(c.Minute, int32(m))
			c.Count = append(c.Count, g.perMinute)
		}
		c.Offset = append(c.Offset, len(c.Minute))
	}
	return c, nil
}

// A heapWatch samples what lives on the heap while a run goes.
type heapWatch struct {
	events int
	most   uint64
}

func (h *heapWatch) Handled(decide.Snapshot, decide.Event, []decide.Decision) {
	if h.events++; h.events%50_000 == 0 {
		h.most = max(h.most, live())
	}
}

func (h *heapWatch) Finished(sim.Outcome) {}

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMemoryIsFlat: six times the days of a streamed trace need no more memory but for the
// series of the result, of which a minute has less than a hundred bytes. The requests
// alone would be 24 bytes each.
func TestMemoryIsFlat(t *testing.T) {
	tr := &datasets.Trace{Name: "long"}
	for range 25 {
		f := function("f", 128, 0.5, 20*time.Millisecond, 100*time.Millisecond, 50*time.Millisecond)
		f.ID = datasets.FunctionID(len(tr.Functions))
		tr.Functions = append(tr.Functions, f)
	}
	tr.Source = generated{len(tr.Functions), 8}
	const short, long = 1, 6 // days
	peak := func(days int) (uint64, int64) {
		tr.Span = datasets.Window{From: 0, To: days * datasets.MinutesPerDay}
		o := sim.DefaultOptions()
		var watch heapWatch
		o.Observer = &watch
		before := live()
		w, err := sim.Stream(context.Background(), tr, o.Draw)
		if err != nil {
			t.Fatal(err)
		}
		r, err := sim.Run(context.Background(), tr, w, baseline(t, "native").New, o)
		if err != nil {
			t.Fatal(err)
		}
		return watch.most - min(before, watch.most), r.Requests
	}
	few, requests := peak(short)
	many, more := peak(long)
	extra := more - requests
	if extra < 200_000 {
		t.Fatalf("%d and %d requests", requests, more)
	}
	const perMinute = 100
	if limit := few + perMinute*(long-short)*datasets.MinutesPerDay + 256<<10; many > limit {
		t.Errorf("%d bytes live with %d requests, %d with %d: at most %d", few, requests, many, more, limit)
	}
}

// million is a trace of so many functions with so many requests in ten minutes, most of
// them to few functions.
func million(functions, requests int) *datasets.Trace {
	const minutes = 10
	key := seed.Key(1, "million")
	tr := &datasets.Trace{Name: "million", Span: datasets.Window{From: 0, To: minutes}, Functions: make([]datasets.Function, functions)}
	c := &datasets.Counts{Offset: []int{0}}
	for i := range tr.Functions {
		f := function("f", int64(64*(1+i%6)), 0.25, 20*time.Millisecond, 300*time.Millisecond, 150*time.Millisecond)
		f.ID = datasets.FunctionID(i)
		tr.Functions[i] = f
		// One request in a minute of its own, and more for the first hundred.
		m := int(minutes * seed.Uniform(key, uint64(i)))
		if i >= 100 {
			c.Minute, c.Count = append(c.Minute, int32(m)), append(c.Count, 1)
		} else {
			for m := range minutes {
				c.Minute, c.Count = append(c.Minute, int32(m)), append(c.Count, int64((requests-functions)/100/minutes))
			}
		}
		c.Offset = append(c.Offset, len(c.Minute))
	}
	tr.Source = datasets.Memory{c}
	return tr
}

// BenchmarkFunctions replays three million requests to a thousand functions and to a
// million, a third of them to functions that are called once. B/function is all that a run
// allocates, the tables of the state that grow by doubling among it.
func BenchmarkFunctions(b *testing.B) {
	for _, c := range []struct {
		name      string
		functions int
	}{{"functions=1e3", 1_000}, {"functions=1e6", 1_000_000}} {
		tr := million(c.functions, 3_000_000)
		o := sim.DefaultOptions()
		o.Cluster.Invokers, o.Cluster.MemoryMB = 64, 64<<10
		w, err := sim.Load(context.Background(), tr, o.Draw)
		if err != nil {
			b.Fatal(err)
		}
		for _, name := range []string{"native", "faascache"} {
			b.Run(c.name+"/policy="+name, func(b *testing.B) {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				began := cpuTime()
				var r *sim.Result
				for b.Loop() {
					if r, err = sim.Run(context.Background(), tr, w, baseline(b, name).New, o); err != nil {
						b.Fatal(err)
					}
				}
				runtime.ReadMemStats(&after)
				n := float64(r.Requests)
				b.ReportMetric(n*float64(b.N)/(cpuTime()-began).Seconds(), "invocations/cpu-s")
				b.ReportMetric(100*float64(r.Cold)/n, "cold%")
				b.ReportMetric(100*float64(r.Dropped)/n, "dropped%")
				b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/float64(c.functions), "B/function")
			})
		}
	}
}
