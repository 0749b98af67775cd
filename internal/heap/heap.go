// Package heap has a binary heap of values that order themselves. It is container/heap
// without the interface calls and without an allocation for each value, for paths that run
// once a request.
package heap

// A Heap has as its first element one that comes before all others. The zero value is an
// empty one. Equal values come in no particular order.
type Heap[T interface{ Before(T) bool }] []T

// Push adds e.
func (h *Heap[T]) Push(e T) {
	*h = append(*h, e)
	q := *h
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if !q[i].Before(q[up]) {
			break
		}
		q[i], q[up] = q[up], q[i]
		i = up
	}
}

// Pop takes the first element out of a heap that is not empty.
func (h *Heap[T]) Pop() T {
	q := *h
	top, last := q[0], len(q)-1
	e := q[last]
	*h = q[:last]
	if last > 0 {
		h.Replace(e)
	}
	return top
}

// Replace puts e in the place of the first element of a heap that is not empty.
func (h *Heap[T]) Replace(e T) {
	q := *h
	i := 0
	for {
		c := 2*i + 1
		if c >= len(q) {
			break
		}
		if c+1 < len(q) && q[c+1].Before(q[c]) {
			c++
		}
		if !q[c].Before(e) {
			break
		}
		q[i] = q[c]
		i = c
	}
	q[i] = e
}
