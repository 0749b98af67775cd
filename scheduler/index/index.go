// Package index is a dispatcher, a pool and a placer of one form, whose numbers are learned by
// simulation (train/index): which request starts next, in which container of which invoker or
// in a new one, or not yet; what is kept, what is given up for room, and how the CPU is
// shared between long requests and short ones.
//
// The options at an event are the oldest waiting request of every function, once: in the idle
// container of it whose invoker is the least loaded or, where there is none, in a new one on
// the least loaded invoker with room. Of those that are not held the one of the least score
// starts, which is log-linear over the factors of Incendio's Table I ([Exponents]); so are the
// worth of an idle container and its keep-alive. The three agree with one another by
// construction: a start is placed where it was judged.
//
// A request is held, that is, it is no option at this event,
//
//   - where the load of the invoker is at or above the limit of its class, long or short: a
//     long one takes a share of the cores from many others for a long time;
//   - where its function has live containers and a new one would not shorten its queue by
//     enough (Options.Kappa).
//
// Both give way with the time that is left until the time-out, so nothing starves that there is
// room for: kappa falls to zero, and the limits rise, that of long requests as far as the load
// of the last half hour says that it can be made up for. Long
// requests that execute are deflated to the CPU that the others leave, the one with
// the least remaining time first.
package index

