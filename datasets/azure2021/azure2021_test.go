package azure2021_test

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2021"
	"github.com/incendio-faas/incendio/datasets/internal/sinktest"
)

const header = "app,func,end_timestamp,duration\n"

func described(c *sinktest.Collector, functions []datasets.Function) (out []string) {
	for _, inv := range c.Got {
		f := functions[inv.Function]
		out = append(out, fmt.Sprintf("%s/%s %v %v", f.App, f.Name, inv.Arrival, inv.Duration))
	}
	return out
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

func open(t testing.TB, path string) *azure2021.Input {
	t.Helper()
	in, err := azure2021.Open(t.Context(), path, azure2021.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	return in
}

func read(t testing.TB, path string, known ...datasets.Function) (*azure2021.Input, []datasets.Function, *sinktest.Collector) {
	t.Helper()
	in, c := open(t, path), new(sinktest.Collector)
	functions, err := in.Read(t.Context(), known, c)
	if err != nil {
		t.Fatal(err)
	}
	return in, functions, c
}

// By hand: 0.5 - 0.25, 60.01 - 0.01, 86400.5 - 1 (which starts on day 0 and ends on day 1),
// 0.0795 - 0.078, 100 - 0 and 90000 - 3.6.
func TestByHand(t *testing.T) {
	dir := write(t, map[string]string{
		"AzureFunctionsInvocationTraceForTwoWeeksJan2021.txt": "\ufeffapp,func,end_timestamp,duration\r\n" +
			"a1,f1,0.5,0.25\r\na1,f2,60.01,0.01\r\na2,f1,86400.5,1.0\r\na1,f1,0.0795,0.078\r\n",
		"more.csv":   "duration,\"func\",app,end_timestamp,note\n0,f1,a1,100,x\n3.6,f1,\"a2\",9e4,\n",
		"readme.txt": "not a table\n",
	})
	in, functions, got := read(t, dir)
	want := []string{"a1/f1 1.5ms 78ms", "a1/f1 250ms 250ms", "a1/f2 1m0s 10ms", "a1/f1 1m40s 1µs", "a2/f1 23h59m59.5s 1s", "a2/f1 24h59m56.4s 3.6s"}
	if text := described(got, functions); !slices.Equal(text, want) {
		t.Errorf("%q, expected %q", text, want)
	}
	if len(functions) != 3 || got.Days != 2 || len(got.Rejected) != 0 {
		t.Errorf("%d functions, %d days, rejected %q", len(functions), got.Days, got.Rejected)
	}
	if got.Files["AzureFunctionsInvocationTraceForTwoWeeksJan2021.txt"] != 4 || got.Files["more.csv"] != 2 {
		t.Errorf("rows %v", got.Files)
	}
	p := in.Provenance()
	// The last start is in minute 24*60 + 59.
	if p.Format != "azure2021" || !p.Start.Equal(time.Date(2021, 1, 31, 0, 0, 0, 0, time.UTC)) || p.Span != (datasets.Window{From: 0, To: 1500}) {
		t.Errorf("%s from %v, span %v", p.Format, p.Start, p.Span)
	}
	if len(p.Files) != 2 || p.Files[1].Name != "more.csv" {
		t.Errorf("files %v", p.Files)
	}
	if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, `columns that were not used: "note"`) || !strings.Contains(notes, `not read: "readme.txt"`) {
		t.Errorf("notes %q", p.Notes)
	}
	f := functions[0]
	if f.App != "a1" || f.Name != "f1" || f.Owner != "" || f.Trigger != datasets.Others {
		t.Errorf("%+v", f)
	}
	if d := f.Execution; d.Value[0] != time.Microsecond || d.Value[3] != 78*time.Millisecond || d.Value[6] != 250*time.Millisecond {
		t.Errorf("execution %v", d)
	}
	if f.Assumed != datasets.AssumedMemory|datasets.AssumedCPU|datasets.AssumedStartCost {
		t.Errorf("assumed %b", f.Assumed)
	}
}

// A part of the trace is observed where it has rows, and its days keep their dates.
func TestPart(t *testing.T) {
	in, _, got := read(t, write(t, map[string]string{"day3.csv": header + "a,f,259260,0\na,f,345599,0.5\n"}))
	p := in.Provenance()
	if p.Start.Format(time.DateOnly) != "2021-02-03" || p.Span != (datasets.Window{From: 1, To: 1440}) || got.Days != 1 {
		t.Errorf("start %v, span %v, %d days", p.Start, p.Span, got.Days)
	}
}

func TestBadRows(t *testing.T) {
	text := header
	var want []string
	line := 1
	add := func(row, reason string) {
		text += row + "\n"
		line++
		if reason != "" {
			want = append(want, fmt.Sprintf("t.csv:%d: %s", line, reason))
		}
	}
	add("a,f,1,0.5", "")
	add("a,f,NaN,0.5", "bad number")
	add("a,f,1,nan", "") // only the duration is lost
	add("a,f,inf,0.5", "bad number")
	add("a,f,1,Infinity", "")
	add("a,f,1e999,0.5", "huge number")
	add("a,f,2,-0.5", "")
	add("a,f,-2,0.5", "negative number")
	add("a,f,2e6,1.5e6", "")
	add("a,f,2,", "")
	add("a,f,x,1", "bad number")
	add("a,f,0x10,1", "bad number")
	add("a,f,1,2", "bad time")
	add("a,f,0.0005,0.001", "") // within the rounding: at the very beginning
	add("a,f,9e8,1", "stray time")
	add("a,f,2", "ragged row")
	add("a,f,2,1,0", "ragged row")
	add(`a,f",2,1`, "bad quote")
	add(",f,2,1", "bad key")
	add("a,,2,1", "bad key")
	add("a,\xff,2,1", "bad key")
	add(strings.Repeat("x", 1<<20)+",f,2,1", "long line")
	add("a,f,3,1", "")
	path := write(t, map[string]string{"t.csv": text})
	in, functions, got := read(t, path)
	if !slices.Equal(got.Rejected, want) {
		t.Errorf("rejected\n%s\nexpected\n%s", strings.Join(got.Rejected, "\n"), strings.Join(want, "\n"))
	}
	if want := []string{"a/f 0s 1ms", "a/f 500ms 500ms", "a/f 1s -1µs", "a/f 1s -1µs", "a/f 2s -1µs", "a/f 2s -1µs", "a/f 2s 1s", "a/f 555h33m20s -1µs"}; !slices.Equal(described(got, functions), want) {
		t.Errorf("%q", described(got, functions))
	}
	if got.Files["t.csv"] != int64(line-1) {
		t.Errorf("%v rows", got.Files)
	}
	for _, note := range []string{
		"duration: 3 values that cannot be used and count as not measured; the first is " + filepath.Join(path, "t.csv") + `:6: duration "Infinity": must be a number`,
		"5 invocations without a duration arrive when they ended",
	} {
		if notes := in.Provenance().Notes; !slices.Contains(notes, note) {
			t.Errorf("notes %q lack %q", notes, note)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		says  string
	}{
		"other header":   {map[string]string{"t.csv": "HashOwner,HashApp\n"}, `t.csv:1: holds "HashOwner", "HashApp": expected a header with app, func, end_timestamp, duration`},
		"mixed":          {map[string]string{"a.csv": header + "a,f,1,1\n", "b.csv": "day,time,1\n"}, `b.csv:1: holds "day"`},
		"empty":          {map[string]string{"t.csv": ""}, "t.csv:1: empty"},
		"nothing":        {map[string]string{"readme.md": "# no"}, "no file: expected a file with the columns app, func"},
		"only rar":       {map[string]string{"t.rar": "Rar!\x1a\x07\x01\x00"}, "unrar x"},
		"same twice":     {map[string]string{"a.csv": header + "a,f,1,1\n", "b.txt": header + "a,f,1,1\n"}, "has the same content as"},
		"column twice":   {map[string]string{"a.csv": "app,func,end_timestamp,duration,app\na,f,1,1,b\n"}, "twice"},
		"no usable rows": {map[string]string{"a.csv": header + "a,f,x,1\n"}, "no usable row"},
	} {
		in, err := azure2021.Open(t.Context(), write(t, c.files), azure2021.DefaultOptions())
		if err == nil {
			_, err = in.Read(t.Context(), nil, new(sinktest.Collector))
			in.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; expected %q", name, err, c.says)
		}
	}
	if _, err := azure2021.Open(t.Context(), filepath.Join(t.TempDir(), "no"), azure2021.DefaultOptions()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// Functions that a store knows keep their numbers and what was measured of them.
func TestKnown(t *testing.T) {
	known := datasets.Function{ID: 0, App: "a", Name: "g", Trigger: datasets.Timer, CPU: 2, Memory: 5 << 20,
		Execution: datasets.Constant(time.Second), Initialisation: datasets.Constant(time.Second), Termination: datasets.Constant(time.Second)}
	_, functions, got := read(t, write(t, map[string]string{"t.csv": header + "a,f,1,0.5\na,g,2,0.5\n"}), known)
	if len(functions) != 2 || functions[0].Execution.Value[0] != time.Second || functions[1].Name != "f" || got.Got[1].Function != 0 {
		t.Errorf("%+v, %v", functions, got.Got)
	}
}

// Whatever the order of the rows and the number of files, the invocations are those of the
// rows, by a slow and obvious reading.
func TestRows(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		type row struct {
			app, function string
			end, duration float64
		}
		rows := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) row {
			d := float64(rapid.IntRange(0, 100_000).Draw(r, "ms")) / 1000
			return row{rapid.SampledFrom([]string{"a", "b"}).Draw(r, "app"), rapid.SampledFrom([]string{"f", "g", "h"}).Draw(r, "func"),
				d + rapid.Float64Range(0, 3*86400).Draw(r, "start"), d}
		}), 1, 60).Draw(r, "rows")
		files := []string{header, header}
		var want []string
		for i, x := range rows {
			files[i%2] += fmt.Sprintf("%s,%s,%v,%v\n", x.app, x.function, x.end, x.duration)
			us := math.Round((x.end - x.duration) * 1e6)
			want = append(want, fmt.Sprintf("%012.0f %s/%s %v", us, x.app, x.function, max(time.Microsecond, time.Duration(math.Round(x.duration*1e6))*time.Microsecond)))
		}
		for i, text := range files {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.csv", i)), []byte(text), 0o644); err != nil {
				r.Fatal(err)
			}
		}
		if len(rows) == 1 { // the second file has a header alone
			os.Remove(filepath.Join(dir, "1.csv"))
		}
		in, err := azure2021.Open(t.Context(), dir, azure2021.DefaultOptions())
		if err != nil && strings.Contains(err.Error(), "same content") {
			return
		}
		if err != nil {
			r.Fatal(err)
		}
		defer in.Close()
		c := new(sinktest.Collector)
		functions, err := in.Read(t.Context(), nil, c)
		if err != nil {
			r.Fatal(err)
		}
		var got []string
		first := in.Provenance().Start.Sub(time.Date(2021, 1, 31, 0, 0, 0, 0, time.UTC))
		for _, inv := range c.Got {
			f := functions[inv.Function]
			got = append(got, fmt.Sprintf("%012d %s/%s %v", (inv.Arrival+first).Microseconds(), f.App, f.Name, inv.Duration))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			r.Errorf("%q, expected %q", got, want)
		}
	})
}

