package interarrival_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/features/interarrival"
)

// cron is a function that was called n times, every interval.
func cron(n int, interval time.Duration) *interarrival.Histogram {
	h := new(interarrival.Histogram)
	for range n {
		h.Observe(interval)
	}
	return h
}

func TestPArrivalOfTimer(t *testing.T) {
	h := cron(99, 15*time.Minute)
	for _, c := range []struct {
		within, since time.Duration
		low, high     float64
	}{
		{10 * time.Minute, 0, 0, 0.01},             // too early
		{16 * time.Minute, 0, 0.985, 1},            // due inside
		{1 * time.Minute, 15 * time.Minute, .9, 1}, // due now
		{5 * time.Minute, 9 * time.Minute, 0, .01}, // not before 15 minutes
		{30 * time.Second, 15 * time.Minute, .45, .55},
		{time.Minute, 3 * time.Hour, 0, 0.01}, // it has stopped
	} {
		if p := h.PArrival(c.within, c.since); p < c.low || p > c.high {
			t.Errorf("PArrival(%v, since %v) = %.4f, want in [%g, %g]", c.within, c.since, p, c.low, c.high)
		}
	}
	if p := new(interarrival.Histogram).PArrival(time.Hour, 0); p != 0 {
		t.Errorf("without observations: %g, want 0", p)
	}
}

func TestTail(t *testing.T) {
	h := cron(1000, 10*time.Hour)
	if h.OutOfBounds() != 1000 || h.CV() != 0 {
		t.Fatalf("out of bounds %d, CV %g", h.OutOfBounds(), h.CV())
	}
	// Exponential with mean 6 hours after the range of 4.
	want := 1 - math.Exp(-1)
	if p := h.PArrival(6*time.Hour, 4*time.Hour); math.Abs(p-want) > 2e-3 {
		t.Errorf("PArrival = %.4f, want %.4f", p, want)
	}
	if q := h.Quantile(1 - math.Exp(-1)); math.Abs(q.Hours()-10) > 1e-6 {
		t.Errorf("quantile %v, want 10h", q)
	}
}

func TestCV(t *testing.T) {
	if got, want := cron(7, time.Minute).CV(), math.Sqrt(interarrival.Bins-1); math.Abs(got-want) > 1e-12 {
		t.Errorf("one bin: CV %g, want %g", got, want)
	}
	h := new(interarrival.Histogram)
	for i := range interarrival.Bins {
		h.Observe(time.Duration(i)*time.Minute + time.Second)
	}
	if got := h.CV(); got > 1e-7 {
		t.Errorf("all bins alike: CV %g, want 0", got)
	}
}

func TestObserveCounts(t *testing.T) {
	h := new(interarrival.Histogram)
	h.ObserveCounts([]float64{1, 0, 0, 4, 0, 1, math.NaN(), 1, 1})
	// 3 minutes; three times 15 s; 2 minutes; a gap; 1 minute.
	for bin, want := range map[int]int64{0: 3, 1: 1, 2: 1, 3: 1} {
		if got := h.Bin(bin); got != want {
			t.Errorf("bin %d has %d, want %d", bin, got, want)
		}
	}
	if m := h.Moments(); m.Count != 6 || m.Mean != 67500*time.Millisecond || m.Min != 15*time.Second || m.Max != 3*time.Minute {
		t.Errorf("moments %+v", m)
	}
}

func TestPercentile(t *testing.T) {
	h := new(interarrival.Histogram)
	for i := range 100 {
		h.Observe(time.Duration(10+i) * time.Minute)
	}
	h.Observe(5 * time.Hour)
	if lower, _, ok := h.Percentile(0.05); !ok || lower != 14*time.Minute {
		t.Errorf("head %v", lower)
	}
	if _, upper, ok := h.Percentile(0.99); !ok || upper != 109*time.Minute {
		t.Errorf("tail %v", upper)
	}
	if _, _, ok := cron(3, 5*time.Hour).Percentile(0.5); ok {
		t.Error("a percentile of nothing in bounds")
	}
}

// draw makes a histogram and the IATs in it.
func draw(t *rapid.T) (*interarrival.Histogram, []time.Duration) {
	h := new(interarrival.Histogram)
	iats := rapid.SliceOfN(rapid.Map(rapid.Int64Range(0, int64(8*time.Hour)), func(d int64) time.Duration { return time.Duration(d) }), 1, 60).Draw(t, "iats")
	for _, d := range iats {
		h.Observe(d)
	}
	return h, iats
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, iats := draw(t)
		var sum, square float64
		for _, d := range iats {
			sum += d.Seconds()
		}
		mean := sum / float64(len(iats))
		for _, d := range iats {
			square += (d.Seconds() - mean) * (d.Seconds() - mean)
		}
		m := h.Moments()
		if math.Abs(m.Mean.Seconds()-mean) > 1e-6*(1+mean) {
			t.Fatalf("mean %v, want %g s", m.Mean, mean)
		}
		if dev := math.Sqrt(square / float64(len(iats))); math.Abs(m.Deviation.Seconds()-dev) > 1e-5*(1+dev) {
			t.Fatalf("deviation %v, want %g s", m.Deviation, dev)
		}

		since := time.Duration(rapid.Int64Range(0, int64(9*time.Hour)).Draw(t, "since"))
		a := time.Duration(rapid.Int64Range(0, int64(9*time.Hour)).Draw(t, "a"))
		b := time.Duration(rapid.Int64Range(0, int64(9*time.Hour)).Draw(t, "b"))
		pa, pab := h.PArrival(a, since), h.PArrival(a+b, since)
		if !(pa >= 0 && pa <= pab+1e-12 && pab < 1) {
			t.Fatalf("P(%v) = %g, P(%v) = %g: must not descend and stay below 1", a, pa, a+b, pab)
		}
		// The chain rule: surviving a and then b is surviving a+b.
		if got, want := (1-pa)*(1-h.PArrival(b, since+a)), 1-pab; math.Abs(got-want) > 1e-9 {
			t.Fatalf("survival %g, want %g", got, want)
		}

		p, q := rapid.Float64Range(0, 1).Draw(t, "p"), rapid.Float64Range(0, 1).Draw(t, "q")
		if p > q {
			p, q = q, p
		}
		if h.Quantile(p) > h.Quantile(q) || h.Quantile(q) > max(m.Max+interarrival.Width, interarrival.Width) {
			t.Fatalf("quantiles %v and %v, max %v", h.Quantile(p), h.Quantile(q), m.Max)
		}
	})
}

func TestJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, _ := draw(t)
		b, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		got := new(interarrival.Histogram)
		if err := json.Unmarshal(b, got); err != nil {
			t.Fatal(err)
		}
		if *got != *h {
			t.Fatalf("%+v came back as %+v", h, got)
		}
	})
	for _, bad := range []string{`{"bins":[-1]}`, `{"out_of_bounds":2,"beyond_s":100,"max_s":1}`, `{"min_s":3,"max_s":1}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), new(interarrival.Histogram)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func FuzzJSON(f *testing.F) {
	b, _ := json.Marshal(cron(3, time.Minute))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		h := new(interarrival.Histogram)
		if json.Unmarshal(b, h) != nil {
			return
		}
		if p := h.PArrival(time.Minute, time.Hour); !(p >= 0 && p <= 1) {
			t.Errorf("PArrival = %g", p)
		}
		h.Quantile(0.5)
	})
}
