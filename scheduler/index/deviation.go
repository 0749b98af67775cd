package index

import (
	"math"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A Kind of option says how it differs from what the index does.
type Kind uint8

// The kinds. All but StartNew and Admit are there only where the index starts a request.
const (
	// HoldWarm holds the function, whose oldest request the index starts in an idle
	// container, until CPU or memory is given back, at most for [Period].
	HoldWarm Kind = iota
	// HoldCold does so where the index creates a container: a busy one may be sooner.
	HoldCold
	// RunnerUp starts the request that the index would start next.
	RunnerUp
	// Elsewhere starts the same request on the second-best invoker, as warm or cold as the index does.
	Elsewhere
	// ColdInstead creates a container for the request that the index starts in an idle one.
	ColdInstead
	// StartNew creates a container for a request that waits for a busy one, as kappa says.
	StartNew
	// Admit starts a request that the limit of its class holds.
	Admit
	// OtherVictim evicts the container of the second-least worth.
	OtherVictim

	Kinds = iota // how many there are
)

func (k Kind) String() string {
	return [...]string{
		"hold a warm start", "hold a cold start", "start the runner-up", "another invoker", "cold instead of warm",
		"start new", "admit", "another victim",
	}[k]
}

// An Alternative is an option that the index has at an event and does not take.
type Alternative struct {
	Kind     Kind
	Start    decide.Start
	Function decide.FunctionID
	Invoker  decide.InvokerID   // of the start
	Victim   decide.ContainerID // of OtherVictim
	Features [Features]float64  // what is known of the option
}

// Features is how many numbers describe an option.
const Features = 12

// Clone returns an index of its own in the state of p, between two events.
func (p *Index) Clone() *Index {
	c := *p
	c.functions = slices.Clone(p.functions)
	c.loads, c.seen, c.plan, c.running = nil, nil, nil, nil
	return &c
}

// Alternatives appends to out the options at this event other than the index's own, the best
// one by its score of each kind. It is called where Next would be, and changes nothing that
// Next decides by.
func (p *Index) Alternatives(s decide.Snapshot, out []Alternative) []Alternative {
	most := p.survey(s)
	var own, second, held option
	var owner, runner, waiting decide.FunctionID
	var any, runnerUp, holds, limited bool
	for _, f := range s.Backlog() {
		var o option
		if p.consider(s, f, most, false, &o) {
			switch {
			case !any || o.before(&own):
				second, runner, runnerUp = own, owner, any
				own, owner, any = o, f, true
			case !runnerUp || o.before(&second):
				second, runner, runnerUp = o, f, true
			}
			continue
		}
		if o, byLimit, ok := p.heldOption(s, f); ok && (!holds || o.before(&held)) {
			held, waiting, holds, limited = o, f, true, byLimit
		}
	}
	add := func(k Kind, o option, f decide.FunctionID, victim decide.ContainerID) {
		out = append(out, Alternative{k, o.start, f, o.invoker, victim, p.features(s, &o, f, &own, any)})
	}
	if holds {
		k := StartNew
		if limited {
			k = Admit
		}
		add(k, held, waiting, decide.None)
	}
	if !any {
		return out
	}
	if runnerUp {
		add(RunnerUp, second, runner, decide.None)
	}
	long := p.known(s, owner).exec >= p.o.Long
	warm := own.start.Container != decide.None
	if warm {
		add(HoldWarm, own, owner, decide.None)
		if i, _ := p.place(s, owner, long); i != decide.None {
			o := own
			o.start.Container, o.invoker = decide.None, i
			add(ColdInstead, o, owner, decide.None)
		}
	} else {
		add(HoldCold, own, owner, decide.None)
		if p.loads[own.invoker].free < s.Memory(owner) {
			if c := p.secondVictim(s, own.invoker); c != decide.None {
				add(OtherVictim, own, owner, c)
			}
		}
	}
	best := p.loads[own.invoker]
	p.loads[own.invoker] = load{math.Inf(1), math.Inf(1), 0, -1}
	o := own
	if warm {
		if c, _ := p.warm(s, owner, long); c != decide.None && s.Invoker(c) != own.invoker {
			o.start.Container, o.invoker = c, s.Invoker(c)
			p.loads[own.invoker] = best
			add(Elsewhere, o, owner, decide.None)
		}
	} else if i, _ := p.place(s, owner, long); i != decide.None {
		o.invoker = i
		p.loads[own.invoker] = best
		add(Elsewhere, o, owner, decide.None)
	}
	p.loads[own.invoker] = best
	return out
}

// heldOption is what the oldest request of f, which is held, could be started as, and whether a
// limit holds it.
func (p *Index) heldOption(s decide.Snapshot, f decide.FunctionID) (o option, limited, ok bool) {
	fn := p.known(s, f)
	r := s.Oldest(f)
	_, arrival := s.Request(r)
	long := fn.exec >= p.o.Long
	o = option{start: decide.Start{Request: r, Container: decide.None}, arrival: arrival}
	o.score = fn.order + power(p.o.Order.Clock, (s.Now()-arrival).Seconds())
	if c, _ := p.warm(s, f, long); c != decide.None {
		o.start.Container, o.invoker = c, s.Invoker(c)
		o.score += power(p.o.Order.Exec, fn.exec)
		return o, true, true
	}
	i, evicts := p.place(s, f, long)
	if i == decide.None {
		return o, false, false
	}
	o.invoker = i
	o.score += power(p.o.Order.Exec, fn.exec+p.o.ColdWeight*fn.init)
	spent := 0.0
	if t := s.Timeout(); t < decide.Forever {
		spent = (s.Now() - arrival).Seconds() / t.Seconds()
	}
	return o, p.worth(s, f, fn, evicts, spent), true
}

// secondVictim is the container that Evict would choose if the one that it chooses were not
// there, of another function.
func (p *Index) secondVictim(s decide.Snapshot, i decide.InvokerID) decide.ContainerID {
	first, ok := p.Evict(s, i, 0, false)
	if !ok {
		return decide.None
	}
	victim, low := decide.ContainerID(decide.None), math.Inf(1)
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		if g := s.Function(c); g != s.Function(first) {
			if v := p.value(s, g); v < low {
				victim, low = c, v
			}
		}
	}
	return victim
}

