package datasets

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/internal/seed"
)

// each calls do with every non-zero count of t inside w, by day, function and minute.
func (t *Trace) each(ctx context.Context, w Window, do func(f FunctionID, minute int, count int64)) error {
	for day := w.From / MinutesPerDay; day*MinutesPerDay < w.To; day++ {
		c, err := t.Day(ctx, day)
		if err != nil {
			return err
		}
		for f := range FunctionID(len(t.Functions)) {
			minute, count := c.Function(f)
			for i, m := range minute {
				if at := day*MinutesPerDay + int(m); at >= w.From && at < w.To {
					do(f, at, count[i])
				}
			}
		}
	}
	return nil
}

// Invocations is the number of invocations inside w.
func (t *Trace) Invocations(ctx context.Context, w Window) (int64, error) {
	var sum int64
	err := t.each(ctx, w, func(_ FunctionID, _ int, n int64) { sum += n })
	return sum, err
}

// Totals returns the number of invocations of each function inside w.
func (t *Trace) Totals(ctx context.Context, w Window) ([]int64, error) {
	totals := make([]int64, len(t.Functions))
	err := t.each(ctx, w, func(f FunctionID, _ int, n int64) { totals[f] += n })
	return totals, err
}

// Rates returns the mean number of invocations per minute of each function inside w, over
// the minutes that were observed.
func (t *Trace) Rates(ctx context.Context, w Window) ([]float64, error) {
	rates := make([]float64, len(t.Functions))
	err := t.each(ctx, w, func(f FunctionID, _ int, n int64) { rates[f] += float64(n) })
	minutes := max(1, t.Observed(w))
	for f := range rates {
		rates[f] /= float64(minutes)
	}
	return rates, err
}

// Sample cuts w into windows of a length in minutes, from its start on, and returns up
// to n of those with invocations, in order of time: half of them the busiest, the others
// drawn at random. A length beyond that of w is cut to it. It is an error if w has no
// invocations.
func (t *Trace) Sample(ctx context.Context, w Window, n, length int, rnd uint64) ([]Window, error) {
	length = min(length, w.Len())
	if n < 1 || length < 1 {
		return nil, fmt.Errorf("sample %d windows of %d minutes from %v: must be at least one of one", n, length, w)
	}
	total := make([]int64, w.Len()/length)
	err := t.each(ctx, w, func(_ FunctionID, minute int, count int64) {
		if i := (minute - w.From) / length; i < len(total) {
			total[i] += count
		}
	})
	if err != nil {
		return nil, err
	}
	var order []int
	for i, n := range total {
		if n > 0 {
			order = append(order, i)
		}
	}
	if len(order) == 0 {
		return nil, fmt.Errorf("minutes %v of trace %q have no invocations", w, t.Name)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(total[b], total[a]) })
	n = min(n, len(order))
	rest := order[(n+1)/2:]
	src := seed.Stream(rnd, fmt.Sprintf("windows %v", w))
	src.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	chosen := order[:n]
	slices.Sort(chosen)
	out := make([]Window, n)
	for i, c := range chosen {
		from := w.From + c*length
		out[i] = Window{from, from + length}
	}
	return out, nil
}
