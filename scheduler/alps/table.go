package alps

import (
	"cmp"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A Table says how a machine shall schedule: the class with the lowest rank first, each
// for its slice at a time.
type Table struct {
	opts    Options
	classes []learned // by class
	known   []int32   // classes in order of their ranks
	middle  int32     // rank of a class that was never seen
	used    float64   // share of the CPU, for the penalty
}

// learned is what a table knows of a class.
type learned struct {
	mean   float64     // stretch, core us; 0 and rank 0: never seen
	smooth float64     // slice before it is bounded by others
	rank   int32       // from 1
	slice  decide.Time // bounded, before the penalty
	now    decide.Time // after the penalty
}

// NewTable returns a table of the classes 0 to classes-1, of which none was seen.
func NewTable(classes int, o Options) *Table {
	return &Table{opts: o, classes: make([]learned, classes)}
}

// Rank of a class, the lowest is served first.
func (t *Table) Rank(class int32) int32 {
	if r := t.classes[class].rank; r > 0 {
		return r
	}
	return t.middle
}

// Slice is how much CPU a class gets at a time, in core microseconds.
func (t *Table) Slice(class int32) decide.Time {
	if c := &t.classes[class]; c.rank > 0 {
		return c.now
	}
	return t.opts.MinSlice
}

// Learn takes in the stretches of a round by class, those without any counting as not
// seen, and the share of the CPU that was used, in [0, 1].
func (t *Table) Learn(round []Stats, used float64) {
	for k := range t.classes {
		s := &round[k]
		if s.N == 0 {
			continue
		}
		c := &t.classes[k]
		slice := max(0, min(float64(t.opts.MaxSlice), t.opts.Alpha*s.Mean)-t.opts.Beta*s.Std())
		if c.rank > 0 {
			slice = t.opts.Smooth*slice + (1-t.opts.Smooth)*c.smooth
		} else {
			t.known = append(t.known, int32(k))
		}
		c.mean, c.smooth, c.rank = s.Mean, slice, 1
	}
	t.order()
	t.Use(used)
}

// order ranks the classes and bounds the slice of each by that of the one before.
// Classes with the same mean share a rank, and the smaller slice.
func (t *Table) order() {
	slices.SortFunc(t.known, func(a, b int32) int {
		return cmp.Or(cmp.Compare(t.classes[a].mean, t.classes[b].mean), cmp.Compare(a, b))
	})
	rank, least := int32(0), float64(t.opts.MaxSlice)
	for i := 0; i < len(t.known); {
		mean, end := t.classes[t.known[i]].mean, i
		for end < len(t.known) && t.classes[t.known[end]].mean == mean {
			least = min(least, t.classes[t.known[end]].smooth)
			end++
		}
		rank++
		for ; i < end; i++ {
			c := &t.classes[t.known[i]]
			c.rank, c.slice = rank, max(t.opts.MinSlice, decide.Time(least))
		}
	}
	t.middle = (rank + 1) / 2
}

// Use sets the share of the CPU that was used lately, in [0, 1]: slices are shortened
// on a busy machine.
func (t *Table) Use(used float64) {
	t.used = used
	p := t.opts.penalty(used)
	for _, k := range t.known {
		c := &t.classes[k]
		c.now = max(t.opts.MinSlice, decide.Time(p*float64(c.slice)))
	}
}
