package parquet_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/counts"
	"github.com/incendio-faas/incendio/datasets/invocations"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// The rows of the traces in testdata/before-day, a store that was written before its tables had the
// column day.
const (
	oldCounts = "function,day,minute,count\nf,2026-03-02,0,6\ng,2026-03-02,7,1\ng,2026-03-03,1439,4\n"
	oldCalls  = "function,arrival,duration_ms,cold_ms,memory_mb\n" +
		"f,2026-03-02T00:00:01Z,5,300,128\nf,2026-03-03T00:00:02Z,7,0,128\ng,2026-03-03T10:00:00Z,,,\n"
)

func ingestText(t *testing.T, s *parquet.Store, format, file, text string) parquet.Description {
	t.Helper()
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var in datasets.Input
	var err error
	if format == counts.Format {
		in, err = counts.Open(t.Context(), path, counts.DefaultOptions())
	} else {
		in, err = invocations.Open(t.Context(), path, invocations.DefaultOptions())
	}
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := s.Ingest(t.Context(), in, parquet.DefaultIngestOptions(map[string]string{counts.Format: "counts", invocations.Format: "calls"}[format]))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// dayOf returns the values of the column day, and the names of all columns.
func dayOf(t *testing.T, path string) (day []int32, names []string) {
	t.Helper()
	columns, err := parquet.ReadTable(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range columns {
		names = append(names, c.Name)
		if c.Name == "day" {
			day = c.Data.([]int32)
		}
	}
	return day, names
}

// Every table of minutes and invocations says its day.
func TestColumnDay(t *testing.T) {
	s, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ingestText(t, s, counts.Format, "counts.csv", oldCounts)
	ingestText(t, s, invocations.Format, "calls.csv", oldCalls)
	for path, want := range map[string][]int32{
		"counts/minutes/day=000.parquet": {0, 0}, "counts/minutes/day=001.parquet": {1},
		"calls/minutes/day=000.parquet": {0}, "calls/minutes/day=001.parquet": {1, 1},
		"calls/invocations/day=000.parquet": {0}, "calls/invocations/day=001.parquet": {1, 1},
	} {
		if day, names := dayOf(t, filepath.Join(s.Dir(), "traces", path)); !slices.Equal(day, want) || names[0] != "day" {
			t.Errorf("%s: columns %q, days %v, expected %v", path, names, day, want)
		}
	}
}

// A store of before there was such a column is read as it is, has the digests of today, and its
// traces get the column when they are extended.
func TestStoreWithoutDay(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/before-day")); err != nil {
		t.Fatal(err)
	}
	old, err := parquet.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	now, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ format, name, text, more, want string }{
		{counts.Format, "counts", oldCounts, "function,day,minute,count\nf,2026-03-04,3,2\n", "counts/minutes"},
		{invocations.Format, "calls", oldCalls, "function,arrival,duration_ms,cold_ms,memory_mb\nf,2026-03-04T00:00:01Z,5,300,128\n", "calls/invocations"},
	} {
		if day, names := dayOf(t, filepath.Join(dir, "traces", c.want, "day=001.parquet")); day != nil {
			t.Fatalf("the fixture has the columns %q", names)
		}
		if err := old.Verify(t.Context(), c.name); err != nil {
			t.Error(err)
		}
		before, err := old.Describe(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if d := ingestText(t, now, c.format, c.name+".csv", c.text); d.Digest != before.Digest {
			t.Errorf("%s: digest %s, was %s", c.name, d.Digest, before.Digest)
		}
		if d := ingestText(t, old, c.format, c.name+".csv", c.text); d.Digest != before.Digest {
			t.Errorf("%s: the same files again give digest %s, was %s", c.name, d.Digest, before.Digest)
		}
		if day, _ := dayOf(t, filepath.Join(dir, "traces", c.want, "day=001.parquet")); day != nil {
			t.Error("no work has written a file")
		}
		extended, want := ingestText(t, old, c.format, "more.csv", c.more), ingestText(t, now, c.format, "more.csv", c.more)
		// A store of then does not know what it has measured, so that its functions keep their
		// attributes; counts measure none.
		if extended.Days != 3 || c.format == counts.Format && extended.Digest != want.Digest || extended.Invocations != want.Invocations {
			t.Errorf("%s: extended to %d days of digest %s, expected %s", c.name, extended.Days, extended.Digest, want.Digest)
		}
		if err := old.Verify(t.Context(), c.name); err != nil {
			t.Error(err)
		}
		for _, table := range []string{c.name + "/minutes", c.want} {
			for i, file := range []string{"day=000.parquet", "day=001.parquet", "day=002.parquet"} {
				got, err := os.ReadFile(filepath.Join(dir, "traces", table, file))
				if err != nil {
					t.Fatal(err)
				}
				fresh, err := os.ReadFile(filepath.Join(now.Dir(), "traces", table, file))
				if err != nil {
					t.Fatal(err)
				}
				if day, _ := dayOf(t, filepath.Join(dir, "traces", table, file)); len(day) == 0 || day[0] != int32(i) || string(got) != string(fresh) {
					t.Errorf("%s/%s: days %v, or other bytes than a new store has", table, file, day)
				}
			}
		}
	}
}
