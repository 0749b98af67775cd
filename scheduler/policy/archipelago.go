package policy

import (
	"math"
	"slices"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/queueing"
)

// ArchipelagoOptions are the parameters of [Archipelago].
type ArchipelagoOptions struct {
	Pools    int     // into which the invokers are divided, >= 1
	Slack    float64 // of a request, as a multiple of its expected execution, >= 0
	Quantile float64 // share of the moments in which the sandboxes shall suffice, in (0, 1)
	ScaleOut float64 // queueing delay over slack above which an application gets one more pool, > 0
}

// DefaultArchipelagoOptions are the published quantile of 99 % and threshold of 0.3, pools of
// four of the eight default invokers, and a slack of twice the execution, about the middle of
// the workloads in the paper.
func DefaultArchipelagoOptions() ArchipelagoOptions {
	return ArchipelagoOptions{Pools: 2, Slack: 2, Quantile: 0.99, ScaleOut: 0.3}
}

const (
	archipelagoInterval = decide.Second // after which demand and scale are looked at; theirs is 100 ms
	archipelagoGain     = 0.3           // weight of the last interval in the arrival rate; ours
	archipelagoScaleIn  = 0.05          // queueing delay over slack below which an interval is calm
	archipelagoCalm     = 60            // calm intervals in a row after which an application loses a pool; ours
	archipelagoPoints   = 16            // of a pool on the ring; ours
	archipelagoIdle     = 1e-3          // arrivals in an interval below which nothing is expected
)

// Archipelago is the platform of Singhvi et al., "Archipelago: A Scalable Low-Latency
// Serverless Platform" (2019; in SoCC 2021 as Atoll). The invokers are divided into disjoint
// pools, each under a semi-global scheduler of its own.
//
// A request belongs to one pool, and never leaves it. An application begins with the
// one pool that follows on a ring of hashes. Where its requests have waited for more than 0.3
// of their slack in the last second it gets the next one too, and where for less than 0.05 in
// every second of a minute it loses the last; among its pools a lottery decides, with a lot for each of the function's sandboxes there.
//
// In a pool the request with the least slack starts first, of those that can start:
//
//	slack = deadline - now - execution,    deadline = arrival + (1 + factor) execution
//
// An invocation has its CPU to itself: no more execute at once than the cores hold (CPUShare
// 1). As a core is promised while a sandbox is set up for a request, one is set up only where the
// function has none in the pool, or where those that it has would take longer (see [ESFF]).
//
// Sandboxes are allocated proactively: as many as arrivals overlap at once in all but 1 % of
// the moments, the quantile of a Poisson number with mean rate * max(interval, execution), with
// the rate a moving average over the pool's own arrivals. They are spread evenly, each on the
// invoker of the pool with the fewest of its function. Those that are too many stay, evicted softly, until the memory is
// needed; then they go first.
//
// In the paper an application is a DAG of functions with one deadline. Traces have no
// edges between functions: every function is a DAG of one stage here, with a deadline that
// follows from its expected execution. This is a reconstruction: the demand rule, the intervals and the thresholds
// are from descriptions of the paper, and the lottery counts all sandboxes, where the
// paper leaves the choice among new pools to gradual weights.
func Archipelago(profiles []decide.Profile, invokers []decide.InvokerSpec, o ArchipelagoOptions, rnd uint64) Stack {
	apps := int32(0)
	for _, f := range profiles {
		apps = max(apps, f.App+1)
	}
	p := &archipelago{
		LRU:   LRU{Keep: decide.Forever},
		opts:  o,
		pools: make([]island, min(o.Pools, len(invokers))),
		apps:  make([]archipelagoApp, apps),
		key:   seed.Key(rnd, "archipelago lottery"),
	}
	for i, spec := range invokers {
		k := &p.pools[i%len(p.pools)]
		k.invokers = append(k.invokers, decide.InvokerID(i))
		k.largest = max(k.largest, spec.Memory)
	}
	p.demand = make([]demand, len(p.pools)*len(profiles))
	members := make([]decide.InvokerID, len(p.pools))
	for k := range members {
		members[k] = decide.InvokerID(k)
	}
	p.ring = newRing(members, archipelagoPoints)
	return Stack{Dispatcher: p, Pool: p, Placer: p}
}

