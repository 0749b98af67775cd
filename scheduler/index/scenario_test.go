package index_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// alike is a trace of n equal functions, each invoked perMinute times a minute.
func alike(n, minutes, perMinute int, execution, initialisation time.Duration, memoryMB int64) *datasets.Trace {
	tr := &datasets.Trace{Name: "alike", Span: datasets.Window{From: 0, To: minutes}}
	c := &datasets.Counts{Offset: []int{0}}
	for f := range n {
		tr.Functions = append(tr.Functions, datasets.Function{
			ID: datasets.FunctionID(f), Owner: "o", App: fmt.Sprint("a", f), Name: "f", Memory: memoryMB * mb, CPU: 1,
			Execution: datasets.Constant(execution), Initialisation: datasets.Constant(initialisation), Termination: datasets.Constant(100 * time.Millisecond),
		})
		for m := range minutes {
			c.Minute, c.Count = append(c.Minute, int32(m)), append(c.Count, int64(perMinute))
		}
		c.Offset = append(c.Offset, len(c.Minute))
	}
	tr.Source = datasets.Memory{c}
	return tr
}

// TestTrafficThatNobodyLearned: functions that are all alike, where nothing but affinity for what
// is warm helps: no more drops than native and no higher mean, with memory for half of the
// functions and for all.
func TestTrafficThatNobodyLearned(t *testing.T) {
	for _, c := range []struct {
		name     string
		memoryMB int
		rate     int
	}{{"memory for half of them", 4096, 62}, {"memory for all", 16384, 62}, {"little memory, few requests", 2048, 6}} {
		tr := alike(240, 4, c.rate, 100*time.Millisecond, time.Second, 128)
		o := sim.DefaultOptions()
		o.Cluster.Invokers, o.Cluster.MemoryMB, o.WarmupMinutes = 4, c.memoryMB, 2
		o.Window = datasets.Window{From: 2, To: 4}
		w, err := sim.Load(context.Background(), tr, o.Draw)
		if err != nil {
			t.Fatal(err)
		}
		var r [2]*sim.Result
		for i, name := range []string{sim.Native, policy.IndexName} {
			p, err := sim.Baseline(name, 1)
			if err != nil {
				t.Fatal(err)
			}
			if r[i], err = sim.Run(context.Background(), tr, w, p.New, o); err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %s mean %.0f ms, cold %d, dropped %d of %d", c.name, name, r[i].Latency.Mean, r[i].Cold, r[i].Dropped, r[i].Requests)
		}
		if r[1].Dropped > r[0].Dropped || r[1].Latency.Mean > 1.03*r[0].Latency.Mean {
			t.Errorf("%s: mean %.0f ms and %d dropped, native %.0f ms and %d", c.name, r[1].Latency.Mean, r[1].Dropped, r[0].Latency.Mean, r[0].Dropped)
		}
	}
}
