package sim

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// CPU is counted in units of 2^-16 cores and the progress of a job in units of
// 2^-20 microseconds, both integers: the sum of what runs has no rounding to
// accumulate, a job that was never slowed takes its duration to the microsecond,
// and no order of events can change a result.
const (
	cpuUnit  = 1 << 16
	workBits = 20
	workUnit = 1 << workBits

	// maxCores keeps the products below 2^63.
	maxCores = 1 << 20
)

func cpuUnits(cores float64) int64 { return max(1, int64(math.Round(cores*cpuUnit))) }

// A processor shares the cores of one invoker. Calls must not go back in time.
type processor interface {
	// start adds a job in container box that takes work with the CPU that it can use.
	// As the other two it returns the new next.
	start(now decide.Time, job decide.RequestID, box decide.ContainerID, cpu int64, work decide.Time) decide.Time
	// resize changes the CPU that the jobs in box can use, and multiplies what they
	// have left to do.
	resize(now decide.Time, box decide.ContainerID, cpu int64, left float64) (next decide.Time)
	// finish removes the job that completes at now, the last next, which is when the next
	// job completes if none is added, or Forever. A discipline that takes CPU away
	// after a time has other events too: then it returns None.
	finish(now decide.Time) (id decide.RequestID, next decide.Time)
}

// processors returns what builds the processor of invoker i, nil for ps.
func (m *machine) processors(t *datasets.Trace, sh policy.Sharing, cores int64, rnd uint64) func(i int) processor {
	switch {
	case sh.Name == FIFO:
		return func(int) processor { return &fifo{cores: cores, free: cores} }
	case sh.Name == SRPT:
		return func(int) processor { return &srpt{cores: cores} }
	case sh.Name == SFS:
		return func(int) processor { return newSFS(cores, sh.SFS) }
	case sh.Name == ALPS:
		learner := func(i int) *alps.Learner {
			return alps.NewLearner(len(t.Functions), float64(cores)/cpuUnit, seed.Key(rnd, fmt.Sprint("alps on invoker ", i)), sh.ALPS)
		}
		if sh.Slices != nil {
			learned := sh.Slices.Table(t.Functions)
			learner = func(int) *alps.Learner { return alps.Fixed(learned) }
		}
		return func(i int) processor { return newALPS(cores, learner(i), m.class) }
	case m.concurrency > 1:
		return func(int) processor { return newShared(cores) }
	}
	return func(int) processor { return nil }
}

// ps is processor sharing. All jobs progress at the same rate, so the one that
// finishes first is the one with the least work left at any time: with the virtual
// time v, the progress of a job that is always there, a job that starts at v with
// work w is done at v+w whatever happens in between. A heap of those is all there
// is to keep (Parekh and Gallager, IEEE/ACM Transactions on Networking, 1993).
type ps struct {
	cores  int64
	demand int64 // sum of the CPU of the jobs
	rate   int64 // progress per microsecond, workUnit for full speed
	last   decide.Time
	v      int64 // virtual time at last
	seq    uint64
	jobs   []psJob
}

// A psJob has four fields, so that it is moved in registers.
type psJob struct {
	done int64  // in virtual time
	seq  uint64 // first started, first finished
	cpu  int64
	who  who
}

// A who is a request in a container.
type who struct {
	id  decide.RequestID
	box decide.ContainerID
}

func (a *psJob) before(b *psJob) bool {
	return a.done < b.done || a.done == b.done && a.seq < b.seq
}

func (p *ps) advance(now decide.Time) {
	p.v += int64(now-p.last) * p.rate
	p.last = now
}

func (p *ps) share() {
	if p.demand <= p.cores {
		p.rate = workUnit
		return
	}
	// Rounded down: never more CPU than there is.
	p.rate = max(1, p.cores*workUnit/p.demand)
}

