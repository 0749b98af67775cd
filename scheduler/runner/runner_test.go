package runner_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/runner"
)

// TestPlatform: whatever the platform does, every request has one outcome, no container is used
// that is not there, and no goroutine is left, under policies of every kind. The bubble of
// synctest ends only when all goroutines have.
func TestPlatform(t *testing.T) {
	for _, policy := range []string{"native", "incendio-index", "hermod", "faascache", "lass", "knative", "histogram", "archipelago"} {
		for seed := range uint64(3) {
			t.Run(policy, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, seed)
					f.callFails, f.startFails, f.crashes = 0.05, 0.1, 0.05
					f.slow = func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(20)) * time.Millisecond }
					cfg := config(policy)
					cfg.Options.Retries, cfg.Options.StartTimeout = 2, 3*decide.Second
					r := f.start(cfg, runner.Options{Workers: 8})
					storm(f, seed, 4, 150)
					if err := r.Shutdown(context.Background()); err != nil {
						t.Error(err)
					}
					f.events.Wait()
					completed, dropped, again := f.outcomes()
					if completed == 0 || completed+dropped != 600 || f.most > 8 {
						t.Errorf("%d completed, %d dropped, %d calls at once", completed, dropped, f.most)
					}
					t.Logf("%d completed, %d dropped, %d tried again, calls %v", completed, dropped, again, f.calls)
				})
			})
		}
	}
}

// storm lets requests arrive from several goroutines, while invokers go.
func storm(f *fake, seed uint64, goroutines, each int) {
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(g+7)))
			for k := range each {
				time.Sleep(time.Duration(rng.ExpFloat64() * float64(100*time.Millisecond)))
				id := uint64(1 + g*each + k)
				if err := f.arrive(context.Background(), id, 11+rng.Uint64N(4)); err != nil {
					f.t.Errorf("request %d: %v", id, err)
				}
				if rng.IntN(20) == 0 { // told twice
					if err := f.runner().Submit(context.Background(), scheduler.Event{Kind: decide.Arrival, Request: id, Function: 11}); !errors.Is(err, scheduler.ErrKnown) {
						f.t.Errorf("request %d again: %v", id, err)
					}
				}
			}
		})
	}
	all.Go(func() {
		time.Sleep(4 * time.Second)
		f.lose(6)
		time.Sleep(2 * time.Second)
		f.tell(scheduler.Event{Kind: decide.Drained, Invoker: 7})
	})
	all.Wait()
}

// TestRefusals: what cannot be is an error to who says it, and nothing is taken in after the end.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, 1)
		r := f.start(config("native"), runner.Options{})
		ctx := context.Background()
		if err := r.Submit(ctx, scheduler.Event{Kind: decide.Arrival, Request: 1, Function: 99}); !errors.Is(err, scheduler.ErrImpossible) || !strings.Contains(err.Error(), "no function 99") {
			t.Errorf("an unknown function: %v", err)
		}
		if err := r.Post(scheduler.Event{Kind: decide.Ready, Container: 99}); err != nil {
			t.Errorf("an impossible event that nobody waits for: %v", err)
		}
		if err := r.Swap(ctx, "champion"); err == nil || !strings.Contains(err.Error(), "no registry") {
			t.Errorf("swap: %v", err)
		}
		if err := f.arrive(ctx, 1, 11); err != nil {
			t.Error(err)
		}
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		if err := r.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown of a busy runner: %v", err)
		}
		if err := r.Submit(ctx, scheduler.Event{Kind: decide.Arrival, Request: 2, Function: 11}); !errors.Is(err, runner.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		<-r.Done()
		f.events.Wait()
	})
	for name, o := range map[string]runner.Options{
		"inbox":        {Inbox: -1},
		"orders":       {Orders: -1},
		"workers":      {Workers: -1},
		"call_timeout": {CallTimeout: -1},
		"follow":       {Follow: time.Second},
		"remember":     {Remember: -1},
	} {
		if _, err := runner.Start(config("native"), newFake(t, 1), o); err == nil || !strings.Contains(err.Error(), "runner: "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := runner.Start(config("rainbowcake"), newFake(t, 1), runner.Options{}); err == nil || !strings.Contains(err.Error(), "layers") {
		t.Errorf("a policy of layers: %v", err)
	}
}

// stuck is a platform whose calls last until they are let go or ended.
type stuck struct {
	*fake
	free chan struct{}
}

func (s *stuck) Create(ctx context.Context, o runner.Order) error {
	select {
	case <-s.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.fake.Create(ctx, o)
}

// TestBackPressure: while the platform is behind, arrivals wait or are refused and all else is
// taken in; when it has caught up they are let in.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, 1)
		s := &stuck{fake: f, free: make(chan struct{})}
		cfg := config("native")
		cfg.Invokers[0].Memory = 1e6
		r, err := runner.Start(cfg, s, runner.Options{Workers: 2, Orders: 4, CallTimeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		f.r = r
		ctx := context.Background()
		for id := range uint64(5) {
			if err := f.arrive(ctx, 1+id, 11); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		late := scheduler.Event{Kind: decide.Arrival, Request: 6, Function: 11}
		if err := r.Post(late); !errors.Is(err, runner.ErrFull) {
			t.Errorf("an arrival while the platform is behind: %v", err)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		if err := r.Submit(short, late); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an arrival that may wait a second: %v", err)
		}
		cancel()
		if err := r.Submit(ctx, scheduler.Event{Kind: decide.Cancelled, Request: 1}); err != nil {
			t.Errorf("a cancellation while the platform is behind: %v", err)
		}
		entered := make(chan error)
		go func() { entered <- f.arrive(ctx, 7, 11) }()
		synctest.Wait()
		select {
		case err := <-entered:
			t.Errorf("an arrival was let in: %v", err)
		default:
		}
		close(s.free)
		if err := <-entered; err != nil {
			t.Error(err)
		}
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		f.events.Wait()
	})
}

// TestFullInbox: while the scheduler is held up, as many arrivals are taken as the inbox has room
// for, and as many other events as well.
func TestFullInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, 1)
		log := &holding{free: make(chan struct{})}
		r := f.start(config("native"), runner.Options{Inbox: 3, Log: slog.New(log)})
		if err := r.Post(scheduler.Event{Kind: decide.Ready, Container: 9}); err != nil { // is logged, which lasts
			t.Fatal(err)
		}
		synctest.Wait()
		for _, kind := range []decide.EventKind{decide.Arrival, decide.Cancelled} {
			for k := range uint64(5) {
				err := r.Post(scheduler.Event{Kind: kind, Request: 1 + k, Function: 11})
				if full := errors.Is(err, runner.ErrFull); full != (k >= 3) {
					t.Errorf("%v %d: %v", kind, k, err)
				}
			}
		}
		close(log.free)
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		f.events.Wait()
	})
}