import (
	"math"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Period is how often running long requests get their shares, and held requests are
// looked at although nothing happens.
const Period = decide.Second / 2

// startingWindow is over which the share of containers that initialise is averaged.
const startingWindow = 30 * decide.Second

// offeredWindow is over which the work that arrives is averaged.
const offeredWindow = 30 * decide.Minute

// gapGain weighs a new gap between requests in their running mean.
const gapGain = 0.1

// unknownGap stands for the mean gap of a function of which one is not known yet.
const unknownGap = 600.0

// warmLooks is at how many idle containers of a function a choice looks, those used last.
const warmLooks = 64

// An Index is the three choices of a stack. Use one for one Scheduler.
type Index struct {
	o Options

	functions []function
	loads     []load
	seen      []uint64 // by function: the eviction at which it was last looked at
	now       uint64   // this one

	// While gains stays, and after Next had no more to start, an arrival changes what can
	// start of its own function alone.
	gains   uint64
	settled bool

	placed   decide.InvokerID // of the cold start that Next chose last
	wake     decide.Time
	cores    float64 // of all invokers
	invokers int     // of which cores is
	starting float64 // share of the containers that initialise, a running mean
	sampled  decide.Time
	kappa    float64 // with what the state adds
	rise     float64 // of the limit of long requests
	work     float64 // that arrived since the last tick, in core seconds
	offered  float64 // work that arrives per second, a running mean, in cores
	plan     []decide.Adjustment
	running  []long
}

// A function has the logarithms of its factors, as far as scores need them.
type function struct {
	gap   float64 // mean between requests, in s; 0: not known
	order float64 // score of the order but for Exec and Clock
	evict float64 // worth but for Clock and the number of idle ones
	keep  float64 // s
	exec  float64 // s
	init  float64 // s
	fresh bool    // all of this holds
}

// A load is what an invoker offers.
type load struct {
	load float64
	full float64 // if nothing were deflated
	free int64   // unclaimed
	room int64   // with idle containers evicted
}

// of is the load that counts for a request: long ones share what is left to long ones.
func (l *load) of(long bool) float64 {
	if long {
		return l.full
	}
	return l.load
}

// A long is a long request that executes.
type long struct {
	container decide.ContainerID
	invoker   decide.InvokerID
	left      float64 // expected, in s
}

// New returns an index. Rates are the requests per minute that each function is expected to
// have before any is seen; nil knows none.
func New(o Options, rates []float64) (*Index, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	p := &Index{o: o, placed: decide.None, kappa: o.Kappa, rise: o.Release, wake: decide.Forever, functions: make([]function, len(rates))}
	for f, r := range rates {
		if r > 0 {
			p.functions[f].gap = 60 / r
		}
	}
	return p, nil
}

// Observe implements decide.Pool.
func (p *Index) Observe(s decide.Snapshot, ev decide.Event) {
	for len(p.functions) < s.Functions() {
		p.functions = append(p.functions, function{})
	}
	if p.cores == 0 {
		p.begin(s)
	}
	switch ev.Kind {
	case decide.Arrival:
		p.work += s.Execution(ev.Function).Seconds() * s.CPU(ev.Function)
		f := &p.functions[ev.Function]
		if before := s.PreviousArrival(ev.Function); before != decide.None {
			gap := (s.LastArrival(ev.Function) - before).Seconds()
			if f.gap == 0 {
				f.gap = gap
			} else {
				f.gap += gapGain * (gap - f.gap)
			}
		}
		f.fresh = false
	case decide.Completion, decide.Ready, decide.Ended:
		p.functions[ev.Function].fresh = false
	case decide.Tick:
		p.tick(s)
		return
	}
	if p.wake == decide.Forever {
		p.wake = s.Now() - s.Now()%Period + Period
	}
}

// Deployed implements decide.Deployer.
func (p *Index) Deployed(_ decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	for len(p.functions) <= int(f) {
		p.functions = append(p.functions, function{})
	}
	fn := &p.functions[f]
	if fn.gap == 0 && profile.PerMinute > 0 {
		fn.gap = 60 / profile.PerMinute
	}
	fn.fresh = false
}

// Joined implements decide.Joiner.
func (p *Index) Joined(s decide.Snapshot, i decide.InvokerID) {
	if p.cores > 0 && int(i) >= p.invokers { // else it has not begun, or knows
		p.cores += s.InvokerSpec(i).Cores
		p.invokers++
	}
}

// begin learns what the platform is. Before anything is known all of it is taken to be asked
// for.
func (p *Index) begin(s decide.Snapshot) {
	for i := range decide.InvokerID(s.Invokers()) {
		p.cores += s.InvokerSpec(i).Cores
	}
	p.offered, p.sampled, p.invokers = p.cores, s.Now(), s.Invokers()
}

// Wake implements decide.Pool.
func (p *Index) Wake() decide.Time { return p.wake }

// known returns the factors of f.
func (p *Index) known(s decide.Snapshot, f decide.FunctionID) *function {
	fn := &p.functions[f]
	if fn.fresh {
		return fn
	}
	fn.fresh = true
	gap := fn.gap
	if gap == 0 {
		gap = unknownGap
	}
	x := Factors{
		Exec: s.Execution(f).Seconds(), Init: s.Initialise(f).Seconds(), Mem: float64(s.Memory(f)) / (512 << 20), CPU: s.CPU(f),
		Freq: 60 / max(least, gap), Term: s.Termination(f).Seconds(),
	}
	fn.exec, fn.init = max(least, x.Exec), max(least, x.Init)
	fn.order = p.o.Order.standing(&x)
	fn.evict = p.o.Evict.standing(&x) + power(p.o.Evict.Exec, x.Exec)
	fn.keep = p.o.KeepFor(x, gap, 0.5)
	return fn
}

// survey looks at every invoker once.
func (p *Index) survey(s decide.Snapshot) (most int64) {
	p.loads = p.loads[:0]
	most = -1
	for i := range decide.InvokerID(s.Invokers()) {
		free := s.Unclaimed(i)
		room := free + s.IdleMemory(i)
		p.loads = append(p.loads, load{s.Load(i), s.Demand(i), free, room})
		most = max(most, room)
	}
	return most
}

// An option is a start and what it costs.
type option struct {
	start   decide.Start
	invoker decide.InvokerID
	score   float64
	arrival decide.Time
}

// before reports whether o is to start before b: by its score, then by its arrival.
func (o *option) before(b *option) bool {
	if o.score != b.score {
		return o.score < b.score
	}
	return o.arrival < b.arrival || o.arrival == b.arrival && o.start.Request < b.start.Request
}

// Next implements decide.Dispatcher.
func (p *Index) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	for len(p.functions) < s.Functions() { // who asks without having shown the event
		p.functions = append(p.functions, function{})
	}
	most := p.survey(s)
	var best option
	found := false
	if p.settled && ev.Kind == decide.Arrival && p.gains == s.Gains() {
		if s.Waiting(ev.Function) > 0 {
			found = p.consider(s, ev.Function, most, false, &best)
		}
	} else {
		for _, f := range s.Backlog() {
			found = p.consider(s, f, most, found, &best) || found
		}
		p.settled, p.gains = !found, s.Gains()
	}
	if !found {
		return decide.Start{}, false
	}
	p.placed = best.invoker
	return best.start, true
}

