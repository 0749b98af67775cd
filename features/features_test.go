package features_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/internal/codec"
	"github.com/incendio-faas/incendio/internal/seed"
)

var start = time.Date(2019, 7, 15, 0, 0, 0, 0, time.UTC)

// decomposition is a line with a daily wave, fitted on minutes before from.
func decomposition(from int, slope float64) features.Origin {
	return features.Origin{From: from, Fitted: &prophet.Fitted{
		Growth: prophet.Linear, Start: start, End: start.Add(time.Duration(max(1, from)) * time.Minute),
		YScale: 10, K: slope, M: 1,
		Seasonalities: []prophet.Seasonality{{Name: "daily", Period: 1, Order: 1}},
		Beta:          []float64{0.5, 0},
		SigmaObs:      0.1,
	}}
}

var full = features.Spec{Hours: 3, Days: 2, Surprises: true, Calendar: true, Components: true}

// counts draws a series with zeros, bursts and missing minutes.
func counts(n int, s uint64) []float64 {
	rnd := seed.Stream(s, "counts")
	out := make([]float64, n)
	for i := range out {
		switch rnd.IntN(8) {
		case 0, 1, 2:
			out[i] = float64(rnd.IntN(50))
		case 3:
			out[i] = math.NaN()
		case 4:
			out[i] = 1e6 * rnd.Float64()
		}
	}
	return out
}

func follower(s features.Spec, from int) *features.Follower {
	f := features.NewFollower(s, start, 1<<20, []features.Origin{decomposition(0, 0.5), decomposition(3000, -0.25)})
	f.Reset(from)
	return f
}

