package sim

import (
	"context"
	"sort"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A future knows the arrivals of a workload, 8 bytes each; they are collected when a
// policy asks for the first time, so that others do not pay for it.
type future struct {
	ctx      context.Context
	trace    *datasets.Trace
	workload *Workload
	err      error // of collecting

	arrivals [][]decide.Time // by function, ascending
	at       []int           // by function: where the last answer lay
}

func (p *future) collect() {
	p.arrivals = make([][]decide.Time, len(p.trace.Functions))
	p.at = make([]int, len(p.trace.Functions))
	p.err = p.workload.each(p.ctx, p.trace, func(_ uint64, r request) error {
		p.arrivals[r.function] = append(p.arrivals[r.function], r.arrival)
		return nil
	})
}

// after is how many arrivals of f there are up to the given time. Calls mostly go
// forward, so it looks from where the last one ended, in steps that double.
func (p *future) after(f decide.FunctionID, at decide.Time) int {
	if p.arrivals == nil {
		p.collect()
	}
	list := p.arrivals[f]
	low := p.at[f]
	if low > 0 && list[low-1] > at {
		low = 0
	}
	high := low
	for step := 1; high < len(list) && list[high] <= at; step *= 2 {
		low, high = high+1, high+step
	}
	high = min(high, len(list))
	n := low + sort.Search(high-low, func(i int) bool { return list[low+i] > at })
	p.at[f] = n
	return n
}

// NextArrival implements decide.Future.
func (p *future) NextArrival(f decide.FunctionID, at decide.Time) decide.Time {
	n := p.after(f, at)
	if n == len(p.arrivals[f]) {
		return decide.Forever
	}
	return p.arrivals[f][n]
}

// Arrivals implements decide.Future.
func (p *future) Arrivals(f decide.FunctionID, from, to decide.Time) int {
	last := p.after(f, max(from, to))
	return last - p.after(f, from) // where the next question is likely to begin
}
