package datasets

import (
	"cmp"
	"slices"
	"time"
)

// sortByArrival sorts the invocations of one minute, which begins at the given time, by
// their arrival in steps of [Resolution], and leaves those of equal ones in their order.
// Spare is room to work in; the result is in one of the two, and the other is returned as
// the new spare.
//
// It is a radix sort of three digits. A minute of a busy trace has tens of thousands of
// invocations, and to sort them by comparisons took longer than to replay them.
func sortByArrival(batch, spare []Invocation, minute time.Duration) (sorted, other []Invocation) {
	const (
		digit  = 9 // bits: three of them hold the 6e7 microseconds of a minute
		digits = 3
		few    = 64 // below which the counts cost more than the comparisons
	)
	if len(batch) < few {
		slices.SortStableFunc(batch, func(a, b Invocation) int { return cmp.Compare(a.Arrival, b.Arrival) })
		return batch, spare
	}
	spare = slices.Grow(spare[:0], len(batch))[:len(batch)]
	for d := range digits {
		var next [1 << digit]int32
		place := func(inv *Invocation) uint64 {
			return uint64((inv.Arrival-minute)/Resolution) >> (d * digit) & (1<<digit - 1)
		}
		for i := range batch {
			next[place(&batch[i])]++
		}
		sum := int32(0)
		for k, n := range next {
			next[k] = sum
			sum += n
		}
		for i := range batch {
			k := place(&batch[i])
			spare[next[k]] = batch[i]
			next[k]++
		}
		batch, spare = spare, batch
	}
	return batch, spare
}
