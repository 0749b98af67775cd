package huawei2023_test

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/huawei2023"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// write makes a folder of files.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A collector is a Sink that keeps everything as text.
type collector struct {
	days     []string
	total    int64
	rows     map[string]int64
	rejected []string
}

func (c *collector) Day(d *datasets.Counts) error {
	var cells []string
	for f := range len(d.Offset) - 1 {
		minute, count := d.Function(datasets.FunctionID(f))
		for i := range minute {
			cells = append(cells, fmt.Sprintf("%d@%d=%d", f, minute[i], count[i]))
		}
	}
	c.days = append(c.days, fmt.Sprintf("%d: %s", d.Day, strings.Join(cells, " ")))
	c.total += d.Total()
	return nil
}

func (c *collector) Invocations(int, iter.Seq2[datasets.Invocation, error]) error {
	return errors.New("there are no single invocations")
}

func (c *collector) Rows(file string, n int64) error {
	if c.rows == nil {
		c.rows = map[string]int64{}
	}
	c.rows[file] += n
	return nil
}

func (c *collector) Reject(reason string, e *datasets.SyntaxError) error {
	c.rejected = append(c.rejected, reason+" "+e.Error())
	return nil
}

// open opens a path and closes it with the test.
func open(t testing.TB, path string, o huawei2023.Options) *huawei2023.Input {
	t.Helper()
	in, err := huawei2023.Open(context.Background(), path, o)
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

func read(t testing.TB, in *huawei2023.Input, known ...datasets.Function) ([]datasets.Function, *collector) {
	t.Helper()
	c := new(collector)
	functions, err := in.Read(context.Background(), known, c)
	if err != nil {
		t.Fatal(err)
	}
	return functions, c
}

// private is the layout of the private trace: days 3 and 5, day 4 is missing. Day 5 has
// its columns in another order, a new function, and requests by the second alone.
var private = map[string]string{
	"requests_minute/day_003.csv":       "day,time,0,1\n3,259200,9.0,\n3,259260,1,4\n",
	"requests_second/day_005.csv":       "day,time,2,0\n5,432000,1,2\n5,432001,,3\n5,432060,7,\n",
	"function_delay_minute/day_003.csv": "day,time,0,8\n3,259200,10,1\n3,259260,20,1\n",
	"function_delay_second/day_005.csv": "day,time,2\n5,432000,100.5\n5,432001,100.5\n",
	"memory_limit_minute/day_003.csv":   "day,time,0,1\n3,259200,512,\n3,259260,512,0\n3,259320,768,0\n",
	"cpu_limit_minute/day_005.csv":      "day,time,0\n5,432000,0.5\n5,432060,0.5\n",
	"instances_minute/day_003.csv":      "day,time,0\n3,259200,4\n",
	"platform_delay_minute/day_003.csv": "day,time,0\n3,259200,4\n",
}

func TestPrivate(t *testing.T) {
	in := open(t, write(t, private), huawei2023.DefaultOptions())
	p := in.Provenance()
	if want := time.Date(1970, 1, 4, 0, 0, 0, 0, time.UTC); !p.Start.Equal(want) || p.Span != (datasets.Window{From: 0, To: 2*1440 + 2}) {
		t.Errorf("start %v, span %v", p.Start, p.Span)
	}
	if want := []datasets.Window{{From: 2, To: 2880}}; !slices.Equal(p.Gaps, want) {
		t.Errorf("gaps %v, expected %v", p.Gaps, want)
	}
	var names []string
	for _, f := range p.Files {
		names = append(names, f.Name)
	}
	if want := []string{
		"cpu_limit_minute/day_005.csv", "function_delay_minute/day_003.csv", "function_delay_second/day_005.csv",
		"memory_limit_minute/day_003.csv", "requests_minute/day_003.csv", "requests_second/day_005.csv",
	}; !slices.Equal(names, want) {
		t.Errorf("files %q, expected %q", names, want)
	}
	if !slices.Contains(p.Notes, "metrics that say nothing of a function and were not read: platform_delay, instances") {
		t.Errorf("notes %q", p.Notes)
	}
	functions, c := read(t, in)
	if want := []string{"0: 0@0=9 0@1=1 1@1=4", "1: ", "2: 0@0=5 2@0=1 2@1=7"}; !slices.Equal(c.days, want) {
		t.Errorf("days %q, expected %q", c.days, want)
	}
	if c.rows["requests_second/day_005.csv"] != 3 || c.rows["memory_limit_minute/day_003.csv"] != 3 || len(c.rejected) > 0 {
		t.Errorf("rows %v, rejected %q", c.rows, c.rejected)
	}
	if len(functions) != 3 {
		t.Fatalf("%d functions: those that are in one other file alone are none", len(functions))
	}
	ms := time.Millisecond
	f := functions[0]
	if f.Name != "0" || f.App != "0" || f.Owner != "" || f.Trigger != datasets.Others {
		t.Errorf("function %+v", f)
	}
	// Nine requests of 10 ms and one of 20 ms.
	if want := []time.Duration{10 * ms, 10 * ms, 10 * ms, 10 * ms, 10 * ms, 20 * ms, 20 * ms}; !slices.Equal(f.Execution.Value, want) {
		t.Errorf("execution %v, expected %v", f.Execution.Value, want)
	}
	if f.Memory != 512<<20 || f.CPU != 0.5 || f.Assumed != datasets.AssumedStartCost {
		t.Errorf("memory %d, CPU %g, assumed %b", f.Memory, f.CPU, f.Assumed)
	}
	all := datasets.AssumedMemory | datasets.AssumedCPU | datasets.AssumedExecution | datasets.AssumedStartCost
	if f := functions[1]; f.Name != "1" || f.Memory != datasets.DefaultMemory || f.CPU != 1 || f.Execution.Quantile(0.5) != datasets.DefaultExecution || f.Assumed != all {
		t.Errorf("function %+v", f)
	}
	if f := functions[2]; f.Name != "2" || f.Execution.Quantile(0.5) != 100500*time.Microsecond || f.Assumed != all&^datasets.AssumedExecution {
		t.Errorf("function %+v", f)
	}
}

// The result depends neither on the workers nor on what the files lie in, and a function
// that is known keeps its number and what was measured of it.
func TestReadAlike(t *testing.T) {
	dir := write(t, private)
	packed := filepath.Join(t.TempDir(), "private_dataset.zip")
	f, err := os.Create(packed)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range private {
			if !yield(name) {
				return
			}
		}
	}) {
		w, err := z.Create("private_dataset/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(private[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	o := huawei2023.DefaultOptions()
	o.Workers = 1
	functions, days := read(t, open(t, dir, o))
	o.Workers = 8
	again, sameDays := read(t, open(t, dir, o))
	if !reflect.DeepEqual(functions, again) || !slices.Equal(days.days, sameDays.days) {
		t.Error("eight workers read something else than one")
	}
	archived, archivedDays := read(t, open(t, packed, o))
	if !reflect.DeepEqual(functions, archived) || !slices.Equal(days.days, archivedDays.days) {
		t.Error("an archive has something else than the folder")
	}
	if n := archivedDays.rows["private_dataset.zip"]; n != 14 {
		t.Errorf("%d rows of the archive, expected 14", n)
	}
	known := functions[1]
	known.ID, known.CPU, known.Assumed = 0, 3, 0
	extended, _ := read(t, open(t, dir, o), known)
	if len(extended) != 3 || !reflect.DeepEqual(extended[0], known) || extended[1].Name != "0" {
		t.Errorf("functions %+v", extended)
	}
}

// A day more continues the trace that is stored.
func TestAppend(t *testing.T) {
	day := func(n int) string {
		var b strings.Builder
		b.WriteString("day,time,0\n")
		for minute := range datasets.MinutesPerDay {
			fmt.Fprintf(&b, "%d,%d,1\n", n, n*86400+60*minute)
		}
		return b.String()
	}
	store, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		dir := write(t, map[string]string{fmt.Sprintf("requests_minute/day_%02d.csv", n): day(n)})
		d, changed, err := store.Ingest(t.Context(), open(t, dir, huawei2023.DefaultOptions()), parquet.DefaultIngestOptions("hw"))
		if err != nil || !changed || d.Days != n+1 || d.Invocations != int64(1440*(n+1)) || len(d.Gaps) > 0 {
			t.Fatalf("%+v, %v, error %v", d, changed, err)
		}
	}
	if err := store.Verify(t.Context(), "hw"); err != nil {
		t.Error(err)
	}
}

