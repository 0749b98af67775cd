package sim

import (
	"container/heap"

	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// alpsCPU is the back end of ALPS (package scheduler/alps) on the cores of one invoker:
// of those that wait, whose class has the lowest rank is first, then who had the least
// CPU, then who came first. Whoever has CPU keeps it until its slice is used; then it
// goes on with another slice unless one that waits is before it.
//
// The authors' cores have a queue each, and the kernel balances them; here there is one
// queue. The last job that has CPU may have less than it can use, which is made good as
// soon as CPU is free: no CPU is idle while a job waits.
type alpsCPU struct {
	learner *alps.Learner
	class   func(decide.RequestID) int32
	cores   int64
	last    decide.Time
	seq     uint64

	round decide.Time // when the next one is
	since decide.Time // when the last one was
	busy  int64       // CPU used since then, in cpuUnit microseconds

	least   int64 // virtual run time below which no job begins
	free    int64
	running []alpsJob
	waiting alpsHeap
}

type alpsJob struct {
	rank  int32
	class int32
	had   int64 // CPU in all, plus what it began with, in cpuUnit microseconds: the virtual run time
	seq   uint64

	left  int64 // in work units
	cpu   int64 // that it can use
	given int64 // that it has
	used  int64 // CPU since it runs, in slices of which one follows the other
	slice int64 // in cpuUnit microseconds
	over  bool  // one of them ended within the last microsecond
	began decide.Time
	floor int64 // virtual run time that it began with
	id    decide.RequestID
	box   decide.ContainerID
}

func (a *alpsJob) before(b *alpsJob) bool {
	switch {
	case a.rank != b.rank:
		return a.rank < b.rank
	case a.had != b.had:
		return a.had < b.had
	}
	return a.seq < b.seq
}

// newALPS returns the back end for a learner; class tells that of a request that starts.
func newALPS(cores int64, l *alps.Learner, class func(decide.RequestID) int32) *alpsCPU {
	return &alpsCPU{learner: l, class: class, cores: cores, free: cores, round: l.Every()}
}

func (p *alpsCPU) start(now decide.Time, id decide.RequestID, box decide.ContainerID, cpu int64, work decide.Time) decide.Time {
	p.advance(now)
	p.learn(now)
	k := p.class(id)
	p.seq++
	heap.Push(&p.waiting, alpsJob{
		rank: p.learner.Rank(k), class: k, had: p.least, floor: p.least, seq: p.seq,
		left: int64(work) << workBits, cpu: cpu, began: now, id: id, box: box,
	})
	p.fill()
	return p.next()
}

// advance lets time pass.
func (p *alpsCPU) advance(now decide.Time) {
	elapsed := int64(now - p.last)
	p.last = now
	if elapsed == 0 {
		return
	}
	p.busy += elapsed * (p.cores - p.free)
	for i := range p.running {
		j := &p.running[i]
		j.left -= elapsed * j.rate()
		got := elapsed * j.given
		j.had += got
		j.used += got
		j.over = j.ends(j.used)
	}
}

// rate is the progress per microsecond.
func (j *alpsJob) rate() int64 {
	if j.given >= j.cpu {
		return workUnit
	}
	return max(1, j.given*workUnit/j.cpu)
}

// learn does the round that is due, if one is. Ranks and slices change at once; a
// slice of which as much as it now has is used ends.
func (p *alpsCPU) learn(now decide.Time) {
	if now < p.round {
		return
	}
	p.learner.Round(float64(p.busy) / (float64(p.cores) * float64(now-p.since)))
	p.since, p.busy = now, 0
	p.round = (now/p.learner.Every() + 1) * p.learner.Every()
	for i := range p.running {
		j := &p.running[i]
		j.rank, j.used, j.slice = p.learner.Rank(j.class), j.used%j.slice, p.slice(j.class)
		j.over = j.over || j.used >= j.slice
	}
	for i := range p.waiting {
		p.waiting[i].rank = p.learner.Rank(p.waiting[i].class)
	}
	heap.Init(&p.waiting)
}

func (p *alpsCPU) slice(class int32) int64 { return int64(p.learner.Slice(class)) * cpuUnit }

// fill gives the free CPU to those that have too little, then to those that wait.
func (p *alpsCPU) fill() {
	for i := 0; i < len(p.running) && p.free > 0; i++ {
		p.give(&p.running[i])
	}
	for p.free > 0 && len(p.waiting) > 0 {
		j := heap.Pop(&p.waiting).(alpsJob)
		p.least = max(p.least, j.had)
		p.give(&j)
		j.used, j.slice, j.over = 0, p.slice(j.class), false
		p.running = append(p.running, j)
	}
}

func (p *alpsCPU) give(j *alpsJob) {
	more := min(j.cpu-j.given, p.free)
	j.given += more
	p.free -= more
}

// done is when a job completes if nothing changes.
func (p *alpsCPU) done(j *alpsJob) decide.Time {
	rate := j.rate()
	return p.last + decide.Time((max(0, j.left)+rate-1)/rate)
}

// yields is when a job loses its CPU to the first of those that wait, if nothing
// changes: the first time that a slice of it ends and that one is before it. Slices
// that end before change nothing and are not looked at.
func (p *alpsCPU) yields(j *alpsJob) decide.Time {
	if len(p.waiting) == 0 || p.waiting[0].rank > j.rank {
		return decide.Forever
	}
	after := int64(0) // from when on that one is before it, in microseconds from now
	if first := &p.waiting[0]; first.rank == j.rank {
		short := first.had - j.had
		if first.seq > j.seq {
			short++ // of those that had as much, who came first goes on
		}
		after = max(0, (short+j.given-1)/j.given)
	}
	over, used := j.over, j.used+after*j.given
	if after > 0 {
		over = j.ends(used)
	}
	if !over {
		after = ((used/j.slice+1)*j.slice - j.used + j.given - 1) / j.given
	}
	return p.last + decide.Time(after)
}

// ends reports whether a slice ends within the microsecond after which so much is used.
func (j *alpsJob) ends(used int64) bool { return used/j.slice > (used-j.given)/j.slice }

// next is when a job completes, or loses its CPU, or the next round is due.
func (p *alpsCPU) next() decide.Time {
	if len(p.running) == 0 {
		return decide.Forever
	}
	next := p.round
	for i := range p.running {
		next = min(next, p.done(&p.running[i]), p.yields(&p.running[i]))
	}
	return max(next, p.last)
}

func (p *alpsCPU) finish(now decide.Time) (decide.RequestID, decide.Time) {
	p.advance(now)
	for i := range p.running {
		if j := p.running[i]; p.done(&j) <= now {
			p.stop(i)
			p.learner.Done(alps.Job{Class: j.class, Begin: j.began, CPU: decide.Time((j.had - j.floor) / cpuUnit)})
			p.fill()
			return j.id, p.next()
		}
	}
	p.learn(now)
	for i := range p.running {
		if j := p.running[i]; j.over && len(p.waiting) > 0 && p.waiting[0].before(&j) {
			p.stop(i)
			j.given = 0
			heap.Push(&p.waiting, j)
			p.fill()
			break
		}
	}
	return decide.None, p.next()
}

// stop takes the CPU from a job that runs; the others keep their order.
func (p *alpsCPU) stop(i int) {
	p.free += p.running[i].given
	p.running = append(p.running[:i], p.running[i+1:]...)
}

func (p *alpsCPU) resize(now decide.Time, box decide.ContainerID, cpu int64, left float64) decide.Time {
	p.advance(now)
	for i := range p.running {
		if j := &p.running[i]; j.box == box {
			p.free += j.given
			j.given, j.cpu, j.left = 0, cpu, scaled(j.left, left)
			p.give(j)
			p.fill()
			return p.next()
		}
	}
	for i := range p.waiting {
		if j := &p.waiting[i]; j.box == box {
			j.cpu, j.left = cpu, scaled(j.left, left)
		}
	}
	return p.next()
}

// An alpsHeap is of those that wait, who is next first.
type alpsHeap []alpsJob

func (h alpsHeap) Len() int           { return len(h) }
func (h alpsHeap) Less(i, k int) bool { return h[i].before(&h[k]) }
func (h alpsHeap) Swap(i, k int)      { h[i], h[k] = h[k], h[i] }
func (h *alpsHeap) Push(x any)        { *h = append(*h, x.(alpsJob)) }
func (h *alpsHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
