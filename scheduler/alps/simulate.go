package alps

import (
	"container/heap"
	"math"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A Job is an invocation that was executed: of which class, when it began, and how much
// CPU it took, in core microseconds.
type Job struct {
	Class int32
	Begin decide.Time
	CPU   decide.Time
}

// Stats are of the stretches of CPU that a class got, in core microseconds. The zero
// value is of none.
type Stats struct {
	N    int64
	Mean float64
	m2   float64 // sum of squared differences from the mean (Welford, Technometrics 1962)
}

// Add counts one more stretch.
func (s *Stats) Add(x float64) {
	s.N++
	d := x - s.Mean
	s.Mean += d / float64(s.N)
	s.m2 += d * (x - s.Mean)
}

// Std is the standard deviation, that of the stretches themselves and not of an estimate.
func (s *Stats) Std() float64 {
	if s.N == 0 {
		return 0
	}
	return math.Sqrt(max(0, s.m2/float64(s.N)))
}

// Simulate runs the jobs, in order of their beginning, on one core under
// shortest-remaining-time-first and calls stretch for every stretch of CPU that one of
// them gets, in order of their ends. A job that runs gives way to a shorter one after
// a multiple of check, at most that long after the shorter one came. Of jobs with as
// much left the first one in jobs is first.
func Simulate(jobs []Job, check decide.Time, stretch func(class int32, length decide.Time)) {
	var (
		queue srpt
		now   decide.Time
		next  int
		admit = func() {
			for ; next < len(jobs) && jobs[next].Begin <= now; next++ {
				heap.Push(&queue, remaining{jobs[next].CPU, next})
			}
		}
	)
	for next < len(jobs) || len(queue) > 0 {
		if len(queue) == 0 {
			now = max(now, jobs[next].Begin)
		}
		admit()
		job := heap.Pop(&queue).(remaining)
		began := now
		for {
			// Whoever waits has at least as much left, so nothing changes before the
			// next arrival, and nobody looks before a check.
			end := now + job.left
			if next < len(jobs) {
				look := max(jobs[next].Begin, now) - began
				look = began + max(1, (look+check-1)/check)*check
				end = min(end, look)
			}
			job.left -= end - now
			now = end
			admit()
			if job.left == 0 {
				break
			}
			if len(queue) > 0 && queue[0].left < job.left {
				heap.Push(&queue, job)
				break
			}
		}
		stretch(jobs[job.index].Class, now-began)
	}
}

type remaining struct {
	left  decide.Time
	index int // in jobs
}

type srpt []remaining

func (q srpt) Len() int { return len(q) }
func (q srpt) Less(i, k int) bool {
	return q[i].left < q[k].left || q[i].left == q[k].left && q[i].index < q[k].index
}
func (q srpt) Swap(i, k int) { q[i], q[k] = q[k], q[i] }
func (q *srpt) Push(x any)   { *q = append(*q, x.(remaining)) }
func (q *srpt) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}
