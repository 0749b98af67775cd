package datasets_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
)

// counts makes a day from rows of function, minute and count, sorted.
func counts(day, functions int, rows ...[3]int64) *datasets.Counts {
	c := &datasets.Counts{Day: day, Offset: make([]int, functions+1)}
	for _, r := range rows {
		c.Minute, c.Count = append(c.Minute, int32(r[1])), append(c.Count, r[2])
		for f := int(r[0]); f < functions; f++ {
			c.Offset[f+1]++
		}
	}
	return c
}

// small has three functions on two days, the second without the first function.
func small() *datasets.Trace {
	t := &datasets.Trace{
		Start: time.Date(2019, 7, 15, 0, 0, 0, 0, time.UTC),
		Span:  datasets.Window{From: 10, To: 2000},
		Source: datasets.Memory{
			counts(0, 3, [3]int64{0, 10, 5}, [3]int64{0, 1439, 1}, [3]int64{2, 10, 2}),
			counts(1, 3, [3]int64{1, 0, 7}, [3]int64{2, 559, 3}),
		},
	}
	for i := range 3 {
		t.Functions = append(t.Functions, datasets.Function{
			ID: datasets.FunctionID(i), Owner: "o", App: "a", Name: string(rune('f' + i)), Memory: 128 << 20, CPU: 1,
			Execution: datasets.Distribution{Prob: []float64{0, 1}, Value: []time.Duration{time.Second, 3 * time.Second}},
		})
	}
	return t
}

func TestCounts(t *testing.T) {
	tr := small()
	if tr.Days() != 2 {
		t.Errorf("%d days", tr.Days())
	}
	if got, want := tr.Time(1441), time.Date(2019, 7, 16, 0, 1, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("minute 1441 is %v", got)
	}
	c, err := tr.Day(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if c.Total() != 8 {
		t.Errorf("total %d", c.Total())
	}
	if minute, count := c.Function(0); !reflect.DeepEqual(minute, []int32{10, 1439}) || !reflect.DeepEqual(count, []int64{5, 1}) {
		t.Errorf("function 0: %v %v", minute, count)
	}
	if minute, _ := c.Function(1); len(minute) != 0 {
		t.Errorf("function 1: %v", minute)
	}
	for _, day := range []int{-1, 2} {
		if _, err := tr.Day(t.Context(), day); err == nil {
			t.Errorf("day %d of two was read", day)
		}
	}
}

func TestDense(t *testing.T) {
	tr := small()
	rows, err := tr.Dense(t.Context(), datasets.Window{From: 1439, To: 1442})
	if err != nil {
		t.Fatal(err)
	}
	if want := [][]float64{{1, 0, 0}, {0, 7, 0}, {0, 0, 0}}; !reflect.DeepEqual(rows, want) {
		t.Errorf("%v, expected %v", rows, want)
	}
	rows, err = tr.Dense(t.Context(), datasets.Window{From: 0, To: 2880})
	if err != nil {
		t.Fatal(err)
	}
	var total float64
	for _, row := range rows {
		for _, n := range row {
			total += n
		}
	}
	if total != 18 {
		t.Errorf("total %g", total)
	}
	if rows, err := tr.Dense(t.Context(), datasets.Window{From: 5, To: 5}); err != nil || len(rows) != 3 || len(rows[0]) != 0 {
		t.Errorf("an empty window: %v, error %v", rows, err)
	}
	if _, err := tr.Dense(t.Context(), datasets.Window{From: 0, To: 2881}); err == nil {
		t.Error("a window beyond the trace was read")
	}
}

func arrivals(t *testing.T, tr *datasets.Trace, w datasets.Window, rnd uint64) []datasets.Invocation {
	t.Helper()
	var out []datasets.Invocation
	for inv, err := range datasets.Arrivals(t.Context(), tr, w, rnd) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, inv)
	}
	return out
}

