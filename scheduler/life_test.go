package scheduler_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// living is a scheduler under the named policy with two functions on one invoker.
func living(t *testing.T, spec string, o scheduler.Options) *scheduler.Scheduler {
	t.Helper()
	profiles := []decide.Profile{
		{Memory: 100, CPU: 1, Execution: decide.Second, Initialise: decide.Second, Termination: decide.Second},
		{Memory: 100, CPU: 1, App: 1, Owner: 1, Execution: decide.Second, Initialise: decide.Second, Termination: decide.Second},
	}
	invokers := []decide.InvokerSpec{{Memory: 300, Cores: 4}}
	build, err := scheduler.Baseline(spec, 1)
	if err != nil {
		t.Fatal(err)
	}
	stack, err := build(policy.Site{Profiles: profiles, Invokers: invokers})
	if err != nil {
		t.Fatal(err)
	}
	s, err := scheduler.New(profiles, invokers, stack, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestImpossibleEvents: what cannot have happened is an error that says why, and changes nothing.
func TestImpossibleEvents(t *testing.T) {
	s := living(t, "native", scheduler.DefaultOptions())
	play(t, s, []turn{{arrival(decide.Second, 0), "create r0 c0"}})
	for name, x := range map[string]struct {
		ev   decide.Event
		want string
	}{
		"doubled arrival":      {arrival(decide.Second, 0), "request 0 is there already"},
		"unknown function":     {decide.Event{At: decide.Second, Kind: decide.Arrival, Request: 1, Function: 2}, "no function 2"},
		"negative function":    {decide.Event{At: decide.Second, Kind: decide.Arrival, Request: 1, Function: -1}, "no function -1"},
		"request 2^24":         {arrival(decide.Second, 1<<24), "must be a small one"},
		"negative request":     {arrival(decide.Second, -1), "must be a small one"},
		"unknown container":    {container(decide.Second, decide.Ready, 7), "no container 7"},
		"negative container":   {container(decide.Second, decide.Ended, -1), "no container -1"},
		"completion too early": {container(decide.Second, decide.Completion, 0), "does not execute"},
		"ended too early":      {container(decide.Second, decide.Ended, 0), "is initialising"},
		"unknown request":      {decide.Event{At: decide.Second, Kind: decide.Cancelled, Request: 5}, "no request 5"},
		"unknown invoker":      {decide.Event{At: decide.Second, Kind: decide.Lost, Invoker: 1}, "no invoker 1"},
		"no removed function":  {decide.Event{At: decide.Second, Kind: decide.Removed, Function: 9}, "no function 9"},
		"negative took":        {decide.Event{At: decide.Second, Kind: decide.Ready, Container: 0, Took: -1}, "negative time"},
		"Forever":              {decide.Event{At: decide.Forever, Kind: decide.Tick}, "at most"},
		"before time 0":        {decide.Event{At: -1, Kind: decide.Tick}, "must not be negative"},
		"unknown kind":         {decide.Event{At: decide.Second, Kind: 200}, "not known"},
	} {
		if x.ev.Kind == decide.Completion { // as it is
			if _, err := s.Handle(x.ev); !errors.Is(err, scheduler.ErrImpossible) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%s: got %v, want %q", name, err, x.want)
			}
			continue
		}
		if _, err := s.Handle(x.ev); !errors.Is(err, scheduler.ErrImpossible) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v, want %q", name, err, x.want)
		}
	}
	play(t, s, []turn{{container(2*decide.Second, decide.Ready, 0), "run r0 c0"}, {container(3*decide.Second, decide.Completion, 0), ""}})
	if _, err := s.Handle(container(3*decide.Second, decide.Completion, 0)); err == nil {
		t.Error("a doubled completion was taken")
	}
}

