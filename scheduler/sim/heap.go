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

// A tournament knows the earliest of the next completions of the invokers: a tree
// with eight children to a node, of which each node is the minimum. For a few invokers
// that is one pass over a line or two of the cache without a branch that the
// processor could guess wrong, which is what a heap spends its time on.
type tournament struct {
	levels [][]decide.Time // levels[0] by invoker, padded with Forever to full nodes
}

const fanOut = 8

func newTournament(n int) tournament {
	var t tournament
	for {
		nodes := (n + fanOut - 1) / fanOut
		level := make([]decide.Time, nodes*fanOut)
		for i := range level {
			level[i] = decide.Forever
		}
		t.levels = append(t.levels, level)
		if nodes == 1 {
			return t
		}
		n = nodes
	}
}

func least(q []decide.Time) decide.Time {
	_ = q[fanOut-1]
	return min(q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7])
}

// at is the earliest time.
func (t *tournament) at() decide.Time { return least(t.levels[len(t.levels)-1]) }

// top is the invoker with that time, the first of them.
func (t *tournament) top() decide.InvokerID {
	at, i := t.at(), 0
	for k := len(t.levels) - 1; k >= 0; k-- {
		for i *= fanOut; t.levels[k][i] != at; i++ {
		}
	}
	return decide.InvokerID(i)
}

func (t *tournament) set(invoker decide.InvokerID, at decide.Time) {
	i := int(invoker)
	for k := range t.levels {
		level := t.levels[k]
		level[i] = at
		i /= fanOut
		at = least(level[i*fanOut:])
	}
}
