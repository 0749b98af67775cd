package alibaba_test

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/alibaba"
	"github.com/incendio-faas/incendio/datasets/internal/sinktest"
)

const header = "__time__,functionName,latency,runtime,memoryMB\n"

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

func read(t testing.TB, path string) (*alibaba.Input, []datasets.Function, *sinktest.Collector) {
	t.Helper()
	in, err := alibaba.Open(t.Context(), path, alibaba.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	c := new(sinktest.Collector)
	functions, err := in.Read(t.Context(), nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return in, functions, c
}

// By hand: 1620057600 is Monday, 3 May 2021, 16:00 UTC, which is midnight in China; 24 hours
// from there lie on two days of UTC.
func TestByHand(t *testing.T) {
	in, functions, got := read(t, write(t, map[string]string{
		"beijing.csv":  header + "1620057600,f1,1.5,python3,512\n1620057660.25,f1,0.5,python3,512\n1620143999,f2,2,custom-container,3072\n1620057601,f2,,nodejs10,1024\n1620057602,f3,0,java8,\n",
		"shanghai.csv": header + "1620060000,f1,4,python3,128\n",
		"README.md":    "# Cold starts\n",
	}))
	if len(got.Rejected) != 0 || got.Days != 2 || len(got.Got) != 6 || got.Files["beijing.csv"] != 5 || got.Files["shanghai.csv"] != 1 {
		t.Errorf("rejected %q, %d days, %d invocations, rows %v", got.Rejected, got.Days, len(got.Got), got.Files)
	}
	var text []string
	for _, inv := range got.Got {
		f := functions[inv.Function]
		text = append(text, fmt.Sprintf("%s/%s %v", f.Owner, f.Name, inv.Arrival))
		if inv.Duration != datasets.Unknown {
			t.Errorf("%s: a duration of %v", f.Name, inv.Duration)
		}
	}
	want := []string{"beijing/f1 16h0m0s", "beijing/f2 16h0m1s", "beijing/f3 16h0m2s", "beijing/f1 16h1m0.25s", "shanghai/f1 16h40m0s", "beijing/f2 39h59m59s"}
	if !slices.Equal(text, want) {
		t.Errorf("%q, expected %q", text, want)
	}
	p := in.Provenance()
	if p.Format != "alibaba" || p.Start.Format(time.RFC3339) != "2021-05-03T00:00:00Z" || p.Span != (datasets.Window{From: 16 * 60, To: 40 * 60}) {
		t.Errorf("%s from %v, span %v", p.Format, p.Start, p.Span)
	}
	if len(functions) != 4 {
		t.Fatalf("%d functions", len(functions))
	}
	const others = datasets.AssumedCPU | datasets.AssumedExecution
	// The median of 0.5 and 1.5 s is 1 s, and termination 0.6 of it.
	f1, f2, f3 := functions[0], functions[1], functions[2]
	if f1.Initialisation.Value[3] != time.Second || f1.Initialisation.Value[6] != 1500*time.Millisecond || f1.Termination.Value[3] != 600*time.Millisecond || f1.Memory != 512<<20 || f1.Assumed != others {
		t.Errorf("%+v", f1)
	}
	if f2.Initialisation.Value[3] != 2*time.Second || f2.Memory != 3072<<20 || f2.Assumed != others {
		t.Errorf("%+v", f2)
	}
	if f3.Assumed != others|datasets.AssumedMemory|datasets.AssumedStartCost {
		t.Errorf("%+v", f3)
	}
	if s := functions[3]; s.Owner != "shanghai" || s.Initialisation.Value[0] != 4*time.Second || s.Memory != 128<<20 {
		t.Errorf("%+v", s)
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
	add("1620057600,f,1,x,128", "")
	add("NaN,f,1,x,128", "bad number")
	add(",f,1,x,128", "bad number")
	add("-1,f,1,x,128", "negative number")
	add("1620057600000,f,1,x,128", "bad time") // milliseconds
	add("1620057600,f,inf,x,128", "")          // what was measured is lost, and not the cold start
	add("1620057600,f,-0.5,x,128", "")
	add("1620057600,f,1e7,x,128", "")
	add("1620057600,f,NaN,x,lots", "")
	add("1620057600,f,null,x,1e9", "")
	add("1620057600,,1,x,128", "bad key")
	add("5,f,1,x,128", "stray time")
	add("1620057600,f,1,x", "ragged row")
	add("1620057600,f,1,\"x,128", "bad quote")
	add("1620057700,f,1,x,128", "")
	path := write(t, map[string]string{"t.csv": text})
	in, functions, got := read(t, path)
	if !slices.Equal(got.Rejected, want) {
		t.Errorf("rejected\n%s\nexpected\n%s", strings.Join(got.Rejected, "\n"), strings.Join(want, "\n"))
	}
	if len(got.Got) != 7 || got.Files["t.csv"] != int64(line-1) {
		t.Errorf("%v, rows %v", got.Got, got.Files)
	}
	if f := functions[0]; f.Initialisation.Quantile(1) != time.Second || f.Memory != 128<<20 {
		t.Errorf("function %+v: only what could be used was measured", f)
	}
	file := filepath.Join(path, "t.csv")
	for _, note := range []string{
		"latency: 3 values that cannot be used and count as not measured; the first is " + file + `:7: latency "inf": must be a number`,
		"memoryMB: 2 values that cannot be used and count as not measured; the first is " + file + `:10: memoryMB "lots": must be a number`,
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
		"other header": {map[string]string{"t.csv": "app,func,end_timestamp,duration\n"}, "t.csv:1: holds \"app\""},
		"same twice":   {map[string]string{"a.csv": header + "1,f,1,x,1\n", "b.csv": header + "1,f,1,x,1\n"}, "has the same content as"},
		"nothing":      {map[string]string{"a.md": "#"}, "expected a file with the columns __time__"},
		"all bad":      {map[string]string{"a.csv": header + "x,f,1,x,1\n"}, "no usable row"},
	} {
		in, err := alibaba.Open(t.Context(), write(t, c.files), alibaba.DefaultOptions())
		if err == nil {
			_, err = in.Read(t.Context(), nil, new(sinktest.Collector))
			in.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; expected %q", name, err, c.says)
		}
	}
}

func TestDetect(t *testing.T) {
	for head, want := range map[string]bool{
		header: true, "functionName,__time__,latency": true, "": false, "functionName,latency,memoryMB\n": false,
	} {
		if got := alibaba.Detect([]byte(head)); got != want {
			t.Errorf("%q: %t", head, got)
		}
	}
}

// generate writes cold starts of some days, in order of time.
func generate(t testing.TB, path string, days, perDay int) int64 {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(out)
	fmt.Fprint(w, header)
	for i := range days * perDay {
		fmt.Fprintf(w, "%d,%032x,%.3f,custom-container,%d\n", 1620000000+int64(i)*86400/int64(perDay), i%500, 0.1+float64(i%97)/10, 128<<(i%500%5))
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
	path := filepath.Join(t.TempDir(), "t.csv")
	peak := func(days int) uint64 {
		const perDay = 5000
		generate(t, path, days, perDay)
		in, err := alibaba.Open(t.Context(), path, alibaba.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		most, seen := uint64(0), 0
		_, err = in.Read(t.Context(), nil, sink(func(datasets.Invocation) {
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
	// 26 more days would be 9 MB of text and 3 MB of records.
	if small, large := peak(2), peak(28); large > small+2<<20 {
		t.Errorf("%d bytes for 2 days, %d for 28", small, large)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("1620057600,f1,1.5,python3,512\n"))
	f.Add([]byte("NaN,f,inf,,\n,,,,\n1,\"f\n\",0,x,1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "t.csv")
		if err := os.WriteFile(path, append([]byte(header), text...), 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := alibaba.Open(t.Context(), path, alibaba.DefaultOptions())
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

// BenchmarkIngest reads a day of cold starts from Open to the last row.
func BenchmarkIngest(b *testing.B) {
	path := filepath.Join(b.TempDir(), "t.csv")
	b.SetBytes(generate(b, path, 1, 200_000))
	for b.Loop() {
		in, err := alibaba.Open(b.Context(), path, alibaba.DefaultOptions())
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
