package datasets_test

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
)

// singles is a trace of two functions with five invocations on day 0 and two on day 1.
func singles() *datasets.Trace {
	at := func(minute int, us int64) time.Duration {
		return time.Duration(minute)*time.Minute + time.Duration(us)*time.Microsecond
	}
	t := small()
	t.Functions = t.Functions[:2]
	t.Source = datasets.Singles{
		{{0, at(10, 5), time.Second}, {1, at(10, 5), 0}, {0, at(10, 59_999_999), datasets.Unknown}, {0, at(11, 0), datasets.Unknown}, {1, at(1439, 7), 3 * time.Hour}},
		{{1, at(1440, 0), datasets.Unknown}, {1, at(1441, 1), 2 * time.Microsecond}},
	}
	return t
}

// Observed invocations are replayed as they are; only unknown durations are drawn.
func TestArrivalsOfSingleInvocations(t *testing.T) {
	tr := singles()
	day := slices.Concat(tr.Source.(datasets.Singles)...)
	got := arrivals(t, tr, datasets.Window{From: 0, To: 2880}, 1)
	if len(got) != len(day) {
		t.Fatalf("%d invocations, expected %d", len(got), len(day))
	}
	for i, inv := range got {
		want := day[i]
		if want.Duration == datasets.Unknown {
			if inv.Duration < time.Second || inv.Duration > 3*time.Second {
				t.Errorf("invocation %d: drawn duration %v", i, inv.Duration)
			}
			want.Duration = inv.Duration
		}
		if inv != want {
			t.Errorf("invocation %d is %v, expected %v", i, inv, want)
		}
	}
	if got[2].Duration == got[3].Duration {
		t.Error("two invocations have the same drawn duration")
	}
	// A window has what lies in it, with the same draws.
	if part := arrivals(t, tr, datasets.Window{From: 11, To: 1441}, 1); !reflect.DeepEqual(part, got[3:6]) {
		t.Errorf("minutes 11 to 1440: %v, expected %v", part, got[3:6])
	}
	// The draws are those of a trace that knows the counts only.
	counted := *tr
	counted.Source = struct{ datasets.Source }{tr.Source}
	for _, inv := range arrivals(t, &counted, datasets.Window{From: 11, To: 12}, 1) {
		if inv.Duration != got[3].Duration {
			t.Errorf("the duration of the invocation of minute 11 is %v, expected %v", inv.Duration, got[3].Duration)
		}
	}
	other := arrivals(t, tr, datasets.Window{From: 0, To: 2880}, 2)
	if other[2].Duration == got[2].Duration || other[0] != got[0] {
		t.Errorf("with another seed: %v, before %v", other, got)
	}
}

