package sim

import (
	"container/heap"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// shared is processor sharing on two levels, for containers that execute several
// requests at once: the containers of an invoker share its cores as the jobs of ps do,
// and the requests of a container share what it gets evenly. A container has the CPU
// that one of its requests can use, however many it executes.
//
// It is ps with a virtual time of its own in every container: while n requests are in
// it, that of the container moves at 1/n of that of the invoker. Only a start or a
// completion in a container changes its n, and with it when its next one is done, so
// that a change anywhere moves one entry of the heap.
type shared struct {
	cores  int64
	demand int64 // sum of the CPU of the containers that execute
	rate   int64 // progress per microsecond of a container that is alone in itself
	last   decide.Time
	v      int64 // virtual time of the invoker at last
	seq    uint64

	heap  sharedHeap
	boxes map[decide.ContainerID]*sharedBox // all that ever executed
}

type sharedBox struct {
	at    int64 // virtual time of the invoker when its next request is done
	first uint64
	place int // in the heap

	cpu  int64
	v    int64 // virtual time of the container at last
	last int64 // virtual time of the invoker
	jobs []sharedJob
}

type sharedJob struct {
	done int64 // virtual time of the container
	seq  uint64
	id   decide.RequestID
}

func newShared(cores int64) *shared {
	return &shared{cores: cores, rate: workUnit, boxes: make(map[decide.ContainerID]*sharedBox)}
}

func (p *shared) advance(now decide.Time) {
	p.v += int64(now-p.last) * p.rate
	p.last = now
}

// advance moves the time of the container to that of its invoker.
func (b *sharedBox) advance(v int64) {
	if n := int64(len(b.jobs)); n > 0 {
		b.v += (v - b.last) / n
	}
	b.last = v
}

// next sets when the first job of the container is done.
func (b *sharedBox) next() {
	j := b.jobs[b.earliest()]
	b.at = b.last + max(0, j.done-b.v)*int64(len(b.jobs))
	b.first = j.seq
}

// earliest is the place of the job that is done next. There are few.
func (b *sharedBox) earliest() int {
	k := 0
	for i := range b.jobs {
		if j, least := &b.jobs[i], &b.jobs[k]; j.done < least.done || j.done == least.done && j.seq < least.seq {
			k = i
		}
	}
	return k
}

func (p *shared) share() decide.Time {
	p.rate = workUnit
	if p.demand > p.cores {
		p.rate = max(1, p.cores*workUnit/p.demand) // rounded down: never more CPU than there is
	}
	if len(p.heap) == 0 {
		return decide.Forever
	}
	left := max(0, p.heap[0].at-p.v)
	return p.last + decide.Time((left+p.rate-1)/p.rate)
}

func (p *shared) start(now decide.Time, id decide.RequestID, c decide.ContainerID, cpu int64, work decide.Time) decide.Time {
	if len(p.heap) == 0 {
		p.v, p.last = 0, now
	} else {
		p.advance(now)
	}
	b := p.boxes[c]
	if b == nil {
		b = &sharedBox{}
		p.boxes[c] = b
	}
	if len(b.jobs) == 0 {
		b.v, b.cpu = 0, cpu
		p.demand += cpu
	}
	b.advance(p.v)
	b.jobs = append(b.jobs, sharedJob{b.v + int64(work)<<workBits, p.seq, id})
	p.seq++
	b.next()
	if len(b.jobs) == 1 {
		heap.Push(&p.heap, b)
	} else {
		heap.Fix(&p.heap, b.place)
	}
	return p.share()
}

func (p *shared) resize(now decide.Time, c decide.ContainerID, cpu int64, left float64) decide.Time {
	p.advance(now)
	if b := p.boxes[c]; b != nil && len(b.jobs) > 0 {
		b.advance(p.v)
		for i := range b.jobs {
			b.jobs[i].done = b.v + scaled(b.jobs[i].done-b.v, left)
		}
		p.demand += cpu - b.cpu
		b.cpu = cpu
		b.next()
		heap.Fix(&p.heap, b.place)
	}
	return p.share()
}

func (p *shared) finish(now decide.Time) (decide.RequestID, decide.Time) {
	p.advance(now)
	b := p.heap[0]
	b.advance(p.v)
	i, last := b.earliest(), len(b.jobs)-1
	id := b.jobs[i].id
	b.jobs[i] = b.jobs[last]
	b.jobs = b.jobs[:last]
	if last == 0 {
		heap.Pop(&p.heap)
		p.demand -= b.cpu
	} else {
		b.next()
		heap.Fix(&p.heap, 0)
	}
	return id, p.share()
}

type sharedHeap []*sharedBox

func (h sharedHeap) Len() int { return len(h) }
func (h sharedHeap) Less(i, k int) bool {
	return h[i].at < h[k].at || h[i].at == h[k].at && h[i].first < h[k].first
}
func (h sharedHeap) Swap(i, k int) {
	h[i], h[k] = h[k], h[i]
	h[i].place, h[k].place = i, k
}
func (h *sharedHeap) Push(x any) {
	b := x.(*sharedBox)
	b.place = len(*h)
	*h = append(*h, b)
}
func (h *sharedHeap) Pop() any {
	last := len(*h) - 1
	b := (*h)[last]
	*h = (*h)[:last]
	return b
}
