package scheduler

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/queueing"
)

// pool manages containers by forecast: once a minute it learns how many arrivals of
// each function to expect in the next one, and holds as many containers as are worth
// their memory.
//
// The k-th container of a function is worth having for a minute if
//
//	c (1 - exp(-N P(X >= k-1))) >= price * m * 60 s,    X ~ Poisson(N d / 60 s)
//
// with N expected arrivals of execution time d, initialisation time c and m GB a
// container: X is the number of busy containers that an arrival finds (M/G/∞; Poisson
// arrivals see time averages), so N P(X >= k-1) arrivals would need the k-th
// container, and the left side is the waiting time that it saves (docs/models.md, The
// pool and decisions 12 and 18). Containers that are missing are prewarmed, the most
// valuable per byte first; idle ones beyond that are ended.
type pool struct {
	signals *signals
	source  forecast.Source
	price   float64 // s of waiting per GB·s

	observers []observer

	next   decide.Time // end of the current minute
	counts []float64   // arrivals in it
	due    bool        // a plan waits for a Tick
	rolled decide.Time // when it was made
	plan   []change

	covered int // functions that the source forecasts
}

// A change is a planned adjustment: containers of a function to prewarm (n > 0) or end (n < 0).
type change struct {
	function decide.FunctionID
	n        int
	value    float64 // s saved per byte
}

// catchUp is how many minutes are closed one by one when the clock is late; of more than
// that but the last one.
const catchUp = 10

// A growing is a source of forecasts to which functions can be added.
type growing interface {
	forecast.Source
	// Grow adds functions that nothing is known of until there are n.
	Grow(n int)
}

// Deployed implements decide.Deployer. Until the minute ends nothing is expected of a function that
// is new; then its forecast begins, from nothing where the models do not know it.
func (p *pool) Deployed(s decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	n := int(f) + 1
	p.signals.grow(n)
	p.signals.rate[f] = max(p.signals.rate[f], profile.PerMinute)
	p.signals.cached[f].until = 0
	for len(p.counts) < n {
		p.counts = append(p.counts, 0)
	}
	if g, ok := p.source.(growing); ok {
		g.Grow(n)
		p.covered = max(p.covered, n)
	}
	for _, o := range p.observers {
		if d, ok := o.(decide.Deployer); ok {
			d.Deployed(s, f, profile)
		}
	}
}

// Observe implements decide.Pool: it counts arrivals and closes minutes.
func (p *pool) Observe(s decide.Snapshot, ev decide.Event) {
	for n := 0; ev.At >= p.next; n++ {
		if last := ev.At - ev.At%decide.Minute; n == catchUp && last > p.next {
			p.next = last // those between are missing to the forecaster
		}
		p.roll()
	}
	if ev.Kind == decide.Arrival {
		p.counts[ev.Function]++
	}
	if p.due && ev.Kind == decide.Tick {
		p.makePlan(s)
		p.due = false
	}
	for _, o := range p.observers {
		o.Observe(s, ev)
	}
}

// roll ends the minute before p.next.
func (p *pool) roll() {
	p.signals.expect(p.source.Step(int(p.next/decide.Minute)-1, p.counts[:p.covered]))
	clear(p.counts)
	p.rolled = p.next
	p.next += decide.Minute
	p.due = true
}

// Wake implements decide.Pool.
func (p *pool) Wake() decide.Time {
	if p.due {
		return p.rolled
	}
	return p.next
}

// KeepAlive implements decide.Pool: the plan of each minute decides, not a timer.
func (p *pool) KeepAlive(decide.Snapshot, decide.ContainerID) decide.Time { return decide.Forever }

// Evict implements decide.Pool: the idle container that saves the least waiting per
// byte goes first. A prewarm evicts only what is worth less than itself, and only if
// an arrival is more likely than not (docs/models.md, decision 49).
func (p *pool) Evict(s decide.Snapshot, i decide.InvokerID, f decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	victim, least := decide.ContainerID(decide.None), math.Inf(1)
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		if v := p.value(s, s.Function(c)); v < least {
			victim, least = c, v
		}
	}
	if victim == decide.None {
		return victim, false
	}
	if prewarm && (least >= p.value(s, f) || p.signals.Expected(f) < math.Ln2) {
		return decide.None, false
	}
	return victim, true
}

// value is the waiting that a container of f is expected to save in this minute, in
// priority-weighted seconds per byte (docs/models.md, decision 50). A hundredth of
// the long-run rate tells functions apart that the forecast expects nothing of.
func (p *pool) value(s decide.Snapshot, f decide.FunctionID) float64 {
	n := p.signals.Expected(f) + 0.01*p.signals.perMinute(s, f)
	return p.signals.Priority(s, f) * s.Initialise(f).Seconds() * -math.Expm1(-n) / float64(s.Memory(f))
}

