package scheduler

// A minHeap is a binary heap of values that order themselves.
type minHeap[T interface{ Before(T) bool }] []T

func (h *minHeap[T]) push(e T) {
	*h = append(*h, e)
	q := *h
	for i := len(q) - 1; i > 0; {
		p := (i - 1) / 2
		if !q[i].Before(q[p]) {
			break
		}
		q[i], q[p] = q[p], q[i]
		i = p
	}
}

func (h *minHeap[T]) pop() T {
	q := *h
	top, last := q[0], len(q)-1
	e := q[last]
	*h = q[:last]
	if last > 0 {
		h.replace(e)
	}
	return top
}

// replace puts e in the place of the first value.
func (h *minHeap[T]) replace(e T) {
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
