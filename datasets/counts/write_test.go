package counts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/counts"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// stored takes the files in dir into a store.
func stored(t testing.TB, dir string) *datasets.Trace {
	t.Helper()
	in, err := counts.Open(t.Context(), dir, counts.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	store, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := store.Ingest(t.Context(), in, parquet.DefaultIngestOptions("x"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Quarantined.Rows > 0 {
		t.Fatalf("quarantined %+v", d.Quarantined)
	}
	trace, err := store.Trace(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// What is read, written and read again is the same: names, numbers, counts, dates, span.
func TestWriteGivesTheTraceBack(t *testing.T) {
	for name, text := range map[string]string{
		"in order":       "function,day,minute,count\nf,2026-03-02,0,5\ng,2026-03-03,1439,1\n",
		"not in order":   "function,day,minute,count\nlate,2026-03-03,7,5\nearly,2026-03-02,8,1\nnever,2026-03-02,8,0\n",
		"a part of days": "function,day,minute,count\nf,2026-03-02,100,5\nf,2026-03-02,600,0\nf,2026-03-03,50,0\n",
		"an empty day":   "function,day,minute,count\nf,2026-03-02,0,5\nf,2026-05-01,3,1\nf,2026-04-01,3,1\n",
		"names":          "function,owner,app,trigger,minute,count\n\"a,\"\"b\"\"\nc\",\"o, p\",,timer,3,1\nä,,x y,http,4,2\n",
		"largest count":  "function,minute,count\nf,0,999999999\nf,1440,999999999\n",
	} {
		t.Run(name, func(t *testing.T) {
			want := stored(t, write(t, map[string]string{"in.csv": text}))
			dir := filepath.Join(t.TempDir(), "out")
			out, err := counts.Write(t.Context(), dir, want)
			if err != nil {
				t.Fatal(err)
			}
			if got := stored(t, dir); got.Digest != want.Digest {
				t.Errorf("read %+v over %v from %v, expected %+v over %v from %v",
					got.Functions, got.Span, got.Start, want.Functions, want.Span, want.Start)
			}
			if len(out.Lost) > 0 || len(out.Files) != want.Days() || len(out.Days) != want.Days() {
				t.Errorf("%+v", out)
			}
		})
	}
}

func TestWriteByHand(t *testing.T) {
	want := stored(t, write(t, map[string]string{"in.csv": "function,day,minute,count\nlate,2026-03-03,7,5\nearly,2026-03-02,8,1\nearly,2026-03-02,20,3\nlate,2026-03-03,9,0\n"}))
	dir := t.TempDir()
	out, err := counts.Write(t.Context(), dir, want)
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"2026-03-02.csv": "owner,app,function,trigger,day,minute,count\n,,late,others,2026-03-02,8,0\n,,early,others,2026-03-02,8,1\n,,early,others,2026-03-02,20,3\n",
		"2026-03-03.csv": "owner,app,function,trigger,day,minute,count\n,,late,others,2026-03-03,7,5\n,,late,others,2026-03-03,9,0\n",
	} {
		if raw, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(raw) != text {
			t.Errorf("%s: %q, error %v", file, raw, err)
		}
	}
	if days := []datasets.WrittenDay{{Day: 1, Functions: 1, Invocations: 4}, {Day: 2, Functions: 1, Invocations: 5}}; !reflect.DeepEqual(out.Days, days) {
		t.Errorf("days %+v", out.Days)
	}
	if out.Files[0].Name != "2026-03-02.csv" || out.Files[0].Rows != 3 || out.Files[1].Rows != 2 {
		t.Errorf("files %+v", out.Files)
	}
}

// Any trace of counts comes back.
func TestWriteProperty(t *testing.T) {
	texts := rapid.Custom(func(r *rapid.T) string {
		var b strings.Builder
		b.WriteString("function,day,minute,count\n")
		seen := map[string]bool{}
		for range rapid.IntRange(1, 12).Draw(r, "rows") {
			cell := fmt.Sprintf("%s,%s,%d", rapid.SampledFrom([]string{"f", "g", "h", "k"}).Draw(r, "function"),
				rapid.SampledFrom([]string{"2026-03-02", "2026-03-03", "2026-03-09"}).Draw(r, "day"),
				rapid.SampledFrom([]int{0, 1, 700, 1438, 1439}).Draw(r, "minute"))
			if !seen[cell] {
				fmt.Fprintf(&b, "%s,%d\n", cell, rapid.SampledFrom([]int{0, 1, 9}).Draw(r, "count"))
			}
			seen[cell] = true
		}
		return b.String()
	})
	for n := range 25 {
		text := texts.Example(n)
		want, dir := stored(t, write(t, map[string]string{"in.csv": text})), t.TempDir()
		if _, err := counts.Write(t.Context(), dir, want); err != nil {
			t.Fatal(err)
		}
		if got := stored(t, dir); got.Digest != want.Digest {
			t.Fatalf("%s\nread %+v over %v, expected %+v over %v", text, got.Functions, got.Span, want.Functions, want.Span)
		}
	}
}

func TestWriteSaysWhatIsLost(t *testing.T) {
	trace := &datasets.Trace{
		Start: time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC), Span: datasets.Window{To: 1440}, Gaps: []datasets.Window{{From: 5, To: 9}},
		Functions: []datasets.Function{{Name: "f", Trigger: datasets.HTTP}, {ID: 1, Name: "g", Trigger: datasets.HTTP, Assumed: datasets.AssumedCPU}},
		Source:    datasets.Singles{{{Function: 0, Arrival: time.Second}}},
	}
	out, err := counts.Write(t.Context(), t.TempDir(), trace)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"execution times, which 2 of 2 functions have measured: ingest assumes some",
		"memory, which 2 of 2 functions have measured: ingest assumes some",
		"CPU, which 1 of 2 functions have measured: ingest assumes some",
		"start costs, which 2 of 2 functions have measured: ingest assumes some",
		"single invocations: the layout counts them by minute",
		"gaps: 4 minutes that nobody observed are read as minutes without invocations",
	}
	if !reflect.DeepEqual(out.Lost, want) {
		t.Errorf("lost %q", out.Lost)
	}
}

// A series without a zero that ends within a day looks as if the rest were zeros.
func TestWriteCannotTellThisSpan(t *testing.T) {
	trace := &datasets.Trace{
		Start: time.Unix(0, 0).UTC(), Span: datasets.Window{From: 5, To: 7}, Functions: []datasets.Function{{Name: "f", Assumed: 15}},
		Source: datasets.Memory{{Offset: []int{0, 2}, Minute: []int32{5, 6}, Count: []int64{1, 1}}},
	}
	out, err := counts.Write(t.Context(), t.TempDir(), trace)
	if err != nil || len(out.Lost) != 1 || !strings.HasPrefix(out.Lost[0], "the span") {
		t.Errorf("lost %q, error %v", out.Lost, err)
	}
}

func TestWriteLeavesNothingHalfDone(t *testing.T) {
	trace := &datasets.Trace{
		Start: time.Unix(0, 0).UTC(), Span: datasets.Window{To: 2880}, Functions: []datasets.Function{{Name: "f"}},
		Source: datasets.Memory{
			{Day: 0, Offset: []int{0, 1}, Minute: []int32{5}, Count: []int64{1}},
			{Day: 1, Offset: []int{0, 1}, Minute: []int32{5}, Count: []int64{1e9}},
		},
	}
	dir := filepath.Join(t.TempDir(), "made")
	if _, err := counts.Write(t.Context(), dir, trace); err == nil || !strings.Contains(err.Error(), "day 1: 1000000000 invocations of function 0 in minute 5: the layout has room for 999999999") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := counts.Write(ctx, t.TempDir(), trace); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := counts.Write(t.Context(), write(t, map[string]string{"mine": ""}), trace); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("error %v", err)
	}
}
