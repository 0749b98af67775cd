package policy

import (
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// periods is the clock of controllers that decide once a period about every function that
// is active: it measures their usage, and tells when a period ends.
type periods struct {
	period decide.Time
	usages []usage
	counts []int32 // arrivals of the period, by function
	active []decide.FunctionID
	is     []bool // active
	next   decide.Time
	length decide.Time // of the period that ended last: longer where a tick came late
}

func newPeriods(period decide.Time, functions int) periods {
	return periods{
		period: period, usages: make([]usage, functions), counts: make([]int32, functions), is: make([]bool, functions),
	}
}

// Deployed implements decide.Deployer.
func (p *periods) Deployed(_ decide.Snapshot, f decide.FunctionID, _ decide.Profile) {
	p.usages, p.counts, p.is = upTo(p.usages, f+1, usage{}), upTo(p.counts, f+1, 0), upTo(p.is, f+1, false)
}

// see takes in an event. It returns true where it ends a period, and the caller then decides.
// Every function is active from its first arrival until done says otherwise.
func (p *periods) see(s decide.Snapshot, ev decide.Event) bool {
	switch ev.Kind {
	case decide.Arrival, decide.Completion:
		f := ev.Function
		if !p.is[f] {
			p.is[f] = true
			p.usages[f] = usage{at: ev.At}
			if len(p.active) == 0 {
				p.next = ev.At - ev.At%p.period + p.period
			}
			p.active = append(p.active, f)
		}
		p.usages[f].see(s, f)
		if ev.Kind == decide.Arrival {
			p.counts[f]++
		}
	case decide.Tick:
		if len(p.active) > 0 && ev.At >= p.next {
			p.length = ev.At - p.next + p.period
			p.next = ev.At - ev.At%p.period + p.period
			slices.Sort(p.active)
			return true
		}
	}
	return false
}

// stir makes f active where it is not.
func (p *periods) stir(f decide.FunctionID) {
	if !p.is[f] {
		p.is[f] = true
		p.active = append(p.active, f)
	}
}

// take returns what was measured of f in the period that ends now, in containers that execute
// as many requests as they can: the mean and the most that were needed for what was in the
// system; and the arrivals.
func (p *periods) take(s decide.Snapshot, f decide.FunctionID) (mean float64, peak, arrivals int) {
	area, peak := p.usages[f].take(s, f)
	arrivals = int(p.counts[f])
	p.counts[f] = 0
	c := s.Concurrency()
	return float64(area) / float64(max(p.period, p.length)) / float64(c), (peak + c - 1) / c, arrivals
}

// done keeps those functions active for which it is asked to.
func (p *periods) done(rest func(f decide.FunctionID) bool) {
	p.active = slices.DeleteFunc(p.active, func(f decide.FunctionID) bool {
		p.is[f] = !rest(f)
		return !p.is[f]
	})
}

// Wake implements decide.Pool.
func (p *periods) Wake() decide.Time {
	if len(p.active) == 0 {
		return decide.Forever
	}
	return p.next
}

// A history is a ring of the last values of a series, at most as many as it has room for.
type history struct {
	ring []float64
	n    int // values seen
}

func (h *history) add(v float64, size int) {
	if h.ring == nil {
		h.ring = make([]float64, size)
	}
	h.ring[h.n%len(h.ring)] = v
	h.n++
}

// fill adds zeros until n values were seen.
func (h *history) fill(n, size int) {
	if n-h.n >= size {
		clear(h.ring)
		h.n = n
	}
	for h.n < n {
		h.add(0, size)
	}
}

// last sets out to the last values, oldest first, and those before the first one to 0.
func (h *history) last(out []float64) []float64 {
	n := min(h.n, len(h.ring), len(out))
	clear(out[:len(out)-n])
	if n > 0 {
		at := (h.n - n) % len(h.ring)
		k := copy(out[len(out)-n:], h.ring[at:])
		copy(out[len(out)-n+k:], h.ring)
	}
	return out
}

// zero reports whether all values that the ring has are 0.
func (h *history) zero() bool {
	for _, v := range h.ring {
		if v != 0 {
			return false
		}
	}
	return true
}
