package policy

import (
	"testing"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestPeriodsCountContainers: three requests, of which one is given up after half a minute, are, where a
// container executes two at once, a mean of 2.5 / 2 containers and a peak of 2; what stays in the
// system counts in the next minute.
func TestPeriodsCountContainers(t *testing.T) {
	profiles := []decide.Profile{{Memory: 1, CPU: 1}, {Memory: 1, CPU: 1}}
	state, err := decide.NewState(profiles, []decide.InvokerSpec{{Memory: 10, Cores: 1}}, 2)
	if err != nil {
		t.Fatal(err)
	}
	s, p := state.Snapshot(), newPeriods(decide.Minute, len(profiles))
	if p.Wake() != decide.Forever {
		t.Error("wakes though nothing is active")
	}
	event := func(at decide.Time, kind decide.EventKind) bool {
		return p.see(s, decide.Event{At: at, Kind: kind, Function: 1})
	}
	state.Advance(decide.Minute)
	for r := range decide.RequestID(3) {
		state.Arrive(r, 1)
		event(decide.Minute, decide.Arrival)
	}
	state.Advance(decide.Minute * 3 / 2)
	state.Abandon(0)
	event(decide.Minute*3/2, decide.Completion)
	if p.Wake() != 2*decide.Minute || event(decide.Minute*7/4, decide.Tick) {
		t.Errorf("a minute ends at %v", p.Wake())
	}
	for _, want := range []struct {
		mean           float64
		peak, arrivals int
	}{{1.25, 2, 3}, {1, 1, 0}} {
		at := p.Wake()
		state.Advance(at)
		if !event(at, decide.Tick) {
			t.Fatalf("no minute ends at %v", at)
		}
		mean, peak, arrivals := p.take(s, 1)
		if mean != want.mean || peak != want.peak || arrivals != want.arrivals {
			t.Errorf("mean %v, peak %d, arrivals %d, want %+v", mean, peak, arrivals, want)
		}
	}
	p.done(func(decide.FunctionID) bool { return true })
	if p.Wake() != decide.Forever || p.is[1] {
		t.Error("still active")
	}
}

// TestHistory: a ring gives its last values back, and zeros before the first one.
func TestHistory(t *testing.T) {
	var h history
	for v := range 7 {
		h.add(float64(v+1), 5)
	}
	check := func(what string, want ...float64) {
		t.Helper()
		got := h.last(make([]float64, len(want)))
		for i, v := range want {
			if got[i] != v {
				t.Errorf("%s: %v, want %v", what, got, want)
				return
			}
		}
	}
	check("the last three", 5, 6, 7)
	check("more than there are", 0, 0, 3, 4, 5, 6, 7)
	h.fill(9, 5)
	check("filled", 5, 6, 7, 0, 0)
	h.fill(100, 5)
	check("filled over", 0, 0, 0, 0, 0)
	if h.add(1, 5); h.zero() {
		t.Error("not zero")
	}
	check("after that", 0, 0, 0, 0, 1)
}
