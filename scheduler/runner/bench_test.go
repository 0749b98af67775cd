package runner_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/runner"
)

// warm is a configuration of so many functions on so many invokers, on which everything fits.
func warm(functions, invokers int) scheduler.Config {
	cfg := config("native")
	one := cfg.Functions[0]
	cfg.Functions, cfg.Invokers = nil, nil
	for k := range functions {
		one.ID, one.Name = uint64(1+k), string(rune('a'+k%26))+time.Duration(k).String()
		cfg.Functions = append(cfg.Functions, one)
	}
	for k := range invokers {
		cfg.Invokers = append(cfg.Invokers, scheduler.Invoker{ID: uint64(1 + k), Memory: 1e9, Cores: 64})
	}
	return cfg
}

// BenchmarkControl is what BenchmarkRunner does without the runner: an arrival, which starts warm,
// and its completion. An operation is both events.
func BenchmarkControl(b *testing.B) {
	cfg := warm(100, 8)
	cfg.Start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c, err := scheduler.NewControl(cfg)
	if err != nil {
		b.Fatal(err)
	}
	at := cfg.Start
	handle := func(ev scheduler.Event) []scheduler.Order {
		at = at.Add(time.Microsecond)
		ev.At = at
		orders, err := c.Handle(ev)
		if err != nil {
			b.Fatal(err)
		}
		return orders
	}
	b.ReportAllocs()
	for n := range b.N {
		id := uint64(1 + n)
		for _, o := range handle(scheduler.Event{Kind: decide.Arrival, Request: id, Function: 1 + id%100}) {
			if o.Kind == decide.Create {
				handle(scheduler.Event{Kind: decide.Ready, Container: o.Container, Took: time.Millisecond})
			}
			handle(scheduler.Event{Kind: decide.Completion, Container: o.Container, Request: id, Took: time.Millisecond})
		}
	}
}

// BenchmarkRunner is the same through a runner, of which the platform posts the outcomes.
func BenchmarkRunner(b *testing.B) { benchmark(b, "") }

// BenchmarkState is the same with a state; it says too how large the journal is, and how long it
// takes to take it in again, by request.
func BenchmarkState(b *testing.B) {
	dir := b.TempDir()
	benchmark(b, dir)
	b.StopTimer()
	info, err := os.Stat(filepath.Join(dir, "journal"))
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	r, err := runner.Start(warm(100, 8), runner.Orders(func(context.Context, runner.Order) error { return nil }), runner.Options{State: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/float64(b.N), "B-journal/op")
	b.ReportMetric(float64(time.Since(began))/float64(b.N), "ns-replay/op")
	if err := r.Stop(); err != nil {
		b.Fatal(err)
	}
}

func benchmark(b *testing.B, state string) {
	var r *runner.Runner
	post := func(ev scheduler.Event) {
		for {
			err := r.Post(ev)
			if !errors.Is(err, runner.ErrFull) {
				if err != nil {
					b.Error(err)
				}
				return
			}
			runtime.Gosched()
		}
	}
	started := make(chan struct{})
	r, err := runner.Start(warm(100, 8), runner.Orders(func(_ context.Context, o runner.Order) error {
		<-started
		switch o.Kind {
		case decide.Create:
			post(scheduler.Event{Kind: decide.Ready, Container: o.Container, Took: time.Millisecond})
		case decide.Run:
			post(scheduler.Event{Kind: decide.Completion, Container: o.Container, Request: o.Request, Took: time.Millisecond})
		}
		return nil
	}), runner.Options{Workers: 4, State: state})
	if err != nil {
		b.Fatal(err)
	}
	close(started)
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		id := uint64(1 + n)
		post(scheduler.Event{Kind: decide.Arrival, Request: id, Function: 1 + id%100})
	}
	if err := r.Shutdown(context.Background()); err != nil {
		b.Fatal(err)
	}
}
