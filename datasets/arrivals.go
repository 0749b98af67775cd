package datasets

import (
	"context"
	"fmt"
	"iter"
	"time"
	"unsafe"

	"github.com/incendio-faas/incendio/internal/memory"
	"github.com/incendio-faas/incendio/internal/seed"
)

// A Placement says where in its minute an invocation lies of which only the minute is known.
type Placement uint8

// The placements.
const (
	Uniform     Placement = iota // independent and uniform
	Equidistant                  // the i-th of n at i/n of the minute, i from 0
	MinuteStart                  // all at the begin of the minute
)

// Arrivals is [Placed] with the placement Uniform.
func Arrivals(ctx context.Context, t *Trace, w Window, rnd uint64) iter.Seq2[Invocation, error] {
	return Placed(ctx, t, w, rnd, Uniform)
}

// Placed yields the invocations of t inside w in order of arrival (ties in order
// of function), for [InvocationSource]s as they were observed. Of other days only
// counts are known, and not where in a minute an invocation lay: that is for the
// placement to say. Uniform is what a Poisson process looks like once its count is
// known. Durations that were not observed are drawn from the
// function's execution times. All draws follow from rnd and from the position of
// the invocation in the trace alone, so every policy that is judged sees the same.
//
// One day of counts is held in memory at a time.
func Placed(ctx context.Context, t *Trace, w Window, rnd uint64, place Placement) iter.Seq2[Invocation, error] {
	return func(yield func(Invocation, error) bool) {
		d := drawer{t.Functions, seed.Key(rnd, "arrival"), seed.Key(rnd, "duration"), place}
		for day := w.From / MinutesPerDay; day*MinutesPerDay < w.To; day++ {
			if err := ctx.Err(); err != nil {
				yield(Invocation{}, err)
				return
			}
			if seq, ok := t.DayInvocations(ctx, day, w); ok {
				if !d.observed(seq, yield) {
					return
				}
				continue
			}
			c, err := t.Day(ctx, day)
			if err != nil {
				yield(Invocation{}, err)
				return
			}
			if !d.drawn(ctx, c, w, yield) {
				return
			}
		}
	}
}

// A drawer draws what a trace does not know of its invocations.
type drawer struct {
	functions          []Function
	arrivals, duration uint64 // keys
	place              Placement
}

// base is the number of the draw for the first invocation of f in the minute at of the
// trace: 2^20 invocations of one function in one minute have distinct draws.
func (d *drawer) base(f FunctionID, at int) uint64 { return (uint64(at)<<32 | uint64(f)) << 20 }

// within is where in its minute the i-th of n invocations lies.
func (d *drawer) within(base, i, n uint64) time.Duration {
	switch d.place {
	case Equidistant:
		return time.Duration(float64(i) / float64(n) * float64(time.Minute)).Truncate(Resolution)
	case MinuteStart:
		return 0
	}
	return time.Duration(seed.Uniform(d.arrivals, base+i) * float64(time.Minute)).Truncate(Resolution)
}

// durationOf draws the duration of the invocation with the given draw.
func (d *drawer) durationOf(f FunctionID, draw uint64) time.Duration {
	return d.functions[f].Execution.Quantile(seed.Uniform(d.duration, draw))
}

// drawn yields the invocations of a day of counts; it is false once yield is.
func (d *drawer) drawn(ctx context.Context, c *Counts, w Window, yield func(Invocation, error) bool) bool {
	var batch, spare []Invocation
	for m, cells := range byMinute(c) {
		batch = batch[:0]
		if err := d.fits(c.Day, cells, w); err != nil {
			yield(Invocation{}, err)
			return false
		}
		for _, cell := range cells {
			at := c.Day*MinutesPerDay + int(cell.minute)
			if at < w.From || at >= w.To {
				continue
			}
			base := d.base(cell.function, at)
			for i := range uint64(cell.count) {
				batch = append(batch, Invocation{
					Function: cell.function,
					Arrival:  time.Duration(at)*time.Minute + d.within(base, i, uint64(cell.count)),
					Duration: d.durationOf(cell.function, base+i),
				})
			}
		}
		// The cells of a minute are in order of function, and so stay those of equal arrivals.
		batch, spare = sortByArrival(batch, spare, time.Duration(c.Day*MinutesPerDay+m)*time.Minute)
		for _, inv := range batch {
			if !yield(inv, nil) {
				return false
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Invocation{}, err)
			return false
		}
	}
	return true
}

// fits refuses a minute whose invocations do not fit into memory.
func (d *drawer) fits(day int, cells []cell, w Window) error {
	var all, most int64
	var busiest cell
	for _, c := range cells {
		if at := day*MinutesPerDay + int(c.minute); at < w.From || at >= w.To {
			continue
		}
		if all += c.count; c.count > most {
			most, busiest = c.count, c
		}
	}
	// A slice grows by copying, and sorting takes another.
	const bytes = 3 * int64(unsafe.Sizeof(Invocation{}))
	if all < 1<<20 { // as nearly always
		return nil
	}
	f := d.functions[busiest.function]
	return memory.Check(float64(all)*float64(bytes), fmt.Sprintf("minute %d of the trace with %d invocations, %d of them of function %q,",
		day*MinutesPerDay+int(busiest.minute), all, most, f.Name))
}

// observed yields single invocations with durations for those that lack one, the n-th
// of a function in a minute getting the same draw as if only counts were known. It is
// false once yield is, and after an error.
func (d *drawer) observed(seq iter.Seq2[Invocation, error], yield func(Invocation, error) bool) bool {
	type place struct {
		at int // minute of the trace
		n  uint64
	}
	last := make([]place, len(d.functions))
	for inv, err := range seq {
		if err != nil {
			yield(Invocation{}, err)
			return false
		}
		if inv.Duration == Unknown {
			p, at := &last[inv.Function], int(inv.Arrival/time.Minute)
			if p.at != at {
				*p = place{at: at}
			}
			inv.Duration = d.durationOf(inv.Function, d.base(inv.Function, at)+p.n)
			p.n++
		}
		if !yield(inv, nil) {
			return false
		}
	}
	return true
}

// Rows yields the counts of all functions minute by minute, for the minutes [from, to)
// of the day: the minute of the day, and the counts in row, which has an element per
// function and is used again for the next minute.
func (c *Counts) Rows(from, to int, row []float64) iter.Seq2[int, []float64] {
	return func(yield func(int, []float64) bool) {
		minutes := byMinute(c)
		for m := from; m < to; m++ {
			clear(row)
			for _, cell := range minutes[m] {
				row[cell.function] = float64(cell.count)
			}
			if !yield(m, row) {
				return
			}
		}
	}
}

// A cell is one non-zero count.
type cell struct {
	function FunctionID
	minute   int32
	count    int64
}

// byMinute transposes a day's counts: the cells of each minute, in order of function.
func byMinute(c *Counts) [][]cell {
	var start [MinutesPerDay + 1]int
	for _, m := range c.Minute {
		start[m+1]++
	}
	for m := range MinutesPerDay {
		start[m+1] += start[m]
	}
	flat := make([]cell, len(c.Minute))
	next := start
	for f := range len(c.Offset) - 1 {
		minute, count := c.Function(FunctionID(f))
		for i, m := range minute {
			flat[next[m]] = cell{FunctionID(f), m, count[i]}
			next[m]++
		}
	}
	out := make([][]cell, MinutesPerDay)
	for m := range out {
		out[m] = flat[start[m]:start[m+1]]
	}
	return out
}
