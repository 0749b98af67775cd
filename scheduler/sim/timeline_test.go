package sim_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

var update = flag.Bool("update", false, "rewrite the timelines in testdata; review the difference")

// A recorder writes a timeline.
type recorder struct {
	names  []string
	lines  []string
	number map[decide.RequestID]int // the place in the file of a request that is in the system
	n      int
}

func (r *recorder) line(at decide.Time, format string, a ...any) {
	r.lines = append(r.lines, fmt.Sprintf("%.6f ", at.Seconds())+fmt.Sprintf(format, a...))
}

func (r *recorder) Finished(o sim.Outcome) {
	at := o.Done
	if o.Class == sim.Dropped {
		at = o.Dispatch
	}
	r.line(at, "done %d %v waited %v", o.Number, o.Class, (o.Start - o.Arrival).Duration())
}

func (r *recorder) Handled(_ decide.Snapshot, ev decide.Event, decisions []decide.Decision) {
	var what string
	switch ev.Kind {
	case decide.Arrival:
		r.number[ev.Request] = r.n
		what = fmt.Sprintf("arrival %d of %s:", r.n, r.names[ev.Function])
		r.n++
	case decide.Completion:
		what = fmt.Sprintf("completion in %d:", ev.Container)
	case decide.Tick:
		what = "tick:"
	default:
		what = fmt.Sprintf("%v %d:", ev.Kind, ev.Container)
	}
	for _, d := range decisions {
		switch d.Kind {
		case decide.Run:
			what += fmt.Sprintf(" run %d in %d", r.number[d.Request], d.Container)
		case decide.Create:
			what += fmt.Sprintf(" create %d", d.Container)
			if d.Request != decide.None {
				what += fmt.Sprintf(" for %d", r.number[d.Request])
			}
		case decide.End:
			what += fmt.Sprintf(" end %d", d.Container)
		case decide.Downgrade:
			what += fmt.Sprintf(" take %d down", d.Container)
		case decide.Upgrade:
			what += fmt.Sprintf(" build on %d for %d", d.Container, r.number[d.Request])
		case decide.Drop:
			what += fmt.Sprintf(" drop %d", r.number[d.Request])
		}
	}
	r.line(ev.At, "%s", what)
}

// TestTimelines replays the hand-worked cases in testdata/timeline. A file has three
// parts: the set-up, the timeline, the figures. Requests are named by their place in the
// file, containers by the number that the scheduler gives them; those of ended ones
// are given out again.
func TestTimelines(t *testing.T) {
	files, err := filepath.Glob("testdata/timeline/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no timelines: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { timeline(t, file, "") })
	}
}

// TestPolicyTimelines: for every policy there is a hand-worked case in which it does
// what its source is known for, and native would have led to other figures.
func TestPolicyTimelines(t *testing.T) {
	for _, row := range scheduler.Baselines() {
		if row.Name == "native" {
			continue // most of testdata/timeline is its own
		}
		t.Run(row.Name, func(t *testing.T) {
			file := filepath.Join("..", "policy", "testdata", row.Name+".txt")
			ours := timeline(t, file, "")
			if native := timeline(t, file, "native"); *ours == *native {
				t.Errorf("%s: native leads to the same figures: %+v", file, *native)
			}
		})
	}
}

// figures are those of a run that no two orders of starting share by chance.
type figures struct {
	warm, cold, delayed, dropped int64
	mean, wasted                 float64
}

