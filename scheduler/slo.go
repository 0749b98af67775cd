package scheduler

import (
	"github.com/incendio-faas/incendio/internal/heap"
	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// SLO is the objective for the time from arrival to dispatch (Incendio, Section VI-D;
// docs/models.md, decisions 35 to 37).
type SLO struct {
	// Default objective, at most a day; 0 turns the guard off. Default 500 ms.
	Default decide.Time `json:"default_us"`
	// ColdShare: a function's objective is at least this share of its
	// initialisation time, in [0, 1000]. Default 0.3.
	ColdShare float64 `json:"cold_share"`
	// Urgent is the share of the objective that may be left when a request becomes
	// urgent, in [0, 1]. Default 0.2.
	Urgent float64 `json:"urgent"`
}

// day is longer than any request may wait.
const day = 24 * 60 * decide.Minute

// DefaultSLO returns the paper's objective.
func DefaultSLO() SLO { return SLO{Default: 500 * decide.Millisecond, ColdShare: 0.3, Urgent: 0.2} }

// Validate reports all values that are out of range.
func (o SLO) Validate() error {
	out := option.Check{Package: "scheduler: slo"}
	out.That(o.Default >= 0 && o.Default <= day, "default_us", "must be in [0, %d], got %d", day, o.Default)
	out.That(o.ColdShare >= 0 && o.ColdShare <= 1000, "cold_share", "must be in [0, 1000], got %g", o.ColdShare)
	out.That(o.Urgent >= 0 && o.Urgent <= 1, "urgent", "must be in [0, 1], got %g", o.Urgent)
	return out.Err()
}

// objective is that of a function with such an initialisation time.
func (o SLO) objective(init decide.Time) decide.Time {
	return max(o.Default, decide.Time(o.ColdShare*float64(init)))
}

// margin is how much of the objective slo is left when a request becomes urgent.
func (o SLO) margin(slo decide.Time) decide.Time { return decide.Time(o.Urgent * float64(slo)) }

// guard puts requests that are about to miss their objective before those that the
// inner dispatcher prefers, earliest deadline first. A request that has missed it is
// no longer urgent. Of two starts in a row at most one is urgent: without that,
// deadlines would rule alone under overload, where most requests are about to be late.
//
// Requests that are about to be dropped are not rescued. It was tried: at a load of
// 1.08 on sample500 it gave half of the starts to old, long requests, and ten times
// the mean latency with ten times the drops, because what they took the short ones
// then waited for.
type guard struct {
	inner decide.Dispatcher
	slo   SLO
	queue heap.Heap[deadline]
	last  bool // the last start was urgent
}

// newGuard wraps inner, or returns it where the guard is off.
func newGuard(inner decide.Dispatcher, o SLO) decide.Dispatcher {
	if o.Default == 0 || o.Urgent == 0 {
		return inner
	}
	return &guard{inner: inner, slo: o}
}

// Next implements decide.Dispatcher.
func (g *guard) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if !g.last {
		if st, ok := g.urgent(s); ok {
			g.last = true
			return st, true
		}
	}
	g.last = false
	return g.inner.Next(s, ev)
}

// Explain implements decide.Explainer.
func (g *guard) Explain(s decide.Snapshot, r decide.RequestID) (decide.Hold, bool) {
	if e, ok := g.inner.(decide.Explainer); ok {
		return e.Explain(s, r)
	}
	return decide.Hold{}, false
}

// urgent returns the start of the most urgent request that can start.
func (g *guard) urgent(s decide.Snapshot) (decide.Start, bool) {
	now := s.Now()
	for len(g.queue) > 0 {
		d := g.queue[0]
		f, arrival := s.Request(d.request)
		if now > d.at || !s.IsWaiting(d.request) || arrival != d.arrival {
			g.queue.Pop() // late, started or gone
			continue
		}
		if d.at-now > g.slo.margin(d.at-d.arrival) {
			break
		}
		g.queue.Pop() // it has its one chance
		if c := s.Available(f); c != decide.None {
			return decide.Start{Request: d.request, Container: c}, true
		}
		if s.AnyRoom(f) {
			return decide.Start{Request: d.request, Container: decide.None}, true
		}
	}
	return decide.Start{}, false
}

// Observe notes the deadline of a new request.
func (g *guard) Observe(s decide.Snapshot, ev decide.Event) {
	if ev.Kind != decide.Arrival {
		return
	}
	g.note(s, ev.Request)
}

// note notes the deadline of r.
func (g *guard) note(s decide.Snapshot, r decide.RequestID) {
	f, arrival := s.Request(r)
	g.queue.Push(deadline{at: arrival + g.slo.objective(s.Initialise(f)), arrival: arrival, request: r})
}

// A deadline is when a request misses its objective. The arrival tells whether the
// number still means the same request.
type deadline struct {
	at, arrival decide.Time
	request     decide.RequestID
}

func (d deadline) Before(o deadline) bool {
	return d.at < o.at || d.at == o.at && d.request < o.request
}
