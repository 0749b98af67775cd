package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// The service level objective of the Incendio paper on the time from arrival to
// start: 500 ms, or 30 % of the function's cold start where that is more
// (docs/models.md, decision 35).
const (
	sloDefault   = 500 * decide.Millisecond
	sloColdShare = 0.3
)

// LeastSlack starts the request with the least time to spare before its function's
// objective is missed:
//
//	slack = objective - time waited - [no container] t_cold
//
// It is the order of Fifer (Middleware 2020), with the objective of Incendio. A new
// container is created only where the function's own would take longer (see ESFF).
type LeastSlack struct{ candidates }

// Next implements decide.Dispatcher.
func (p *LeastSlack) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	wants := func(f decide.FunctionID) bool { return worth(s, f, s.Initialise(f)) }
	return p.best(s, wants, func(f decide.FunctionID, cold bool) float64 {
		_, arrival := s.Request(s.Oldest(f))
		start := s.Initialise(f)
		slack := max(sloDefault, decide.Time(sloColdShare*float64(start))) - (s.Now() - arrival)
		if cold {
			slack -= start
		}
		return float64(slack)
	})
}

var leastSlackRule = rule{
	name: "leastslack", source: "least slack first, Fifer, Middleware 2020, with Incendio's objective", reconstruction: true,
	make: func(decide.Signals, uint64) decide.Dispatcher { return new(LeastSlack) },
}
