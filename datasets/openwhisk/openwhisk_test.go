package openwhisk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/sinktest"
	"github.com/incendio-faas/incendio/datasets/openwhisk"
)

func read(t testing.TB, path string, known ...datasets.Function) (*openwhisk.Input, []datasets.Function, *sinktest.Collector) {
	t.Helper()
	in, err := openwhisk.Open(t.Context(), path, openwhisk.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	c := new(sinktest.Collector)
	functions, err := in.Read(t.Context(), known, c)
	if err != nil {
		t.Fatal(err)
	}
	return in, functions, c
}

func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// What the REST API and a CouchDB view give, with all figures worked out by hand:
// 1609459200 is the midnight at which 2021 begins.
func TestRecords(t *testing.T) {
	in, functions, got := read(t, "testdata")
	want := []string{
		// b1 waited 60 ms and started at midnight: it arrived in the last minute of 2020.
		"guest||hello 23h59m59.94s 20ms",
		"other|web|hello 24h0m5s 1µs", // less than a millisecond, but not nothing
		// a1 started 60.5 s after midnight, 0.6 s after it arrived, and took 400 ms with 300 of initialisation.
		"guest||hello 24h0m59.9s 100ms",
		"guest||hello 24h1m10s 100ms",
		"guest|whisk.system/images|resize 47h59m59.99s 200ms",
	}
	if text := got.Text(functions); !slices.Equal(text, want) {
		t.Errorf("%q\nexpected %q", text, want)
	}
	p := in.Provenance()
	if p.Format != "openwhisk" || p.Start.Format(time.DateOnly) != "2020-12-31" || p.Span != (datasets.Window{From: 0, To: 2880}) || got.Days != 2 {
		t.Errorf("%v, %v, %d days", p.Start, p.Span, got.Days)
	}
	if want := []string{"rest.json:32: duplicate key: same activation as testdata/rest.json:15"}; !slices.Equal(got.Why, want) {
		t.Errorf("rejected %q, expected %q", got.Why, want)
	}
	if got.Files["rest.json"] != 4 || got.Files["all_docs.json"] != 2 {
		t.Errorf("rows %v", got.Files)
	}
	if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, "no executions: 1 sequences, 1 triggers and rules, 2 other documents") {
		t.Errorf("notes %s", notes)
	}

	hello, web, resize := functions[0], functions[1], functions[2]
	// Cold: 600 + 300 ms; warm: waits of 60 and 40 ms, the median 50.
	if hello.Assumed != datasets.AssumedCPU || hello.Memory != 512<<20 || hello.Trigger != datasets.EventTrigger ||
		hello.Initialisation.Quantile(0.5) != 850*time.Millisecond || hello.Termination.Quantile(0.5) != 510*time.Millisecond {
		t.Errorf("hello %+v", hello)
	}
	if web.Assumed != datasets.AssumedCPU|datasets.AssumedMemory|datasets.AssumedStartCost || web.Trigger != datasets.Others {
		t.Errorf("web %+v", web)
	}
	if resize.Assumed != datasets.AssumedCPU|datasets.AssumedStartCost || resize.Memory != 128<<20 || resize.Trigger != datasets.Orchestration {
		t.Errorf("resize %+v", resize)
	}
}

// One activation in every shape that the database and the command line give.
func TestDocuments(t *testing.T) {
	record := `{"activationId":"%s","namespace":"g","name":"f","start":1000,"end":1007,"annotations":[{"key":"kind","value":"go:1"}]}`
	a, b := fmt.Sprintf(record, "a"), fmt.Sprintf(record, "b")
	for name, text := range map[string]string{
		"lines.jsonl":     a + "\n" + b + "\n",
		"one by one.json": a + b,
		"array.json":      "[" + a + "," + b + "]",
		"couchbackup.txt": "[" + a + "]\n[" + b + "]\n",
		"find.json":       `{"docs":[` + a + "," + b + `],"bookmark":"x"}`,
		"changes.json":    `{"results":[{"seq":1,"id":"a","changes":[],"doc":` + a + `},{"seq":2,"doc":` + b + `}],"last_seq":2}`,
		"view.json":       `{"total_rows":2,"rows":[{"id":"a","key":["g",1],"value":` + a + `},{"id":"b","key":["g",1],"value":` + b + "}]}",
	} {
		_, functions, got := read(t, file(t, name, text))
		if text := got.Text(functions); !slices.Equal(text, []string{"g||f 1s 7ms", "g||f 1s 7ms"}) || got.Why != nil {
			t.Errorf("%s: %q, rejected %q", name, text, got.Why)
		}
	}
}

