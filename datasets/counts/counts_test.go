package counts_test

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/counts"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/parquet/foreign"
)

func TestMain(m *testing.M) {
	if code, is := foreign.Serve(os.Args); is {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// write makes a folder of files.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A collector is a Sink that keeps everything as text.
type collector struct {
	days     []*datasets.Counts
	rows     map[string]int64
	rejected []string
}

func (c *collector) Day(d *datasets.Counts) error {
	c.days = append(c.days, d)
	return nil
}

func (c *collector) Invocations(int, iter.Seq2[datasets.Invocation, error]) error {
	return errors.New("counts have no single invocations")
}

func (c *collector) Rows(file string, n int64) error {
	if c.rows == nil {
		c.rows = map[string]int64{}
	}
	c.rows[file] += n
	return nil
}

func (c *collector) Reject(reason string, e *datasets.SyntaxError) error {
	c.rejected = append(c.rejected, fmt.Sprintf("%s:%d: %s: %s", filepath.Base(e.File), e.Line, reason, e.Msg))
	return nil
}

// cells writes down every count: day, minute, function and count.
func (c *collector) cells(functions []datasets.Function) []string {
	var out []string
	for _, d := range c.days {
		for _, f := range functions {
			minute, count := d.Function(f.ID)
			for i, m := range minute {
				out = append(out, fmt.Sprintf("%d/%d %s=%d", d.Day, m, f.Name, count[i]))
			}
		}
	}
	return out
}

func read(t testing.TB, path string, o counts.Options, known ...datasets.Function) (*counts.Input, []datasets.Function, *collector) {
	t.Helper()
	in, err := counts.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	c := new(collector)
	functions, err := in.Read(t.Context(), known, c)
	if err != nil {
		t.Fatal(err)
	}
	return in, functions, c
}

func named(o counts.Options, names ...string) counts.Options {
	o.Columns = map[string]string{}
	for i := 0; i < len(names); i += 2 {
		o.Columns[names[i]] = names[i+1]
	}
	return o
}

func origins(day, minute int) counts.Options {
	o := counts.DefaultOptions()
	o.DayOrigin, o.MinuteOrigin = day, minute
	return o
}

// Every layout, by hand: the counts, the start and the span.
func TestLayouts(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		opts  counts.Options
		want  []string
		start string
		span  datasets.Window
	}{
		{"function, minute, count with times", map[string]string{"c.csv": "function,minute,count\n" +
			"f,2026-03-02T00:01:00Z,5\ng,2026-03-02T23:59:00Z,7\nf,2026-03-03T02:00:00+02:00,2\n"},
			counts.DefaultOptions(), []string{"0/1 f=5", "0/1439 g=7", "1/0 f=2"}, "2026-03-02", datasets.Window{From: 0, To: 2880}},
		{"minutes since the start", map[string]string{"c.csv": "minute,function,count\n1441,g,1\n0,f,3\n"},
			counts.DefaultOptions(), []string{"0/0 f=3", "1/1 g=1"}, "1970-01-01", datasets.Window{From: 0, To: 2880}},
		{"minutes since 1970", map[string]string{"c.csv": "minute,function,count\n29541601,g,1\n"},
			counts.DefaultOptions(), []string{"0/1 g=1"}, "2026-03-03", datasets.Window{From: 0, To: 1440}},
		{"day, minute, count: one series, from 1", map[string]string{"total.csv": "day,minute,invocations\n1,1,10\n1,1440,20\n2,2,30\n"},
			named(origins(1, 1), "count", "invocations"), []string{"0/0 total=10", "0/1439 total=20", "1/1 total=30"}, "1970-01-01", datasets.Window{From: 0, To: 2880}},
		{"dates and minutes of the day", map[string]string{"c.csv": "function,day,minute,count\nf,2026-03-02,7,1\nf,2026-03-04,8,2\n"},
			counts.DefaultOptions(), []string{"0/7 f=1", "2/8 f=2"}, "2026-03-02", datasets.Window{From: 0, To: 4320}},
		{"zeros are observed", map[string]string{"c.csv": "function,minute,count\nf,10,0\nf,11,4\nf,1500,0\n"},
			counts.DefaultOptions(), []string{"0/11 f=4"}, "1970-01-01", datasets.Window{From: 10, To: 1501}},
		{"JSON lines", map[string]string{"c.jsonl": `{"function":"f","minute":"2026-03-02T00:01:00Z","count":5}` + "\n" + `{"count":6.0,"minute":"2026-03-02T00:02:00Z","function":"f","region":"x"}`},
			counts.DefaultOptions(), []string{"0/1 f=5", "0/2 f=6"}, "2026-03-02", datasets.Window{From: 0, To: 1440}},
		{"a file a day, and in disorder", map[string]string{"1.csv": "function,day,minute,count\nf,1,5,1\nf,1,4,2\n", "2.csv": "function,day,minute,count\ng,0,5,3\nf,0,5,4\n"},
			counts.DefaultOptions(), []string{"0/5 f=4", "0/5 g=3", "1/4 f=2", "1/5 f=1"}, "1970-01-01", datasets.Window{From: 0, To: 2880}},
		{"a file a function, of two kinds", map[string]string{"a.csv": "minute,count\n1,1\n1500,2\n", "b.jsonl": `{"minute":1,"count":3}` + "\n" + `{"minute":1441,"count":4}`},
			counts.DefaultOptions(), []string{"0/1 a=1", "0/1 b=3", "1/60 a=2", "1/1 b=4"}, "1970-01-01", datasets.Window{From: 0, To: 2880}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, functions, got := read(t, write(t, c.files), c.opts)
			if cells := got.cells(functions); !slices.Equal(cells, c.want) {
				t.Errorf("counts %q, expected %q", cells, c.want)
			}
			p := in.Provenance()
			if p.Start.Format(time.DateOnly) != c.start || p.Span != c.span || p.Format != "counts" {
				t.Errorf("%v, %v; expected %v, %v", p.Start, p.Span, c.start, c.span)
			}
			if got.rejected != nil {
				t.Errorf("rejected %q", got.rejected)
			}
			for i, f := range functions {
				const assumed = datasets.AssumedMemory | datasets.AssumedCPU | datasets.AssumedExecution | datasets.AssumedStartCost
				if int(f.ID) != i || f.Assumed != assumed || f.Memory <= 0 || f.CPU <= 0 || f.Execution.Mean() <= 0 || f.Initialisation.Mean() <= 0 {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

func TestParquet(t *testing.T) {
	dir := t.TempDir()
	if err := parquet.WriteTable(filepath.Join(dir, "c.parquet"), []parquet.Column{
		{Name: "fn", Data: []string{"f", "g", "f"}}, {Name: "minute", Data: []int32{0, 1, 1441}}, {Name: "count", Data: []float64{1, 2, 3}}, {Name: "x", Data: []bool{true, true, true}},
	}); err != nil {
		t.Fatal(err)
	}
	in, functions, got := read(t, dir, named(counts.DefaultOptions(), "function", "fn"))
	if cells, want := got.cells(functions), []string{"0/0 f=1", "0/1 g=2", "1/1 f=3"}; !slices.Equal(cells, want) {
		t.Errorf("counts %q, expected %q", cells, want)
	}
	if n := in.Provenance().Notes; !slices.Contains(n, `columns that were not used: "x"`) {
		t.Errorf("notes %q", n)
	}
	if got.rows["c.parquet"] != 3 {
		t.Errorf("rows %v", got.rows)
	}
}

// Every kind of bad row, with its place; the others count.
func TestRejected(t *testing.T) {
	dir := write(t, map[string]string{
		"1.csv": "function,minute,count\n" + strings.Join([]string{
			"f,1,1", "f,2,-1", "f,3,1000000000", "f,4,NaN", "f,5,1.5", "f,6,", "f,7", "f,8,1,1", ",9,1", "f,x,1", "f,-1,1", "f,1,2",
			"\"f\",\"10\",\"1\"", "f,11,\"1", "f,999999,1", "f,2026-03-02T00:00:00Z,1", "f,12," + strings.Repeat("1", 10<<20), "g\xff,13,1", "\"a,b\",14,1", "f,15,0", "f,15,1",
		}, "\r\n"),
		"2.csv": "function,minute,count\nf,1,9\nf,16,1\n",
	})
	_, functions, got := read(t, dir, counts.DefaultOptions())
	if cells, want := got.cells(functions), []string{"0/1 f=1", "0/10 f=1", "0/16 f=1", "0/14 a,b=1"}; !slices.Equal(cells, want) {
		t.Errorf("counts %q, expected %q", cells, want)
	}
	want := []string{
		`1.csv:3: negative number: count "-1": must not be negative`,
		`1.csv:4: huge number: count "1000000000": must be at most 999999999`,
		`1.csv:5: bad number: count is missing`,
		`1.csv:6: bad number: count "1.5": must be a whole number`,
		`1.csv:7: bad number: count is missing`,
		`1.csv:8: ragged row: 2 columns, expected 3`,
		`1.csv:9: ragged row: 4 columns, expected 3`,
		`1.csv:10: bad key: function "": must be 1 to 256 bytes of UTF-8`,
		`1.csv:11: bad time: minute "x": must be a whole number, or a date and time as in RFC 3339`,
		`1.csv:12: bad time: minute "-1": must not be negative`,
		`1.csv:15: bad quote: column 3: its quote is not closed within 1048576 bytes`,
		`1.csv:16: stray time: 1971-11-26: more than 31 days from the others, which run from 1970-01-01 to 1970-01-01`,
		`1.csv:17: bad time: minute "2026-03-02T00:00:00Z": must be a number as in the rows before`,
		`1.csv:18: long line: longer than 1048576 bytes`,
		`1.csv:19: bad key: function "g\xff": must be 1 to 256 bytes of UTF-8, which this is not (Windows-1252 or Latin-1? save the file as UTF-8)`,
		`1.csv:13: duplicate key: same function and minute as ` + filepath.Join(dir, "1.csv") + `:2`,
		`2.csv:2: duplicate key: same function and minute as ` + filepath.Join(dir, "1.csv") + `:2`,
		`1.csv:22: duplicate key: same function and minute as ` + filepath.Join(dir, "1.csv") + `:21`,
	}
	if !slices.Equal(got.rejected, want) {
		t.Errorf("rejected\n%s\nexpected\n%s", strings.Join(got.rejected, "\n"), strings.Join(want, "\n"))
	}
	if got.rows["1.csv"] != 21 || got.rows["2.csv"] != 2 {
		t.Errorf("rows %v", got.rows)
	}
	if len(functions) != 2 {
		t.Errorf("functions %+v", functions)
	}
}

// Refused as a whole.
func TestRefused(t *testing.T) {
	bad := func(change func(*counts.Options)) counts.Options {
		o := counts.DefaultOptions()
		change(&o)
		return o
	}
	for _, c := range []struct {
		text string
		opts counts.Options
		want string
	}{
		{"minute,count\n", origins(2, 0), "day_origin must be 0 or 1, got 2"},
		{"minute,count\n", origins(0, -1), "minute_origin must be 0 or 1, got -1"},
		{"minute,count\n", named(origins(0, 0), "counts", "x"), `columns: "counts": must be one of function, day, minute, count, owner, app, trigger`},
		{"minute,count\n", bad(func(o *counts.Options) { o.Start = time.Unix(1, 0) }), "start must be a midnight UTC"},
		{"day,minute,count\n1,1,1\n1,1440,1\n", origins(0, 0), "minutes run to 1440 and none is 0: say --minute-origin 1"},
		{"day,minute,count\n1,0,1\n1,1439,1\n", origins(0, 1), "minutes run from 0 and none is 1440: say --minute-origin 0"},
		{"", origins(0, 0), "c.csv:1: empty: expected a header or a row"},
		{"function,count\n", origins(0, 0), `c.csv:1: column "minute" is missing: the file has "function", "count"; name another by --columns minute=NAME`},
	} {
		_, err := counts.Open(t.Context(), write(t, map[string]string{"c.csv": c.text}), c.opts)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, expected %s", c.text, err, c.want)
		}
	}
	for text, rejected := range map[string]int{"minute,count\n": 0, "minute,count\nx,1\n": 1} {
		in, err := counts.Open(t.Context(), write(t, map[string]string{"c.csv": text}), counts.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		c := new(collector)
		if _, err := in.Read(t.Context(), nil, c); !errors.Is(err, datasets.ErrNoRows) || len(c.rejected) != rejected {
			t.Errorf("%q: error %v, rejected %q", text, err, c.rejected)
		}
	}
}

// A file that changes between the two readings is noticed.
func TestChangedFile(t *testing.T) {
	for _, now := range []string{"minute,count\n1,1\n1500,1\n2,1\n1501,1\n", "minute,count\n1,1\n", "minute,count\n1,1\n1500,1\n9000,1\n"} {
		dir := write(t, map[string]string{"c.csv": "minute,count\n1,1\n1500,1\n"})
		in, err := counts.Open(t.Context(), dir, counts.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "c.csv"), []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Read(t.Context(), nil, new(collector)); err == nil || !strings.Contains(err.Error(), "changed while it was read") {
			t.Errorf("%q: error %v", now, err)
		}
	}
}

// Known functions keep their numbers and what was measured of them.
func TestKnownFunctions(t *testing.T) {
	known := datasets.Function{ID: 0, Name: "g", Trigger: datasets.Timer, Memory: 5, CPU: 2, Execution: datasets.Constant(time.Second), Assumed: datasets.AssumedStartCost}
	dir := write(t, map[string]string{"c.csv": "function,minute,count,trigger,owner\nf,1,1,http,\ng,1,2,queue,\ng,2,3,queue,o\n"})
	_, functions, got := read(t, dir, counts.DefaultOptions(), known)
	if cells, want := got.cells(functions), []string{"0/1 g=2", "0/1 f=1", "0/2 g=3"}; !slices.Equal(cells, want) {
		t.Errorf("counts %q, expected %q", cells, want)
	}
	if g := functions[0]; g.Trigger != datasets.Timer || g.Memory != 5 || g.CPU != 2 || g.Execution.Mean() != time.Second || g.Initialisation.Mean() == 0 {
		t.Errorf("%+v", g)
	}
	if f := functions[1]; f.Trigger != datasets.HTTP || functions[2].Owner != "o" {
		t.Errorf("%+v", functions)
	}
}

func TestStoreAndAppend(t *testing.T) {
	ingest := func(s *parquet.Store, path string) parquet.Description {
		t.Helper()
		in, err := counts.Open(t.Context(), path, counts.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		d, _, err := s.Ingest(t.Context(), in, parquet.DefaultIngestOptions("c"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		return d
	}
	open := func() *parquet.Store {
		s, err := parquet.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := "function,minute,count\nf,2026-03-02T00:01:00Z,5\ng,2026-03-02T23:00:00Z,1\n"
	second := "function,minute,count\nh,2026-03-03T00:01:00Z,2\ng,2026-03-03T12:00:00Z,1\n"
	both := map[string]string{"d1.csv": first, "d2.csv": second}
	s := open()
	ingest(s, write(t, map[string]string{"d1.csv": first}))
	nightly := ingest(s, write(t, map[string]string{"d2.csv": second}))
	if all := ingest(open(), write(t, both)); all.Digest != nightly.Digest || all.Invocations != 9 || all.Functions != 3 || all.Days != 2 {
		t.Errorf("at once %+v, nightly %+v", all, nightly)
	}
	s = open()
	ingest(s, write(t, map[string]string{"d1.csv": first}))
	if again := ingest(s, write(t, both)); again.Digest != nightly.Digest {
		t.Errorf("%+v, nightly %+v", again, nightly)
	}
}

// Whatever the order of rows and their spread over files, the counts are those of a
// slow reading; of rows with the same key, the one that is read first counts.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "counts")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		want, duplicates := map[string]int{}, 0
		for file := range rapid.IntRange(1, 3).Draw(t, "files") {
			text := "function,day,minute,count\n"
			for range rapid.IntRange(1, 30).Draw(t, "rows") {
				f, d := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "f"), rapid.IntRange(0, 4).Draw(t, "d")
				m, n := rapid.IntRange(0, 3).Draw(t, "m"), rapid.IntRange(0, 2).Draw(t, "n")
				text += fmt.Sprintf("%s,%d,%d,%d\n", f, d, m, n)
				key := fmt.Sprintf("%d/%d %s", d, m, f)
				if _, ok := want[key]; ok {
					duplicates++
				} else {
					want[key] = n
				}
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(file, ".csv")), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		first := 9
		for key := range want {
			first = min(first, int(key[0]-'0'))
		}
		in, err := counts.Open(t.Context(), dir, counts.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		c := new(collector)
		functions, err := in.Read(t.Context(), nil, c)
		if err != nil {
			t.Fatal(err)
		}
		var expected []string
		for key, n := range want {
			if n > 0 {
				expected = append(expected, fmt.Sprintf("%d%s=%d", int(key[0]-'0')-first, key[1:], n))
			}
		}
		got := c.cells(functions)
		slices.Sort(got)
		slices.Sort(expected)
		if !slices.Equal(got, expected) || len(c.rejected) != duplicates {
			t.Fatalf("%q with %d rejected, expected %q with %d", got, len(c.rejected), expected, duplicates)
		}
	})
}

// Whatever the bytes: no panic, and every row either counts or is rejected.
func FuzzCounts(f *testing.F) {
	f.Add("function,minute,count\nf,1,1\n")
	f.Add("day,minute,count\n1,1,1\n2,1440,1\n")
	f.Add(`{"minute":1,"count":2}`)
	f.Add("function,minute,count\nf,2026-03-02T00:00:00Z,1\nf,9999-03-02T00:00:00Z,1\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "c")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := counts.Open(t.Context(), path, counts.DefaultOptions())
		if err != nil {
			return
		}
		c := new(collector)
		functions, err := in.Read(t.Context(), nil, c)
		if errors.Is(err, datasets.ErrNoRows) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if p := in.Provenance(); len(c.days)*1440 < p.Span.To || int(c.rows["c"]) < len(c.rejected)+len(c.cells(functions)) {
			t.Fatalf("%d days of %v; %v rows, %d rejected", len(c.days), p.Span, c.rows, len(c.rejected))
		}
	})
}