func (p *ps) start(now decide.Time, id decide.RequestID, box decide.ContainerID, cpu int64, work decide.Time) decide.Time {
	if len(p.jobs) == 0 {
		p.v, p.last = 0, now
	} else {
		p.advance(now)
	}
	p.demand += cpu
	p.share()
	j := psJob{p.v + int64(work)<<workBits, p.seq, cpu, who{id, box}}
	p.seq++
	p.jobs = append(p.jobs, psJob{})
	p.up(len(p.jobs)-1, j)
	return p.next()
}

func (p *ps) resize(now decide.Time, box decide.ContainerID, cpu int64, left float64) decide.Time {
	p.advance(now)
	for i := range p.jobs {
		if j := p.jobs[i]; j.who.box == box {
			p.demand += cpu - j.cpu
			j.cpu = cpu
			j.done = p.v + scaled(j.done-p.v, left)
			p.up(i, j)
			p.down(i, p.jobs[i]) // either of them moves something
			break                // there is one: containers of more are not for ps
		}
	}
	p.share()
	return p.next()
}

// scaled is left times by, rounded up.
func scaled(left int64, by float64) int64 { return int64(math.Ceil(float64(max(0, left)) * by)) }

// up puts j into place i of the heap or above it.
func (p *ps) up(i int, j psJob) {
	q := p.jobs
	for i > 0 {
		up := (i - 1) / 2
		if !j.before(&q[up]) {
			break
		}
		q[i] = q[up]
		i = up
	}
	q[i] = j
}

func (p *ps) next() decide.Time {
	if len(p.jobs) == 0 {
		return decide.Forever
	}
	left := p.jobs[0].done - p.v
	if left <= 0 {
		return p.last
	}
	if p.rate == workUnit {
		return p.last + decide.Time((left+workUnit-1)>>workBits)
	}
	return p.last + decide.Time((left+p.rate-1)/p.rate)
}

func (p *ps) finish(now decide.Time) (decide.RequestID, decide.Time) {
	p.advance(now)
	q := p.jobs
	top, last := q[0], len(q)-1
	j := q[last]
	q = q[:last]
	p.jobs = q
	if last > 0 {
		p.down(0, j)
	}
	p.demand -= top.cpu
	p.share()
	return top.who.id, p.next()
}

// down puts j into place i of the heap or below it.
func (p *ps) down(i int, j psJob) {
	q := p.jobs
	for {
		c := 2*i + 1
		if c >= len(q) {
			break
		}
		if c+1 < len(q) && q[c+1].before(&q[c]) {
			c++
		}
		if !q[c].before(&j) {
			break
		}
		q[i] = q[c]
		i = c
	}
	q[i] = j
}

// fifo runs jobs to completion in the order of their starts.
type fifo struct {
	cores, free int64
	running     []fifoJob // heap by (done, seq)
	waiting     []fifoJob // from head
	head        int
	seq         uint64
}

type fifoJob struct {
	done decide.Time // of a waiting one: its duration
	seq  uint64
	cpu  int64
	id   decide.RequestID
}

func (a *fifoJob) before(b *fifoJob) bool {
	return a.done < b.done || a.done == b.done && a.seq < b.seq
}

func (p *fifo) start(now decide.Time, id decide.RequestID, _ decide.ContainerID, cpu int64, work decide.Time) decide.Time {
	p.waiting = append(p.waiting, fifoJob{stretch(work, cpu, p.cores), p.seq, min(cpu, p.cores), id})
	p.seq++
	p.fill(now)
	return p.next()
}

// resize does nothing: a job runs to completion with the CPU that it began with.
func (p *fifo) resize(decide.Time, decide.ContainerID, int64, float64) decide.Time { return p.next() }

// stretch is the time that a job takes that could use more CPU than there is.
func stretch(work decide.Time, cpu, cores int64) decide.Time {
	if cpu <= cores {
		return work
	}
	return decide.Time(math.Ceil(float64(work) * float64(cpu) / float64(cores)))
}

