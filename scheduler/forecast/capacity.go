package forecast

import (
	"fmt"
	"math"
	"sort"

	"github.com/incendio-faas/incendio/scheduler/queueing"
)

// CriticalQuantile is the probability with which the containers that are held for a minute
// should suffice (the newsvendor's problem): with one container too few an arrival waits for a
// cold start, which costs so many seconds; one too many holds memory for a minute, which
// costs its GB times 60 s at a price in seconds per GB·s. It is
//
//	start / (start + 60 price memory)
//
// in [0, 1]: the count beyond which an invocation costs less to let wait than to be ready for.
// Arguments must not be negative; if both costs are 0, it is 0.
func CriticalQuantile(startSeconds, memoryGB, price float64) float64 {
	spare := 60 * price * memoryGB
	if startSeconds+spare <= 0 {
		return 0
	}
	return startSeconds / (startSeconds + spare)
}

// Concurrency returns the number of containers that suffice with probability p, in [0, 1), at a
// moment of a minute with mean expected arrivals, of which each takes a container for so many
// seconds. Arrivals are Poisson at a rate that is itself uncertain: variance is that of the
// count of the minute, which is at least its mean; what exceeds it is taken for
// that of the rate, with a gamma distribution, so that the number of busy containers has a
// negative binomial distribution.
//
// peak >= 1 is how much larger the rate is in the busiest part of the minute than its mean;
// see PeakToMean. Arrivals of minutes that are long over, of invocations that last longer, come at the same
// rate.
func Concurrency(p, mean, variance, seconds, peak float64) int {
	busy := mean * seconds / 60 * max(1, peak)
	if !(busy > 0) || !(p > 0) {
		return 0
	}
	// Var(count) = mean + mean^2 d gives the relative variance d of the rate.
	d := max(0, (variance-mean)/(mean*mean))
	if d*busy < 1e-6 {
		return queueing.PoissonQuantile(busy, p)
	}
	// Beyond, sums of the terms are long, and the rate decides alone.
	const long = 1e5
	if busy > long {
		return int(math.Ceil(busy + normal(p)*math.Sqrt(busy+d*busy*busy)))
	}
	size := 1 / d
	q := busy / (busy + size)
	term := math.Exp(size * math.Log1p(-q))
	if term == 0 { // far from 0, where a sum from below would start
		return max(0, int(math.Ceil(busy+normal(p)*math.Sqrt(busy+d*busy*busy))))
	}
	sum, k := term, 0
	for sum < p && k < long {
		k++
		term *= q * (size + float64(k) - 1) / float64(k)
		sum += term
	}
	return k
}

// PeakToMean is how much more arrivals the busiest of parts equal parts of a minute has than a part
// has in the mean, over minutes whose single arrivals are known: offsets has those of each minute, in
// [0, 60) s. A Poisson process has more than 1, too; what it has is taken out: the
// result is the ratio to a process of the same counts, at least 1. Without arrivals it is 1.
// It panics if parts is less than 1.
func PeakToMean(offsets [][]float64, parts int) float64 {
	if parts < 1 {
		panic(fmt.Sprintf("forecast: a minute must have at least one part, got %d", parts))
	}
	var seen, even float64
	counts := make([]int, parts)
	for _, minute := range offsets {
		if len(minute) == 0 {
			continue
		}
		clear(counts)
		most := 0
		for _, at := range minute {
			k := min(parts-1, max(0, int(at/60*float64(parts))))
			counts[k]++
			most = max(most, counts[k])
		}
		seen += float64(most)
		even += evenPeak(len(minute), parts)
	}
	if even == 0 {
		return 1
	}
	return max(1, seen/even)
}

// evenPeak is the expected largest of parts counts of n arrivals that fall anywhere: the sum over k
// of P(max > k), with the counts taken for independent Poisson ones.
func evenPeak(n, parts int) float64 {
	mean := float64(n) / float64(parts)
	sum := 0.0
	for k := 0; k < n; k++ {
		over := 1 - math.Pow(1-queueing.PoissonTail(mean, k+1), float64(parts))
		sum += over
		if over < 1e-9 {
			break
		}
	}
	return max(sum, math.Ceil(mean))
}

// Hazard is the probability of an arrival of function i within the next minutes, >= 1, given that
// there was none since the last one: for rare functions from their inter-arrival times, for
// others from the forecast of the next minute as a rate. Before the first Step it is that of
// what the model knows.
func (rt *Runtime) Hazard(i, minutes int) float64 {
	f := &rt.functions[i]
	none := 1.0
	now := max(0, rt.next)
	for k := range max(0, minutes) {
		if f.cluster == nil {
			none *= 1 - f.arrivals.PArrival(now+k)
		} else {
			none *= math.Exp(-f.last.Mean)
		}
		if none < 1e-12 {
			return 1
		}
	}
	return 1 - none
}

// DueWithin is the least number of minutes, up to most, within which function i is invoked with
// probability p; false if it is not.
func (rt *Runtime) DueWithin(i int, p float64, most int) (int, bool) {
	n := sort.Search(most, func(k int) bool { return rt.Hazard(i, k+1) >= p }) + 1
	return n, n <= most
}
