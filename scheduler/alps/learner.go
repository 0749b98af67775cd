package alps

import (
	"cmp"
	"slices"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A Learner keeps the table of one machine up to date with what is executed there.
type Learner struct {
	*Table
	keep  float64 // share of invocations that are simulated: one core's
	key   uint64
	n     uint64
	last  []Job // that completed last, from head where it is full
	head  int
	fresh bool // some of them since the last round
	stats []Stats
	fixed bool
}

// NewLearner returns the learner of a machine with that many cores, > 0. The key
// (package seed) draws one core's part of the load.
func NewLearner(classes int, cores float64, key uint64, o Options) *Learner {
	return &Learner{
		Table: NewTable(classes, o), keep: 1 / max(1, cores), key: key,
		stats: make([]Stats, classes),
	}
}

// Fixed returns a learner that schedules by t, which was learned before, and learns
// nothing: only the use of the CPU changes its slices. It has a copy of t.
func Fixed(t *Table) *Learner {
	own := *t
	own.classes, own.known = slices.Clone(t.classes), slices.Clone(t.known)
	return &Learner{Table: &own, fixed: true}
}

// Every is the time between rounds.
func (l *Learner) Every() decide.Time { return l.opts.Every }

// Done counts an invocation that has completed.
func (l *Learner) Done(j Job) {
	if l.fixed {
		return
	}
	l.n++
	if seed.Uniform(l.key, l.n) >= l.keep {
		return
	}
	l.fresh = true
	if len(l.last) < l.opts.Recent {
		l.last = append(l.last, j)
		return
	}
	l.last[l.head] = j
	l.head = (l.head + 1) % len(l.last)
}

// Round learns from the last Options.Recent invocations that were kept, if there is a
// new one among them; used is the share of the CPU that was used since the last round,
// in [0, 1].
func (l *Learner) Round(used float64) {
	if !l.fresh {
		l.Use(used)
		return
	}
	jobs := slices.Concat(l.last[l.head:], l.last[:l.head])
	slices.SortStableFunc(jobs, func(a, b Job) int { return cmp.Compare(a.Begin, b.Begin) })
	clear(l.stats)
	Simulate(jobs, l.opts.Check, func(class int32, length decide.Time) { l.stats[class].Add(float64(length)) })
	l.fresh = false
	l.Learn(l.stats, used)
}
