package scheduler

import (
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// SLO is the objective for the time from arrival to dispatch (Incendio, Section VII;
// systems.md D.3, decisions 35 to 37).
type SLO struct {
	// Default objective, >= 0; 0 turns the guard off. Default 500 ms.
	Default decide.Time `mapstructure:"default_us" json:"default_us"`
	// ColdShare: a function's objective is at least this share of its
	// initialisation time, >= 0. Default 0.3.
	ColdShare float64 `mapstructure:"cold_share" json:"cold_share"`
	// Urgent is the share of the objective that may be left when a request becomes
	// urgent, in [0, 1]. Default 0.2.
	Urgent float64 `mapstructure:"urgent" json:"urgent"`
	// Rescue is how long a request waits before it is urgent for good, >= 0; 0 never
	// rescues. No preference may starve a request until it is dropped. Default 30 s,
	// half of the default time-out.
	Rescue decide.Time `mapstructure:"rescue_us" json:"rescue_us"`
}

// DefaultSLO returns the paper's objective.
func DefaultSLO() SLO {
	return SLO{Default: 500 * decide.Millisecond, ColdShare: 0.3, Urgent: 0.2, Rescue: 30 * decide.Second}
}

// Validate reports the first value that is out of range.
func (o SLO) Validate() error {
	switch {
	case o.Default < 0:
		return fmt.Errorf("scheduler: slo default_us must not be negative, got %d", o.Default)
	case !(o.ColdShare >= 0) || math.IsInf(o.ColdShare, 0):
		return fmt.Errorf("scheduler: slo cold_share must not be negative, got %g", o.ColdShare)
	case !(o.Urgent >= 0 && o.Urgent <= 1):
		return fmt.Errorf("scheduler: slo urgent must be in [0, 1], got %g", o.Urgent)
	case o.Rescue < 0:
		return fmt.Errorf("scheduler: slo rescue_us must not be negative, got %d", o.Rescue)
	}
	return nil
}

// guard puts requests that are about to miss their objective before those that the
// inner dispatcher prefers, earliest deadline first. A request that has missed it is
// no longer urgent, until it has waited so long that it might be dropped. Of two starts in a row at most one is urgent: without that,
// deadlines would rule alone under overload, where most requests are about to be late.
type guard struct {
	inner decide.Dispatcher
	slo   SLO
	heap  minHeap[deadline]
	last  bool // the last start was urgent
}

// newGuard wraps inner, or returns it where nothing is to be guarded.
func newGuard(inner decide.Dispatcher, o SLO) decide.Dispatcher {
	if !o.deadlines() && o.Rescue == 0 {
		return inner
	}
	return &guard{inner: inner, slo: o}
}

// deadlines reports whether requests have an objective to be urgent for.
func (o SLO) deadlines() bool { return o.Default > 0 && o.Urgent > 0 }

// Next implements decide.Dispatcher.
func (g *guard) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if !g.last {
		st, ok := g.urgent(s)
		if !ok {
			st, ok = g.rescue(s)
		}
		if ok {
			g.last = true
			return st, true
		}
	}
	g.last = false
	return g.inner.Next(s, ev)
}

// rescueScan bounds how many of the oldest requests are looked at for one that can start.
const rescueScan = 64

// rescue returns the start of the oldest request that has waited beyond the limit and
// can start.
func (g *guard) rescue(s decide.Snapshot) (decide.Start, bool) {
	r := s.OldestAll()
	for range rescueScan {
		if g.slo.Rescue == 0 || r == decide.None {
			break
		}
		f, arrival := s.Request(r)
		if s.Now()-arrival < g.slo.Rescue {
			break
		}
		if st, ok := start(s, r, f); ok {
			return st, true
		}
		r = s.After(r)
	}
	return decide.Start{}, false
}

// start returns how r, a request of f, can start now.
func start(s decide.Snapshot, r decide.RequestID, f decide.FunctionID) (decide.Start, bool) {
	if c := s.Available(f); c != decide.None {
		return decide.Start{Request: r, Container: c}, true
	}
	return decide.Start{Request: r, Container: decide.None}, s.AnyRoom(f)
}

// urgent returns the start of the most urgent request that can start.
func (g *guard) urgent(s decide.Snapshot) (decide.Start, bool) {
	now := s.Now()
	for len(g.heap) > 0 {
		d := g.heap[0]
		f, arrival := s.Request(d.request)
		if now > d.at || !s.IsWaiting(d.request) || arrival != d.arrival {
			g.heap.pop() // late, started or gone
			continue
		}
		if d.at-now > decide.Time(g.slo.Urgent*float64(d.at-d.arrival)) {
			break
		}
		g.heap.pop() // it has its one chance
		if st, ok := start(s, d.request, f); ok {
			return st, true
		}
	}
	return decide.Start{}, false
}

// Observe notes the deadline of a new request.
func (g *guard) Observe(s decide.Snapshot, ev decide.Event) {
	if ev.Kind != decide.Arrival || !g.slo.deadlines() {
		return
	}
	slo := max(g.slo.Default, decide.Time(g.slo.ColdShare*float64(s.Initialise(ev.Function))))
	g.heap.push(deadline{at: s.Now() + slo, arrival: s.Now(), request: ev.Request})
}

// A deadline is when a request misses its objective. The arrival tells whether the
// number still means the same request.
type deadline struct {
	at, arrival decide.Time
	request     decide.RequestID
}

func (d deadline) before(o deadline) bool {
	return d.at < o.at || d.at == o.at && d.request < o.request
}
