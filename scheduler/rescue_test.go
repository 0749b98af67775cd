package scheduler_test

import (
	"testing"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// last prefers the request that arrived last: under it the first one starves.
type last struct{}

func (last) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	r := s.OldestAll()
	for next := s.After(r); next != decide.None; next = s.After(r) {
		r = next
	}
	f, _ := s.Request(r)
	if c := s.Available(f); c != decide.None {
		return decide.Start{Request: r, Container: c}, true
	}
	return decide.Start{}, false
}

// TestRescue: one container, busy for a second by each request, and two requests a
// second. Request 0 starts only once it has waited as long as it may.
func TestRescue(t *testing.T) {
	const rescue = 5 * decide.Second
	state, err := decide.NewState([]decide.Profile{{Memory: 1, CPU: 1}}, []decide.InvokerSpec{{Memory: 1, Cores: 1}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	s := state.Snapshot()
	g := scheduler.NewGuard(last{}, scheduler.SLO{Rescue: rescue})
	box := state.NewContainer(0, 0, decide.None)
	state.Admit(0)
	state.Initialised(box, 0)
	next := decide.RequestID(0)
	arrive := func() {
		state.Arrive(next, 0)
		next++
	}
	arrive()
	busy := false
	for now := decide.Time(0); now <= 2*rescue; now += decide.Second {
		state.Advance(now)
		if busy {
			state.Completed(box, decide.Second)
		}
		arrive()
		arrive()
		st, ok := g.Next(s, decide.Event{At: now})
		if !ok {
			t.Fatalf("at %v nothing starts, with %d requests and an idle container", now.Duration(), s.WaitingAll())
		}
		if early := now < rescue; st.Request == 0 && early {
			t.Fatalf("request 0 started at %v, before %v", now.Duration(), rescue.Duration())
		}
		if st.Request == 0 {
			return
		}
		state.Dequeue(st.Request)
		state.Execute(st.Request, st.Container)
		busy = true
	}
	t.Errorf("request 0 never started")
}