// withRecord is a file whose second record has the members.
func withRecord(t *testing.T, members string) string {
	if !strings.Contains(members, `"name"`) {
		members += `,"name":"f"`
	}
	if !strings.Contains(members, "annotations") {
		members += `,"annotations":[{"key":"kind","value":"go:1"}]`
	}
	good := `{"activationId":"a","namespace":"g","name":"f","start":1000,"end":1007,"annotations":[{"key":"kind","value":"go:1"}]}` + "\n"
	return file(t, "f.jsonl", good+`{"activationId":"b",`+members+"}\n"+strings.Replace(good, `"a"`, `"c"`, 1))
}

func TestRejected(t *testing.T) {
	for members, want := range map[string]string{
		`"start":-1`:                     "negative number: start \"-1\": must not be negative",
		`"start":"x"`:                    `bad number: start "x": must be a number`,
		`"start":1e300`:                  "huge number: start \"1e300\": must be at most 4.611686018e+18",
		`"start":1.5`:                    "bad number: start \"1.5\": must be a whole number",
		`"start":null`:                   "bad time: start is missing",
		`"start":"NaN"`:                  "bad time: start is missing",
		`"start":5000,"name":7`:          `bad key: function "": must be 1 to 256 bytes of UTF-8`,
		`"start":5000,"name":""`:         `bad key: function "": must be 1 to 256 bytes of UTF-8`,
		`"start":9000000000000`:          `bad time: start "9000000000000": as milliseconds since 1970 it is the year 2255`,
		`"start":5,"annotations":"kind"`: "bad json: annotations: expected a list of {key, value}",
		`"start":1772409601`:             `bad time: start "1772409601": as milliseconds since 1970 it is the year 1970; it looks like seconds since 1970, 2026-03-02`,
		`"start":1772409601000000`:       `bad time: start "1772409601000000": as milliseconds since 1970 it is the year 5.81e+04; it looks like microseconds since 1970, 2026-03-02`,
		`"start":1772409601000000000`:    `bad time: start "1772409601000000000": as milliseconds since 1970 it is the year 5.62e+07; it looks like nanoseconds since 1970, 2026-03-02`,
	} {
		_, functions, got := read(t, withRecord(t, members))
		if text := got.Text(functions); len(text) != 2 {
			t.Errorf("%s: %q", members, text)
		}
		if !slices.Equal(got.Why, []string{"f.jsonl:2: " + want}) {
			t.Errorf("%s: rejected %q, expected %q", members, got.Why, want)
		}
	}
}

