package prometheus_test

import (
	"errors"
	"fmt"
	"io"
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
	"github.com/incendio-faas/incendio/datasets/prometheus"
)

// A collector is a Sink that keeps counts as text and what was rejected.
type collector struct {
	got      []string // function number, minute of the trace, count
	total    int64
	rows     int64
	rejected []string
}

func (c *collector) Day(d *datasets.Counts) error {
	for f := range len(d.Offset) - 1 {
		for i := d.Offset[f]; i < d.Offset[f+1]; i++ {
			c.got = append(c.got, fmt.Sprintf("%d %d %d", f, d.Day*1440+int(d.Minute[i]), d.Count[i]))
			c.total += d.Count[i]
		}
	}
	return nil
}

func (c *collector) Invocations(int, iter.Seq2[datasets.Invocation, error]) error {
	return errors.New("not as invocations")
}

func (c *collector) Rows(_ string, n int64) error {
	c.rows += n
	return nil
}

func (c *collector) Reject(reason string, e *datasets.SyntaxError) error {
	c.rejected = append(c.rejected, fmt.Sprintf("%s:%d: %s: %s", filepath.Base(e.File), e.Line, reason, e.Msg))
	return nil
}

func read(t testing.TB, path string, o prometheus.Options) (*prometheus.Input, []datasets.Function, *collector) {
	t.Helper()
	in, err := prometheus.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	c := new(collector)
	functions, err := in.Read(t.Context(), nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return in, functions, c
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

// By hand: pay counts 2, 0, a new start at 3, and 1 with code 200; with code 500 it counts 1, and
// then nothing, which a missing sample does not hide. list grows by 3 in a gap of 4 minutes.
func TestCounter(t *testing.T) {
	in, functions, got := read(t, filepath.Join("testdata", "openfaas.json"), prometheus.DefaultOptions())
	if want := []string{"0 0 3", "0 2 3", "0 3 1", "1 0 1", "1 5 1"}; !slices.Equal(got.got, want) {
		t.Errorf("%q, expected %q", got.got, want)
	}
	if len(functions) != 2 || functions[0].Name != "pay" || functions[0].Owner != "shop" || functions[1].Name != "list" ||
		functions[0].Assumed != datasets.AssumedCPU|datasets.AssumedMemory|datasets.AssumedExecution|datasets.AssumedStartCost {
		t.Errorf("%+v", functions)
	}
	if want := []string{`openfaas.json:4: gap: [1609459500,"9"]: no sample for 240 s before this one, in which the counter grew by 3`}; !slices.Equal(got.rejected, want) {
		t.Errorf("rejected %q", got.rejected)
	}
	p := in.Provenance()
	if got.rows != 14 || p.Start.Format(time.DateOnly) != "2021-01-01" || p.Span != (datasets.Window{From: 0, To: 6}) {
		t.Errorf("%d rows, %v, %v", got.rows, p.Start, p.Span)
	}
	if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, "2 of 3") {
		t.Errorf("notes %s", notes)
	}
}

func series(labels string, samples ...string) string {
	return fmt.Sprintf(`{"metric":{%s},"values":[%s]}`, labels, strings.Join(samples, ","))
}

// The increase is rounded so that its sum is right.
func TestIncrease(t *testing.T) {
	o := prometheus.DefaultOptions()
	o.Values, o.Columns = prometheus.Increase, map[string]string{"function": "svc", "app": "", "owner": "team"}
	path := filepath.Join(write(t, map[string]string{"f.json": "[" + series(`"svc":"a","team":"t","app":"x"`,
		`[60,"1.4"]`, `[120,"1.4"]`, `[180,"0"]`, `[240,"0.2"]`, `[600,"2.0"]`) + "]"}), "f.json")
	_, functions, got := read(t, path, o)
	if want := []string{"0 0 1", "0 1 2", "0 9 2"}; !slices.Equal(got.got, want) || got.rejected != nil {
		t.Errorf("%q, rejected %q; expected %q", got.got, got.rejected, want)
	}
	if f := functions[0]; f.Owner != "t" || f.App != "" || f.Name != "a" {
		t.Errorf("%+v", f)
	}
}

// Files go on where the one before ended, also with a sample that both have.
func TestFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"1.json": "[" + series(`"function":"f"`, `[0,"0"]`, `[30,"1"]`, `[60,"2"]`) + "]",
		"2.json": `{"status":"success","data":{"resultType":"matrix","result":[` + series(`"function":"f"`, `[60,"2"]`, `[90,"5"]`, `[120,"5"]`) + "]}}",
		"3.json": "[" + series(`"function":"f"`, `[90,"5"]`, `[180,"7"]`) + "]",
	})
	_, _, got := read(t, dir, prometheus.DefaultOptions())
	if want := []string{"0 0 2", "0 1 3", "0 2 2"}; !slices.Equal(got.got, want) {
		t.Errorf("%q, expected %q", got.got, want)
	}
	if want := []string{`3.json:1: duplicate key: [90,"5"]: a later sample of the series, of 120, came before: files go on where the one before it by name ended`}; !slices.Equal(got.rejected, want) {
		t.Errorf("rejected %q", got.rejected)
	}
}

