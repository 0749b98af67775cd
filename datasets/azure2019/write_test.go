package azure2019_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/synthetic"
)

// threeFunctions of two applications, on two days: the third is silent on the first.
func threeFunctions() *datasets.Trace {
	execution := datasets.Distribution{
		Prob:  []float64{0, 0.5, 1},
		Value: []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 90 * time.Millisecond},
	}
	return &datasets.Trace{
		Span: datasets.Window{To: 2 * datasets.MinutesPerDay},
		Functions: []datasets.Function{
			{ID: 0, Owner: "o", App: "a", Name: "f", Trigger: datasets.HTTP, Memory: 200 << 20, Execution: execution},
			{ID: 1, Owner: "o", App: "a", Name: "g", Trigger: datasets.Timer, Memory: 100 << 20, Execution: execution},
			{ID: 2, Owner: "o", App: "b", Name: "f", Trigger: datasets.Queue, Memory: 64 << 20, Execution: execution},
		},
		Source: datasets.Memory{
			{Day: 0, Offset: []int{0, 2, 3, 3}, Minute: []int32{0, 1439, 7}, Count: []int64{3, 12, 1}},
			{Day: 1, Offset: []int{0, 1, 1, 2}, Minute: []int32{40, 41}, Count: []int64{5, 123456789}},
		},
	}
}

