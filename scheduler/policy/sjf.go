package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// SJF starts the request that is expected to be done first: shortest job first with
// the initialisation counted where there is no container.
type SJF struct{ candidates }

// Next implements decide.Dispatcher.
func (p *SJF) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	return p.best(s, always, func(f decide.FunctionID, cold bool) float64 {
		t := s.Execution(f)
		if cold {
			t += s.Initialise(f)
		}
		return float64(t)
	})
}

var sjfRule = rule{
	name: "sjf", source: "shortest expected job first, initialisation included",
	make: func(decide.Signals, uint64) decide.Dispatcher { return new(SJF) },
}
