package metric

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// PoissonMAE returns the least mean absolute error with which a Poisson count of the
// given mean can be forecast: E|X - m| at its median m. It is about sqrt(2 rate / pi)
// for a large rate, and the rate itself below ln 2, where the best forecast is 0. It
// panics if rate is negative, infinite or NaN.
//
// With F the distribution function and p the probabilities,
//
//	E|X - m| = (rate - m) (1 - 2 F(m-1)) + 2 rate p(m-1)
func PoissonMAE(rate float64) float64 {
	if !(rate >= 0) || math.IsInf(rate, 1) {
		panic(fmt.Sprintf("metric: rate must be finite and at least 0, got %v", rate))
	}
	// rate - ln 2 <= m < rate + 1/3 (Choi, "On the medians of gamma distributions and
	// an equation of Ramanujan", Proceedings of the AMS, 1994), so one of two at most.
	best := math.Inf(1)
	for m := math.Ceil(rate - math.Ln2); m < rate+1./3; m++ {
		best = min(best, poissonDeviation(rate, max(0, m)))
	}
	return best
}

func poissonDeviation(rate, m float64) float64 {
	if m == 0 {
		return rate
	}
	below := mathext.GammaIncRegComp(m, rate) // P(X <= m-1)
	lg, _ := math.Lgamma(m)
	p := math.Exp((m-1)*math.Log(rate) - rate - lg)
	return (rate-m)*(1-2*below) + 2*rate*p
}

// PoissonFloor returns the least expected WAPE of forecasts of independent Poisson
// counts with the given means, as if those were known:
//
//	sum_i PoissonMAE(rate_i) / sum_i rate_i
//
// NaN rates, missing steps, are left out. It is 0 if all rates are 0 and NaN if there
// are none. Timers do better than the floor; bursts do worse.
func PoissonFloor(rates []float64) float64 {
	mae, sum, n := 0.0, 0.0, 0
	for _, r := range rates {
		if r == r {
			mae += PoissonMAE(r)
			sum += r
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	if sum == 0 {
		return 0 // and so is mae
	}
	return mae / sum
}
