// Package interarrival is the model of a rare function, for which there is too little
// to fit trees on: a histogram of its inter-arrival times (IAT), their moments, and the
// chance of an arrival that they give for a minute.
//
// Time is in whole minutes. An inter-arrival time is the distance between a minute with
// arrivals and the next one, at least 1; how many came in a minute is the batch. The
// histogram is exact and sparse, where those of keep-alive policies (Shahrad et al.,
// "Serverless in the Wild", USENIX ATC 2020, Section 4.2) have 240 bins and a counter
// for what lies beyond: rare functions are often timers of six or 24 hours, which such a
// counter would make one of, and there are tens of thousands of them with a handful of
// inter-arrival times each.
//
// A [Histogram] is what is known of a function, and what a bundle carries. A [Follower]
// goes with the function through time and tells the chance of an arrival; it learns a
// histogram of its own for a function that nothing is known of.
package interarrival

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
)

// A Histogram counts the inter-arrival times of a function.
type Histogram struct {
	Gap   []int32 `json:"gap"`   // inter-arrival times, minutes, >= 1, ascending
	Count []int32 `json:"count"` // of each gap, > 0
	// Rate is the share of minutes with an arrival, in [0, 1]: what the chance shrinks to.
	Rate float64 `json:"rate"`
	// Batch is the mean count of the minutes with an arrival, >= 1.
	Batch float64 `json:"batch"`
}

// New returns the histogram of a function that was watched for span minutes, > 0, and
// invoked count[i] times, > 0, in minute[i]; minutes ascend, those without arrivals are
// left out. The lengths must be equal. A function without arrivals has no gaps, a rate
// of 0 and a batch of 1.
func New(minute []int32, count []float32, span int) *Histogram {
	if len(minute) != len(count) {
		panic(fmt.Sprintf("interarrival: %d minutes and %d counts", len(minute), len(count)))
	}
	h := &Histogram{Gap: []int32{}, Count: []int32{}, Batch: 1}
	if len(minute) == 0 {
		return h
	}
	gaps := make([]int32, 0, len(minute)-1)
	for i := 1; i < len(minute); i++ {
		gaps = append(gaps, minute[i]-minute[i-1])
	}
	slices.Sort(gaps)
	for _, g := range gaps {
		if n := len(h.Gap); n > 0 && h.Gap[n-1] == g {
			h.Count[n-1]++
			continue
		}
		h.Gap, h.Count = append(h.Gap, g), append(h.Count, 1)
	}
	var sum float64
	for _, c := range count {
		sum += float64(c)
	}
	h.Rate = float64(len(minute)) / float64(span)
	h.Batch = max(1, sum/float64(len(minute)))
	return h
}

// Validate reports whether h can be used.
func (h *Histogram) Validate() error {
	if len(h.Gap) != len(h.Count) {
		return fmt.Errorf("interarrival: gap and count must be of equal length, got %d and %d", len(h.Gap), len(h.Count))
	}
	for i, g := range h.Gap {
		if g < 1 || i > 0 && g <= h.Gap[i-1] || h.Count[i] < 1 {
			return errors.New("interarrival: gaps must ascend from 1 and counts be positive")
		}
	}
	if !(h.Rate >= 0 && h.Rate <= 1) {
		return fmt.Errorf("interarrival: rate must be in [0, 1], got %g", h.Rate)
	}
	if !(h.Batch >= 1) || math.IsInf(h.Batch, 0) {
		return fmt.Errorf("interarrival: batch must be finite and >= 1, got %g", h.Batch)
	}
	return nil
}

// find returns the position of gap, or where it would stand, and its count.
func (h *Histogram) find(gap int32) (at int, count int32) {
	at = sort.Search(len(h.Gap), func(i int) bool { return h.Gap[i] >= gap })
	if at < len(h.Gap) && h.Gap[at] == gap {
		count = h.Count[at]
	}
	return at, count
}

// Moments describe inter-arrival times.
type Moments struct {
	N         int64   // how many
	Mean      float64 // minutes
	Deviation float64 // standard deviation of those seen, divisor N, minutes
}

// Moments returns those of h; zeros if it has no gaps.
func (h *Histogram) Moments() Moments {
	// Sums of whole numbers: exact up to 2^53, whatever the order.
	var n, sum, squares float64
	for i, g := range h.Gap {
		c, v := float64(h.Count[i]), float64(g)
		n += c
		sum += c * v
		squares += c * v * v
	}
	if n == 0 {
		return Moments{}
	}
	mean := sum / n
	return Moments{N: int64(n), Mean: mean, Deviation: math.Sqrt(max(0, squares/n-mean*mean))}
}

// CV is the coefficient of variation: 0 of a timer, about 1 of arrivals at random; 0
// without inter-arrival times.
func (m Moments) CV() float64 {
	if m.N == 0 {
		return 0
	}
	return m.Deviation / m.Mean
}
