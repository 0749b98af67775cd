package scheduler_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

var noon = time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)

// door is a Control under policy of functions 11 and 12 on invoker 5.
func door(t testing.TB, policy string, change func(*scheduler.Config)) *scheduler.Control {
	t.Helper()
	cfg := scheduler.DefaultConfig()
	cfg.Policy, cfg.Start = policy, noon
	for k := range uint64(2) {
		cfg.Functions = append(cfg.Functions, scheduler.Function{
			ID: 11 + k, Owner: "o", App: fmt.Sprint("a", k), Name: "f", Memory: 100, CPU: 1,
			Execution: time.Second, Initialise: time.Second, Termination: time.Second,
		})
	}
	cfg.Invokers = []scheduler.Invoker{{ID: 5, Memory: 300, Cores: 4}}
	if change != nil {
		change(&cfg)
	}
	c, err := scheduler.NewControl(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// spell writes orders as the tests do.
func spell(orders []scheduler.Order) string {
	var out []string
	for _, o := range orders {
		out = append(out, fmt.Sprintf("%v f%d r%d c%d i%d", o.Kind, o.Function, o.Request, o.Container, o.Invoker))
	}
	return strings.Join(out, ", ")
}

type message struct {
	ev   scheduler.Event
	want string // orders, or what the error says after "!"
}

// tell plays messages, whose times are seconds after noon.
func tell(t *testing.T, c *scheduler.Control, messages ...message) {
	t.Helper()
	for k, m := range messages {
		orders, err := c.Handle(m.ev)
		if want, wrong := strings.CutPrefix(m.want, "!"); wrong {
			if !errors.Is(err, scheduler.ErrImpossible) || !strings.Contains(err.Error(), want) || len(orders) > 0 {
				t.Errorf("message %d: got %q and error %v, want %q", k, spell(orders), err, want)
			}
			continue
		}
		if got := spell(orders); err != nil || got != m.want {
			t.Errorf("message %d: got %q and error %v, want %q", k, got, err, m.want)
		}
	}
}

func after(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

func arrives(at float64, r, f uint64) scheduler.Event {
	return scheduler.Event{At: after(at), Kind: decide.Arrival, Request: r, Function: f}
}

func happens(at float64, kind decide.EventKind, c uint64) scheduler.Event {
	return scheduler.Event{At: after(at), Kind: kind, Container: c}
}

func completes(at float64, r, c uint64) scheduler.Event {
	return scheduler.Event{At: after(at), Kind: decide.Completion, Container: c, Request: r, Took: time.Second}
}

// TestIdentity: ids are the platform's, of any size, and a message about a former holder of a
// number is an error.
func TestIdentity(t *testing.T) {
	const huge = math.MaxUint64 - 1
	c := door(t, "native", nil)
	tell(t, c,
		message{arrives(0, 1<<24, 11), "create f11 r16777216 c1 i5"},
		message{arrives(0, 1<<24, 11), "!is there already"},
		message{happens(1, decide.Ready, 1), "run f11 r16777216 c1 i5"},
		message{completes(2, 1<<24, 1), ""},
		message{completes(2, 1<<24, 1), "!there is no request 16777216"},
		message{arrives(2, 1<<24, 11), "!request 16777216 has ended"},
		message{arrives(2, 1<<63, 11), "run f11 r9223372036854775808 c1 i5"},
		message{completes(2, huge, 1), "!there is no request"},
		message{completes(3, 1<<63, 1), ""},
		message{happens(3, decide.Failed, 1), ""}, // crashed idle
		message{arrives(3, huge, 11), "create f11 r18446744073709551614 c2 i5"},
		message{happens(3, decide.Failed, 1), "!there is no container 1"}, // of a number that is used again
		message{happens(3, decide.Ended, 2), "!container 2: the container is initialising"},
		message{arrives(3, 7, 13), "!there is no function 13"},
		message{arrives(3, 0, 11), "!must not be 0"},
		message{scheduler.Event{At: after(3), Kind: decide.Lost, Invoker: 6}, "!there is no invoker 6"},
		message{scheduler.Event{At: after(3), Kind: decide.Cancelled, Request: 6}, "!there is no request 6"},
		message{scheduler.Event{At: after(3), Kind: decide.Ready, Container: 2, Took: -1}, "!negative time"},
		message{scheduler.Event{At: noon.AddDate(-1, 0, 0), Kind: decide.Tick}, "!before"},
		message{scheduler.Event{At: noon.AddDate(1000, 0, 0), Kind: decide.Tick}, "!later than can be counted"},
		message{scheduler.Event{At: after(3), Kind: 99}, "!not known"},
		message{happens(4, decide.Ready, 2), "run f11 r18446744073709551614 c2 i5"},
	)
	if _, err := c.Handle(arrives(4, 1<<63, 11)); !errors.Is(err, scheduler.ErrKnown) {
		t.Errorf("a redelivered arrival: %v", err)
	}
}

// TestRemembered: as many requests that have ended are remembered as the option says.
func TestRemembered(t *testing.T) {
	c := door(t, "native", func(cfg *scheduler.Config) { cfg.Remember, cfg.Options.QueueLimit = 2, 1 })
	tell(t, c,
		message{arrives(0, 1, 11), "create f11 r1 c1 i5"}, message{happens(1, decide.Ready, 1), "run f11 r1 c1 i5"}, message{completes(1, 1, 1), ""},
		message{arrives(1, 2, 11), "run f11 r2 c1 i5"}, message{completes(1, 2, 1), ""},
		message{arrives(1, 1, 11), "!has ended"},
		message{arrives(1, 3, 11), "run f11 r3 c1 i5"}, message{completes(1, 3, 1), ""},
		message{arrives(1, 2, 11), "!has ended"},
		message{arrives(1, 1, 11), "run f11 r1 c1 i5"}, // it is too long ago to be known
	)
}

// TestStartThatNeverEnds: the end of a container that took too long to start is told after it was
// given up, once.
func TestStartThatNeverEnds(t *testing.T) {
	c := door(t, "native", func(cfg *scheduler.Config) { cfg.Options.StartTimeout, cfg.Options.Retries = 10*decide.Second, 1 })
	tell(t, c,
		message{arrives(0, 1, 11), "create f11 r1 c1 i5"},
		message{scheduler.Event{At: after(10), Kind: decide.Tick}, "end f11 r0 c1 i5, create f11 r1 c2 i5"},
		message{happens(11, decide.Ready, 1), "!there is no container 1"},
		message{happens(11, decide.Ended, 1), ""},
		message{happens(11, decide.Ended, 1), "!there is no container 1"},
		message{happens(12, decide.Ready, 2), "run f11 r1 c2 i5"},
	)
}

// TestReported: what failed names the container that it was in.
func TestReported(t *testing.T) {
	c := door(t, "native", nil)
	tell(t, c,
		message{arrives(0, 1, 11), "create f11 r1 c1 i5"}, message{happens(1, decide.Ready, 1), "run f11 r1 c1 i5"},
		message{happens(2, decide.Failed, 1), "report f11 r1 c1 i0"},
		message{arrives(2, 1, 11), "!has ended"},
		message{arrives(2, 2, 12), "create f12 r2 c2 i5"},
		message{happens(3, decide.Failed, 2), "drop f12 r2 c2 i0"},
		message{arrives(4, 3, 11), "create f11 r3 c3 i5"}, message{happens(5, decide.Ready, 3), "run f11 r3 c3 i5"},
		message{scheduler.Event{At: after(5), Kind: decide.Removed, Function: 11}, ""},
		message{arrives(5, 4, 11), "!there is no function 11"},
		message{completes(6, 3, 3), "end f11 r0 c3 i5"}, message{happens(7, decide.Ended, 3), ""},
		message{scheduler.Event{At: after(8), Kind: decide.Lost, Invoker: 5}, ""},
		message{scheduler.Event{At: after(8), Kind: decide.Lost, Invoker: 5}, "!there is no invoker 5"},
	)
}

// TestNewControlRefuses: what cannot be a platform.
func TestNewControlRefuses(t *testing.T) {
	for want, change := range map[string]func(*scheduler.Config){
		"start must be given":                func(c *scheduler.Config) { c.Start = time.Time{} },
		"remember must not be negative":      func(c *scheduler.Config) { c.Remember = -1 },
		"invokers must be at least one":      func(c *scheduler.Config) { c.Invokers = nil },
		"the id of a function must not be 0": func(c *scheduler.Config) { c.Functions[0].ID = 0 },
		"function 11 is there already":       func(c *scheduler.Config) { c.Functions[1].ID = 11 },
		"must be positive and finite":        func(c *scheduler.Config) { c.Functions[1].CPU = math.Inf(1) },
		"invoker 1 is there already":         func(c *scheduler.Config) { c.Invokers = append(c.Invokers, c.Invokers[0]) },
		"runs the models of a bundle":        func(c *scheduler.Config) { c.Policy = "incendio" },
		"must be one of":                     func(c *scheduler.Config) { c.Policy = "best" },
	} {
		cfg := scheduler.DefaultConfig()
		cfg.Start = noon
		cfg.Functions = []scheduler.Function{{ID: 11, Memory: 1}, {ID: 12, Memory: 1}}
		cfg.Invokers = []scheduler.Invoker{{ID: 1, Memory: 10, Cores: 1}}
		change(&cfg)
		if _, err := scheduler.NewControl(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
