package synthetic

import (
	"cmp"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
)

// An application is functions that belong together.
type application struct {
	owner, name string
	memory      int64 // bytes
	first, size int   // its functions are first, first+1, …
}

// A draft is what is known of a function before its trigger.
type draft struct {
	app      int
	rate     float64 // invocations per minute
	follows  bool    // the function before it invokes it
	chance   float64 // with which it does
	trigger  datasets.Trigger
	assigned bool
}

// Timers fire at most once a second and at least once in two weeks; unless they are
// among the busiest functions, at most once a minute.
const (
	fastestTimer = 60.0
	usualTimer   = 1.4 // nearer to 1 than to 2
	slowestTimer = 1.0 / (14 * datasets.MinutesPerDay)
)

// busiestFunctions and busiestInvocations bound the functions whose trigger follows from
// the shares of invocations: a few make nearly all of them.
const (
	busiestFunctions   = 0.05
	busiestInvocations = 0.97
)

// A quota hands out classes so that their weights stay close to their shares.
type quota struct {
	share []float64
	have  []float64
	total float64
}

// newQuota hands out classes by their shares, which it scales to a sum of 1.
func newQuota[T any](classes []T, share func(T) float64) *quota {
	q := &quota{share: make([]float64, len(classes)), have: make([]float64, len(classes))}
	var sum float64
	for _, c := range classes {
		sum += share(c)
	}
	for i, c := range classes {
		q.share[i] = share(c) / sum
	}
	return q
}

// short returns the class among those allowed that lacks most of its share, with what
// weighs w given out next; -1 if none is allowed.
func (q *quota) short(w float64, allowed func(class int) bool) int {
	best, lack := -1, 0.0
	for c, s := range q.share {
		if d := s*(q.total+w) - q.have[c]; allowed(c) && (best < 0 || d > lack) {
			best, lack = c, d
		}
	}
	return best
}

func (q *quota) take(class int, w float64) {
	q.have[class] += w
	q.total += w
}

// triggerDraw gives every function a trigger, so that the shares of functions, of
// invocations and of mixes within applications are close to those published.
type triggerDraw struct {
	drafts    []draft
	apps      []application
	functions *quota    // by trigger, a function weighs 1
	mix       [2]*quota // of applications with one function and with several
}

func drawTriggers(apps []application, drafts []draft, rnd uint64) {
	d := &triggerDraw{
		drafts: drafts, apps: apps,
		functions: newQuota(triggers, func(t triggerShare) float64 { return t.functions }),
		mix: [2]*quota{
			newQuota(mixes, func(m mix) float64 { return m.one }),
			newQuota(mixes, func(m mix) float64 { return m.several }),
		},
	}
	d.busiest(newQuota(triggers, func(t triggerShare) float64 { return t.invocations }))
	for _, app := range seed.Stream(rnd, "synthetic/triggers").Perm(len(apps)) {
		d.application(&apps[app])
	}
}

// busiest gives triggers to the busiest functions, by the shares of invocations.
func (d *triggerDraw) busiest(invocations *quota) {
	order := make([]int, len(d.drafts))
	var sum float64
	for i := range order {
		order[i] = i
		sum += d.drafts[i].rate
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(d.drafts[b].rate, d.drafts[a].rate) })
	for _, f := range order[:int(busiestFunctions*float64(len(order)))] {
		if invocations.total > busiestInvocations*sum {
			return
		}
		x := &d.drafts[f]
		// Against the whole sum, not against what was given out so far: otherwise the
		// largest function would overdraw whichever share it comes from.
		class := invocations.short(sum-invocations.total, func(c int) bool { return x.may(triggers[c].trigger, fastestTimer) })
		invocations.take(class, x.rate)
		d.assign(f, class)
	}
}

// may reports whether the function can have the trigger, a timer if it is no faster
// than a limit.
func (x *draft) may(t datasets.Trigger, limit float64) bool {
	switch {
	case x.follows:
		return t == datasets.Orchestration || t == datasets.Queue
	case t == datasets.Timer:
		return x.rate <= limit && x.rate >= slowestTimer
	}
	return true
}

func (d *triggerDraw) assign(f, class int) {
	d.drafts[f].trigger, d.drafts[f].assigned = triggers[class].trigger, true
	d.functions.take(class, 1)
}

// application draws the mix of an application and then the triggers that its functions
// lack.
func (d *triggerDraw) application(a *application) {
	quota := d.mix[min(a.size-1, 1)]
	class := quota.short(1, func(c int) bool { return d.feasible(a, mixes[c]) })
	if class < 0 { // only for the busiest: a fast timer beside one that cannot be a timer
		class = len(mixes) - 1
	}
	quota.take(class, 1)
	m := mixes[class]
	for _, need := range m.groups() {
		if d.count(a, need) == 0 {
			d.fill(a, 1, func(t datasets.Trigger) bool { return groupOf(t) == need })
		}
	}
	d.fill(a, a.size, m.has)
	d.fill(a, a.size, func(datasets.Trigger) bool { return true })
}

// fill assigns up to n functions of a the triggers that has allows and that lack most.
func (d *triggerDraw) fill(a *application, n int, has func(datasets.Trigger) bool) {
	for f := a.first; f < a.first+a.size && n > 0; f++ {
		x := &d.drafts[f]
		if x.assigned {
			continue
		}
		class := d.functions.short(1, func(c int) bool { return has(triggers[c].trigger) && x.may(triggers[c].trigger, usualTimer) })
		if class >= 0 {
			d.assign(f, class)
			n--
		}
	}
}

// A group is what the mixes tell apart.
type group int

const (
	timerGroup group = iota // first, because not every function can be one
	httpGroup
	otherGroup
)

func groupOf(t datasets.Trigger) group {
	switch t {
	case datasets.HTTP:
		return httpGroup
	case datasets.Timer:
		return timerGroup
	}
	return otherGroup
}

// groups are those that an application of the mix must have.
func (m mix) groups() []group {
	var out []group
	for g, is := range []bool{timerGroup: m.timer, httpGroup: m.http, otherGroup: m.other} {
		if is {
			out = append(out, group(g))
		}
	}
	return out
}

// has reports whether an application of the mix can have the trigger.
func (m mix) has(t datasets.Trigger) bool {
	g := groupOf(t)
	return g == httpGroup && m.http || g == timerGroup && m.timer || g == otherGroup && (m.other || m.http && m.timer)
}

// count is how many functions of a have triggers of a group.
func (d *triggerDraw) count(a *application, g group) int {
	n := 0
	for _, x := range d.drafts[a.first : a.first+a.size] {
		if x.assigned && groupOf(x.trigger) == g {
			n++
		}
	}
	return n
}

// feasible reports whether a can become an application of the mix.
func (d *triggerDraw) feasible(a *application, m mix) bool {
	free := 0
	var could [3]int // unassigned functions that can be of each group
	for _, x := range d.drafts[a.first : a.first+a.size] {
		if x.assigned {
			if !m.has(x.trigger) {
				return false
			}
			continue
		}
		free++
		can := false
		for _, t := range triggers {
			if m.has(t.trigger) && x.may(t.trigger, usualTimer) {
				can = true
				could[groupOf(t.trigger)]++
			}
		}
		if !can {
			return false
		}
	}
	need := 0
	for _, g := range m.groups() {
		if d.count(a, g) == 0 {
			need++
			if could[g] == 0 {
				return false
			}
		}
	}
	return need <= free
}