// A value beside start and name costs itself, and not the record.
func TestLost(t *testing.T) {
	const kind = `{"key":"kind","value":"go:1"}`
	for _, c := range []struct{ members, want, note string }{
		{`"start":5000,"end":4999`, "g||f 5s -1µs", "end: end 4999: must be at most 1000000000 ms after start, which is 5000"},
		{`"start":5000,"duration":1e10`, "g||f 5s -1µs", `duration: duration "1e10": must be at most 1000000000`},
		{`"start":5000,"end":5020,"duration":-3`, "g||f 5s 20ms", `duration: duration "-3": must not be negative`},
		{`"start":5000,"duration":10,"annotations":[` + kind + `,{"key":"initTime","value":11}]`, "g||f 5s 10ms", "initTime: initTime 11: must be at most the duration, which is 10"},
		{`"start":5000,"duration":10,"annotations":[` + kind + `,{"key":"initTime","value":-1}]`, "g||f 5s 10ms", `initTime: initTime "-1": must not be negative`},
		{`"start":5000,"duration":10,"annotations":[` + kind + `,{"key":"waitTime","value":5001}]`, "g||f 5s 10ms", `waitTime: waitTime "5001": must be at most 5000`},
		{`"start":5000,"duration":10,"annotations":[` + kind + `,{"key":"waitTime","value":-3}]`, "g||f 5s 10ms", `waitTime: waitTime "-3": must not be negative`},
		{`"start":5000,"duration":10,"annotations":[` + kind + `,{"key":"waitTime","value":null}]`, "g||f 5s 10ms", ""},
		{`"start":5000,"duration":"10","annotations":[` + kind + `,{"key":"waitTime","value":NaN}]`, "g||f 5s 10ms", ""},
		{`"start":5000,"duration":10,"annotations":[{"key":"limits","value":{"memory":"big"}}]`, "g||f 5s 10ms", `limits.memory: limits.memory "big": must be a number`},
		{`"start":5000,"duration":10,"annotations":[{"key":"limits","value":[]}]`, "g||f 5s 10ms", `limits.memory: limits.memory "[]": must be a number`},
		{`"start":5000,"duration":10,"annotations":[{"key":"limits","value":null}]`, "g||f 5s 10ms", ""},
		{`"start":5000,"duration":10,"annotations":[` + kind + `,{"key":"path","value":null}]`, "g||f 5s 10ms", ""},
		{`"start":5000,"duration":10,"annotations":[` + kind + `,{"key":"path","value":[1]}]`, "g||f 5s 10ms", `path: path "[1]": expected a string`},
		{`"start":5000,"duration":10,"cause":{}`, "g||f 5s 10ms", `cause: cause "{}": expected a string`},
		{`"start":5000,"duration":10,"annotations":[7,` + kind + `]`, "g||f 5s 10ms", ""},
	} {
		path := withRecord(t, `"namespace":"g",`+c.members)
		in, functions, got := read(t, path)
		if text := got.Text(functions); len(text) != 3 || text[2] != c.want || got.Why != nil {
			t.Errorf("%s: %q, rejected %q, expected %s", c.members, text, got.Why, c.want)
		}
		var lost []string
		for _, note := range in.Provenance().Notes {
			if strings.Contains(note, "cannot be used") {
				lost = append(lost, note)
			}
		}
		var want []string
		if field, why, ok := strings.Cut(c.note, ": "); ok {
			want = []string{field + ": 1 value that cannot be used and counts as not measured; the first is " + path + ":2: " + why}
		}
		if !slices.Equal(lost, want) {
			t.Errorf("%s: notes %q, expected %q", c.members, lost, want)
		}
	}
}

