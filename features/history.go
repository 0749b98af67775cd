package features

import "math"

// blockMinutes is the number of minutes under one node of the tree of maxima: a
// query scans fewer than two blocks and climbs a tree 32 times smaller than the ring.
const blockMinutes = 32

// A History is what is known of one function before minute Now: the counts of the
// last minutes in a ring, with sums and maxima kept up to date. It is not safe for
// concurrent use.
type History struct {
	now      int // the first minute that is not known
	start    int // the first minute that is known, were the ring endless
	capacity int // minutes kept

	count []float64 // ring: count[t%len]; whole blocks
	sum   []float64 // ring: sum of the known counts before t since start
	known []int32   // ring: number of the known counts before t since start, modulo 2^32
	peak  []float64 // maxima: node 1 is the root, leaves are the blocks of count

	total      float64
	totalKnown int32

	lastActive     int // last minute with an arrival
	previousActive int // the one before it
	active         int // minutes with arrivals, up to 2
}

// NewHistory returns an empty history that keeps the last capacity minutes, at
// least 1, and begins at minute 0.
func NewHistory(capacity int) *History {
	capacity = max(capacity, 1)
	blocks := (capacity + 1 + blockMinutes - 1) / blockMinutes
	n := blocks * blockMinutes
	h := &History{
		capacity: capacity,
		count:    make([]float64, n),
		sum:      make([]float64, n),
		known:    make([]int32, n),
		peak:     make([]float64, 2*blocks),
	}
	h.Reset(0)
	return h
}

// Reset forgets everything: the next minute appended is from. It must not be negative.
func (h *History) Reset(from int) {
	h.now, h.start = from, from
	h.total, h.totalKnown = 0, 0
	h.active = 0
	for i := range h.count {
		h.count[i] = math.NaN()
	}
	for i := range h.peak {
		h.peak[i] = math.NaN()
	}
}

// Append records the count of minute Now, NaN if it is missing, and advances Now.
// Sums are exact as long as counts are whole numbers and add up to less than 2^53.
func (h *History) Append(count float64) {
	n := len(h.count)
	i := h.now % n
	h.count[i], h.sum[i], h.known[i] = count, h.total, h.totalKnown
	if !math.IsNaN(count) {
		h.total += count
		h.totalKnown++
	}
	h.raise(i / blockMinutes)
	if count > 0 {
		h.previousActive, h.lastActive = h.lastActive, h.now
		h.active = min(h.active+1, 2)
	}
	h.now++
}

// raise recomputes the maxima above a block.
func (h *History) raise(block int) {
	m := math.NaN()
	for _, c := range h.count[block*blockMinutes : (block+1)*blockMinutes] {
		m = larger(m, c)
	}
	i := block + len(h.peak)/2
	h.peak[i] = m
	for i > 1 {
		i /= 2
		h.peak[i] = larger(h.peak[2*i], h.peak[2*i+1])
	}
}

// larger is the larger of two values, of which NaN is none.
func larger(a, b float64) float64 {
	if a > b || b != b {
		return a
	}
	return b
}

// Now is the first minute that is not known.
func (h *History) Now() int { return h.now }

// Len is the number of minutes kept, missing ones included.
func (h *History) Len() int { return min(h.now-h.start, h.capacity) }

// Lag is the count of minute Now-k, k >= 1; NaN if it is missing or not kept.
func (h *History) Lag(k int) float64 {
	if k < 1 || k > h.Len() {
		return math.NaN()
	}
	return h.count[(h.now-k)%len(h.count)]
}

// Sum is the sum of the last k minutes, or of those kept if they are fewer, without
// the missing ones. It takes constant time.
func (h *History) Sum(k int) float64 {
	k = min(k, h.Len())
	if k < 1 {
		return 0
	}
	return h.total - h.sum[(h.now-k)%len(h.sum)]
}

// Known is the number of counts in the last k minutes that are kept and not missing.
func (h *History) Known(k int) int {
	k = min(k, h.Len())
	if k < 1 {
		return 0
	}
	return int(h.totalKnown - h.known[(h.now-k)%len(h.known)])
}

// Mean is the mean of the last k minutes that are known; NaN if none is.
func (h *History) Mean(k int) float64 {
	if n := h.Known(k); n > 0 {
		return h.Sum(k) / float64(n)
	}
	return math.NaN()
}

// Max is the largest count of the last k minutes that are known; NaN if none is.
// It takes time logarithmic in k.
func (h *History) Max(k int) float64 {
	k = min(k, h.Len())
	if k < 1 {
		return math.NaN()
	}
	n := len(h.count)
	from, to := (h.now-k)%n, (h.now-1)%n+1
	if from < to {
		return h.maxRange(from, to)
	}
	return larger(h.maxRange(from, n), h.maxRange(0, to))
}

// maxRange is the maximum of count[from:to].
func (h *History) maxRange(from, to int) float64 {
	m := math.NaN()
	a, b := (from+blockMinutes-1)/blockMinutes, to/blockMinutes // whole blocks
	if a >= b {
		for _, c := range h.count[from:to] {
			m = larger(m, c)
		}
		return m
	}
	for _, c := range h.count[from : a*blockMinutes] {
		m = larger(m, c)
	}
	for _, c := range h.count[b*blockMinutes : to] {
		m = larger(m, c)
	}
	for l, r := a+len(h.peak)/2, b+len(h.peak)/2; l < r; l, r = l/2, r/2 {
		if l&1 == 1 {
			m = larger(m, h.peak[l])
			l++
		}
		if r&1 == 1 {
			r--
			m = larger(m, h.peak[r])
		}
	}
	return m
}

// ZeroRun is the number of minutes since the last one with an arrival, or since the
// start if there was none; it may exceed the minutes kept. A missing minute counts
// as one without arrivals.
func (h *History) ZeroRun() int {
	if h.active == 0 {
		return h.now - h.start
	}
	return h.now - 1 - h.lastActive
}

// LastIAT is the number of minutes between the last two minutes with arrivals; NaN
// if there were fewer than two.
func (h *History) LastIAT() float64 {
	if h.active < 2 {
		return math.NaN()
	}
	return float64(h.lastActive - h.previousActive)
}
