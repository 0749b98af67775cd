package policy

import (
	"github.com/incendio-faas/incendio/internal/heap"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A cache orders the idle containers of each invoker by a priority, least first; among
// equals the one that has been idle the longest goes first. A priority may rise while
// a container is in it: what was entered is then a lower bound, and an entry is
// brought up to date when it comes to the top. So a warm start costs nothing here.
type cache struct {
	heaps  []heap.Heap[entry] // by invoker
	queued []entry            // the entry of a container that is in a heap
	life   []uint32           // how many containers had this number before
}

type entry struct {
	priority  float64
	since     decide.Time // idle since then, when it was queued
	container decide.ContainerID
	life      uint32
	in        bool
}

func (a entry) Before(b entry) bool {
	if a.priority != b.priority {
		return a.priority < b.priority
	}
	return a.since < b.since || a.since == b.since && a.container < b.container
}

// add enters c in the heap of its invoker, unless it is there or not idle.
func (h *cache) add(s decide.Snapshot, c decide.ContainerID, priority float64) {
	for int(c) >= len(h.queued) {
		h.queued = append(h.queued, entry{})
		h.life = append(h.life, 0)
	}
	if h.queued[c].in || s.Status(c) != decide.Idle {
		return
	}
	i := s.Invoker(c)
	for int(i) >= len(h.heaps) {
		h.heaps = append(h.heaps, nil)
	}
	e := entry{priority, s.Since(c), c, h.life[c], true}
	h.queued[c] = e
	h.heaps[i].Push(e)
}

// ended forgets c, whose number may be given to another container.
func (h *cache) ended(c decide.ContainerID) {
	for int(c) >= len(h.queued) { // it ended before it was ever idle
		h.queued = append(h.queued, entry{})
		h.life = append(h.life, 0)
	}
	h.life[c]++
	h.queued[c].in = false
}

// take removes and returns the idle container of the least priority on i, where
// priority tells what that of a container is now.
func (h *cache) take(s decide.Snapshot, i decide.InvokerID, priority func(decide.ContainerID) float64) (decide.ContainerID, float64, bool) {
	if int(i) >= len(h.heaps) {
		return decide.None, 0, false
	}
	for len(h.heaps[i]) > 0 {
		e := h.heaps[i].Pop()
		c := e.container
		if h.life[c] != e.life {
			continue // of an earlier container with this number
		}
		h.queued[c].in = false
		if s.Status(c) != decide.Idle {
			continue // it comes back when it is idle again
		}
		if now := priority(c); now != e.priority || s.Since(c) != e.since {
			h.add(s, c, now)
			continue
		}
		return c, e.priority, true
	}
	return decide.None, 0, false
}