// consider replaces best by the option of f, if it has one that is better or there is none, and
// reports whether it has.
func (p *Index) consider(s decide.Snapshot, f decide.FunctionID, most int64, found bool, best *option) bool {
	fn := p.known(s, f)
	r := s.Oldest(f)
	_, arrival := s.Request(r)
	waited := s.Now() - arrival
	spent := 0.0 // of the time that it may wait
	if t := s.Timeout(); t < decide.Forever {
		spent = waited.Seconds() / t.Seconds()
	}
	late := max(0, 2*spent-1)
	limit, long := p.o.ShortLimit*(1+late), fn.exec >= p.o.Long
	if long {
		limit = p.o.LongLimit + p.rise*late
	}
	o := option{start: decide.Start{Request: r, Container: decide.None}, arrival: arrival}
	o.score = fn.order + power(p.o.Order.Clock, waited.Seconds())
	warm := o.score + power(p.o.Order.Exec, fn.exec)
	if c, l := p.warm(s, f, long); c != decide.None && l < limit {
		o.start.Container, o.invoker, o.score = c, s.Invoker(c), warm
	} else {
		if s.Memory(f) > most || found && warm >= best.score && p.o.Order.Exec >= 0 {
			return false
		}
		o.score += power(p.o.Order.Exec, fn.exec+p.o.ColdWeight*fn.init)
		if found && !o.before(best) {
			return false
		}
		i, evicts := p.place(s, f, long)
		if i == decide.None || p.loads[i].of(long) >= limit || !p.worth(s, f, fn, evicts, spent) {
			return false
		}
		o.invoker = i
	}
	if found && !o.before(best) {
		return false
	}
	*best = o
	return true
}

// worth reports whether another container of f would shorten its queue by enough.
func (p *Index) worth(s decide.Snapshot, f decide.FunctionID, fn *function, evicts bool, spent float64) bool {
	live := s.Live(f)
	if live == 0 {
		return true
	}
	kappa := p.kappa
	if evicts {
		kappa *= p.o.KappaEvict
	}
	return float64(s.Waiting(f))*fn.exec > kappa*max(0, 1-2*spent)*float64(live)*fn.init
}

// warm is the container of f that is on the least loaded invoker of those that can execute a
// request, and the load there; among equals the one used last.
func (p *Index) warm(s decide.Snapshot, f decide.FunctionID, long bool) (decide.ContainerID, float64) {
	best, low := decide.ContainerID(decide.None), 0.0
	for c, n := s.Available(f), 0; c != decide.None && n < warmLooks; c, n = s.NextAvailable(c), n+1 {
		if l := p.loads[s.Invoker(c)].of(long); best == decide.None || l < low {
			if best, low = c, l; l == 0 {
				break
			}
		}
	}
	return best, low
}

// place is the invoker for a new container of f: of those with room the least loaded one,
// where one that has to evict counts as loaded by EvictLoad more. Among equals it is the one
// with the most unclaimed memory, then the lowest number.
func (p *Index) place(s decide.Snapshot, f decide.FunctionID, long bool) (best decide.InvokerID, evicts bool) {
	best = decide.None
	memory := s.Memory(f)
	var low float64
	for i := range p.loads {
		l := &p.loads[i]
		if l.room < memory || !s.Room(decide.InvokerID(i), f) {
			continue
		}
		cost := l.of(long)
		if l.free < memory {
			cost += p.o.EvictLoad
		}
		if best == decide.None || cost < low || cost == low && l.free > p.loads[best].free {
			best, low, evicts = decide.InvokerID(i), cost, l.free < memory
		}
	}
	return best, evicts
}

// Place implements decide.Placer: where Next judged the start that is being made, or the
// best place for a prewarm.
func (p *Index) Place(s decide.Snapshot, f decide.FunctionID) (decide.InvokerID, bool) {
	i := p.placed
	p.placed = decide.None
	if i == decide.None {
		p.survey(s)
		i, _ = p.place(s, f, p.known(s, f).exec >= p.o.Long)
	}
	return i, i != decide.None
}

// KeepAlive implements decide.Pool.
func (p *Index) KeepAlive(s decide.Snapshot, c decide.ContainerID) decide.Time {
	i := s.Invoker(c)
	free := float64(s.Unclaimed(i)) / float64(s.InvokerSpec(i).Memory)
	keep := p.known(s, s.Function(c)).keep * math.Exp(p.o.KeepFree*(free-0.5)) // Options.KeepFor
	if !(keep < 1e9) {
		return decide.Forever
	}
	return decide.Time(keep * float64(decide.Second))
}

// Evict implements decide.Pool: what is worth the least goes first, of a function the
// container that has been idle the longest.
func (p *Index) Evict(s decide.Snapshot, i decide.InvokerID, f decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	for len(p.seen) < s.Functions() {
		p.seen = append(p.seen, 0)
	}
	p.now++
	victim, low := decide.ContainerID(decide.None), math.Inf(1)
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		g := s.Function(c)
		if p.seen[g] == p.now {
			continue // the one seen has been idle for longer
		}
		p.seen[g] = p.now
		if v := p.value(s, g); v < low {
			victim, low = c, v
		}
	}
	if victim == decide.None || prewarm && low >= p.value(s, f) {
		return decide.None, false
	}
	return victim, true
}