// Gaps go into the store and come out again, and are part of the digest.
func TestGapsAreStored(t *testing.T) {
	store, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := open(t, write(t, private), huawei2023.DefaultOptions())
	d, _, err := store.Ingest(t.Context(), in, parquet.DefaultIngestOptions("hw"))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := store.Trace(t.Context(), "hw")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Verify(t.Context(), "hw"); err != nil {
		t.Error(err)
	}
	if !slices.Equal(tr.Gaps, in.Provenance().Gaps) || !slices.Equal(d.Gaps, tr.Gaps) {
		t.Errorf("gaps %v", tr.Gaps)
	}
	if n := tr.Observed(tr.Span); n != 4 {
		t.Errorf("%d minutes observed, expected 4", n)
	}
	series, err := tr.Function(t.Context(), 0, datasets.Window{From: 1, To: 2881})
	if err != nil {
		t.Fatal(err)
	}
	if series.Count[0] != 1 || !math.IsNaN(series.Count[1]) || !math.IsNaN(series.Count[2878]) || series.Count[2879] != 5 {
		t.Errorf("counts %v %v … %v %v", series.Count[0], series.Count[1], series.Count[2878], series.Count[2879])
	}
}

func TestErrors(t *testing.T) {
	gz := "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03xxxx"
	for _, c := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"requests_minute/day_00.csv": "day,time,0\n0,0,1\n", "requests/day_01.csv": "day,time,0\n0,60,1\n"},
			"both hold the requests of day 0"},
		{map[string]string{"requests_minute/day_00.csv": "day,time,0,0\n0,0,1,1\n"}, `day_00.csv:1: column "0" is there twice`},
		{map[string]string{"requests_minute/day_00.csv": "day,time,0,1\n"}, "day_00.csv: no row with a time"},
		{map[string]string{"requests_minute/day_00.csv": "day,time,a---b---pool1-1-1,c\n0,0,1,1\n"}, "no file of this trace"},
		{map[string]string{"requests_minute/day_00.csv.gz": gz}, "day_00.csv.gz"},
		{map[string]string{"a/requests_minute/day_00.csv": "day,time,0\n0,0,1\n", "b/requests_minute/day_00.csv": "day,time,0\n0,0,1\n"},
			"files of two traces"},
		{map[string]string{"a.rar": "Rar!\x1a\x07\x01\x00"}, "RAR"},
	} {
		in, err := huawei2023.Open(t.Context(), write(t, c.files), huawei2023.DefaultOptions())
		if err == nil {
			in.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "open huawei2023 trace: ") {
			t.Errorf("%v: error %v, expected %s", c.files, err, c.want)
		}
	}
	if _, err := huawei2023.Open(t.Context(), t.TempDir(), huawei2023.Options{Workers: -1, Start: time.Unix(1, 0)}); err == nil || !strings.Contains(err.Error(), "workers") || !strings.Contains(err.Error(), "start") {
		t.Errorf("error %v", err)
	}
}

