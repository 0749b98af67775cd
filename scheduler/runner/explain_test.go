package runner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
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

// TestExplain: what was given up is explained after its end, with who took its place, in words and
// as JSON.
func TestExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, 1)
		f.execution = func(*rand.Rand) time.Duration { return time.Second }
		cfg := config("native")
		cfg.Invokers = []scheduler.Invoker{{ID: 5, Memory: 400, Cores: 4}}
		r := f.start(cfg, runner.Options{Remember: 64})
		ctx := context.Background()
		explain := func(of func(context.Context, uint64) (runner.Explanation, error), id uint64, want ...string) {
			t.Helper()
			e, err := of(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			var back runner.Explanation
			if err := json.Unmarshal(data, &back); err != nil || back.String() != e.String() {
				t.Errorf("as JSON: %s, %v", data, err)
			}
			for _, w := range want {
				if !strings.Contains(e.String(), w) {
					t.Errorf("%v\nwant %q", e, w)
				}
			}
		}
		if err := f.arrive(ctx, 1, 11); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		explain(r.ExplainContainer, 1, "container 1 is idle since", "it is kept for requests to come", "order create request 1 container 1", "ready container 1", "completion request 1")
		if err := f.arrive(ctx, 2, 14); err != nil { // which needs all the memory
			t.Fatal(err)
		}
		explain(r.ExplainRequest, 2, "request 2 is starting", "waits on invoker 5 for the")
		time.Sleep(10 * time.Second)
		explain(r.ExplainContainer, 1, "container 1 is gone", "order end container 1 function 11 invoker 5: evicted for function 14", "ended container 1")
		f.lose(5)
		explain(r.ExplainContainer, 2, "container 2 is gone", "lost invoker 5")
		if err := f.arrive(ctx, 3, 14); err != nil {
			t.Fatal(err)
		}
		explain(r.ExplainRequest, 3, "request 3 is waiting", "every invoker is drained or lost; it may wait until")
		time.Sleep(2 * time.Minute)
		explain(r.ExplainRequest, 3, "request 3 is ended", "order drop request 3 function 14: timed out")
		explain(r.ExplainRequest, 99, "request 99 is unknown")
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		f.events.Wait()
	})
}

// meter is metrics by name and label.
type meter struct {
	mu     sync.Mutex
	values map[string]float64
}

func (m *meter) set(index int, label string, change func(float64) float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := runner.Measured()[index].Name
	if label != "" {
		key += " " + label
	}
	m.values[key] = change(m.values[key])
}

func (m *meter) Add(i int, l string, d float64) {
	m.set(i, l, func(v float64) float64 { return v + d })
}
func (m *meter) Set(i int, l string, v float64) { m.set(i, l, func(float64) float64 { return v }) }
func (m *meter) Observe(i int, l string, _ float64) {
	m.set(i, l, func(v float64) float64 { return v + 1 })
}

// TestMetrics: what is measured agrees with what happened, and every metric has its kind and label.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, 3)
		f.callFails, f.crashes = 0.1, 0.1
		m := &meter{values: map[string]float64{}}
		cfg := config("native")
		cfg.Options.Retries = 1
		r := f.start(cfg, runner.Options{Metrics: m})
		storm(f, 3, 2, 100)
		ctx := context.Background()
		if err := r.Post(scheduler.Event{Kind: decide.Arrival, Request: 1, Function: 11}); err != nil {
			t.Fatal(err)
		}
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := r.Post(scheduler.Event{Kind: decide.Arrival, Request: 1, Function: 11}); err == nil {
			t.Error("an arrival after the end")
		}
		f.events.Wait()
		completed, dropped, _ := f.outcomes()
		m.mu.Lock()
		defer m.mu.Unlock()
		given := m.values["incendio_decisions_total drop"] + m.values["incendio_decisions_total report"]
		for key, want := range map[string]float64{
			"incendio_events_total arrival":            200,
			"incendio_events_total completion":         float64(completed),
			"incendio_events_total lost":               1,
			"incendio_events_total drained":            1,
			"incendio_events_rejected_total closed":    1,
			"incendio_requests_in_system":              0,
			"incendio_requests_waiting":                0,
			"incendio_orders_outstanding":              0,
			"incendio_containers busy":                 0,
			"incendio_memory_bytes":                    1000, // of the invoker that is neither lost nor drained
			"incendio_platform_calls_total run":        float64(f.calls[decide.Run]),
			"incendio_platform_call_seconds create":    float64(f.calls[decide.Create]),
			"incendio_request_wait_seconds":            m.values["incendio_decisions_total run"],
			"incendio_given_up_total failed too often": given,
		} {
			if m.values[key] != want {
				t.Errorf("%s is %g, want %g", key, m.values[key], want)
			}
		}
		if given != float64(dropped) || m.values["incendio_events_rejected_total impossible"] < 1 || m.values["incendio_platform_call_failures_total run"] == 0 || m.values["incendio_handle_seconds"] == 0 {
			t.Errorf("%g given up of %d: %v", given, dropped, m.values)
		}
		names := slices.Sorted(maps.Keys(m.values))
		t.Logf("%d series", len(names))
	})
	page, err := os.ReadFile("../../docs/embedding.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, d := range runner.Measured() {
		kind, label := []string{"counter", "gauge", "histogram"}[d.Kind], ""
		if d.Label != "" {
			label = "`" + d.Label + "`"
		}
		if row := fmt.Sprintf("| `%s` | %s | %s | %s |\n", d.Name, kind, label, d.Help); !strings.Contains(string(page), row) {
			t.Errorf("docs/embedding.md has no row %s", row)
		}
		if seen[d.Name] || !strings.HasPrefix(d.Name, "incendio_") || d.Help == "" || (d.Kind == runner.Histogram) != (len(d.Buckets) > 0) {
			t.Errorf("metric %+v", d)
		}
		seen[d.Name] = true
	}
}
