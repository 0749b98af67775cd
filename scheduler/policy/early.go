package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// A router names the invoker of a request of f when it arrives: one whose memory a
// container of f fits in, which a scheduler makes sure exists.
type router func(s decide.Snapshot, b *binding, f decide.FunctionID) decide.InvokerID

// binding is early binding: a request is given to an invoker when it arrives, and waits
// there, whatever becomes free elsewhere. [FCFS], which is late binding, has one queue for
// all invokers; here each has one of its own, and starts what is in it as FCFS does: in an
// idle container of the function where there is one on this invoker, past those that wait
// for memory; else in a new container, which never overtakes another new one.
//
// It is the dispatcher and the placer of a stack, and its pool shows it every event.
type binding struct {
	route  router
	lanes  []lane           // by invoker
	places []place          // by RequestID, of those that are bound
	heads  map[corner]line  // of the functions that wait, by invoker
	placed decide.InvokerID // of the cold start that Next chose last
}

// A lane is what is bound to an invoker.
type lane struct {
	head, tail decide.RequestID // those that wait, in order of arrival
	bound      int              // those that wait, that a container starts for, or that execute
	cpu        float64          // that they can use, in cores
}

// A place of a request in a lane.
type place struct {
	invoker    decide.InvokerID
	function   decide.FunctionID
	prev, next decide.RequestID // of the lane
	after      decide.RequestID // of the same function in the lane
	waits      bool
	bound      bool // it counts for its lane: it waits, a container starts for it, or it executes
}

type corner struct {
	invoker  decide.InvokerID
	function decide.FunctionID
}

type line struct{ head, tail decide.RequestID }

func bind(route router) *binding {
	return &binding{route: route, heads: make(map[corner]line), placed: decide.None}
}

// observe binds what arrives and releases what is done.
func (b *binding) observe(s decide.Snapshot, ev decide.Event) {
	for len(b.lanes) < s.Invokers() {
		b.lanes = append(b.lanes, lane{head: decide.None, tail: decide.None})
	}
	b.sweep(s)
	switch ev.Kind {
	case decide.Arrival:
		if s.IsWaiting(ev.Request) { // it was not dropped at once
			b.enter(s, ev.Request, ev.Function)
		}
	case decide.Completion:
		b.release(s, ev.Request)
	}
}

// enter binds request r of f and puts it at the end of the lane.
func (b *binding) enter(s decide.Snapshot, r decide.RequestID, f decide.FunctionID) {
	i := b.route(s, b, f)
	for int(r) >= len(b.places) {
		b.places = append(b.places, place{})
	}
	l := &b.lanes[i]
	b.places[r] = place{invoker: i, function: f, prev: l.tail, next: decide.None, after: decide.None, waits: true, bound: true}
	if l.tail != decide.None {
		b.places[l.tail].next = r
	} else {
		l.head = r
	}
	l.tail = r
	l.bound++
	l.cpu += s.CPU(f)
	at := corner{i, f}
	line, ok := b.heads[at]
	if !ok {
		line.head = r
	} else {
		b.places[line.tail].after = r
	}
	line.tail = r
	b.heads[at] = line
}

// leave takes r, the oldest of its function there, out of its lane.
func (b *binding) leave(r decide.RequestID) {
	t := &b.places[r]
	at := corner{t.invoker, t.function}
	if t.after == decide.None {
		delete(b.heads, at)
	} else {
		line := b.heads[at]
		line.head = t.after
		b.heads[at] = line
	}
	b.leaveLane(r)
}

// leaveLane takes r out of the order of its lane.
func (b *binding) leaveLane(r decide.RequestID) {
	t := &b.places[r]
	l := &b.lanes[t.invoker]
	if t.prev != decide.None {
		b.places[t.prev].next = t.next
	} else {
		l.head = t.next
	}
	if t.next != decide.None {
		b.places[t.next].prev = t.prev
	} else {
		l.tail = t.prev
	}
	t.waits = false
}

