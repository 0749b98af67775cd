package sim_test

import (
	"context"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/index"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// forked is a run under an index, which the caller can clone.
func forked(t testing.TB, tr *datasets.Trace, w *sim.Workload, o sim.Options) (*sim.Player, *index.Index) {
	t.Helper()
	p, err := index.New(index.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	player, err := sim.Play(tr, w, func(*datasets.Trace, policy.Site) (policy.Stack, error) { return indexStack(p), nil }, o)
	if err != nil {
		t.Fatal(err)
	}
	return player, p
}

func indexStack(p *index.Index) policy.Stack {
	return policy.Stack{Name: policy.IndexName, Dispatcher: p, Pool: p, Placer: p}
}

// delay of p at its last event.
func delay(p *sim.Player) float64 {
	d, _ := p.Delay(p.Now())
	return d
}

// TestForksGoOnAsTheRun: a fork whose choices and future are those of the run does what the run
// does, event by event, and other forks change nothing in it. Starts take CPU, and memory is short.
func TestForksGoOnAsTheRun(t *testing.T) {
	tr := mixed(30, 6, 900, 3)
	o := sim.DefaultOptions()
	o.Cluster.Invokers, o.Cluster.Cores, o.Cluster.MemoryMB, o.Cluster.StartCPU = 2, 2, 2048, 0.5
	o.WarmupMinutes, o.Window = 1, datasets.Window{From: 1, To: 5}
	w, err := sim.Load(context.Background(), tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	other := o
	other.Seed = 99
	future, err := sim.Load(context.Background(), tr, other.Draw)
	if err != nil {
		t.Fatal(err)
	}
	twin, _ := forked(t, tr, w, o)
	run, p := forked(t, tr, w, o)
	var fork *sim.Player
	var at [2]float64
	forks := 0
	for step := 0; run.Next() < run.End(); step++ {
		if step%700 == 350 {
			fork = run.Fork(indexStack(p.Clone()))
			at = [2]float64{delay(run), delay(fork)}
			forks++
			stray := run.Fork(indexStack(p.Clone()))
			if err := stray.Redraw(future, uint64(step)); err != nil {
				t.Fatal(err)
			}
			if err := stray.Until(context.Background(), stray.Now()+10*decide.Second); err != nil {
				t.Fatal(err)
			}
			if got, same := delay(stray), at[1]; got == same {
				t.Errorf("step %d: no delay in ten seconds", step)
			}
		}
		for _, x := range []*sim.Player{run, twin, fork} {
			if x != nil {
				if err := x.Step(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if run.Now() != twin.Now() || run.Next() != twin.Next() || delay(run) != delay(twin) {
			t.Fatalf("step %d: at %d us, then %d; without forks at %d, then %d", step, run.Now(), run.Next(), twin.Now(), twin.Next())
		}
		if fork == nil {
			continue
		}
		if more, want := delay(fork)-at[1], delay(run)-at[0]; fork.Now() != run.Now() || fork.Next() != run.Next() || more < want-1 || more > want+1 {
			t.Fatalf("step %d: the fork is at %d us, then %d, %g us of delay; the run at %d, then %d, %g us", step, fork.Now(), fork.Next(), more, run.Now(), run.Next(), want)
		}
	}
	if forks < 3 {
		t.Errorf("%d forks", forks)
	}
}

// TestDelayIsOfLatencies: after all is done the delay is the sum of the latencies.
func TestDelayIsOfLatencies(t *testing.T) {
	tr := mixed(20, 3, 600, 4)
	o := sim.DefaultOptions()
	o.Cluster.Invokers, o.Cluster.Cores, o.Cluster.MemoryMB = 2, 2, 2048
	o.WarmupMinutes = 0
	w, err := sim.Load(context.Background(), tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	run, p := forked(t, tr, w, o)
	fork := run.Fork(indexStack(p.Clone()))
	if err := fork.Until(context.Background(), 60*decide.Minute); err != nil {
		t.Fatal(err)
	}
	r, err := sim.Run(context.Background(), tr, w, func(*datasets.Trace, policy.Site) (policy.Stack, error) {
		return policy.Indexed(index.DefaultOptions(), nil)
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	got, drops := fork.Delay(60 * decide.Minute)
	if want := float64(r.Latency.Mean) * float64(r.Requests) * 1000; got < 0.999*want || got > 1.001*want || drops != r.Dropped {
		t.Errorf("delay %g us and %d drops, latencies %g us and %d", got, drops, want, r.Dropped)
	}
}

func TestForksNeedAPlainRun(t *testing.T) {
	tr := mixed(5, 2, 60, 5)
	for name, change := range map[string]func(*sim.Options){
		"sharing":     func(o *sim.Options) { o.Cluster.Sharing = sim.SRPT },
		"concurrency": func(o *sim.Options) { o.Scheduler.Concurrency = 2 },
		"apps":        func(o *sim.Options) { o.Unit = sim.PerApp },
	} {
		o := sim.DefaultOptions()
		change(&o)
		w, err := sim.Load(context.Background(), tr, o.Draw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sim.Play(tr, w, func(*datasets.Trace, policy.Site) (policy.Stack, error) {
			return policy.Indexed(index.DefaultOptions(), nil)
		}, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
