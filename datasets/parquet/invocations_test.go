package parquet_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// A singles is an input that knows the single invocations of its days.
type singles struct {
	*input
	invocations datasets.Singles // arrivals since the start of the input
}

// newSingles makes an input of days [from, to): function d+1 appears on day d.
func newSingles(from, to int) singles {
	in := singles{input: days(from, to)}
	for d := from; d < to; d++ {
		midnight := time.Duration(d-from) * 24 * time.Hour
		in.invocations = append(in.invocations, []datasets.Invocation{
			{Function: 0, Arrival: midnight + 7*time.Microsecond, Duration: time.Duration(d) * time.Second},
			{Function: 0, Arrival: midnight + 7*time.Microsecond, Duration: datasets.Unknown},
			{Function: datasets.FunctionID(d + 1), Arrival: midnight + 7*time.Microsecond, Duration: 0},
			{Function: 0, Arrival: midnight + 24*time.Hour - time.Microsecond, Duration: 48 * time.Hour},
		})
	}
	return in
}

func (in singles) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	functions, err := in.input.Read(ctx, known, discard{})
	if err != nil {
		return nil, err
	}
	for day, all := range in.invocations {
		if err := sink.Invocations(day, datasets.All(all)); err != nil {
			return nil, err
		}
	}
	return functions, nil
}

// stored returns all invocations of the trace t inside w, as they are replayed.
func stored(t *testing.T, s *parquet.Store, w datasets.Window) (all []datasets.Invocation) {
	t.Helper()
	tr, err := s.Trace(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	for inv, err := range datasets.Arrivals(t.Context(), tr, w, 1) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, inv)
	}
	return all
}