// holding is a log that holds up who writes a warning into it.
type holding struct{ free chan struct{} }

func (h *holding) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (h *holding) Handle(context.Context, slog.Record) error    { <-h.free; return nil }
func (h *holding) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h *holding) WithGroup(string) slog.Handler                { return h }

// TestInjectedClock: the time is that of the clock, not of the machine: a request is given up when
// the clock says so, and nothing happens while it stands still.
func TestInjectedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, 1)
		clock := &held{}
		cfg := config("native")
		cfg.Invokers = cfg.Invokers[:1]
		r := f.start(cfg, runner.Options{Clock: clock})
		f.initialise = func(*rand.Rand) time.Duration { return time.Hour }
		ctx := context.Background()
		for id := range uint64(3) { // of 400 bytes each: there is room for two
			if err := f.arrive(ctx, 1+id, 14); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		e, err := r.ExplainRequest(ctx, 3)
		if err != nil || e.State != scheduler.StateWaiting {
			t.Fatalf("%v, %v", e, err)
		}
		clock.move(59 * time.Second)
		synctest.Wait()
		if e, _ := r.ExplainRequest(ctx, 3); e.State != scheduler.StateWaiting {
			t.Errorf("after 59 s: %v", e)
		}
		clock.move(time.Second)
		synctest.Wait()
		e, err = r.ExplainRequest(ctx, 3)
		if err != nil || e.State != scheduler.StateEnded || !strings.HasSuffix(e.String(), "12:01:00.000 order drop request 3 function 14: timed out") {
			t.Errorf("after 60 s: %v, %v", e, err)
		}
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		f.mu.Lock()
		clear(f.boxes) // none of them is ever ready
		f.mu.Unlock()
		f.events.Wait()
	})
}

// held is a clock that somebody else moves.
type held struct {
	mu    sync.Mutex
	at    time.Time
	waits []wait
}

type wait struct {
	until time.Time
	fired chan time.Time
}

func (h *held) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at.IsZero() {
		h.at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	}
	return h.at
}

func (h *held) After(d time.Duration) (<-chan time.Time, func()) {
	now := h.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	w := wait{now.Add(d), make(chan time.Time, 1)}
	if d <= 0 {
		w.fired <- now
	} else {
		h.waits = append(h.waits, w)
	}
	return w.fired, func() {}
}

// move sets the clock forward, and fires what is due.
func (h *held) move(d time.Duration) {
	now := h.Now().Add(d)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = now
	left := h.waits[:0]
	for _, w := range h.waits {
		if w.until.After(now) {
			left = append(left, w)
		} else {
			w.fired <- now
		}
	}
	h.waits = left
}
