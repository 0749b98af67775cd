package sim

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestTournament against a search through all invokers.
func TestTournament(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 7, 8, 9, 64, 65, 600}).Draw(t, "invokers")
		times := make([]decide.Time, n)
		for i := range times {
			times[i] = decide.Forever
		}
		tree := newTournament(n)
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			i := rapid.IntRange(0, n-1).Draw(t, "invoker")
			times[i] = rapid.SampledFrom([]decide.Time{0, 1, 2, 3, 50, decide.Forever}).Draw(t, "at")
			tree.set(decide.InvokerID(i), times[i])
			first := 0
			for k, at := range times {
				if at < times[first] {
					first = k
				}
			}
			if tree.at() != times[first] || times[first] < decide.Forever && tree.top() != decide.InvokerID(first) {
				t.Fatalf("%v: first is %d at %d, want %d", times, tree.top(), tree.at(), first)
			}
		}
	})
}