func TestRejected(t *testing.T) {
	for sample, want := range map[string]string{
		`[60]`:         `[60]: expected [time, "value"]`,
		`[60,"1","2"]`: `[60,"1","2"]: expected [time, "value"]`,
		`7`:            `7: expected [time, "value"]`,
		`["x","1"]`:    `["x","1"]: expected seconds since 1970`,
		`[-60,"1"]`:    `[-60,"1"]: expected seconds since 1970`,
		`[60,1]`:       "[60,1]: the value must be a string",
		`[60,"+Inf"]`:  `[60,"+Inf"]: the value must be a finite number`,
		`[60,"many"]`:  `[60,"many"]: the value must be a finite number`,
		`[60,"-1"]`:    `[60,"-1"]: must not be negative`,
		`[60,"1.5"]`:   `[60,"1.5"]: increase "1.5": must be a whole number`,
		`[60,"1e12"]`:  `[60,"1e12"]: increase "1000000000000": must be at most 999999999`,
		`[0,"7"]`:      `[0,"7"]: a later sample of the series, of 0, came before: files go on where the one before it by name ended`,
	} {
		text := "[" + series(`"function":"f"`, `[0,"0"]`, sample) + ",\n" + series(`"function":"g"`, `[0,"0"]`, `[60,"3"]`) + "]"
		_, _, got := read(t, write(t, map[string]string{"f.json": text}), prometheus.DefaultOptions())
		if len(got.rejected) != 1 || !strings.HasPrefix(got.rejected[0], "f.json:1: ") || !strings.HasSuffix(got.rejected[0], want) || got.total != 3 {
			t.Errorf("%s: rejected %q, %d invocations; expected %q", sample, got.rejected, got.total, want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	good := series(`"function":"f"`, `[0,"0"]`, `[60,"1"]`)
	for text, want := range map[string]string{
		`{"status":"error","errorType":"bad_data","error":"parse error"}`:                                     `:1: Prometheus answered with an error: "bad_data": "parse error"`,
		`{"status":"success","data":{"resultType":"matrix","result":[]}}`:                                     ":1: no series: the query found nothing, or this is no result of a range query (status, data, result)",
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"2"]}]}}`: ":1: the result of an instant query: expected that of a range query (resultType matrix), with values",
		`{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`:                                ":1: '1': expected an object",
		`[{"metric":{"function":"f"},"histograms":[]}]`:                                                       ":1: a series without values: expected those of a counter (native histograms are none)",
		"[" + good + ",\n" + series(`"app":"f"`, `[0,"0"]`) + "]":                                             ":2: a series without the label function that the first one has: name the function's by --columns function=LABEL",
		"[" + series(`"pod":"p","job":"j"`, `[0,"0"]`) + "]":                                                  ":1: the series has the labels {job, pod}: expected one of function, function_name, action, configuration_name, revision_name; name the function's by --columns function=LABEL",
		"[" + series(`"function":"f"`, `[0,"0"]`, `[300,"1"]`, `[600,"1"]`) + "]":                             ":1: samples are 300 s apart: expected at most 60, so that they say in which minute invocations were; query with step=60",
		`[{"metric":[],"values":[]}]`:                                                                         ":1: metric: expected an object of labels, which are strings",
		`[{"metric":{"function":7},"values":[]}]`:                                                             ":1: metric: expected an object of labels, which are strings",
		`[{"metric":{"function":"f"},"values":{}}]`:                                                           ":1: values: expected a list of samples",
		`{"activationId":"a"}`:         ":1: an object without metric: expected the series of a range query, with metric and values",
		"[" + good:                     ":1: the document ends in the middle",
		"function,minute,count\nf,1,1": ": holds CSV: expected JSON, the result of a range query",
	} {
		path := filepath.Join(write(t, map[string]string{"f": text}), "f")
		_, err := prometheus.Open(t.Context(), path, prometheus.DefaultOptions())
		if err == nil || err.Error() != "open prometheus: "+path+want {
			t.Errorf("%s: error %v, expected %q", text, err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]prometheus.Options{
		`columns: "minute": must be one of function, app, owner`: {Values: "counter", Columns: map[string]string{"minute": "x"}},
		"columns: function: must name a label":                   {Values: "counter", Columns: map[string]string{"function": ""}},
		`values must be counter or increase, got "gauge"`:        {Values: "gauge"},
	} {
		if err := o.Validate(); err == nil || err.Error() != want {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
}

// Of counters that were made of known invocations, with starts in between and any step up
// to a minute, exactly those come back that lie between the first and the last sample.
func TestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.SampledFrom([]int{5, 15, 20, 30, 60}).Draw(t, "step")
		minutes := rapid.IntRange(1, 20).Draw(t, "minutes")
		origin := 1_609_459_200 + 60*rapid.IntRange(0, 3000).Draw(t, "origin")
		want := map[int]int64{}
		var text []string
		for i := range rapid.IntRange(1, 3).Draw(t, "series") {
			counter := int64(rapid.IntRange(0, 50).Draw(t, "begin"))
			samples := []string{fmt.Sprintf(`[%d,"%d"]`, origin, counter)}
			for at := step; at <= 60*minutes; at += step {
				n := int64(rapid.IntRange(0, 5).Draw(t, "n"))
				if rapid.IntRange(0, 9).Draw(t, "again") == 0 && n < counter {
					counter = 0
				}
				counter += n
				if n > 0 {
					want[(at-1)/60] += n
				}
				samples = append(samples, fmt.Sprintf(`[%d,"%d"]`, origin+at, counter))
			}
			text = append(text, series(fmt.Sprintf(`"function":"f","pod":"%d"`, i), samples...))
		}
		dir, err := os.MkdirTemp("", "prometheus")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "f.json")
		if err := os.WriteFile(path, []byte("["+strings.Join(text, ",")+"]"), 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := prometheus.Open(t.Context(), path, prometheus.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		c := new(collector)
		if _, err := in.Read(t.Context(), nil, c); err != nil {
			t.Fatal(err)
		}
		first := (origin / 60) % 1440
		var all []string
		for m := range minutes {
			if want[m] > 0 {
				all = append(all, fmt.Sprintf("0 %d %d", first+m, want[m]))
			}
		}
		if !slices.Equal(c.got, all) || c.rejected != nil {
			t.Fatalf("%q, rejected %q; expected %q", c.got, c.rejected, all)
		}
	})
}

func week(w io.Writer, functions, samples int) error {
	io.WriteString(w, `{"status":"success","data":{"resultType":"matrix","result":[`)
	for f := range functions {
		if f > 0 {
			io.WriteString(w, ",")
		}
		fmt.Fprintf(w, `{"metric":{"__name__":"invocations_total","function":"f%d","namespace":"n"},"values":[`, f)
		for i := range samples {
			if i > 0 {
				io.WriteString(w, ",")
			}
			fmt.Fprintf(w, `[%d,"%d"]`, 1_609_459_200+60*i, i*(f%7))
		}
		io.WriteString(w, "]}")
	}
	_, err := io.WriteString(w, "]}}")
	return err
}

// Memory is that of a series, and of the counts that wait for their day.
func TestMemory(t *testing.T) {
	peak := func(functions int) uint64 {
		path := filepath.Join(t.TempDir(), "f.json")
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(week(out, functions, 1441), out.Close()); err != nil {
			t.Fatal(err)
		}
		in, err := prometheus.Open(t.Context(), path, prometheus.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		c := &peakSink{}
		if _, err := in.Read(t.Context(), nil, c); err != nil {
			t.Fatal(err)
		}
		return c.most
	}
	small, large := peak(10), peak(200)
	if large > small+190*1440*(16+16)*2 {
		t.Errorf("%d bytes for 10 functions, %d for 200", small, large)
	}
}

type peakSink struct {
	collector
	most uint64
}

func (p *peakSink) Day(*datasets.Counts) error {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	p.most = max(p.most, m.HeapAlloc)
	return nil
}

// Whatever the bytes, there are counts or an error.
func FuzzRead(f *testing.F) {
	b, err := os.ReadFile(filepath.Join("testdata", "openfaas.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, false)
	f.Add([]byte("["+series(`"function":"f"`, `[60,"1.4"]`, `[120,"1e300"]`, `[180,"NaN"]`)+"]"), true)
	f.Fuzz(func(t *testing.T, b []byte, increase bool) {
		o := prometheus.DefaultOptions()
		if increase {
			o.Values = prometheus.Increase
		}
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := prometheus.Open(t.Context(), path, o)
		if err != nil {
			return
		}
		c := new(collector)
		if _, err := in.Read(t.Context(), nil, c); err == nil && (c.total < 0 || c.total > math.MaxInt32*c.rows) {
			t.Errorf("%d invocations", c.total)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f.json")
	var text strings.Builder
	if err := week(&text, 50, 10_000); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		in, err := prometheus.Open(b.Context(), path, prometheus.DefaultOptions())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := in.Read(b.Context(), nil, &peakless{}); err != nil {
			b.Fatal(err)
		}
	}
}

type peakless struct{ collector }

func (*peakless) Day(*datasets.Counts) error { return nil }