func TestArrivals(t *testing.T) {
	tr := small()
	all := arrivals(t, tr, datasets.Window{From: 0, To: 2880}, 1)
	perMinute := map[[2]int]int{}
	for i, inv := range all {
		if i > 0 && inv.Arrival < all[i-1].Arrival {
			t.Errorf("invocation %d arrives before %d", i, i-1)
		}
		if inv.Duration < time.Second || inv.Duration > 3*time.Second {
			t.Errorf("invocation %d takes %v", i, inv.Duration)
		}
		perMinute[[2]int{int(inv.Function), int(inv.Arrival / time.Minute)}]++
	}
	want := map[[2]int]int{{0, 10}: 5, {0, 1439}: 1, {2, 10}: 2, {1, 1440}: 7, {2, 1999}: 3}
	if !reflect.DeepEqual(perMinute, want) {
		t.Errorf("%v, expected %v", perMinute, want)
	}
	// A part of the trace has the same invocations as the whole has there.
	if part := arrivals(t, tr, datasets.Window{From: 1439, To: 1441}, 1); !reflect.DeepEqual(part, all[7:15]) {
		t.Errorf("minutes 1439 and 1440: %v, expected %v", part, all[7:15])
	}
	if reflect.DeepEqual(arrivals(t, tr, datasets.Window{From: 0, To: 2880}, 2), all) {
		t.Error("another seed gave the same arrivals")
	}
}

// Arrivals are uniform in their minute and durations follow the quantiles.
func TestArrivalsAreUniform(t *testing.T) {
	tr := small()
	const n = 20_000
	tr.Source = datasets.Memory{counts(0, 3, [3]int64{1, 3, n})}
	tr.Span = datasets.Window{From: 0, To: 1440}
	var at, duration float64
	first := 0
	for _, inv := range arrivals(t, tr, tr.Span, 1) {
		u := (inv.Arrival - 3*time.Minute).Seconds() / 60
		at += u
		duration += inv.Duration.Seconds()
		if u < 0.25 {
			first++
		}
	}
	// Standard errors of the means: 0.289/141 = 0.002 and 0.577/141 = 0.004; four of them.
	if math.Abs(at/n-0.5) > 0.008 || math.Abs(duration/n-2) > 0.017 || math.Abs(float64(first)/n-0.25) > 0.013 {
		t.Errorf("mean arrival %g, mean duration %g, in the first quarter %g", at/n, duration/n, float64(first)/n)
	}
}

func TestArrivalsStop(t *testing.T) {
	tr := small()
	for range datasets.Arrivals(t.Context(), tr, tr.Span, 1) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range datasets.Arrivals(ctx, tr, datasets.Window{From: 0, To: 2880}, 1) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("error %v", last)
	}
	for _, err := range datasets.Arrivals(t.Context(), tr, datasets.Window{From: 0, To: 9999}, 1) {
		last = err
	}
	if last == nil || errors.Is(last, context.Canceled) {
		t.Errorf("beyond the trace: %v", last)
	}
}

