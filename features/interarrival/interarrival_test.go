package interarrival_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/features/interarrival"
)

// timer was invoked n times in a row, every period minutes, twice each.
func timer(n, period int) *interarrival.Histogram {
	var minute []int32
	var count []float32
	for i := range n {
		minute, count = append(minute, int32(i*period)), append(count, 2)
	}
	return interarrival.New(minute, count, n*period)
}

func TestNew(t *testing.T) {
	for _, c := range []struct {
		name    string
		minute  []int32
		count   []float32
		span    int
		want    interarrival.Histogram
		moments interarrival.Moments
	}{
		{"nothing", nil, nil, 100, interarrival.Histogram{Gap: []int32{}, Count: []int32{}, Batch: 1}, interarrival.Moments{}},
		{"one arrival", []int32{7}, []float32{3}, 100, interarrival.Histogram{Gap: []int32{}, Count: []int32{}, Rate: .01, Batch: 3}, interarrival.Moments{}},
		{
			"several", []int32{3, 5, 6, 8, 18}, []float32{1, 1, 4, 2, 2}, 20,
			interarrival.Histogram{Gap: []int32{1, 2, 10}, Count: []int32{1, 2, 1}, Rate: .25, Batch: 2},
			interarrival.Moments{N: 4, Mean: 3.75, Deviation: math.Sqrt(13.1875)},
		},
	} {
		got := interarrival.New(c.minute, c.count, c.span)
		if !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, *got, c.want)
		}
		if m := got.Moments(); m != c.moments {
			t.Errorf("%s: moments %+v, want %+v", c.name, m, c.moments)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if cv := timer(9, 1440).Moments().CV(); cv != 0 {
		t.Errorf("a timer has the coefficient of variation %g, want 0", cv)
	}
	if cv := timer(1, 1440).Moments().CV(); cv != 0 {
		t.Errorf("without inter-arrival times the coefficient of variation is %g, want 0", cv)
	}
}

// Daily and six-hourly timers lie beyond the range of the histograms of keep-alive
// policies; here they are expected in their minute and in no other.
func TestPArrivalOfTimer(t *testing.T) {
	for _, period := range []int{2, 90, 360, 1440} {
		f := interarrival.Follow(timer(20, period))
		if p, want := f.PArrival(0), 1/float64(period); math.Abs(p-want) > 1e-15 {
			t.Errorf("period %d: %g before the first arrival, want the rate %g", period, p, want)
		}
		f.Observe(5, 2)
		rate := 1 / float64(period)
		for now := 6; now < 5+2*period; now++ {
			want := 2 * rate / (19 + 2) // too early
			switch {
			case now == 5+period:
				want = (19 + 2*rate) / (19 + 2)
			case now > 5+period:
				want = rate // later than ever: nothing is known but the rate
			}
			if p := f.PArrival(now); math.Abs(p-want) > 1e-15 {
				t.Fatalf("period %d, %d minutes after: %g, want %g", period, now-5, p, want)
			}
			f.Observe(now, math.NaN())
		}
		if f.Batch() != 2 {
			t.Errorf("batch %g, want 2", f.Batch())
		}
	}
}

func TestPArrivalOfUnknown(t *testing.T) {
	f := interarrival.Follow(nil)
	for now := range 1440 {
		if p := f.PArrival(now); p != 0 || f.Batch() != 0 {
			t.Fatalf("%g, batch %g before anything is known, want 0", p, f.Batch())
		}
		f.Observe(now, 0)
	}
	f.Observe(1440, 6)
	want := 1 / (1441. + 1440) // as often as it was seen, were a silent day added
	if p := f.PArrival(1441); math.Abs(p-want) > 1e-15 || f.Batch() != 6 {
		t.Errorf("%g and batch %g after one arrival, want %g and 6", p, f.Batch(), want)
	}
	f.Observe(1443, 2)
	rate := 2 / (1442. + 1440) // minutes that were not told of are not counted
	if p, want := f.PArrival(1446), (1+2*rate)/3; math.Abs(p-want) > 1e-15 || f.Batch() != 4 {
		t.Errorf("%g and batch %g after one inter-arrival time, want %g and 4", p, f.Batch(), want)
	}
}