// archipelago is the dispatcher, the pool and the placer of [Archipelago].
type archipelago struct {
	LRU
	opts      ArchipelagoOptions
	pools     []island // invoker i belongs to number i modulo their number
	apps      []archipelagoApp
	demand    []demand // by function and pool
	ring      *ring    // of pools
	key, draw uint64   // of the lottery
	tickets   tickets  // by RequestID

	active []int            // of demand: what arrivals are expected of
	busy   []int32          // applications of which requests started in this interval
	next   decide.Time      // end of the interval
	plan   []int            // of demand: a sandbox is missing; the first one last
	own    int              // pool of the request that has just arrived
	placed decide.InvokerID // for what Next or Adjust chose last
	count  []int            // scratch: sandboxes by invoker
}

// An island is a pool of invokers with its scheduler.
type island struct {
	invokers []decide.InvokerID
	largest  int64               // memory of one of them
	backlog  []decide.FunctionID // with waiting requests, and some that had
}

// archipelagoApp is an application, whose requests go to the first pools on the ring.
type archipelagoApp struct {
	more          int         // pools beyond the first
	calm          int         // intervals in a row in which its requests hardly waited
	waited, slack decide.Time // of the requests that started in this interval
	busy          bool
}

// demand is what a pool expects of a function.
type demand struct {
	arrivals uint32  // in this interval
	rate     float64 // in an interval
	need     int     // sandboxes
	live     int     // sandboxes that there are, as of the last tick
	active   bool

	waiting   fifo
	inBacklog bool
}

// at is the demand for f in pool k.
func (p *archipelago) at(k int, f decide.FunctionID) *demand { return &p.demand[p.number(k, f)] }

// number is the place of the demand of f on pool k.
func (p *archipelago) number(k int, f decide.FunctionID) int { return int(f)*len(p.pools) + k }

// Deployed implements decide.Deployer.
func (p *archipelago) Deployed(_ decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.apps = upTo(p.apps, profile.App+1, archipelagoApp{})
	p.demand = upTo(p.demand, p.number(0, f+1), demand{})
}

// Joined implements decide.Joiner.
func (p *archipelago) Joined(s decide.Snapshot, i decide.InvokerID) {
	k := &p.pools[p.poolOf(i)]
	if !slices.Contains(k.invokers, i) {
		k.invokers = append(k.invokers, i)
	}
	k.largest = max(k.largest, s.InvokerSpec(i).Memory)
}

func (p *archipelago) poolOf(i decide.InvokerID) int { return int(i) % len(p.pools) }

// Observe implements decide.Pool.
func (p *archipelago) Observe(s decide.Snapshot, ev decide.Event) {
	switch ev.Kind {
	case decide.Arrival:
		if !s.IsWaiting(ev.Request) { // it was dropped at once
			return
		}
		f := ev.Function
		p.own = p.choose(s, f)
		p.expect(ev.At, p.own, f)
		d := p.at(p.own, f)
		d.waiting.push(p.tickets.issue(ev.Request))
		if !d.inBacklog {
			d.inBacklog = true
			p.pools[p.own].backlog = append(p.pools[p.own].backlog, f)
		}
	case decide.Tick:
		if len(p.active) > 0 && ev.At >= p.next {
			p.scale()
			p.estimate(s)
			p.next = ev.At - ev.At%archipelagoInterval + archipelagoInterval
		}
	}
}

