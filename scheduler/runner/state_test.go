package runner_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
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

// copyDir copies the files of a folder as they are at this moment: what a process that is killed
// now leaves.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestKilled: a runner that dies at any moment, and is started again from what it has left,
// goes on: every request has one outcome and runs once more only where its container failed. What
// dies is cut off by the clock of the bubble: the platform hears of no order after that moment, and
// events that were not confirmed are told to who comes next.
func TestKilled(t *testing.T) {
	for _, policy := range []string{"native", "faascache", "histogram", "lass", "incendio-index", "knative"} {
		for seed := range uint64(3) {
			t.Run(policy, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, seed)
					f.callFails, f.startFails, f.crashes = 0.05, 0.1, 0.05
					f.slow = func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(20)) * time.Millisecond }
					cfg := config(policy)
					cfg.Options.Retries, cfg.Options.StartTimeout = 2, 3*decide.Second
					o := runner.Options{Workers: 8, State: t.TempDir()}
					f.start(cfg, o)
					var all sync.WaitGroup
					all.Go(func() { storm(f, seed, 4, 60) })
					rng := rand.New(rand.NewPCG(seed, 99))
					for range 6 {
						time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
						synctest.Wait()
						f.mu.Lock() // nothing is told and nothing is carried out meanwhile
						old := f.r
						o.State = copyDir(t, o.State)
						f.begin(cfg, o)
						f.mu.Unlock()
						if err := old.Stop(); err != nil { // what it did since, nobody saw
							t.Error(err)
						}
					}
					all.Wait()
					if err := f.r.Shutdown(context.Background()); err != nil {
						t.Error(err)
					}
					f.events.Wait()
					completed, dropped, again := f.outcomes()
					t.Logf("%d completed, %d dropped, %d tried again, %d orders sent again", completed, dropped, again, f.repeated)
				})
			})
		}
	}
}

// TestStateIsExact: after a restart the same events give the same orders as without one.
func TestStateIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		play := func(restart bool) string {
			var mu sync.Mutex
			var log []string
			p := runner.Orders(func(_ context.Context, o runner.Order) error {
				mu.Lock()
				defer mu.Unlock()
				log = append(log, fmt.Sprintf("%06d %v f%d r%d c%d i%d %v", o.Seq, o.Kind, o.Function, o.Request, o.Container, o.Invoker, o.Cause))
				return nil
			})
			clock := &held{}
			o := runner.Options{State: t.TempDir(), Clock: clock}
			r, err := runner.Start(config("native"), p, o)
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			for k := range uint64(40) {
				clock.move(700 * time.Millisecond)
				synctest.Wait()
				if err := r.Submit(ctx, scheduler.Event{Kind: decide.Arrival, Request: 1 + k, Function: 11 + k%4}); err != nil {
					t.Fatal(err)
				}
				// Of whatever may have started, the one that did answers.
				for c := range uint64(20) {
					_ = r.Submit(ctx, scheduler.Event{Kind: decide.EventKind(1 + (k+c)%3), Container: 1 + c, Request: 1 + k - k%(1+c), Took: time.Millisecond})
				}
				if restart && k%7 == 3 {
					synctest.Wait()
					if err := r.Stop(); err != nil {
						t.Fatal(err)
					}
					if r, err = runner.Start(config("native"), p, o); err != nil {
						t.Fatal(err)
					}
				}
			}
			synctest.Wait()
			if err := r.Stop(); err != nil {
				t.Fatal(err)
			}
			slices.Sort(log)
			return strings.Join(log, "\n")
		}
		if a, b := play(false), play(true); a != b {
			t.Errorf("without a restart:\n%s\nwith:\n%s", a, b)
		}
	})
}

