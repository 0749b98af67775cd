package queueing_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/queueing"
)

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance*math.Max(1, math.Abs(b)) }

// TestErlangTables: values of the published tables.
func TestErlangTables(t *testing.T) {
	for _, c := range []struct {
		c    int
		r    float64
		b, w float64
	}{
		{1, 0.5, 1.0 / 3, 0.5},        // M/M/1: B = rho/(1+rho), C = rho
		{2, 1, 0.2, 1.0 / 3},          // by hand from the definition
		{10, 5, 0.018385, 0.036105},   // Erlang's tables
		{100, 90, 0.026957, 0.216952}, // large c: factorials would overflow
	} {
		if got := queueing.ErlangB(c.c, c.r); !near(got, c.b, 5e-4) {
			t.Errorf("ErlangB(%d, %g) = %.6f, want %.6f", c.c, c.r, got, c.b)
		}
		if got := queueing.ErlangC(c.c, c.r); !near(got, c.w, 5e-3) {
			t.Errorf("ErlangC(%d, %g) = %.6f, want %.6f", c.c, c.r, got, c.w)
		}
	}
	// The definition, r^c/c! over the sum of r^k/k!, in logarithms.
	const servers, load = 2000, 1950.0
	var sum float64
	logTerm := func(k int) float64 {
		g, _ := math.Lgamma(float64(k) + 1)
		return float64(k)*math.Log(load) - g
	}
	for k := 0; k <= servers; k++ {
		sum += math.Exp(logTerm(k) - logTerm(servers))
	}
	if got := queueing.ErlangB(servers, load); !near(got, 1/sum, 1e-9) {
		t.Errorf("ErlangB(%d, %g) = %g, want %g", servers, load, got, 1/sum)
	}
	if got := queueing.ErlangC(3, 3); got != 1 {
		t.Errorf("a saturated queue: %g, want 1", got)
	}
}

// TestServersAgainstLaSS: the exact form against LaSS's (HPDC 2021) at p = 0.99,
// with the share that LaSS's number really keeps within t.
func TestServersAgainstLaSS(t *testing.T) {
	for _, c := range []struct {
		lambda, mu, t float64
		lass, exact   int
		kept          float64
	}{
		{10, 10, 0.1, 3, 4, 0.9877},
		{30, 10, 0.1, 6, 6, 0},
		{50, 5, 0.1, 15, 15, 0},
		{20, 10, 0.05, 5, 6, 0.9867},
		{5, 1, 0.5, 9, 10, 0.9891},
	} {
		lass, err := queueing.LaSSServers(c.lambda, c.mu, c.t, 0.99)
		if err != nil || lass != c.lass {
			t.Errorf("LaSSServers(%g, %g, %g) = %d, %v, want %d", c.lambda, c.mu, c.t, lass, err, c.lass)
		}
		exact, err := queueing.Servers(c.lambda, c.mu, c.t, 0.99)
		if err != nil || exact != c.exact {
			t.Errorf("Servers(%g, %g, %g) = %d, %v, want %d", c.lambda, c.mu, c.t, exact, err, c.exact)
		}
		if got := queueing.WaitWithin(c.lass, c.lambda, c.mu, c.t); c.kept > 0 && math.Abs(got-c.kept) > 5e-5 {
			t.Errorf("WaitWithin(%d, %g, %g, %g) = %.4f, want %.4f", c.lass, c.lambda, c.mu, c.t, got, c.kept)
		}
	}
}

func TestServersIsLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lambda := rapid.Float64Range(0.01, 300).Draw(t, "lambda")
		mu := rapid.Float64Range(0.1, 50).Draw(t, "mu")
		wait := rapid.Float64Range(0, 2).Draw(t, "t")
		p := rapid.Float64Range(0.5, 0.999).Draw(t, "p")
		c, err := queueing.Servers(lambda, mu, wait, p)
		if err != nil {
			t.Fatal(err)
		}
		// 1e-12: Servers keeps B_c in its loop, WaitWithin computes it anew.
		if got := queueing.WaitWithin(c, lambda, mu, wait); got < p-1e-12 {
			t.Fatalf("%d servers keep %g, want %g", c, got, p)
		}
		if got := queueing.WaitWithin(c-1, lambda, mu, wait); got >= p+1e-12 {
			t.Fatalf("%d servers are one too many: one less keeps %g of %g", c, got, p)
		}
	})
	if c, err := queueing.Servers(0, 1, 1, 0.99); c != 0 || err != nil {
		t.Errorf("no arrivals: %d, %v", c, err)
	}
	for _, bad := range [][4]float64{{-1, 1, 1, .9}, {1, 0, 1, .9}, {1, 1, -1, .9}, {1, 1, 1, 1}, {math.NaN(), 1, 1, .9}} {
		if _, err := queueing.Servers(bad[0], bad[1], bad[2], bad[3]); err == nil {
			t.Errorf("Servers%v: no error", bad)
		}
		if _, err := queueing.LaSSServers(bad[0], bad[1], bad[2], bad[3]); err == nil {
			t.Errorf("LaSSServers%v: no error", bad)
		}
	}
}

// TestPoisson against the sum of the probabilities.
func TestPoisson(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mean := rapid.Float64Range(0.001, 200).Draw(t, "mean")
		q := rapid.Float64Range(0, 0.9999).Draw(t, "q")
		k, cdf := 0, math.Exp(-mean)
		for term := cdf; cdf < q && k < 10000; {
			k++
			term *= mean / float64(k)
			cdf += term
		}
		got := queueing.PoissonQuantile(mean, q)
		// Where q falls on a step of the CDF either side is within rounding.
		if got != k && math.Abs(1-queueing.PoissonTail(mean, min(got, k)+1)-q) > 1e-9 {
			t.Fatalf("quantile %g of mean %g: %d, want %d", q, mean, got, k)
		}
		if tail := queueing.PoissonTail(mean, k+1); math.Abs(tail-(1-cdf)) > 1e-9 {
			t.Fatalf("P(N > %d) with mean %g: %g, want %g", k, mean, tail, 1-cdf)
		}
	})
	if got := queueing.PoissonQuantile(1e6, 0.99); got < 1002300 || got > 1002400 {
		t.Errorf("quantile 0.99 of mean 1e6: %d, want about 1e6 + 2.326e3", got)
	}
	if queueing.PoissonQuantile(0, 0.99) != 0 || queueing.PoissonTail(0, 1) != 0 || queueing.PoissonTail(3, 0) != 1 {
		t.Error("edge cases of the Poisson distribution")
	}
}

func TestWeightedMaxMin(t *testing.T) {
	got := queueing.WeightedMaxMin([]float64{1, 8, 8, 3}, []float64{1, 1, 2, 1}, 12)
	for i, want := range []float64{1, 2.75, 5.5, 2.75} { // 11 are left for weights of 4
		if !near(got[i], want, 1e-12) {
			t.Fatalf("got %v, want %g at %d", got, want, i)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "n")
		demand := rapid.SliceOfN(rapid.Float64Range(0, 10), n, n).Draw(t, "demand")
		weight := rapid.SliceOfN(rapid.Float64Range(0.1, 5), n, n).Draw(t, "weight")
		capacity := rapid.Float64Range(0, 60).Draw(t, "capacity")
		x := queueing.WeightedMaxMin(demand, weight, capacity)
		var sum, want, level float64
		for i := range x {
			sum += x[i]
			want += demand[i]
			level = max(level, x[i]/weight[i])
			if x[i] < 0 || x[i] > demand[i] {
				t.Fatalf("%d gets %g of %g", i, x[i], demand[i])
			}
		}
		if !near(sum, min(want, capacity), 1e-9) {
			t.Fatalf("%g is given, want %g", sum, min(want, capacity))
		}
		for i := range x { // who is not satisfied stands at the level
			if x[i] < demand[i]-1e-9 && !near(x[i]/weight[i], level, 1e-9) {
				t.Fatalf("%d has %g per weight, others %g, and demands more", i, x[i]/weight[i], level)
			}
		}
	})
}