// timeline replays the case of a file and compares it with the rest of the file, or, under
// another policy than the file's, with nothing.
func timeline(t *testing.T, file, other string) *figures {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(text), "---\n", 3)
	if len(parts) != 3 {
		t.Fatalf("%s: want three parts, got %d", file, len(parts))
	}
	var (
		functions   []datasets.Function
		invocations []datasets.Invocation
		rec         = recorder{number: make(map[decide.RequestID]int)}
		policy      string
		o           = sim.DefaultOptions()
	)
	for sc := bufio.NewScanner(strings.NewReader(parts[0])); sc.Scan(); {
		word := strings.Fields(sc.Text())
		if len(word) == 0 || word[0] == "#" {
			continue
		}
		switch word[0] {
		case "cluster":
			for _, w := range word[1:] {
				k, v, _ := strings.Cut(w, "=")
				switch k {
				case "invokers":
					o.Cluster.Invokers = int(number(t, v))
				case "cores":
					o.Cluster.Cores = number(t, v)
				case "memory":
					o.Cluster.MemoryMB = int(number(t, v))
				case "sharing":
					o.Cluster.Sharing = v
				case "start_limit":
					o.Cluster.StartLimit = int(number(t, v))
				case "timeout":
					o.Scheduler.Timeout = decide.FromDuration(duration(t, v))
				default:
					t.Fatalf("%s: unknown key %q", file, k)
				}
			}
		case "policy":
			policy = word[1]
		case "function":
			value := make(map[string]string)
			for _, w := range word[2:] {
				k, v, _ := strings.Cut(w, "=")
				value[k] = v
			}
			rec.names = append(rec.names, word[1])
			execution := time.Second // what is expected, before any request is seen
			if v, ok := value["exec"]; ok {
				execution = duration(t, v)
			}
			functions = append(functions, function(word[1], int64(number(t, value["memory"])), number(t, value["cpu"]),
				execution, duration(t, value["init"]), duration(t, value["term"])))
			if v, ok := value["owner"]; ok {
				functions[len(functions)-1].Owner = v
			}
		case "request":
			f := -1
			for i, n := range rec.names {
				if n == word[2] {
					f = i
				}
			}
			invocations = append(invocations, datasets.Invocation{
				Function: datasets.FunctionID(f), Arrival: duration(t, word[1]), Duration: duration(t, word[3]),
			})
		default:
			t.Fatalf("%s: unknown line %q", file, sc.Text())
		}
	}
	last := invocations[len(invocations)-1].Arrival
	tr := counts(functions, nil)
	tr.Span = datasets.Window{From: 0, To: int(last/time.Minute) + 1}
	o.Observer = &rec
	w, err := sim.Single(tr, invocations, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	if other != "" {
		policy = other
	}
	r, err := sim.Run(context.Background(), tr, w, baseline(t, policy).New, o)
	if err != nil {
		t.Fatal(err)
	}
	end := &figures{r.Warm, r.Cold, r.DelayedWarm, r.Dropped, r.Latency.Mean, r.WastedGBS}
	if other != "" {
		return end
	}
	got := strings.Join(rec.lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(parts[0]+"---\n"+got+"---\n"+parts[2]), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != parts[1] {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, parts[1])
	}
	for sc := bufio.NewScanner(strings.NewReader(parts[2])); sc.Scan(); {
		word := strings.Fields(sc.Text())
		if len(word) == 0 || word[0] == "#" {
			continue
		}
		near := func(got, want float64) {
			if math.Abs(got-want) > 1e-6*math.Max(1, want) {
				t.Errorf("%s: %s is %v, want %v", file, word[0], got, want)
			}
		}
		switch word[0] {
		case "warm":
			if got := fmt.Sprintf("warm %d cold %d delayed_warm %d dropped %d", r.Warm, r.Cold, r.DelayedWarm, r.Dropped); got != sc.Text() {
				t.Errorf("%s: %s, want %s", file, got, sc.Text())
			}
		case "mean":
			near(r.Latency.Mean/1000, duration(t, word[1]).Seconds())
		case "wasted":
			near(r.WastedGBS, number(t, word[1]))
		case "benefit":
			near(r.LatencyBenefitS, number(t, word[1]))
		case "rum":
			near(r.RUM, number(t, word[1]))
		case "slo_dispatch":
			near(r.SLODispatch.Within100, number(t, word[1]))
			near(r.SLODispatch.Within500, number(t, word[2]))
			near(r.SLODispatch.Within1000, number(t, word[3]))
		case "slo_start":
			near(r.SLOStart.Within100, number(t, word[1]))
			near(r.SLOStart.Within500, number(t, word[2]))
			near(r.SLOStart.Within1000, number(t, word[3]))
		default:
			t.Fatalf("%s: unknown figure %q", file, word[0])
		}
	}
	return end
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	v, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