// Single invocations come back as they were, whether their days came at once or one
// after the other, and the counts are theirs.
func TestSingleInvocations(t *testing.T) {
	at := open(t, t.TempDir())
	d := ingest(t, at, newSingles(0, 3), true)
	if d.Invocations != 12 || d.ExactDays != 3 || d.Functions != 4 {
		t.Errorf("%+v", d)
	}
	all := datasets.Window{From: 0, To: 3 * datasets.MinutesPerDay}
	got := stored(t, at, all)
	for i, want := range slices.Concat(newSingles(0, 3).invocations...) {
		if want.Duration == datasets.Unknown {
			want.Duration = got[i].Duration // drawn
		}
		if got[i] != want {
			t.Errorf("invocation %d is %v, expected %v", i, got[i], want)
		}
	}
	tr, err := at.Trace(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	c, err := tr.Day(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	want := &datasets.Counts{Day: 1, Offset: []int{0, 2, 2, 3, 3}, Minute: []int32{0, 1439, 0}, Count: []int64{2, 1, 1}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("counts %+v, expected %+v", c, want)
	}
	if part := stored(t, at, datasets.Window{From: 1439, To: 1441}); !reflect.DeepEqual(part, got[3:7]) {
		t.Errorf("two minutes: %v, expected %v", part, got[3:7])
	}

	after := open(t, t.TempDir())
	ingest(t, after, newSingles(0, 1), true)
	if g := ingest(t, after, newSingles(1, 3), true); g.Digest != d.Digest {
		t.Errorf("appended: digest %s, expected %s", g.Digest, d.Digest)
	}
	if !reflect.DeepEqual(stored(t, after, all), got) {
		t.Error("appended: other invocations")
	}
	ingest(t, after, newSingles(0, 3), false)

	// Another arrival within the same minute is another content.
	moved := newSingles(0, 3)
	moved.invocations[2][3].Arrival -= time.Second
	other := open(t, t.TempDir())
	if g := ingest(t, other, moved, true); g.Digest == d.Digest {
		t.Error("the digest does not depend on arrivals")
	}
}

// A trace may know the counts of some days and the invocations of others.
func TestSingleInvocationsAfterCounts(t *testing.T) {
	s := open(t, t.TempDir())
	before := ingest(t, s, days(0, 1), true)
	d := ingest(t, s, newSingles(1, 2), true)
	if d.ExactDays != 1 || d.Days != 2 || d.Invocations != before.Invocations+4 {
		t.Errorf("%+v", d)
	}
	if got := stored(t, s, datasets.Window{From: 0, To: 2 * datasets.MinutesPerDay}); int64(len(got)) != d.Invocations || got[len(got)-1].Duration != 48*time.Hour {
		t.Errorf("%d invocations, the last %v", len(got), got[len(got)-1])
	}
}

func TestSingleInvocationsRefused(t *testing.T) {
	broken := errors.New("line 9 is no invocation")
	unsorted, outside, failing, twice := newSingles(0, 2), newSingles(0, 2), newSingles(0, 2), newSingles(0, 2)
	slices.Reverse(unsorted.invocations[1])
	outside.invocations[1][0].Arrival = 0
	failing.fail = broken
	twice.invocations = twice.invocations[:1]
	for want, in := range map[string]singles{
		"day 1: invocation 1: arrival": unsorted, "must be inside day 1": outside,
		broken.Error(): failing, "1 days were read": twice,
	} {
		s := open(t, t.TempDir())
		ingest(t, s, days(0, 1), true)
		before := tree(t, s.Dir())
		o := parquet.DefaultIngestOptions("t")
		o.Replace = true
		if _, changed, err := s.Ingest(t.Context(), in, o); err == nil || changed || !strings.Contains(err.Error(), want) {
			t.Errorf("changed %t, error %v, expected %q", changed, err, want)
		}
		if !reflect.DeepEqual(tree(t, s.Dir()), before) {
			t.Errorf("%s: the store changed", want)
		}
	}
}

// Damage to single invocations is noticed when they are read, and by Verify.
func TestDamagedInvocations(t *testing.T) {
	s := open(t, t.TempDir())
	ingest(t, s, newSingles(0, 2), true)
	path := filepath.Join(s.Dir(), "traces", "t", "invocations", "day=001.parquet")
	other := filepath.Join(s.Dir(), "traces", "t", "invocations", "day=000.parquet")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	swapped, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"cut": good[:len(good)-9], "swapped": swapped, "empty": nil} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), "t"); !errors.Is(err, parquet.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	tr, err := s.Trace(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range datasets.Arrivals(t.Context(), tr, tr.Span, 1) {
		last = err
	}
	if !errors.Is(last, parquet.ErrCorrupt) {
		t.Errorf("removed: %v", last)
	}
}

// even has n invocations at equal distances over day 0; n must divide the microseconds of a day.
func even(n int) []datasets.Invocation {
	all := make([]datasets.Invocation, n)
	for i := range all {
		all[i] = datasets.Invocation{
			Function: datasets.FunctionID(i % 2), Arrival: time.Duration(i) * (24 * time.Hour / time.Duration(n)), Duration: time.Duration(i) * time.Microsecond,
		}
	}
	return all
}

// More invocations than a row group holds, and only the groups of the window are read.
func TestManySingleInvocations(t *testing.T) {
	in := newSingles(0, 1)
	const n = 300_000
	in.invocations[0] = even(n)
	s := open(t, t.TempDir())
	if d := ingest(t, s, in, true); d.Invocations != n {
		t.Errorf("%d invocations", d.Invocations)
	}
	if got := stored(t, s, datasets.Window{From: 0, To: 1440}); !slices.Equal(got, in.invocations[0]) {
		t.Error("other invocations came back")
	}
	w := datasets.Window{From: 720, To: 721}
	var want []datasets.Invocation
	for _, inv := range in.invocations[0] {
		if m := int(inv.Arrival / time.Minute); m >= w.From && m < w.To {
			want = append(want, inv)
		}
	}
	if got := stored(t, s, w); !slices.Equal(got, want) {
		t.Errorf("%d invocations of minute 720, expected %d", len(got), len(want))
	}
}
