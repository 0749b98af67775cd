package parquet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

var start = time.Date(2019, 7, 15, 0, 0, 0, 0, time.UTC)

// An input is a trace made of one file a day; rows[day] lists function, minute, count.
type input struct {
	from datasets.Provenance
	rows [][][3]int64
	bad  int   // rows to reject
	fail error // after the last day
}

// days makes an input of days [from, to) with files that depend on the day alone.
func days(from, to int) *input {
	in := &input{from: datasets.Provenance{
		Format: "test", Parameters: "seed=1", Start: start.AddDate(0, 0, from),
		Span:  datasets.Window{From: 0, To: (to - from) * datasets.MinutesPerDay},
		Notes: []string{"made by hand"},
	}}
	for d := from; d < to; d++ {
		in.from.Files = append(in.from.Files, datasets.SourceFile{Name: fmt.Sprintf("d%02d.csv", d), SHA256: fmt.Sprint("digest of ", d)})
		// Function d+1 appears on day d; function 0 every day.
		in.rows = append(in.rows, [][3]int64{{0, 0, 3}, {0, 1439, 1}, {int64(d) + 1, 60, int64(10 + d)}})
	}
	return in
}

func (in *input) Provenance() datasets.Provenance { return in.from }

func (in *input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	functions := known
	for day, rows := range in.rows {
		last := rows[len(rows)-1][0]
		for id := len(functions); id <= int(last); id++ {
			f := datasets.Function{
				ID: datasets.FunctionID(id), Owner: "o", App: fmt.Sprint("app", id/2), Name: fmt.Sprint("f", id),
				Trigger: datasets.HTTP, Memory: int64(100+id)<<20 + 1, CPU: 0.5,
				Execution: datasets.Distribution{Prob: []float64{0, 0.5, 1}, Value: []time.Duration{1, time.Duration(id + 2), time.Minute}},
				Assumed:   datasets.AssumedCPU,
			}
			f.AssumeStartCost(1)
			functions = append(functions, f)
		}
		c := &datasets.Counts{Day: day, Offset: make([]int, len(functions)+1)}
		for _, r := range rows {
			c.Minute, c.Count = append(c.Minute, int32(r[1])), append(c.Count, r[2])
			for f := int(r[0]); f < len(functions); f++ {
				c.Offset[f+1]++
			}
		}
		if err := sink.Day(c); err != nil {
			return nil, err
		}
		if err := sink.Rows(in.from.Files[day].Name, int64(100)); err != nil {
			return nil, err
		}
	}
	for i := range in.bad {
		if err := sink.Reject("negative count", &datasets.SyntaxError{File: "d00.csv", Line: i + 2, Msg: "count -1"}); err != nil {
			return nil, err
		}
	}
	return functions, errors.Join(in.fail, ctx.Err())
}

