package queueing

import (
	"fmt"
	"math"
)

// MeanWait is the mean time that an arrival waits at M/M/c: C(c, r) / (c mu - lambda).
// It is +Inf where the queue is not stable.
func MeanWait(c int, lambda, mu float64) float64 {
	r := lambda / mu
	if r >= float64(c) {
		return math.Inf(1)
	}
	return ErlangC(c, r) / (float64(c)*mu - lambda)
}

// MeanWaitGG is the mean wait at G/G/c by Allen and Cunneen (Allen, Probability,
// Statistics and Queueing Theory, 1990, 5.3): that of M/M/c times (ca2 + cs2)/2, with the
// squared coefficients of variation of the times between arrivals and of the service.
// For Poisson arrivals and one server it is exact (Pollaczek and Khinchine), else an
// approximation that is good in heavy traffic.
func MeanWaitGG(c int, lambda, mu, ca2, cs2 float64) float64 {
	return MeanWait(c, lambda, mu) * (ca2 + cs2) / 2
}

// WaitWithinGG is P(W <= t) at G/G/c with the same correction: as many arrivals wait as
// at M/M/c, and what they wait is exponential with the corrected mean,
//
//	P(W <= t) = 1 - C exp(-(c mu - lambda) t / k),  k = (ca2 + cs2)/2
//
// It is WaitWithin for ca2 = cs2 = 1, and 1 for t > 0 where nothing varies.
func WaitWithinGG(c int, lambda, mu, t, ca2, cs2 float64) float64 {
	k := (ca2 + cs2) / 2
	if k <= 0 {
		if lambda/mu >= float64(c) {
			return 0
		}
		if t > 0 {
			return 1
		}
		k = 1
	}
	return WaitWithin(c, lambda, mu, t/k)
}

// ServersGG is [Servers] with [WaitWithinGG] in the place of WaitWithin; ca2 and cs2
// must not be negative.
func ServersGG(lambda, mu, t, p, ca2, cs2 float64) (int, error) {
	if !(ca2 >= 0) || !(cs2 >= 0) || math.IsInf(ca2, 0) || math.IsInf(cs2, 0) {
		return 0, fmt.Errorf("queueing: squared coefficients of variation must not be negative, got %g and %g", ca2, cs2)
	}
	k := (ca2 + cs2) / 2
	switch {
	case k > 0:
		t /= k
	case t > 0: // whoever waits, waits for no time to speak of: a stable queue is enough
		t = math.MaxFloat64
	}
	return Servers(lambda, mu, t, p)
}

// SlowestFirst is the bound of Alves et al. that LaSS (HPDC 2021) uses for containers of
// unequal rates: requests go to the slowest container that is free. With the rates in
// ascending order and M_k the sum of the first k,
//
//	P_n = P_0 prod_{k<=min(n,c)} lambda/M_k * (lambda/M_c)^max(0, n-c)
//	L = floor(t M_c + c - 1),   SlowestFirst = sum_{n<=L} P_n
//
// is the probability that an arrival finds no more than L requests, and so waits no
// longer than t in the mean. Real containers are chosen better or as well, so they
// keep at least that. Rates must be ascending and positive; it is 0 where their sum
// does not exceed lambda. With equal rates it is the sum of [LaSSServers].
func SlowestFirst(lambda float64, rates []float64, t float64) float64 {
	c := len(rates)
	var m float64
	for k, mu := range rates {
		if !(mu > 0) || k > 0 && mu < rates[k-1] {
			panic(fmt.Sprintf("queueing: rate %d is %g: must be positive and ascend", k, mu))
		}
		m += mu
	}
	if lambda >= m {
		return 0
	}
	// The products relative to the largest so far: they over- and underflow for long lists.
	term, sum, cumulated := 1.0, 1.0, 0.0 // n = 0
	for _, mu := range rates[:max(0, c-1)] {
		cumulated += mu
		term *= lambda / cumulated
		sum += term
		if sum > 1e200 {
			term, sum = term/1e200, sum/1e200
		}
	}
	// Here sum is that of n < c, and term that of n = c-1; from n = c on it is geometric.
	rho := lambda / m
	all := sum + term*rho/(1-rho)
	l := math.Floor(t*m + float64(c) - 1)
	return 1 - term*math.Pow(rho, l-float64(c)+2)/(1-rho)/all
}

// AddServers is how many containers of the given rate to add to those there are (rates
// ascending) until [SlowestFirst] is at least p: what LaSS creates while some of a
// function's containers are deflated.
func AddServers(lambda float64, rates []float64, mu, t, p float64) (int, error) {
	if err := check(lambda, mu, t, p); err != nil {
		return 0, err
	}
	if lambda == 0 {
		return 0, nil
	}
	all := append([]float64(nil), rates...)
	var sum float64
	for _, r := range rates {
		sum += r
	}
	for n := 0; n <= maxAdded; n++ {
		if n > 0 {
			i := len(all)
			for i > 0 && all[i-1] > mu {
				i--
			}
			all = append(all, 0)
			copy(all[i+1:], all[i:])
			all[i] = mu
			sum += mu
		}
		if sum > lambda && SlowestFirst(lambda, all, t) >= p {
			return n, nil
		}
	}
	return 0, fmt.Errorf("queueing: lambda %g at mu %g needs more than %d further servers", lambda, mu, maxAdded)
}

// maxAdded bounds AddServers, which takes time in its square.
const maxAdded = 1 << 13
