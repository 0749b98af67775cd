package datasets

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestSortByArrival against a stable sort by comparisons, with ties and both ends of the minute.
func TestSortByArrival(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var spare []Invocation
	for _, n := range []int{0, 1, 2, 63, 64, 65, 500, 5000} {
		for _, spread := range []int64{1, 3, 1000, int64(time.Minute / Resolution)} {
			const minute = 1439 * time.Minute
			batch := make([]Invocation, n)
			for i := range batch {
				batch[i] = Invocation{FunctionID(i), minute + time.Duration(rnd.Int64N(spread))*Resolution, time.Duration(i)}
			}
			if n > 1 {
				batch[0].Arrival = minute + time.Minute - Resolution
			}
			want := slices.Clone(batch)
			slices.SortStableFunc(want, func(a, b Invocation) int { return cmp.Compare(a.Arrival, b.Arrival) })
			var got []Invocation
			if got, spare = sortByArrival(batch, spare, minute); !slices.Equal(got, want) {
				t.Fatalf("%d invocations over %d steps: %v, want %v", n, spread, got, want)
			}
		}
	}
}