func open(t *testing.T, dir string) *parquet.Store {
	t.Helper()
	s, err := parquet.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ingest(t *testing.T, s *parquet.Store, in datasets.Input, wantChanged bool) parquet.Description {
	t.Helper()
	d, changed, err := s.Ingest(t.Context(), in, parquet.DefaultIngestOptions("t"))
	if err != nil || changed != wantChanged {
		t.Fatalf("changed %t, error %v: expected changed %t", changed, err, wantChanged)
	}
	if err := s.Verify(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	return d
}

// tree reads all files below dir but for the lock.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == ".lock" {
			return err
		}
		raw, err := os.ReadFile(path)
		files[path] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestIngestAndRead(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"))
	in := days(0, 3)
	in.bad = 2
	d := ingest(t, s, in, true)

	got, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	// 4 invocations a day of function 0, and 10, 11, 12 of the others.
	want := `{"name":"t","format":"test","functions":4,"invocations":45,"days":3,"start":"2019-07-15T00:00:00Z","files":[` +
		`{"name":"d00.csv","sha256":"digest of 0","rows":100},{"name":"d01.csv","sha256":"digest of 1","rows":100},{"name":"d02.csv","sha256":"digest of 2","rows":100}],` +
		`"quarantined":{"rows":2,"reasons":{"negative count":2}}}`
	if string(got) != want {
		t.Errorf("description\n%s\nexpected\n%s", got, want)
	}
	raw, err := os.ReadFile(filepath.Join(s.Dir(), "traces", "t", "quarantine.jsonl"))
	if want := `{"file":"d00.csv","line":2,"reason":"negative count","message":"count -1"}` + "\n"; err != nil || !strings.HasPrefix(string(raw), want) {
		t.Errorf("quarantine %q, error %v", raw, err)
	}

	tr, err := s.Trace(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	if tr.Digest != d.Digest || !strings.HasPrefix(tr.Digest, "sha256:") || tr.Days() != 3 || !tr.Start.Equal(start) || len(tr.Notes) != 1 {
		t.Errorf("trace %+v", tr)
	}
	wantFunctions, err := in.Read(t.Context(), nil, discard{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(tr.Functions, wantFunctions) {
		t.Errorf("functions %+v, expected %+v", tr.Functions, wantFunctions)
	}
	for day := range 3 {
		c, err := tr.Day(t.Context(), day)
		if err != nil {
			t.Fatal(err)
		}
		minute, count := c.Function(datasets.FunctionID(day + 1))
		if c.Day != day || len(c.Offset) != 5 || c.Total() != int64(14+day) || !reflect.DeepEqual(minute, []int32{60}) || !reflect.DeepEqual(count, []int64{int64(10 + day)}) {
			t.Errorf("day %d: %+v", day, c)
		}
	}
	if _, err := tr.Day(t.Context(), 3); err == nil {
		t.Error("day 3 of 3 was read")
	}
	if names, err := s.Names(); err != nil || !reflect.DeepEqual(names, []string{"t"}) {
		t.Errorf("names %v, error %v", names, err)
	}
	if _, err := s.Trace(t.Context(), "u"); !errors.Is(err, parquet.ErrNotFound) {
		t.Errorf("a missing trace: %v", err)
	}
}

type discard struct{}

func (discard) Day(*datasets.Counts) error { return nil }
func (discard) Invocations(int, iter.Seq2[datasets.Invocation, error]) error {
	return nil
}
func (discard) Rows(string, int64) error                   { return nil }
func (discard) Reject(string, *datasets.SyntaxError) error { return nil }

func TestIngestTwiceChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	ingest(t, s, days(0, 2), true)
	before := tree(t, s.Dir())
	ingest(t, s, days(0, 2), false)
	if !reflect.DeepEqual(tree(t, s.Dir()), before) {
		t.Error("the store changed")
	}
}

func TestIngestIsReproducible(t *testing.T) {
	a, b := open(t, t.TempDir()), open(t, t.TempDir())
	da, db := ingest(t, a, days(0, 2), true), ingest(t, b, days(0, 2), true)
	if da.Digest != db.Digest {
		t.Errorf("digests %s and %s", da.Digest, db.Digest)
	}
	ta, tb := tree(t, a.Dir()), tree(t, b.Dir())
	for path, content := range ta {
		rel, _ := filepath.Rel(a.Dir(), path)
		if tb[filepath.Join(b.Dir(), rel)] != content {
			t.Errorf("%s differs", rel)
		}
	}
}

// Days that come later, alone or together with the old ones, give the same trace
// as all of them at once.
func TestIngestExtends(t *testing.T) {
	at := ingest(t, open(t, t.TempDir()), days(0, 4), true)
	for name, next := range map[string]*input{"new days alone": days(2, 4), "all days": days(0, 4)} {
		s := open(t, t.TempDir())
		ingest(t, s, days(0, 2), true)
		d := ingest(t, s, next, true)
		if d.Digest != at.Digest || !reflect.DeepEqual(d.Files, at.Files) || d.Days != 4 || d.Invocations != at.Invocations {
			t.Errorf("%s: %+v, expected %+v", name, d, at)
		}
		// All files again, and some of them, are no work.
		for _, again := range []*input{days(0, 4), next, days(0, 1), days(3, 4)} {
			ingest(t, s, again, false)
		}
	}
}

func TestIngestConflicts(t *testing.T) {
	other := days(0, 2)
	other.from.Files[1].SHA256 = "another"
	seeded := days(0, 2)
	seeded.from.Parameters = "seed=2"
	for name, in := range map[string]*input{
		"changed file": other, "parameters": seeded, "other days": days(1, 4), "gap": days(3, 4),
	} {
		s := open(t, t.TempDir())
		ingest(t, s, days(0, 2), true)
		before := tree(t, s.Dir())
		_, changed, err := s.Ingest(t.Context(), in, parquet.DefaultIngestOptions("t"))
		if !errors.Is(err, parquet.ErrConflict) || changed {
			t.Errorf("%s: changed %t, error %v", name, changed, err)
		}
		if !reflect.DeepEqual(tree(t, s.Dir()), before) {
			t.Errorf("%s: the store changed", name)
		}
		opts := parquet.DefaultIngestOptions("t")
		opts.Replace = true
		if _, changed, err := s.Ingest(t.Context(), in, opts); err != nil || !changed {
			t.Errorf("%s: replace: changed %t, error %v", name, changed, err)
		}
		if err := s.Verify(t.Context(), "t"); err != nil {
			t.Errorf("%s: after replace: %v", name, err)
		}
	}
}

func TestFailedIngestLeavesTheStore(t *testing.T) {
	broken := errors.New("disk on fire")
	failing, bad, unsorted, short := days(0, 3), days(0, 3), days(0, 3), days(0, 3)
	failing.fail = broken
	bad.bad = 4 // of 300
	unsorted.rows[1][0][1] = 1439
	short.from.Span.To++
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		in   *input
		want error // nil for any
	}{
		"reader": {t.Context(), failing, broken}, "quarantine": {t.Context(), bad, parquet.ErrQuarantine},
		"unsorted": {t.Context(), unsorted, nil}, "missing day": {t.Context(), short, nil},
		"cancelled": {cancelled, days(0, 3), context.Canceled},
	} {
		s := open(t, t.TempDir())
		ingest(t, s, days(0, 2), true)
		before := tree(t, s.Dir())
		_, changed, err := s.Ingest(c.ctx, c.in, parquet.DefaultIngestOptions("t"))
		if err == nil || changed || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: changed %t, error %v, expected %v", name, changed, err, c.want)
		}
		if !reflect.DeepEqual(tree(t, s.Dir()), before) {
			t.Errorf("%s: the store changed", name)
		}
	}
}

// What a killed ingest leaves behind is invisible, and the next one removes it.
func TestKilledIngest(t *testing.T) {
	s := open(t, t.TempDir())
	ingest(t, s, days(0, 2), true)
	traces := filepath.Join(s.Dir(), "traces")
	staging := filepath.Join(traces, ".staging-t", "minutes")
	if err := os.MkdirAll(staging, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(staging, "day=000.parquet"), []byte("PAR1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if names, err := s.Names(); err != nil || len(names) != 1 {
		t.Errorf("names %v, error %v", names, err)
	}
	ingest(t, s, days(0, 3), true)

	// Killed between the two renames of a system that cannot exchange folders.
	if err := os.Rename(filepath.Join(traces, "t"), filepath.Join(traces, ".retired-t")); err != nil {
		t.Fatal(err)
	}
	ingest(t, s, days(0, 3), false)
	entries, err := os.ReadDir(traces)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v, error %v", entries, err)
	}
}

func TestOpenRefusesOtherFolders(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := parquet.Open(dir); !errors.Is(err, parquet.ErrNotStore) || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("error %v", err)
	}
	if _, err := parquet.Open(filepath.Join(dir, "thesis.tex")); err == nil {
		t.Error("a file was opened as a store")
	}
	missing := filepath.Join(dir, "no", "such")
	s := open(t, missing)
	if names, err := s.Names(); err != nil || len(names) != 0 {
		t.Errorf("names %v, error %v", names, err)
	}
	if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening created the folder: %v", err)
	}
}

