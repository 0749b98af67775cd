package policy

import (
	"cmp"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/queueing"
)

// MuOptions are the parameters of [Mu].
type MuOptions struct {
	Keep        decide.Time // that idle containers are kept, >= 0
	Utilisation float64     // share of its time that a container shall execute, in (0, 1]
	CountSent   bool        // the gateway adds what it has sent since the last response
}

// DefaultMuOptions are Knative's, on which Mu is built: a stable window of 60 s, after which
// what is not used ends, and a target utilisation of 70 %.
func DefaultMuOptions() MuOptions {
	return MuOptions{Keep: 60 * decide.Second, Utilisation: 0.7}
}

// The autoscaler's clock: Knative's tick, and intervals of it in Knative's stable window.
const (
	muInterval = 2 * decide.Second
	muWindow   = 30
)

// Mu is the platform of Mittal et al., "Mu: An Efficient, Fair and Responsive Serverless
// Framework for Resource-Constrained Edge Clouds" (SoCC 2021): an extension of Knative in
// which every response carries the metrics of the container (pod) that it comes from.
//
// Load balancing. A request is bound, when it arrives, to the container of its function
// with the shortest known queue, and waits there if it has to. What is known is the queue at
// the container's last response: it is stale by design. Among equals it is the one
// to which a request was sent the longest ago. With CountSent the gateway adds what it has
// sent there since, which, as it is the only gateway, makes the queue exact. Requests that
// find no container wait at the gateway, as in Knative's activator, for the first that is free.
//
// Autoscaling. Every two seconds the arrivals of each function in the next interval are
// predicted from those of the last minute by linear regression, and it gets as many
// containers as serve them and what waits within the interval:
//
//	target = ceil((predicted + waiting) d / (interval * utilisation))
//
// New containers are started for the target, and for a function that has none when a request arrives; no other
// request starts one. Containers end when they were idle for a minute.
//
// Fairness. Where not all targets fit, memory, of which a container has to have its part all the time, is
// divided by max-min fairness: dominant resource fairness (Ghodsi et al., NSDI 2011)
// with memory as everybody's dominant resource. Missing containers are started in the order of
// what their function then holds, the least first; idle containers beyond a target make room first.
//
// This is a reconstruction from the abstract and its description by others: the paper's
// predictor, and its weights in placement, were not at hand. Invokers are chosen as by
// [LeastLoaded].
func Mu(profiles []decide.Profile, invokers []decide.InvokerSpec, o MuOptions) Stack {
	p := &mu{LRU: LRU{Keep: o.Keep}, opts: o, functions: make([]muFunction, len(profiles))}
	p.machines = machinesOf(invokers)
	return Stack{Dispatcher: p, Pool: p, Placer: LeastLoaded{}}
}

// mu is the dispatcher and the pool of [Mu].
type mu struct {
	candidates
	LRU
	machines
	opts      MuOptions
	functions []muFunction
	pods      []pod              // by ContainerID
	tickets   tickets            // by RequestID
	sent      uint64             // requests so far
	chosen    decide.ContainerID // for the request that has just arrived, or None

	active []decide.FunctionID // with arrivals in the window, ascending after a tick
	next   decide.Time         // end of the interval
	plan   []decide.FunctionID // to prewarm, the first one last
}

// A pod is what the gateway knows of a container, and the queue in it.
type pod struct {
	queue fifo
	known int    // requests in it, executing ones included, at its last response
	last  uint64 // number of the request that was sent there last
}

type muFunction struct {
	gateway fifo
	pods    []decide.ContainerID // that are ready, in the order in which they became so

	arrivals [muWindow]uint32 // by interval, a ring
	total    uint32           // of them
	at       int              // the current interval in the ring
	active   bool
	target   int // containers
}

// Deployed implements decide.Deployer.
func (p *mu) Deployed(_ decide.Snapshot, f decide.FunctionID, _ decide.Profile) {
	p.functions = upTo(p.functions, f+1, muFunction{})
}