func TestDistribution(t *testing.T) {
	d := datasets.Distribution{Prob: []float64{0, 0.5, 1}, Value: []time.Duration{0, 10, 110}}
	for u, want := range map[float64]time.Duration{0: 0, 0.25: 5, 0.5: 10, 0.75: 60, 1: 110} {
		if got := d.Quantile(u); got != want {
			t.Errorf("quantile %g is %d, expected %d", u, got, want)
		}
	}
	if got := d.Mean(); got != 32 { // 0.5*5 + 0.5*60 = 32.5
		t.Errorf("mean %d", got)
	}
	c := datasets.Constant(7)
	if c.Mean() != 7 || c.Quantile(0) != 7 || c.Quantile(0.3) != 7 || c.Quantile(1) != 7 {
		t.Errorf("constant %+v", c)
	}
	var zero datasets.Distribution
	if zero.Mean() != 0 || zero.Quantile(0.5) != 0 || zero.Validate() != nil {
		t.Error("the zero value is not the constant 0")
	}
	for want, d := range map[string]datasets.Distribution{
		"2 probabilities and 1 values": {Prob: []float64{0, 1}, Value: []time.Duration{1}},
		"from 0 to 1":                  {Prob: []float64{0.1, 1}, Value: []time.Duration{1, 2}},
		"must ascend":                  {Prob: []float64{0, math.NaN(), 1}, Value: []time.Duration{1, 2, 3}},
		"must not descend":             {Prob: []float64{0, 1}, Value: []time.Duration{2, 1}},
		"must not be negative":         {Prob: []float64{0, 1}, Value: []time.Duration{-1, 1}},
	} {
		if err := d.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

// The quantile function does not descend, stays within its table, and its average
// over many quantiles is the mean.
func TestDistributionProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 8).Draw(t, "knots")
		d := datasets.Distribution{Prob: make([]float64, n), Value: make([]time.Duration, n)}
		for i := 1; i < n; i++ {
			d.Prob[i] = d.Prob[i-1] + rapid.Float64Range(0.01, 1).Draw(t, "step")
			d.Value[i] = d.Value[i-1] + time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "rise"))
		}
		whole := d.Prob[n-1]
		for i := range d.Prob {
			d.Prob[i] /= whole
		}
		if err := d.Validate(); err != nil {
			t.Fatal(err)
		}
		last, sum := time.Duration(0), 0.0
		const steps = 4000
		for i := range steps {
			q := d.Quantile((float64(i) + 0.5) / steps)
			if q < last || q > d.Value[n-1] {
				t.Fatalf("quantile %v after %v of %v", q, last, d.Value)
			}
			last = q
			sum += float64(q)
		}
		if diff := math.Abs(sum/steps - float64(d.Mean())); diff > 2+1e-3*float64(d.Value[n-1]) {
			t.Fatalf("mean %v, average of quantiles %v", d.Mean(), time.Duration(sum/steps))
		}
	})
}

// TestSplitEnd: parts of fixed length stand at the end, where they leave half of the window.
func TestSplitEnd(t *testing.T) {
	day := datasets.MinutesPerDay
	for _, c := range []struct {
		w           datasets.Window
		valid, test int
		want        [3]int // begin of the parts
	}{
		{datasets.Window{To: 28 * day}, 2 * day, 5 * day, [3]int{0, 21 * day, 23 * day}},
		{datasets.Window{From: 3 * day, To: 31 * day}, 2 * day, 5 * day, [3]int{3 * day, 24 * day, 26 * day}},
		{datasets.Window{To: 14 * day}, 2 * day, 5 * day, [3]int{0, 7 * day, 9 * day}},
		{datasets.Window{To: 14*day - 1}, 2 * day, 5 * day, [3]int{0, (14*day - 1) * 70 / 100, (14*day - 1) * 85 / 100}},
		{datasets.Window{To: 100}, 0, 0, [3]int{0, 70, 85}},
		{datasets.Window{To: 100}, 0, 5, [3]int{0, 80, 95}},
		{datasets.Window{To: 100}, 5, 0, [3]int{0, 80, 85}},
		{datasets.Window{To: 7}, 0, 0, [3]int{0, 4, 5}},
	} {
		s := datasets.SplitEnd(c.w, c.valid, c.test)
		if got := [3]int{s.Train.From, s.Valid.From, s.Test.From}; got != c.want || s.Train.To != s.Valid.From || s.Valid.To != s.Test.From || s.Test.To != c.w.To {
			t.Errorf("%v with %d and %d: %+v, want parts from %v", c.w, c.valid, c.test, s, c.want)
		}
		if c.valid+c.test == 0 && s != datasets.Split(c.w) {
			t.Errorf("%v: %+v are not the shares", c.w, s)
		}
	}
}

