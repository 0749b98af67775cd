package policy_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// fixed are signals that do not change.
type fixed []float64

func (p fixed) Priority(_ decide.Snapshot, f decide.FunctionID) float64 { return p[f] }
func (p fixed) Expected(decide.FunctionID) float64                      { return 0 }

// platform is a state with one idle container of each function in warm, and
// requests that wait, in order.
func platform(t *testing.T, profiles []decide.Profile, spec decide.InvokerSpec, warm, waiting []decide.FunctionID) decide.Snapshot {
	t.Helper()
	s, err := decide.NewState(profiles, []decide.InvokerSpec{spec}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range warm {
		c := s.NewContainer(f, 0, decide.None)
		s.Admit(0)
		s.Initialised(c, profiles[f].Initialise)
	}
	for r, f := range waiting {
		s.Advance(decide.Time(r))
		s.Arrive(decide.RequestID(r), f)
	}
	return s.Snapshot()
}

// TestFirstChoice: what each rule starts first, and why it is not what the others start.
func TestFirstChoice(t *testing.T) {
	const s, ms = decide.Second, decide.Millisecond
	profiles := []decide.Profile{
		{Memory: 100 << 20, CPU: 1, Execution: 800 * ms, Initialise: s}, // 0: has a container
		{Memory: 300 << 20, CPU: 2, Execution: 100 * ms, Initialise: s}, // 1: short, large
		{Memory: 100 << 20, CPU: 1, Execution: s, Initialise: 2 * s},    // 2: three wait
	}
	tick := decide.Event{Kind: decide.Tick, Function: decide.None}
	for _, c := range []struct {
		rule    string
		signals decide.Signals
		want    decide.Start
	}{
		// 1 arrived first, but 0 has a container and takes nothing from it.
		{"fcfs", nil, decide.Start{Request: 1, Container: 0}},
		// 0 is done in 0.8 s, 1 in 1 + 0.1 s.
		{"sjf", nil, decide.Start{Request: 1, Container: 0}},
		{"esff", nil, decide.Start{Request: 1, Container: 0}},
		// 2 has spare time of 0.6 - 2 s, 1 of 0.5 - 1 s.
		{"leastslack", nil, decide.Start{Request: 2, Container: decide.None}},
		// 0: p/(1/4), 1: p/(300/500 + 2/4), 2: p/(100/500 + 1/4).
		{"density", nil, decide.Start{Request: 1, Container: 0}},
		{"density", fixed{0.05, 0.9, 0.3}, decide.Start{Request: 0, Container: decide.None}},
		// One of 0 and three of 2 fill the cores and are worth the most; the function of
		// the highest priority goes first.
		{"knapsack", fixed{0.5, 0.1, 0.4}, decide.Start{Request: 1, Container: 0}},
		{"knapsack", fixed{0.1, 0.1, 0.4}, decide.Start{Request: 2, Container: decide.None}},
	} {
		spec := decide.InvokerSpec{Memory: 500 << 20, Cores: 4}
		v := platform(t, profiles, spec, []decide.FunctionID{0}, []decide.FunctionID{1, 0, 2, 2, 2})
		d, err := policy.Rule(c.rule, c.signals, 1)
		if err != nil {
			t.Fatal(err)
		}
		ev := tick
		if c.rule == "fcfs" { // it looks at what the event made available
			ev = decide.Event{Kind: decide.Completion, Function: 0}
		}
		got, ok := d.Next(v, ev)
		if !ok || got != c.want {
			t.Errorf("%s with %v: %+v, %v, want %+v", c.rule, c.signals, got, ok, c.want)
		}
	}
}

// TestNoRoom: no rule starts what cannot start.
func TestNoRoom(t *testing.T) {
	profiles := []decide.Profile{{Memory: 400, CPU: 1, Execution: 1}, {Memory: 200, CPU: 1, Execution: 1}}
	s, err := decide.NewState(profiles, []decide.InvokerSpec{{Memory: 500, Cores: 4}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := s.NewContainer(0, 0, decide.None)
	s.Admit(0)
	s.Initialised(c, 0)
	s.Arrive(2, 0)
	s.Dequeue(2)
	s.Execute(2, c)
	s.Arrive(0, 0)
	s.Arrive(1, 1)
	for _, name := range policy.Rules() {
		d, err := policy.Rule(name, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		if st, ok := d.Next(s.Snapshot(), decide.Event{Kind: decide.Arrival, Function: 1, Request: 1}); ok {
			t.Errorf("%s starts %+v with 100 of 500 free", name, st)
		}
	}
	if _, err := policy.Rule("best", nil, 1); err == nil || !strings.Contains(err.Error(), "density, esff, fcfs") {
		t.Errorf("an unknown rule: %v", err)
	}
	if !slices.IsSorted(policy.Rules()) {
		t.Errorf("rules are not sorted: %v", policy.Rules())
	}
}

func TestPlacers(t *testing.T) {
	profiles := []decide.Profile{{Memory: 100, CPU: 1}, {Memory: 300, CPU: 1}}
	s, err := decide.NewState(profiles, []decide.InvokerSpec{{Memory: 300, Cores: 4}, {Memory: 300, Cores: 4}, {Memory: 300, Cores: 4}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	v := s.Snapshot()
	warm := func(i decide.InvokerID, busy bool) {
		c := s.NewContainer(0, i, decide.None)
		s.Admit(i)
		s.Initialised(c, 0)
		if busy {
			s.Arrive(0, 0)
			s.Dequeue(0)
			s.Execute(0, c)
		}
	}
	place := func(p decide.Placer, f decide.FunctionID, want decide.InvokerID) {
		t.Helper()
		if got, ok := p.Place(v, f); ok != (want >= 0) || got != want {
			t.Fatalf("%T places function %d on %d, %v, want %d", p, f, got, ok, want)
		}
	}
	warm(0, true)
	warm(1, false)
	place(policy.LeastLoaded{}, 0, 2) // the same CPU as 1, more memory
	place(policy.LeastLoaded{}, 1, 2) // the only one without eviction
	warm(2, true)
	place(policy.LeastLoaded{}, 1, 1) // by eviction
	place(policy.LeastLoaded{}, 0, 1) // no CPU in use
	warm(1, true)
	place(policy.LeastLoaded{}, 1, decide.None)

	// Home is stable, and reaches every invoker.
	var h policy.Home
	first, ok := h.Place(v, 0)
	if again, _ := h.Place(v, 0); !ok || again != first {
		t.Fatalf("home of function 0: %d, then %d", first, again)
	}
	seen := make(map[decide.InvokerID]bool)
	for {
		i, ok := h.Place(v, 0)
		if !ok {
			break
		}
		seen[i] = true
		c := s.NewContainer(0, i, decide.None)
		s.Admit(i)
		s.Initialised(c, 0)
		s.Execute(0, c)
	}
	if len(seen) != 3 {
		t.Errorf("home reaches %d of 3 invokers", len(seen))
	}
}

// slowGDSF computes every priority at every eviction.
type slowGDSF struct {
	decide.Pool
	profiles  []decide.Profile
	clock     float64
	frequency []float64
	priority  []float64
}

func (p *slowGDSF) Observe(s decide.Snapshot, ev decide.Event) {
	if ev.Kind == decide.Arrival {
		f := ev.Function
		p.frequency[f]++
		p.priority[f] = p.clock + p.frequency[f]*(p.profiles[f].Initialise.Seconds()/(float64(p.profiles[f].Memory)/(1<<20)))
	}
}

func (p *slowGDSF) Evict(s decide.Snapshot, i decide.InvokerID, _ decide.FunctionID, _ bool) (decide.ContainerID, bool) {
	best := decide.ContainerID(decide.None)
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		if best == decide.None || p.priority[s.Function(c)] < p.priority[s.Function(best)] ||
			p.priority[s.Function(c)] == p.priority[s.Function(best)] && (s.Since(c) < s.Since(best) || s.Since(c) == s.Since(best) && c < best) {
			best = c
		}
	}
	if best == decide.None {
		return best, false
	}
	f := s.Function(best)
	p.clock = max(p.clock, p.priority[f])
	if s.Live(f) == 1 {
		p.frequency[f] = 0
	}
	return best, true
}

// rent collects the rent from every idle container, and checks that the pool under test
// evicts one that has no credit left. Different ways to the same credit round differently,
// so it does not choose among equals.
type rent struct {
	decide.Pool
	profiles []decide.Profile
	credit   map[decide.ContainerID]float64
	t        *rapid.T
}

func (p *rent) Observe(s decide.Snapshot, ev decide.Event) {
	if ev.Kind == decide.Ready || ev.Kind == decide.Completion {
		p.credit[ev.Container] = p.profiles[ev.Function].Initialise.Seconds()
	}
	p.Pool.Observe(s, ev)
}

func (p *rent) Evict(s decide.Snapshot, i decide.InvokerID, f decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	size := func(c decide.ContainerID) float64 { return float64(s.Memory(s.Function(c))) / (1 << 20) }
	due := math.Inf(1)
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		due = min(due, p.credit[c]/size(c))
	}
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		p.credit[c] -= due * size(c)
	}
	c, ok := p.Pool.Evict(s, i, f, prewarm)
	switch {
	case ok != (s.IdleHead(i) != decide.None):
		p.t.Fatalf("evicts: %v", ok)
	case ok && (s.Status(c) != decide.Idle || s.Invoker(c) != i || math.Abs(p.credit[c]) > 1e-9):
		p.t.Fatalf("evicts container %d, %v on %d, with a credit of %g", c, s.Status(c), s.Invoker(c), p.credit[c])
	}
	return c, ok
}

// TestLandlordCollectsRent: one level for each invoker does what collecting from every
// container would do.
func TestLandlordCollectsRent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		evictions(t)(func(p []decide.Profile) policy.Stack {
			x := policy.Landlord(p)
			x.Pool = &rent{x.Pool, p, make(map[decide.ContainerID]float64), t}
			return x
		})
	})
}