// forget takes the request r out of its lane, wherever it is in there, or from what starts.
func (b *binding) forget(s decide.Snapshot, r decide.RequestID) {
	if int(r) >= len(b.places) || !b.places[r].bound {
		return
	}
	if !b.places[r].waits {
		b.release(s, r)
		return
	}
	t := b.places[r]
	at := corner{t.invoker, t.function}
	line := b.heads[at]
	if line.head != r { // else leave does what is needed
		before := line.head
		for b.places[before].after != r {
			before = b.places[before].after
		}
		b.places[before].after = t.after
		if line.tail == r {
			line.tail = before
		}
		b.heads[at] = line
		b.leaveLane(r)
	} else {
		b.leave(r)
	}
	b.release(s, r)
}

// release lets r count for its invoker no longer.
func (b *binding) release(s decide.Snapshot, r decide.RequestID) {
	if int(r) >= len(b.places) || !b.places[r].bound {
		return // it executed before it was known
	}
	t := &b.places[r]
	t.bound = false
	l := &b.lanes[t.invoker]
	l.bound--
	if l.cpu -= s.CPU(t.function); l.bound == 0 {
		l.cpu = 0 // what is left of sums of fractions
	}
}

// sweep releases the requests that were dropped: as all have the same time-out, those at
// the heads of the lanes.
func (b *binding) sweep(s decide.Snapshot) {
	for i := range b.lanes {
		for r := b.lanes[i].head; r != decide.None && !s.IsWaiting(r); r = b.lanes[i].head {
			b.leave(r)
			b.release(s, r)
		}
	}
}

// Next implements decide.Dispatcher.
func (b *binding) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	b.sweep(s)
	// A container becomes available by the event alone, so no function but the event's can
	// have both a container and a waiting request on one invoker.
	i := decide.InvokerID(decide.None)
	switch ev.Kind {
	case decide.Arrival:
		if s.IsWaiting(ev.Request) {
			i = b.places[ev.Request].invoker
		}
	case decide.Ready, decide.Completion:
		i = s.Invoker(ev.Container)
	}
	if i != decide.None {
		if line, ok := b.heads[corner{i, ev.Function}]; ok {
			if c := warmOn(s, ev.Function, i); c != decide.None {
				b.leave(line.head)
				return decide.Start{Request: line.head, Container: c}, true
			}
		}
	}
	for i := range decide.InvokerID(len(b.lanes)) {
		r := b.lanes[i].head
		if r == decide.None || !s.Room(i, b.places[r].function) {
			continue
		}
		b.leave(r)
		b.placed = i
		return decide.Start{Request: r, Container: decide.None}, true
	}
	return decide.Start{}, false
}

// Place implements decide.Placer.
func (b *binding) Place(decide.Snapshot, decide.FunctionID) (decide.InvokerID, bool) {
	return b.placed, true
}

// warmOn is the container of f on i that has room for a request and was used last, or None.
func warmOn(s decide.Snapshot, f decide.FunctionID, i decide.InvokerID) decide.ContainerID {
	c := s.FirstWarm(f)
	for c != decide.None && s.Invoker(c) != i {
		c = s.NextWarm(c)
	}
	return c
}

// boundLRU is the pool of a stack with a binding.
type boundLRU struct {
	LRU
	binding *binding
}

// Observe implements decide.Pool.
func (p *boundLRU) Observe(s decide.Snapshot, ev decide.Event) { p.binding.observe(s, ev) }

// early is the stack that binds requests by route and keeps idle containers for a time.
func early(keep decide.Time, route router) Stack {
	b := bind(route)
	return Stack{Dispatcher: b, Pool: &boundLRU{LRU{Keep: keep}, b}, Placer: b}
}

// Forget implements decide.Forgetter.
func (p *boundLRU) Forget(s decide.Snapshot, r decide.RequestID) { p.binding.forget(s, r) }
