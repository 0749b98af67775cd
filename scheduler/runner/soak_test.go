//go:build soak

package runner_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/runner"
)

// instant is a platform that does everything at once, and lets a part of it fail.
type instant struct {
	r         atomic.Pointer[runner.Runner]
	completed atomic.Int64
	dropped   atomic.Int64
	failed    atomic.Int64
}

func (p *instant) do(ctx context.Context, o runner.Order) error {
	ev := scheduler.Event{Container: o.Container, Took: time.Millisecond}
	switch o.Kind {
	case decide.Create:
		ev.Kind = decide.Ready
		if o.Seq%50 == 0 {
			ev.Kind = decide.Failed
		}
	case decide.Run:
		if o.Seq%1000 == 0 {
			p.failed.Add(1)
			return errCall
		}
		ev.Kind, ev.Request = decide.Completion, o.Request
		if o.Seq%100 == 0 {
			ev.Kind = decide.Failed
		}
	case decide.End:
		ev.Kind = decide.Ended
	case decide.Drop, decide.Report:
		p.dropped.Add(1)
		return nil
	default:
		return nil
	}
	for p.r.Load() == nil {
		runtime.Gosched()
	}
	for {
		err := p.r.Load().Post(ev)
		switch {
		case errors.Is(err, runner.ErrFull):
			if ctx.Err() != nil {
				return ctx.Err()
			}
			runtime.Gosched()
			continue
		case err == nil && ev.Kind == decide.Completion:
			p.completed.Add(1)
		}
		return nil
	}
}

// TestSoak runs at full rate for as long as the environment says in SOAK: the memory in use stays
// flat, no goroutine is left, and every request has its outcome.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Fatalf("SOAK must be a duration: %v", err)
	}
	before := runtime.NumGoroutine()
	p := &instant{}
	cfg := warm(200, 8)
	for k := range cfg.Invokers {
		cfg.Invokers[k].Memory = 3000 // of 100 for each container: they have to be evicted
	}
	cfg.Options.Retries, cfg.Options.StartTimeout, cfg.Remember = 2, 5*decide.Second, 1<<14
	r, err := runner.Start(cfg, runner.Orders(p.do), runner.Options{Workers: 16})
	if err != nil {
		t.Fatal(err)
	}
	p.r.Store(r)
	end := time.Now().Add(length)
	var arrived, refused atomic.Int64
	var producers sync.WaitGroup
	for g := range uint64(4) {
		producers.Go(func() {
			rng := rand.New(rand.NewPCG(1, g))
			ctx := context.Background()
			for id := g + 4; time.Now().Before(end); id += 4 {
				ev := scheduler.Event{Kind: decide.Arrival, Request: id, Function: 1 + rng.Uint64N(200)}
				err := r.Submit(ctx, ev)
				if err != nil {
					refused.Add(1)
					t.Errorf("request %d: %v", id, err)
					return
				}
				arrived.Add(1)
				if id%4096 == 0 {
					if _, err := r.ExplainRequest(ctx, id); err != nil {
						t.Errorf("explain request %d: %v", id, err)
					}
				}
			}
		})
	}
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	const looks = 12
	var used [looks]float64
	for k := range used {
		time.Sleep(length / looks)
		used[k] = heap()
	}
	producers.Wait()
	if err := r.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	early, late := 0.0, 0.0 // of the second quarter and of the last
	for k := range looks / 4 {
		early, late = max(early, used[looks/4+k]), max(late, used[looks-1-k])
	}
	if late > 1.25*early+4 {
		t.Errorf("memory grows: %.4g MB", used)
	}
	for k := 0; runtime.NumGoroutine() > before; k++ {
		if k == 100 {
			t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	done := p.completed.Load() + p.dropped.Load()
	if arrived.Load() != done {
		t.Errorf("%d requests, %d outcomes", arrived.Load(), done)
	}
	t.Logf("%d requests in %v, %.0f a second, %d dropped, %d calls failed, memory %.4g MB", arrived.Load(), length,
		float64(arrived.Load())/length.Seconds(), p.dropped.Load(), p.failed.Load(), used)
}
