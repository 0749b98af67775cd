package azure2019_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2019"
)

// stored is what a store holds of the files in dir: the content and its digest.
func stored(t testing.TB, dir string) *datasets.Trace {
	t.Helper()
	functions, back := read(t, dir, azure2019.DefaultOptions())
	if len(back.rejected) > 0 {
		t.Fatalf("rejected %v", back.rejected)
	}
	digests := make([]string, len(back.days))
	for i, c := range back.days {
		digests[i] = c.Digest()
	}
	in, err := azure2019.Open(t.Context(), dir, azure2019.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	p := in.Provenance()
	return &datasets.Trace{
		Format: azure2019.Format, Start: p.Start, Span: p.Span, Functions: functions, Source: datasets.Memory(back.days),
		Digest: datasets.ContentDigest(p.Start, p.Span, functions, digests),
	}
}

// What is read, written and read again is the same: names, numbers, counts, percentiles,
// memory, start costs, dates and span.
func TestExportGivesTheTraceBack(t *testing.T) {
	whole := func(key string, at, n int) string {
		return key + strings.Repeat(",0", at) + fmt.Sprint(",", n) + strings.Repeat(",0", 1439-at) + "\n"
	}
	for name, files := range map[string]map[string]string{
		"days": { // f is silent on the first day, and g on all; the second day begins with a new function
			"invocations_per_function_md.anon.d03.csv": countsHeader(1, 1440) +
				whole("o,a,f,http", 0, 0) + whole("o,a,g,timer", 0, 0) + whole("o,b,h,queue", 1439, 999999999),
			"invocations_per_function_md.anon.d04.csv": countsHeader(1, 1440) +
				whole("p,c,k,others", 3, 1) + whole("o,a,f,http", 7, 2),
			"function_durations_percentiles.anon.d03.csv": durationsHeader + "o,b,h,5,3,1,9,1,2.5,3,4.0000017,5,6,1234567.25\n",
			"app_memory_percentiles.anon.d04.csv":         memoryHeader + "o,a,3,151,1\np,c,3,7,1\n",
		},
		"sample": { // eight minutes of one day, memory of functions
			"invocations.csv": countsHeader(480, 487) + "o,a,f,http,0,0,0,0,0,0,0,0\no,a,g,http,1,0,0,0,0,0,0,2\n",
			"memory.csv":      "HashOwner,HashApp,HashFunction,SampleCount,AverageAllocatedMb\no,a,g,5,33.3333\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := stored(t, write(t, files))
			dir := t.TempDir()
			out, err := azure2019.Export(t.Context(), dir, want)
			if err != nil {
				t.Fatal(err)
			}
			got := stored(t, dir)
			if got.Digest != want.Digest {
				t.Errorf("read %+v from %v, expected %+v", got.Functions, got.Span, want.Functions)
				t.Errorf("starts %v and %v, days %v and %v", got.Start, want.Start, got.Source, want.Source)
			}
			if len(out.Lost) > 0 {
				t.Errorf("lost %q", out.Lost)
			}
		})
	}
}

func TestExportSaysWhatIsLost(t *testing.T) {
	trace := threeFunctions()
	trace.Start = time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)
	trace.Functions[1].Name = "g,h"
	trace.Functions[2].Assumed = datasets.AssumedCPU | datasets.AssumedStartCost
	dir := t.TempDir()
	out, err := azure2019.Export(t.Context(), dir, trace)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"start costs, which 2 of 3 functions have measured: ingest assumes some",
		"CPU, which 2 of 3 functions have: ingest assumes 1 core",
		"execution times other than at 7 probabilities, which 3 of 3 functions have",
		"the date: days are numbered, and day 1, 2026-03-02, is read as 2019-07-15",
		"names: some are empty or have commas, quotes or line ends, so all are written as hashes",
	}
	if !reflect.DeepEqual(out.Lost, want) {
		t.Errorf("lost %q", out.Lost)
	}
	back := stored(t, dir)
	if f := back.Functions[0]; len(f.Owner) != 64 || f.Memory != 200<<20 || back.Functions[1].Memory != 100<<20 {
		t.Errorf("%+v", back.Functions)
	}
	trace.Source.(datasets.Memory)[1].Count[1] = 1e9
	if _, err := azure2019.Export(t.Context(), t.TempDir(), trace); err == nil || !strings.Contains(err.Error(), "day 1: 1000000000 invocations of function 2 in minute 41: the layout has room for 999999999") {
		t.Errorf("error %v", err)
	}
}

// Any trace that the layout can hold comes back.
func TestExportProperty(t *testing.T) {
	traces := rapid.Custom(func(r *rapid.T) *datasets.Trace {
		days := rapid.IntRange(1, 3).Draw(r, "days")
		trace := &datasets.Trace{
			Format: azure2019.Format, Start: time.Date(2019, time.July, 15+rapid.IntRange(0, 14).Draw(r, "first"), 0, 0, 0, 0, time.UTC),
			Span: datasets.Window{From: rapid.IntRange(0, 1400).Draw(r, "from"), To: days*1440 - rapid.IntRange(0, 30).Draw(r, "early")},
		}
		trigger := rapid.SampledFrom([]datasets.Trigger{datasets.HTTP, datasets.Timer, datasets.Others})
		for f := range rapid.IntRange(1, 5).Draw(r, "functions") {
			fn := datasets.Function{
				ID: datasets.FunctionID(f), Owner: "o", App: rapid.SampledFrom([]string{"a", "b"}).Draw(r, "app"), Name: fmt.Sprint("f", f),
				Trigger: trigger.Draw(r, "trigger"), CPU: 1, Assumed: datasets.AssumedCPU,
				Memory: rapid.SampledFrom([]int64{1 << 20, 100 << 20, 12345678}).Draw(r, "memory"),
			}
			fn.Execution.Prob = []float64{0, 0.01, 0.25, 0.5, 0.75, 0.99, 1}
			ns := rapid.Int64Range(1e6, 1e10).Draw(r, "ns")
			for k := range 7 {
				fn.Execution.Value = append(fn.Execution.Value, time.Duration(ns*int64(k+1)))
			}
			if rapid.Bool().Draw(r, "assumed") {
				fn.Execution = datasets.Constant(datasets.DefaultExecution)
				fn.Assumed |= datasets.AssumedExecution
			}
			fn.AssumeStartCost(1)
			trace.Functions = append(trace.Functions, fn)
		}
		var source datasets.Memory
		var digests []string
		for day := range days {
			c := &datasets.Counts{Day: day, Offset: []int{0}}
			for range trace.Functions {
				if m := rapid.Int32Range(-1, 1439).Draw(r, "minute"); m >= 0 && trace.Span.From <= day*1440+int(m) && day*1440+int(m) < trace.Span.To {
					c.Minute, c.Count = append(c.Minute, m), append(c.Count, rapid.Int64Range(1, 1e9-1).Draw(r, "count"))
				}
				c.Offset = append(c.Offset, len(c.Minute))
			}
			source, digests = append(source, c), append(digests, c.Digest())
		}
		trace.Source = source
		trace.Digest = datasets.ContentDigest(trace.Start, trace.Span, trace.Functions, digests)
		return trace
	})
	for n := range 30 {
		dir, want := t.TempDir(), traces.Example(n)
		if _, err := azure2019.Export(t.Context(), dir, want); err != nil {
			t.Fatal(err)
		}
		if got := stored(t, dir); got.Digest != want.Digest {
			t.Fatalf("trace %d: read %+v over %v, expected %+v over %v", n, got.Functions, got.Span, want.Functions, want.Span)
		}
	}
}
