package index

import (
	"fmt"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Explain implements decide.Explainer: it repeats what Next weighs for r, with what is there now.
func (p *Index) Explain(s decide.Snapshot, r decide.RequestID) (decide.Hold, bool) {
	f, arrival := s.Request(r)
	if oldest := s.Oldest(f); oldest != r {
		return decide.Hold{Reason: "older requests of its function start first", Invoker: decide.None, Until: decide.Forever}, true
	}
	for len(p.functions) < s.Functions() {
		p.functions = append(p.functions, function{})
	}
	p.survey(s)
	fn := p.known(s, f)
	timeout := s.Timeout()
	spent, at := 0.0, func(float64) decide.Time { return decide.Forever }
	if timeout < decide.Forever {
		spent = (s.Now() - arrival).Seconds() / timeout.Seconds()
		at = func(spent float64) decide.Time { return arrival + decide.Time(spent*float64(timeout)) }
	}
	late := max(0, 2*spent-1)
	limit, rise, long := p.o.ShortLimit*(1+late), p.o.ShortLimit, fn.exec >= p.o.Long
	if long {
		limit, rise = p.o.LongLimit+p.rise*late, p.rise
	}
	kind := "short"
	if long {
		kind = "long"
	}
	held := func(where string, i decide.InvokerID, load float64) (decide.Hold, bool) {
		until := decide.Forever
		if more := (load - limit) / rise; rise > 0 && late+more < 1 {
			until = at((1 + late + more) / 2)
		}
		reason := fmt.Sprintf("held by the index: the least loaded invoker with %s has %.2f times its cores to do, and %s requests start below %.2f", where, load, kind, limit)
		return decide.Hold{Reason: reason, Invoker: i, Until: until}, true
	}
	if c, l := p.warm(s, f, long); c != decide.None {
		if l < limit {
			return decide.Hold{}, false
		}
		return held("an idle container of its function", s.Invoker(c), l)
	}
	i, evicts := p.place(s, f, long)
	switch {
	case i == decide.None:
		return decide.Hold{}, false // there is no room
	case p.loads[i].of(long) >= limit:
		return held("room", i, p.loads[i].of(long))
	case p.worth(s, f, fn, evicts, spent):
		return decide.Hold{}, false
	}
	kappa := p.kappa
	if evicts {
		kappa *= p.o.KappaEvict
	}
	queue, start := float64(s.Waiting(f))*fn.exec, kappa*float64(s.Live(f))*fn.init
	return decide.Hold{
		Invoker: decide.None,
		Reason:  fmt.Sprintf("held by the index: it waits for one of the %d containers of its function, which one more would not shorten by enough", s.Live(f)),
		Until:   at((1 - queue/start) / 2),
	}, true
}