// choose draws the pool of a request of f among those of its application.
func (p *archipelago) choose(s decide.Snapshot, f decide.FunctionID) int {
	app := s.App(f)
	left := 1 + p.apps[app].more
	chosen, lots := 0, 0
	for i := range p.ring.from(uint64(app)) {
		k := int(i)
		if p.pools[k].largest < s.Memory(f) {
			continue
		}
		n := max(1, p.at(k, f).live)
		if lots == 0 {
			chosen = k
		} else if p.draw++; seed.Uniform(p.key, p.draw)*float64(lots+n) < float64(n) {
			chosen = k // as a reservoir of one, weighted
		}
		lots += n
		if left--; left == 0 {
			break
		}
	}
	return chosen
}

// expect counts an arrival.
func (p *archipelago) expect(now decide.Time, k int, f decide.FunctionID) {
	d := p.at(k, f)
	d.arrivals++
	if d.active {
		return
	}
	if len(p.active) == 0 {
		p.next = now - now%archipelagoInterval + archipelagoInterval
	}
	d.active = true
	p.active = append(p.active, p.number(k, f))
}

// scale gives an application one pool more where its requests wait for too long, and one
// less where they hardly have for a minute.
func (p *archipelago) scale() {
	for _, id := range p.busy {
		a := &p.apps[id]
		switch {
		case float64(a.waited) > p.opts.ScaleOut*float64(a.slack):
			a.more, a.calm = min(a.more+1, len(p.pools)-1), 0
		case float64(a.waited) > archipelagoScaleIn*float64(a.slack):
			a.calm = 0
		default:
			if a.calm++; a.calm >= archipelagoCalm {
				a.more, a.calm = max(0, a.more-1), 0
			}
		}
		a.busy, a.waited, a.slack = false, 0, 0
	}
	p.busy = p.busy[:0]
}

// estimate ends an interval: it renews the demands and plans the sandboxes that are missing.
func (p *archipelago) estimate(s decide.Snapshot) {
	for c := range decide.ContainerID(s.Containers()) {
		p.at(p.poolOf(s.Invoker(c)), s.Function(c)).live = 0
	}
	for c := range decide.ContainerID(s.Containers()) {
		if st := s.Status(c); st != decide.Gone && st != decide.Terminating {
			p.at(p.poolOf(s.Invoker(c)), s.Function(c)).live++
		}
	}
	p.plan = p.plan[:0]
	p.active = slices.DeleteFunc(p.active, func(x int) bool {
		d, f := &p.demand[x], decide.FunctionID(x/len(p.pools))
		d.rate += archipelagoGain * (float64(d.arrivals) - d.rate)
		d.arrivals = 0
		if d.rate < archipelagoIdle {
			d.active, d.rate, d.need = false, 0, 0
			return true
		}
		d.need = poissonQuantile(d.rate*max(1, float64(s.Execution(f))/float64(archipelagoInterval)), p.opts.Quantile)
		for range d.need - d.live {
			p.plan = append(p.plan, x)
		}
		return false
	})
	slices.Reverse(p.plan)
}

// poissonQuantile is [queueing.PoissonQuantile], by a sum where that is short.
func poissonQuantile(mean, q float64) int {
	if mean > 30 {
		return queueing.PoissonQuantile(mean, q)
	}
	k, term := 0, math.Exp(-mean)
	for sum := term; sum < q && term > 0; sum += term {
		k++
		term *= mean / float64(k)
	}
	return k
}

// Next implements decide.Dispatcher.
func (p *archipelago) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	switch ev.Kind { // what a pool can start changes by its own events
	case decide.Arrival:
		return p.start(s, p.own)
	case decide.Ready, decide.Completion, decide.Ended:
		return p.start(s, p.poolOf(s.Invoker(ev.Container)))
	}
	for k := range p.pools {
		if st, ok := p.start(s, k); ok {
			return st, true
		}
	}
	return decide.Start{}, false
}

// slack of a request of f when it arrives.
func (p *archipelago) slack(s decide.Snapshot, f decide.FunctionID) decide.Time {
	return decide.Time(p.opts.Slack * float64(s.Execution(f)))
}