// TestDamage: a state or journal that is not what was written is refused, but for a record that was
// being written when the process died.
func TestDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nobody := runner.Orders(func(context.Context, runner.Order) error { return nil })
		dir := t.TempDir()
		o := runner.Options{State: dir}
		r, err := runner.Start(config("native"), nobody, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := runner.Start(config("native"), nobody, o); err == nil || !strings.Contains(err.Error(), "in use by another process") {
			t.Errorf("a second runner of one state: %v", err)
		}
		ctx := context.Background()
		for id := range uint64(5) {
			if err := r.Submit(ctx, scheduler.Event{Kind: decide.Arrival, Request: 1 + id, Function: 11}); err != nil {
				t.Fatal(err)
			}
		}
		killed := copyDir(t, dir)
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
		known := func(dir string) (n int, err error) {
			o.State = dir
			r, err := runner.Start(config("native"), nobody, o)
			if err != nil {
				return 0, err
			}
			for id := range uint64(5) {
				if err := r.Submit(ctx, scheduler.Event{Kind: decide.Arrival, Request: 1 + id, Function: 11}); errors.Is(err, scheduler.ErrKnown) {
					n++
				}
			}
			return n, r.Stop()
		}
		if n, err := known(copyDir(t, killed)); n != 5 || err != nil {
			t.Errorf("%d of 5 requests are known after a kill, %v", n, err)
		}
		if n, err := known(dir); n != 5 || err != nil {
			t.Errorf("%d of 5 requests are known after a stop, %v", n, err)
		}
		for cut := int64(1); cut < 60; cut += 7 { // in the middle of the last records
			dir := copyDir(t, killed)
			journal := filepath.Join(dir, "journal")
			info, err := os.Stat(journal)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(journal, info.Size()-cut); err != nil {
				t.Fatal(err)
			}
			if n, err := known(dir); n < 1 || n > 5 || err != nil {
				t.Errorf("%d bytes less: %d of 5 requests are known, %v", cut, n, err)
			}
			if n, err := known(dir); n != 5 || err != nil { // they have arrived anew
				t.Errorf("%d bytes less, and again: %d of 5 requests are known, %v", cut, n, err)
			}
		}
		for _, name := range []string{"beginning", "journal"} {
			whole, err := os.ReadFile(filepath.Join(killed, name))
			if err != nil {
				t.Fatal(err)
			}
			end := len(whole)
			if name == "journal" {
				end -= 40 // of the last record it cannot be told whether it was torn
			}
			for at := 0; at < end; at += 1 + len(whole)/50 {
				dir := copyDir(t, killed)
				bad := bytes.Clone(whole)
				bad[at] ^= 4
				if err := os.WriteFile(filepath.Join(dir, name), bad, 0o666); err != nil {
					t.Fatal(err)
				}
				if _, err := known(dir); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "damaged") {
					t.Errorf("%s with another byte %d: %v", name, at, err)
				}
			}
		}
	})
}

// TestOtherProgram: a journal that does not give the orders again that were given is refused.
func TestOtherProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nobody := runner.Orders(func(context.Context, runner.Order) error { return nil })
		o := runner.Options{State: t.TempDir()}
		r, err := runner.Start(config("native"), nobody, o)
		if err != nil {
			t.Fatal(err)
		}
		for id := range uint64(3) {
			if err := r.Submit(context.Background(), scheduler.Event{Kind: decide.Arrival, Request: 1 + id, Function: 11}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(o.State, "beginning")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.Replace(data[:len(data)-65], []byte(`"Policy": "native"`), []byte(`"Policy": "knative"`), 1)
		if err := os.WriteFile(name, fmt.Appendf(data, "%x\n", sha256.Sum256(data)), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := runner.Start(config("native"), nobody, o); err == nil || !strings.Contains(err.Error(), "other orders than were given then") {
			t.Errorf("under another policy: %v", err)
		}
	})
}

// TestFullDisk: an event that cannot be written is taken in, and who submits it is told that it is not
// kept until it is.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nobody := runner.Orders(func(context.Context, runner.Order) error { return nil })
		o := runner.Options{State: t.TempDir()}
		r, err := runner.Start(config("native"), nobody, o)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		full := runner.BreakJournal(r)
		ev := scheduler.Event{Kind: decide.Arrival, Request: 1, Function: 11}
		for range 2 { // it is known the second time, and not kept all the same
			if err := r.Submit(ctx, ev); !errors.Is(err, runner.ErrNotKept) {
				t.Errorf("on a full disk: %v", err)
			}
		}
		full()
		if err := r.Submit(ctx, ev); !errors.Is(err, scheduler.ErrKnown) || errors.Is(err, runner.ErrNotKept) {
			t.Errorf("when there is room again: %v", err)
		}
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		if r, err = runner.Start(config("native"), nobody, o); err != nil {
			t.Fatal(err)
		}
		if err := r.Submit(ctx, ev); !errors.Is(err, scheduler.ErrKnown) {
			t.Errorf("after a restart: %v", err)
		}
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
}