// makePlan compares the containers there are with the containers worth having.
func (p *pool) makePlan(s decide.Snapshot) {
	p.plan = p.plan[:0]
	for f := range decide.FunctionID(s.Functions()) {
		live := s.Live(f)
		n := p.signals.Expected(f)
		if live == 0 && n <= 0 {
			continue
		}
		want := worthwhile(n, s.Execution(f).Seconds(), s.Initialise(f).Seconds(), containerCost(p.price, s.Memory(f)))
		if want > live {
			want = min(want, live+room(s, f)) // each that does not fit would be tried
		}
		switch {
		case want > live:
			p.plan = append(p.plan, change{f, want - live, p.value(s, f)})
		case want < live && s.IdleCount(f) > 0:
			p.plan = append(p.plan, change{f, -min(live-want, s.IdleCount(f)), math.Inf(1)})
		}
	}
	// Adjust takes from the end: first what ends and so makes room, then the most
	// valuable; among equals the function with the lowest number.
	slices.SortFunc(p.plan, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(b.function, a.function))
	})
}

// room is how many containers of f all invokers can hold.
func room(s decide.Snapshot, f decide.FunctionID) int {
	n := int64(0)
	for i := range decide.InvokerID(s.Invokers()) {
		n += s.InvokerSpec(i).Memory / max(1, s.Memory(f))
	}
	return int(n)
}

// containerCost is what a container of that memory costs in a minute, in seconds of waiting; the
// price is in seconds per GB·s.
func containerCost(price float64, memory int64) float64 {
	return price * float64(memory) / (1 << 30) * 60
}

// worthwhile is the largest k for which the k-th container of a function saves at
// least the given cost > 0, in seconds: see pool. Solved for the probability, that is
// the largest k with
//
//	P(X >= k-1) >= q,    q = -log(1 - cost/c) / N
func worthwhile(expected, execution, initialise, cost float64) int {
	if expected <= 0 || cost >= initialise {
		return 0
	}
	// A container that fewer arrivals than this share would need is worth nothing at
	// any price; and a sum of terms near 1 is no more exact.
	const least = 1e-12
	q := max(least, -math.Log1p(-cost/initialise)/expected)
	if q > 1 {
		return 0
	}
	busy := expected * execution / 60
	// Above this the first term of the sum nears underflow, and the sum is long.
	const large = 600
	if busy > large {
		high := int(busy + 8*math.Sqrt(busy)) // more than 7 standard deviations: P < least
		return sort.Search(high, func(k int) bool { return queueing.PoissonTail(busy, k) < q })
	}
	tail, term := 1.0, math.Exp(-busy) // P(X >= k) and P(X = k)
	k := 0
	for ; tail >= q; k++ {
		tail -= term
		term *= busy / float64(k+1)
	}
	return k
}

// Adjust implements decide.Pool.
func (p *pool) Adjust(s decide.Snapshot) (decide.Adjustment, bool) {
	for len(p.plan) > 0 {
		ch := &p.plan[len(p.plan)-1]
		switch {
		case ch.n > 0:
			ch.n--
			return decide.Adjustment{Kind: decide.Prewarm, Function: ch.function}, true
		case ch.n < 0 && s.IdleCount(ch.function) > 0:
			ch.n++
			return decide.Adjustment{Kind: decide.Retire, Container: oldestIdle(s, ch.function)}, true
		}
		p.plan = p.plan[:len(p.plan)-1]
	}
	return decide.Adjustment{}, false
}

// oldestIdle is the idle container of f that was used the longest ago; there is one.
func oldestIdle(s decide.Snapshot, f decide.FunctionID) decide.ContainerID {
	oldest := decide.ContainerID(decide.None)
	for c := s.FirstWarm(f); c != decide.None; c = s.NextWarm(c) {
		if s.Status(c) == decide.Idle && (oldest == decide.None || s.Since(c) < s.Since(oldest)) {
			oldest = c
		}
	}
	return oldest
}

// PoolOptions hold the parameters of the stack "incendio" that tuning chooses.
type PoolOptions struct {
	// MemoryPrice is the price of memory that a container holds, as a multiple of
	// the price of RUM, see decide.RUMMemory; in
	// [decide.LeastMemoryPrice, decide.MostMemoryPrice].
	MemoryPrice float64 `json:"memory_price"`
	// CPUShare limits what executes at once on an invoker to this multiple of its
	// cores, in [0, 1000]; 0 is no limit.
	CPUShare float64 `json:"cpu_share"`
}

// Validate reports the first parameter that is out of range.
func (p PoolOptions) Validate() error {
	if !(p.MemoryPrice >= decide.LeastMemoryPrice && p.MemoryPrice <= decide.MostMemoryPrice) {
		return fmt.Errorf("scheduler: memory_price must be in [%g, %g], got %g", decide.LeastMemoryPrice, decide.MostMemoryPrice, p.MemoryPrice)
	}
	if !(p.CPUShare >= 0 && p.CPUShare <= 1000) {
		return fmt.Errorf("scheduler: cpu_share must be in [0, 1000], got %g", p.CPUShare)
	}
	return nil
}
