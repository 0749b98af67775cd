package sim

import (
	"math"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// sfs is SFS (Fu et al., "SFS: Smart OS Scheduling for Serverless Functions", SC 2022)
// on the cores of one invoker. A job first has a slot in FILTER: in the order of
// arrival it gets its CPU whatever else there is, as under SCHED_FIFO, for a slice. If
// it is not done by then it leaves for CFS and never comes back; CFS, which is ps, has
// the CPU that FILTER leaves. The slice follows the load: the mean of the last Window
// inter-arrival times, times the cores, so that slots come free as fast as jobs come.
// A job that waited for a slot too long goes straight to CFS.
//
// The authors' slot is a core. Here it is the CPU that the job can use, and the last
// slot may have less, which is made good as soon as CPU is free: no CPU is idle while a
// job waits. Their user-space part polls every millisecond; here it sees at once. What a job does but compute, and so its return from I/O with what is left of its
// slice, is not in a trace.
type sfs struct {
	opts  policy.SFSOptions
	cores int64
	free  int64 // that FILTER leaves
	last  decide.Time

	slice    decide.Time
	gaps     []decide.Time // between the last arrivals, a ring
	gapSum   decide.Time
	arrivals int
	arrival  decide.Time // of the last one

	queue queue[sfsJob] // that wait for a slot
	slots []sfsJob
	cfs   ps
}

type sfsJob struct {
	left   int64 // in work units
	cpu    int64 // that it can use
	given  int64 // that it has, in a slot
	id     decide.RequestID
	box    decide.ContainerID
	queued decide.Time
	until  decide.Time // end of its slice
}

func newSFS(cores int64, o policy.SFSOptions) *sfs {
	return &sfs{opts: o, cores: cores, free: cores, slice: max(o.Initial, o.Floor), gaps: make([]decide.Time, 0, o.Window), cfs: ps{cores: cores, rate: workUnit}}
}

func (p *sfs) start(now decide.Time, id decide.RequestID, box decide.ContainerID, cpu int64, work decide.Time) decide.Time {
	p.advance(now)
	p.arrive(now)
	p.queue.push(sfsJob{left: int64(work) << workBits, cpu: cpu, id: id, box: box, queued: now})
	return p.fill()
}

// arrive keeps the slice up to date.
func (p *sfs) arrive(now decide.Time) {
	p.arrivals++
	if p.arrivals > 1 {
		gap := now - p.arrival
		p.gapSum += gap
		if i := (p.arrivals - 2) % p.opts.Window; i < len(p.gaps) {
			p.gapSum -= p.gaps[i]
			p.gaps[i] = gap
		} else {
			p.gaps = append(p.gaps, gap)
		}
	}
	p.arrival = now
	if p.arrivals%p.opts.Window == 0 && len(p.gaps) > 0 {
		mean := float64(p.gapSum) / float64(len(p.gaps))
		p.slice = max(p.opts.Floor, decide.Time(math.Round(mean*float64(p.cores)/cpuUnit)))
	}
}

// advance lets time pass; CFS keeps its own.
func (p *sfs) advance(now decide.Time) {
	if elapsed := int64(now - p.last); elapsed > 0 {
		for i := range p.slots {
			p.slots[i].left -= elapsed * p.slots[i].rate()
		}
	}
	p.last = now
}

// rate is the progress per microsecond of a job in a slot.
func (j *sfsJob) rate() int64 {
	if j.given >= j.cpu {
		return workUnit
	}
	return max(1, j.given*workUnit/j.cpu)
}

// fill gives the free CPU to those in slots that have too little, then to those that wait
// for a slot, and what is left to CFS. It returns the new next.
func (p *sfs) fill() decide.Time {
	for i := 0; i < len(p.slots) && p.free > 0; i++ {
		p.give(&p.slots[i])
	}
	for p.queue.len() > 0 {
		j := p.queue.front()
		if float64(p.last-j.queued) > p.opts.Overload*float64(p.slice) {
			p.queue.pop()
			p.leave(j)
			continue
		}
		if p.free == 0 {
			break
		}
		p.queue.pop()
		p.give(&j)
		j.until = p.last + p.slice
		p.slots = append(p.slots, j)
	}
	p.cfs.advance(p.last)
	p.cfs.cores = p.free
	p.cfs.share()
	if p.free == 0 {
		p.cfs.rate = 0
	}
	return p.next()
}

// give gives a job in a slot as much of the free CPU as it can use.
func (p *sfs) give(j *sfsJob) {
	more := min(j.cpu-j.given, p.free)
	j.given += more
	p.free -= more
}

// leave moves a job to CFS. What it has left is rounded up to a microsecond.
func (p *sfs) leave(j sfsJob) {
	left := (max(0, j.left) + workUnit - 1) >> workBits
	p.cfs.start(p.last, j.id, j.box, j.cpu, decide.Time(left))
}

// done is when a job in a slot completes if nothing changes.
func (p *sfs) done(j *sfsJob) decide.Time {
	rate := j.rate()
	return p.last + decide.Time((max(0, j.left)+rate-1)/rate)
}

// next is when a job completes or a slice ends.
func (p *sfs) next() decide.Time {
	next := decide.Forever
	for i := range p.slots {
		next = min(next, p.done(&p.slots[i]), max(p.last, p.slots[i].until))
	}
	if p.cfs.rate > 0 {
		next = min(next, p.cfs.next())
	}
	return next
}

func (p *sfs) finish(now decide.Time) (decide.RequestID, decide.Time) {
	p.advance(now)
	for i := range p.slots {
		if j := p.slots[i]; p.done(&j) <= now {
			p.vacate(i)
			return j.id, p.fill()
		}
	}
	if p.cfs.rate > 0 && p.cfs.next() <= now {
		id, _ := p.cfs.finish(now)
		return id, p.fill()
	}
	for i := range p.slots {
		if j := p.slots[i]; j.until <= now {
			p.vacate(i)
			p.leave(j)
			break
		}
	}
	return decide.None, p.fill()
}

// vacate takes the job in a slot out of it; the others keep their order.
func (p *sfs) vacate(i int) {
	p.free += p.slots[i].given
	p.slots = append(p.slots[:i], p.slots[i+1:]...)
}

func (p *sfs) resize(now decide.Time, box decide.ContainerID, cpu int64, left float64) decide.Time {
	p.advance(now)
	for i := range p.slots {
		if j := &p.slots[i]; j.box == box {
			p.free += j.given
			j.given, j.cpu, j.left = 0, cpu, scaled(j.left, left)
			p.give(j)
			return p.fill()
		}
	}
	for i := range p.queue.len() {
		if j := p.queue.at(i); j.box == box {
			j.cpu, j.left = cpu, scaled(j.left, left)
			return p.fill()
		}
	}
	p.cfs.resize(now, box, cpu, left)
	return p.fill()
}

// A queue hands out in the order in which it was filled.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) len() int    { return len(q.items) - q.head }
func (q *queue[T]) push(x T)    { q.items = append(q.items, x) }
func (q *queue[T]) front() T    { return q.items[q.head] }
func (q *queue[T]) at(i int) *T { return &q.items[q.head+i] }

func (q *queue[T]) pop() {
	q.head++
	if q.head > 64 && 2*q.head > len(q.items) {
		q.items, q.head = q.items[:copy(q.items, q.items[q.head:])], 0
	}
}