func equal(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// Rows have a value per column, do not touch what they are appended to, and do not depend
// on what comes at or after their minute, nor on rows that were made before.
func TestRowsDoNotSeeTheFuture(t *testing.T) {
	for _, ahead := range []int{1, 2, 10, 60, 1440} {
		y, z := counts(5000, 1), counts(5000, 2)
		const now = 4100
		copy(z[:now], y)
		a, b := follower(full, 0), follower(full, 0)
		for i := range now {
			a.Observe(y[i])
			b.Observe(z[i])
			if i%7 == 0 {
				b.Append(nil, ahead)
			}
		}
		row := a.Append([]float64{42}, ahead)
		if len(row) != 1+len(full.Columns()) || row[0] != 42 {
			t.Fatalf("ahead %d: row of %d values for %d columns", ahead, len(row)-1, len(full.Columns()))
		}
		for i, v := range b.Append(nil, ahead) {
			if !equal(v, row[i+1]) {
				t.Errorf("ahead %d: %s is %v, and %v with another future", ahead, full.Columns()[i], row[i+1], v)
			}
		}
		for i, v := range b.AppendExperts(nil, ahead) {
			if want := a.AppendExperts(nil, ahead)[i]; v != want || !(v >= 0) || math.IsInf(v, 0) {
				t.Errorf("ahead %d: expert %d is %v, and %v with another future", ahead, i, want, v)
			}
		}
		a.Observe(1e5)
		if same := slices.EqualFunc(a.Append(nil, ahead), row[1:], equal); same {
			t.Errorf("ahead %d: the row does not depend on the last count", ahead)
		}
	}
}

// A follower that is saved and taken up goes on as if nothing had been.
func TestSavedFollowerGoesOn(t *testing.T) {
	y := counts(4000, 3)
	a := follower(full, 10)
	for _, c := range y[:3100] {
		a.Observe(c)
	}
	w := codec.Writer(nil)
	a.Code(w)
	b := w.Bytes()
	load := func(f *features.Follower, b []byte) error {
		c := codec.Reader(b)
		f.Code(c)
		return c.Err()
	}
	again := follower(full, 0)
	if err := load(again, b); err != nil {
		t.Fatal(err)
	}
	for _, c := range y[3100:] {
		a.Observe(c)
		again.Observe(c)
		if !slices.EqualFunc(a.Append(nil, 1), again.Append(nil, 1), equal) {
			t.Fatalf("minute %d: rows differ", a.Minute())
		}
	}
	other := features.NewFollower(features.Spec{Hours: 1}, start, 1<<20, nil)
	if err := load(other, b); err == nil {
		t.Error("a follower with a shorter memory took up the state")
	}
	if err := load(other, []byte("x")); err == nil {
		t.Error("a follower took up what is no state")
	}
}

// A series that repeats itself every hour is known to the base after some hours.
func TestBaseKnowsTheMinuteOfTheHour(t *testing.T) {
	f := features.NewFollower(features.Spec{Hours: 3}, start, 1<<20, nil)
	worst := 0.0
	for i := range 3000 {
		y := 100.0
		if i%60 == 17 {
			y = 900
		}
		if i%60 == 40 {
			y = 400
		}
		if i > 2000 {
			worst = max(worst, math.Abs(features.Count(f.Base(1))-y))
		}
		f.Observe(y)
	}
	if worst > 30 {
		t.Errorf("the base errs by %v, expected little after a day of the same hours", worst)
	}
	// A day ahead it is the same minute of the hour.
	if a, b := f.Base(18), f.Base(18+24*60); math.Abs(a-b) > 1e-6 {
		t.Errorf("base is %v, and %v a day later", a, b)
	}
}

// Without a rhythm, expected steps are not trusted.
func TestBaseDoesNotInventARhythm(t *testing.T) {
	f := features.NewFollower(features.Spec{Hours: 3}, start, 1<<20, nil)
	rnd := seed.Stream(1, "noise")
	var with, without float64
	level := features.Stabilise(25)
	for i := range 4000 {
		y := math.Max(0, math.Round(25+5*rnd.NormFloat64()))
		z := features.Stabilise(y)
		if i > 600 {
			with += math.Abs(z - f.Base(1))
			without += math.Abs(z - level)
		}
		level += 0.05 * (z - level)
		f.Observe(y)
	}
	if with > 1.03*without {
		t.Errorf("the base has the error %v, plain smoothing %v", with, without)
	}
}

// Whatever is observed, rows hold no infinity, and what is forecast is bounded.
func TestBadCounts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := follower(full, rapid.IntRange(0, 5000).Draw(rt, "from"))
		largest := 0.0
		for range rapid.IntRange(0, 200).Draw(rt, "minutes") {
			y := rapid.SampledFrom([]float64{0, 0, 1, 3, 1e9, 1e300, -1, math.NaN(), math.Inf(1)}).Draw(rt, "count")
			f.Observe(y)
			if y >= 0 && !math.IsInf(y, 0) {
				largest = max(largest, min(y, features.LargestCount))
			}
		}
		for _, ahead := range []int{1, 7, 60, 1440} {
			row := f.Append(nil, ahead)
			if row[0] != row[0] {
				rt.Fatalf("the base is %v", row[0])
			}
			for i, v := range row {
				if math.IsInf(v, 0) || math.Abs(v) > 1e8 {
					rt.Fatalf("ahead %d: %s is %v", ahead, full.Columns()[i], v)
				}
			}
		}
		if b := f.Bound(); !(b >= 10 && b <= max(10, 2*largest)) {
			rt.Fatalf("bound is %v after a count of %v", b, largest)
		}
	})
}

// Counts survive the ring: small ones as they are, large ones within 0.1 %.
func TestLags(t *testing.T) {
	f := features.NewFollower(features.Spec{Hours: 1}, start, 1<<20, nil)
	lag := slices.Index(features.Spec{Hours: 1}.Columns(), "lag_1")
	for _, y := range []float64{0, 1, 4095, 4096, 32767, 40_000, 1e6, 1e9} {
		f.Observe(y)
		row := f.Append(nil, 1)
		got := features.Count(row[0] + row[lag])
		if tolerance := 1e-3 * y; math.Abs(got-y) > tolerance+1e-9 || y <= 32767 && math.Abs(got-y) > 1e-6 {
			t.Errorf("lag_1 is %v, expected %v", got, y)
		}
	}
}

