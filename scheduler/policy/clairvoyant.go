package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// Clairvoyant knows the arrivals to come, and its invokers the durations: a reference for what
// is left to gain, which no platform can run.
//
//   - The cores of an invoker serve the shortest remaining time first ([SharingSRPT]).
//   - A request starts in the idle container of its function whose invoker is the least
//     loaded; of those that wait for a new one the shortest expected job goes first, and a
//     function that has containers gets another one only where that shortens its queue, as
//     under [ESFF].
//   - A function without a container gets one just in time for its next arrival, as under
//     [Oracle], where there is room that nobody holds.
//   - An idle container is kept while there is an arrival to come. When room is needed, the one goes
//     that saves the least per byte and time until its next use, Belady's rule with costs. Of
//     a function the containers that execute come back too: with b of them, the last one of n
//     idle ones is next used by arrival b+n.
//
// It is no bound: eviction with costs and sizes is NP-hard even with the future known, and
// what is best for one request delays others.
func Clairvoyant(profiles []decide.Profile, future decide.Future, start decide.Time) Stack {
	p := &clairvoyant{oracle: oracle{future: future}}
	for f := range profiles {
		p.check(decide.FunctionID(f), start-1, profiles[f].Initialise)
	}
	return Stack{Dispatcher: p, Pool: p, Placer: LeastLoaded{}, Sharing: DefaultSharing(SharingSRPT)}
}

// clairvoyant is the dispatcher and the pool of [Clairvoyant].
type clairvoyant struct {
	oracle
	candidates
}

// Observe implements decide.Pool: it knows what it needs to.
func (p *clairvoyant) Observe(decide.Snapshot, decide.Event) {}

// Next implements decide.Dispatcher.
func (p *clairvoyant) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	wants := func(f decide.FunctionID) bool { return worth(s, f, s.Initialise(f)) }
	st, ok := p.best(s, wants, func(f decide.FunctionID, cold bool) float64 {
		if cold {
			return float64(s.Execution(f) + s.Initialise(f))
		}
		return float64(s.Execution(f))
	})
	if ok && st.Container != decide.None {
		f, _ := s.Request(st.Request)
		st.Container = LeastLoadedWarm(s, f)
	}
	return st, ok
}

// KeepAlive implements decide.Pool.
func (p *clairvoyant) KeepAlive(s decide.Snapshot, c decide.ContainerID) decide.Time {
	if p.future.NextArrival(s.Function(c), s.Now()) == decide.Forever {
		return 0
	}
	return decide.Forever
}

// Evict implements decide.Pool: for requests, never for a prewarm.
func (p *clairvoyant) Evict(s decide.Snapshot, i decide.InvokerID, _ decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	if prewarm {
		return decide.None, false
	}
	victim, least := decide.ContainerID(decide.None), 0.0
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		g := s.Function(c)
		next := s.Now()
		for range s.BusyCount(g) + s.IdleCount(g) {
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

var clairvoyantRow = plain(Row{Name: "clairvoyant", Sharing: SharingSRPT, Source: "knows arrivals and durations: SRPT, the least loaded invoker, prewarming in time, eviction after Belady: a reference", Clairvoyant: true},
	func(s Site) Stack { return Clairvoyant(s.Profiles, s.Future, s.Start) })