// value is the worth of an idle container of f.
func (p *Index) value(s decide.Snapshot, f decide.FunctionID) float64 {
	fn := p.known(s, f)
	next := fn.gap
	if next == 0 {
		next = unknownGap
	}
	if last := s.LastArrival(f); last != decide.None {
		next = max(next, p.o.EvictElapsed*(s.Now()-last).Seconds())
	}
	return fn.evict + power(p.o.EvictIdle, float64(max(1, s.IdleCount(f)))) + power(p.o.Evict.Clock, next)
}

// Adjust implements decide.Pool.
func (p *Index) Adjust(decide.Snapshot) (decide.Adjustment, bool) {
	if len(p.plan) == 0 {
		return decide.Adjustment{}, false
	}
	a := p.plan[len(p.plan)-1]
	p.plan = p.plan[:len(p.plan)-1]
	return a, true
}

// tick looks at all containers: what initialises, and what long requests have left.
func (p *Index) tick(s decide.Snapshot) {
	p.settled = false // held requests are let go by time
	p.plan, p.running = p.plan[:0], p.running[:0]
	live, starting := 0, 0
	active := s.WaitingAll() > 0
	for c := range decide.ContainerID(s.Containers()) {
		switch s.Status(c) {
		case decide.Pending, decide.Initialising:
			live++
			starting++
			active = true
		case decide.Idle:
			live++
		case decide.Busy:
			live++
			active = true
			if l, ok := p.long(s, c); ok {
				p.running = append(p.running, l)
			} else if s.Share(c) < 1 {
				p.plan = append(p.plan, decide.Adjustment{Kind: decide.Deflate, Container: c, Share: 1})
			}
		}
	}
	p.average(s.Now(), float64(starting)/float64(max(1, live)))
	p.rise = p.o.Release + p.o.ReleaseSpare*10*max(0, 1-p.offered/p.cores)
	p.kappa = p.o.Kappa * math.Exp(p.o.KappaStarting*min(2, 8*p.starting))
	if p.o.Deflate > 0 {
		p.deflate(s)
	}
	if p.wake = decide.Forever; active {
		p.wake = s.Now() - s.Now()%Period + Period
	}
}

// average takes the share of containers that initialise and what has arrived since the last tick
// into the running means.
func (p *Index) average(now decide.Time, starting float64) {
	elapsed := (now - p.sampled).Seconds()
	if elapsed <= 0 {
		return
	}
	p.starting += -math.Expm1(-elapsed/startingWindow.Seconds()) * (starting - p.starting)
	p.offered += -math.Expm1(-elapsed/offeredWindow.Seconds()) * (p.work/elapsed - p.offered)
	p.work, p.sampled = 0, now
}

// long describes what the busy container c executes if that is long: it is expected to be, or
// it has turned out to be. Of one that has executed for longer than expected as much again is
// expected to be left.
func (p *Index) long(s decide.Snapshot, c decide.ContainerID) (long, bool) {
	exec, age := s.Execution(s.Function(c)).Seconds(), (s.Now() - s.Since(c)).Seconds()
	if exec < p.o.Long && age < p.o.Long {
		return long{}, false
	}
	left := exec - age
	if left <= 0 {
		left = age
	}
	return long{c, s.Invoker(c), left}, true
}

// deflate divides the CPU that short requests leave among the long ones of each invoker.
func (p *Index) deflate(s decide.Snapshot) {
	slices.SortFunc(p.running, func(a, b long) int {
		switch {
		case a.invoker != b.invoker:
			return int(a.invoker) - int(b.invoker)
		case a.left < b.left:
			return -1
		case a.left > b.left:
			return 1
		}
		return int(a.container) - int(b.container)
	})
	for k := 0; k < len(p.running); {
		i := p.running[k].invoker
		end := k
		budget := p.o.Deflate*s.InvokerSpec(i).Cores - s.BusyCPU(i)
		for ; end < len(p.running) && p.running[end].invoker == i; end++ {
			c := p.running[end].container
			budget += s.CPU(s.Function(c)) * s.Share(c)
		}
		for ; k < end; k++ {
			c := p.running[k].container
			cpu := s.CPU(s.Function(c))
			share := min(1, max(decide.LeastShare, budget/cpu))
			budget -= share * cpu
			if share != s.Share(c) {
				p.plan = append(p.plan, decide.Adjustment{Kind: decide.Deflate, Container: c, Share: share})
			}
		}
	}
}
