package tiled_test

import (
	"context"
	"iter"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/datasets/synthetic/tiled"
)

// A collector is a sink that keeps the days.
type collector struct{ days []*datasets.Counts }

func (c *collector) Day(d *datasets.Counts) error {
	c.days = append(c.days, &datasets.Counts{Day: d.Day, Offset: slices.Clone(d.Offset), Minute: slices.Clone(d.Minute), Count: slices.Clone(d.Count)})
	return nil
}

func (c *collector) Invocations(int, iter.Seq2[datasets.Invocation, error]) error { panic("counts") }
func (c *collector) Rows(string, int64) error                                     { return nil }
func (c *collector) Reject(_ string, e *datasets.SyntaxError) error               { return e }
func tile(t testing.TB, shapes, total *datasets.Trace, o tiled.Options) []*datasets.Counts {
	t.Helper()
	in, err := tiled.New(context.Background(), shapes, total, o)
	if err != nil {
		t.Fatal(err)
	}
	var c collector
	functions, err := in.Read(context.Background(), nil, &c)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(functions, shapes.Functions) || len(c.days) != o.Days {
		t.Fatalf("%d functions and %d days", len(functions), len(c.days))
	}
	return c.days
}

// trace makes one of rows day, function, minute, count.
func trace(name string, functions int, span datasets.Window, rows ...[4]int) *datasets.Trace {
	t := &datasets.Trace{Name: name, Digest: "sha256:" + name, Start: time.Date(2019, time.July, 15, 0, 0, 0, 0, time.UTC), Span: span}
	for f := range functions {
		t.Functions = append(t.Functions, datasets.Function{ID: datasets.FunctionID(f), Name: string(rune('f' + f))})
	}
	var days datasets.Memory
	for d := range t.Days() {
		c := &datasets.Counts{Day: d, Offset: []int{0}}
		for f := range functions {
			for _, r := range rows {
				if r[0] == d && r[1] == f {
					c.Minute, c.Count = append(c.Minute, int32(r[2])), append(c.Count, int64(r[3]))
				}
			}
			c.Offset = append(c.Offset, len(c.Minute))
		}
		days = append(days, c)
	}
	t.Source = days
	return t
}

func days(n int) datasets.Window { return datasets.Window{To: n * datasets.MinutesPerDay} }

