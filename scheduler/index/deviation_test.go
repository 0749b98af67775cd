package index_test

import (
	"context"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/index"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A lister is an index that lists its options at the first question of an event.
type lister struct {
	*index.Index
	asked   bool
	options []index.Alternative
}

func (x *lister) Observe(s decide.Snapshot, ev decide.Event) {
	x.Index.Observe(s, ev)
	x.asked = false
}

func (x *lister) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if !x.asked {
		x.asked, x.options = true, x.Alternatives(s, nil)
	}
	return x.Index.Next(s, ev)
}

// TestAlternativesAreTaken: every kind of option is found in a world that is short of memory and
// of CPU, and a deviation does what the option says, once; one that takes nothing is the index.
func TestAlternativesAreTaken(t *testing.T) {
	tr := alike(40, 4, 40, 300*time.Millisecond, time.Second, 128)
	for f := range tr.Functions {
		if f%10 == 0 { // long ones
			tr.Functions[f].Execution = datasets.Constant(20 * time.Second)
		}
	}
	o := sim.DefaultOptions()
	o.Cluster.Invokers, o.Cluster.Cores, o.Cluster.MemoryMB, o.WarmupMinutes = 3, 4, 1536, 0
	w, err := sim.Load(context.Background(), tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	p, err := index.New(index.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	x := &lister{Index: p}
	run, err := sim.Play(tr, w, func(*datasets.Trace, policy.Site) (policy.Stack, error) {
		return policy.Stack{Dispatcher: x, Pool: x, Placer: x}, nil
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	fork := func(player *sim.Player, p *index.Index, take *index.Alternative) *sim.Player {
		d := index.Deviate(p.Clone(), take)
		f := player.Fork(policy.Stack{Dispatcher: d, Pool: d, Placer: d})
		if err := f.Step(); err != nil {
			t.Fatal(err)
		}
		return f
	}
	var tried [index.Kinds]int
	for step := 0; run.Next() < run.End(); step++ {
		if step%31 != 0 {
			if err := run.Step(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		// What the options are shows after the event, so the forks are of before it.
		before, at := run.Fork(policy.Stack{Dispatcher: p, Pool: p, Placer: p}), p.Clone()
		same := fork(run, p, nil)
		x.asked, x.options = true, nil
		if err := run.Step(); err != nil {
			t.Fatal(err)
		}
		if same.Next() != run.Next() || same.Snapshot().WaitingAll() != run.Snapshot().WaitingAll() {
			t.Fatalf("step %d: without an option it is not the index", step)
		}
		for _, a := range x.options {
			f := fork(before, at, &a)
			tried[a.Kind]++
			s := f.Snapshot()
			switch a.Kind {
			case index.HoldWarm, index.HoldCold:
				if !s.IsWaiting(a.Start.Request) {
					t.Fatalf("step %d: %v: request %d does not wait", step, a.Kind, a.Start.Request)
				}
			case index.OtherVictim:
				if s.Status(a.Victim) == decide.Idle {
					t.Fatalf("step %d: container %d is still idle", step, a.Victim)
				}
			default:
				c := s.In(a.Start.Request)
				if c == decide.None || s.Invoker(c) != a.Invoker || a.Start.Container != decide.None && c != a.Start.Container {
					t.Fatalf("step %d: %v: request %d is in container %d, want one on invoker %d (%+v)", step, a.Kind, a.Start.Request, c, a.Invoker, a.Start)
				}
			}
			if err := f.Until(context.Background(), f.Now()+decide.Second); err != nil {
				t.Fatalf("after %v: %v", a.Kind, err)
			}
		}
	}
	for k, n := range tried {
		if n == 0 {
			t.Errorf("no option: %v", index.Kind(k))
		}
	}
}