func TestDetect(t *testing.T) {
	for head, want := range map[string]bool{
		header: true, "duration,APP,Func,end_timestamp,x\r\n1": true, "\ufeff\"app\", \"func\" ,end_timestamp,duration": true,
		"": false, "app,func,duration\n": false, "a\n" + header: false,
	} {
		if got := azure2021.Detect([]byte(head)); got != want {
			t.Errorf("%q: %t", head, got)
		}
	}
}

// generate writes n rows over days, in order of start as the official file has them.
func generate(t testing.TB, path string, days, perDay int) int64 {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(out)
	fmt.Fprint(w, header)
	for i := range days * perDay {
		start := (float64(i) + 0.5) * 86400 / float64(perDay)
		d := float64(i*7919%30_000) / 1000
		fmt.Fprintf(w, "%064x,%064x,%.9f,%.3f\n", i%424%119, i%424, start+d, d)
	}
	if err := errors.Join(w.Flush(), out.Close()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A sink takes invocations and keeps none.
type sink func(inv datasets.Invocation)

func (s sink) Day(*datasets.Counts) error { return errors.New("not as counts") }
func (s sink) Invocations(_ int, seq iter.Seq2[datasets.Invocation, error]) error {
	for inv, err := range seq {
		if err != nil {
			return err
		}
		s(inv)
	}
	return nil
}
func (s sink) Rows(string, int64) error { return nil }
func (s sink) Reject(reason string, e *datasets.SyntaxError) error {
	return fmt.Errorf("%s: %w", reason, e)
}

// The heap does not grow with the number of days.
func TestMemoryIsFlat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.txt")
	peak := func(days int) uint64 {
		const perDay = 5000
		generate(t, path, days, perDay)
		in, most, seen := open(t, path), uint64(0), 0
		_, err := in.Read(t.Context(), nil, sink(func(datasets.Invocation) {
			if seen++; seen%(perDay/2) == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}))
		if err != nil || seen != days*perDay {
			t.Fatalf("%d invocations, %v", seen, err)
		}
		return most
	}
	// Quantiles of each function may still fill: 8 KB each at most, and the first input keeps
	// what it has measured. The rows of 26 more days would be 18 MB of text and 3 MB of records.
	if small, large := peak(2), peak(28); large > small+5<<19 {
		t.Errorf("%d bytes for 2 days, %d for 28", small, large)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("a,f,0.5,0.25\nb,g,1e5,1\n"))
	f.Add([]byte("a,f,NaN,inf\n\"a\"\"\n\",f,1,-0\n"))
	f.Add([]byte("a,f,9e8,1\na,f,1,1\n,,,\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "t.csv")
		if err := os.WriteFile(path, append([]byte(header), text...), 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := azure2021.Open(t.Context(), path, azure2021.DefaultOptions())
		if err != nil {
			return
		}
		defer in.Close()
		c := new(sinktest.Collector)
		if _, err := in.Read(t.Context(), nil, c); err != nil && !errors.Is(err, datasets.ErrNoRows) {
			t.Fatal(err)
		}
		if n := int64(len(c.Got) + len(c.Rejected)); n != c.Files["t.csv"] {
			t.Fatalf("%d invocations and %d rejected of %d rows", len(c.Got), len(c.Rejected), c.Files["t.csv"])
		}
	})
}

// BenchmarkIngest reads rows of the official file's width from Open to the last one.
func BenchmarkIngest(b *testing.B) {
	path := filepath.Join(b.TempDir(), "t.txt")
	b.SetBytes(generate(b, path, 14, 10_000))
	for b.Loop() {
		in, err := azure2021.Open(b.Context(), path, azure2021.DefaultOptions())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := in.Read(b.Context(), nil, sink(func(datasets.Invocation) {})); err != nil {
			b.Fatal(err)
		}
		if err := in.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