// features of an option: of the function, of its queue, of the invoker and of the state.
func (p *Index) features(s decide.Snapshot, o *option, f decide.FunctionID, own *option, any bool) [Features]float64 {
	fn := p.known(s, f)
	log := func(x float64) float64 { return math.Log(max(least, x)) }
	l := p.loads[o.invoker]
	capacity := float64(s.InvokerSpec(o.invoker).Memory)
	beside := 0.0
	if any {
		beside = o.score - own.score
	}
	short := float64(s.Memory(f)-l.free) / capacity
	next := fn.gap
	if next == 0 {
		next = unknownGap
	}
	return [Features]float64{
		o.score, beside, log(fn.exec), log(fn.init), log(next), log((s.Now() - o.arrival).Seconds()),
		log(float64(s.Waiting(f))), log(float64(s.Live(f))), l.load, max(0, short), log(float64(s.WaitingAll())), p.starting,
	}
}

// A Deviation is an index that takes an alternative once, and then decides as before. It is for
// measuring what the alternative is worth.
type Deviation struct {
	*Index
	take   *Alternative // nil: taken
	victim decide.ContainerID
	hold   decide.FunctionID
	until  decide.Time
	gains  uint64 // when the hold began
}

// Deviate returns p that takes a at the next event, at which Next must be asked as it was when a
// was found. A nil a changes nothing.
func Deviate(p *Index, a *Alternative) *Deviation {
	return &Deviation{Index: p, take: a, victim: decide.None, hold: decide.None}
}

// Next implements decide.Dispatcher.
func (d *Deviation) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if a := d.take; a != nil {
		d.take, d.settled = nil, false
		switch a.Kind {
		case HoldWarm, HoldCold:
			d.hold, d.until, d.gains = a.Function, s.Now()+Period, s.Gains()
		case OtherVictim:
			d.victim = a.Victim
			fallthrough
		default:
			d.survey(s)
			d.placed = a.Invoker
			return a.Start, true
		}
	}
	if s.Now() >= d.until || s.Gains() != d.gains {
		d.until = 0
		return d.Index.Next(s, ev)
	}
	d.settled = false
	most := d.survey(s)
	var best option
	found := false
	for _, f := range s.Backlog() {
		if f != d.hold {
			found = d.consider(s, f, most, found, &best) || found
		}
	}
	if found {
		d.placed = best.invoker
	}
	return best.start, found
}

// Evict implements decide.Pool.
func (d *Deviation) Evict(s decide.Snapshot, i decide.InvokerID, f decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	if c := d.victim; c != decide.None {
		d.victim = decide.None
		return c, true
	}
	return d.Index.Evict(s, i, f, prewarm)
}
