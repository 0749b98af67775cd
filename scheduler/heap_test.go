package scheduler_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler"
)

// TestHeapAgainstSlice: pushes and pops in any order are those of a sorted slice.
func TestHeapAgainstSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h scheduler.Heap
		var model []int
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if len(model) > 0 && rapid.Bool().Draw(t, "pop") {
				slices.Sort(model)
				if got := h.Pop(); got != model[0] {
					t.Fatalf("pop is %d, want %d", got, model[0])
				}
				model = model[1:]
			} else {
				v := rapid.IntRange(-5, 5).Draw(t, "value")
				h.Push(v)
				model = append(model, v)
			}
			if h.Len() != len(model) {
				t.Fatalf("%d elements, want %d", h.Len(), len(model))
			}
		}
	})
}