// Whatever is learned minute by minute is the histogram that is made of all minutes at
// once, and the chance of an arrival is what the equation says, term by term.
func TestFollower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gaps := rapid.SliceOfN(rapid.Int32Range(1, 40), 1, 80).Draw(t, "gaps")
		f := interarrival.Follow(nil)
		minute := []int32{0}
		count := []float32{1}
		f.Observe(0, 1)
		for i, g := range gaps {
			at := minute[i] + g
			for m := minute[i] + 1; m < at; m++ {
				f.Observe(int(m), 0)
			}
			f.Observe(int(at), float64(i%3+1))
			minute, count = append(minute, at), append(count, float32(i%3+1))
		}
		last := minute[len(gaps)]
		span := int(last) + 1
		h := interarrival.New(minute, count, span)
		given := interarrival.Follow(h)
		given.Observe(int(last), 1)
		if f.Batch() != h.Batch || given.Batch() != h.Batch {
			t.Fatalf("batch %g and %g, want %g", f.Batch(), given.Batch(), h.Batch)
		}
		learned := float64(len(minute)) / float64(span+1440)
		for since := int32(1); since < 50; since++ {
			var equal, more float64
			for _, g := range gaps {
				if g == since {
					equal++
				}
				if g >= since {
					more++
				}
			}
			for _, c := range []struct {
				f    interarrival.Follower
				rate float64
			}{{f, learned}, {given, h.Rate}} {
				p, want := c.f.PArrival(int(last+since)), (equal+2*c.rate)/(more+2)
				if math.Abs(p-want) > 1e-12 || p < 0 || p > 1 {
					t.Fatalf("%d minutes after: %g, want %g", since, p, want)
				}
			}
		}
	})
}

// A function whose gaps are all different takes bounded memory, and none after the
// first arrival.
func TestObserveDoesNotAllocate(t *testing.T) {
	f := interarrival.Follow(nil)
	f.Observe(0, 1)
	minute, gap := 0, 0
	if n := testing.AllocsPerRun(200, func() {
		gap++
		minute += gap
		f.Observe(minute, 1)
		f.PArrival(minute + 1)
	}); n != 0 {
		t.Errorf("%v allocations, expected 0", n)
	}
	// The gaps of 1 to 64 minutes were counted, those of 65 to 201 were not.
	rate := 202 / (202. + 1440)
	if p, want := f.PArrival(minute+64), (1+2*rate)/(1+2); math.Abs(p-want) > 1e-12 {
		t.Errorf("the last gap that was counted has %g, want %g", p, want)
	}
	if p := f.PArrival(minute + 65); math.Abs(p-rate) > 1e-12 {
		t.Errorf("one more has %g, want the rate %g", p, rate)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"gap":[1,2],"count":[1],"rate":0.5,"batch":1}`, "equal length, got 2 and 1"},
		{`{"gap":[0],"count":[1],"rate":0.5,"batch":1}`, "ascend"},
		{`{"gap":[2,2],"count":[1,1],"rate":0.5,"batch":1}`, "ascend"},
		{`{"gap":[2],"count":[0],"rate":0.5,"batch":1}`, "positive"},
		{`{"gap":[],"count":[],"rate":1.5,"batch":1}`, "rate"},
		{`{"gap":[],"count":[],"rate":0.5,"batch":0}`, "batch"},
	} {
		var h interarrival.Histogram
		if err := json.Unmarshal([]byte(c.text), &h); err != nil {
			t.Fatal(err)
		}
		if err := h.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, expected one with %q", c.text, err, c.want)
		}
	}
}

// A histogram survives JSON, and any that is valid has a chance in [0, 1].
func FuzzHistogram(f *testing.F) {
	b, err := json.Marshal(timer(3, 90))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, 90)
	f.Add([]byte(`{"gap":[1,2147483647],"count":[2147483647,2147483647],"rate":1,"batch":1}`), 1)
	f.Fuzz(func(t *testing.T, b []byte, since int) {
		var h, again interarrival.Histogram
		if json.Unmarshal(b, &h) != nil || h.Validate() != nil || since < 1 {
			return
		}
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(again, h) {
			t.Fatalf("%+v came back as %+v, %v", h, again, err)
		}
		fw := interarrival.Follow(&h)
		fw.Observe(0, 1)
		if p := fw.PArrival(since); !(p >= 0 && p <= 1) {
			t.Errorf("%+v: %g after %d minutes, want in [0, 1]", h, p, since)
		}
		if m := h.Moments(); !(m.Mean >= 0 && m.Deviation >= 0) {
			t.Errorf("%+v: moments %+v", h, m)
		}
	})
}
