package forecast

const (
	// memory is the factor by which the mixture of all experts forgets in a minute: about 100
	// minutes count, as functions change their ways.
	memory = 0.99
	// guardMemory is that of the choice between the trees and the mixture: about 500 minutes.
	guardMemory = 0.998
)

// A mixture weighs experts by what they would have spared: ML-Poly of Gaillard, Stoltz and
// van Erven ("A second-order bound with excess losses", COLT 2014), in its gradient form,
// with forgetting. With m the forecast of the mixture, x_k that of expert k, y the count and
// g the derivative of the loss at m,
//
//	r_k = g (m - x_k)        R_k <- d R_k + r_k        S_k <- d S_k + r_k^2
//	w_k ~ max(0, R_k) / (1 + S_k)
//
// Every weight has a rate of its own, so that none has to be tuned. Without forgetting
// (d = 1) the loss exceeds that of the best expert k by at most the order of the square
// root of sum r_k^2, times the logarithm of the number of minutes and of experts.
type mixture struct {
	Regret, Square []float64
}

// newMixture returns a mixture of n experts that trusts one of them until it knows better.
func newMixture(n, trusted int) mixture {
	flat := make([]float64, 2*n)
	m := mixture{flat[:n:n], flat[n:]}
	m.Regret[trusted] = 1
	return m
}

// forecast is the weighted mean of what the experts say.
func (m mixture) forecast(experts []float32) float64 {
	sum, total, plain := 0.0, 0.0, 0.0
	for k, r := range m.Regret {
		x := float64(experts[k])
		plain += x
		if r > 0 {
			w := r / (1 + m.Square[k])
			sum += w * x
			total += w
		}
	}
	if total <= 0 { // all have cost more than the mixture: none is known to be better
		return plain / float64(len(m.Regret))
	}
	return sum / total
}

// observe takes the derivative of the loss at the forecast of the mixture.
func (m mixture) observe(experts []float32, forecast, gradient, keep float64) {
	for k, x := range experts {
		r := gradient * (forecast - float64(x))
		m.Regret[k] = keep*m.Regret[k] + r
		m.Square[k] = keep*m.Square[k] + r*r
	}
}

// A blend forecasts one statistic of a function: it mixes all experts, and then the result with the
// trees. Over so many experts a mixture pays for its freedom, some percent where the
// trees are the best; between two it does not.
type blend struct {
	All   mixture
	Guard mixture // of the trees and of All
	Pair  [2]float32
	Last  float64
}

// newBlend returns a blend that trusts one expert, the trees, until it knows better.
func newBlend(trusted int) blend {
	return blend{All: newMixture(allExperts, trusted), Guard: newMixture(2, 0)}
}

// forecast mixes what the experts say; trusted is the number of the trees.
func (b *blend) forecast(experts []float32, trusted int, bound float64) float64 {
	b.Pair = [2]float32{experts[trusted], float32(b.All.forecast(experts))}
	b.Last = min(b.Guard.forecast(b.Pair[:]), bound)
	return b.Last
}

// observe takes the count that came; slope is the derivative of the loss at a forecast.
func (b *blend) observe(experts []float32, count float64, slope func(forecast, count float64) float64) {
	mixed := float64(b.Pair[1])
	b.All.observe(experts, mixed, slope(mixed, count), memory)
	b.Guard.observe(b.Pair[:], b.Last, slope(b.Last, count), guardMemory)
}

// absolute and squared are the slopes of the losses of a median and of a mean.
func absolute(forecast, count float64) float64 {
	switch {
	case forecast > count:
		return 1
	case forecast < count:
		return -1
	}
	return 0
}

func squared(forecast, count float64) float64 { return forecast - count }
