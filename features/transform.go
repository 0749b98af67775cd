package features

import "math"

// shift is the 3/8 of Anscombe's transform.
const shift = 0.375

// Stabilise returns z = 2 sqrt(count + 3/8), in which Poisson counts of any mean above
// about one have a variance near 1 (Anscombe, "The transformation of Poisson, binomial and
// negative-binomial data", Biometrika 35, 1948). A count below 0 is taken for 0; NaN stays.
func Stabilise(count float64) float64 {
	if count < 0 {
		count = 0
	}
	return 2 * math.Sqrt(count+shift)
}

// Count is the inverse of Stabilise, 0 below the z of 0. It maps medians to medians, but
// the mean of z to less than the mean count.
func Count(z float64) float64 {
	if z <= 0 {
		return 0
	}
	return max(0, z*z/4-shift)
}

// A code is a count in 16 bits: whole numbers up to exact, beyond it steps of 0.06 % up to
// largestCount, and missing for what is not known.
type code uint16

const (
	exact   = 32767
	missing = code(math.MaxUint16)

	// LargestCount is the largest count of a minute that is told from larger ones.
	LargestCount = 1e13
)

// growth is the ratio of a code beyond exact to the one before it.
var growth = math.Log(LargestCount/exact) / float64(missing-1-exact)

// encode rounds a count, >= 0 or NaN.
func encode(count float64) code {
	switch {
	case !(count >= 0):
		return missing
	case count <= exact:
		return code(count + 0.5)
	}
	return min(missing-1, exact+code(math.Log(min(count, LargestCount)/exact)/growth+0.5))
}

// stabilised has the z of small codes.
var stabilised = func() (z [4096]float64) {
	for i := range z {
		z[i] = Stabilise(float64(i))
	}
	return z
}()

// count is what c stands for; NaN of missing.
func (c code) count() float64 {
	switch {
	case c <= exact:
		return float64(c)
	case c == missing:
		return math.NaN()
	}
	return exact * math.Exp(float64(c-exact)*growth)
}

// z is the count of c, transformed.
func (c code) z() float64 {
	if int(c) < len(stabilised) {
		return stabilised[c]
	}
	return Stabilise(c.count())
}

// A surprise is the difference of a z from the base in 8 bits: steps of 0.0125 about 0, and of a tenth where it is
// large.
type surprise int8

// noSurprise is that of a minute of which none is known.
const noSurprise = surprise(math.MinInt8)

// The scale of surprises: z is sinh(s / surpriseSteps) / surpriseShare.
const (
	surpriseSteps = 10
	surpriseShare = 8
)

// surprised rounds a difference to at most 2e4.
func surprised(z float64) surprise {
	s := math.Round(surpriseSteps * math.Asinh(surpriseShare*z))
	return surprise(max(-math.MaxInt8, min(s, math.MaxInt8)))
}

var surprises = func() (z [2*math.MaxInt8 + 1]float64) {
	for i := range z {
		z[i] = math.Sinh(float64(i-math.MaxInt8)/surpriseSteps) / surpriseShare
	}
	return z
}()

// z is the difference that s stands for; s is not noSurprise.
func (s surprise) z() float64 { return surprises[int(s)+math.MaxInt8] }
