package scheduler_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/priority"
)

func TestWorthwhileByHand(t *testing.T) {
	for _, c := range []struct {
		name                        string
		expected, execution, c, due float64
		want                        int
	}{
		{"nothing is expected", 0, 1, 10, 0.1, 0},
		{"a start that costs nothing", 5, 1, 0, 0.1, 0},
		{"memory for more than a start", 1e6, 1, 1, 1, 0},
		// An execution of no time leaves no container busy: one is enough, if
		// 1 - exp(-1) = 0.632 s are worth it.
		{"instant", 1, 0, 1, 0.632, 1},
		{"instant, dearer", 1, 0, 1, 0.633, 0},
		// 60 arrivals of 1 s are one busy container in the mean. P(X >= 2) = 0.2642 and
		// P(X >= 3) = 0.0803; 2 s (1 - exp(-60 * 0.0803)) = 1.983.
		{"the fourth is worth it", 60, 1, 2, 1.983, 4},
		{"the fourth is not", 60, 1, 2, 1.984, 3},
		// 2 s (1 - exp(-60 * 0.2642)) = 2 - 2.6e-7.
		{"the third is worth nearly all", 60, 1, 2, 1.9999, 3},
	} {
		if got := scheduler.Worthwhile(c.expected, c.execution, c.c, c.due); got != c.want {
			t.Errorf("%s: %d containers, want %d", c.name, got, c.want)
		}
	}
}

// saving is the left side of the rule for the k-th container, with P(X >= k-1) summed
// in logarithms from the far end.
func saving(k int, expected, execution, initialise float64) float64 {
	busy := expected * execution / 60
	tail := 0.0
	switch {
	case k == 1:
		tail = 1
	case busy > 0:
		for i := k - 1 + int(busy+40*math.Sqrt(busy)+100); i >= k-1; i-- {
			g, _ := math.Lgamma(float64(i + 1))
			tail += math.Exp(float64(i)*math.Log(busy) - busy - g)
		}
	}
	return initialise * -math.Expm1(-expected*min(1, tail))
}

// TestWorthwhileIsTheLargest: the k-th container saves what it costs, the next one
// does not, by another way of summing the distribution.
func TestWorthwhileIsTheLargest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		expected := math.Pow(10, rapid.Float64Range(-3, 4).Draw(t, "expected"))
		execution := rapid.Float64Range(0, 20).Draw(t, "execution")
		initialise := rapid.Float64Range(0.01, 20).Draw(t, "initialise")
		cost := initialise * math.Pow(10, rapid.Float64Range(-6, 0.1).Draw(t, "cost"))
		k := scheduler.Worthwhile(expected, execution, initialise, cost)
		const rounding = 1e-6 // of probabilities of 1e-10, of sums of terms near 1
		if k > 0 && saving(k, expected, execution, initialise) < cost*(1-rounding) {
			t.Fatalf("container %d saves %g of %g", k, saving(k, expected, execution, initialise), cost)
		}
		if s := saving(k+1, expected, execution, initialise); s > cost*(1+rounding) {
			t.Fatalf("container %d is not kept and saves %g of %g", k+1, s, cost)
		}
	})
}

// TestWorthwhileIsMonotone: more arrivals or cheaper memory never mean fewer containers.
func TestWorthwhileIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		expected := rapid.Float64Range(0, 1e5).Draw(t, "expected")
		execution := rapid.Float64Range(0, 10).Draw(t, "execution")
		cost := rapid.Float64Range(1e-9, 3).Draw(t, "cost")
		more := expected * rapid.Float64Range(1, 3).Draw(t, "more")
		k := scheduler.Worthwhile(expected, execution, 2, cost)
		if n := scheduler.Worthwhile(more, execution, 2, cost); n < k {
			t.Errorf("%d for %g arrivals, %d for %g", k, expected, n, more)
		}
		if n := scheduler.Worthwhile(expected, execution, 2, cost/2); n < k {
			t.Errorf("%d at cost %g, %d at half of it", k, cost, n)
		}
	})
}

// TestWorthwhileAcrossMethods: the sum and the incomplete gamma function meet, at any
// price; and a price next to nothing ends.
func TestWorthwhileAcrossMethods(t *testing.T) {
	for _, cost := range []float64{1e-300, 1e-9, 1e-3, 0.5, 1.9, 1.99999} {
		below, above := scheduler.Worthwhile(599.9999, 60, 2, cost), scheduler.Worthwhile(600.0001, 60, 2, cost)
		if above != below && above != below+1 {
			t.Errorf("cost %g: %d containers for a load just below 600, %d just above", cost, below, above)
		}
		if above < 400 || above > 800 {
			t.Errorf("cost %g: %d containers for a load of 600", cost, above)
		}
	}
}

const gb = 1 << 30

