package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// FaasCache is the keep-alive policy of Fuerst and Sharma, "FaasCache" (ASPLOS
// 2021): idle containers are a cache under Greedy-Dual-Size-Frequency. They are kept
// until the room is needed, and then the ones with the least
//
//	priority = clock + frequency * cost / size
//
// are evicted first. Clock is that of the function's last use, frequency its number
// of requests since it last had no container, cost its mean initialisation in
// seconds, size its memory in MB. The clock rises to the priority of what is evicted.
//
// All containers of a function share one priority, as each use renews all of them; among
// them the one that has been idle the longest goes first.
//
// It differs from the paper in one thing: a request that finds no room waits, up to
// the time-out, where the paper's simulator drops it at once. Requests start under
// [FCFS]. The profiles give cost and size.
func FaasCache(profiles []decide.Profile) Parts {
	p := &gdsf{
		weight:    make([]float64, len(profiles)),
		frequency: make([]float64, len(profiles)),
		priority:  make([]float64, len(profiles)),
	}
	for f, profile := range profiles {
		p.weight[f] = profile.Initialise.Seconds() / (float64(profile.Memory) / (1 << 20))
	}
	return Parts{FCFS{}, p, LeastLoaded{}}
}

// gdsf keeps, for each invoker, a heap of its idle containers. A priority only
// rises while its function has containers, so one that was computed earlier is a
// lower bound: a use touches no heap, and an entry is brought up to date when it
// comes to the top.
type gdsf struct {
	clock     float64
	weight    []float64 // cost / size by function
	frequency []float64
	priority  []float64
	heaps     [][]entry // by invoker
	queued    []entry   // the entry of a container that is in a heap
	life      []uint32  // how many containers had this number before
}

type entry struct {
	priority  float64
	since     decide.Time // idle since then, when it was queued
	container decide.ContainerID
	life      uint32
	in        bool
}

func (a *entry) before(b *entry) bool {
	if a.priority != b.priority {
		return a.priority < b.priority
	}
	return a.since < b.since || a.since == b.since && a.container < b.container
}

// Observe implements decide.Pool.
func (p *gdsf) Observe(s decide.Snapshot, ev decide.Event) {
	switch ev.Kind {
	case decide.Arrival:
		f := ev.Function
		p.frequency[f]++
		p.priority[f] = p.clock + p.frequency[f]*p.weight[f]
	case decide.Ready, decide.Completion:
		p.queue(s, ev.Container)
	case decide.Ended:
		p.life[ev.Container]++
		p.queued[ev.Container].in = false
	}
}

// queue enters c in the heap of its invoker unless it is there.
func (p *gdsf) queue(s decide.Snapshot, c decide.ContainerID) {
	for int(c) >= len(p.queued) {
		p.queued = append(p.queued, entry{})
		p.life = append(p.life, 0)
	}
	if p.queued[c].in || s.Status(c) != decide.Idle {
		return
	}
	i := s.Invoker(c)
	for int(i) >= len(p.heaps) {
		p.heaps = append(p.heaps, nil)
	}
	e := entry{p.priority[s.Function(c)], s.Since(c), c, p.life[c], true}
	p.queued[c] = e
	p.heaps[i] = push(p.heaps[i], e)
}

// KeepAlive implements decide.Pool.
func (*gdsf) KeepAlive(decide.Snapshot, decide.ContainerID) decide.Time { return decide.Forever }

// Evict implements decide.Pool.
func (p *gdsf) Evict(s decide.Snapshot, i decide.InvokerID, _ decide.FunctionID, _ bool) (decide.ContainerID, bool) {
	if int(i) >= len(p.heaps) {
		return decide.None, false
	}
	for len(p.heaps[i]) > 0 {
		var e entry
		e, p.heaps[i] = pop(p.heaps[i])
		c := e.container
		if p.life[c] != e.life {
			continue // of an earlier container with this number
		}
		p.queued[c].in = false
		if s.Status(c) != decide.Idle {
			continue // it comes back when it is idle again
		}
		f := s.Function(c)
		if now := p.priority[f]; now != e.priority || s.Since(c) != e.since {
			p.queue(s, c)
			continue
		}
		p.clock = max(p.clock, e.priority)
		if s.Live(f) == 1 { // this one
			p.frequency[f] = 0
		}
		return c, true
	}
	return decide.None, false
}

// Adjust implements decide.Pool: nothing is prewarmed.
func (*gdsf) Adjust(decide.Snapshot) (decide.Adjustment, bool) { return decide.Adjustment{}, false }

// Wake implements decide.Pool.
func (*gdsf) Wake() decide.Time { return decide.Forever }

func push(q []entry, e entry) []entry {
	q = append(q, e)
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if !q[i].before(&q[up]) {
			break
		}
		q[i], q[up] = q[up], q[i]
		i = up
	}
	return q
}

func pop(q []entry) (entry, []entry) {
	top, last := q[0], len(q)-1
	q[0] = q[last]
	q = q[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && q[c+1].before(&q[c]) {
			c++
		}
		if !q[c].before(&q[i]) {
			break
		}
		q[i], q[c] = q[c], q[i]
		i = c
	}
	return top, q
}
