package heap_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/internal/heap"
)

type number int

func (n number) Before(o number) bool { return n < o }

// TestHeapAgainstSlice: pushes and pops in any order are those of a sorted slice.
func TestHeapAgainstSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h heap.Heap[number]
		var model []number
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if len(model) > 0 && rapid.Bool().Draw(t, "pop") {
				slices.Sort(model)
				if got := h.Pop(); got != model[0] {
					t.Fatalf("pop is %d, want %d", got, model[0])
				}
				model = model[1:]
			} else {
				v := number(rapid.IntRange(-5, 5).Draw(t, "value"))
				h.Push(v)
				model = append(model, v)
			}
			if len(h) != len(model) {
				t.Fatalf("%d elements, want %d", len(h), len(model))
			}
		}
	})
}
