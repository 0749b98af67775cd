package scheduler_test

import (
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestCauses: whatever is given up says why.
func TestCauses(t *testing.T) {
	const s = decide.Second
	o := scheduler.DefaultOptions()
	limited, once := o, o
	limited.QueueLimit = 1
	once.StartTimeout, once.Retries = 2*s, 1
	of := func(ev decide.Event, f decide.FunctionID) decide.Event { ev.Function = f; return ev }
	second := func(at decide.Time, r decide.RequestID, c decide.ContainerID) decide.Event {
		return decide.Event{At: at, Kind: decide.Completion, Request: r, Container: c, Took: s}
	}
	one := []decide.Event{arrival(s, 0), container(2*s, decide.Ready, 0), second(3*s, 0, 0)}
	three := []decide.Event{
		arrival(s, 0), arrival(s, 1), arrival(s, 2), container(2*s, decide.Ready, 0), container(2*s, decide.Ready, 1), container(2*s, decide.Ready, 2),
	}
	warm := append(three[:6:6], second(3*s, 0, 0), second(3*s, 1, 1), second(3*s, 2, 2))
	for name, x := range map[string]struct {
		o      scheduler.Options
		before []decide.Event
		ev     decide.Event
		kind   decide.DecisionKind
		cause  decide.Cause
		other  decide.FunctionID
	}{
		"keep-alive":      {o, one, tick(700 * s), decide.End, decide.KeptEnough, 0},
		"eviction":        {o, warm, of(arrival(4*s, 3), 1), decide.End, decide.Evicted, 1},
		"drained idle":    {o, one, decide.Event{At: 4 * s, Kind: decide.Drained}, decide.End, decide.OfDrained, 0},
		"drained busy":    {o, append(one[:2:2], decide.Event{At: 2 * s, Kind: decide.Drained}), second(3*s, 0, 0), decide.End, decide.OfDrained, 0},
		"removed idle":    {o, one, decide.Event{At: 4 * s, Kind: decide.Removed}, decide.End, decide.OfRemoved, 0},
		"removed busy":    {o, append(one[:2:2], decide.Event{At: 2 * s, Kind: decide.Removed}), second(3*s, 0, 0), decide.End, decide.OfRemoved, 0},
		"removed waiting": {o, append(three[:3:3], arrival(s, 3)), decide.Event{At: 2 * s, Kind: decide.Removed}, decide.Drop, decide.OfRemoved, 0},
		"time-out":        {o, append(three[:3:3], arrival(s, 3)), tick(61 * s), decide.Drop, decide.TimedOut, 0},
		"queue limit":     {limited, append(three[:3:3], arrival(s, 3)), arrival(s, 4), decide.Drop, decide.QueueFull, 0},
		"late start":      {once, one[:1], tick(3 * s), decide.End, decide.StartLate, 0},
		"failed start":    {o, one[:1], container(2*s, decide.Failed, 0), decide.Drop, decide.FailedTooOften, 0},
		"crash":           {o, one[:2], container(3*s, decide.Failed, 0), decide.Report, decide.FailedTooOften, 0},
		"crash too late":  {once, one[:2], container(70*s, decide.Failed, 0), decide.Report, decide.TimedOut, 0},
	} {
		sched := living(t, "native", x.o)
		for _, ev := range x.before {
			for _, d := range handle(sched, ev) {
				if d.Cause != decide.Unstated {
					t.Errorf("%s: %v because of %v", name, d.Kind, d.Cause)
				}
			}
		}
		found := false
		for _, d := range handle(sched, x.ev) {
			if d.Kind == x.kind && !found {
				found = true
				if d.Cause != x.cause || d.For != x.other {
					t.Errorf("%s: %v for %d, want %v for %d", name, d.Cause, d.For, x.cause, x.other)
				}
			}
		}
		if !found {
			t.Errorf("%s: no decision %v", name, x.kind)
		}
	}
}

// TestIndexExplains: who is held is told why, and starts about when the index says if nothing
// else happens.
func TestIndexExplains(t *testing.T) {
	const s = decide.Second
	sched := living(t, "incendio-index:short_limit=0.3", scheduler.DefaultOptions())
	handle(sched, arrival(s, 0))
	handle(sched, container(2*s, decide.Ready, 0)) // one of four cores is busy
	handle(sched, arrival(2*s, 1))                 // starts, below the limit
	handle(sched, arrival(2*s, 2))
	hold, ok := sched.Explain(2)
	if !ok || !strings.Contains(hold.Reason, "held by the index: the least loaded invoker with room has 0.50 times its cores to do, and short requests start below 0.30") {
		t.Fatalf("got %+v, %v", hold, ok)
	}
	if hold.Until <= 32*s || hold.Until >= 62*s {
		t.Fatalf("held until %d us, want in the second half of its time", hold.Until)
	}
	if _, ok := sched.Explain(0); ok {
		t.Error("a request that executes is held")
	}
	for at := 2*s + s/2; ; at += s / 2 {
		started := strings.Contains(brief(handle(sched, tick(at))), "create r2")
		if started != (at > hold.Until) {
			t.Fatalf("started at %d us: %v, held until %d us", at, started, hold.Until)
		}
		if started {
			break
		}
	}
}
