package agent_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/agent"
)

// fixed has priorities by function and expects nothing.
type fixed []float64

func (p fixed) Priority(_ decide.Snapshot, f decide.FunctionID) float64 { return p[f] }
func (fixed) Expected(decide.FunctionID) float64                        { return 0 }

// A kind is a function of a toy trace.
type kind struct {
	execution, initialise time.Duration
	memoryMB              int64
	perMinute             float64
	priority              float64
}

// toy is a trace of the kinds over some minutes, with Poisson counts.
func toy(kinds []kind, minutes int) (*datasets.Trace, fixed) {
	t := &datasets.Trace{Name: "toy", Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Span: datasets.Window{To: minutes}}
	var p fixed
	rng := seed.Stream(5, "toy")
	day := &datasets.Counts{Offset: []int{0}}
	for i, k := range kinds {
		t.Functions = append(t.Functions, datasets.Function{
			ID: datasets.FunctionID(i), Owner: "o", App: string(rune('a' + i)), Name: "f", Memory: k.memoryMB << 20, CPU: 1,
			Execution: datasets.Constant(k.execution), Initialisation: datasets.Constant(k.initialise), Termination: datasets.Constant(k.initialise / 2),
		})
		p = append(p, k.priority)
		for m := range minutes {
			n := int64(0)
			for l := math.Exp(-k.perMinute); ; n++ {
				u := 1 - rng.Float64()
				if l /= u; l >= 1 { // Knuth: the product of uniforms falls below exp(-mean)
					break
				}
			}
			if n > 0 {
				day.Minute, day.Count = append(day.Minute, int32(m)), append(day.Count, n)
			}
		}
		day.Offset = append(day.Offset, len(day.Count))
	}
	t.Source = datasets.Memory{day}
	return t, p
}

// episode runs a toy on one invoker, with memory for the containers of slots functions
// of 128 MB and one request at a time per core.
func episode(t *datasets.Trace, p fixed, slots int, cores float64) agent.Episode {
	o := sim.DefaultOptions()
	o.Cluster = sim.Cluster{Invokers: 1, Cores: cores, MemoryMB: 128 * slots, Sharing: sim.PS}
	o.WarmupMinutes = 0
	return agent.Simulated(t, o, func(_ *datasets.Trace, _ []decide.Profile, dispatcher agent.NewDispatcher) (scheduler.Stack, error) {
		d, err := dispatcher(p)
		return scheduler.Stack{Name: "toy", Dispatcher: d, Pool: policy.Native(policy.NativeKeepAlive).Pool, Placer: policy.LeastLoaded{}, CPUShare: 1}, err
	})
}

func windows(n, length int) []datasets.Window {
	w := make([]datasets.Window, n)
	for i := range w {
		w[i] = datasets.Window{From: i * length, To: (i + 1) * length}
	}
	return w
}

func small() agent.Options {
	o := agent.DefaultOptions()
	o.Observation.Candidates, o.Hidden = 4, 32
	o.TotalTimesteps, o.Demonstrations, o.PretrainSteps = 4000, 500, 200
	o.FineTuneTimesteps = 1000
	return o
}

// one slot: a short function of high priority and a long one of low priority. Whoever
// takes them in order of arrival lets the short ones wait behind the long ones.
var shortAndLong = []kind{
	{200 * time.Millisecond, 100 * time.Millisecond, 128, 100, 1},
	{2 * time.Second, 100 * time.Millisecond, 128, 14, 0.1},
}

// TestLearnsTheToy: without any demonstration the agent beats FCFS and random by a
// quarter, under three seeds, in the weighted latency of windows that it has not seen.
func TestLearnsTheToy(t *testing.T) {
	trace, p := toy(shortAndLong, 120)
	e := episode(trace, p, 4, 1)
	w := windows(24, 5)
	for rnd := range uint64(3) {
		o := small()
		o.Seed = rnd + 1
		o.Demonstrations, o.StartE, o.LearningRate = 0, 1, 1e-3
		o.TotalTimesteps, o.Evaluations, o.JudgeSeeds = 2000, 3, 2
		net, curves, err := agent.Train(context.Background(), e, w[:18], o, nil)
		if err != nil {
			t.Fatal(err)
		}
		table, err := agent.Compare(context.Background(), e, w[18:], net, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []string{"fcfs", "random"} {
			if table.Agent > 0.75*table.Rules[r] {
				t.Errorf("seed %d: agent %.0f ms, %s %.0f ms: want at least a quarter less", o.Seed, table.Agent, r, table.Rules[r])
			}
		}
		t.Logf("seed %d: agent %.0f ms, rules %v, evaluations %.3f", o.Seed, table.Agent, table.Rules, curves.Eval)
	}
}
