package forecast

import (
	"errors"
	"fmt"
	"math"
	"sort"
)

// An IAT is a histogram of the inter-arrival times of a function in minutes: the
// distances between the minutes in which it was invoked. It is exact and sparse, unlike
// the binned histogram of features/interarrival, which the keep-alive rule reads:
// rare functions are often timers of six or 24 hours, beyond its range, and there are
// tens of thousands of them with a handful of gaps each.
type IAT struct {
	Gap   []int32 `json:"gap"`   // minutes, >= 1, ascending
	Count []int32 `json:"count"` // of each gap, > 0
	// Rate is the share of minutes with an arrival, in [0, 1]: what the hazard shrinks to.
	Rate float64 `json:"rate"`
	// Batch is the mean count of the minutes with an arrival, >= 1.
	Batch float64 `json:"batch"`
}

// pseudo is the number of observations that the geometric distribution of the
// function's rate weighs as much as: with few gaps seen, arrivals are near random.
const pseudo = 2

// onlineGaps bounds the distinct gaps that are learned at run time.
const onlineGaps = 64

// unknownRate is the rate that a function without history shrinks to: once a day.
const unknownRate = 1.0 / 1440

// Validate reports whether the histogram can be used.
func (a *IAT) Validate() error {
	if len(a.Gap) != len(a.Count) {
		return fmt.Errorf("iat: %d gaps and %d counts", len(a.Gap), len(a.Count))
	}
	for i, g := range a.Gap {
		if g < 1 || i > 0 && g <= a.Gap[i-1] || a.Count[i] < 1 {
			return errors.New("iat: gaps must ascend from 1 and counts be positive")
		}
	}
	if !(a.Rate >= 0 && a.Rate <= 1) {
		return fmt.Errorf("iat: rate must be in [0, 1], got %g", a.Rate)
	}
	if !(a.Batch >= 1) || math.IsInf(a.Batch, 0) {
		return fmt.Errorf("iat: batch must be >= 1, got %g", a.Batch)
	}
	return nil
}

// An arrivals follows one function at run time.
type arrivals struct {
	hist   *IAT
	atAll  []int32 // number of gaps >= hist.Gap[i], one more than gaps
	online bool    // hist is the function's own and grows
	minute int64   // seen, while online
	sum    float64 // of counts, while online
	active int64   // minutes with arrivals, while online
	last   int     // last minute with an arrival
	any    bool
}

func newArrivals(hist *IAT) arrivals {
	if hist == nil {
		return arrivals{online: true}
	}
	a := arrivals{hist: hist}
	a.count()
	return a
}

// count sums the histogram from its end.
func (a *arrivals) count() {
	n := len(a.hist.Gap)
	if cap(a.atAll) < n+1 {
		a.atAll = make([]int32, n+1, max(n+1, onlineGaps+1))
	}
	a.atAll = a.atAll[:n+1]
	a.atAll[n] = 0
	for i := n - 1; i >= 0; i-- {
		a.atAll[i] = a.atAll[i+1] + a.hist.Count[i]
	}
}

// observe takes the count of a minute.
func (a *arrivals) observe(minute int, count float64) {
	if a.online {
		a.minute++
	}
	if !(count > 0) { // a missing minute counts as one without arrivals
		return
	}
	if a.online {
		if a.hist == nil {
			a.hist = &IAT{Gap: make([]int32, 0, onlineGaps), Count: make([]int32, 0, onlineGaps)}
		}
		a.sum += count
		a.active++
		a.hist.Batch = max(1, a.sum/float64(a.active))
		// One day at the unknown rate is added, so that a function that was just met is not
		// taken for one that is invoked every minute.
		a.hist.Rate = float64(a.active) / (float64(a.minute) + 1/unknownRate)
		if a.any {
			a.learn(int32(minute - a.last))
		}
		a.count()
	}
	a.last, a.any = minute, true
}

func (a *arrivals) learn(gap int32) {
	h := a.hist
	i := sort.Search(len(h.Gap), func(i int) bool { return h.Gap[i] >= gap })
	if i < len(h.Gap) && h.Gap[i] == gap {
		h.Count[i]++
		return
	}
	if len(h.Gap) == onlineGaps {
		return
	}
	h.Gap, h.Count = append(h.Gap, 0), append(h.Count, 0)
	copy(h.Gap[i+1:], h.Gap[i:])
	copy(h.Count[i+1:], h.Count[i:])
	h.Gap[i], h.Count[i] = gap, 1
}

// forecast is that of minute now. With g the minutes since the last arrival, N(g) the
// gaps of g minutes that were seen and r the rate, the hazard is
//
//	p = (N(g) + 2 r) / (sum_{k>=g} N(k) + 2)
//
// and the count is the batch with probability p, else 0.
func (a *arrivals) forecast(now int) Forecast {
	if a.hist == nil {
		return Forecast{}
	}
	p := a.hist.Rate
	if a.any {
		gap := int32(now - a.last)
		i := sort.Search(len(a.hist.Gap), func(i int) bool { return a.hist.Gap[i] >= gap })
		var n int32
		if i < len(a.hist.Gap) && a.hist.Gap[i] == gap {
			n = a.hist.Count[i]
		}
		p = (float64(n) + pseudo*p) / (float64(a.atAll[i]) + pseudo)
	}
	f := Forecast{Mean: p * a.hist.Batch}
	for _, q := range []struct {
		to   *float64
		prob float64
	}{{&f.Median, 0.5}, {&f.Q90, 0.9}, {&f.Q99, 0.99}} {
		if p > 1-q.prob {
			*q.to = a.hist.Batch
		}
	}
	return f
}