// script forecasts what was written down for each minute and keeps what it is shown.
type script struct {
	want  map[int][]float64 // expected arrivals by minute
	shown map[int][]float64 // counts by minute
	order []int
	out   []forecast.Forecast
}

func (s *script) Step(minute int, counts []float64) []forecast.Forecast {
	if s.shown == nil {
		s.shown = map[int][]float64{}
	}
	s.shown[minute] = slices.Clone(counts)
	s.order = append(s.order, minute)
	s.out = means(s.want[minute+1], len(counts))
	return s.out
}

func means(v []float64, n int) []forecast.Forecast {
	out := make([]forecast.Forecast, n)
	for i, x := range v {
		out[i] = forecast.Forecast{Mean: x, Median: x, Q90: x, Q99: x}
	}
	return out
}

// byInit is a priority that is a tenth of the initialisation time in seconds.
func byInit() *priority.Model {
	m := &priority.Model{Form: priority.Linear}
	m.Weight[priority.Init], m.High[priority.Init] = 1, 10
	return m
}

func fcfs(decide.Signals) (decide.Dispatcher, error) { return policy.FCFS{}, nil }

// profile of 1 GB a container, whose executions take no time: more than one container
// of a function is never worth having, and the first one is if the wait that it saves
// is worth 60 s of a GB, 0.602 s.
func profile(initialise decide.Time) decide.Profile {
	return decide.Profile{Memory: gb, CPU: 1, Initialise: initialise}
}

