package runner_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/runner"
)

// TestGrows: functions, invokers, containers and requests that come later are in the journal; after a
// kill all of them are there again.
func TestGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		var mu sync.Mutex
		var seen []string
		platform := runner.Orders(func(_ context.Context, o runner.Order) error {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, o.Kind.String())
			return nil
		})
		took := func(want string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(seen, " "); got != want {
				t.Errorf("orders %q, want %q", got, want)
			}
			seen = nil
		}
		cfg := scheduler.DefaultConfig()
		cfg.Policy = "faascache"
		cfg.Invokers = []scheduler.Invoker{{ID: 5, Memory: 1 << 30, Cores: 4}}
		dir := t.TempDir()
		r, err := runner.Start(cfg, platform, runner.Options{State: dir})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for _, err := range []error{
			r.Deploy(ctx, scheduler.Function{ID: 11, Name: "f", Memory: 600 << 20, CPU: 1}),
			r.Join(ctx, scheduler.Invoker{ID: 6, Memory: 1 << 30, Cores: 4}),
			r.Adopt(ctx, 11, 6, scheduler.Known{Container: 40, Status: decide.Idle}),
			r.Adopt(ctx, 11, 0, scheduler.Known{Requests: []scheduler.KnownRequest{{ID: 71, Arrived: now.Add(-time.Second)}}}),
			r.Change(ctx, scheduler.Function{ID: 11, Memory: 500 << 20}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		took("run")
		if err := r.Deploy(ctx, scheduler.Function{ID: 11, Memory: 1}); !errors.Is(err, scheduler.ErrImpossible) {
			t.Errorf("deployed twice: %v", err)
		}
		killed := copyDir(t, dir)
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
		if r, err = runner.Start(cfg, platform, runner.Options{State: killed}); err != nil {
			t.Fatal(err)
		}
		took("")
		e, err := r.ExplainRequest(ctx, 71)
		if err != nil || e.State != scheduler.StateExecuting || e.Container != 40 || e.Invoker != 6 {
			t.Errorf("%+v, %v", e, err)
		}
		if !slices.ContainsFunc(e.History, func(s runner.Step) bool { return s.What == "adopted" }) {
			t.Errorf("no step says that it was adopted: %v", e.History)
		}
		if err := r.Submit(ctx, scheduler.Event{Kind: decide.Completion, Request: 71, Container: 40}); err != nil {
			t.Error(err)
		}
		took("end") // which had the memory of before
		if err := r.Submit(ctx, scheduler.Event{Kind: decide.Arrival, Request: 72, Function: 11}); err != nil {
			t.Error(err)
		}
		took("create")
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
}
