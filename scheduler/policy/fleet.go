package policy

import (
	"cmp"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A usage measures how many requests of a function are in the system (decide.Snapshot.InSystem)
// over a period of a controller.
type usage struct {
	in   int         // since at
	at   decide.Time // of the last look
	area decide.Time // integral of in over the period, in request microseconds
	peak int         // of the period
}

// see looks at f now; the controller calls it with every arrival and completion of f.
func (u *usage) see(s decide.Snapshot, f decide.FunctionID) {
	u.area += decide.Time(u.in) * (s.Now() - u.at)
	u.in, u.at = s.InSystem(f), s.Now()
	u.peak = max(u.peak, u.in)
}

// take ends the period now.
func (u *usage) take(s decide.Snapshot, f decide.FunctionID) (area decide.Time, peak int) {
	u.see(s, f)
	area, peak = u.area, u.peak
	u.area, u.peak = 0, u.in
	return area, peak
}

// A fleet brings the numbers of containers to what a controller wants: those that are
// missing are prewarmed, those that are too many end. A period's targets are set with
// want, one call per function, and then planned.
type fleet struct {
	drain bool // containers at work are too many as well: they end once they are done

	prewarm []decide.Adjustment
	excess  []int               // containers too many, by function
	over    []decide.FunctionID // with an excess
	spare   []decide.ContainerID
	plan    []decide.Adjustment // the first one last
}

// want sets the number of containers of f to n.
func (p *fleet) want(s decide.Snapshot, f decide.FunctionID, n int) {
	live := s.Live(f)
	for k := live; k < n; k++ {
		p.prewarm = append(p.prewarm, decide.Adjustment{Kind: decide.Prewarm, Function: f})
	}
	if live > n {
		p.excess = upTo(p.excess, s.Functions(), 0)
		p.excess[f] = live - n
		p.over = append(p.over, f)
	}
}

// settle plans what was wanted: first what ends and so makes room, then what is prewarmed,
// in the order of the calls. Of a function those end first that do not work yet, then
// the one that has been idle the longest.
func (p *fleet) settle(s decide.Snapshot) {
	p.plan = p.plan[:0]
	if len(p.over) > 0 {
		p.retire(s)
	}
	p.plan = append(p.plan, p.prewarm...)
	slices.Reverse(p.plan)
	p.prewarm = p.prewarm[:0]
}

func (p *fleet) retire(s decide.Snapshot) {
	p.spare = p.spare[:0]
	for c := range decide.ContainerID(s.Containers()) {
		switch status := s.Status(c); {
		case status == decide.Gone, status == decide.Terminating, s.IsRetiring(c), p.excess[s.Function(c)] == 0:
		case status == decide.Idle, p.drain, s.CreatedFor(c) == decide.None && status != decide.Busy:
			p.spare = append(p.spare, c)
		}
	}
	p.eldest(s)
	for _, c := range p.spare {
		if f := s.Function(c); p.excess[f] > 0 {
			p.excess[f]--
			p.plan = append(p.plan, decide.Adjustment{Kind: decide.Retire, Container: c})
		}
	}
	for _, f := range p.over {
		p.excess[f] = 0
	}
	p.over = p.over[:0]
}

// eldest sorts the spare containers: those that do not work yet, then idle ones, then busy
// ones, and in each of these the one first that has been so the longest.
func (p *fleet) eldest(s decide.Snapshot) {
	slices.SortFunc(p.spare, func(a, b decide.ContainerID) int {
		return cmp.Or(cmp.Compare(s.Status(a), s.Status(b)), cmp.Compare(s.Since(a), s.Since(b)), cmp.Compare(a, b))
	})
}

// Adjust implements decide.Pool. A container that was idle when it was planned to end and
// is no longer keeps living.
func (p *fleet) Adjust(s decide.Snapshot) (decide.Adjustment, bool) {
	for len(p.plan) > 0 {
		a := p.plan[len(p.plan)-1]
		p.plan = p.plan[:len(p.plan)-1]
		if a.Kind != decide.Retire || p.drain || s.Status(a.Container) != decide.Busy {
			return a, true
		}
	}
	return decide.Adjustment{}, false
}
