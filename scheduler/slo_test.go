package scheduler_test

import (
	"testing"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// newest starts the request that arrived last.
type newest struct{}

func (newest) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	r := s.OldestAll()
	for n := r; n != decide.None; n = s.After(n) {
		r = n
	}
	return decide.Start{Request: r, Container: decide.None}, r != decide.None
}

// A desk feeds a guard around newest with a state of one function.
type desk struct {
	*testing.T
	state *decide.State
	guard decide.Dispatcher
}

func newDesk(t *testing.T, o scheduler.SLO, memory int64) *desk {
	t.Helper()
	profile := decide.Profile{Memory: 1, CPU: 1, Initialise: 10 * decide.Second}
	state, err := decide.NewState([]decide.Profile{profile}, []decide.InvokerSpec{{Memory: memory, Cores: 1}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t, state, scheduler.NewGuard(newest{}, o)}
}

func (d *desk) arrive(ms decide.Time, r decide.RequestID) {
	d.state.Advance(ms * decide.Millisecond)
	d.state.Arrive(r, 0)
	ev := decide.Event{At: ms * decide.Millisecond, Kind: decide.Arrival, Request: r}
	d.guard.(interface {
		Observe(decide.Snapshot, decide.Event)
	}).Observe(d.state.Snapshot(), ev)
}

// starts asks for the next start at a time and carries it out.
func (d *desk) starts(ms decide.Time, want decide.RequestID) {
	d.Helper()
	d.state.Advance(ms * decide.Millisecond)
	st, ok := d.guard.Next(d.state.Snapshot(), decide.Event{Kind: decide.Tick})
	if !ok {
		st.Request = decide.None
	}
	if st.Request != want {
		d.Fatalf("at %d ms request %d starts, want %d", ms, st.Request, want)
	}
	if ok {
		d.state.Dequeue(st.Request)
	}
}

// plain is the paper's objective, and cold starts do not loosen it.
func plain() scheduler.SLO {
	o := scheduler.DefaultSLO()
	o.ColdShare = 0
	return o
}

// TestUrgentInTheLastFifth: of an objective of 500 ms the last 100 count, both ends included.
func TestUrgentInTheLastFifth(t *testing.T) {
	for _, c := range []struct {
		at   decide.Time
		want decide.RequestID
	}{{399, 1}, {400, 0}, {500, 0}, {501, 1}} {
		d := newDesk(t, plain(), 9)
		d.arrive(0, 0)
		d.arrive(300, 1)
		d.starts(c.at, c.want)
	}
}

// TestEveryOtherStart: urgent requests take turns with those that the rule prefers,
// earliest deadline first.
func TestEveryOtherStart(t *testing.T) {
	d := newDesk(t, plain(), 9)
	for r := range decide.RequestID(3) {
		d.arrive(10*decide.Time(r), r)
	}
	for r := decide.RequestID(3); r < 6; r++ {
		d.arrive(300, r)
	}
	for _, want := range []decide.RequestID{0, 5, 1, 4, 2, 3, decide.None} {
		d.starts(450, want)
	}
}

// TestNumberOfAnother: the deadline of a request that has started does not pass to the
// next one of the same number.
func TestNumberOfAnother(t *testing.T) {
	d := newDesk(t, plain(), 9)
	d.arrive(0, 0)
	d.starts(10, 0)
	d.arrive(300, 0)
	d.arrive(350, 1)
	d.starts(450, 1) // 500 ms were the deadline of the first one
	d.arrive(460, 2)
	d.starts(700, 0)
}

// TestNoRoom: a request that becomes urgent where no container fits has had its chance.
func TestNoRoom(t *testing.T) {
	d := newDesk(t, plain(), 1)
	c := d.state.NewContainer(0, 0, decide.None)
	d.state.Admit(0)
	d.arrive(0, 0)
	d.arrive(300, 1)
	d.starts(410, 1)
	d.state.Initialised(c, 0)
	d.arrive(420, 2)
	d.starts(430, 2)
	d.starts(440, 0)
}

// TestObjectiveFollowsColdStart: 0.3 of 10 s is longer than 500 ms, so a request is
// urgent from 2.4 s to 3 s.
func TestObjectiveFollowsColdStart(t *testing.T) {
	for _, c := range []struct {
		at   decide.Time
		want decide.RequestID
	}{{450, 1}, {2399, 1}, {2400, 0}, {3000, 0}, {3001, 1}} {
		d := newDesk(t, scheduler.DefaultSLO(), 9)
		d.arrive(0, 0)
		d.arrive(300, 1)
		d.starts(c.at, c.want)
	}
}

func TestGuardOff(t *testing.T) {
	for _, o := range []scheduler.SLO{{ColdShare: 0.3, Urgent: 0.2}, {Default: decide.Second}} {
		if d := scheduler.NewGuard(newest{}, o); d != (newest{}) {
			t.Errorf("SLO %+v: dispatcher %T, want the inner one", o, d)
		}
	}
}

func TestSLOValidate(t *testing.T) {
	if err := scheduler.DefaultSLO().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		change func(*scheduler.SLO)
		key    string
	}{
		{func(o *scheduler.SLO) { o.Default = -1 }, "default_us"},
		{func(o *scheduler.SLO) { o.ColdShare = nan }, "cold_share"},
		{func(o *scheduler.SLO) { o.ColdShare = inf }, "cold_share"},
		{func(o *scheduler.SLO) { o.Urgent = 1.1 }, "urgent"},
		{func(o *scheduler.SLO) { o.Urgent = nan }, "urgent"},
	} {
		o := scheduler.DefaultSLO()
		c.change(&o)
		wantKey(t, o.Validate(), c.key)
	}
}