// Observe implements decide.Pool.
func (p *mu) Observe(s decide.Snapshot, ev decide.Event) {
	switch ev.Kind {
	case decide.Arrival:
		p.count(ev)
		p.chosen = decide.None
		if !s.IsWaiting(ev.Request) { // it was dropped at once
			return
		}
		k := p.tickets.issue(ev.Request)
		p.chosen = p.shortest(s, ev.Function)
		if c := p.chosen; c != decide.None {
			p.sent++
			p.pods[c].last = p.sent
			if p.opts.CountSent {
				p.pods[c].known++
			}
			p.pods[c].queue.push(k)
		} else {
			p.functions[ev.Function].gateway.push(k)
		}
	case decide.Ready:
		for int(ev.Container) >= len(p.pods) {
			p.pods = append(p.pods, pod{})
		}
		p.pods[ev.Container] = pod{queue: fifo{items: p.pods[ev.Container].queue.items[:0]}}
		f := &p.functions[ev.Function]
		f.pods = append(f.pods, ev.Container)
	case decide.Completion: // the response
		d := &p.pods[ev.Container]
		d.known = d.queue.len(s, p.tickets) + s.Running(ev.Container)
	case decide.Ended:
		f := &p.functions[ev.Function]
		f.pods = slices.DeleteFunc(f.pods, func(c decide.ContainerID) bool { return c == ev.Container })
	case decide.Tick:
		if len(p.active) > 0 && ev.At >= p.next {
			p.scale(s)
			p.next = ev.At - ev.At%muInterval + muInterval
		}
	}
}

// count counts an arrival.
func (p *mu) count(ev decide.Event) {
	f := &p.functions[ev.Function]
	f.arrivals[f.at]++
	f.total++
	if f.active {
		return
	}
	if len(p.active) == 0 {
		p.next = ev.At - ev.At%muInterval + muInterval
	}
	f.active = true
	p.active = append(p.active, ev.Function)
}

// shortest is the container of f with the shortest known queue, or None.
func (p *mu) shortest(s decide.Snapshot, f decide.FunctionID) decide.ContainerID {
	best := decide.ContainerID(decide.None)
	for _, c := range p.functions[f].pods {
		if st := s.Status(c); st != decide.Idle && st != decide.Busy {
			continue // it ends
		}
		if d := &p.pods[c]; best == decide.None || d.known < p.pods[best].known ||
			d.known == p.pods[best].known && d.last < p.pods[best].last {
			best = c
		}
	}
	return best
}

// Next implements decide.Dispatcher.
func (p *mu) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	switch ev.Kind {
	case decide.Arrival:
		if c := p.chosen; c != decide.None && s.IsWaiting(ev.Request) && hasRoom(s, c) {
			return decide.Start{Request: p.pods[c].queue.head(s, p.tickets), Container: c}, true
		}
	case decide.Ready, decide.Completion:
		if r := p.first(s, ev.Container, ev.Function); r != decide.None && hasRoom(s, ev.Container) {
			return decide.Start{Request: r, Container: ev.Container}, true
		}
	}
	// From zero, in order of arrival.
	return p.another(s, func(f decide.FunctionID) bool { return s.Live(f) == 0 })
}

// first is the older one of the requests that wait first in c and at the gateway, or None.
func (p *mu) first(s decide.Snapshot, c decide.ContainerID, f decide.FunctionID) decide.RequestID {
	a, b := p.pods[c].queue.head(s, p.tickets), p.functions[f].gateway.head(s, p.tickets)
	if a == decide.None || b == decide.None {
		return max(a, b)
	}
	_, atA := s.Request(a)
	if _, atB := s.Request(b); atB < atA {
		return b
	}
	return a
}

// hasRoom reports whether c can execute one more request.
func hasRoom(s decide.Snapshot, c decide.ContainerID) bool {
	switch s.Status(c) {
	case decide.Idle:
		return true
	case decide.Busy:
		return s.Running(c) < s.Concurrency()
	}
	return false
}