// TestSurprises: a task of one minute a day, which no minute of the hour shows, is known from the days
// before; a function of which less than two days are kept has none.
func TestSurprises(t *testing.T) {
	s := features.Spec{Hours: 1, Days: 7, Surprises: true}
	columns := s.Columns()
	for _, c := range []struct {
		keep  int
		known bool
	}{{s.Reach(), true}, {1500, false}} {
		f := features.NewFollower(s, start, c.keep, nil)
		for minute := range 4*1440 + 700 {
			y := float64(98 + minute*7919%5)
			if minute%1440 == 700 {
				y = 180
			}
			f.Observe(y)
		}
		for _, ahead := range []int{1, 30} {
			for _, name := range []string{"surprise_1", "surprise_2", "surprises_mean", "surprises_median"} {
				v := f.Append(nil, ahead)[slices.Index(columns, name)]
				task := ahead == 1
				if c.known != (v == v) || c.known && (v > 1) != task {
					t.Errorf("%d minutes ahead, %d kept: %s is %v", ahead, c.keep, name, v)
				}
			}
			if v := f.Append(nil, ahead)[slices.Index(columns, "surprise_7")]; v == v {
				t.Errorf("after four days, surprise_7 is %v", v)
			}
		}
	}
}

func TestSpec(t *testing.T) {
	for span, want := range map[int]features.Spec{
		60: {Hours: 1}, 480: {Hours: 4}, 3 * 1440: {Hours: 36, Days: 1, Surprises: true, Calendar: true}, 20 * 1440: {Hours: 72, Days: 7, Surprises: true, Calendar: true},
	} {
		if got := features.SpecFor(span); got != want {
			t.Errorf("SpecFor(%d) is %+v, expected %+v", span, got, want)
		}
	}
	for _, s := range []features.Spec{{}, {Hours: 73}, {Hours: 1, Days: 8}, {Hours: 1, Surprises: true}} {
		if s.Validate() == nil {
			t.Errorf("%+v is valid", s)
		}
	}
	columns := features.Spec{Hours: 72, Days: 7, Surprises: true, Calendar: true, Components: true}.Columns()
	slices.Sort(columns)
	if n := len(columns); len(slices.Compact(columns)) != n {
		t.Error("two columns have one name")
	}
}

func TestFollowerDoesNotAllocate(t *testing.T) {
	f := follower(full, 0)
	y := counts(4000, 4)
	row := make([]float64, 0, len(full.Columns()))
	experts := make([]float64, 0, features.Experts)
	i := 0
	if n := testing.AllocsPerRun(3000, func() {
		row, experts = f.Append(row[:0], 1), f.AppendExperts(experts[:0], 1)
		f.Observe(y[i])
		i++
	}); n != 0 {
		t.Errorf("a minute allocates %v times", n)
	}
	if len(experts) != features.Experts {
		t.Errorf("%d experts, expected %d", len(experts), features.Experts)
	}
}

func BenchmarkFollower(b *testing.B) {
	spec := features.Spec{Hours: 72, Days: 7, Surprises: true, Calendar: true}
	f := features.NewFollower(spec, start, 1<<20, nil)
	y := counts(12_000, 5)
	for _, c := range y {
		f.Observe(c)
	}
	row := make([]float64, 0, 200)
	b.Run("row", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			row = f.Append(row[:0], 1)
			f.Observe(y[i%len(y)])
		}
	})
	b.Run("experts", func(b *testing.B) {
		for b.Loop() {
			row = f.AppendExperts(row[:0], 1)
		}
	})
	b.Run("observe", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			f.Observe(y[i%len(y)])
		}
	})
}