func TestWriteByHand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	w, err := azure2019.Write(t.Context(), dir, threeFunctions(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := []datasets.WrittenDay{{Day: 1, Functions: 2, Invocations: 16}, {Day: 2, Functions: 2, Invocations: 123456794}}; !reflect.DeepEqual(w.Days, want) {
		t.Errorf("days %+v, expected %+v", w.Days, want)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, e := range entries {
		names = append(names, e.Name())
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if f := w.Files[i]; f.Name != e.Name() || f.Bytes != info.Size() {
			t.Errorf("file %+v, found %s of %d bytes", f, e.Name(), info.Size())
		}
	}
	want := []string{
		"app_memory_percentiles.anon.d01.csv", "app_memory_percentiles.anon.d02.csv",
		"function_durations_percentiles.anon.d01.csv", "function_durations_percentiles.anon.d02.csv",
		"invocations_per_function_md.anon.d01.csv", "invocations_per_function_md.anon.d02.csv",
	}
	if !reflect.DeepEqual(names, want) {
		t.Fatalf("files %v, expected %v", names, want)
	}
	rows := func(name string) [][]string {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var out [][]string
		for line := range strings.Lines(string(raw)) {
			out = append(out, strings.Split(strings.TrimSuffix(line, "\n"), ","))
		}
		return out
	}
	counts := rows(want[4])
	if h := strings.Join(counts[0], ",") + "\n"; h != countsHeader(1, 1440) {
		t.Errorf("header of the counts: %.80s…", h)
	}
	if len(counts) != 3 {
		t.Fatalf("%d lines of counts on day 1, expected a header and two functions", len(counts))
	}
	f := counts[1]
	if len(f) != 4+1440 || len(f[0]) != 64 || f[3] != "http" || f[4] != "3" || f[4+1439] != "12" || f[5] != "0" {
		t.Errorf("first function: %d columns, %s %s … %s", len(f), f[3], f[4], f[len(f)-1])
	}
	if g := counts[2]; g[0] != f[0] || g[1] != f[1] || g[2] == f[2] || g[3] != "timer" || g[4+7] != "1" {
		t.Errorf("second function: %v", g[:12])
	}
	// The same function name in two applications has one hash, as officially.
	if b := rows(want[5])[2]; b[0] != f[0] || b[1] == f[1] || b[2] != f[2] || b[4+41] != "123456789" {
		t.Errorf("third function: %v", b[:4])
	}
	d := rows(want[2])
	if got := strings.Join(d[0], ",") + "\n"; got != durationsHeader {
		t.Errorf("header of the durations: %s", got)
	}
	// The mean of the trapezoids is (15 + 55) / 2 = 35 ms; 0.99 lies at 20 + 70 * 0.49 / 0.5.
	if got := strings.Join(d[1][3:], ","); got != "35,15,10,90,10,10,15,20,55,89,90" {
		t.Errorf("durations of the first function: %s", got)
	}
	m := rows(want[0])
	if len(m) != 2 || strings.Join(m[1][2:], ",") != "16,200,200,200,200,200,200,200,200,200" || m[1][1] != f[1] {
		t.Errorf("memory: %v", m[1:])
	}
}

// What is written reads back with the same totals, function by function and minute by minute.
func TestWriteRoundTrip(t *testing.T) {
	trace, err := synthetic.Stream(synthetic.Options{Functions: 60, Days: 14, Holidays: []int{3}, Busiest: 36000, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w, err := azure2019.Write(t.Context(), dir, trace, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Files) != 14+14+12 {
		t.Errorf("%d files, expected 14 of counts, 14 of durations and 12 of memory", len(w.Files))
	}
	functions, back := read(t, dir, azure2019.DefaultOptions())
	if len(functions) != 60 || len(back.rejected) > 0 {
		t.Fatalf("%d functions, rejected %v", len(functions), back.rejected)
	}
	for day, c := range back.days {
		want, err := trace.Day(t.Context(), day)
		if err != nil {
			t.Fatal(err)
		}
		if c.Total() != want.Total() || w.Days[day].Invocations != want.Total() {
			t.Errorf("day %d: wrote %d, read %d, expected %d", day+1, w.Days[day].Invocations, c.Total(), want.Total())
		}
		// The functions of the first day stand in the order of the trace.
		if day > 0 {
			continue
		}
		next := datasets.FunctionID(0)
		for f := range datasets.FunctionID(60) {
			minute, count := want.Function(f)
			if len(minute) == 0 {
				continue
			}
			gotMinute, gotCount := c.Function(next)
			if !reflect.DeepEqual(gotMinute, minute) || !reflect.DeepEqual(gotCount, count) {
				t.Errorf("function %d has %v %v, expected %v %v", f, gotMinute, gotCount, minute, count)
			}
			next++
		}
	}
	for i, f := range functions {
		if f.Assumed&(datasets.AssumedExecution|datasets.AssumedMemory) != 0 {
			t.Errorf("function %d: execution or memory was not found", i)
		}
	}
}

// Later days continue earlier ones: the same keys, under the next numbers.
func TestWriteFromALaterDay(t *testing.T) {
	dir := t.TempDir()
	w, err := azure2019.Write(t.Context(), dir, threeFunctions(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Days) != 1 || w.Days[0].Day != 2 || w.Files[0].Name != "app_memory_percentiles.anon.d02.csv" {
		t.Errorf("%+v", w)
	}
	for _, first := range []int{-1, 2} {
		if _, err := azure2019.Write(t.Context(), filepath.Join(dir, "x"), threeFunctions(), first); err == nil {
			t.Errorf("first day %d was accepted", first)
		}
	}
}

func TestWriteRefusesADirectoryWithFiles(t *testing.T) {
	dir := write(t, map[string]string{"notes.txt": "mine"})
	if _, err := azure2019.Write(t.Context(), dir, threeFunctions(), 0); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("error %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, error %v", entries, err)
	}
}

// A failing source fails on a day.
type failing struct{ datasets.Source }

func (f failing) Day(ctx context.Context, day int) (*datasets.Counts, error) {
	if day == 1 {
		return nil, errors.New("lightning")
	}
	return f.Source.Day(ctx, day)
}

func TestWriteLeavesNothingHalfDone(t *testing.T) {
	trace := threeFunctions()
	trace.Source = failing{trace.Source}
	parent := t.TempDir()
	made := filepath.Join(parent, "made")
	if _, err := azure2019.Write(t.Context(), made, trace, 0); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(made); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory that was made is still there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := azure2019.Write(ctx, parent, threeFunctions(), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 0 {
		t.Errorf("%v, error %v", entries, err)
	}
}