// start starts the request with the least slack of those in pool k that can start. The slack
// of all falls at the same rate, so the one that has to start first has the least.
func (p *archipelago) start(s decide.Snapshot, k int) (decide.Start, bool) {
	pool := &p.pools[k]
	st, function := decide.Start{Request: decide.None}, decide.FunctionID(decide.None)
	var least, since decide.Time
	cpu := math.Inf(-1) // of the invoker that has the most to give; another request in a container takes none
	for _, i := range pool.invokers {
		cpu = max(cpu, s.FreeCPU(i)+rounding)
	}
	for n := 0; n < len(pool.backlog); n++ {
		f := pool.backlog[n]
		if s.Concurrency() == 1 && s.CPU(f) > cpu {
			continue
		}
		d := p.at(k, f)
		r := d.waiting.head(s, p.tickets)
		if r == decide.None {
			last := len(pool.backlog) - 1
			pool.backlog[n], pool.backlog = pool.backlog[last], pool.backlog[:last]
			d.inBacklog = false
			n--
			continue
		}
		_, arrival := s.Request(r)
		latest := arrival + p.slack(s, f)
		if st.Request != decide.None && (latest > least || latest == least && (arrival > since || arrival == since && r > st.Request)) {
			continue
		}
		if c, ok := p.sandbox(s, k, f); ok {
			st, function, least, since = decide.Start{Request: r, Container: c}, f, latest, arrival
		}
	}
	if function == decide.None {
		return st, false
	}
	if st.Container == decide.None {
		p.placed = p.least(s, k, function)
		p.at(k, function).live++
	}
	a := &p.apps[s.App(function)]
	a.waited += s.Now() - since
	a.slack += p.slack(s, function)
	if !a.busy {
		a.busy = true
		p.busy = append(p.busy, s.App(function))
	}
	return st, true
}

// sandbox is the one of f in pool k that can execute a request, or None where a new one shall;
// false where there is neither.
func (p *archipelago) sandbox(s decide.Snapshot, k int, f decide.FunctionID) (decide.ContainerID, bool) {
	for c := s.Available(f); c != decide.None; c = s.NextAvailable(c) {
		if p.poolOf(s.Invoker(c)) == k {
			return c, true
		}
	}
	for c := s.FirstWarm(f); c != decide.None; c = s.NextWarm(c) {
		if p.poolOf(s.Invoker(c)) == k {
			return decide.None, false // it lacks nothing but CPU
		}
	}
	d := p.at(k, f)
	queue := float64(d.waiting.len(s, p.tickets)) * float64(s.Execution(f))
	if d.live > 0 && queue <= float64(d.live)*float64(s.Initialise(f)) {
		return decide.None, false // those that there are will be faster
	}
	return decide.None, p.least(s, k, f) != decide.None
}

// least is the invoker of pool k for a request of f, or None: as [LeastLoaded], in the pool.
func (p *archipelago) least(s decide.Snapshot, k int, f decide.FunctionID) decide.InvokerID {
	best, bestEvicts, bestLoad, bestFree := decide.InvokerID(decide.None), false, 0.0, int64(0)
	for _, i := range p.pools[k].invokers {
		if !s.Room(i, f) {
			continue
		}
		free := s.Unclaimed(i)
		evicts, load := free < s.Memory(f), s.BusyCPU(i)/s.InvokerSpec(i).Cores
		switch {
		case best == decide.None, bestEvicts && !evicts:
		case evicts && !bestEvicts, load > bestLoad, load == bestLoad && free <= bestFree:
			continue
		}
		best, bestEvicts, bestLoad, bestFree = i, evicts, load, free
	}
	return best
}

// Place implements decide.Placer.
func (p *archipelago) Place(decide.Snapshot, decide.FunctionID) (decide.InvokerID, bool) {
	return p.placed, true
}

