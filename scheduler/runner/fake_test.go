package runner_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/runner"
)

// fake is a platform that checks every order against what it has, and that may be slow, fail and
// repeat itself. It keeps orders by their numbers, as package runner asks of one that outlives it.
type fake struct {
	t testing.TB
	r *runner.Runner

	execution, initialise, terminate func(*rand.Rand) time.Duration
	slow                             func(*rand.Rand) time.Duration // of a call; nil: it is not
	callFails, startFails, crashes   float64

	mu       sync.Mutex
	rng      *rand.Rand
	seen     map[uint64]bool // orders by number
	boxes    map[uint64]*box
	lost     map[uint64]bool // invokers
	requests map[uint64]*request
	calls    map[decide.DecisionKind]int
	most     int // calls at once
	repeated int // orders that came once more
	life     int // that platform calls must be of
	now      int
	events   sync.WaitGroup
}

type box struct {
	invoker uint64
	ready   bool
	ends    bool
	request uint64
}

type request struct {
	runs, completed, dropped int
	executes                 bool
}

func newFake(t testing.TB, seed uint64) *fake {
	const ms = time.Millisecond
	return &fake{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), seen: map[uint64]bool{}, boxes: map[uint64]*box{}, lost: map[uint64]bool{},
		requests: map[uint64]*request{}, calls: map[decide.DecisionKind]int{},
		execution:  func(r *rand.Rand) time.Duration { return ms + time.Duration(r.ExpFloat64()*float64(200*ms)) },
		initialise: func(r *rand.Rand) time.Duration { return 300*ms + time.Duration(r.IntN(500))*ms },
		terminate:  func(r *rand.Rand) time.Duration { return 50 * ms },
	}
}

var errCall = errors.New("the call failed")

// take is the beginning of every call.
func (f *fake) take(ctx context.Context, o runner.Order, do func(*rand.Rand) error) error {
	f.mu.Lock()
	f.calls[o.Kind]++
	f.now++
	f.most = max(f.most, f.now)
	var pause time.Duration
	if f.slow != nil {
		pause = f.slow(f.rng)
	}
	fails := f.rng.Float64() < f.callFails
	f.mu.Unlock()
	if pause > 0 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now--
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if n, ok := ctx.Value(life{}).(int); ok && n != f.life {
		return errCall // of a runner that is dead: nobody hears it
	}
	if f.seen[o.Seq] {
		f.repeated++
		return nil
	}
	if fails {
		return errCall
	}
	if err := do(f.rng); err != nil {
		return err
	}
	f.seen[o.Seq] = true
	return nil
}

// later tells the runner of ev after d, unless gone holds by then, until it is heard.
func (f *fake) later(d time.Duration, gone func() bool, change func(), ev scheduler.Event) {
	f.events.Go(func() {
		time.Sleep(d)
		f.mu.Lock()
		if gone() {
			f.mu.Unlock()
			return
		}
		change()
		f.mu.Unlock()
		f.tell(ev)
	})
}

func (f *fake) tell(ev scheduler.Event) {
	for {
		r := f.runner()
		err := r.Submit(context.Background(), ev)
		switch {
		case errors.Is(err, runner.ErrClosed):
			if f.runner() == r { // nobody has taken over
				return
			}
		case err == nil, errors.Is(err, scheduler.ErrImpossible):
			return
		default:
			f.t.Errorf("%+v: %v", ev, err)
			return
		}
	}
}

func (f *fake) runner() *runner.Runner {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.r
}

func (f *fake) Create(ctx context.Context, o runner.Order) error {
	return f.take(ctx, o, func(rng *rand.Rand) error {
		if f.boxes[o.Container] != nil {
			return fmt.Errorf("container %d is created twice", o.Container)
		}
		if f.lost[o.Invoker] {
			return errCall
		}
		b := &box{invoker: o.Invoker}
		f.boxes[o.Container] = b
		took := f.initialise(rng)
		if rng.Float64() < f.startFails {
			f.later(took, func() bool { return f.boxes[o.Container] != b || b.ends }, func() { delete(f.boxes, o.Container) },
				scheduler.Event{Kind: decide.Failed, Container: o.Container})
			return nil
		}
		f.later(took, func() bool { return f.boxes[o.Container] != b || b.ends }, func() { b.ready = true },
			scheduler.Event{Kind: decide.Ready, Container: o.Container, Took: took})
		return nil
	})
}

func (f *fake) Run(ctx context.Context, o runner.Order) error {
	return f.take(ctx, o, func(rng *rand.Rand) error {
		b, q := f.boxes[o.Container], f.requests[o.Request]
		switch {
		case q == nil:
			f.t.Errorf("request %d is run, and never was", o.Request)
			return nil
		case b == nil: // it is lost, and the runner does not know yet
			return errCall
		case !b.ready || b.ends || b.request != 0:
			f.t.Errorf("request %d is sent into container %d: %+v", o.Request, o.Container, *b)
			return nil
		case q.executes || q.completed > 0 || q.dropped > 0:
			f.t.Errorf("request %d is run: %+v", o.Request, *q)
			return nil
		}
		b.request, q.executes = o.Request, true
		q.runs++
		took := f.execution(rng)
		gone := func() bool { return f.boxes[o.Container] != b }
		if rng.Float64() < f.crashes {
			f.later(took/2, gone, func() { delete(f.boxes, o.Container); q.executes = false },
				scheduler.Event{Kind: decide.Failed, Container: o.Container})
			return nil
		}
		f.later(took, gone, func() { b.request, q.executes = 0, false; q.completed++ },
			scheduler.Event{Kind: decide.Completion, Container: o.Container, Request: o.Request, Took: took})
		return nil
	})
}

