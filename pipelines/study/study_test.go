package study_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/study"
)

// setting is a small platform, and a clock that advances by itself: a study that measures
// time then ends, and measures the same everywhere.
func setting(workers int) study.Input {
	cfg := pipelines.DefaultConfig()
	cfg.Synthetic.Functions, cfg.Synthetic.Days, cfg.Synthetic.Busiest = 12, 1, 2000
	cfg.Simulation.Cluster.Invokers, cfg.Simulation.Cluster.Cores, cfg.Simulation.Cluster.MemoryMB = 1, 1, 4096
	now := time.Unix(0, 0)
	return study.Input{Config: cfg, Seed: 1, Seeds: 1, Workers: workers, Now: func() time.Time {
		now = now.Add(20 * time.Millisecond)
		return now
	}}
}

// TestStudies: every study runs where there is nothing but a seed, has a table and, but for the
// plain comparisons, a figure and a claim; and comes to the same with any number of
// workers.
func TestStudies(t *testing.T) {
	t.Cleanup(study.ShortenDecisions())
	t.Cleanup(study.ShortenAdvantages())
	t.Cleanup(study.ShortenDispatch())
	tables := map[string]bool{"decisions": true, "advantages": true} // have no figures
	for _, s := range study.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			run := func(workers int) (*study.Result, []byte) {
				r, err := s.Run(context.Background(), setting(workers))
				if err != nil {
					t.Fatal(err)
				}
				b, err := json.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range r.Figures {
					b = append(b, f.File()...)
				}
				return r, append(b, r.Markdown()...)
			}
			r, want := run(1)
			if _, got := run(3); !bytes.Equal(got, want) {
				t.Error("another result with three workers")
			}
			if len(r.Tables) == 0 || len(r.Tables[0].Rows) < 2 || len(r.Setup) == 0 || len(r.Figures) == 0 && !tables[s.Name] || len(r.Files) != len(r.Figures) {
				t.Errorf("%d tables, %d sentences, %d figures", len(r.Tables), len(r.Setup), len(r.Figures))
			}
			if len(r.Claims) == 0 && s.Name != "loads" && s.Name != "dispatch" && !tables[s.Name] {
				t.Error("no claim of the paper is compared")
			}
			for _, c := range r.Claims {
				if c.What == "" || c.Paper == "" || c.Ours == "" || c.Why == "" || strings.Contains(c.Ours, "NaN") {
					t.Errorf("claim %+v", c)
				}
			}
		})
	}
}

func TestNamed(t *testing.T) {
	if s, err := study.Named("fig6"); err != nil || s.Name != "fig6" {
		t.Errorf("fig6: %v, %v", s, err)
	}
	if _, err := study.Named("fig7"); err == nil || !strings.Contains(err.Error(), `study "fig7": must be one of fig2, fig6, table2`) {
		t.Errorf("fig7: %v", err)
	}
}

func TestSettingIsChecked(t *testing.T) {
	s, err := study.Named("fig6")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*study.Input)
		want   string
	}{
		{func(s *study.Input) { s.Seeds = 0 }, "seeds must be in [1, 1000], got 0"},
		{func(s *study.Input) { s.Workers = 0 }, "workers must be at least 1, got 0"},
		{func(s *study.Input) { s.Now = nil }, "clock"},
	} {
		set := setting(1)
		c.change(&set)
		if _, err := s.Run(context.Background(), set); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

// TestOptimum: the search finds what a hand finds, and no random order is better.
func TestOptimum(t *testing.T) {
	second := time.Second
	// Two of a, one of b: each container serves one function, a twice in a row.
	tasks := []study.Task{{Name: "a", Requests: 2, Initialisation: second, Execution: second, Termination: second}, {Name: "b", Requests: 1, Initialisation: 2 * second, Execution: second, Termination: second}}
	if sum, first, other := study.Optimum(tasks); sum != (2+3+3)*second || len(first)+len(other) != 3 {
		t.Errorf("optimum %v with %v and %v, want 8 s", sum, first, other)
	}
	// Three functions: one container has to change, after the shortest.
	tasks = append(tasks, study.Task{Name: "c", Requests: 1, Initialisation: second, Execution: 3 * second, Termination: second})
	draw := rand.New(rand.NewPCG(1, 2))
	best, _, _ := study.Optimum(tasks)
	least := time.Duration(1 << 62)
	for range 2000 {
		order := []int{0, 0, 1, 2}
		draw.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		cut := draw.IntN(len(order) + 1)
		least = min(least, total(tasks, order[:cut])+total(tasks, order[cut:]))
	}
	if best != least {
		t.Errorf("optimum %v, the best of 2000 random orders %v", best, least)
	}
}

// total is the sum of latencies of an order in one container, step by step.
func total(tasks []study.Task, order []int) (sum time.Duration) {
	var at time.Duration
	for i, k := range order {
		if i == 0 || order[i-1] != k {
			if i > 0 {
				at += tasks[order[i-1]].Termination
			}
			at += tasks[k].Initialisation
		}
		at += tasks[k].Execution
		sum += at
	}
	return sum
}

// TestTraceOfTheSetting: a study that takes a trace runs on it.
func TestTraceOfTheSetting(t *testing.T) {
	var calls []datasets.Invocation
	for i := range 600 {
		calls = append(calls, datasets.Invocation{Function: datasets.FunctionID(i % 3), Arrival: time.Duration(i) * time.Second, Duration: 300 * time.Millisecond})
	}
	tr := &datasets.Trace{Name: "mine", Span: datasets.Window{From: 0, To: 10}, Source: datasets.Singles{calls}}
	for i := range 3 {
		tr.Functions = append(tr.Functions, datasets.Function{
			ID: datasets.FunctionID(i), Owner: "o", App: "a", Name: string(rune('f' + i)), Memory: 128 << 20, CPU: 1, Execution: datasets.Constant(300 * time.Millisecond),
			Initialisation: datasets.Constant(time.Second), Termination: datasets.Constant(time.Second),
		})
	}
	for _, name := range []string{"table2", "table3", "fig10", "fig11", "fig12"} {
		s, err := study.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		set := setting(2)
		set.Trace, set.Window = tr, tr.Span
		r, err := s.Run(context.Background(), set)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(r.Setup, func(s string) bool { return strings.HasPrefix(s, "600 requests") }) {
			t.Errorf("%s: %v", name, r.Setup)
		}
		if !slices.ContainsFunc(r.LeftOut, func(s string) bool { return strings.HasPrefix(s, "incendio: it runs a bundle") }) {
			t.Errorf("%s left out %v", name, r.LeftOut)
		}
	}
}
