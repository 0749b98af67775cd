package gbdt

import (
	"math"
	"math/big"
)

// logarithm returns the natural logarithm of a positive finite x, correctly rounded but
// for one case in about 2^100. math.Log errs in the last place more often than the C
// library that LightGBM uses, and a start score that is off by that much breaks ties
// between leaves otherwise. It takes microseconds: use it once, not once a row.
func logarithm(x float64) float64 {
	const precision = 160
	number := func(v float64) *big.Float { return new(big.Float).SetPrec(precision).SetFloat64(v) }
	// ln m = 2 artanh((m-1)/(m+1)), of which a term adds 2 bits or more for m in [1/2, 2].
	series := func(m *big.Float) *big.Float {
		z := number(0).Quo(number(0).Sub(m, number(1)), number(0).Add(m, number(1)))
		square, power, sum := number(0).Mul(z, z), z, number(0)
		for k := 1; k < 2*precision; k += 2 {
			sum.Add(sum, number(0).Quo(power, number(float64(k))))
			power = number(0).Mul(power, square)
		}
		return sum.Mul(sum, number(2))
	}
	fraction, exponent := math.Frexp(x)
	if fraction < math.Sqrt2/2 {
		fraction, exponent = 2*fraction, exponent-1
	}
	twos := series(number(2))
	twos.Mul(twos, number(float64(exponent)))
	out, _ := twos.Add(twos, series(number(fraction))).Float64()
	return out
}
