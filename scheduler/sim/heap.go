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
//
// A time stands there shifted to the left, and below it which of the eight children it
// is of: so the minimum tells both, and among equal times it is the first child.
type tournament struct {
	levels [][]int64 // levels[0] by invoker, padded with never to full nodes
	first  int64     // the minimum of all
}

const (
	fanOut   = 8
	childBit = 3 // log2(fanOut)
)

// noTime is the end of time in a tournament, 36,000 years.
const noTime = int64(1)<<(63-childBit) - 1

func newTournament(n int) tournament {
	var t tournament
	for {
		nodes := (n + fanOut - 1) / fanOut
		level := make([]int64, nodes*fanOut)
		for i := range level {
			level[i] = noTime<<childBit | int64(i%fanOut)
		}
		t.levels = append(t.levels, level)
		if nodes == 1 {
			t.first = least(level)
			return t
		}
		n = nodes
	}
}

func least(q []int64) int64 {
	p := (*[fanOut]int64)(q)
	return min(min(min(p[0], p[1]), min(p[2], p[3])), min(min(p[4], p[5]), min(p[6], p[7])))
}

// at is the earliest time.
func (t *tournament) at() decide.Time {
	at := decide.Time(t.first >> childBit)
	if at == decide.Time(noTime) {
		return decide.Forever
	}
	return at
}

// top is the invoker with that time, the first of them.
func (t *tournament) top() decide.InvokerID {
	i := t.first & (fanOut - 1)
	for k := len(t.levels) - 2; k >= 0; k-- {
		i = i*fanOut + least(t.levels[k][i*fanOut:])&(fanOut-1)
	}
	return decide.InvokerID(i)
}

func (t *tournament) set(invoker decide.InvokerID, at decide.Time) {
	i := int64(invoker)
	v := min(int64(at), noTime)
	for _, level := range t.levels {
		level[i] = v<<childBit | i&(fanOut-1)
		i /= fanOut
		t.first = least(level[i*fanOut:])
		v = t.first >> childBit
	}
}
