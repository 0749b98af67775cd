package invocations_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/invocations"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/parquet/foreign"
)

func TestMain(m *testing.M) {
	if code, is := foreign.Serve(os.Args); is {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

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

// A collector is a Sink that keeps everything.
type collector struct {
	got      []datasets.Invocation
	tallies  []*datasets.Tally
	rows     map[string]int64
	rejected []string
}

func (c *collector) Day(*datasets.Counts) error { return errors.New("not as counts") }

func (c *collector) Invocations(day int, seq iter.Seq2[datasets.Invocation, error]) error {
	if day != len(c.tallies) {
		return fmt.Errorf("day %d after %d", day, len(c.tallies))
	}
	tally := datasets.NewTally(day)
	c.tallies = append(c.tallies, tally)
	for inv, err := range seq {
		if err != nil {
			return err
		}
		if err := tally.Add(inv); err != nil {
			return err
		}
		c.got = append(c.got, inv)
	}
	return nil
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

func (c *collector) text(functions []datasets.Function) []string {
	var out []string
	for _, inv := range c.got {
		out = append(out, fmt.Sprintf("%s %v %v", functions[inv.Function].Name, inv.Arrival, inv.Duration))
	}
	return out
}

func read(t testing.TB, path string, o invocations.Options, known ...datasets.Function) (*invocations.Input, []datasets.Function, *collector) {
	t.Helper()
	in, err := invocations.Open(t.Context(), path, o)
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

func TestLayouts(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
		start string
		days  int
	}{
		{"times", map[string]string{"i.csv": "function,arrival,duration_ms\ng,2026-03-03T00:00:01.5Z,12.5\nf,2026-03-02T23:59:59.999999Z,0\nf,2026-03-02T01:00:00+02:00,\n"},
			[]string{"f 23h0m0s -1µs", "f 47h59m59.999999s 1µs", "g 48h0m1.5s 12.5ms"}, "2026-03-01", 3},
		{"seconds since 1970, with ties", map[string]string{"i.csv": "arrival,duration_ms,function\n1772409601,3,g\n1772409601,2,f\n1772409601,1,g\n"},
			[]string{"g 1s 1ms", "g 1s 3ms", "f 1s 2ms"}, "2026-03-02", 1},
		{"seconds since the start, in two files", map[string]string{"a.jsonl": `{"arrival":90000.25,"duration_ms":1e2,"function":"f"}` + "\n" + `{"arrival":"1","duration_ms":null,"function":"f"}`, "b.csv": "arrival,duration_ms\n2.0000009,7\n"},
			[]string{"f 1s -1µs", "b 2s 7ms", "f 25h0m0.25s 100ms"}, "1970-01-01", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, functions, got := read(t, write(t, c.files), invocations.DefaultOptions())
			if text := got.text(functions); !slices.Equal(text, c.want) {
				t.Errorf("%q, expected %q", text, c.want)
			}
			p := in.Provenance()
			if p.Start.Format(time.DateOnly) != c.start || p.Span != (datasets.Window{From: 0, To: c.days * 1440}) || p.Format != "invocations" || len(got.tallies) != c.days {
				t.Errorf("%v, %v, %d days; expected %v, %d days", p.Start, p.Span, len(got.tallies), c.start, c.days)
			}
			if got.rejected != nil {
				t.Errorf("rejected %q", got.rejected)
			}
		})
	}
}

// What was measured becomes the function's, and what was not is assumed.
func TestMeasured(t *testing.T) {
	text := "function,arrival,duration_ms,cold_ms,memory_mb,app,owner,trigger,region\n" +
		"f,1,100,400,128,a,o,http,x\nf,2,200,0,130.5,a,o,,x\nf,3,300,,64,a,o,,x\nf,4,,500,,a,o,,x\n" +
		"g,5,10,,,,,timer,x\ng,6,30,,,,,timer,x\n" +
		"h,7,,,,,,,x\n"
	in, functions, got := read(t, write(t, map[string]string{"i.csv": text}), invocations.DefaultOptions())
	if got.rejected != nil || len(functions) != 3 {
		t.Fatalf("%+v, rejected %q", functions, got.rejected)
	}
	ms := func(d datasets.Distribution) (out []float64) {
		for _, v := range d.Value {
			out = append(out, float64(v)/float64(time.Millisecond))
		}
		return out
	}
	f, g, h := functions[0], functions[1], functions[2]
	if f.Assumed != datasets.AssumedCPU || f.Memory != 130.5*(1<<20) || f.Owner != "o" || f.App != "a" || f.Trigger != datasets.HTTP {
		t.Errorf("%+v", f)
	}
	if want := []float64{100, 102, 150, 200, 250, 298, 300}; !slices.Equal(ms(f.Execution), want) {
		t.Errorf("execution %v, expected %v", ms(f.Execution), want)
	}
	if want := []float64{400, 401, 425, 450, 475, 499, 500}; !slices.Equal(ms(f.Initialisation), want) {
		t.Errorf("initialisation %v, expected %v", ms(f.Initialisation), want)
	}
	if want := []float64{240, 240.6, 255, 270, 285, 299.4, 300}; !slices.Equal(ms(f.Termination), want) {
		t.Errorf("termination %v, expected %v", ms(f.Termination), want)
	}
	if g.Assumed != datasets.AssumedCPU|datasets.AssumedMemory|datasets.AssumedStartCost || !slices.Equal(ms(g.Execution), []float64{10, 10.2, 15, 20, 25, 29.8, 30}) || g.Trigger != datasets.Timer {
		t.Errorf("%+v", g)
	}
	if h.Assumed&datasets.AssumedExecution == 0 || h.Execution.Mean() <= 0 || h.Initialisation.Mean() <= 0 || h.Trigger != datasets.Others {
		t.Errorf("%+v", h)
	}
	if n := in.Provenance().Notes; !slices.Contains(n, `columns that were not used: "region"`) {
		t.Errorf("notes %q", n)
	}
	// A function that the store knows keeps what was measured before.
	known := f
	known.ID, known.Assumed = 0, datasets.AssumedMemory
	known.Execution = datasets.Constant(time.Hour)
	_, again, _ := read(t, write(t, map[string]string{"i.csv": text}), invocations.DefaultOptions(), known)
	if again[0].Execution.Mean() != time.Hour || again[0].Memory != f.Memory || again[0].Assumed != 0 {
		t.Errorf("%+v", again[0])
	}
}

// Quantiles of many durations are right to half a percent; the ends are exact.
func TestManyDurations(t *testing.T) {
	var b strings.Builder
	b.WriteString("function,arrival,duration_ms\n")
	const n = 10001
	for i := range n {
		fmt.Fprintf(&b, "f,%d,%d\n", i, 1+i*7919%n)
	}
	_, functions, _ := read(t, write(t, map[string]string{"i.csv": b.String()}), invocations.DefaultOptions())
	for i, p := range []float64{0, 0.01, 0.25, 0.5, 0.75, 0.99, 1} {
		want := 1 + p*(n-1)
		got := float64(functions[0].Execution.Value[i]) / float64(time.Millisecond)
		tolerance := 0.0051 // half a bin
		if p == 0 || p == 1 {
			tolerance = 0
		}
		if got < want*(1-tolerance) || got > want*(1+tolerance) {
			t.Errorf("quantile %g: %g ms, expected %g", p, got, want)
		}
	}
	if err := functions[0].Execution.Validate(); err != nil {
		t.Error(err)
	}
}

func TestRejected(t *testing.T) {
	dir := write(t, map[string]string{"i.csv": "function,arrival,duration_ms,cold_ms,memory_mb,trigger\n" + strings.Join([]string{
		"f,1,1,,,http", "f,x,1,,,", "f,-1,1,,,", "f,2,-1,,,", "f,3,1e10,,,", "f,4,NaN,,,", "f,5,1,-1,,", "f,6,1,x,,", "f,7,1,,-1,", "f,8,1,,2000000,", "g,9,1,,,cron",
		",10,1,,,", "f,11", "f,1e10,1,,,", "f,12,1,,,,", "f,2026-03-02T00:00:00Z,1,,,", "f,13,1,,,", "f,1772409601000,1,,,",
	}, "\n")})
	in, functions, got := read(t, dir, invocations.DefaultOptions())
	if text, want := got.text(functions), []string{"f 1s 1ms", "f 2s -1µs", "f 3s -1µs", "f 4s -1µs", "f 5s 1ms", "f 6s 1ms", "f 7s 1ms", "f 8s 1ms", "g 9s 1ms", "f 13s 1ms"}; !slices.Equal(text, want) {
		t.Errorf("%q, expected %q", text, want)
	}
	want := []string{
		`i.csv:3: bad time: arrival "x": must be a number of seconds, or a date and time as in RFC 3339`,
		`i.csv:4: bad time: arrival "-1": must not be negative`,
		`i.csv:13: bad key: function "": must be 1 to 256 bytes of UTF-8`,
		`i.csv:14: ragged row: 2 columns, expected 6`,
		`i.csv:15: bad time: arrival "1e10": as seconds since 1970 it is the year 2286`,
		`i.csv:16: ragged row: 7 columns, expected 6`,
		`i.csv:17: bad time: arrival "2026-03-02T00:00:00Z": must be a number as in the rows before`,
		`i.csv:19: bad time: arrival "1772409601000": as seconds since 1970 it is the year 5.81e+04; it looks like milliseconds since 1970, 2026-03-02`,
	}
	if !slices.Equal(got.rejected, want) {
		t.Errorf("rejected\n%s\nexpected\n%s", strings.Join(got.rejected, "\n"), strings.Join(want, "\n"))
	}
	if got.rows["i.csv"] != 18 {
		t.Errorf("rows %v", got.rows)
	}
	file := filepath.Join(dir, "i.csv")
	for _, note := range []string{
		"duration_ms: 2 values that cannot be used and count as not measured; the first is " + file + `:5: duration_ms "-1": must not be negative`,
		"cold_ms: 2 values that cannot be used and count as not measured; the first is " + file + `:8: cold_ms "-1": must not be negative`,
		"memory_mb: 2 values that cannot be used and count as not measured; the first is " + file + `:10: memory_mb "-1": must not be negative`,
		`trigger: 1 rows with a word that is none of [http timer event queue storage orchestration others], taken as others; the first is "cron" (` + file + ":12)",
	} {
		if notes := in.Provenance().Notes; !slices.Contains(notes, note) {
			t.Errorf("notes %q lack %q", notes, note)
		}
	}
}

func TestRefused(t *testing.T) {
	const text = "function,arrival,duration_ms\nf,1,1\n"
	o := invocations.DefaultOptions()
	o.Columns = map[string]string{"duration": "x"}
	if _, err := invocations.Open(t.Context(), write(t, map[string]string{"a.csv": text}), o); err == nil ||
		!strings.Contains(err.Error(), `columns: "duration": must be one of function, arrival, duration_ms, cold_ms, end_ms, memory_mb, cpu, owner, app, trigger`) {
		t.Errorf("error %v", err)
	}
	if _, err := invocations.Open(t.Context(), write(t, map[string]string{"a.csv": text, "b.csv": text}), invocations.DefaultOptions()); err == nil ||
		!strings.Contains(err.Error(), "b.csv: has the same content as") {
		t.Errorf("error %v", err)
	}
	if _, err := invocations.Open(t.Context(), write(t, map[string]string{"a.csv": "function,arrival\n"}), invocations.DefaultOptions()); err == nil ||
		!strings.Contains(err.Error(), `column "duration_ms" is missing`) {
		t.Errorf("error %v", err)
	}
}

// Rows in any order and over any files give the same invocations in the store.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "invocations")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		type row struct{ second, duration int }
		n := rapid.IntRange(1, 60).Draw(t, "rows")
		files := rapid.IntRange(1, 3).Draw(t, "files")
		texts := make([]string, files)
		var want []row
		first := 9
		for range n {
			r := row{rapid.IntRange(0, 3).Draw(t, "day")*86400 + rapid.IntRange(0, 5).Draw(t, "second"), rapid.IntRange(1, 9).Draw(t, "ms")}
			want = append(want, r)
			first = min(first, r.second/86400)
			i := rapid.IntRange(0, files-1).Draw(t, "file")
			texts[i] += fmt.Sprintf("f,%d,%d,%d\n", r.second, r.duration, len(want))
		}
		for i, text := range texts {
			// The last column tells files with equal rows apart.
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".csv")), []byte(fmt.Sprintf("function,arrival,duration_ms,x%d\n", i)+text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		in, err := invocations.Open(t.Context(), dir, invocations.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		c := new(collector)
		if _, err := in.Read(t.Context(), nil, c); err != nil {
			t.Fatal(err)
		}
		var got []row
		for _, inv := range c.got {
			got = append(got, row{int(inv.Arrival/time.Second) + first*86400, int(inv.Duration / time.Millisecond)})
		}
		slices.SortFunc(want, func(a, b row) int {
			if a.second != b.second {
				return a.second - b.second
			}
			return a.duration - b.duration
		})
		if !slices.Equal(got, want) || c.rejected != nil {
			t.Fatalf("%v, expected %v; rejected %q", got, want, c.rejected)
		}
	})
}

