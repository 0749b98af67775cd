// Package queueing turns arrival rates into numbers of containers: the queue with c
// servers (M/M/c) for requests that may wait a little, the Poisson distribution of
// how many run at once for those that may not (M/G/infinity), and weighted max-min
// fairness where capacity is short.
//
// Rates are per any unit of time, times in the same unit. All functions are pure.
package queueing

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// ErlangB is the share of arrivals that find all c >= 0 servers busy where none may
// wait (M/G/c/c) and the offered load is r = lambda/mu >= 0 erlangs:
//
//	B_0 = 1,  B_k = r B_(k-1) / (k + r B_(k-1))
//
// The recursion has no factorials, so it neither overflows nor cancels.
func ErlangB(c int, r float64) float64 {
	b := 1.0
	for k := 1; k <= c; k++ {
		b = r * b / (float64(k) + r*b)
	}
	return b
}

// ErlangC is the probability that an arrival at M/M/c has to wait:
//
//	C = B / (1 - rho (1 - B)),  rho = r/c
//
// It is 1 where the load r is not below c: the queue then grows without end.
func ErlangC(c int, r float64) float64 {
	if r >= float64(c) {
		return 1
	}
	return waits(ErlangB(c, r), c, r)
}

func waits(b float64, c int, r float64) float64 {
	return b / (1 - r/float64(c)*(1-b))
}

// WaitWithin is P(W <= t) of M/M/c under FCFS, with arrival rate lambda and service
// rate mu of each server:
//
//	P(W <= t) = 1 - C(c, lambda/mu) exp(-(c mu - lambda) t)
//
// It is 0 where the queue is not stable.
func WaitWithin(c int, lambda, mu, t float64) float64 {
	r := lambda / mu
	if r >= float64(c) {
		return 0
	}
	return 1 - ErlangC(c, r)*math.Exp(-(float64(c)*mu-lambda)*t)
}

// maxServers bounds the searches: no platform has more containers of one function.
const maxServers = 1 << 24

// Servers is the least c with WaitWithin(c, lambda, mu, t) >= p, for lambda >= 0,
// mu > 0, t >= 0 and p in [0, 1): how many containers keep the wait of that share of
// requests below t. It takes O(c) steps.
func Servers(lambda, mu, t, p float64) (int, error) {
	if err := check(lambda, mu, t, p); err != nil {
		return 0, err
	}
	if lambda == 0 {
		return 0, nil
	}
	r, b := lambda/mu, 1.0
	for c := 1; c <= maxServers; c++ {
		b = r * b / (float64(c) + r*b)
		if r < float64(c) && 1-waits(b, c, r)*math.Exp(-(float64(c)*mu-lambda)*t) >= p {
			return c, nil
		}
	}
	return 0, fmt.Errorf("queueing: lambda %g at mu %g needs more than %d servers", lambda, mu, maxServers)
}

func check(lambda, mu, t, p float64) error {
	if !(lambda >= 0) || math.IsInf(lambda, 0) || !(mu > 0) || !(t >= 0) || !(p >= 0 && p < 1) {
		return fmt.Errorf("queueing: lambda and t must not be negative, mu positive and p in [0, 1), got lambda %g, mu %g, t %g, p %g", lambda, mu, t, p)
	}
	return nil
}

// LaSSServers is the number of containers by LaSS (Wang, Ali-Eldin and Shenoy, HPDC
// 2021), of which [Servers] is the exact form: a request that finds at most
//
//	L = floor(t c mu + c - 1)
//
// in the system waits no longer than t in the mean, and the least c, from
// ceil(lambda/mu), is taken at which an arrival finds that few with probability p.
// It replaces a random time to drain the queue by its mean, and so is short by one
// container where c is small.
func LaSSServers(lambda, mu, t, p float64) (int, error) {
	if err := check(lambda, mu, t, p); err != nil {
		return 0, err
	}
	if lambda == 0 {
		return 0, nil
	}
	r := lambda / mu
	for c := max(1, int(math.Ceil(r))); c <= maxServers; c++ {
		rho := r / float64(c)
		if rho >= 1 {
			continue
		}
		// All servers are busy with probability C, and then the number that wait is
		// geometric: P(n > L) = C rho^(L-c+1) for L >= c-1.
		l := math.Floor(t*float64(c)*mu + float64(c) - 1)
		if 1-ErlangC(c, r)*math.Pow(rho, l-float64(c)+1) >= p {
			return c, nil
		}
	}
	return 0, fmt.Errorf("queueing: lambda %g at mu %g needs more than %d servers", lambda, mu, maxServers)
}

// PoissonTail is P(N >= k) of a Poisson number with that mean >= 0. With mean
// lambda*d it is the share of time in which at least k requests of mean duration d
// run at once, whatever the distribution of durations, if none waits (M/G/infinity).
func PoissonTail(mean float64, k int) float64 {
	switch {
	case k <= 0:
		return 1
	case mean <= 0:
		return 0
	}
	return mathext.GammaIncReg(float64(k), mean)
}

// PoissonQuantile is the least k with P(N <= k) >= q, for q in [0, 1).
func PoissonQuantile(mean, q float64) int {
	if mean <= 0 || !(q > 0) {
		return 0
	}
	above := func(k int) bool { // P(N > k) <= 1-q
		return PoissonTail(mean, k+1) <= 1-q
	}
	// From the normal approximation, doubling steps to a bracket (low, high].
	start := int(mean)
	low, high := -1, start
	if above(start) {
		for step := 1; start-step >= 0; step *= 2 {
			if !above(start - step) {
				low = start - step
				break
			}
			high = start - step
		}
	} else {
		low = start
		for step := max(1, int(math.Sqrt(mean))); ; step *= 2 {
			high = start + step
			if above(high) {
				break
			}
			low = high
		}
	}
	for high-low > 1 {
		if mid := low + (high-low)/2; above(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// WeightedMaxMin divides capacity >= 0 such that no one gets more than it demands
// and what one gets could only grow at the cost of one that has no more per weight
// (Bertsekas and Gallager, Data Networks, 6.5.2): the level to which water rises in
// vessels as wide as the weights. Demands are >= 0, weights > 0 and as many.
func WeightedMaxMin(demand, weight []float64, capacity float64) []float64 {
	if len(demand) != len(weight) {
		panic(fmt.Sprintf("queueing: %d demands and %d weights", len(demand), len(weight)))
	}
	order := make([]int, len(demand))
	var total float64
	for i := range order {
		order[i] = i
		total += weight[i]
	}
	// Whoever demands the least per weight is satisfied first.
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(demand[a]/weight[a], demand[b]/weight[b])
	})
	out := make([]float64, len(demand))
	for k, i := range order {
		if demand[i]*total <= capacity*weight[i] {
			out[i] = demand[i]
			capacity = max(0, capacity-demand[i])
			total -= weight[i]
			continue
		}
		// Nor is anyone after it: they share what is left by weight.
		for _, j := range order[k:] {
			out[j] = min(demand[j], capacity*weight[j]/total)
		}
		break
	}
	return out
}