// What is not known of a wait or an initialisation is no wait and no initialisation of 0.
func TestLostCosts(t *testing.T) {
	record := func(id int, wait, init string) string {
		return fmt.Sprintf(`{"activationId":"%d","namespace":"g","name":"f","start":%d,"duration":1000,"annotations":[{"key":"kind","value":"go:1"},{"key":"waitTime","value":%s}%s]}`+"\n", id, 100_000+id, wait, init)
	}
	cold := func(ms string) string { return `,{"key":"initTime","value":` + ms + `}` }
	for _, c := range []struct {
		name, text string
		want       time.Duration
	}{
		{"a wait that is lost", record(1, "600", cold("300")) + record(2, "-1", cold("300")) + record(3, "100", ""), 800 * time.Millisecond},
		{"every wait is lost", record(1, "-1", cold("300")) + record(2, "-2", "") + record(3, "-2", ""), 300 * time.Millisecond},
		{"an initialisation that is lost is no warm start", record(1, "600", cold("300")) + record(2, "9000", cold("-1")) + record(3, "100", ""), 800 * time.Millisecond},
	} {
		_, functions, got := read(t, file(t, "f.jsonl", c.text))
		if d := functions[0].Initialisation.Quantile(0.5); d != c.want || len(got.Got) != 3 {
			t.Errorf("%s: initialisation %v, expected %v", c.name, d, c.want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	record := `{"activationId":"a","namespace":"g","name":"f","start":1000,"annotations":[{"key":"kind"}]}`
	for text, want := range map[string]string{
		"{}":                    ":1: no record of an activation: expected activationId, namespace, name, start, end",
		`{"rows":[{"id":"x"}]}`: ":1: no record of an activation: expected activationId, namespace, name, start, end",
		record + "\n" + `{"a":`: ":2: the document ends in the middle",
		record + "\n]":          ":2: ']': expected an object or an array of objects",
		"function,minute\nf,1":  ": holds CSV: expected JSON, records of activations",
		"[" + record + "}":      `:1: '}': expected a comma or ']'`,
	} {
		path := file(t, "f", text)
		_, err := openwhisk.Open(t.Context(), path, openwhisk.DefaultOptions())
		if err == nil || err.Error() != "open openwhisk: "+path+want {
			t.Errorf("%s: error %v, expected %q", text, err, want)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"a.json", "b.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(record), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openwhisk.Open(t.Context(), dir, openwhisk.DefaultOptions()); err == nil || !strings.HasSuffix(err.Error(), "b.json: has the same content as "+filepath.Join(dir, "a.json")) {
		t.Errorf("error %v", err)
	}
	// Nothing but triggers: the file is one, but there is no invocation.
	_, err := openwhisk.Open(t.Context(), file(t, "t.json", `{"activationId":"t","name":"f","start":1000,"annotations":[]}`), openwhisk.DefaultOptions())
	if err == nil || !strings.Contains(err.Error(), "t.json: no record of an execution, ") || !strings.HasSuffix(err.Error(), "there are 1 triggers and rules") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := openwhisk.Open(ctx, file(t, "c.json", record), openwhisk.DefaultOptions()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected %v", err, context.Canceled)
	}
}

// The order of the records says nothing, and neither do repetitions.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "records")
		records := make([]string, n)
		for i := range records {
			init := ""
			if rapid.Bool().Draw(t, "cold") {
				init = fmt.Sprintf(`,{"key":"initTime","value":%d}`, rapid.IntRange(0, 100).Draw(t, "init"))
			}
			records[i] = fmt.Sprintf(`{"activationId":"%d","namespace":"g","name":"f%d","start":%d,"duration":%d,"annotations":[{"key":"kind"},{"key":"waitTime","value":%d}%s]}`,
				i, rapid.IntRange(0, 2).Draw(t, "function"), rapid.IntRange(1000, 200_000_000).Draw(t, "start"), rapid.IntRange(100, 200).Draw(t, "took"), rapid.IntRange(0, 90).Draw(t, "wait"), init)
		}
		dir, err := os.MkdirTemp("", "openwhisk")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		result := func(name string, records []string) ([]string, string, int) {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(strings.Join(records, "\n")), 0o644); err != nil {
				t.Fatal(err)
			}
			in, err := openwhisk.Open(context.Background(), path, openwhisk.DefaultOptions())
			if err != nil {
				t.Fatal(err)
			}
			c := new(sinktest.Collector)
			functions, err := in.Read(context.Background(), nil, c)
			if err != nil {
				t.Fatal(err)
			}
			invocations := c.Text(functions)
			slices.SortFunc(functions, func(a, b datasets.Function) int { return strings.Compare(a.Name, b.Name) })
			for i := range functions {
				functions[i].ID = 0 // that of first appearance
			}
			slices.Sort(invocations) // of one moment, by function
			return invocations, fmt.Sprint(functions), len(c.Why)
		}
		twice := rapid.Permutation(append(slices.Clone(records), records...)).Draw(t, "order")
		a, fa, _ := result("a.json", records)
		b, fb, rejected := result("b.json", twice)
		if !slices.Equal(a, b) || fa != fb || rejected != n {
			t.Fatalf("%q\n%s\nand with each record twice\n%q\n%s, %d rejected of %d", a, fa, b, fb, rejected, n)
		}
	})
}

