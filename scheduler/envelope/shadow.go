package envelope

import (
	"github.com/incendio-faas/incendio/internal/heap"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A shadow is what native would make of the same arrivals, roughly: the platform is one machine
// with the memory and the cores of all invokers, an execution takes as long as is expected of
// its function, and nothing is drawn. Requests start in an idle container of their function,
// else in a new one, idle ones that were used least recently giving way, else they wait, and
// nobody overtakes the head of the queue for room. The cores are shared.
//
// One machine is kinder than many, so the shadow is a little better than native is.
// An event costs the logarithm of what is in the system.
type shadow struct {
	cores, demand float64
	free          int64
	timeout       decide.Time

	now  decide.Time
	v    float64 // virtual time of processor sharing, in us of progress
	last decide.Time

	invokers  int
	functions []shadowed
	running   heap.Heap[timed] // over virtual time
	starting  heap.Heap[timed] // over time
	queue     []queued
	head      int

	lruHead, lruTail decide.FunctionID // functions with idle containers, the least recently used first

	inSystem int
	area     float64 // integral of inSystem, and the executions of what was dropped, in request seconds
	colds    int64
	drops    int64
}

type shadowed struct {
	live    int32 // containers
	idle    int32
	running int32 // requests that execute
	waiting int32
	gone    int32 // of the queue's entries that were served already, the oldest ones
	prev    decide.FunctionID
	next    decide.FunctionID
	listed  bool
	memory  int64
	cpu     float64
	exec    decide.Time
	init    decide.Time
}

type timed struct {
	at float64
	f  decide.FunctionID
}

type queued struct {
	arrival decide.Time
	f       decide.FunctionID
}

func newShadow(s decide.Snapshot) *shadow {
	w := &shadow{timeout: s.Timeout(), lruHead: decide.None, lruTail: decide.None, now: s.Now(), last: s.Now()}
	for i := range decide.InvokerID(s.Invokers()) {
		spec := s.InvokerSpec(i)
		w.cores += spec.Cores
		w.free += spec.Memory
	}
	w.invokers = s.Invokers()
	for f := range decide.FunctionID(s.Functions()) {
		w.deployed(s, f)
	}
	return w
}

// deployed takes in that f is there or has changed: containers of it have the new size at once.
func (w *shadow) deployed(s decide.Snapshot, f decide.FunctionID) {
	for len(w.functions) <= int(f) {
		w.functions = append(w.functions, shadowed{prev: decide.None, next: decide.None})
	}
	fn := &w.functions[f]
	w.free -= int64(fn.live) * (s.Memory(f) - fn.memory)
	w.demand += float64(fn.running) * (s.CPU(f) - fn.cpu)
	fn.memory, fn.cpu = s.Memory(f), s.CPU(f)
}

// joined takes in that invoker i is there.
func (w *shadow) joined(s decide.Snapshot, i decide.InvokerID) {
	if int(i) < w.invokers {
		return
	}
	w.invokers++
	w.cores += s.InvokerSpec(i).Cores
	w.free += s.InvokerSpec(i).Memory
}

// arrive lets a request of f arrive now.
func (w *shadow) arrive(s decide.Snapshot, f decide.FunctionID) {
	w.advance(s.Now())
	fn := &w.functions[f]
	fn.exec, fn.init = s.Execution(f), s.Initialise(f)
	w.inSystem++
	if fn.idle > 0 {
		w.reuse(f)
		return
	}
	if w.head == len(w.queue) && w.create(f) {
		return
	}
	if w.head > 256 && 2*w.head > len(w.queue) {
		n := copy(w.queue, w.queue[w.head:])
		w.queue, w.head = w.queue[:n], 0
	}
	w.queue = append(w.queue, queued{w.now, f})
	fn.waiting++
}

// reuse runs a request of f in an idle container.
func (w *shadow) reuse(f decide.FunctionID) {
	fn := &w.functions[f]
	fn.idle--
	if fn.idle == 0 {
		w.unlist(f)
	} else {
		w.list(f)
	}
	w.run(f)
}

// run lets a request of f execute.
func (w *shadow) run(f decide.FunctionID) {
	fn := &w.functions[f]
	w.demand += fn.cpu
	fn.running++
	w.running.Push(timed{w.v + float64(max(1, fn.exec)), f})
}

// create starts a container of f for a request, if there is room.
func (w *shadow) create(f decide.FunctionID) bool {
	fn := &w.functions[f]
	for w.free < fn.memory {
		g := w.lruHead
		if g == decide.None {
			return false
		}
		victim := &w.functions[g]
		victim.idle--
		victim.live--
		w.free += victim.memory
		if victim.idle == 0 {
			w.unlist(g)
		}
	}
	w.free -= fn.memory
	fn.live++
	w.colds++
	w.starting.Push(timed{float64(w.now + fn.init), f})
	return true
}

// advance lets everything happen up to now.
func (w *shadow) advance(now decide.Time) {
	for {
		at, kind := now, 0
		if len(w.starting) > 0 && decide.Time(w.starting[0].at) <= at {
			at, kind = decide.Time(w.starting[0].at), 1
		}
		if len(w.running) > 0 {
			if done := w.last + decide.Time((w.running[0].at-w.v)/w.rate()+1); done <= at {
				at, kind = done, 2
			}
		}
		at = max(at, w.now)
		w.area += float64(w.inSystem) * (at - w.now).Seconds()
		w.v += float64(at-w.last) * w.rate()
		w.now, w.last = at, at
		switch kind {
		case 0:
			w.expire()
			return
		case 1:
			e := w.starting.Pop()
			w.run(e.f)
		case 2:
			e := w.running.Pop()
			w.complete(e.f)
		}
	}
}

// rate is the progress of what executes, at most 1.
func (w *shadow) rate() float64 {
	if w.demand <= w.cores {
		return 1
	}
	return w.cores / w.demand
}

func (w *shadow) complete(f decide.FunctionID) {
	fn := &w.functions[f]
	w.inSystem--
	fn.running--
	w.demand -= fn.cpu
	if len(w.running) == 0 {
		w.demand = 0
	}
	if fn.waiting > 0 {
		fn.waiting--
		fn.gone++
		w.run(f)
		return
	}
	fn.idle++
	w.list(f)
	w.serve()
}

// serve starts what is at the head of the queue, while there is room.
func (w *shadow) serve() {
	w.expire()
	for w.head < len(w.queue) {
		f := w.queue[w.head].f
		fn := &w.functions[f]
		if fn.gone > 0 {
			fn.gone--
			w.head++
			continue
		}
		if fn.idle > 0 {
			w.reuse(f)
		} else if !w.create(f) {
			return
		}
		fn.waiting--
		w.head++
	}
}

// expire gives up what has waited for as long as it may.
func (w *shadow) expire() {
	if w.timeout == decide.Forever {
		return
	}
	for w.head < len(w.queue) && w.queue[w.head].arrival+w.timeout <= w.now {
		fn := &w.functions[w.queue[w.head].f]
		w.head++
		if fn.gone > 0 {
			fn.gone--
			continue
		}
		fn.waiting--
		w.inSystem--
		w.drops++
		w.area += fn.exec.Seconds()
	}
}

// list makes f the function that was used last.
func (w *shadow) list(f decide.FunctionID) {
	w.unlist(f)
	fn := &w.functions[f]
	fn.prev, fn.next, fn.listed = w.lruTail, decide.None, true
	if w.lruTail != decide.None {
		w.functions[w.lruTail].next = f
	} else {
		w.lruHead = f
	}
	w.lruTail = f
}

func (w *shadow) unlist(f decide.FunctionID) {
	fn := &w.functions[f]
	if !fn.listed {
		return
	}
	if fn.prev != decide.None {
		w.functions[fn.prev].next = fn.next
	} else {
		w.lruHead = fn.next
	}
	if fn.next != decide.None {
		w.functions[fn.next].prev = fn.prev
	} else {
		w.lruTail = fn.prev
	}
	fn.listed = false
}

func (a timed) Before(b timed) bool { return a.at < b.at || a.at == b.at && a.f < b.f }