// TestGDSFIsLazyOnly: the heaps with stale keys evict exactly what a search over all
// idle containers does.
func TestGDSFIsLazyOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := evictions(t)
		lazy := run(policy.FaasCache)
		slow := run(func(p []decide.Profile) policy.Stack {
			x := policy.FaasCache(p)
			x.Pool = &slowGDSF{Pool: x.Pool, profiles: p, frequency: make([]float64, len(p)), priority: make([]float64, len(p))}
			return x
		})
		if !slices.Equal(lazy.Functions, slow.Functions) {
			t.Fatalf("lazy %+v\nslow %+v", lazy.Functions, slow.Functions)
		}
	})
}

// evictions draws a workload that evicts a lot, and returns what replays it.
func evictions(t *rapid.T) func(func([]decide.Profile) policy.Stack) *sim.Result {
	key := seed.Key(rapid.Uint64().Draw(t, "seed"), "gdsf")
	u := func(i int) float64 { return seed.Uniform(key, uint64(i)) }
	tr := &datasets.Trace{Name: "gdsf", Span: datasets.Window{From: 0, To: 2}}
	for i := range 8 {
		d := time.Duration((0.05 + u(i)) * float64(time.Second))
		tr.Functions = append(tr.Functions, datasets.Function{
			ID: datasets.FunctionID(i), App: fmt.Sprint(i), Memory: int64(1+8*u(100+i)) << 24, CPU: 1,
			Initialisation: datasets.Constant(d), Termination: datasets.Constant(d / 2),
		})
	}
	var invocations []datasets.Invocation
	for i := range 400 {
		invocations = append(invocations, datasets.Invocation{
			Function: datasets.FunctionID(8 * u(1000+i) * u(2000+i)),
			Arrival:  time.Duration(i)*250*time.Millisecond + time.Duration(u(3000+i)*2e8),
			Duration: time.Duration(u(4000+i) * 6e8),
		})
	}
	o := sim.DefaultOptions()
	o.Cluster = sim.Cluster{Invokers: 2, Cores: 4, MemoryMB: 192, Sharing: sim.PS}
	w, err := sim.Single(tr, invocations, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	return func(parts func([]decide.Profile) policy.Stack) *sim.Result {
		r, err := sim.Run(context.Background(), tr, w, func(_ *datasets.Trace, site policy.Site) (scheduler.Stack, error) {
			x := parts(site.Profiles)
			return scheduler.Stack{Name: "evictions", Dispatcher: x.Dispatcher, Pool: x.Pool, Placer: x.Placer}, nil
		}, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// TestParametersAreTyped: a whole number and a switch take nothing between, and a search that
// moves over real numbers snaps to what they take.
func TestParametersAreTyped(t *testing.T) {
	for spec, want := range map[string]string{
		"histogram:range_min=10.5": "range_min must be a whole number in [1, 10080], got \"10.5\"",
		"scl:by_app=0.7":           "by_app must be 1 or 0, true or false, got \"0.7\"",
		"native:keep_alive_s=":     "keep_alive_s must be a number in [0, 1e+09], got \"\"",
	} {
		if _, _, err := policy.Parse(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", spec, err, want)
		}
	}
	for _, spec := range []string{"scl:by_app=true", "scl:by_app=0", "histogram:range_min=1e2"} {
		if _, _, err := policy.Parse(spec); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
	}
	for _, p := range []struct {
		kind    policy.Kind
		v, want float64
	}{{policy.Number, 1.7, 1.7}, {policy.Whole, 1.7, 1}, {policy.Duration, 1.7, 1.7}, {policy.Switch, 0.7, 1}, {policy.Switch, 0.3, 0}} {
		if got := (&policy.Parameter{Kind: p.kind}).Snap(p.v); got != p.want {
			t.Errorf("kind %d: %g snaps to %g, expected %g", p.kind, p.v, got, p.want)
		}
	}
}