// scale ends an interval: it sets the targets and plans what leads there.
func (p *mu) scale(s decide.Snapshot) {
	slices.Sort(p.active)
	bytes, ones := make([]float64, len(p.active)), make([]float64, len(p.active))
	var total float64
	for k, id := range p.active {
		f := &p.functions[id]
		work := (f.predict() + float64(s.Waiting(id))) * float64(s.Execution(id)) / float64(s.Concurrency())
		f.target = int(math.Ceil(work / (float64(muInterval) * p.opts.Utilisation)))
		bytes[k], ones[k] = float64(f.target)*float64(s.Memory(id)), 1
		total += bytes[k]
	}
	if total > p.memory {
		for k, b := range queueing.WeightedMaxMin(bytes, ones, p.memory) {
			id := p.active[k]
			p.functions[id].target = int(b / float64(s.Memory(id)))
		}
	}
	type missing struct {
		held     int64 // by the function, with this one
		function decide.FunctionID
	}
	var all []missing
	for _, id := range p.active {
		for n := s.Live(id) + 1; n <= p.functions[id].target; n++ {
			all = append(all, missing{int64(n) * s.Memory(id), id})
		}
	}
	slices.SortFunc(all, func(a, b missing) int { // the first one last
		return cmp.Or(cmp.Compare(b.held, a.held), cmp.Compare(b.function, a.function))
	})
	p.plan = p.plan[:0]
	for _, m := range all {
		p.plan = append(p.plan, m.function)
	}
	p.advance()
}

// predict is the number of arrivals expected in the next interval: the line of least
// squares through the window, one interval further.
func (f *muFunction) predict() float64 {
	const n = muWindow
	const mean, spread = (n - 1) / 2., n * (n*n - 1) / 12. // of 0 .. n-1, and its sum of squares
	var level, slope float64
	for k := range n {
		y := float64(f.arrivals[(f.at+1+k)%n])
		level += y / n
		slope += (float64(k) - mean) * y / spread
	}
	return max(0, level+slope*(n-mean))
}

// advance begins the next interval, and forgets functions without arrivals in the window.
func (p *mu) advance() {
	p.active = slices.DeleteFunc(p.active, func(id decide.FunctionID) bool {
		f := &p.functions[id]
		f.at = (f.at + 1) % muWindow
		f.total -= f.arrivals[f.at]
		f.arrivals[f.at] = 0
		if f.total > 0 {
			return false
		}
		f.active, f.target = false, 0
		return true
	})
}

// Evict implements decide.Pool: the containers of functions that have more than their target
// go first, the one that has been idle the longest before the others. A prewarm takes no other.
func (p *mu) Evict(s decide.Snapshot, i decide.InvokerID, f decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		if id := s.Function(c); s.Live(id) > p.functions[id].target {
			return c, true
		}
	}
	if prewarm {
		return decide.None, false
	}
	return p.LRU.Evict(s, i, f, prewarm)
}

// Adjust implements decide.Pool.
func (p *mu) Adjust(decide.Snapshot) (decide.Adjustment, bool) {
	if len(p.plan) == 0 {
		return decide.Adjustment{}, false
	}
	f := p.plan[len(p.plan)-1]
	p.plan = p.plan[:len(p.plan)-1]
	return decide.Adjustment{Kind: decide.Prewarm, Function: f}, true
}

// Wake implements decide.Pool.
func (p *mu) Wake() decide.Time {
	if len(p.active) == 0 {
		return decide.Forever
	}
	return p.next
}

var muRow = row(Row{Name: "mu", Source: "Mittal et al., Mu, SoCC 2021: shortest known queue, predictive autoscaling, fair division of memory", Reconstruction: true}, DefaultMuOptions(), []field[MuOptions]{
	keepFor(func(o *MuOptions) *decide.Time { return &o.Keep }),
	number("utilisation", "share of its time that a container shall execute", 0.1, 1, func(o *MuOptions) *float64 { return &o.Utilisation }),
	onOff("count_sent", "1: the gateway adds what it has sent since the last response; 0: it does not", func(o *MuOptions) *bool { return &o.CountSent }),
}, func(s Site, o MuOptions) Stack {
	return Mu(s.Profiles, s.Invokers, o)
})