func (p *fifo) fill(now decide.Time) {
	for p.head < len(p.waiting) && p.waiting[p.head].cpu <= p.free {
		j := p.waiting[p.head]
		p.head++
		j.done += now
		p.free -= j.cpu
		p.running = append(p.running, j)
		q := p.running
		for i := len(q) - 1; i > 0; {
			up := (i - 1) / 2
			if !q[i].before(&q[up]) {
				break
			}
			q[i], q[up] = q[up], q[i]
			i = up
		}
	}
	if p.head == len(p.waiting) {
		p.waiting, p.head = p.waiting[:0], 0
	} else if p.head > 64 && 2*p.head > len(p.waiting) {
		n := copy(p.waiting, p.waiting[p.head:])
		p.waiting, p.head = p.waiting[:n], 0
	}
}

func (p *fifo) next() decide.Time {
	if len(p.running) == 0 {
		return decide.Forever
	}
	return p.running[0].done
}

func (p *fifo) finish(now decide.Time) (decide.RequestID, decide.Time) {
	q := p.running
	top, last := q[0], len(q)-1
	q[0] = q[last]
	q = q[:last]
	p.running = q
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
	p.free += top.cpu
	p.fill(now)
	return top.id, p.next()
}

// srpt gives CPU in the order of remaining time. The jobs that have CPU are a
// prefix of the list: all but the last of them run at full speed, the last with
// what is left. So the order of remaining times never changes but by a job that
// is added, and a sorted list is enough.
type srpt struct {
	cores int64
	last  decide.Time
	jobs  []srptJob // ascending in left, then in order of start
}

type srptJob struct {
	left int64 // in work units
	cpu  int64
	id   decide.RequestID
	box  decide.ContainerID
}

// rates calls f with the jobs that have CPU and their progress per microsecond.
func (p *srpt) rates(f func(j *srptJob, rate int64)) {
	free := p.cores
	for i := 0; i < len(p.jobs) && free > 0; i++ {
		j := &p.jobs[i]
		rate := int64(workUnit)
		if j.cpu > free {
			rate = max(1, free*workUnit/j.cpu)
		}
		free -= min(j.cpu, free)
		f(j, rate)
	}
}

func (p *srpt) advance(now decide.Time) {
	elapsed := int64(now - p.last)
	p.last = now
	if elapsed > 0 {
		p.rates(func(j *srptJob, rate int64) { j.left -= elapsed * rate })
	}
}

func (p *srpt) start(now decide.Time, id decide.RequestID, box decide.ContainerID, cpu int64, work decide.Time) decide.Time {
	p.advance(now)
	p.insert(srptJob{int64(work) << workBits, cpu, id, box})
	return p.next()
}

func (p *srpt) insert(j srptJob) {
	i := sort.Search(len(p.jobs), func(i int) bool { return p.jobs[i].left > j.left })
	p.jobs = slices.Insert(p.jobs, i, j)
}

func (p *srpt) resize(now decide.Time, box decide.ContainerID, cpu int64, left float64) decide.Time {
	p.advance(now)
	if i := slices.IndexFunc(p.jobs, func(j srptJob) bool { return j.box == box }); i >= 0 {
		j := p.jobs[i]
		j.cpu, j.left = cpu, scaled(j.left, left)
		p.jobs = slices.Delete(p.jobs, i, i+1)
		p.insert(j)
	}
	return p.next()
}

func (p *srpt) next() decide.Time {
	if len(p.jobs) == 0 {
		return decide.Forever
	}
	// Whoever else has CPU has more left and is no faster.
	rate := int64(workUnit)
	if j := &p.jobs[0]; j.cpu > p.cores {
		rate = max(1, p.cores*workUnit/j.cpu)
	}
	return p.last + decide.Time((max(0, p.jobs[0].left)+rate-1)/rate)
}

func (p *srpt) finish(now decide.Time) (decide.RequestID, decide.Time) {
	p.advance(now)
	id := p.jobs[0].id
	p.jobs = append(p.jobs[:0], p.jobs[1:]...)
	return id, p.next()
}