func TestSplit(t *testing.T) {
	s := datasets.Split(datasets.Window{From: 100, To: 1100})
	want := datasets.Splits{Train: datasets.Window{From: 100, To: 800}, Valid: datasets.Window{From: 800, To: 950}, Test: datasets.Window{From: 950, To: 1100}}
	if s != want {
		t.Errorf("%+v, expected %+v", s, want)
	}
	for name, want := range map[string]datasets.Window{"train": want.Train, "valid": want.Valid, "test": want.Test, "all": {From: 100, To: 1100}} {
		if got, err := s.Named(name); err != nil || got != want {
			t.Errorf("%s: %v, error %v", name, got, err)
		}
	}
	if _, err := s.Named("tests"); err == nil || !strings.Contains(err.Error(), `window "tests": must be`) {
		t.Errorf("error %v", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(0, 1e6).Draw(t, "from")
		w := datasets.Window{From: from, To: from + rapid.IntRange(0, 1e6).Draw(t, "length")}
		s := datasets.Split(w)
		if s.Train.From != w.From || s.Train.To != s.Valid.From || s.Valid.To != s.Test.From || s.Test.To != w.To || s.Train.Len() < 0 || s.Valid.Len() < 0 || s.Test.Len() < 0 {
			t.Fatalf("%v is cut into %+v", w, s)
		}
	})
}

func TestSyntaxError(t *testing.T) {
	if got := (&datasets.SyntaxError{File: "a.csv", Line: 7, Msg: "ragged"}).Error(); got != "a.csv:7: ragged" {
		t.Error(got)
	}
	if got := (&datasets.SyntaxError{File: "a.csv", Msg: "empty"}).Error(); got != "a.csv: empty" {
		t.Error(got)
	}
}

// The digests are of what they are said to be, and nothing else.
func TestDigests(t *testing.T) {
	c := counts(0, 2, [3]int64{0, 1, 2}, [3]int64{1, 3, 4})
	// printf '\0\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\3\0\0\0\4\0\0\0\0\0\0\0' | sha256sum
	const want = "ebbc54902421d9b044427b5d0628cc8952fac8dd38bec6b2d11194036a941acf"
	if got := c.Digest(); got != want {
		t.Errorf("digest %s, expected %s", got, want)
	}
	if got := counts(5, 9, [3]int64{0, 1, 2}, [3]int64{1, 3, 4}).Digest(); got != want {
		t.Error("the digest depends on the day or on functions without rows")
	}
	if counts(0, 2, [3]int64{0, 1, 2}, [3]int64{1, 3, 5}).Digest() == want || counts(0, 2, [3]int64{0, 1, 2}, [3]int64{0, 3, 4}).Digest() == want {
		t.Error("the digest does not depend on every value")
	}
	tr := small()
	base := datasets.ContentDigest(tr.Start, tr.Span, tr.Functions, []string{"a", "b"})
	if !strings.HasPrefix(base, "sha256:") || len(base) != 7+64 {
		t.Errorf("digest %q", base)
	}
	for name, change := range map[string]func(t *datasets.Trace){
		"start":   func(t *datasets.Trace) { t.Start = t.Start.AddDate(0, 0, 1) },
		"span":    func(t *datasets.Trace) { t.Span.To++ },
		"app":     func(t *datasets.Trace) { t.Functions[1].App = "b" },
		"cut":     func(t *datasets.Trace) { t.Functions[1].Owner, t.Functions[1].App = "oa", "" },
		"memory":  func(t *datasets.Trace) { t.Functions[2].Memory++ },
		"assumed": func(t *datasets.Trace) { t.Functions[2].Assumed = datasets.AssumedCPU },
		"cost":    func(t *datasets.Trace) { t.Functions[0].AssumeStartCost(1) },
		"fewer":   func(t *datasets.Trace) { t.Functions = t.Functions[:2] },
	} {
		other := small()
		change(other)
		if datasets.ContentDigest(other.Start, other.Span, other.Functions, []string{"a", "b"}) == base {
			t.Errorf("%s: the digest is the same", name)
		}
	}
	if datasets.ContentDigest(tr.Start, tr.Span, tr.Functions, []string{"ab"}) == base {
		t.Error("the digest does not depend on the days")
	}
}
