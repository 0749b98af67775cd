package scheduler_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// engine is a scheduler of one function on one invoker under native.
func engine(t *testing.T, memory int64, change func(*scheduler.Options)) *scheduler.Scheduler {
	t.Helper()
	o := scheduler.DefaultOptions()
	if change != nil {
		change(&o)
	}
	build, err := scheduler.Baseline("native", 1)
	if err != nil {
		t.Fatal(err)
	}
	profiles := []decide.Profile{{Memory: 100, CPU: 1, Execution: decide.Second, Initialise: decide.Second}}
	stack, err := build(policy.Site{Profiles: profiles})
	if err != nil {
		t.Fatal(err)
	}
	s, err := scheduler.New(profiles, []decide.InvokerSpec{{Memory: memory, Cores: 4}}, stack, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func brief(ds []decide.Decision) string {
	var out []string
	for _, d := range ds {
		out = append(out, fmt.Sprintf("%v r%d c%d", d.Kind, d.Request, d.Container))
	}
	return strings.Join(out, ", ")
}

type turn struct {
	ev   decide.Event
	want string
}

func play(t *testing.T, s *scheduler.Scheduler, turns []turn) {
	t.Helper()
	for _, x := range turns {
		if got := brief(handle(s, x.ev)); got != x.want {
			t.Fatalf("%v at %d: %q, want %q", x.ev.Kind, x.ev.At, got, x.want)
		}
	}
}

func arrival(at decide.Time, r decide.RequestID) decide.Event {
	return decide.Event{At: at, Kind: decide.Arrival, Request: r}
}

func container(at decide.Time, k decide.EventKind, c decide.ContainerID) decide.Event {
	return decide.Event{At: at, Kind: k, Container: c}
}

// TestKeepAliveMoves: each use renews the keep-alive, the timer never asks for a tick
// that has nothing to do, and a container number that is given out again does not
// inherit the time of its predecessor.
func TestKeepAliveMoves(t *testing.T) {
	const s, keep = decide.Second, 10 * decide.Minute
	e := engine(t, 100, nil)
	play(t, e, []turn{
		{arrival(0, 0), "create r0 c0"},
		{container(s, decide.Ready, 0), "run r0 c0"},
		{container(2*s, decide.Completion, 0), ""},
	})
	if w := e.Wake(); w != 2*s+keep {
		t.Fatalf("wake at %d, want %d", w, 2*s+keep)
	}
	play(t, e, []turn{{arrival(100*s, 1), "run r1 c0"}})
	if w := e.Wake(); w != decide.Forever {
		t.Fatalf("wake at %d while the container executes, want never", w)
	}
	play(t, e, []turn{{container(101*s, decide.Completion, 0), ""}})
	if w := e.Wake(); w != 101*s+keep {
		t.Fatalf("wake at %d, want %d", w, 101*s+keep)
	}
	play(t, e, []turn{
		{decide.Event{At: 101*s + keep, Kind: decide.Tick}, "end r-1 c0"},
		{container(102*s+keep, decide.Ended, 0), ""},
		{arrival(103*s+keep, 2), "create r2 c0"},
		{container(104*s+keep, decide.Ready, 0), "run r2 c0"},
		{container(105*s+keep, decide.Completion, 0), ""},
	})
	if w := e.Wake(); w != 105*s+2*keep {
		t.Fatalf("wake at %d, want %d", w, 105*s+2*keep)
	}
}

// TestTimeoutAndQueueLimit: the oldest request is given up when its time is over, the
// one too many when it arrives.
func TestTimeoutAndQueueLimit(t *testing.T) {
	const s = decide.Second
	e := engine(t, 100, func(o *scheduler.Options) { o.Timeout, o.QueueLimit = 5*s, 2 })
	play(t, e, []turn{
		{arrival(0, 0), "create r0 c0"},
		{arrival(1, 1), ""},
		{arrival(2, 2), ""},
		{arrival(3, 3), "drop r3 c-1"},
	})
	if w := e.Wake(); w != 5*s+1 {
		t.Fatalf("wake at %d, want %d", w, 5*s+1)
	}
	play(t, e, []turn{
		{decide.Event{At: 5*s + 1, Kind: decide.Tick}, "drop r1 c-1"},
		// The request that the container was made for is not given up, however long it takes.
		{container(6*s, decide.Ready, 0), "drop r2 c-1, run r0 c0"},
	})
}

// TestConcurrency: a container executes two requests at once, and is idle after both.
func TestConcurrency(t *testing.T) {
	const s = decide.Second
	e := engine(t, 100, func(o *scheduler.Options) { o.Concurrency = 2 })
	play(t, e, []turn{
		{arrival(0, 0), "create r0 c0"},
		{arrival(1, 1), ""},
		{arrival(2, 2), ""},
		{container(s, decide.Ready, 0), "run r0 c0, run r1 c0"},
		{container(2*s, decide.Completion, 0), "run r2 c0"},
		{container(3*s, decide.Completion, 0), ""},
	})
	if w := e.Wake(); w != decide.Forever {
		t.Fatalf("wake at %d with one request executing, want never", w)
	}
	play(t, e, []turn{{container(4*s, decide.Completion, 0), ""}})
	if w := e.Wake(); w != 4*s+10*decide.Minute {
		t.Fatalf("wake at %d, want the end of the keep-alive", w)
	}
}

// blind is a future without arrivals.
type blind struct{}

func (blind) NextArrival(decide.FunctionID, decide.Time) decide.Time   { return decide.Forever }
func (blind) Arrivals(decide.FunctionID, decide.Time, decide.Time) int { return 0 }

func TestBaselineNames(t *testing.T) {
	for spec, want := range map[string]string{
		"nativ":                      "native, native-pick, fcfs, locality",
		"native:":                    `parameter "": must be one of keep_alive_s`,
		"native:keep":                `parameter "keep": must be one of keep_alive_s`,
		"native:keep_alive_s":        `keep_alive_s must be a number in [0, 1e+09], got ""`,
		"native:keep_alive_s=-1":     "keep_alive_s must be a number in",
		"native:keep_alive_s=NaN":    "keep_alive_s must be a number in",
		"native:keep_alive_s=60:a=1": `parameter "a"`,
		"faascache:keep_alive_s=60":  "faascache has no parameters",
	} {
		if _, err := scheduler.Baseline(spec, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("policy %q: got %v, want %q", spec, err, want)
		}
	}
	build, err := scheduler.Baseline("native:keep_alive_s=60", 1)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := build(policy.Site{}); err != nil || s.Name != "native:keep_alive_s=60" || s.Pool.KeepAlive(decide.Snapshot{}, 0) != decide.Minute {
		t.Errorf("a parameter: %+v, %v", s, err)
	}
	profiles := []decide.Profile{{Memory: 100, CPU: 1, Initialise: 1}}
	for _, r := range scheduler.Baselines() {
		build, err := scheduler.Baseline(r.Name, 1)
		if err != nil {
			t.Fatal(err)
		}
		s, err := build(policy.Site{Profiles: profiles, Future: blind{}})
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != r.Name || s.Dispatcher == nil || s.Pool == nil || s.Placer == nil || r.Source == "" {
			t.Errorf("row %s: stack %+v", r.Name, s)
		}
	}
}

// handle is s.Handle of an event that can have happened. A completion that names no request
// of its container is of the one that began last.
func handle(s *scheduler.Scheduler, ev decide.Event) []decide.Decision {
	if v := s.Snapshot(); ev.Kind == decide.Completion && !v.Executes(ev.Container, ev.Request) {
		ev.Request = v.FirstExecuting(ev.Container)
	}
	decisions, err := s.Handle(ev)
	if err != nil {
		panic(err)
	}
	return decisions
}
