package study_test

import (
	"math/rand/v2"
	"testing"

	"github.com/incendio-faas/incendio/pipelines/study"
)

// TestCrossFitIsUnbiased: of options that are worth nothing the best of several noisy futures
// seems to be worth much, and cross-fitted nothing; of one that is worth something always,
// that.
func TestCrossFitIsUnbiased(t *testing.T) {
	if all, crossed := study.CrossFit([]float64{1, 3, -2, 4}); all != 1.5 || crossed != -0.5/2 {
		t.Errorf("mean %g and %g cross-fitted, want 1.5 and -0.25", all, crossed)
	}
	src := rand.New(rand.NewPCG(1, 2))
	const n = 20000
	var naive, crossed, sure float64
	for range n {
		noise := make([]float64, 8)
		for j := range noise {
			noise[j] = src.NormFloat64()
		}
		all, c := study.CrossFit(noise)
		naive += max(0, all) / n
		crossed += c / n
		for j := range noise {
			noise[j] += 10
		}
		_, c = study.CrossFit(noise)
		sure += c / n
	}
	if naive < 0.1 || crossed < -0.01 || crossed > 0.01 || sure < 9.9 || sure > 10.1 {
		t.Errorf("naive %g, cross-fitted %g, want more than 0.1 and 0; %g of what is worth 10", naive, crossed, sure)
	}
}

// TestFittedGains finds a gain that a feature tells, and none where nothing does.
func TestFittedGains(t *testing.T) {
	src := rand.New(rand.NewPCG(3, 4))
	const n = 400
	x, told, noise := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range x {
		x[i] = src.NormFloat64()
		noise[i] = src.NormFloat64()
		told[i] = 3*x[i] + noise[i]
	}
	mean := func(v []float64) float64 {
		sum := 0.0
		for _, g := range v {
			sum += g / n
		}
		return sum
	}
	// The mean of the positive part of 3 x is 3/sqrt(2 pi).
	if got := mean(study.FittedGains(x, told)); got < 1 || got > 1.4 {
		t.Errorf("a gain of 3 x: %g, want about 1.2", got)
	}
	if got := mean(study.FittedGains(x, noise)); got > 0.15 {
		t.Errorf("noise: %g", got)
	}
}