func TestStore(t *testing.T) {
	in, err := invocations.Open(t.Context(), write(t, map[string]string{"i.csv": "function,arrival,duration_ms\nf,2026-03-02T00:00:01Z,5\nf,2026-03-02T00:00:02Z,\ng,2026-03-04T00:00:01Z,5\n"}), invocations.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	s, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := s.Ingest(t.Context(), in, parquet.DefaultIngestOptions("i"))
	if err != nil || d.Invocations != 3 || d.Functions != 2 || d.Days != 3 {
		t.Errorf("%+v, error %v", d, err)
	}
	if err := s.Verify(t.Context(), "i"); err != nil {
		t.Error(err)
	}
	trace, err := s.Trace(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	seq, ok := trace.DayInvocations(t.Context(), 0, trace.Span)
	if !ok {
		t.Fatal("no single invocations")
	}
	var got []string
	for inv, err := range seq {
		got = append(got, fmt.Sprint(inv.Function, inv.Arrival, inv.Duration, err))
	}
	if want := []string{"0 1s 5ms <nil>", "0 2s -1µs <nil>"}; !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

func FuzzInvocations(f *testing.F) {
	f.Add("function,arrival,duration_ms\nf,1,1\nf,2026-03-02T00:00:00Z,\n")
	f.Add("arrival,duration_ms,cold_ms,memory_mb\n1,1,1,1\n")
	f.Add(`{"arrival":1.5,"duration_ms":2}`)
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "i")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := invocations.Open(t.Context(), path, invocations.DefaultOptions())
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
		if int(c.rows["i"]) != len(c.rejected)+len(c.got) {
			t.Fatalf("%v rows, %d rejected, %d taken", c.rows, len(c.rejected), len(c.got))
		}
		for _, fn := range functions {
			for _, d := range []datasets.Distribution{fn.Execution, fn.Initialisation, fn.Termination} {
				if err := d.Validate(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// NaN and infinity in a Parquet column of doubles cost what was measured, and no invocation.
func TestParquetNaN(t *testing.T) {
	dir := t.TempDir()
	nan, inf := math.NaN(), math.Inf(1)
	if err := parquet.WriteTable(filepath.Join(dir, "i.parquet"), []parquet.Column{
		{Name: "function", Data: []string{"f", "f", "f"}}, {Name: "arrival", Data: []float64{1, 2, 3}},
		{Name: "duration_ms", Data: []float64{nan, 2, inf}}, {Name: "memory_mb", Data: []float64{128, nan, -inf}},
	}); err != nil {
		t.Fatal(err)
	}
	in, functions, got := read(t, dir, invocations.DefaultOptions())
	if text, want := got.text(functions), []string{"f 1s -1µs", "f 2s 2ms", "f 3s -1µs"}; !slices.Equal(text, want) || got.rejected != nil {
		t.Errorf("%q, rejected %q; expected %q", text, got.rejected, want)
	}
	lost := 0
	for _, n := range in.Provenance().Notes {
		if strings.Contains(n, "1 value that cannot be used") {
			lost++
		}
	}
	if lost != 2 {
		t.Errorf("notes %q: the two infinite values are lost", in.Provenance().Notes)
	}
}
