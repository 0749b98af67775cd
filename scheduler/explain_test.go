package scheduler_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestExplain: every reason for which a request waits or a container is as it is has its case.
func TestExplain(t *testing.T) {
	three := []scheduler.Event{arrives(0, 1, 11), arrives(0, 2, 11), arrives(0, 3, 11)}
	ready := append(three[:3:3], happens(1, decide.Ready, 1), happens(1, decide.Ready, 2), happens(1, decide.Ready, 3))
	one := []scheduler.Event{arrives(0, 1, 11), happens(1, decide.Ready, 1)}
	drained := scheduler.Event{At: after(1), Kind: decide.Drained, Invoker: 5}
	for name, x := range map[string]struct {
		policy    string
		change    func(*scheduler.Config)
		events    []scheduler.Event
		container bool
		id        uint64
		codes     string
		want      string
	}{
		"unknown":      {"native", nil, nil, false, 9, "not_known", "request 9 is unknown: it has not arrived, or has ended long ago"},
		"ended":        {"native", nil, append(one[:2:2], completes(2, 1, 1)), false, 1, "ended", "request 1 is ended: it has completed, or was given up or cancelled"},
		"initialising": {"native", nil, one[:1], false, 1, "initialising", "request 1 is starting since 12:00:30.000: container 1 was created for it and initialises, which is expected to last until 12:00:31.000"},
		"executing":    {"native", nil, one, false, 1, "executing", "request 1 is executing since 12:00:30.000: it runs in container 1, and is expected to take 1s"},
		"no memory": {"native", nil, append(ready[:6:6], arrives(2, 4, 12)), false, 4, "no_memory,timeout",
			"request 4 is waiting since 12:00:32.000: a container of its function needs 9.537e-05 MB, and the most that an invoker has or could free of idle containers is 0 MB, on invoker 5; it may wait until 12:01:32.000"},
		"busy and no memory": {"native", nil, append(ready[:6:6], arrives(2, 4, 11)), false, 4, "busy,no_memory,timeout",
			"of the containers of its function 3 are busy and 0 start, and 1 requests wait for them"},
		"no invoker": {"native", nil, append(one[:2:2], drained, arrives(2, 4, 12)), false, 4, "no_invoker,timeout", "every invoker is drained or lost"},
		"pending": {"native", func(c *scheduler.Config) { c.Invokers[0].StartLimit = 1 }, three[:2], false, 2, "pending",
			"request 2 is starting since 12:00:30.000: its container waits on invoker 5, where 1 initialise already, as many as may at once"},
		"pending for memory": {"native", nil, append(ready[:6:6], completes(2, 1, 1), arrives(3, 4, 12)), false, 4, "pending",
			"its container waits on invoker 5 for the 9.537e-05 MB of containers that end there"},
		"policy": {"knative", nil, one[:1], false, 1, "busy,policy,timeout", "a new container would fit, and policy \"knative\" waits or prefers others of the 1 requests that wait"},
		"no CPU": {"scl", func(c *scheduler.Config) { c.Invokers[0].Cores = 2 }, append(three[:2:2], happens(1, decide.Ready, 1), happens(1, decide.Ready, 2), arrives(2, 4, 12)), false, 4,
			"no_cpu,timeout", "the invokers with memory for a container of its function execute as much as they may"},
		"held": {"incendio-index:short_limit=0.3", nil, append(three[:2:2], arrives(0, 3, 11)), false, 3, "held,busy,timeout",
			"held by the index: the least loaded invoker with room has 0.50 times its cores to do, and short requests start below 0.30 (invoker 5) until"},
		"container that never was":      {"native", nil, nil, true, 9, "ended", "container 9 is gone: it has ended or failed, or never was"},
		"container that initialises":    {"native", nil, one[:1], true, 1, "initialising", "it was created for request 1, and is expected to initialise until 12:00:31.000"},
		"container that executes":       {"native", nil, one, true, 1, "executing", "container 1 is busy since 12:00:31.000: it executes 1 of 1 requests"},
		"container that retires":        {"native", nil, append(one[:2:2], drained), true, 1, "executing,retiring", "it takes no more requests (invoker drained), and ends when it is idle"},
		"container that is kept":        {"native", nil, append(one[:2:2], completes(2, 1, 1)), true, 1, "keep_alive", "it is kept for requests to come, as long as nobody needs its memory until 12:10:32.000"},
		"container that is kept always": {"lru", nil, append(one[:2:2], completes(2, 1, 1)), true, 1, "keep_alive", "as long as nobody needs its memory"},
		"container that ends":           {"native", nil, append(one[:2:2], completes(2, 1, 1), drained), true, 1, "terminating", "it was told to end, and holds its memory until it has"},
	} {
		c := door(t, x.policy, x.change)
		for _, ev := range x.events {
			if _, err := c.Handle(ev); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		e := c.ExplainRequest(x.id)
		if x.container {
			e = c.ExplainContainer(x.id)
		}
		var codes []string
		for _, r := range e.Why {
			codes = append(codes, r.Code)
		}
		if got := strings.Join(codes, ","); got != x.codes || !strings.Contains(e.String(), x.want) {
			t.Errorf("%s: %s: %v\nwant %s: %s", name, got, e, x.codes, x.want)
		}
		if text, err := json.Marshal(e); err != nil || !strings.Contains(string(text), `"code":"`+codes[0]+`"`) {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}

// TestOrdersSayWhy: causes and times of waiting in the ids and units of the platform.
func TestOrdersSayWhy(t *testing.T) {
	c := door(t, "native", nil)
	for _, ev := range []scheduler.Event{arrives(0, 1, 11), arrives(0, 2, 11), arrives(0, 3, 11), happens(1, decide.Ready, 1), happens(1, decide.Ready, 2)} {
		orders, err := c.Handle(ev)
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == decide.Ready && orders[0].Waited != time.Second {
			t.Errorf("the request waited for %v, want 1 s", orders[0].Waited)
		}
	}
	if _, err := c.Handle(completes(2, 1, 1)); err != nil {
		t.Fatal(err)
	}
	orders, err := c.Handle(arrives(3, 4, 12))
	if err != nil || len(orders) == 0 || orders[0].Kind != decide.End || orders[0].Cause != decide.Evicted || orders[0].For != 12 {
		t.Errorf("got %+v, %v: want an eviction for function 12", orders, err)
	}
}