func record(i int) string {
	cold := ""
	if i%50 == 0 {
		cold = `,{"key":"initTime","value":120}`
	}
	return fmt.Sprintf(`{"activationId":"%032x","namespace":"guest","name":"f%d","version":"0.0.1","subject":"guest","publish":false,"start":%d,"end":%d,"duration":%d,"logs":["%s"],"response":{"status":"success","statusCode":0,"success":true,"result":{"body":{"payload":"hello"}}},"annotations":[{"key":"path","value":"guest/pkg/f%d"},{"key":"waitTime","value":%d},{"key":"kind","value":"nodejs:20"},{"key":"timeout","value":false},{"key":"limits","value":{"concurrency":1,"logs":10,"memory":256,"timeout":60000}}%s]}`+"\n",
		i, i%100, 1_609_459_200_000+int64(i)*7, 1_609_459_200_000+int64(i)*7+150, 150, strings.Repeat("log ", 20), i%100, i%60, cold)
}

// A stream of records takes no more memory when it is longer.
func TestMemory(t *testing.T) {
	peak := func(n int) uint64 {
		path := filepath.Join(t.TempDir(), "f.json")
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if _, err := io.WriteString(out, record(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		in, err := openwhisk.Open(t.Context(), path, openwhisk.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		var live runtime.MemStats
		most, seen := uint64(0), 0
		_, err = in.Read(t.Context(), nil, sink(func(seq iter.Seq2[datasets.Invocation, error]) error {
			for _, err := range seq {
				if err != nil {
					return err
				}
				if seen++; seen%(n/4) == 0 {
					runtime.GC()
					runtime.ReadMemStats(&live)
					most = max(most, live.HeapAlloc)
				}
			}
			return nil
		}))
		if err != nil || seen != n {
			t.Fatalf("%d of %d, error %v", seen, n, err)
		}
		return most
	}
	// Records wait for their day to be complete: 72 bytes each at most, and no text.
	small, large := peak(2_000), peak(40_000)
	if large > small+38_000*2*72 {
		t.Errorf("%d bytes for 2,000 records, %d for 40,000", small, large)
	}
}

// A sink takes invocations and nothing else.
type sink func(iter.Seq2[datasets.Invocation, error]) error

func (s sink) Day(*datasets.Counts) error                                         { return errors.New("not as counts") }
func (s sink) Invocations(_ int, seq iter.Seq2[datasets.Invocation, error]) error { return s(seq) }
func (s sink) Rows(string, int64) error                                           { return nil }
func (s sink) Reject(reason string, e *datasets.SyntaxError) error {
	return fmt.Errorf("%s: %w", reason, e)
}

// Whatever the bytes, there is a trace or an error.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"rest.json", "all_docs.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(record(0) + record(1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := openwhisk.Open(t.Context(), path, openwhisk.DefaultOptions())
		if err != nil {
			return
		}
		c := new(sinktest.Collector)
		functions, err := in.Read(t.Context(), nil, c)
		if err != nil {
			return
		}
		for _, fn := range functions {
			if fn.Memory <= 0 || fn.CPU <= 0 || errors.Join(fn.Execution.Validate(), fn.Initialisation.Validate(), fn.Termination.Validate()) != nil {
				t.Errorf("%+v", fn)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f.json")
	var text strings.Builder
	for i := range 20_000 {
		text.WriteString(record(i))
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		in, err := openwhisk.Open(b.Context(), path, openwhisk.DefaultOptions())
		if err != nil {
			b.Fatal(err)
		}
		_, err = in.Read(b.Context(), nil, sink(func(seq iter.Seq2[datasets.Invocation, error]) error {
			for _, err := range seq {
				if err != nil {
					return err
				}
			}
			return nil
		}))
		if err != nil {
			b.Fatal(err)
		}
	}
}
