// Package interarrival describes a function by the times between its arrivals: a
// histogram and moments. It forecasts rare functions, for which there is too little
// to fit trees on, and tells the keep-alive rule how likely the next arrival is.
//
// The histogram is that of Shahrad et al., "Serverless in the Wild" (USENIX ATC
// 2020), Section 4.2: bins of one minute up to four hours, a counter for what lies
// beyond, and the coefficient of variation of the bin counts, updated with every
// observation, as the measure of whether there is a pattern at all.
package interarrival

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// The histogram of the paper.
const (
	Bins  = 240
	Width = time.Minute
	Range = Bins * Width // inter-arrival times from here on are out of bounds
)

// A Histogram counts inter-arrival times (IAT). The zero value is empty and ready
// for use. It is not safe for concurrent use while it is observing.
type Histogram struct {
	bins        [Bins]int64
	outOfBounds int64
	squares     float64 // sum of the squares of bins

	beyond float64 // sum of the out-of-bounds IATs, seconds

	// Moments of all IATs in seconds, by the method of Welford (1962).
	n        int64
	mean, m2 float64
	min, max float64
}

// Observe adds one IAT, which must not be negative.
func (h *Histogram) Observe(iat time.Duration) { h.observe(iat, 1) }

func (h *Histogram) observe(iat time.Duration, times int64) {
	if iat < 0 {
		panic(fmt.Sprintf("interarrival: negative inter-arrival time %v", iat))
	}
	if times < 1 {
		return
	}
	s := iat.Seconds()
	if iat >= Range {
		h.outOfBounds += times
		h.beyond += s * float64(times)
	} else {
		b := &h.bins[iat/Width]
		h.squares += float64(times) * float64(2**b+times)
		*b += times
	}
	if h.n == 0 {
		h.min, h.max = s, s
	}
	h.min, h.max = math.Min(h.min, s), math.Max(h.max, s)
	// Chan et al. (1979): a group of equal values joins at once.
	before := float64(h.n)
	h.n += times
	d := s - h.mean
	h.mean += d * float64(times) / float64(h.n)
	h.m2 += d * d * before * float64(times) / float64(h.n)
}

// ObserveCounts adds the IATs of a series of counts per minute: the minutes between
// minutes with arrivals, and within a minute of c arrivals c-1 times a c-th of a
// minute, which is what arrivals spread evenly would have. Missing counts (NaN) end
// an IAT without counting it.
func (h *Histogram) ObserveCounts(counts []float64) {
	last := -1
	for i, c := range counts {
		if math.IsNaN(c) {
			last = -1
			continue
		}
		if c <= 0 {
			continue
		}
		if last >= 0 {
			h.Observe(time.Duration(i-last) * time.Minute)
		}
		if c > 1 {
			h.observe(time.Duration(float64(time.Minute)/c), int64(c)-1)
		}
		last = i
	}
}

// Count is the number of IATs observed.
func (h *Histogram) Count() int64 { return h.n }

// Bin is the number of IATs in [i, i+1) minutes, i in [0, Bins).
func (h *Histogram) Bin(i int) int64 { return h.bins[i] }

// OutOfBounds is the number of IATs of Range or more.
func (h *Histogram) OutOfBounds() int64 { return h.outOfBounds }

// CV is the coefficient of variation of the bin counts, not of the IATs: 0 if all
// bins are alike, sqrt(Bins-1), about 15.5, if one has them all. 0 if there are none.
func (h *Histogram) CV() float64 {
	in := h.n - h.outOfBounds
	if in == 0 {
		return 0
	}
	mean := float64(in) / Bins
	return math.Sqrt(max(0, h.squares/Bins-mean*mean)) / mean
}

// Moments describe the IATs.
type Moments struct {
	Count     int64
	Mean      time.Duration
	Deviation time.Duration // standard deviation of the observations, divisor Count
	Min, Max  time.Duration
}

// Moments returns the moments of all IATs, out-of-bounds ones included.
func (h *Histogram) Moments() Moments {
	if h.n == 0 {
		return Moments{}
	}
	return Moments{
		Count:     h.n,
		Mean:      seconds(h.mean),
		Deviation: seconds(math.Sqrt(h.m2 / float64(h.n))),
		Min:       seconds(h.min),
		Max:       seconds(h.max),
	}
}

// PArrival is the probability that the next arrival comes within the next within,
// given that since has passed since the last one:
//
//	P(IAT <= since+within | IAT > since)
//
// The distribution is the histogram, uniform inside a bin, with an exponential tail
// beyond Range of the mean that was observed there. One observation more than there
// are is taken from a distribution with the survival function 1/(1+t/mean), so that
// nothing that has not been seen yet is certain or impossible; and that a function
// which stays silent for longer than ever is thought the less likely to return, the
// longer it lasts (an exponential tail would call it overdue for ever). Without
// observations it is 0.
func (h *Histogram) PArrival(within, since time.Duration) float64 {
	if h.n == 0 || within <= 0 {
		return 0
	}
	since = max(since, 0)
	p := 1 - h.survival((since+within).Seconds())/h.survival(since.Seconds())
	return min(max(p, 0), 1)
}

