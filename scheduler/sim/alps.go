package sim

import (
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
	running []*alpsJob
	waiting alpsHeap
	spare   []*alpsJob // of requests that are done
}

type alpsJob struct {
	rank  int32
	class int32
	had   int64 // CPU in all, plus what it began with, in cpuUnit microseconds: the virtual run time
	seq   uint64

	left  int64       // in work units
	cpu   int64       // that it can use
	given int64       // that it has
	rate  int64       // progress per microsecond with that
	used  int64       // CPU since it runs, in slices of which one follows the other
	slice int64       // in cpuUnit microseconds
	ends  int64       // when so much is used the slice ends that it is in
	over  bool        // the one before ended within the last microsecond
	at    decide.Time // when all this was so
	done  decide.Time // when it completes, and
	end   decide.Time // when the slice ends, if it keeps what it has
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
	j := &alpsJob{}
	if n := len(p.spare); n > 0 {
		j, p.spare = p.spare[n-1], p.spare[:n-1]
	}
	*j = alpsJob{
		rank: p.learner.Rank(k), class: k, had: p.least, floor: p.least, seq: p.seq,
		left: int64(work) << workBits, cpu: cpu, began: now, id: id, box: box,
	}
	p.waiting.push(j)
	p.fill()
	return p.next()
}

// advance lets time pass. What that means for a job is seen to when somebody looks at it.
func (p *alpsCPU) advance(now decide.Time) {
	p.busy += int64(now-p.last) * (p.cores - p.free)
	p.last = now
}

// catchUp lets time pass for a job.
func (p *alpsCPU) catchUp(j *alpsJob) {
	elapsed := int64(p.last - j.at)
	if elapsed == 0 {
		return
	}
	j.at = p.last
	j.left -= elapsed * j.rate
	got := elapsed * j.given
	j.had += got
	j.used += got
	if j.over = j.used >= j.ends; j.over {
		last := j.used / j.slice * j.slice
		j.over, j.ends = last > j.used-j.given, last+j.slice
		j.end = p.last + takes(j.ends-j.used, j.given)
	}
}

// foresee sets when a job that has caught up is done, and when its slice ends.
func (p *alpsCPU) foresee(j *alpsJob) {
	j.done = p.last + takes(max(0, j.left), j.rate)
	j.end = p.last + takes(j.ends-j.used, j.given)
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
	for _, j := range p.running {
		p.catchUp(j)
		j.rank, j.used, j.slice = p.learner.Rank(j.class), j.used%j.slice, p.slice(j.class)
		j.over = j.over || j.used >= j.slice
		j.ends = (j.used/j.slice + 1) * j.slice
		p.foresee(j)
	}
	for _, j := range p.waiting {
		j.rank = p.learner.Rank(j.class)
	}
	p.waiting.order()
}

func (p *alpsCPU) slice(class int32) int64 { return int64(p.learner.Slice(class)) * cpuUnit }

// fill gives the free CPU to those that have too little, then to those that wait.
func (p *alpsCPU) fill() {
	for i := 0; i < len(p.running) && p.free > 0; i++ {
		if j := p.running[i]; j.given < j.cpu {
			p.catchUp(j)
			p.give(j)
			p.foresee(j)
		}
	}
	for p.free > 0 && len(p.waiting) > 0 {
		j := p.waiting.pop()
		p.least = max(p.least, j.had)
		p.give(j)
		j.used, j.slice, j.over = 0, p.slice(j.class), false
		j.ends, j.at = j.slice, p.last
		p.foresee(j)
		p.running = append(p.running, j)
	}
}

func (p *alpsCPU) give(j *alpsJob) {
	more := min(j.cpu-j.given, p.free)
	j.given += more
	p.free -= more
	j.rate = workUnit
	if j.given < j.cpu {
		j.rate = max(1, j.given*workUnit/j.cpu)
	}
}

// takes is the time for so much of something at a rate, rounded up. Nearly all rates are
// those of a whole core or of full speed, whose division is a shift.
func takes(amount, rate int64) decide.Time {
	switch rate {
	case cpuUnit:
		return decide.Time((amount + cpuUnit - 1) / cpuUnit)
	case workUnit:
		return decide.Time((amount + workUnit - 1) / workUnit)
	}
	return decide.Time((amount + rate - 1) / rate)
}