// TestInfiniteProfiles: what would make every sum infinite is refused.
func TestInfiniteProfiles(t *testing.T) {
	good, inv := decide.Profile{Memory: 1, CPU: 1}, decide.InvokerSpec{Memory: 1, Cores: 1}
	for _, p := range []decide.Profile{
		{Memory: 1, CPU: math.Inf(1)}, {Memory: 1, CPU: math.NaN()}, {Memory: 1, CPU: 1, Execution: decide.Forever}, {Memory: math.MaxInt64, CPU: 1},
	} {
		if _, err := decide.NewState([]decide.Profile{p}, []decide.InvokerSpec{inv}, 1); err == nil {
			t.Errorf("profile %+v was taken", p)
		}
	}
	for _, i := range []decide.InvokerSpec{{Memory: 1, Cores: math.Inf(1)}, {Memory: 1, Cores: 1, CPULimit: math.Inf(1)}, {Memory: math.MaxInt64, Cores: 1}} {
		if _, err := decide.NewState([]decide.Profile{good}, []decide.InvokerSpec{i}, 1); err == nil {
			t.Errorf("invoker %+v was taken", i)
		}
	}
}

// TestClockJumps: however far the clock is ahead, an event is answered in bounded time, and the
// same under every policy.
func TestClockJumps(t *testing.T) {
	const day = 24 * 60 * decide.Minute
	for _, row := range scheduler.Baselines() {
		if row.Clairvoyant {
			continue
		}
		t.Logf("policy %s", row.Name)
		s := living(t, row.Name, scheduler.DefaultOptions())
		handle(s, arrival(decide.Second, 0))
		began := time.Now()
		for _, at := range []decide.Time{day, 365 * day, decide.Latest} {
			handle(s, tick(at))
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: three jumps took %v", row.Name, took)
		}
		if s.Snapshot().WaitingAll() != 0 {
			t.Errorf("%s: a request waits after a day", row.Name)
		}
	}
}

// TestTimeBack: a time before that of the last event counts as that of the last event.
func TestTimeBack(t *testing.T) {
	s := living(t, "native", scheduler.DefaultOptions())
	handle(s, arrival(10*decide.Second, 0))
	handle(s, arrival(decide.Second, 1))
	if _, at := s.Snapshot().Request(1); at != 10*decide.Second {
		t.Errorf("the second request arrived at %d us", at)
	}
}

// TestPoison: an execution that is said to have taken longer than its container lives is held
// to that, so that one value cannot ruin an estimate.
func TestPoison(t *testing.T) {
	s := living(t, "native", scheduler.DefaultOptions())
	play(t, s, []turn{
		{arrival(0, 0), "create r0 c0"},
		{decide.Event{At: decide.Second, Kind: decide.Ready, Container: 0, Took: decide.Forever}, "run r0 c0"},
		{decide.Event{At: 2 * decide.Second, Kind: decide.Completion, Container: 0, Took: decide.Forever}, ""},
	})
	if v := s.Snapshot(); v.Execution(0) > 2*decide.Second || v.Initialise(0) > 2*decide.Second {
		t.Errorf("estimates are %d and %d us", v.Execution(0), v.Initialise(0))
	}
}

func failed(at decide.Time, c decide.ContainerID) decide.Event {
	return container(at, decide.Failed, c)
}

