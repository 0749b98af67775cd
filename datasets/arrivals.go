package datasets

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/internal/seed"
)

// Arrivals yields the invocations of t inside w in order of arrival (ties in order
// of function). A trace of counts does not know where in a minute an invocation
// lay: arrivals are independent and uniform inside their minute, which is what a
// Poisson process looks like once its count is known. Durations are drawn from the
// function's execution times. All draws follow from rnd and from the position of
// the invocation in the trace alone, so every policy that is judged sees the same.
//
// One day is held in memory at a time.
func Arrivals(ctx context.Context, t *Trace, w Window, rnd uint64) iter.Seq2[Invocation, error] {
	arrivalKey, durationKey := seed.Key(rnd, "arrival"), seed.Key(rnd, "duration")
	return func(yield func(Invocation, error) bool) {
		var batch []Invocation
		for day := w.From / MinutesPerDay; day*MinutesPerDay < w.To; day++ {
			c, err := t.Day(ctx, day)
			if err != nil {
				yield(Invocation{}, err)
				return
			}
			for _, cells := range byMinute(c) {
				batch = batch[:0]
				for _, cell := range cells {
					at := day*MinutesPerDay + int(cell.minute)
					if at < w.From || at >= w.To {
						continue
					}
					f := &t.Functions[cell.function]
					// 2^20 invocations of one function in one minute have distinct draws.
					base := (uint64(at)<<32 | uint64(cell.function)) << 20
					for i := range uint64(cell.count) {
						batch = append(batch, Invocation{
							Function: cell.function,
							Arrival: time.Duration(at)*time.Minute +
								time.Duration(seed.Uniform(arrivalKey, base+i)*float64(time.Minute)).Truncate(time.Microsecond),
							Duration: f.Execution.Quantile(seed.Uniform(durationKey, base+i)),
						})
					}
				}
				slices.SortStableFunc(batch, func(a, b Invocation) int {
					switch {
					case a.Arrival < b.Arrival:
						return -1
					case a.Arrival > b.Arrival:
						return 1
					}
					return int(a.Function) - int(b.Function)
				})
				for _, inv := range batch {
					if !yield(inv, nil) {
						return
					}
				}
				if err := ctx.Err(); err != nil {
					yield(Invocation{}, err)
					return
				}
			}
		}
	}
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
