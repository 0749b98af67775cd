package policy

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestWindows: the three modes of the hybrid histogram, worked out by hand.
func TestWindows(t *testing.T) {
	const min = decide.Minute
	repeat := func(idle decide.Time, n int) []decide.Time {
		x := make([]decide.Time, n)
		for i := range x {
			x[i] = idle
		}
		return x
	}
	even := make([]decide.Time, 240) // one in each bin: CV 0
	for i := range even {
		even[i] = decide.Time(i) * min
	}
	for _, c := range []struct {
		name          string
		idle          []decide.Time
		prewarm, keep decide.Time
	}{
		{"few idle times", repeat(20*min, 9), 0, 240 * min},
		{"no pattern", even, 0, 240 * min},
		// All in bin 20: head 20, rounded down, tail 21, rounded up.
		{"a timer", repeat(20*min, 10), 18 * min, 23*min + min/10 - 18*min},
		// The 5th percentile lies in bin 0: kept through, to 1.1 * 31 min.
		{"often at once", append(repeat(30*min, 94), repeat(0, 6)...), 0, 34*min + min/10},
		// Twelve of twelve beyond four hours: 0.85 and 0.30 of the forecast, which is
		// their mean as they do not vary.
		{"rare", repeat(400*min, 12), 340 * min, 120 * min},
		{"rare, too few to forecast", repeat(400*min, 3), 0, 240 * min},
		// Alternating 300 and 500 minutes: mean 400, autocorrelation at lag 1 -11/12, the
		// last one 500: 400 - 11/12 * 100 = 308 1/3.
		{"rare, in turns", []decide.Time{
			300 * min, 500 * min, 300 * min, 500 * min, 300 * min, 500 * min,
			300 * min, 500 * min, 300 * min, 500 * min, 300 * min, 500 * min,
		}, 15725 * min / 60, 5550 * min / 60},
	} {
		a, o := idleTimes{}, DefaultHistogramOptions()
		for _, x := range c.idle {
			a.learn(x, &o)
		}
		if near := func(a, b decide.Time) bool { return a-b < 2 && b-a < 2 }; !near(a.prewarm, c.prewarm) || !near(a.keep, c.keep) {
			t.Errorf("%s: prewarm after %v, keep for %v, want %v, %v", c.name, a.prewarm.Duration(), a.keep.Duration(), c.prewarm.Duration(), c.keep.Duration())
		}
	}
}

// TestCV: the running coefficient of variation is that of the counts.
func TestCV(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, o := idleTimes{}, DefaultHistogramOptions()
		for _, m := range rapid.SliceOfN(rapid.IntRange(0, 239), 1, 300).Draw(t, "minutes") {
			a.learn(decide.Time(m)*decide.Minute, &o)
		}
		var sum, square float64
		for _, n := range a.counts {
			sum += float64(n)
		}
		mean := sum / float64(len(a.counts))
		for _, n := range a.counts {
			square += (float64(n) - mean) * (float64(n) - mean)
		}
		if want := math.Sqrt(square/float64(len(a.counts))) / mean; math.Abs(a.cv()-want) > 1e-9*(1+want) {
			t.Fatalf("CV %v, want %v", a.cv(), want)
		}
	})
}