// yields is when a job loses its CPU to the first of those that wait, if nothing
// changes: the first time that a slice of it ends and that one is before it. Slices
// that end before change nothing and are not looked at.
func (p *alpsCPU) yields(j, first *alpsJob) decide.Time {
	if first.rank > j.rank {
		return decide.Forever
	}
	if p.last >= j.end {
		p.catchUp(j)
	}
	over := j.over && j.at == p.last
	if first.rank < j.rank {
		if over {
			return p.last
		}
		return j.end
	}
	end := decide.Time(0)
	if !over {
		end = j.end - p.last
	}
	passed := int64(p.last-j.at) * j.given
	had, used := j.had+passed, j.used+passed
	short := first.had - had // what it lacks until that one is before it
	if first.seq > j.seq {
		short++ // of those that had as much, who came first goes on
	}
	if got := int64(end) * j.given; short > got {
		end = takes(short, j.given)
		then := used + int64(end)*j.given
		if last := then / j.slice * j.slice; last <= then-j.given {
			end = takes(last+j.slice-used, j.given)
		}
	}
	return p.last + end
}

// next is when a job completes, or loses its CPU, or the next round is due.
func (p *alpsCPU) next() decide.Time {
	if len(p.running) == 0 {
		return decide.Forever
	}
	next := p.round
	if len(p.waiting) == 0 {
		for _, j := range p.running {
			next = min(next, j.done)
		}
		return max(next, p.last)
	}
	first := p.waiting[0]
	for _, j := range p.running {
		next = min(next, j.done, p.yields(j, first))
	}
	return max(next, p.last)
}

func (p *alpsCPU) finish(now decide.Time) (decide.RequestID, decide.Time) {
	p.advance(now)
	for i, j := range p.running {
		if j.done <= now {
			p.catchUp(j)
			p.stop(i)
			p.learner.Done(alps.Job{Class: j.class, Begin: j.began, CPU: decide.Time((j.had - j.floor) / cpuUnit)})
			p.spare = append(p.spare, j)
			p.fill()
			return j.id, p.next()
		}
	}
	p.learn(now)
	for i, j := range p.running {
		if len(p.waiting) == 0 {
			break
		}
		if j.end > now && !(j.over && j.at == now) {
			continue // in the middle of a slice
		}
		p.catchUp(j)
		if j.over && p.waiting[0].before(j) {
			p.stop(i)
			j.given = 0
			p.waiting.push(j)
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
	for _, j := range p.running {
		if j.box == box {
			p.catchUp(j)
			p.free += j.given
			j.given, j.cpu, j.left = 0, cpu, scaled(j.left, left)
			p.give(j)
			p.foresee(j)
			p.fill()
			return p.next()
		}
	}
	for _, j := range p.waiting {
		if j.box == box {
			j.cpu, j.left = cpu, scaled(j.left, left)
		}
	}
	return p.next()
}

// An alpsHeap is of those that wait, who is next first.
type alpsHeap []*alpsJob

func (h *alpsHeap) push(j *alpsJob) {
	*h = append(*h, j)
	q := *h
	i := len(q) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !j.before(q[up]) {
			break
		}
		q[i] = q[up]
		i = up
	}
	q[i] = j
}

func (h *alpsHeap) pop() *alpsJob {
	q := *h
	top, last := q[0], len(q)-1
	j := q[last]
	*h = q[:last]
	if last > 0 {
		h.sink(0, j)
	}
	return top
}

// order makes a heap of what was one before the ranks changed.
func (h *alpsHeap) order() {
	for i := len(*h)/2 - 1; i >= 0; i-- {
		h.sink(i, (*h)[i])
	}
}

// sink puts j into place i or below it.
func (h *alpsHeap) sink(i int, j *alpsJob) {
	q := *h
	for {
		c := 2*i + 1
		if c >= len(q) {
			break
		}
		if c+1 < len(q) && q[c+1].before(q[c]) {
			c++
		}
		if !q[c].before(j) {
			break
		}
		q[i] = q[c]
		i = c
	}
	q[i] = j
}
