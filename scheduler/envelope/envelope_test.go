package envelope_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/envelope"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// trace has n functions, each invoked so many times in each minute.
func trace(n int, perMinute []int, execution, initialisation time.Duration) *datasets.Trace {
	tr := &datasets.Trace{Name: "t", Span: datasets.Window{From: 0, To: len(perMinute)}}
	c := &datasets.Counts{Offset: []int{0}}
	for f := range n {
		tr.Functions = append(tr.Functions, datasets.Function{
			ID: datasets.FunctionID(f), Owner: "o", App: fmt.Sprint("a", f), Name: "f", Memory: 128 << 20, CPU: 1,
			Execution: datasets.Constant(execution), Initialisation: datasets.Constant(initialisation), Termination: datasets.Constant(100 * time.Millisecond),
		})
		for m, k := range perMinute {
			c.Minute, c.Count = append(c.Minute, int32(m)), append(c.Count, int64(k))
		}
		c.Offset = append(c.Offset, len(c.Minute))
	}
	tr.Source = datasets.Memory{c}
	return tr
}

// sleepy starts nothing between two times: it stands for a stack that meets traffic that it did
// not learn.
type sleepy struct {
	decide.Dispatcher
	from, to decide.Time
}

func (d sleepy) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if now := s.Now(); now >= d.from && now < d.to {
		return decide.Start{}, false
	}
	return d.Dispatcher.Next(s, ev)
}

func native() envelope.Choices {
	p := policy.Native(policy.NativeKeepAlive)
	return envelope.Choices{Dispatcher: p.Dispatcher, Pool: p.Pool, Placer: p.Placer}
}

// run replays t under inner in an envelope, or under inner alone.
func run(t *testing.T, tr *datasets.Trace, inner envelope.Choices, o *envelope.Options) (*sim.Result, *envelope.Envelope) {
	t.Helper()
	so := sim.DefaultOptions()
	so.Cluster.Invokers, so.Cluster.Cores, so.Cluster.MemoryMB, so.WarmupMinutes = 2, 4, 1024, 0
	w, err := sim.Load(context.Background(), tr, so.Draw)
	if err != nil {
		t.Fatal(err)
	}
	var e *envelope.Envelope
	r, err := sim.Run(context.Background(), tr, w, func(*datasets.Trace, policy.Site) (scheduler.Stack, error) {
		if o == nil {
			return scheduler.Stack{Name: "alone", Dispatcher: inner.Dispatcher, Pool: inner.Pool, Placer: inner.Placer}, nil
		}
		var err error
		e, err = envelope.New(inner, native(), *o)
		return scheduler.Stack{Name: "wrapped", Dispatcher: e, Pool: e, Placer: e}, err
	}, so)
	if err != nil {
		t.Fatal(err)
	}
	return r, e
}

// TestFallsBack: a stack that does nothing from the third minute on drops most requests alone; in
// the envelope native takes over after two windows, and the platform comes back to it for a
// window now and then.
func TestFallsBack(t *testing.T) {
	tr := trace(8, []int{60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60}, 200*time.Millisecond, time.Second)
	inner := native()
	inner.Dispatcher = sleepy{inner.Dispatcher, 3 * decide.Minute, decide.Forever}
	alone, _ := run(t, tr, inner, nil)
	o := envelope.DefaultOptions()
	o.Window, o.Hold = 10, 6
	wrapped, e := run(t, tr, inner, &o)
	s := e.Status()
	if alone.Dropped < 4000 || wrapped.Dropped > alone.Dropped/100 {
		t.Errorf("%d dropped alone, %d in the envelope", alone.Dropped, wrapped.Dropped)
	}
	if s.Fallbacks < 2 || s.ColdStart == 0 || s.Dropped != 0 {
		t.Errorf("status %+v: want it to have come back at least once", s)
	}
}

// TestComesBack: a stack that is bad for a minute and good after it has the platform at the end.
func TestComesBack(t *testing.T) {
	tr := trace(8, []int{60, 60, 60, 60, 60, 60, 60, 60, 60, 60}, 200*time.Millisecond, time.Second)
	inner := native()
	inner.Dispatcher = sleepy{inner.Dispatcher, 3 * decide.Minute, 4 * decide.Minute}
	o := envelope.DefaultOptions()
	o.Window, o.Hold = 10, 6
	if _, e := run(t, tr, inner, &o); e.Status().Fallback || e.Status().Fallbacks != 1 {
		t.Errorf("status %+v", e.Status())
	}
}

