package policy

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestRingIsConsistent: without a member every function meets the others in the same order, so
// that only what was the member's moves; and all are met.
func TestRingIsConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, vnodes := rapid.IntRange(2, 20).Draw(t, "members"), rapid.IntRange(1, 5).Draw(t, "vnodes")
		var all []decide.InvokerID
		for i := range decide.InvokerID(n) {
			all = append(all, i)
		}
		gone := decide.InvokerID(rapid.IntRange(0, n-1).Draw(t, "gone"))
		with := newRing(all, vnodes)
		without := newRing(slices.DeleteFunc(slices.Clone(all), func(i decide.InvokerID) bool { return i == gone }), vnodes)
		for x := range uint64(50) {
			before, after := slices.Collect(with.from(x)), slices.Collect(without.from(x))
			if len(before) != n || len(after) != n-1 {
				t.Fatalf("of %d members %v are met, without %d %v", n, before, gone, after)
			}
			if before = slices.DeleteFunc(before, func(i decide.InvokerID) bool { return i == gone }); !slices.Equal(before, after) {
				t.Fatalf("function %d: %v, without %d %v", x, before, gone, after)
			}
		}
	})
}
