package sim

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// A task is a job to run on a processor: its place in the list is its request and its container.
type task struct {
	at, work decide.Time
	cpu      int64
	class    int32
}

// play runs the tasks, in order of arrival, and returns when each is done. After every
// call, check sees the tasks that are there.
func play(t *rapid.T, p processor, tasks []task, check func(present []int)) []decide.Time {
	var (
		done    = make([]decide.Time, len(tasks))
		present []int
		next    = decide.Forever
	)
	for k := 0; k < len(tasks) || len(present) > 0; {
		if k < len(tasks) && tasks[k].at < next {
			next = p.start(tasks[k].at, decide.RequestID(k), decide.ContainerID(k), tasks[k].cpu, tasks[k].work)
			present = append(present, k)
			k++
		} else {
			now := next
			var id decide.RequestID
			if id, next = p.finish(now); id != decide.None {
				i := slices.Index(present, int(id))
				if i < 0 {
					t.Fatalf("at %d: %d is done and was not there", now, id)
				}
				present = slices.Delete(present, i, i+1)
				done[id] = now
			}
			if next < now {
				t.Fatalf("at %d: next is %d", now, next)
			}
		}
		check(present)
	}
	if next != decide.Forever {
		t.Fatalf("nothing is left to do, and next is %d", next)
	}
	return done
}

func drawTasks(t *rapid.T, cores int64) []task {
	rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
	gap := rapid.SampledFrom([]int64{20, 200, 1000}).Draw(t, "gap")
	tasks := make([]task, rapid.IntRange(1, 25).Draw(t, "tasks"))
	at := decide.Time(rapid.IntRange(0, 3000).Draw(t, "begin"))
	for i := range tasks {
		at += decide.Time(rnd.Int64N(gap))
		class := int32(rnd.IntN(4))
		tasks[i] = task{
			at: at, class: class, work: decide.Time(rnd.Int64N(100 << (2 * class))),
			cpu: []int64{cpuUnit, cpuUnit, cpuUnit / 2, cpuUnits(0.3), 2 * cpuUnit, cores + 1}[rnd.IntN(6)],
		}
	}
	return tasks
}

// A slowJob is a task as the slow processors keep it.
type slowJob struct {
	task
	id           int
	left, given  int64
	until        decide.Time
	used, had    int64
	slice, floor int64
	rank         int32
	over         bool
}

func (j *slowJob) progress() int64 {
	if j.given >= j.cpu {
		return workUnit
	}
	return max(1, j.given*workUnit/j.cpu)
}

// top gives the jobs as much of free as they can use, in their order.
func top(jobs []*slowJob, free int64) int64 {
	for _, j := range jobs {
		more := min(j.cpu-j.given, free)
		j.given += more
		free -= more
	}
	return free
}

func without(jobs []*slowJob, j *slowJob) []*slowJob {
	i := slices.Index(jobs, j)
	return slices.Delete(jobs, i, i+1)
}

func find(jobs []*slowJob, ok func(*slowJob) bool) *slowJob {
	if i := slices.IndexFunc(jobs, ok); i >= 0 {
		return jobs[i]
	}
	return nil
}

// slowSFS is sfs microsecond by microsecond, with lists that are searched. It returns when
// each task is done, and whether it was demoted.
func slowSFS(tasks []task, cores int64, o policy.SFSOptions) ([]decide.Time, []bool) {
	var (
		done              = make([]decide.Time, len(tasks))
		demoted           = make([]bool, len(tasks))
		queue, slots, cfs []*slowJob
		free              = cores
		slice             = max(o.Initial, o.Floor)
		n                 = 0
	)
	fill := func(now decide.Time) {
		free = top(slots, free)
		for len(queue) > 0 {
			j := queue[0]
			if float64(now-j.at) > o.Overload*float64(slice) {
				queue, cfs = queue[1:], append(cfs, j)
				continue
			}
			if free == 0 {
				return
			}
			queue = queue[1:]
			free = top([]*slowJob{j}, free)
			j.until = now + slice
			slots = append(slots, j)
		}
	}
	for now, k := tasks[0].at, 0; k < len(tasks) || len(queue)+len(slots)+len(cfs) > 0; now++ {
		for {
			if j := find(slots, func(j *slowJob) bool { return j.left <= 0 }); j != nil {
				slots, free = without(slots, j), free+j.given
				done[j.id] = now
			} else if slices.SortStableFunc(cfs, func(a, b *slowJob) int { return cmp.Compare(a.left, b.left) }); len(cfs) > 0 && cfs[0].left <= 0 && free > 0 {
				done[cfs[0].id] = now
				cfs = cfs[1:]
			} else if j := find(slots, func(j *slowJob) bool { return j.until <= now }); j != nil {
				slots, free = without(slots, j), free+j.given
				j.left = (j.left + workUnit - 1) / workUnit * workUnit
				demoted[j.id] = true
				cfs = append(cfs, j)
			} else if k < len(tasks) && tasks[k].at == now {
				queue = append(queue, &slowJob{task: tasks[k], id: k, left: int64(tasks[k].work) * workUnit})
				k++
				if n++; n%o.Window == 0 && n > 1 {
					from := max(0, n-1-o.Window)
					mean := float64(tasks[n-1].at-tasks[from].at) / float64(n-1-from)
					slice = max(o.Floor, decide.Time(mean*float64(cores)/cpuUnit+0.5))
				}
			} else {
				break
			}
			fill(now)
		}
		var demand int64
		for _, j := range cfs {
			demand += j.cpu
		}
		for _, j := range slots {
			j.left -= j.progress()
		}
		for _, j := range cfs {
			switch {
			case free == 0:
			case demand <= free:
				j.left -= workUnit
			default:
				j.left -= max(1, free*workUnit/demand)
			}
		}
	}
	return done, demoted
}

func TestSFSAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cores := rapid.SampledFrom([]int64{cpuUnit / 2, cpuUnit, 2 * cpuUnit, 5 * cpuUnit / 2}).Draw(t, "cores")
		tasks := drawTasks(t, cores)
		o := policy.SFSOptions{
			Initial: decide.Time(rapid.IntRange(1, 2000).Draw(t, "initial")), Floor: decide.Time(rapid.IntRange(1, 300).Draw(t, "floor")),
			Window: rapid.IntRange(1, 6).Draw(t, "window"), Overload: rapid.SampledFrom([]float64{0, 0.5, 3}).Draw(t, "overload"),
		}
		p := newSFS(cores, o)
		left := map[decide.RequestID]bool{} // FILTER
		got := play(t, p, tasks, func(present []int) {
			var demand, filter, fair int64
			for _, i := range present {
				demand += tasks[i].cpu
			}
			for _, j := range p.slots {
				filter += j.given
				if left[j.id] {
					t.Fatalf("%d is in FILTER again", j.id)
				}
			}
			for _, j := range p.cfs.jobs {
				fair += j.cpu
				left[j.who.id] = true
			}
			if used := filter + min(fair, p.free); p.free != cores-filter || used != min(cores, demand) {
				t.Fatalf("%d of %d are used, the demand is %d", used, cores, demand)
			}
		})
		want, demoted := slowSFS(tasks, cores, o)
		for i := range tasks {
			if got[i] != want[i] {
				t.Fatalf("task %d of %+v is done at %d, the model says %d", i, tasks, got[i], want[i])
			}
			if demoted[i] != (left[decide.RequestID(i)] && demoted[i]) {
				t.Fatalf("task %d of %+v was demoted by the model alone", i, tasks)
			}
		}
	})
}

// slowALPS is alpsCPU microsecond by microsecond, with lists that are searched.
func slowALPS(tasks []task, cores int64, l *alps.Learner) []decide.Time {
	var (
		done             = make([]decide.Time, len(tasks))
		waiting, running []*slowJob
		free             = cores
		least, busy      int64
		since            decide.Time
		round            = l.Every()
	)
	before := func(a, b *slowJob) bool {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.had, b.had), cmp.Compare(a.id, b.id)) < 0
	}
	first := func() *slowJob {
		if len(waiting) == 0 {
			return nil
		}
		return slices.MinFunc(waiting, func(a, b *slowJob) int {
			if before(a, b) {
				return -1
			}
			return 1
		})
	}
	slice := func(j *slowJob) int64 { return int64(l.Slice(j.class)) * cpuUnit }
	learn := func(now decide.Time) {
		l.Round(float64(busy) / (float64(cores) * float64(now-since)))
		since, busy = now, 0
		for round <= now {
			round += l.Every()
		}
		for _, j := range running {
			j.rank, j.used, j.slice = l.Rank(j.class), j.used%j.slice, slice(j)
			j.over = j.over || j.used >= j.slice
		}
		for _, j := range waiting {
			j.rank = l.Rank(j.class)
		}
	}
	for now, k := tasks[0].at, 0; k < len(tasks) || len(waiting)+len(running) > 0; now++ {
		for {
			if j := find(running, func(j *slowJob) bool { return j.left <= 0 }); j != nil {
				running, free = without(running, j), free+j.given
				l.Done(alps.Job{Class: j.class, Begin: j.at, CPU: decide.Time((j.had - j.floor) / cpuUnit)})
				done[j.id] = now
			} else if len(running) > 0 && now >= round {
				learn(now)
			} else if j := find(running, func(j *slowJob) bool { return j.over && first() != nil && before(first(), j) }); j != nil {
				running, free = without(running, j), free+j.given
				j.given = 0
				waiting = append(waiting, j)
			} else if k < len(tasks) && tasks[k].at == now {
				if now >= round {
					learn(now)
				}
				waiting = append(waiting, &slowJob{
					task: tasks[k], id: k, left: int64(tasks[k].work) * workUnit, rank: l.Rank(tasks[k].class), had: least, floor: least,
				})
				k++
			} else {
				break
			}
			free = top(running, free)
			for free > 0 && len(waiting) > 0 {
				j := first()
				waiting = without(waiting, j)
				least = max(least, j.had)
				free = top([]*slowJob{j}, free)
				j.used, j.slice, j.over = 0, slice(j), false
				running = append(running, j)
			}
		}
		busy += cores - free
		for _, j := range running {
			j.left -= j.progress()
			j.had += j.given
			j.used += j.given
			j.over = j.used/j.slice > (j.used-j.given)/j.slice
		}
	}
	return done
}

func TestALPSAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cores := rapid.SampledFrom([]int64{cpuUnit / 2, cpuUnit, 2 * cpuUnit, 5 * cpuUnit / 2}).Draw(t, "cores")
		tasks := drawTasks(t, cores)
		o := alps.DefaultOptions()
		o.Every = decide.Time(rapid.SampledFrom([]int{500, 2000, 1 << 30}).Draw(t, "every"))
		o.Recent = rapid.IntRange(1, 8).Draw(t, "recent")
		o.Check, o.MinSlice, o.MaxSlice = 8, decide.Time(rapid.IntRange(1, 50).Draw(t, "least")), 2000
		o.Theta = rapid.SampledFrom([]float64{0, 50, 100}).Draw(t, "theta")
		learner := func() *alps.Learner { return alps.NewLearner(4, float64(cores)/cpuUnit, 7, o) }
		p := newALPS(cores, learner(), func(id decide.RequestID) int32 { return tasks[id].class })
		got := play(t, p, tasks, func(present []int) {
			var demand, used int64
			for _, i := range present {
				demand += tasks[i].cpu
			}
			for _, j := range p.running {
				used += j.given
			}
			if p.free != cores-used || used != min(cores, demand) {
				t.Fatalf("%d of %d are used, the demand is %d", used, cores, demand)
			}
		})
		for i, want := range slowALPS(tasks, cores, learner()) {
			if got[i] != want {
				t.Fatalf("task %d of %+v is done at %d, the model says %d", i, tasks, got[i], want)
			}
		}
	})
}

// TestService: under every discipline all get what they ask for, no sooner than alone, and
// the last is done when the work is.
func TestService(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const cores = 2 * cpuUnit
		tasks := drawTasks(t, cores)
		for i := range tasks { // what one machine can do with them has no dead time
			tasks[i].cpu = cpuUnit
		}
		for _, sharing := range []string{PS, FIFO, SRPT, SFS, ALPS} {
			sh := policy.DefaultSharing(sharing)
			sh.SFS.Initial, sh.SFS.Floor, sh.SFS.Window = 100, 20, 5
			sh.ALPS.Every, sh.ALPS.MinSlice = 500, 10
			m := &machine{concurrency: 1, jobs: make([]job, len(tasks))}
			for i := range tasks {
				m.jobs[i].function = decide.FunctionID(tasks[i].class)
			}
			p := m.processors(&datasets.Trace{Functions: make([]datasets.Function, 4)}, sh, cores, 1)(0)
			if p == nil {
				p = &ps{cores: cores, rate: workUnit}
			}
			// Two cores are both busy while two jobs are there, and one while one is.
			var served, last decide.Time
			before := 0
			done := play(t, clocked{p, func(now decide.Time) {
				served += (now - last) * decide.Time(min(2, before))
				last = now
			}}, tasks, func(present []int) { before = len(present) })
			var asked decide.Time
			for i := range tasks {
				asked += tasks[i].work
				if done[i] < tasks[i].at+tasks[i].work {
					t.Fatalf("%s: task %d of %+v is done at %d", sharing, i, tasks, done[i])
				}
			}
			// Completions are at whole microseconds, rounded up.
			if served < asked || served > asked+decide.Time(4*len(tasks)) {
				t.Fatalf("%s: %d us of CPU were used for %d us of work", sharing, served, asked)
			}
		}
	})
}

// clocked tells the time of every call before it is made.
type clocked struct {
	processor
	tick func(now decide.Time)
}

func (c clocked) start(now decide.Time, id decide.RequestID, box decide.ContainerID, cpu int64, work decide.Time) decide.Time {
	c.tick(now)
	return c.processor.start(now, id, box, cpu, work)
}

func (c clocked) finish(now decide.Time) (decide.RequestID, decide.Time) {
	c.tick(now)
	return c.processor.finish(now)
}
