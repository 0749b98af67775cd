package forecast_test

import (
	"math"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/queueing"
)

func TestCriticalQuantile(t *testing.T) {
	// At the price of RUM, a second for 99.69 GB·s: a start of 0.808 s against memory of a minute.
	for _, c := range []struct{ memory, want float64 }{{0.125, 0.915}, {0.5, 0.729}, {1, 0.573}, {0, 1}} {
		if got := forecast.CriticalQuantile(0.808, c.memory, 1/99.69); math.Abs(got-c.want) > 2e-3 {
			t.Errorf("%g GB: %v, expected %v", c.memory, got, c.want)
		}
	}
	if got := forecast.CriticalQuantile(0, 0, 1); got != 0 {
		t.Errorf("without costs: %v", got)
	}
}

func TestConcurrency(t *testing.T) {
	for _, p := range []float64{0.5, 0.9, 0.99} {
		if got, want := forecast.Concurrency(p, 120, 120, 3, 1), queueing.PoissonQuantile(6, p); got != want {
			t.Errorf("Poisson arrivals, %g: %d, expected %d", p, got, want)
		}
	}
	if forecast.Concurrency(0.99, 0, 0, 3, 1) != 0 || forecast.Concurrency(0, 5, 5, 3, 1) != 0 {
		t.Error("no arrivals, or no demand on them, need a container")
	}
	// An uncertain rate: simulated, gamma with relative variance 0.5.
	rnd := seed.Stream(1, "gamma")
	const n = 200_000
	for _, c := range []struct{ mean, seconds, peak float64 }{{40, 6, 1}, {40, 6, 2}} {
		variance := c.mean + 0.5*c.mean*c.mean
		k := forecast.Concurrency(0.9, c.mean, variance, c.seconds, c.peak)
		within, below := 0, 0
		for range n {
			rate := 0.5 * (rnd.ExpFloat64() + rnd.ExpFloat64()) // gamma of shape 2
			busy, at := rate*c.mean*c.seconds/60*c.peak, 0.0
			count := -1
			for at < busy {
				at += rnd.ExpFloat64()
				count++
			}
			if busy == 0 {
				count = 0
			}
			if count <= k {
				within++
			}
			if count < k {
				below++
			}
		}
		if float64(within)/n < 0.895 || float64(below)/n > 0.905 {
			t.Errorf("%+v: %d containers suffice with probability %v, one less with %v", c, k, float64(within)/n, float64(below)/n)
		}
	}
	for _, mean := range []float64{1e-9, 1, 1e3, 1e7, 1e12} {
		k := forecast.Concurrency(0.99, mean, mean+mean*mean, 60, 1)
		if k < 0 || float64(k) > 1+20*mean {
			t.Errorf("mean %g: %d containers", mean, k)
		}
	}
}

func TestPeakToMean(t *testing.T) {
	rnd := seed.Stream(2, "peak")
	var even, burst [][]float64
	for range 3000 {
		var e, b []float64
		for range 20 {
			e = append(e, 60*rnd.Float64())
			b = append(b, 5*rnd.Float64())
		}
		even, burst = append(even, e), append(burst, b)
	}
	if got := forecast.PeakToMean(even, 6); math.Abs(got-1) > 0.06 {
		t.Errorf("arrivals at random: %v, expected about 1", got)
	}
	if got := forecast.PeakToMean(burst, 6); got < 2.5 {
		t.Errorf("arrivals within five seconds: %v", got)
	}
	if forecast.PeakToMean(nil, 6) != 1 {
		t.Error("without arrivals the ratio is not 1")
	}
}

func TestHazard(t *testing.T) {
	rt, err := forecast.NewRuntime(model(t), functions("timer", "rule", "idle"), start)
	if err != nil {
		t.Fatal(err)
	}
	rt.Step(0, []float64{2, 1, 0})
	for minute := 1; minute < 80; minute++ {
		rt.Step(minute, []float64{0, 1, 0})
	}
	// The timer of 90 minutes rings in minute 90: the 11th from 80 on.
	if a, b := rt.Hazard(0, 10), rt.Hazard(0, 11); a > 0.1 || b < 0.9 {
		t.Errorf("a timer that is due in 11 minutes rings within 10 with probability %v, within 11 with %v", a, b)
	}
	if n, ok := rt.DueWithin(0, 0.5, 60); n != 11 || !ok {
		t.Errorf("it is due within %d, %v", n, ok)
	}
	if _, ok := rt.DueWithin(2, 0.5, 60); ok {
		t.Error("a function that was never invoked is due")
	}
	if got := rt.Hazard(1, 3); math.Abs(got-(1-math.Exp(-3))) > 0.05 {
		t.Errorf("one arrival a minute: %v within 3", got)
	}
}