func TestSinglesGiveTheirCounts(t *testing.T) {
	tr := singles()
	c, err := tr.Day(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := counts(0, 2, [3]int64{0, 10, 2}, [3]int64{0, 11, 1}, [3]int64{1, 10, 1}, [3]int64{1, 1439, 1}); !reflect.DeepEqual(c, want) {
		t.Errorf("%+v, expected %+v", c, want)
	}
	if _, err := tr.Day(t.Context(), 2); err == nil {
		t.Error("day 2 of two was read")
	}
	if _, ok := tr.DayInvocations(t.Context(), 2, tr.Span); ok {
		t.Error("day 2 of two has invocations")
	}
	if _, ok := small().DayInvocations(t.Context(), 0, tr.Span); ok {
		t.Error("a trace of counts has single invocations")
	}
}

// What is observed stops when its reader does, and hands errors on.
func TestArrivalsOfSingleInvocationsStop(t *testing.T) {
	tr := singles()
	for range datasets.Arrivals(t.Context(), tr, tr.Span, 1) {
		break
	}
	broken := errors.New("disk on fire")
	tr.Source = failing{tr.Source.(datasets.Singles), broken}
	n := 0
	for _, err := range datasets.Arrivals(t.Context(), tr, datasets.Window{From: 0, To: 2880}, 1) {
		if n++; n == 6 && !errors.Is(err, broken) || n < 6 && err != nil || n > 6 {
			t.Errorf("invocation %d: error %v", n, err)
		}
	}
	if n != 6 {
		t.Errorf("%d invocations", n)
	}
}

// A failing source breaks after the last invocation of a day.
type failing struct {
	datasets.Singles
	err error
}

func (f failing) DayInvocations(_ context.Context, day int, _ datasets.Window) (iter.Seq2[datasets.Invocation, error], bool) {
	return func(yield func(datasets.Invocation, error) bool) {
		for _, inv := range f.Singles[day] {
			if !yield(inv, nil) {
				return
			}
		}
		yield(datasets.Invocation{}, f.err)
	}, true
}

func TestTallyRefuses(t *testing.T) {
	const us = time.Microsecond
	for _, c := range []struct {
		first, second datasets.Invocation
		want          string
	}{
		{datasets.Invocation{Function: 1, Arrival: 5 * us}, datasets.Invocation{Function: 0, Arrival: 5 * us}, "invocation 1: arrival 5µs of function 0 after 5µs of function 1: must be in order"},
		{datasets.Invocation{Arrival: 5 * us}, datasets.Invocation{Arrival: 4 * us}, "must be in order of arrival"},
		{datasets.Invocation{}, datasets.Invocation{Arrival: 24 * time.Hour}, "must be inside day 0"},
		{datasets.Invocation{}, datasets.Invocation{Arrival: -us}, "must be inside day 0"},
		{datasets.Invocation{}, datasets.Invocation{Arrival: 1}, "must be multiples of 1µs"},
		{datasets.Invocation{}, datasets.Invocation{Duration: 1}, "must be multiples of 1µs"},
		{datasets.Invocation{}, datasets.Invocation{Duration: -2 * us}, "must be unknown or in [0, "},
		{datasets.Invocation{}, datasets.Invocation{Duration: datasets.MaxDuration + us}, "must be unknown or in [0, "},
		{datasets.Invocation{}, datasets.Invocation{Function: -1}, "function -1: must not be negative"},
	} {
		tally := datasets.NewTally(0)
		if err := tally.Add(c.first); err != nil {
			t.Fatal(err)
		}
		if err := tally.Add(c.second); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v after %v: %v, expected %q", c.second, c.first, err, c.want)
		}
	}
	digest := func(inv datasets.Invocation) string {
		tally := datasets.NewTally(0)
		if err := tally.Add(inv); err != nil {
			t.Fatal(err)
		}
		return tally.Digest()
	}
	// printf '\1\0\0\0\2\0\0\0\0\0\0\0\377\377\377\377\377\377\377\377' | sha256sum
	const want = "d168445e5d2667b9b772db7bbe9b262e652452a5d02f6d11723c8d4089d9188f"
	if got := digest(datasets.Invocation{Function: 1, Arrival: 2 * us, Duration: datasets.Unknown}); got != want {
		t.Errorf("digest %s, expected %s", got, want)
	}
}

// The counts of a tally are those of a slow count, whatever passes.
func TestTallyCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		day := rapid.IntRange(0, 3).Draw(t, "day")
		all := rapid.SliceOf(rapid.Custom(func(t *rapid.T) datasets.Invocation {
			return datasets.Invocation{
				Function: datasets.FunctionID(rapid.IntRange(0, 5).Draw(t, "function")),
				Arrival: time.Duration(day)*24*time.Hour + time.Duration(rapid.SampledFrom([]int{0, 1, 700, 1439}).Draw(t, "minute"))*time.Minute +
					time.Duration(rapid.IntRange(0, 3).Draw(t, "us"))*time.Microsecond,
			}
		})).Draw(t, "invocations")
		slices.SortFunc(all, func(a, b datasets.Invocation) int {
			if a.Arrival != b.Arrival {
				return int(a.Arrival - b.Arrival)
			}
			return int(a.Function - b.Function)
		})
		tally, want, last := datasets.NewTally(day), map[[2]int]int64{}, -1
		for _, inv := range all {
			if err := tally.Add(inv); err != nil {
				t.Fatal(err)
			}
			want[[2]int{int(inv.Function), int((inv.Arrival % (24 * time.Hour)) / time.Minute)}]++
			last = max(last, int(inv.Function))
		}
		c, got := tally.Counts(), map[[2]int]int64{}
		if len(c.Offset) != last+2 || c.Total() != int64(len(all)) || tally.Total() != int64(len(all)) || c.Day != day {
			t.Fatalf("%+v of %d invocations", c, len(all))
		}
		for f := range last + 1 {
			minute, count := c.Function(datasets.FunctionID(f))
			if !slices.IsSorted(minute) {
				t.Fatalf("minutes %v", minute)
			}
			for i, m := range minute {
				got[[2]int{f, int(m)}] = count[i]
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, expected %v", got, want)
		}
	})
}
