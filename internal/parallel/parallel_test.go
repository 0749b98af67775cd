package parallel_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/incendio-faas/incendio/internal/parallel"
)

// recovered returns the panic of f.
func recovered(t *testing.T, f func()) (p *parallel.Panic) {
	t.Helper()
	defer func() {
		var ok bool
		if p, ok = recover().(*parallel.Panic); !ok {
			t.Error("no *Panic")
		}
	}()
	f()
	return nil
}

func boom() { panic("boom") }

func TestPanicsReachTheCaller(t *testing.T) {
	for name, f := range map[string]func(){
		"group": func() {
			g, ctx := parallel.WithContext(t.Context())
			g.Go(func() error { boom(); return nil })
			g.Go(func() error { <-ctx.Done(); return ctx.Err() }) // is told
			_ = g.Wait()
		},
		"limited": func() {
			var g parallel.Group
			g.SetLimit(1)
			for range 3 {
				g.Go(func() error { boom(); return nil })
			}
			_ = g.Wait()
		},
		"for": func() { _ = parallel.For(t.Context(), 10, 3, func(i int) { boom() }) },
		"for within for": func() {
			_ = parallel.For(t.Context(), 2, 2, func(int) { _ = parallel.For(t.Context(), 2, 2, func(int) { boom() }) })
		},
	} {
		p := recovered(t, f)
		if p == nil || p.Value != "boom" || !strings.Contains(string(p.Stack), "parallel_test.boom") || !strings.HasPrefix(p.Error(), "boom\n") {
			t.Errorf("%s: %v", name, p)
		}
	}
	sad := errors.New("sad")
	if p := recovered(t, func() { _ = parallel.For(t.Context(), 1, 1, func(int) { panic(sad) }) }); !errors.Is(p, sad) {
		t.Errorf("%v is not the error that was panicked with", p)
	}
}

func TestFor(t *testing.T) {
	for _, workers := range []int{0, 1, 3, 100} {
		done := make([]int, 50)
		if err := parallel.For(t.Context(), len(done), workers, func(i int) { done[i]++ }); err != nil {
			t.Fatal(err)
		}
		for i, n := range done {
			if n != 1 {
				t.Errorf("%d workers: %d was done %d times", workers, i, n)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int64
	err := parallel.For(ctx, 1e6, 2, func(int) {
		if n.Add(1) == 10 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || n.Load() > 20 {
		t.Errorf("%v after %d", err, n.Load())
	}
	var own atomic.Int64
	if err := parallel.ForEach(t.Context(), 9, 3, func() func(int) { own.Add(1); return func(int) {} }); err != nil || own.Load() != 3 {
		t.Errorf("%d functions, %v", own.Load(), err)
	}
}

func TestGroup(t *testing.T) {
	g, ctx := parallel.WithContext(t.Context())
	g.SetLimit(2)
	var running, most atomic.Int64
	sad := errors.New("sad")
	for i := range 20 {
		g.Go(func() error {
			now := running.Add(1)
			for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
			}
			running.Add(-1)
			if i == 7 {
				return sad
			}
			return nil
		})
	}
	if err := g.Wait(); err != sad || most.Load() > 2 || ctx.Err() == nil {
		t.Errorf("%v, %d at once, %v", err, most.Load(), ctx.Err())
	}
}
