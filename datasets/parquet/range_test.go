package parquet_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/file"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// wipe overwrites the row groups of a file, but for those whose number is in keep, and
// returns how many there are.
func wipe(t *testing.T, path string, keep func(g int) bool) int {
	t.Helper()
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for g := range r.NumRowGroups() {
		meta := r.MetaData().RowGroup(g)
		if !keep(g) {
			clear(raw[meta.FileOffset() : meta.FileOffset()+meta.TotalCompressedSize()])
		}
	}
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return r.NumRowGroups()
}

// Of every day, one row group is read for one function: with all others overwritten the
// function comes back, and the day does not.
func TestOneFunctionReadsItsRowGroups(t *testing.T) {
	const days, functions = 3, 200
	w := newWide(t, functions, days, func(int) int { return 97 })
	s := open(t, t.TempDir())
	if _, _, err := s.Ingest(t.Context(), w, parquet.DefaultIngestOptions("t")); err != nil {
		t.Fatal(err)
	}
	tr, err := s.Trace(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	all := datasets.Window{From: 0, To: days * datasets.MinutesPerDay}
	whole, err := tr.Dense(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	const f = 100
	for day := range days {
		path := filepath.Join(s.Dir(), "traces", "t", "minutes", "day=00"+string(rune('0'+day))+".parquet")
		if groups := wipe(t, path, func(g int) bool { return g == 2 }); groups != 5 {
			t.Fatalf("%d row groups", groups)
		}
	}
	got, err := tr.Function(t.Context(), f, all)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Count, whole[f]) {
		t.Error("other counts came back")
	}
	if _, err := tr.Function(t.Context(), 0, all); !errors.Is(err, parquet.ErrCorrupt) {
		t.Errorf("a function of a row group that was overwritten: %v", err)
	}
	if _, err := tr.Day(t.Context(), 1); !errors.Is(err, parquet.ErrCorrupt) {
		t.Errorf("a day whose row groups were overwritten: %v", err)
	}
	part, err := tr.DenseRange(t.Context(), datasets.Window{From: 1500, To: 3000}, f-5, f+5)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range part {
		if !reflect.DeepEqual(row, whole[f-5+i][1500:3000]) {
			t.Errorf("function %d: other counts in a part of the days", f-5+i)
		}
	}
}

// The invocations of an hour are read from its row groups.
func TestOneHourReadsItsRowGroups(t *testing.T) {
	in := newSingles(0, 1)
	in.invocations[0] = even(300_000)
	s := open(t, t.TempDir())
	ingest(t, s, in, true)
	path := filepath.Join(s.Dir(), "traces", "t", "invocations", "day=000.parquet")
	if groups := wipe(t, path, func(g int) bool { return g == 2 }); groups != 5 { // minutes 629 to 943
		t.Fatalf("%d row groups", groups)
	}
	hour := datasets.Window{From: 720, To: 780}
	if got := stored(t, s, hour); len(got) != 12_500 || got[0].Arrival != 720*60e9 {
		t.Errorf("%d invocations", len(got))
	}
	if err := s.Verify(t.Context(), "t"); !errors.Is(err, parquet.ErrCorrupt) {
		t.Errorf("the day: %v", err)
	}
}

func TestRangesOutsideTheTrace(t *testing.T) {
	s := open(t, t.TempDir())
	ingest(t, s, days(0, 1), true)
	tr, err := s.Trace(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][3]int{{0, -1, 1}, {0, 1, 0}, {0, 0, 9}, {1, 0, 1}, {-1, 0, 1}} {
		if _, err := tr.DayRange(t.Context(), r[0], datasets.FunctionID(r[1]), datasets.FunctionID(r[2]), tr.Span); err == nil {
			t.Errorf("day %d, functions [%d, %d) were read", r[0], r[1], r[2])
		}
	}
	if c, err := tr.DayRange(t.Context(), 0, 1, 1, tr.Span); err != nil || len(c.Offset) != 1 || len(c.Minute) != 0 {
		t.Errorf("no function: %+v, error %v", c, err)
	}
}
