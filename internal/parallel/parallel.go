// Package parallel runs work on several goroutines, and carries panics to whoever waits
// for it: a panic in a goroutine that nobody recovers ends the whole process, and
// with it a control plane that embeds the scheduler, with an exit code that says nothing.
//
// [For] is the parallel loop. A [Group] is for everything else.
package parallel

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A Panic is what a worker panicked with. It is what Wait and For panic with.
type Panic struct {
	Value any
	Stack []byte // of the worker
}

// Error says what happened, with the stack.
func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Unwrap returns the value if it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// A Group is a set of goroutines. The zero Group is ready, without a limit. A Group must
// not be copied.
type Group struct {
	wg     sync.WaitGroup
	limit  chan struct{}
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	err      error
	panicked *Panic
}

// WithContext returns a Group whose context ends at the first error or panic, and when Wait
// returns.
func WithContext(ctx context.Context) (*Group, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	return &Group{cancel: cancel}, ctx
}

// SetLimit lets at most n goroutines run; Go then waits for its turn. It must come before
// the first Go.
func (g *Group) SetLimit(n int) { g.limit = make(chan struct{}, n) }

// Go runs f in a goroutine.
func (g *Group) Go(f func() error) {
	if g.limit != nil {
		g.limit <- struct{}{}
	}
	g.wg.Add(1)
	go func() {
		defer g.wg.Done()
		if g.limit != nil {
			defer func() { <-g.limit }()
		}
		defer func() {
			if v := recover(); v != nil {
				g.end(nil, Caught(v))
			}
		}()
		if err := f(); err != nil {
			g.end(err, nil)
		}
	}()
}

// Caught returns what recover returned with the stack of the goroutine that panicked. It
// is for pools that can not be a Group, and must be called where recover was.
func Caught(v any) *Panic {
	if p, ok := v.(*Panic); ok { // of a worker of the worker
		return p
	}
	return &Panic{v, debug.Stack()}
}

// end keeps the first error and the first panic.
func (g *Group) end(err error, p *Panic) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
	}
	if g.panicked == nil {
		g.panicked = p
	}
	if g.cancel != nil {
		if p != nil {
			err = p
		}
		g.cancel(err)
	}
}

// Wait returns the first error when all goroutines have ended. If one of them panicked, it
// panics with a *Panic.
func (g *Group) Wait() error {
	g.wg.Wait()
	if g.cancel != nil {
		g.cancel(nil)
	}
	if g.panicked != nil {
		panic(g.panicked)
	}
	return g.err
}

// Workers is how many goroutines work when that many are asked for: as many as the machine
// has cores if n < 1.
func Workers(n int) int {
	if n < 1 {
		return runtime.GOMAXPROCS(0)
	}
	return n
}

// For calls do(i) for all i in 0..n-1, in order of i, on as many goroutines (see Workers),
// until ctx ends, whose error it returns. It panics with a *Panic if do panics.
func For(ctx context.Context, n, workers int, do func(i int)) error {
	return ForEach(ctx, n, workers, func() func(int) { return do })
}

// ForEach is For with a function for each goroutine, which may keep memory of its own.
func ForEach(ctx context.Context, n, workers int, start func() func(i int)) error {
	var next atomic.Int64
	g, inside := WithContext(ctx)
	for range min(Workers(workers), n) {
		g.Go(func() error {
			do := start()
			for inside.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					break
				}
				do(i)
			}
			return nil
		})
	}
	_ = g.Wait() // there are none but panics
	return ctx.Err()
}