func incendio(t *testing.T, memory int64, src *script, first []float64, profiles ...decide.Profile) *scheduler.Scheduler {
	t.Helper()
	parts := scheduler.Parts{
		Priority: byInit(), Forecast: src, Rate: make([]float64, len(profiles)), Pool: scheduler.PoolOptions{MemoryPrice: 1}, Dispatcher: fcfs,
	}
	if first != nil {
		parts.First = means(first, len(profiles))
	}
	stack, err := scheduler.Incendio(parts)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scheduler.New(profiles, []decide.InvokerSpec{{Memory: memory, Cores: 8}}, stack, scheduler.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// orders tells decisions by kind and function.
func orders(ds []decide.Decision) string {
	var out []string
	for _, d := range ds {
		out = append(out, fmt.Sprintf("%v f%d", d.Kind, d.Function))
	}
	return strings.Join(out, ", ")
}

func tick(at decide.Time) decide.Event { return decide.Event{At: at, Kind: decide.Tick} }

// ready lets every container that was just created initialise.
func ready(s *scheduler.Scheduler, at decide.Time, ds []decide.Decision) []decide.Decision {
	var created []decide.Decision
	for _, d := range ds {
		if d.Kind == decide.Create {
			created = append(created, d)
		}
	}
	var out []decide.Decision
	for _, d := range created {
		took := s.Snapshot().Initialise(d.Function)
		out = append(out, handle(s, decide.Event{At: at, Kind: decide.Ready, Container: d.Container, Took: took})...)
	}
	return out
}

// TestPlan: what is missing is prewarmed, the most valuable first as far as there is
// room; what is left over ends first in the next plan, and makes room.
func TestPlan(t *testing.T) {
	const s = decide.Second
	src := &script{want: map[int][]float64{1: {3, 0, 0}}}
	e := incendio(t, 2*gb, src, []float64{3, 3, 3}, profile(5*s), profile(7*s), profile(9*s))
	if w := e.Wake(); w != 0 {
		t.Fatalf("wake at %d, want the start: there is a plan", w)
	}
	ds := slices.Clone(handle(e, tick(0)))
	// Worth priority * wait * P(arrival): 0.9 * 9 s, 0.7 * 7 s, 0.5 * 5 s.
	if got := orders(ds); got != "create f2, create f1" {
		t.Fatalf("plan of minute 0: %s", got)
	}
	if w := e.Wake(); w != decide.Minute {
		t.Fatalf("wake at %d, want the end of the minute", w)
	}
	if got := orders(ready(e, 10*s, ds)); got != "" {
		t.Fatalf("containers that are ready lead to %s", got)
	}
	ds = slices.Clone(handle(e, tick(decide.Minute)))
	if got := orders(ds); got != "end f1, end f2" {
		t.Fatalf("plan of minute 1: %s", got)
	}
	if got := orders(handle(e, decide.Event{At: decide.Minute + s, Kind: decide.Ended, Container: ds[0].Container})); got != "create f0" {
		t.Fatalf("once there is room: %s", got)
	}
}

// TestPlanCounts: containers that execute or initialise are not prewarmed again, nor ended.
func TestPlanCounts(t *testing.T) {
	const s = decide.Second
	src := &script{want: map[int][]float64{1: {0}, 2: {60}}}
	busy := decide.Profile{Memory: gb, CPU: 1, Execution: s, Initialise: 2 * s}
	e := incendio(t, 8*gb, src, nil, busy)
	ds := slices.Clone(handle(e, decide.Event{At: 59 * s, Kind: decide.Arrival}))
	if got := orders(ds); got != "create f0" {
		t.Fatal(got)
	}
	if got := orders(handle(e, tick(decide.Minute))); got != "" { // none is worth having, none is idle
		t.Fatalf("with a container that initialises: %s", got)
	}
	ready(e, 61*s, ds)
	// 60 arrivals of 1 s: 2 s (1 - exp(-60 P(X >= k-1))) >= 0.602 s up to P = 0.00597:
	// P(X >= 4) = 0.0190, P(X >= 5) = 0.00366. So 5 containers, of which one executes.
	if got := orders(handle(e, tick(2*decide.Minute))); got != strings.Repeat("create f0, ", 3)+"create f0" {
		t.Fatalf("with one of five: %s", got)
	}
}

// TestEviction: a request evicts what is worth the least; a prewarm only what is worth
// less than itself, and only if an arrival is more likely than not (Expected >= log 2).
func TestEviction(t *testing.T) {
	const s = decide.Second
	for _, c := range []struct {
		name     string
		expected float64 // of f2 and f3 in minute 1
		init     decide.Time
		want     string
	}{
		{"worth more", 0.8, 9 * s, "end f0"},
		{"worth less", 0.8, 3 * s, ""},
		{"unlikely", 0.69, 9 * s, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			// f0 is worth 0.5 * 5 s * 0.632 = 1.58, f1 0.5 * 5 s * 0.950 = 2.38, and f2
			// 0.9 * 9 s * 0.551 = 4.46 or 0.3 * 3 s * 0.551 = 0.50.
			src := &script{want: map[int][]float64{1: {1, 3, c.expected}}}
			e := incendio(t, 2*gb, src, []float64{1, 3, 0}, profile(5*s), profile(5*s), profile(c.init))
			ready(e, 6*s, slices.Clone(handle(e, tick(0))))
			if got := orders(handle(e, tick(decide.Minute))); got != c.want {
				t.Fatalf("prewarm of f2: %q, want %q", got, c.want)
			}
			if c.want != "" {
				return
			}
			ds := handle(e, decide.Event{At: decide.Minute + s, Kind: decide.Arrival, Function: 2})
			if got := orders(ds); got != "end f0" {
				t.Fatalf("request to f2: %q, want the end of f0", got)
			}
		})
	}
}

// TestMinutes: an arrival on the boundary belongs to the minute that begins, and
// minutes without events are closed one by one.
func TestMinutes(t *testing.T) {
	const s = decide.Second
	src := &script{}
	e := incendio(t, 8*gb, src, nil, profile(s), profile(s))
	if w := e.Wake(); w != decide.Minute {
		t.Fatalf("wake at %d, want the end of the first minute", w)
	}
	arrive := func(at decide.Time, r decide.RequestID, f decide.FunctionID) {
		handle(e, decide.Event{At: at, Kind: decide.Arrival, Request: r, Function: f})
	}
	arrive(0, 0, 0)
	arrive(decide.Minute-1, 1, 0)
	arrive(decide.Minute, 2, 1)
	if w := e.Wake(); w != decide.Minute {
		t.Fatalf("wake at %d, want at once, %d: a plan is due", w, decide.Minute)
	}
	handle(e, tick(decide.Minute))
	if w := e.Wake(); w != 2*decide.Minute {
		t.Fatalf("wake at %d, want the end of the minute", w)
	}
	arrive(4*decide.Minute+30*s, 3, 1)
	handle(e, tick(5*decide.Minute))
	if want := []int{0, 1, 2, 3, 4}; !slices.Equal(src.order, want) {
		t.Fatalf("minutes %v were closed, want %v", src.order, want)
	}
	for minute, want := range [][]float64{{2, 0}, {0, 1}, {0, 0}, {0, 0}, {0, 1}} {
		if !slices.Equal(src.shown[minute], want) {
			t.Errorf("minute %d had %v arrivals, want %v", minute, src.shown[minute], want)
		}
	}
}

// TestStartLater: the clock begins on any minute.
func TestStartLater(t *testing.T) {
	src := &script{}
	stack, err := scheduler.Incendio(scheduler.Parts{
		Priority: byInit(), Forecast: src, Rate: []float64{0}, Pool: scheduler.PoolOptions{MemoryPrice: 1}, Dispatcher: fcfs, Start: 1500 * decide.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := stack.Pool.Wake(); w != 1501*decide.Minute {
		t.Fatalf("wake at %d, want the end of minute 1500", w)
	}
	s, err := scheduler.New([]decide.Profile{profile(1)}, []decide.InvokerSpec{{Memory: gb, Cores: 1}}, stack, scheduler.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	handle(s, tick(1501*decide.Minute))
	if !slices.Equal(src.order, []int{1500}) {
		t.Errorf("minutes %v were closed, want 1500", src.order)
	}
}