// survival is P(IAT > s), s in seconds; it is never 0.
func (h *Histogram) survival(s float64) float64 {
	var above float64
	if s < Range.Seconds() {
		at := s / Width.Seconds()
		bin := int(at)
		above = float64(h.bins[bin])*(float64(bin+1)-at) + float64(h.outOfBounds)
		for _, c := range h.bins[bin+1:] {
			above += float64(c)
		}
	} else if h.outOfBounds > 0 {
		above = float64(h.outOfBounds) * math.Exp(-(s-Range.Seconds())/h.tailMean())
	}
	prior := 1 / (1 + s/max(h.mean, 1)) // IATs below a second are not resolved
	return (above + prior) / float64(h.n+1)
}

// tailMean is the mean excess over Range in seconds, at least one bin.
func (h *Histogram) tailMean() float64 {
	return max(h.beyond/float64(h.outOfBounds)-Range.Seconds(), Width.Seconds())
}

// Quantile is the IAT below which the share p of the observations lies, p in [0, 1],
// uniform inside a bin; beyond Range it is that of the exponential tail, and the
// largest IAT for p = 1. It is 0 without observations.
func (h *Histogram) Quantile(p float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := min(max(p, 0), 1) * float64(h.n)
	var below float64
	for i, c := range h.bins {
		if c > 0 && below+float64(c) >= rank {
			return seconds((float64(i) + (rank-below)/float64(c)) * Width.Seconds())
		}
		below += float64(c)
	}
	rest := (float64(h.n) - rank) / float64(h.outOfBounds) // of the tail, above the quantile
	if rest <= 0 {
		return seconds(h.max)
	}
	return seconds(min(h.max, Range.Seconds()-h.tailMean()*math.Log(min(rest, 1))))
}

// Percentile returns the bounds of the bin in which the quantile p of the IATs in
// bounds lies: the paper rounds a head down to lower and a tail up to upper. ok is
// false if there are none in bounds.
func (h *Histogram) Percentile(p float64) (lower, upper time.Duration, ok bool) {
	in := h.n - h.outOfBounds
	if in == 0 {
		return 0, 0, false
	}
	rank := min(max(p, 0), 1) * float64(in)
	var below float64
	last := 0
	for i, c := range h.bins {
		if c == 0 {
			continue
		}
		last = i
		if below += float64(c); below >= rank {
			break
		}
	}
	return time.Duration(last) * Width, time.Duration(last+1) * Width, true
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }

// file is the JSON form: bins without zeros at the end, times in seconds.
type file struct {
	Bins        []int64 `json:"bins"`
	OutOfBounds int64   `json:"out_of_bounds"`
	BeyondS     float64 `json:"beyond_s"`
	MeanS       float64 `json:"mean_s"`
	M2S2        float64 `json:"m2_s2"`
	MinS        float64 `json:"min_s"`
	MaxS        float64 `json:"max_s"`
}

// MarshalJSON implements json.Marshaler.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	used := Bins
	for used > 0 && h.bins[used-1] == 0 {
		used--
	}
	return json.Marshal(file{
		Bins: h.bins[:used], OutOfBounds: h.outOfBounds, BeyondS: h.beyond,
		MeanS: h.mean, M2S2: h.m2, MinS: h.min, MaxS: h.max,
	})
}

// UnmarshalJSON implements json.Unmarshaler; what it accepts is a histogram that
// observations could have made.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	if len(f.Bins) > Bins {
		return fmt.Errorf("interarrival: %d bins: must be at most %d", len(f.Bins), Bins)
	}
	if f.OutOfBounds < 0 || f.M2S2 < 0 || f.MinS < 0 || f.MeanS < 0 || f.MaxS < f.MinS {
		return errors.New("interarrival: counts and moments must not be negative, and max_s not below min_s")
	}
	if f.BeyondS < float64(f.OutOfBounds)*Range.Seconds() {
		return fmt.Errorf("interarrival: beyond_s is %g: must be at least %v for each of %d out-of-bounds", f.BeyondS, Range, f.OutOfBounds)
	}
	out := Histogram{outOfBounds: f.OutOfBounds, beyond: f.BeyondS, n: f.OutOfBounds, mean: f.MeanS, m2: f.M2S2, min: f.MinS, max: f.MaxS}
	for i, c := range f.Bins {
		if c < 0 || c > math.MaxInt32 {
			return fmt.Errorf("interarrival: bin %d is %d: must be in [0, 2^31)", i, c)
		}
		out.bins[i] = c
		out.n += c
		out.squares += float64(c) * float64(c)
	}
	*h = out
	return nil
}
