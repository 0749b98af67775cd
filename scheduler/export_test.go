package scheduler

// What tests outside the package try alone.
var (
	Worthwhile = worthwhile
	NewGuard   = newGuard
)

// A Heap is a minHeap of numbers.
type Heap struct{ h minHeap[number] }

type number int

func (n number) Before(o number) bool { return n < o }

func (h *Heap) Push(v int) { h.h.push(number(v)) }
func (h *Heap) Pop() int   { return int(h.h.pop()) }
func (h *Heap) Len() int   { return len(h.h) }