// TestNativeIsWithin: native itself is never called in, at little load, at much and at too
// much, and nothing is another than without the envelope.
func TestNativeIsWithin(t *testing.T) {
	for _, rate := range []int{10, 60, 150, 300, 500} {
		tr := trace(12, []int{rate, rate / 2, rate, rate * 2, rate, rate}, 200*time.Millisecond, time.Second)
		alone, _ := run(t, tr, native(), nil)
		o := envelope.DefaultOptions()
		o.Windows = 1
		wrapped, e := run(t, tr, native(), &o)
		if s := e.Status(); s.Fallbacks != 0 {
			t.Errorf("rate %d: status %+v", rate, s)
		}
		if alone.Latency.Mean != wrapped.Latency.Mean || alone.Dropped != wrapped.Dropped || alone.Cold != wrapped.Cold {
			t.Errorf("rate %d: mean %g ms and %d dropped in the envelope, %g and %d without", rate, wrapped.Latency.Mean, wrapped.Dropped, alone.Latency.Mean, alone.Dropped)
		}
	}
}

// deflated takes CPU from everything that executes.
type deflated struct {
	decide.Pool
	next decide.ContainerID
}

func (p *deflated) Observe(s decide.Snapshot, ev decide.Event) {
	p.Pool.Observe(s, ev)
	if ev.Kind == decide.Tick {
		p.next = 0
	}
}

func (p *deflated) Adjust(s decide.Snapshot) (decide.Adjustment, bool) {
	for ; int(p.next) < s.Containers(); p.next++ {
		if s.Status(p.next) == decide.Busy {
			p.next++
			return decide.Adjustment{Kind: decide.Deflate, Container: p.next - 1, Share: 0.02}, true
		}
	}
	return decide.Adjustment{}, false
}

// TestGivesBackWhatWasDeflated: native, once it is called in, gives containers their CPU back.
func TestGivesBackWhatWasDeflated(t *testing.T) {
	tr := trace(8, []int{40, 40, 40, 40, 40, 40}, 500*time.Millisecond, time.Second)
	inner := native()
	ticking := &ticks{deflated: deflated{Pool: inner.Pool}}
	inner.Pool = ticking
	o := envelope.DefaultOptions()
	o.Window, o.Hold = 5, 1000
	alone, _ := run(t, tr, inner, nil)
	p := native()
	p.Pool = &ticks{deflated: deflated{Pool: p.Pool}}
	wrapped, e := run(t, tr, p, &o)
	if e.Status().Fallbacks != 1 || wrapped.Latency.Mean > alone.Latency.Mean/4 {
		t.Errorf("status %+v, mean %g ms, %g alone", e.Status(), wrapped.Latency.Mean, alone.Latency.Mean)
	}
}

// ticks wakes every second while requests are in the system.
type ticks struct {
	deflated
	wake decide.Time
}

func (p *ticks) Observe(s decide.Snapshot, ev decide.Event) {
	p.deflated.Observe(s, ev)
	p.wake = decide.Forever
	if s.InSystemAll() > 0 {
		p.wake = s.Now() - s.Now()%decide.Second + decide.Second
	}
}

func (p *ticks) Wake() decide.Time { return p.wake }

func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*envelope.Options){
		"ratio must be above 1":        func(o *envelope.Options) { o.Ratio = 1 },
		"excess must be in [0, 1e6]":   func(o *envelope.Options) { o.Excess = -1 },
		"window_s must be in (0, 1e6]": func(o *envelope.Options) { o.Window = 0 },
		"windows must be in [1, 1e6]":  func(o *envelope.Options) { o.Windows = 0 },
		"hold must be in [1, 1e6]":     func(o *envelope.Options) { o.Hold = 0 },
	} {
		o := envelope.DefaultOptions()
		change(&o)
		if _, err := envelope.New(native(), native(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := envelope.New(envelope.Choices{}, native(), envelope.DefaultOptions()); err == nil {
		t.Error("an envelope around nothing")
	}
}
