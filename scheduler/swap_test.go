package scheduler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// learned is a Control of models with two functions that they know and one that they do not.
func learned(t testing.TB, policy string, m *scheduler.Models, functions int) *scheduler.Control {
	t.Helper()
	cfg := scheduler.DefaultConfig()
	cfg.Policy, cfg.Models, cfg.Start = policy, m, noon
	for k := range functions {
		cfg.Functions = append(cfg.Functions, scheduler.Function{ID: uint64(11 + k), Owner: "o", App: "a", Name: fmt.Sprint("f", k), Memory: 100 << 20, CPU: 1})
	}
	cfg.Functions[0].Name = "trees"
	cfg.Invokers = []scheduler.Invoker{{ID: 5, Memory: 250 << 20, Cores: 4}, {ID: 6, Memory: 250 << 20, Cores: 4}}
	c, err := scheduler.NewControl(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSwap: under load other models take over; containers, queues and identities stay, every request
// has its end, and the orders say when it happened.
func TestSwap(t *testing.T) {
	first, second := modeltest.Models(t), modeltest.Models(t)
	second.Settings.Pool.CPUShare = 0
	for _, policy := range []string{"incendio", "incendio-wo-s", "incendio-wo-p"} {
		c := learned(t, policy, first, 3)
		var now float64
		open, runs := map[uint64]bool{}, map[uint64]uint64{}
		var take func(orders []scheduler.Order)
		var later []scheduler.Event
		take = func(orders []scheduler.Order) {
			for _, o := range orders {
				switch o.Kind {
				case decide.Create:
					later = append(later, happens(now+0.5, decide.Ready, o.Container))
				case decide.Run:
					if runs[o.Request] != 0 || !open[o.Request] {
						t.Errorf("%s: request %d is run again", policy, o.Request)
					}
					runs[o.Request] = o.Container
					later = append(later, scheduler.Event{At: after(now + 2), Kind: decide.Completion, Request: o.Request, Container: o.Container, Took: 2 * time.Second})
				case decide.End:
					later = append(later, happens(now+0.1, decide.Ended, o.Container))
				case decide.Drop:
					delete(open, o.Request)
				}
			}
		}
		handle := func(ev scheduler.Event) {
			t.Helper()
			orders, err := c.Handle(ev)
			if err != nil {
				t.Fatalf("%s: %+v: %v", policy, ev, err)
			}
			if ev.Kind == decide.Completion {
				delete(open, ev.Request)
			}
			take(orders)
		}
		models := []*scheduler.Models{second, second, first}
		for k := range 700 {
			now = float64(k) / 4
			for n := len(later); n > 0; n-- {
				ev := later[0]
				later = later[1:]
				if ev.At.After(after(now)) {
					later = append(later, ev)
				} else {
					handle(ev)
				}
			}
			if k < 200 {
				open[uint64(1+k)] = true
				handle(arrives(now, uint64(1+k), uint64(11+k%3)))
			} else {
				handle(scheduler.Event{At: after(now), Kind: decide.Tick})
			}
			if k%60 == 59 && len(models) > 0 {
				before := c.Snapshot().InSystemAll()
				orders, err := c.Swap(models[0])
				if err != nil || len(orders) == 0 || orders[0].Kind != decide.Swapped {
					t.Fatalf("%s: %q, %v", policy, spell(orders), err)
				}
				if got := c.Snapshot().InSystemAll(); got != before {
					t.Errorf("%s: %d requests before, %d after", policy, before, got)
				}
				models = models[1:]
				take(orders)
			}
		}
		if len(open) > 0 || len(runs) < 100 {
			t.Errorf("%s: %d requests have no end, %d ran", policy, len(open), len(runs))
		}
	}
}

// TestSwapRefuses: what cannot take over leaves what decides.
func TestSwapRefuses(t *testing.T) {
	if _, err := door(t, "native", nil).Swap(modeltest.Models(t)); err == nil || !strings.Contains(err.Error(), "runs without models") {
		t.Errorf("under native: %v", err)
	}
	m := modeltest.Models(t)
	c := learned(t, "", m, 3)
	if _, err := c.Swap(nil); err == nil || !strings.Contains(err.Error(), "no models") {
		t.Errorf("no models: %v", err)
	}
	bad := modeltest.Models(t)
	bad.Settings.Pool.MemoryPrice = -1
	if _, err := c.Swap(bad); err == nil {
		t.Error("models that cannot decide were taken")
	}
	if orders, err := c.Swap(m); err != nil || spell(orders) != "swapped f0 r0 c0 i0" {
		t.Errorf("the same models: %q, %v", spell(orders), err)
	}
	tell(t, c, message{arrives(1, 1, 11), "create f11 r1 c1 i5"})
}

// TestSwapKeepsForecasts: the forecasts of the running minute stay, and the new forecasters have
// seen the arrivals before the swap.
func TestSwapKeepsForecasts(t *testing.T) {
	play := func(swap bool) string {
		c := learned(t, "", modeltest.Models(t), 3)
		var out []string
		id := uint64(0)
		for minute := range 30 {
			for k := range 20 {
				id++
				orders, err := c.Handle(arrives(float64(minute*60+k), id, 11))
				if err != nil {
					t.Fatal(err)
				}
				_ = orders
			}
			if swap && minute == 20 {
				if _, err := c.Swap(modeltest.Models(t)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.Handle(scheduler.Event{At: after(float64(minute*60 + 40)), Kind: decide.Tick}); err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("%d: %.6v", minute, scheduler.Expected(c)))
		}
		return strings.Join(out, "\n")
	}
	if a, b := play(false), play(true); a != b {
		t.Errorf("without a swap:\n%s\nwith one to equal models:\n%s", a, b)
	}
}

func BenchmarkSwap(b *testing.B) {
	one, other := modeltest.Models(b), modeltest.Models(b)
	c := learned(b, "", one, 1000)
	id := uint64(0)
	for minute := range 24 * 60 {
		for k := range uint64(100) {
			id++
			if _, err := c.Handle(arrives(float64(minute*60), id, 11+(k*37+uint64(minute))%1000)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ResetTimer()
	for range b.N {
		if _, err := c.Swap(other); err != nil {
			b.Fatal(err)
		}
		one, other = other, one
	}
}
