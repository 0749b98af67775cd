package gbdt

import (
	"math"
	"math/big"
)

// expSteps is the number of powers of two between 1 and 2 in the table of exponential.
const expSteps = 128

// powersOfTwo holds 2^(i/expSteps) as the sum of two float64.
var powersOfTwo = func() (table [expSteps]struct{ high, low float64 }) {
	const precision = 160
	step := new(big.Float).SetPrec(precision).SetInt64(2)
	for n := expSteps; n > 1; n /= 2 {
		step.Sqrt(step)
	}
	power := new(big.Float).SetPrec(precision).SetInt64(1)
	for i := range table {
		high, _ := power.Float64()
		rest := new(big.Float).SetPrec(precision).SetFloat64(high)
		low, _ := rest.Sub(power, rest).Float64()
		table[i].high, table[i].low = high, low
		power.Mul(power, step)
	}
	return table
}()

// ln2High and ln2Low sum to ln 2 / expSteps; the first has so few digits that its
// product with an integer of 21 bits is exact.
const (
	ln2High = 0x1.62e42fef8p-8
	ln2Low  = math.Ln2/expSteps - ln2High
)

// exponential returns e to the x with an error of at most 0.51 units in the last place.
// math.Exp errs by up to 1, which decides now and then how a gradient is rounded to 32
// bits and so the last digits of a leaf; the C library that LightGBM uses is about as
// exact as this. (Tang, "Table-Driven Implementation of the Exponential Function in IEEE
// Floating-Point Arithmetic", 1989.)
func exponential(x float64) float64 {
	if !(math.Abs(x) < 700) {
		return math.Exp(x) // NaN, infinite, or nearly out of range
	}
	n := math.RoundToEven(x * (expSteps / math.Ln2))
	r := float64(x-float64(n*ln2High)) - float64(n*ln2Low)
	// e^r - 1 by its series; r is below 0.0028.
	p := r + r*r*(1./2+r*(1./6+r*(1./24+r*(1./120))))
	i := int(n)
	t := powersOfTwo[i&(expSteps-1)]
	return math.Ldexp(t.high+(t.low+t.high*p), i>>7)
}
