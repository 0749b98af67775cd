package sim

import "github.com/incendio-faas/incendio/scheduler/decide"

// An event is a container that becomes ready or has ended.
type event struct {
	at        decide.Time
	seq       uint64 // first decided, first handled
	container decide.ContainerID
	ended     bool
}

func (a *event) before(b *event) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

// An eventHeap is a heap with four children to a node: half as deep as a binary
// one, and the children share a cache line or two.
type eventHeap struct {
	items []event
	seq   uint64
}

func (h *eventHeap) at() decide.Time {
	if len(h.items) == 0 {
		return decide.Forever
	}
	return h.items[0].at
}

func (h *eventHeap) push(at decide.Time, c decide.ContainerID, ended bool) {
	e := event{at, h.seq, c, ended}
	h.seq++
	h.items = append(h.items, e)
	q := h.items
	i := len(q) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(&q[up]) {
			break
		}
		q[i] = q[up]
		i = up
	}
	q[i] = e
}

func (h *eventHeap) pop() event {
	q := h.items
	top, last := q[0], len(q)-1
	e := q[last]
	q = q[:last]
	h.items = q
	if last == 0 {
		return top
	}
	i := 0
	for {
		first := 4*i + 1
		if first >= last {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, last); c++ {
			if q[c].before(&q[least]) {
				least = c
			}
		}
		if !q[least].before(&e) {
			break
		}
		q[i] = q[least]
		i = least
	}
	q[i] = e
	return top
}

// A finishHeap orders the invokers by their next completion, then by number.
type finishHeap struct {
	heap  []finish
	where []int32 // of an invoker in the heap
}

type finish struct {
	at      decide.Time
	invoker decide.InvokerID
}

func (a finish) before(b finish) bool { return a.at < b.at || a.at == b.at && a.invoker < b.invoker }

func (h *finishHeap) reset(n int) {
	h.heap = make([]finish, n)
	h.where = make([]int32, n)
	for i := range n {
		h.heap[i], h.where[i] = finish{decide.Forever, decide.InvokerID(i)}, int32(i)
	}
}

func (h *finishHeap) at() decide.Time       { return h.heap[0].at }
func (h *finishHeap) top() decide.InvokerID { return h.heap[0].invoker }

func (h *finishHeap) set(inv decide.InvokerID, at decide.Time) {
	i := int(h.where[inv])
	q := h.heap
	e := finish{at, inv}
	if q[i].at == at {
		return
	}
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(q[up]) {
			break
		}
		q[i] = q[up]
		h.where[q[i].invoker] = int32(i)
		i = up
	}
	for {
		c := 2*i + 1
		if c >= len(q) {
			break
		}
		if c+1 < len(q) && q[c+1].before(q[c]) {
			c++
		}
		if !q[c].before(e) {
			break
		}
		q[i] = q[c]
		h.where[q[i].invoker] = int32(i)
		i = c
	}
	q[i] = e
	h.where[inv] = int32(i)
}