func (f *fake) End(ctx context.Context, o runner.Order) error {
	return f.take(ctx, o, func(rng *rand.Rand) error {
		b := f.boxes[o.Container]
		if b == nil {
			return nil
		}
		if b.request != 0 {
			f.t.Errorf("container %d is ended and executes request %d", o.Container, b.request)
		}
		if b.ends {
			f.t.Errorf("container %d is ended twice", o.Container)
		}
		b.ends = true
		took := f.terminate(rng)
		f.later(took, func() bool { return f.boxes[o.Container] != b }, func() { delete(f.boxes, o.Container) },
			scheduler.Event{Kind: decide.Ended, Container: o.Container, Took: took})
		return nil
	})
}

func (f *fake) Resize(ctx context.Context, o runner.Order) error {
	return f.take(ctx, o, func(*rand.Rand) error {
		if !(o.Share > 0 && o.Share <= 1) {
			f.t.Errorf("container %d is given %g of its CPU", o.Container, o.Share)
		}
		return nil
	})
}

func (f *fake) Drop(ctx context.Context, o runner.Order) error {
	return f.take(ctx, o, func(*rand.Rand) error {
		q := f.requests[o.Request]
		if q == nil || q.executes || q.completed > 0 || q.dropped > 0 {
			f.t.Errorf("request %d is given up (%v): %+v", o.Request, o.Kind, q)
			return nil
		}
		q.dropped++
		return nil
	})
}

// arrive lets request id of function arrive.
func (f *fake) arrive(ctx context.Context, id, function uint64) error {
	f.mu.Lock()
	f.requests[id] = &request{}
	f.mu.Unlock()
	return f.runner().Submit(ctx, scheduler.Event{Kind: decide.Arrival, Request: id, Function: function})
}

// lose takes an invoker away with all that is there.
func (f *fake) lose(invoker uint64) {
	f.mu.Lock()
	f.lost[invoker] = true
	for id, b := range f.boxes {
		if b.invoker == invoker {
			if b.request != 0 {
				f.requests[b.request].executes = false
			}
			delete(f.boxes, id)
		}
	}
	f.mu.Unlock()
	f.tell(scheduler.Event{Kind: decide.Lost, Invoker: invoker})
}

// outcomes checks that every request has one, and counts them.
func (f *fake) outcomes() (completed, dropped, twice int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, q := range f.requests {
		completed += q.completed
		dropped += q.dropped
		if q.runs > 1 {
			twice++
		}
		if q.completed+q.dropped != 1 || q.executes {
			f.t.Errorf("request %d: %+v", id, *q)
		}
	}
	return completed, dropped, twice
}

// config is a platform of four functions and three invokers.
func config(policy string) scheduler.Config {
	cfg := scheduler.DefaultConfig()
	cfg.Policy = policy
	for k := range uint64(4) {
		cfg.Functions = append(cfg.Functions, scheduler.Function{
			ID: 11 + k, Owner: "o", App: fmt.Sprint("a", k), Name: "f", Memory: 100 * (1 + int64(k)), CPU: 1,
			Execution: 200 * time.Millisecond, Initialise: 500 * time.Millisecond, Termination: 50 * time.Millisecond,
		})
	}
	for k := range uint64(3) {
		cfg.Invokers = append(cfg.Invokers, scheduler.Invoker{ID: 5 + k, Memory: 1000, Cores: 4})
	}
	return cfg
}

// start starts a runner of the fake.
func (f *fake) start(cfg scheduler.Config, o runner.Options) *runner.Runner {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begin(cfg, o)
}

func (f *fake) begin(cfg scheduler.Config, o runner.Options) *runner.Runner {
	f.t.Helper()
	f.life++
	r, err := runner.Start(cfg, living{f, f.life}, o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.r = r
	return r
}

// life is the key of the life that a call is of.
type life struct{}

// living is the fake as one runner sees it.
type living struct {
	f    *fake
	life int
}

func (l living) of(ctx context.Context) context.Context {
	return context.WithValue(ctx, life{}, l.life)
}

func (l living) Create(ctx context.Context, o runner.Order) error { return l.f.Create(l.of(ctx), o) }
func (l living) Run(ctx context.Context, o runner.Order) error    { return l.f.Run(l.of(ctx), o) }
func (l living) End(ctx context.Context, o runner.Order) error    { return l.f.End(l.of(ctx), o) }
func (l living) Resize(ctx context.Context, o runner.Order) error { return l.f.Resize(l.of(ctx), o) }
func (l living) Drop(ctx context.Context, o runner.Order) error   { return l.f.Drop(l.of(ctx), o) }
