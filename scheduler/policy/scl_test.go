package policy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// owners is a trace of one function per owner, without start costs.
func owners(n int) *datasets.Trace {
	tr := &datasets.Trace{Name: "owners", Span: datasets.Window{From: 0, To: 1}, Source: datasets.Memory{}}
	for i := range n {
		tr.Functions = append(tr.Functions, datasets.Function{
			ID: datasets.FunctionID(i), Owner: fmt.Sprint(i), App: "app", Name: "f", Memory: 128 << 20, CPU: 1, Execution: datasets.Constant(time.Second),
		})
	}
	return tr
}

// sclStarts records what starts when.
type sclStarts struct{ all []sim.Outcome }

func (*sclStarts) Handled(decide.Snapshot, decide.Event, []decide.Decision) {}
func (s *sclStarts) Finished(o sim.Outcome)                                 { s.all = append(s.all, o) }

func onOneCore(t interface{ Fatal(...any) }, tr *datasets.Trace, invocations []datasets.Invocation, spec string) []sim.Outcome {
	var got sclStarts
	o := sim.DefaultOptions()
	o.Cluster = sim.Cluster{Invokers: 1, Cores: 1, MemoryMB: 1 << 16, Sharing: sim.PS}
	o.Scheduler.Timeout = 100 * decide.Minute
	o.Observer = &got
	w, err := sim.Single(tr, invocations, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	p, err := sim.Baseline(spec, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Run(context.Background(), tr, w, p.New, o); err != nil {
		t.Fatal(err)
	}
	return got.all
}

// TestSCLShares: of what starts in a window, every tenant that has demand all the time gets at
// least its share less the longest request; and what each gets does not depend on how many
// requests it has, or on how long they are.
func TestSCLShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		n := rapid.IntRange(2, 5).Draw(t, "tenants")
		tr := owners(n)
		var invocations []datasets.Invocation
		longest := time.Duration(0)
		for i := range n {
			typical := time.Duration(1+rnd.IntN(40)) * 50 * time.Millisecond
			for left := 30 * time.Second; left > 0; { // enough for the window
				d := (typical/2 + time.Duration(rnd.Int64N(int64(typical)))).Truncate(time.Microsecond)
				longest = max(longest, d)
				left -= d
				invocations = append(invocations, datasets.Invocation{Function: datasets.FunctionID(i), Duration: d})
			}
		}
		rnd.Shuffle(len(invocations), func(i, k int) { invocations[i], invocations[k] = invocations[k], invocations[i] })
		var total time.Duration
		got := make([]time.Duration, n)
		for _, o := range onOneCore(t, tr, invocations, "scl:window_s=20") {
			if o.Start < 20*decide.Second {
				got[o.Function] += o.Work.Duration()
				total += o.Work.Duration()
			}
		}
		for i, d := range got {
			if least := total/time.Duration(n) - longest; d < least {
				t.Errorf("tenant %d of %d got %v of %v, and its requests are no longer than %v", i, n, d, total, longest)
			}
		}
	})
}

// TestSCLJain: four owners want the CPU for 24 s and more, and the one that comes first wants most.
// In the order of arrival it has all of the first 24 s, and Jain's index over what the owners got
// is 1/4; under scl they get 6 s each, and it is 1.
func TestSCLJain(t *testing.T) {
	tr := owners(4)
	var invocations []datasets.Invocation
	for i, n := range []int{40, 8, 8, 8} {
		for k := range n {
			invocations = append(invocations, datasets.Invocation{
				Function: datasets.FunctionID(i), Arrival: time.Duration(10*i+k/10) * time.Millisecond, Duration: time.Second,
			})
		}
	}
	jain := func(spec string) float64 {
		var got [4]float64
		for _, o := range onOneCore(t, tr, invocations, spec) {
			if o.Done <= 24*decide.Second {
				got[o.Function] += o.Work.Seconds()
			}
		}
		var sum, squares float64
		for _, x := range got {
			sum += x
			squares += x * x
		}
		return sum * sum / (4 * squares)
	}
	if order := jain("fifo"); order != 0.25 {
		t.Errorf("in the order of arrival Jain's index is %.3f, want 0.25", order)
	}
	if fair := jain("scl"); fair != 1 {
		t.Errorf("Jain's index is %.3f, want 1", fair)
	}
}