// TestFailures: a container that crashes takes nothing with it but what ran in it, and that is
// tried again as often as the options say.
func TestFailures(t *testing.T) {
	const s = decide.Second
	t.Run("idle", func(t *testing.T) {
		e := living(t, "native", scheduler.DefaultOptions())
		play(t, e, []turn{
			{arrival(0, 0), "create r0 c0"}, {container(s, decide.Ready, 0), "run r0 c0"}, {container(2*s, decide.Completion, 0), ""},
			{failed(3*s, 0), ""},
			{arrival(4*s, 0), "create r0 c0"}, // not into the dead one; its number is free
		})
		if got := e.Snapshot().UsedMemory(0); got != 100 {
			t.Errorf("%d bytes are used, want those of one container", got)
		}
	})
	t.Run("start", func(t *testing.T) {
		e := living(t, "native", scheduler.DefaultOptions())
		play(t, e, []turn{{arrival(0, 0), "create r0 c0"}, {failed(s, 0), "drop r0 c0"}})
		o := scheduler.DefaultOptions()
		o.Retries = 1
		e = living(t, "native", o)
		play(t, e, []turn{{arrival(0, 0), "create r0 c0"}, {failed(s, 0), "create r0 c0"}, {failed(2*s, 0), "drop r0 c0"}})
	})
	t.Run("busy", func(t *testing.T) {
		e := living(t, "native", scheduler.DefaultOptions())
		play(t, e, []turn{{arrival(0, 0), "create r0 c0"}, {container(s, decide.Ready, 0), "run r0 c0"}, {failed(2*s, 0), "report r0 c0"}})
		o := scheduler.DefaultOptions()
		o.Retries = 1
		e = living(t, "native", o)
		play(t, e, []turn{
			{arrival(0, 0), "create r0 c0"}, {container(s, decide.Ready, 0), "run r0 c0"}, {failed(2*s, 0), "create r0 c0"},
			{container(3*s, decide.Ready, 0), "run r0 c0"}, {container(4*s, decide.Completion, 0), ""},
		})
	})
	t.Run("never ready", func(t *testing.T) {
		o := scheduler.DefaultOptions()
		o.StartTimeout, o.Retries = 10*s, 3
		e := living(t, "native", o)
		play(t, e, []turn{{arrival(0, 0), "create r0 c0"}, {tick(10 * s), "end r-1 c0, create r0 c0"}})
		if e.Wake() > 20*s {
			t.Errorf("it wakes at %d", e.Wake())
		}
		o.StartTimeout = 100 * s // the time-out of the request is first
		e = living(t, "native", o)
		play(t, e, []turn{{arrival(0, 0), "create r0 c0"}, {tick(60 * s), "drop r0 c-1"}, {container(61*s, decide.Ready, 0), ""}, {arrival(62*s, 0), "run r0 c0"}})
	})
	t.Run("invoker", func(t *testing.T) {
		o := scheduler.DefaultOptions()
		o.Retries = 1
		e := living(t, "native", o)
		play(t, e, []turn{
			{arrival(0, 0), "create r0 c0"}, {container(s, decide.Ready, 0), "run r0 c0"},
			{decide.Event{At: 2 * s, Kind: decide.Lost}, ""}, // nowhere to go
			{tick(60 * s), "drop r0 c-1"},
		})
		if v := e.Snapshot(); v.UsedMemory(0) != 0 || v.Open(0) {
			t.Errorf("%d bytes used on a lost invoker, open %t", v.UsedMemory(0), v.Open(0))
		}
	})
	t.Run("drained", func(t *testing.T) {
		e := living(t, "native", scheduler.DefaultOptions())
		play(t, e, []turn{
			{arrival(0, 0), "create r0 c0"}, {container(s, decide.Ready, 0), "run r0 c0"},
			{decide.Event{At: 2 * s, Kind: decide.Drained}, ""}, {arrival(2*s, 1), ""},
			{container(3*s, decide.Completion, 0), "end r-1 c0"}, {container(4*s, decide.Ended, 0), ""},
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		e := living(t, "native", scheduler.DefaultOptions())
		cancelled := func(at decide.Time, r decide.RequestID) decide.Event {
			return decide.Event{At: at, Kind: decide.Cancelled, Request: r}
		}
		play(t, e, []turn{
			{arrival(0, 0), "create r0 c0"}, {cancelled(0, 0), "stop r0 c-1"}, {container(s, decide.Ready, 0), ""},
			{arrival(s, 0), "run r0 c0"}, {cancelled(2*s, 0), "stop r0 c0"}, {container(2*s, decide.Completion, 0), ""},
		})
	})
	t.Run("removed", func(t *testing.T) {
		e := living(t, "native", scheduler.DefaultOptions())
		play(t, e, []turn{
			{arrival(0, 0), "create r0 c0"}, {container(s, decide.Ready, 0), "run r0 c0"},
			{decide.Event{At: s, Kind: decide.Removed, Function: 0}, ""}, {container(2*s, decide.Completion, 0), "end r-1 c0"},
		})
		if _, err := e.Handle(arrival(3*s, 1)); !errors.Is(err, scheduler.ErrImpossible) {
			t.Errorf("a request to a removed function: %v", err)
		}
	})
}

// TestFailedStartsAreForgotten: policies that bind a request to an invoker when it arrives let
// it go when the start there fails, when the function is removed and when it is given up: the next
// one is placed as if nothing had happened.
func TestFailedStartsAreForgotten(t *testing.T) {
	const s = decide.Second
	profiles := []decide.Profile{
		{Memory: 100, CPU: 1, Execution: s, Initialise: s, Termination: s}, {Memory: 100, CPU: 1, Execution: s, Initialise: s, Termination: s},
	}
	invokers := []decide.InvokerSpec{{Memory: 200, Cores: 2}, {Memory: 200, Cores: 2}, {Memory: 200, Cores: 2}}
	o := scheduler.DefaultOptions()
	o.Retries, o.StartTimeout = 100, 90*s
	for _, spec := range []string{"chrlu", "hermod"} {
		create := func(s *scheduler.Scheduler, ev decide.Event) decide.Decision {
			t.Helper()
			for _, d := range handle(s, ev) {
				if d.Kind == decide.Create {
					return d
				}
			}
			t.Fatalf("%s: no container is created", spec)
			return decide.Decision{}
		}
		sched := func() *scheduler.Scheduler {
			build, err := scheduler.Baseline(spec, 1)
			if err != nil {
				t.Fatal(err)
			}
			stack, err := build(policy.Site{Profiles: profiles, Invokers: invokers})
			if err != nil {
				t.Fatal(err)
			}
			out, err := scheduler.New(profiles, invokers, stack, o)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		want := create(sched(), arrival(100*s, 0)).Invoker
		x := sched()
		first := create(x, arrival(s, 0))
		for k := range decide.Time(20) {
			first = create(x, container(2*s+k, decide.Failed, first.Container))
		}
		handle(x, decide.Event{At: 3 * s, Kind: decide.Cancelled, Request: 0})
		handle(x, container(4*s, decide.Failed, first.Container))
		second := create(x, arrival(5*s, 0))
		handle(x, tick(70*s)) // its time is over while the container starts
		if x.Snapshot().InSystemAll() != 0 {
			t.Fatalf("%s: a request is left", spec)
		}
		handle(x, container(71*s, decide.Failed, second.Container))
		if got := create(x, arrival(100*s, 0)).Invoker; got != want {
			t.Errorf("%s: placed on invoker %d, want %d", spec, got, want)
		}
	}
}

// Limits of starts that were kept do not pile up until their time comes: a thousand containers that
// start and crash within a second leave no more than the few that can be there at once.
func TestStartLimitsAreForgotten(t *testing.T) {
	o := scheduler.DefaultOptions()
	o.StartTimeout = 300 * decide.Second
	s := living(t, "native", o)
	at := decide.Second
	for k := range 1000 {
		at += decide.Second / 1000
		r := decide.RequestID(k % 8)
		for _, ev := range []decide.Event{arrival(at, r), container(at, decide.Ready, 0),
			{At: at, Kind: decide.Completion, Request: r, Container: 0}, container(at, decide.Failed, 0)} {
			if _, err := s.Handle(ev); err != nil {
				t.Fatalf("round %d, %v: %v", k, ev.Kind, err)
			}
		}
	}
	if n, most := scheduler.StartLimits(s), 4*s.Snapshot().Containers()+65; n > most {
		t.Errorf("%d limits are held, want at most %d", n, most)
	}
}