func TestDetect(t *testing.T) {
	for line, want := range map[string]bool{
		"day,time,0,1,2": true, "\ufeffday,time,17\r": true, "day,time,0,1,20": true,
		"day,time": false, "day,time,a": false, "day,time,400---418---pool22-300-128,1---2---pool22": false,
		"day,minute,0": false, "day,time,0,1---2": true, "": false,
		"day,time,clusterName,funcName": false,
	} {
		if got := huawei2023.Detect([]byte(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// Memory does not grow with the number of days.
func TestMemoryIsFlat(t *testing.T) {
	peak := func(days int) uint64 {
		files := map[string]string{}
		for day := range days {
			files[fmt.Sprintf("requests_minute/day_%03d.csv", day)] = publicDay(day, 300)
		}
		o := huawei2023.DefaultOptions()
		o.Workers = 2
		in := open(t, write(t, files), o)
		s := &heapSink{}
		if _, err := in.Read(context.Background(), nil, s); err != nil {
			t.Fatal(err)
		}
		return s.peak
	}
	few, many := peak(3), peak(12)
	if many > few+few/2+2<<20 {
		t.Errorf("the heap has %d KB with 3 days and %d KB with 12", few>>10, many>>10)
	}
}

// A heapSink notes how large the heap is when a day was read.
type heapSink struct {
	collector
	peak uint64
}

func (h *heapSink) Day(*datasets.Counts) error {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.peak = max(h.peak, m.HeapAlloc)
	return nil
}

// FuzzInput reads whatever stands in a file of requests, and in one of delays beside it.
func FuzzInput(f *testing.F) {
	f.Add(private["requests_minute/day_003.csv"], private["function_delay_minute/day_003.csv"])
	f.Add(private["requests_second/day_005.csv"], private["function_delay_second/day_005.csv"])
	f.Add("day,time,0,1\n0,0,1e3,-4\n0,60,nan,inf\n9,777600,,\n", "day,time,1,0\n0,60,,1e99\n")
	f.Fuzz(func(t *testing.T, requests, delays string) {
		dir := write(t, map[string]string{"requests/d.csv": requests, "function_delay/d.csv": delays})
		in, err := huawei2023.Open(context.Background(), dir, huawei2023.DefaultOptions())
		if err != nil {
			return
		}
		defer in.Close()
		if err := datasets.CheckGaps(in.Provenance().Span, in.Provenance().Gaps); err != nil {
			t.Fatal(err)
		}
		c := new(collector)
		functions, err := in.Read(context.Background(), nil, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, fn := range functions {
			if err := errors.Join(fn.Execution.Validate(), fn.Initialisation.Validate()); err != nil || fn.CPU <= 0 || fn.Memory <= 0 {
				t.Fatalf("function %+v: %v", fn, err)
			}
		}
	})
}

// publicDay is a day in the layout of the public trace, some functions of which are seldom
// invoked.
func publicDay(day, functions int) string {
	rnd := rand.New(rand.NewPCG(1, uint64(day)))
	rate := make([]float64, functions)
	for i := range rate {
		rate[i] = math.Exp(3.5*rnd.NormFloat64() - 3) // per minute
	}
	var b strings.Builder
	b.WriteString("day,time")
	for c := range functions {
		fmt.Fprintf(&b, ",%d", c)
	}
	for minute := range datasets.MinutesPerDay {
		fmt.Fprintf(&b, "\n%d,%d", day, day*86400+60*minute)
		for c, r := range rate {
			b.WriteByte(',')
			if n := int(r + rnd.Float64()); n > 0 {
				b.WriteString(strconv.Itoa(n))
				if c%2 == 0 { // a column with empty cells is written as floats
					b.WriteString(".0")
				}
			}
		}
	}
	b.WriteByte('\n')
	return b.String()
}

// A null sink takes everything.
type null struct{ total int64 }

func (n *null) Day(c *datasets.Counts) error { n.total += c.Total(); return nil }

func (*null) Invocations(int, iter.Seq2[datasets.Invocation, error]) error { return nil }
func (*null) Rows(string, int64) error                                     { return nil }
func (*null) Reject(_ string, e *datasets.SyntaxError) error               { return e }

// BenchmarkRead opens and reads a full-size day of the public trace, 5093 functions.
func BenchmarkRead(b *testing.B) {
	text := publicDay(0, 5093)
	dir := write(b, map[string]string{"requests_minute/day_00.csv": text})
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		in := open(b, dir, huawei2023.DefaultOptions())
		var s null
		if _, err := in.Read(context.Background(), nil, &s); err != nil || s.total == 0 {
			b.Fatal(s.total, err)
		}
	}
}

// BenchmarkIngest takes four such days into a store.
func BenchmarkIngest(b *testing.B) {
	files, size := map[string]string{}, 0
	for day := range 4 {
		text := publicDay(day, 5093)
		files[fmt.Sprintf("requests_minute/day_%02d.csv", day)] = text
		size += len(text)
	}
	dir := write(b, files)
	store, err := parquet.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		o := parquet.DefaultIngestOptions("hw")
		o.Replace = true
		if _, _, err := store.Ingest(context.Background(), open(b, dir, huawei2023.DefaultOptions()), o); err != nil {
			b.Fatal(err)
		}
	}
}