// Adjust implements decide.Pool: it prewarms what is planned, as far as there is memory that
// nobody is expected to need.
func (p *archipelago) Adjust(s decide.Snapshot) (decide.Adjustment, bool) {
	for len(p.plan) > 0 {
		x := p.plan[len(p.plan)-1]
		p.plan = p.plan[:len(p.plan)-1]
		f := decide.FunctionID(x / len(p.pools))
		if p.placed = p.fewest(s, x%len(p.pools), f); p.placed != decide.None {
			p.demand[x].live++
			return decide.Adjustment{Kind: decide.Prewarm, Function: f}, true
		}
	}
	return decide.Adjustment{}, false
}

// fewest is the invoker of pool k with the fewest sandboxes of f that has memory to spare for one more, or None.
func (p *archipelago) fewest(s decide.Snapshot, k int, f decide.FunctionID) decide.InvokerID {
	p.count = append(p.count[:0], make([]int, s.Invokers())...)
	for c := range decide.ContainerID(s.Containers()) {
		if st := s.Status(c); s.Function(c) == f && st != decide.Gone && st != decide.Terminating {
			p.count[s.Invoker(c)]++
		}
	}
	best, most := decide.InvokerID(decide.None), int64(0)
	for _, i := range p.pools[k].invokers {
		spare := s.Unclaimed(i)
		for c := s.IdleHead(i); c != decide.None && spare < s.Memory(f); c = s.IdleNext(c) {
			if p.surplus(s, c) {
				spare += s.Memory(s.Function(c))
			}
		}
		if spare < s.Memory(f) {
			continue
		}
		if best == decide.None || p.count[i] < p.count[best] || p.count[i] == p.count[best] && spare > most {
			best, most = i, spare
		}
	}
	return best
}

// surplus reports whether the pool of container c has more sandboxes of its function than it needs.
func (p *archipelago) surplus(s decide.Snapshot, c decide.ContainerID) bool {
	d := p.at(p.poolOf(s.Invoker(c)), s.Function(c))
	return d.live > d.need
}

// Evict implements decide.Pool: what is beyond the demand goes first, the sandbox that has been idle the
// longest before the others. A prewarm takes no other.
func (p *archipelago) Evict(s decide.Snapshot, i decide.InvokerID, f decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	victim := decide.ContainerID(decide.None)
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		if p.surplus(s, c) {
			victim = c
			break
		}
	}
	if victim == decide.None && !prewarm {
		victim, _ = p.LRU.Evict(s, i, f, prewarm)
	}
	if victim != decide.None {
		p.at(p.poolOf(i), s.Function(victim)).live--
	}
	return victim, victim != decide.None
}

// Wake implements decide.Pool.
func (p *archipelago) Wake() decide.Time {
	if len(p.active) == 0 {
		return decide.Forever
	}
	return p.next
}

var archipelagoRow = row(Row{Name: "archipelago", Source: "Singhvi et al., Archipelago, 2019: pools with schedulers of their own, least slack first, proactive sandboxes", Reconstruction: true}, DefaultArchipelagoOptions(), []field[ArchipelagoOptions]{
	whole("pools", "into which the invokers are divided", 1, 1000, func(o *ArchipelagoOptions) *int { return &o.Pools }),
	number("slack", "of a request, as a multiple of its expected execution", 0, 100, func(o *ArchipelagoOptions) *float64 { return &o.Slack }),
	number("quantile", "share of the moments in which the sandboxes shall suffice", 0.5, 0.9999, func(o *ArchipelagoOptions) *float64 { return &o.Quantile }),
	number("scale_out", "queueing delay over slack above which an application gets one more pool", 0.05, 10, func(o *ArchipelagoOptions) *float64 { return &o.ScaleOut }),
}, func(s Site, o ArchipelagoOptions) Stack {
	stack := Archipelago(s.Profiles, s.Invokers, o, s.Seed)
	stack.CPUShare = 1 // an invocation has its CPU to itself
	return stack
})
