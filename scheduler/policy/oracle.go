package policy

import (
	"github.com/incendio-faas/incendio/internal/heap"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Oracle knows every arrival to come: a reference for policies that forecast, which no
// platform can run. What it does not know are durations.
//
// A function without a container gets one so early that it is ready when the next
// request arrives, 1.5 times the mean initialisation before, if there is room that
// nobody holds. An idle container is kept for as long as its memory is worth less than
// the start that it saves, by RUM's prices, if there are so many arrivals in that time.
// When room is needed, the container goes that saves the least per byte and time until
// its next use,
//
//	t_cold / (size * (next use - now)),
//
// Belady's rule with costs; the last idle container of n of a function is next used by
// its n-th arrival.
//
// Requests start as under [CIDRE], speculatively. It is not optimal: eviction with costs
// and sizes is NP-hard even with the future known.
//
// The clock begins at start.
func Oracle(profiles []decide.Profile, future decide.Future, start decide.Time) Stack {
	p := &oracle{future: future, dispatcher: newSpeculative(len(profiles), DefaultCIDREOptions().Target)}
	for f := range profiles {
		p.check(decide.FunctionID(f), start-1, profiles[f].Initialise)
	}
	return Stack{Dispatcher: p.dispatcher, Pool: p, Placer: LeastLoaded{}}
}

// oracle is the pool of [Oracle].
type oracle struct {
	future     decide.Future
	dispatcher *speculative
	checks     heap.Heap[check]
}

// A check is the time at which a container of a function has to be started in order to
// be ready for an arrival.
type check struct {
	at, arrival decide.Time
	function    decide.FunctionID
}

func (c check) Before(o check) bool { return c.at < o.at || c.at == o.at && c.function < o.function }

// lead is how long before an arrival a container is started.
func lead(initialise decide.Time) decide.Time { return initialise + initialise/2 }

// check enters the check for the first arrival of f after the given time.
func (p *oracle) check(f decide.FunctionID, after, initialise decide.Time) {
	if next := p.future.NextArrival(f, after); next < decide.Forever {
		p.checks.Push(check{next - lead(initialise), next, f})
	}
}

// Observe implements decide.Pool.
func (p *oracle) Observe(s decide.Snapshot, ev decide.Event) { p.dispatcher.observe(s, ev) }

// KeepAlive implements decide.Pool.
func (p *oracle) KeepAlive(s decide.Snapshot, c decide.ContainerID) decide.Time {
	f := s.Function(c)
	worth := s.Initialise(f).Seconds() * decide.RUMMemory / (float64(s.Memory(f)) / (1 << 30))
	keep := decide.Time(worth * float64(decide.Second))
	if s.IdleCount(f) > p.future.Arrivals(f, s.Now(), s.Now()+keep) {
		return 0
	}
	return keep
}

// Evict implements decide.Pool: for requests, never for a prewarm.
func (p *oracle) Evict(s decide.Snapshot, i decide.InvokerID, _ decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	if prewarm {
		return decide.None, false
	}
	victim, least := decide.ContainerID(decide.None), 0.0
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		g := s.Function(c)
		next := s.Now()
		for range s.IdleCount(g) {
			if next = p.future.NextArrival(g, next); next == decide.Forever {
				break
			}
		}
		if v := saving(s, g, next); victim == decide.None || v < least {
			victim, least = c, v
		}
	}
	return victim, victim != decide.None
}

// saving is what a container of f saves that is next used at the given time: seconds
// per byte and microsecond.
func saving(s decide.Snapshot, f decide.FunctionID, next decide.Time) float64 {
	if next == decide.Forever {
		return 0
	}
	return s.Initialise(f).Seconds() / (float64(s.Memory(f)) * float64(max(1, next-s.Now())))
}

// Adjust implements decide.Pool: it prewarms for the arrivals whose time has come.
func (p *oracle) Adjust(s decide.Snapshot) (decide.Adjustment, bool) {
	for len(p.checks) > 0 && p.checks[0].at <= s.Now() {
		c := p.checks.Pop()
		f := c.function
		p.check(f, c.arrival, s.Initialise(f))
		if s.Live(f) == 0 {
			return decide.Adjustment{Kind: decide.Prewarm, Function: f}, true
		}
	}
	return decide.Adjustment{}, false
}

// Wake implements decide.Pool.
func (p *oracle) Wake() decide.Time {
	if len(p.checks) == 0 {
		return decide.Forever
	}
	return p.checks[0].at
}

var oracleRow = plain(Row{Name: "oracle", Source: "perfect forecasts, eviction after Belady by next use and cost: a reference", Clairvoyant: true},
	func(s Site) Stack { return Oracle(s.Profiles, s.Future, s.Start) })