// Two functions share two minutes 3:1 and 0:4. The platform makes 10 and 30 on the first
// day and 20 and 100 on the second: 160, of which a day has 8, so 16 is wanted in all and
// the scale is 0.1.
func TestTileByHand(t *testing.T) {
	shapes := trace("shapes", 2, days(1), [4]int{0, 0, 5, 3}, [4]int{0, 1, 5, 1}, [4]int{0, 1, 9, 4})
	total := trace("total", 1, days(2), [4]int{0, 0, 5, 10}, [4]int{0, 0, 9, 30}, [4]int{1, 0, 5, 20}, [4]int{1, 0, 9, 100})
	in, err := tiled.New(t.Context(), shapes, total, tiled.Options{Days: 2, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if in.OneDay() != 8 || math.Abs(in.Scale()-0.1) > 1e-15 {
		t.Errorf("a day of %d, scale %g", in.OneDay(), in.Scale())
	}
	p := in.Provenance()
	if p.Format != "semi-synthetic" || !strings.HasPrefix(p.Notes[0], "semi-synthetic: one day of the trace shapes, repeated over 2 days at the level per minute of the trace total times 0.1") {
		t.Errorf("%+v", p)
	}
	if want := []datasets.SourceFile{{Name: "shapes: trace shapes", SHA256: "shapes"}, {Name: "total: trace total", SHA256: "total"}}; !reflect.DeepEqual(p.Files, want) {
		t.Errorf("files %+v", p.Files)
	}
	got := tile(t, shapes, total, tiled.Options{Days: 2, Seed: 1})
	// Rounded running totals of 1, 4, 6 and 16 are these themselves.
	if got[0].Total() != 4 || got[1].Total() != 12 {
		t.Errorf("days of %d and %d, expected 4 and 12", got[0].Total(), got[1].Total())
	}
	if m, n := got[1].Function(1); m[len(m)-1] != 9 || n[len(n)-1] != 10 {
		t.Errorf("g has %v in %v on the second day, expected 10 in minute 9", n, m)
	}
	if m, _ := got[1].Function(0); len(m) != 1 || m[0] != 5 {
		t.Errorf("f is active in %v, expected minute 5 alone", m)
	}
}

// At its own level, a day comes out as it is, whatever the seed.
func TestTheSameTotalGivesTheSameDay(t *testing.T) {
	day, err := synthetic.Generate(synthetic.Options{Functions: 50, Days: 1, Busiest: 36000, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	want, err := day.Day(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for rnd := range uint64(3) {
		got := tile(t, day, day, tiled.Options{Days: 1, Seed: rnd})[0]
		if !slices.Equal(got.Minute, want.Minute) || !slices.Equal(got.Count, want.Count) || !slices.Equal(got.Offset, want.Offset) {
			t.Errorf("seed %d: %d invocations, expected %d", rnd, got.Total(), want.Total())
		}
	}
}

// Every minute has the platform's scaled count, every function is within one of its share
// of it, and the sum is exact.
func TestTileProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		functions, n := rapid.IntRange(1, 6).Draw(r, "functions"), rapid.IntRange(1, 3).Draw(r, "days")
		minutes := []int{0, 1, 700, 1439}
		var s, p [][4]int
		shape := map[[2]int]int64{} // function, minute
		sum := map[int]int64{}      // by minute
		own, one, observed := map[int]int64{}, int64(0), int64(0)
		for f := range functions {
			for _, m := range minutes {
				if c := rapid.IntRange(0, 40).Draw(r, "count"); c > 0 {
					s = append(s, [4]int{0, f, m, c})
					shape[[2]int{f, m}] = int64(c)
					sum[m], own[f], one = sum[m]+int64(c), own[f]+int64(c), one+int64(c)
				}
			}
		}
		for d := range n {
			for _, m := range append([]int{30}, minutes...) {
				if c := rapid.IntRange(0, 1e6).Draw(r, "level"); c > 0 {
					p = append(p, [4]int{d, 0, m, c})
					observed += int64(c)
				}
			}
		}
		if one == 0 || observed == 0 {
			return
		}
		got := tile(t, trace("s", functions, days(1), s...), trace("p", 1, days(n), p...), tiled.Options{Days: n, Seed: rapid.Uint64().Draw(r, "seed")})
		var all int64
		for d, c := range got {
			level := map[int]int64{}
			for f := range functions {
				minute, count := c.Function(datasets.FunctionID(f))
				for i, m := range minute {
					level[int(m)] += count[i]
				}
			}
			for _, m := range append([]int{30}, minutes...) {
				all += level[m]
				platform := 0.0
				for _, row := range p {
					if row[0] == d && row[2] == m {
						platform = float64(row[3])
					}
				}
				want := platform * float64(one) * float64(n) / float64(observed)
				if math.Abs(float64(level[m])-want) > 1+1e-6 {
					r.Fatalf("day %d minute %d: %d invocations, expected %g", d, m, level[m], want)
				}
				for f := range functions {
					part := float64(own[f]) / float64(one)
					if sum[m] > 0 {
						part = float64(shape[[2]int{f, m}]) / float64(sum[m])
					}
					var have int64
					minute, count := c.Function(datasets.FunctionID(f))
					if i := slices.Index(minute, int32(m)); i >= 0 {
						have = count[i]
					}
					if e := part * float64(level[m]); math.Abs(float64(have)-e) >= 1+1e-6 {
						r.Fatalf("day %d minute %d function %d: %d invocations, expected %g", d, m, f, have, e)
					}
				}
			}
			if int64(len(c.Offset)) != int64(functions)+1 || c.Day != d {
				r.Fatalf("day %+v", c)
			}
		}
		if all != one*int64(n) {
			r.Fatalf("%d invocations, expected %d", all, one*int64(n))
		}
	})
}

// Rounding is right on average: 1 of 4 in a minute of 1 is a quarter of the days.
func TestRoundingIsFair(t *testing.T) {
	const n = 2000
	var level [][4]int
	for d := range n {
		level = append(level, [4]int{d, 0, 7, 1})
	}
	shapes := trace("s", 2, days(1), [4]int{0, 0, 7, 1}, [4]int{0, 1, 7, 3})
	shapes.Source.(datasets.Memory)[0].Count = []int64{1, 3}
	// The level is scaled to 4 a minute; a total with one other minute brings it to 1.
	for d := range n {
		level = append(level, [4]int{d, 0, 8, 3})
	}
	got := tile(t, shapes, trace("p", 1, days(n), level...), tiled.Options{Days: n, Seed: 5})
	seen := 0
	for _, c := range got {
		if m, _ := c.Function(0); slices.Contains(m, 7) {
			seen++
		}
	}
	if math.Abs(float64(seen)-n/4) > 4*math.Sqrt(n*0.25*0.75) {
		t.Errorf("%d of %d days have an invocation, expected a quarter", seen, n)
	}
}

func TestRefused(t *testing.T) {
	good, total := trace("good", 1, days(1), [4]int{0, 0, 5, 1}), trace("total", 1, days(2), [4]int{0, 0, 5, 1}, [4]int{1, 0, 5, 1})
	for want, c := range map[string]struct {
		shapes, total *datasets.Trace
		days          int
	}{
		"days must be in [1, 3660], got 0":                       {good, total, 0},
		`trace "total" has 2 whole days on end: must have the 3`: {good, total, 3},
		`trace "part" has minutes [1, 1440): must have a whole`:  {trace("part", 1, datasets.Window{From: 1, To: 1440}), total, 1},
		`trace "none" has no invocations on day 0`:               {trace("none", 1, days(1)), total, 1},
		`trace "none" has no invocations on its first 1 whole`:   {good, trace("none", 1, days(1)), 1},
	} {
		if _, err := tiled.New(t.Context(), c.shapes, c.total, tiled.Options{Days: c.days}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
	in, err := tiled.New(t.Context(), good, total, tiled.DefaultOptions())
	if err == nil {
		t.Errorf("a week of two days: %v", in.Scale())
	}
}

// Days that were observed in part are left out, and dates are those of the total.
func TestWholeDays(t *testing.T) {
	shapes := trace("s", 1, datasets.Window{From: 700, To: 3 * 1440}, [4]int{0, 0, 705, 9}, [4]int{1, 0, 5, 2}, [4]int{2, 0, 5, 7})
	total := trace("p", 1, datasets.Window{From: 1, To: 2*1440 + 3}, [4]int{0, 0, 5, 50}, [4]int{1, 0, 5, 80})
	// A day with a gap is no whole one either.
	gaps := trace("p", 1, days(5), [4]int{0, 0, 5, 50}, [4]int{4, 0, 5, 80})
	gaps.Gaps = []datasets.Window{{From: 2 * 1440, To: 2*1440 + 1}}
	two, err := tiled.New(t.Context(), shapes, gaps, tiled.Options{Days: 2, Seed: 1})
	if err != nil || two.Provenance().Start.Day() != 15 {
		t.Errorf("error %v", err)
	}
	if _, err := tiled.New(t.Context(), shapes, gaps, tiled.Options{Days: 3, Seed: 1}); err == nil {
		t.Error("three days of two and two were taken")
	}
	in, err := tiled.New(t.Context(), shapes, total, tiled.Options{Days: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if p := in.Provenance(); in.OneDay() != 2 || p.Start.Day() != 16 || in.Scale() != 2.0/80 {
		t.Errorf("a day of %d from %v, scale %g", in.OneDay(), p.Start, in.Scale())
	}
}
