package datasets_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
)

func TestFunction(t *testing.T) {
	tr := small()
	got, err := tr.Function(t.Context(), 2, datasets.Window{From: 9, To: 2000})
	if err != nil {
		t.Fatal(err)
	}
	if got.Function != 2 || !got.Start.Equal(tr.Time(9)) || got.Step != time.Minute || len(got.Count) != 1991 {
		t.Errorf("function %d from %v, %d steps of %v", got.Function, got.Start, len(got.Count), got.Step)
	}
	for i, n := range got.Count {
		want := map[int]float64{1: 2, 1990: 3}[i]
		if n != want {
			t.Errorf("step %d is %g, expected %g", i, n, want)
		}
	}
	for _, f := range []datasets.FunctionID{-1, 3} {
		if _, err := tr.Function(t.Context(), f, tr.Span); err == nil {
			t.Errorf("function %d of three was read", f)
		}
	}
	if _, err := tr.Function(t.Context(), 0, datasets.Window{From: 0, To: 2881}); err == nil {
		t.Error("a window beyond the trace was read")
	}
}

// A range has the rows that a look at every row finds.
func TestRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const functions = 6
		day := rapid.IntRange(0, 2).Draw(t, "day")
		c := &datasets.Counts{Day: day, Offset: []int{0}}
		type row struct {
			f     int
			m     int32
			count int64
		}
		var rows []row
		for f := range rapid.IntRange(0, functions).Draw(t, "known") {
			for m := int32(rapid.IntRange(0, 700).Draw(t, "first")); m < datasets.MinutesPerDay; m += int32(rapid.IntRange(1, 900).Draw(t, "gap")) {
				rows = append(rows, row{f, m, int64(len(rows) + 1)})
				c.Minute, c.Count = append(c.Minute, m), append(c.Count, int64(len(rows)))
			}
			c.Offset = append(c.Offset, len(rows))
		}
		from := rapid.IntRange(0, functions).Draw(t, "from")
		to := rapid.IntRange(from, functions).Draw(t, "to")
		w := datasets.Window{From: rapid.IntRange(0, 5000).Draw(t, "begin")}
		w.To = rapid.IntRange(w.From, 5000).Draw(t, "end")
		if rapid.Bool().Draw(t, "whole") {
			w = datasets.Window{From: 0, To: 5000}
		}
		got := c.Range(datasets.FunctionID(from), datasets.FunctionID(to), w)
		var found, want []row
		for _, r := range rows {
			if at := day*datasets.MinutesPerDay + int(r.m); r.f >= from && r.f < to && at >= w.From && at < w.To {
				want = append(want, r)
			}
		}
		if len(got.Offset) != to-from+1 || got.Day != day {
			t.Fatalf("day %d, %d offsets", got.Day, len(got.Offset))
		}
		for f := range to - from {
			minute, count := got.Function(datasets.FunctionID(f))
			for i, m := range minute {
				found = append(found, row{f + from, m, count[i]})
			}
		}
		if !reflect.DeepEqual(found, want) {
			t.Fatalf("%v, expected %v", found, want)
		}
	})
}