func TestDamageIsNoticed(t *testing.T) {
	for _, file := range []string{"manifest.json", "functions.parquet", "minutes/day=001.parquet"} {
		s := open(t, t.TempDir())
		ingest(t, s, days(0, 2), true)
		path := filepath.Join(s.Dir(), "traces", "t", filepath.FromSlash(file))
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"cut": raw[:len(raw)-9], "flipped": flip(raw, len(raw)/2), "empty": nil} {
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(t.Context(), "t"); !errors.Is(err, parquet.ErrCorrupt) {
				t.Errorf("%s %s: %v", file, name, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), "t"); !errors.Is(err, parquet.ErrCorrupt) {
			t.Errorf("%s removed: %v", file, err)
		}
	}
}

func flip(raw []byte, at int) []byte {
	b := bytes.Clone(raw)
	b[at] ^= 0x55
	return b
}

// Two writers at once: one gets ErrLocked, and the trace is whole.
func TestIngestLocks(t *testing.T) {
	s := open(t, t.TempDir())
	in := &blocking{input: days(0, 2), entered: make(chan struct{}), leave: make(chan struct{})}
	done := make(chan error)
	go func() {
		_, _, err := s.Ingest(t.Context(), in, parquet.DefaultIngestOptions("t"))
		done <- err
	}()
	<-in.entered
	if _, _, err := s.Ingest(t.Context(), days(0, 2), parquet.DefaultIngestOptions("t")); !errors.Is(err, parquet.ErrLocked) {
		t.Errorf("error %v", err)
	}
	close(in.leave)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ingest(t, s, days(0, 2), false)
}

type blocking struct {
	*input
	entered, leave chan struct{}
}

func (b *blocking) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	close(b.entered)
	<-b.leave
	return b.input.Read(ctx, known, sink)
}

func TestIngestOptions(t *testing.T) {
	for name, o := range map[string]parquet.IngestOptions{
		"../x": {Name: "../x"}, "": {}, ".hidden": {Name: ".hidden"}, "limit": {Name: "a", QuarantineLimit: 1.5},
	} {
		if err := o.Validate(); err == nil {
			t.Errorf("%q: accepted", name)
		}
	}
	if err := parquet.DefaultIngestOptions("az-2019.d1").Validate(); err != nil {
		t.Error(err)
	}
}
