package interarrival

import (
	"slices"

	"github.com/incendio-faas/incendio/internal/codec"
)

// pseudo is the number of observations that the geometric distribution of the
// function's rate weighs as much as: with few gaps seen, arrivals are near random.
const pseudo = 2

// learned bounds the distinct gaps of a histogram that grows; once there are so many,
// a new one is not counted, so that following a function takes bounded memory.
const learned = 64

// unknownRate is the rate that a function without history shrinks to: once a day.
const unknownRate = 1.0 / 1440

// A Follower goes with one function through time. It is not safe for concurrent use;
// several can follow the same Histogram.
type Follower struct {
	hist    *Histogram // nil of a function that has not been invoked
	atLeast []int64    // number of gaps >= hist.Gap[i], one more than gaps
	last    int        // last minute with an arrival
	any     bool       // whether there was one

	// Of a histogram that is the function's own and grows.
	online  bool
	minutes int64   // seen
	active  int64   // minutes with arrivals
	sum     float64 // of counts
}

// Follow returns a Follower of a function with the histogram h, which must be valid and
// is not changed; nil for one that nothing is known of.
func Follow(h *Histogram) Follower {
	if h == nil {
		return Follower{online: true}
	}
	f := Follower{hist: h, atLeast: make([]int64, len(h.Gap)+1)}
	f.accumulate()
	return f
}

// accumulate sums the histogram from its end.
func (f *Follower) accumulate() {
	n := len(f.hist.Gap)
	f.atLeast = f.atLeast[:n+1]
	f.atLeast[n] = 0
	for i := n - 1; i >= 0; i-- {
		f.atLeast[i] = f.atLeast[i+1] + int64(f.hist.Count[i])
	}
}

// Observe takes the count of a minute; minutes ascend. A missing count (NaN) is taken
// for a minute without arrivals. It does not allocate, except for the first arrival of
// a function that nothing was known of.
func (f *Follower) Observe(minute int, count float64) {
	if f.online {
		f.minutes++
	}
	if !(count > 0) {
		return
	}
	if f.online {
		f.learn(minute, count)
	}
	f.last, f.any = minute, true
}

func (f *Follower) learn(minute int, count float64) {
	if f.hist == nil {
		f.hist = &Histogram{Gap: make([]int32, 0, learned), Count: make([]int32, 0, learned)}
		f.atLeast = make([]int64, 1, learned+1)
	}
	h := f.hist
	f.sum += count
	f.active++
	h.Batch = max(1, f.sum/float64(f.active))
	// One day at the unknown rate is added, so that a function that was just met is not
	// taken for one that is invoked every minute.
	h.Rate = float64(f.active) / (float64(f.minutes) + 1/unknownRate)
	if !f.any {
		return
	}
	gap := int32(minute - f.last)
	switch at, seen := h.find(gap); {
	case seen > 0:
		h.Count[at]++
	case len(h.Gap) < learned:
		h.Gap, h.Count = slices.Insert(h.Gap, at, gap), slices.Insert(h.Count, at, 1)
	default:
		return
	}
	f.accumulate()
}

// PArrival is the probability of an arrival in minute now, in [0, 1], which must come
// after the last one observed, given that there was none since the last arrival. With g
// the minutes since then, N(g) the gaps of g minutes that were seen and r the rate, it is
// the hazard of the histogram, shrunk to that of a geometric distribution:
//
//	p = (N(g) + 2 r) / (sum_{k>=g} N(k) + 2)
//
// Before the first arrival it is r, and 0 if nothing is known of the function.
func (f *Follower) PArrival(now int) float64 {
	if f.hist == nil {
		return 0
	}
	if !f.any {
		return f.hist.Rate
	}
	at, seen := f.hist.find(int32(now - f.last))
	return (float64(seen) + pseudo*f.hist.Rate) / (float64(f.atLeast[at]) + pseudo)
}

// AppendPath appends the probabilities of an arrival in the minutes now, now+1, …, so many, which come after
// the last one observed: that of the next arrival by its hazard, and of those after it by the gaps
// that were seen, as in a renewal process. They are in [0, 1].
func (f *Follower) AppendPath(out []float64, now, minutes int) []float64 {
	from := len(out)
	for range minutes {
		out = append(out, 0)
	}
	if f.hist == nil {
		return out
	}
	p := out[from:]
	total := float64(f.atLeast[0]) + pseudo
	none := 1.0 // probability of no arrival yet
	for k := range p {
		h := f.PArrival(now + k)
		p[k] = min(1, p[k]+none*h)
		none *= 1 - h
		for i, gap := range f.hist.Gap {
			if k+int(gap) >= minutes {
				break
			}
			p[k+int(gap)] += p[k] * float64(f.hist.Count[i]) / total
		}
	}
	return out
}

// Batch is the number of invocations that an arrival is expected to be: the mean count
// of the minutes with arrivals, >= 1; 0 if nothing is known of the function.
func (f *Follower) Batch() float64 {
	if f.hist == nil {
		return 0
	}
	return f.hist.Batch
}

// Code writes all that f knows of its function, or takes up what a Follower wrote.
func (f *Follower) Code(c *codec.Codec) {
	known := f.hist != nil
	codec.Bool(c, &known)
	codec.Int(c, &f.last)
	codec.Bool(c, &f.any)
	codec.Bool(c, &f.online)
	codec.Int(c, &f.minutes)
	codec.Int(c, &f.active)
	codec.Float(c, &f.sum)
	if !known {
		f.hist, f.atLeast = nil, nil
		return
	}
	h := f.hist
	if c.Reading() {
		h = &Histogram{}
	}
	codec.Slice(c, &h.Gap, codec.Int[int32])
	codec.Slice(c, &h.Count, codec.Int[int32])
	codec.Float(c, &h.Rate)
	codec.Float(c, &h.Batch)
	if !c.Reading() || c.Err() != nil {
		return
	}
	if err := h.Validate(); err != nil {
		c.Fail(err)
		return
	}
	f.hist = h
	f.atLeast = make([]int64, len(h.Gap)+1, max(learned, len(h.Gap))+1)
	f.accumulate()
}
