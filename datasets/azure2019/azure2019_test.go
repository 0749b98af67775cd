package azure2019_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/internal/missing"
)

const (
	invocationsName = "invocations_per_function_md.anon.d%02d.csv"
	durationsName   = "function_durations_percentiles.anon.d%02d.csv"
	memoryName      = "app_memory_percentiles.anon.d%02d.csv"

	durationsHeader = "HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_0,percentile_Average_1," +
		"percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,percentile_Average_100\n"
	memoryHeader = "HashOwner,HashApp,SampleCount,AverageAllocatedMb,AverageAllocatedMb_pct1\n"
)

// write makes a folder of files; the names of days are given as formats.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		raw := []byte(content)
		if strings.HasSuffix(name, ".gz") {
			var buf bytes.Buffer
			z := gzip.NewWriter(&buf)
			if _, err := z.Write(raw); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			raw = buf.Bytes()
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// countsHeader has the minutes [from, to], from 1.
func countsHeader(from, to int) string {
	var b strings.Builder
	b.WriteString("HashOwner,HashApp,HashFunction,Trigger")
	for m := from; m <= to; m++ {
		fmt.Fprintf(&b, ",%d", m)
	}
	b.WriteByte('\n')
	return b.String()
}

// wide is a full day of one function: count n at each of the minutes (from 1).
func wide(key string, n int, minutes ...int) string {
	cells := make([]string, 1440)
	for i := range cells {
		cells[i] = "0"
	}
	for _, m := range minutes {
		cells[m-1] = fmt.Sprint(n)
	}
	return key + "," + strings.Join(cells, ",") + "\n"
}

// A collector keeps what a reader says.
type collector struct {
	days     []*datasets.Counts
	rows     map[string]int64
	rejected []string
}

func (c *collector) Day(d *datasets.Counts) error {
	c.days = append(c.days, &datasets.Counts{Day: d.Day, Offset: slices.Clone(d.Offset), Minute: slices.Clone(d.Minute), Count: slices.Clone(d.Count)})
	return nil
}

func (c *collector) Invocations(int, iter.Seq2[datasets.Invocation, error]) error {
	return errors.New("the trace has no single invocations")
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

func read(t testing.TB, dir string, o azure2019.Options) ([]datasets.Function, *collector) {
	t.Helper()
	in, err := azure2019.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	c := new(collector)
	functions, err := in.Read(context.Background(), nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return functions, c
}

// Two days of three functions, worked out by hand.
func TestOfficialLayout(t *testing.T) {
	files := map[string]string{
		fmt.Sprintf(invocationsName, 1): countsHeader(1, 1440) + wide("o1,a1,f1,http", 3, 1, 2, 1440) + wide("o1,a1,f2,timer", 1, 60, 120),
		// f2 is absent on the second day, f3 is new, and f1 comes last; the file is compressed.
		fmt.Sprintf(invocationsName, 2) + ".gz": countsHeader(1, 1440) + wide("o2,a2,f3,queue", 70000, 5) + wide("o1,a1,f1,http", 2, 700),
		fmt.Sprintf(durationsName, 1): durationsHeader +
			"o1,a1,f1,10,100,1,900,0,1,5,4,20,90,100\n" + // 0 ms counts as 1 ms, 4 after 5 as 5
			"o9,a9,f9,10,100,1,900,0,1,5,4,20,90,100\n", // no counts
		fmt.Sprintf(durationsName, 2): durationsHeader +
			"o1,a1,f1,10,99,1,900,7,7,7,7,7,7,7\n" + // fewer samples than on the first day
			"o2,a2,f3,2.5,4,,,2.5,2.5,2.5,2.5,2.5,2.5,2.5\n",
		fmt.Sprintf(memoryName, 1): memoryHeader + "o1,a1,50,251.0,1\n",
		"README.md":                "not of the trace",
	}
	dir := write(t, files)
	in, err := azure2019.Open(t.Context(), dir, azure2019.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	p := in.Provenance()
	if p.Format != "azure2019" || !p.Start.Equal(time.Date(2019, 7, 15, 0, 0, 0, 0, time.UTC)) || p.Span != (datasets.Window{From: 0, To: 2880}) || len(p.Files) != 5 {
		t.Errorf("provenance %+v", p)
	}
	functions, c := read(t, dir, azure2019.DefaultOptions())
	if len(c.rejected) > 0 {
		t.Errorf("rejected %q", c.rejected)
	}
	wantRows := map[string]int64{}
	for name := range files {
		if name != "README.md" {
			wantRows[name] = 2
		}
	}
	wantRows[fmt.Sprintf(memoryName, 1)] = 1
	if !reflect.DeepEqual(c.rows, wantRows) {
		t.Errorf("rows %v, expected %v", c.rows, wantRows)
	}
	wantDays := []*datasets.Counts{
		{Day: 0, Offset: []int{0, 3, 5}, Minute: []int32{0, 1, 1439, 59, 119}, Count: []int64{3, 3, 3, 1, 1}},
		{Day: 1, Offset: []int{0, 1, 1, 2}, Minute: []int32{699, 4}, Count: []int64{2, 70000}},
	}
	if !reflect.DeepEqual(c.days, wantDays) {
		t.Errorf("days %+v %+v", c.days[0], c.days[1])
	}

	ms := func(values ...float64) datasets.Distribution {
		d := datasets.Distribution{Prob: []float64{0, 0.01, 0.25, 0.5, 0.75, 0.99, 1}}
		for _, v := range values {
			d.Value = append(d.Value, time.Duration(v*float64(time.Millisecond)))
		}
		return d
	}
	want := []datasets.Function{
		// The 251 MB of a1 are those of two functions: 125.5, rounded up.
		{ID: 0, Owner: "o1", App: "a1", Name: "f1", Trigger: datasets.HTTP, Memory: 126 << 20, CPU: 1, Execution: ms(1, 1, 5, 5, 20, 90, 100), Assumed: datasets.AssumedCPU},
		{ID: 1, Owner: "o1", App: "a1", Name: "f2", Trigger: datasets.Timer, Memory: 126 << 20, CPU: 1, Execution: datasets.Constant(datasets.DefaultExecution), Assumed: datasets.AssumedCPU | datasets.AssumedExecution},
		{ID: 2, Owner: "o2", App: "a2", Name: "f3", Trigger: datasets.Queue, Memory: datasets.DefaultMemory, CPU: 1, Execution: ms(2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5), Assumed: datasets.AssumedCPU | datasets.AssumedMemory},
	}
	for i := range want {
		want[i].AssumeStartCost(1)
	}
	if !reflect.DeepEqual(functions, want) {
		t.Errorf("functions\n%+v\nexpected\n%+v", functions, want)
	}
}

// The layout of the sample: one day, part of the minutes, memory per function.
func TestSampleLayout(t *testing.T) {
	dir := write(t, map[string]string{
		"invocations.csv": "\xef\xbb\xbf" + countsHeader(480, 489) + "o,a,f,http,0,0,0,0,0,0,0,0,12,0\r\no,a,g,event,1,2,3,4,5,6,7,8,9,10",
		"memory.csv":      "HashFunction,HashOwner,HashApp,SampleCount,AverageAllocatedMb\nf,o,a,9,100.5\n",
	})
	in, err := azure2019.Open(t.Context(), dir, azure2019.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if got := in.Provenance().Span; got != (datasets.Window{From: 479, To: 489}) {
		t.Errorf("span %v", got)
	}
	functions, c := read(t, dir, azure2019.DefaultOptions())
	want := &datasets.Counts{
		Offset: []int{0, 1, 11},
		Minute: []int32{487, 479, 480, 481, 482, 483, 484, 485, 486, 487, 488},
		Count:  []int64{12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
	}
	if !reflect.DeepEqual(c.days, []*datasets.Counts{want}) || len(c.rejected) > 0 {
		t.Errorf("days %+v, rejected %q", c.days[0], c.rejected)
	}
	if functions[0].Memory != 1005<<20/10 || functions[1].Memory != datasets.DefaultMemory {
		t.Errorf("memory %d and %d", functions[0].Memory, functions[1].Memory)
	}
}

// What InVitro makes of other traces: a slice from minute 22:58 of day 3 to 00:01 of day 5, with
// whole numbers as pandas writes floats, columns in its order and one owner, 0.
func TestInVitro(t *testing.T) {
	from, to := 2*1440+1379, 4*1440+2
	var header, row strings.Builder
	header.WriteString("HashOwner,HashApp,HashFunction,Trigger")
	row.WriteString("0,7,7,http")
	for m := from; m <= to; m++ {
		fmt.Fprintf(&header, ",%d.0", m)
		switch m {
		case from, 2*1440 + 1440, to - 1:
			fmt.Fprintf(&row, ",%d.0", m%7+1)
		case 3*1440 + 1:
			row.WriteString(",12.000")
		default:
			row.WriteString(",0.0")
		}
	}
	dir := write(t, map[string]string{
		"invocations.csv": header.String() + "\n" + row.String() + "\n",
		"memory.csv":      "HashFunction,HashOwner,HashApp,SampleCount,AverageAllocatedMb,AverageAllocatedMb_pct1\n7,0,7,63,512.0,512.0\n",
		"durations.csv": "HashFunction,HashOwner,HashApp,Average,Count,Minimum,Maximum,percentile_Average_0,percentile_Average_1,percentile_Average_25," +
			"percentile_Average_50,percentile_Average_75,percentile_Average_99,percentile_Average_100\n7,0,7,20.5,63,1.5,40.25,1.5,2.5,10.5,20.5,30.5,40.0,40.25\n",
	})
	in, err := azure2019.Open(t.Context(), dir, azure2019.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	p := in.Provenance()
	if p.Span != (datasets.Window{From: 1378, To: 2882}) || p.Start.Format(time.DateOnly) != "2019-07-17" {
		t.Errorf("span %v from %v", p.Span, p.Start)
	}
	functions, c := read(t, dir, azure2019.DefaultOptions())
	day := func(day int, minutes []int32, counts []int64) *datasets.Counts {
		return &datasets.Counts{Day: day, Offset: []int{0, len(minutes)}, Minute: minutes, Count: counts}
	}
	n := func(minute int) int64 { return int64(minute%7 + 1) }
	want := []*datasets.Counts{
		day(0, []int32{1378, 1439}, []int64{n(from), n(2*1440 + 1440)}),
		day(1, []int32{0}, []int64{12}),
		day(2, []int32{0}, []int64{n(to - 1)}),
	}
	if !reflect.DeepEqual(c.days, want) || c.rejected != nil {
		t.Errorf("%d days, rejected %q; days %+v", len(c.days), c.rejected, c.days)
	}
	if f := functions[0]; f.Memory != 512<<20 || f.Execution.Quantile(0.5) != 20500*time.Microsecond || f.Assumed != datasets.AssumedCPU|datasets.AssumedStartCost {
		t.Errorf("%+v", f)
	}
}

// Every bad row is rejected with its place and the reason; the others are read.
func TestBadRows(t *testing.T) {
	const good = "o,a,good,http,1,2,3,4,5,6,7,8,9,0\n"
	key := strings.Repeat("k", 300)
	for _, c := range []struct{ row, want string }{
		{"o,a,f,http,1,2,3", "ragged row: 7 columns, expected 14"},
		{"o,a,f", "ragged row: 3 columns, expected 14"},
		{"o,a,f,http", "ragged row: 4 columns, expected 14"},
		{"o,a,f,http,0,0,0,0,0,0,0,0,0,0,0", "ragged row: 15 columns, expected 14"},
		{"o,a,f,http,0,0,0,0,0,0,0,0,0,0,", "ragged row: 15 columns, expected 14"},
		{"o,a,f,http,0,0,0,0,0,0,0,0,0,,", "ragged row: 15 columns, expected 14"},
		{"o,a,f,http,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0", "ragged row: 20 columns, expected 14"},
		{"o,a,f,http,0,0,0,-3,0,0,0,0,0,0", `negative number: count "-3" of minute 483: must not be negative`},
		{"o,a,f,http,0,0,0,0,0,0,0,0,x,0", `bad number: count "x" of minute 488: must be a whole number`},
		{"o,a,f,http,0,1.5,0,0,0,0,0,0,0,0", `bad number: count "1.5" of minute 481: must be a whole number`},
		{"o,a,f,http,0,0,0,0,0,0,0,0,0,1000000000", `huge number: count "1000000000" of minute 489: must have at most 9 digits`},
		{"o,a,good,http,0,0,0,0,0,0,0,0,0,0", "duplicate key: same owner, app and function as line 2"},
		{"o,,f,http,0,0,0,0,0,0,0,0,0,0", `bad key: HashApp "": must be 1 to 256 bytes of UTF-8`},
		{key + ",a,f,http,0,0,0,0,0,0,0,0,0,0", `bad key: HashOwner "` + key[:40] + `": must be 1 to 256 bytes of UTF-8`},
		{"o,a,\xff,http,0,0,0,0,0,0,0,0,0,0", `bad key: HashFunction "\xff": must be 1 to 256 bytes of UTF-8`},
		{`"o,a,f,http,0,0,0,0,0,0,0,0,0,0`, `bad quote: column 1: its quote is not closed on its line`},
		{`o"o,a,f,http,0,0,0,0,0,0,0,0,0,0`, `bad quote: column 1: a quote within a field that does not begin with one`},
		{`o,a,f,http,0,0,0,0,"1,2",0,0,0,0,0`, `bad number: count "1,2" of minute 484: must be a whole number`},
		{"o,a,f,http,\xef\xbb\xbf0,0,0,0,0,0,0,0,0,0", "bad number: count \"\\ufeff0\" of minute 480: must be a whole number"},
		{"o,a,f,http,inf,0,0,0,0,0,0,0,0,0", `bad number: count "inf" of minute 480: must be a whole number`},
		{"o,a,f,http,1" + strings.Repeat("0", 10<<20), "long line: longer than 1048576 bytes"},
		{strings.Repeat("o,a,f,http,", 1<<20), "long line: longer than 1048576 bytes"},
	} {
		dir := write(t, map[string]string{"invocations.csv": countsHeader(480, 489) + good + c.row + "\no,a,last,http,1,0,0,0,0,0,0,0,0,0\n"})
		functions, got := read(t, dir, azure2019.DefaultOptions())
		if want := []string{"invocations.csv:3: " + c.want}; !reflect.DeepEqual(got.rejected, want) {
			t.Errorf("%.60q: rejected %q, expected %q", c.row, got.rejected, want)
		}
		if len(functions) != 2 || got.days[0].Total() != 46 || got.rows["invocations.csv"] != 3 {
			t.Errorf("%.60q: %d functions, %d invocations, %v", c.row, len(functions), got.days[0].Total(), got.rows)
		}
	}
}

// The dialects of CSV that R, pandas and others write are one table.
func TestDialects(t *testing.T) {
	plainFunctions, plain := read(t, write(t, map[string]string{
		"invocations.csv": "HashOwner,HashApp,HashFunction,Trigger,480,481,482\no,a,f,http,1,2,3\no,a,g,timer,0,0,4\n",
		"durations.csv":   durationsHeader + "o,a,f,10,100,1,900,1,2,5,9,20,90,100\n",
		"memory.csv":      memoryHeader + "o,a,9,100,1\n",
	}), azure2019.DefaultOptions())
	quoted := func(text string) string {
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		for i, l := range lines {
			lines[i] = `"` + strings.ReplaceAll(l, ",", `","`) + `"`
		}
		return strings.Join(lines, "\r\n")
	}
	for name, files := range map[string]map[string]string{
		"R": {
			"invocations.csv": "\"\",\"HashOwner\",\"HashApp\",\"HashFunction\",\"Trigger\",\"X480\",\"X481\",\"X482\"\n\"1\",\"o\",\"a\",\"f\",\"http\",1,2,3\n\"2\",\"o\",\"a\",\"g\",\"timer\",0,NA,4\n",
			"durations.csv":   quoted("n," + durationsHeader + "1,o,a,f,10,100,1,900,1,2,5,9,20,90,100\n"),
			"memory.csv":      quoted(memoryHeader + "o,a,9,100,1\n"),
		},
		"pandas": {
			"invocations.csv": "\ufeff,HashOwner,HashApp,HashFunction,Trigger,480,481,482\r\n0,o,a,f,http,1.0,2.0,3.0\r\n\r\n1,o,a,g,timer,0.0,,4.0\r\n",
			"durations.csv":   "\ufeff," + durationsHeader + "0,o,a,f,10,100,1,900,1,2,5,9,20,90,100\n",
			"memory.csv":      "Unnamed: 0," + memoryHeader + "0,o,a,9,100,1\n",
		},
		"every field, in another order, with a total": {
			"invocations.csv": quoted("Trigger,hashfunction,480,481,482,HashApp,HashOwner,total\nhttp,f,1,2,3,a,o,6\ntimer,g,0,0,4,a,o,4\n"),
			"durations.csv":   durationsHeader + "o,a,f,10,100,1,900,1,2,5,9,20,90,100\n",
			"memory.csv":      memoryHeader + "o,a,9,100,1\n",
		},
		"spaces and odd numbers": {
			"invocations.csv": "HashOwner, HashApp, HashFunction, Trigger, 480, 481, 482\no,a,f,HTTP, 1,2e0,+3\no,a,g,timer,0,0, 4\n",
			"durations.csv":   durationsHeader + "o,a,f,10,100,1,900,1,2,5,9,20,90,100\n",
			"memory.csv":      memoryHeader + "o,a,9,100,1\n",
		},
	} {
		functions, got := read(t, write(t, files), azure2019.DefaultOptions())
		if !reflect.DeepEqual(functions, plainFunctions) || !reflect.DeepEqual(got.days, plain.days) || got.rejected != nil {
			t.Errorf("%s: functions %+v, day %+v, rejected %q", name, functions, got.days[0], got.rejected)
		}
	}
	// A comma in a name, which only quotes allow.
	functions, got := read(t, write(t, map[string]string{"invocations.csv": countsHeader(1, 2) + "\"o,o\",a,\"f \"\"1\"\"\",http,1,2\n"}), azure2019.DefaultOptions())
	if len(functions) != 1 || functions[0].Owner != "o,o" || functions[0].Name != `f "1"` || got.days[0].Total() != 3 {
		t.Errorf("functions %+v, rejected %q", functions, got.rejected)
	}
}

// Values of durations and memory that cannot be used cost themselves, as do counts that are
// missing and triggers of other platforms; the notes say so.
func TestLostValues(t *testing.T) {
	dir := write(t, map[string]string{
		"invocations.csv": countsHeader(1, 3) + "o,a,f,http,1,NaN,1\no,a,g,cron,1,1,\no,a,h,http,1,1,1\no,b,i,http,1,1,1\n",
		"durations.csv":   durationsHeader + "o,a,f,-1,,1,900,NaN,1,-5,9,20,90,1e300\no,a,g,10,100,1,900,,,,,,,\n",
		"memory.csv":      memoryHeader + "o,a,n/a,300,1\no,b,5,-7,1\no,c,5,0,1\n",
	})
	in, err := azure2019.Open(t.Context(), dir, azure2019.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c := new(collector)
	functions, err := in.Read(t.Context(), nil, c)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.rejected) > 0 || len(functions) != 4 || c.days[0].Total() != 10 {
		t.Fatalf("rejected %q, %d functions, %d invocations", c.rejected, len(functions), c.days[0].Total())
	}
	ms := time.Millisecond
	want := datasets.Distribution{Prob: []float64{0, 0.01, 0.5, 0.75, 0.99, 1}, Value: []time.Duration{ms, ms, 9 * ms, 20 * ms, 90 * ms, 90 * ms}}
	if f := functions[0]; !reflect.DeepEqual(f.Execution, want) || f.Memory != 100<<20 {
		t.Errorf("function %+v, expected execution %+v", f, want)
	}
	if functions[1].Assumed&datasets.AssumedExecution == 0 || functions[1].Trigger != datasets.Others || functions[3].Assumed&datasets.AssumedMemory == 0 {
		t.Errorf("functions %+v", functions)
	}
	for _, note := range []string{
		"Average: 1 value that cannot be used and counts as not measured; the first is " + filepath.Join(dir, "durations.csv") + `:2: Average "-1": must not be negative`,
		"percentile_Average_25: 1 value that cannot be used",
		"percentile_Average_100: 1 value that cannot be used",
		"AverageAllocatedMb: 2 values that cannot be used",
		"trigger: 1 rows with a word that is none of",
		"minutes without a count, taken as minutes without invocations: 2, the first in " + filepath.Join(dir, "invocations.csv") + ":2",
	} {
		if notes := in.Provenance().Notes; !slices.ContainsFunc(notes, func(n string) bool { return strings.HasPrefix(n, note) }) {
			t.Errorf("notes %q lack %q", notes, note)
		}
	}
}

func TestBadAttributes(t *testing.T) {
	counts := countsHeader(1, 3) + "o,a,f,http,1,1,1\n"
	for _, c := range []struct{ file, row, want string }{
		{"durations.csv", "o,a,f,10,100,1,900,0,1,5,9,20,90", "ragged row: 13 columns, expected 14"},
		{"durations.csv", strings.Repeat("9", 10<<20), "long line: longer than 1048576 bytes"},
		{"durations.csv", `"o,a",f,10,100,1,900,0,1,5,9,20,90,100`, "ragged row: 13 columns, expected 14"},
		{"durations.csv", `o,a,,10,100,1,900,0,1,5,9,20,90,100`, `bad key: HashFunction "": must be 1 to 256 bytes of UTF-8`},
		{"memory.csv", "\xff,a,9,100,1", `bad key: HashOwner "\xff": must be 1 to 256 bytes of UTF-8`},
		{"memory.csv", strings.Repeat("o,", 10<<20), "long line: longer than 1048576 bytes"},
		{"memory.csv", "o,a,100", "ragged row: 3 columns, expected 5"},
	} {
		header := durationsHeader
		if c.file == "memory.csv" {
			header = memoryHeader
		}
		functions, got := read(t, write(t, map[string]string{"invocations.csv": counts, c.file: header + c.row + "\n"}), azure2019.DefaultOptions())
		if want := []string{c.file + ":2: " + c.want}; !reflect.DeepEqual(got.rejected, want) {
			t.Errorf("%q: rejected %q, expected %q", c.row, got.rejected, want)
		}
		if a := functions[0].Assumed; a&datasets.AssumedExecution == 0 || a&datasets.AssumedMemory == 0 {
			t.Errorf("%q: assumed %b", c.row, a)
		}
	}
	twice := durationsHeader + strings.Repeat("o,a,f,10,100,1,900,0,1,5,9,20,90,100\n", 2)
	if _, got := read(t, write(t, map[string]string{"invocations.csv": counts, "durations.csv": twice}), azure2019.DefaultOptions()); !reflect.DeepEqual(got.rejected,
		[]string{"durations.csv:3: duplicate key: same owner, app and function as line 2"}) {
		t.Errorf("a duplicate: %q", got.rejected)
	}
}

// What makes a folder unreadable as a whole.
func TestUnreadable(t *testing.T) {
	row := "o,a,f,http,1,1,1\n"
	full := countsHeader(1, 1440) + wide("o,a,f,http", 1, 1)
	d := func(day int) string { return fmt.Sprintf(invocationsName, day) }
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"empty folder":    {map[string]string{}, "no counts: expected invocations_per_function_md.anon.dNN.csv or invocations.csv"},
		"empty file":      {map[string]string{"invocations.csv": ""}, "invocations.csv:1: empty: expected a header"},
		"other header":    {map[string]string{"invocations.csv": "app,func,end_timestamp,duration\n"}, `invocations.csv:1: column 1 is "app": expected HashOwner,HashApp,HashFunction,Trigger and then`},
		"no minutes":      {map[string]string{"invocations.csv": "HashOwner,HashApp,HashFunction,Trigger\n"}, "invocations.csv:1: no column for a minute"},
		"minute gap":      {map[string]string{"invocations.csv": "HashOwner,HashApp,HashFunction,Trigger,1,3\n"}, "invocations.csv:1: column 6 is minute 3 after 1"},
		"minute 1441":     {map[string]string{d(1): countsHeader(1440, 1441)}, `d01.csv:1: column 6 is "1441"`},
		"minute 44641":    {map[string]string{"invocations.csv": countsHeader(44640, 44641)}, `invocations.csv:1: column 6 is "44641"`},
		"half a minute":   {map[string]string{"invocations.csv": "HashOwner,HashApp,HashFunction,Trigger,1.5\n"}, `invocations.csv:1: column 5 is "1.5"`},
		"no rows":         {map[string]string{"invocations.csv": countsHeader(1, 3)}, "counts: no usable row"},
		"day missing":     {map[string]string{d(1): full, d(3): full}, "counts of day 2 are missing"},
		"day twice":       {map[string]string{d(1): full, d(1) + ".gz": full}, "hold day 1"},
		"two layouts":     {map[string]string{d(1): full, "invocations.csv": full}, "files of two layouts"},
		"half a day":      {map[string]string{d(1): countsHeader(1, 3) + row, d(2): full}, "d01.csv:1: minutes end at 3: only those of the last day"},
		"late start":      {map[string]string{d(1): full, d(2): countsHeader(2, 4) + row}, "d02.csv:1: minutes start at 2: only those of the first day"},
		"durations":       {map[string]string{"invocations.csv": countsHeader(1, 3) + row, "durations.csv": "HashOwner,HashApp\n"}, "durations.csv:1: column \"HashFunction\" is missing: the file has \"HashOwner\", \"HashApp\""},
		"lone CR":         {map[string]string{"invocations.csv": strings.ReplaceAll(countsHeader(1, 3)+row, "\n", "\r")}, "invocations.csv:1: column 7 is \"3\\ro\": expected HashOwner"},
		"UTF-16":          {map[string]string{"invocations.csv": "\xff\xfeH\x00a\x00"}, "invocations.csv:1: column 1 is \"\\xff\\xfeH\\x00a\\x00\": expected HashOwner"},
		"quoted header":   {map[string]string{"invocations.csv": `"HashOwner","HashApp"` + "\n"}, "invocations.csv:1: column HashFunction is missing: expected HashOwner"},
		"long header":     {map[string]string{"invocations.csv": strings.Repeat("HashOwner,", 1<<20)}, "invocations.csv:1: longer than 1048576 bytes: expected a header"},
		"minutes twice":   {map[string]string{"invocations.csv": "HashOwner,HashApp,HashFunction,Trigger,1,1\n"}, "invocations.csv:1: column 6 is minute 1 after 1"},
		"key twice":       {map[string]string{"invocations.csv": "HashOwner,HashApp,HashApp,Trigger,1\n"}, `invocations.csv:1: column 3 is "HashApp"`},
		"column twice":    {map[string]string{"invocations.csv": countsHeader(1, 3) + row, "memory.csv": "HashOwner,HashApp,SampleCount,AverageAllocatedMb,HashApp\n"}, `memory.csv:1: column "HashApp" is there twice`},
		"day twice, d001": {map[string]string{d(1): full, "invocations_per_function_md.anon.d001.csv": full}, "hold day 1"},
		"durations twice": {map[string]string{d(1): full, fmt.Sprintf(durationsName, 1): durationsHeader, fmt.Sprintf(durationsName, 1) + ".gz": durationsHeader}, "hold day 1"},
		"day 0":           {map[string]string{d(0): full}, "days are numbered from 1"},
		"empty memory":    {map[string]string{"invocations.csv": countsHeader(1, 3) + row, "memory.csv": ""}, "memory.csv:1: blank: expected a header"},
		"empty durations": {map[string]string{"invocations.csv": countsHeader(1, 3) + row, "durations.csv": ""}, "durations.csv:1: blank: expected a header"},
	} {
		in, err := azure2019.Open(t.Context(), write(t, c.files), azure2019.DefaultOptions())
		if err == nil {
			_, err = in.Read(t.Context(), nil, new(collector))
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
	if _, err := azure2019.Open(t.Context(), filepath.Join(t.TempDir(), "missing"), azure2019.DefaultOptions()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
}

// A function is known by owner, app and function, all three, on every day; a day may have
// no row, line ends may be mixed, and the last may be missing.
func TestKeysAcrossDays(t *testing.T) {
	lines := func(rows ...string) string {
		text := countsHeader(1, 1440)
		for i, r := range rows {
			text += strings.TrimSuffix(r, "\n") + []string{"\n", "\r\n"}[i%2]
		}
		return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	}
	dir := write(t, map[string]string{
		fmt.Sprintf(invocationsName, 3): lines(),
		fmt.Sprintf(invocationsName, 4): "\xef\xbb\xbf" + lines(wide("o1,a,f,http", 1, 1), wide("o2,a,f,http", 2, 1), wide("o1,b,f,http", 3, 1), wide("o1,a,g,http", 4, 1)),
		fmt.Sprintf(invocationsName, 5): lines(wide("o1,a,g,http", 5, 2), wide("o2,b,f,http", 6, 2), wide("o1,a,f,http", 300, 2, 1440)),
		fmt.Sprintf(durationsName, 4):   "\xef\xbb\xbf" + strings.ReplaceAll(durationsHeader, "\n", "\r\n") + "o2,a,f,10,100,1,900,10,10,10,10,10,10,10\r\no1,b,f,10,100,1,900,20,20,20,20,20,20,20\n",
		fmt.Sprintf(memoryName, 5):      "\xef\xbb\xbf" + memoryHeader + "o1,a,50,100,1\r\no2,b,50,300,1",
	})
	in, err := azure2019.Open(t.Context(), dir, azure2019.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if p := in.Provenance(); p.Start.Day() != 17 || p.Span.To != 3*1440 { // day 3 of those from 15 July
		t.Errorf("provenance %+v", p)
	}
	functions, c := read(t, dir, azure2019.DefaultOptions())
	if len(c.rejected) > 0 {
		t.Errorf("rejected %q", c.rejected)
	}
	want := []*datasets.Counts{
		{Day: 0, Offset: []int{0}},
		{Day: 1, Offset: []int{0, 1, 2, 3, 4}, Minute: []int32{0, 0, 0, 0}, Count: []int64{1, 2, 3, 4}},
		{Day: 2, Offset: []int{0, 2, 2, 2, 3, 4}, Minute: []int32{1, 1439, 1, 1}, Count: []int64{300, 300, 5, 6}},
	}
	for day := range want {
		if got := c.days[day]; got.Day != day || !slices.Equal(got.Offset, want[day].Offset) || !slices.Equal(got.Minute, want[day].Minute) || !slices.Equal(got.Count, want[day].Count) {
			t.Errorf("day %d: %+v, expected %+v", day, got, want[day])
		}
	}
	for i, want := range []struct {
		key       string
		execution time.Duration
		mb        int64
	}{
		{"o1/a/f", datasets.DefaultExecution, 50}, {"o2/a/f", 10 * time.Millisecond, 170}, {"o1/b/f", 20 * time.Millisecond, 170},
		{"o1/a/g", datasets.DefaultExecution, 50}, {"o2/b/f", datasets.DefaultExecution, 300},
	} {
		f := functions[i]
		if key := f.Owner + "/" + f.App + "/" + f.Name; key != want.key || f.Execution.Mean() != want.execution || f.Memory != want.mb<<20 {
			t.Errorf("function %d is %s, %v, %d MB; expected %+v", i, key, f.Execution.Mean(), f.Memory>>20, want)
		}
	}
}

func TestDamagedGzip(t *testing.T) {
	name := fmt.Sprintf(invocationsName, 1) + ".gz"
	var text strings.Builder
	text.WriteString(countsHeader(1, 1440))
	for i := range 500 {
		text.WriteString(wide(fmt.Sprintf("o,a,f%d,http", i), i*7919%1000, 1+i*31%1440, 1+i*17%1440))
	}
	dir := write(t, map[string]string{name: text.String()})
	path := filepath.Join(dir, name)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for want, raw := range map[string][]byte{
		"truncated gzip":               good[:len(good)-20],
		"damaged gzip":                 []byte("\x1f\x8bshOwner,HashApp\n"),
		":1: empty: expected a header": nil,
	} {
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := azure2019.Open(t.Context(), dir, azure2019.DefaultOptions())
		if err == nil {
			_, err = in.Read(t.Context(), nil, new(collector))
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

// Many blocks, several workers: the same result, and the place of every fault.
func TestWorkersDoNotMatter(t *testing.T) {
	var text strings.Builder
	text.WriteString(countsHeader(1, 1440))
	var want []string
	for i := range 1500 { // 4.4 MB
		row := wide(fmt.Sprintf("o%d,a%d,f%d,http", i%7, i%50, i), i, 1+i*31%1440, 1+i*17%1440)
		if i%100 == 50 {
			row = strings.Replace(row, ",0,0\n", ",0,y\n", 1)
			want = append(want, fmt.Sprintf("invocations.csv:%d: bad number: count \"y\" of minute 1440: must be a whole number", i+2))
		}
		text.WriteString(row)
	}
	dir := write(t, map[string]string{"invocations.csv": text.String()})
	functions, first := read(t, dir, azure2019.Options{Seed: 1, Workers: 1})
	if !reflect.DeepEqual(first.rejected, want) {
		t.Errorf("rejected %q, expected %q", first.rejected, want)
	}
	for _, workers := range []int{2, 5} {
		again, c := read(t, dir, azure2019.Options{Seed: 1, Workers: workers})
		if !reflect.DeepEqual(c, first) || !reflect.DeepEqual(again, functions) {
			t.Errorf("%d workers: another result", workers)
		}
	}
}

// A day that comes the next night extends the stored trace to what both days give
// at once, but for attributes, which stay as they were once measured.
func TestNightlyAppend(t *testing.T) {
	d1 := countsHeader(1, 1440) + wide("o1,a1,f1,http", 3, 1, 2) + wide("o1,a1,f2,timer", 1, 60)
	d2 := countsHeader(1, 1440) + wide("o2,a2,f3,queue", 7, 5) + wide("o1,a1,f2,timer", 2, 700)
	n1, n2 := fmt.Sprintf(invocationsName, 1), fmt.Sprintf(invocationsName, 2)
	ingest := func(s *parquet.Store, files map[string]string) parquet.Description {
		t.Helper()
		in, err := azure2019.Open(t.Context(), write(t, files), azure2019.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		d, changed, err := s.Ingest(t.Context(), in, parquet.DefaultIngestOptions("az"))
		if err != nil || !changed {
			t.Fatalf("changed %t, error %v", changed, err)
		}
		return d
	}
	store := func() *parquet.Store {
		s, err := parquet.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := ingest(store(), map[string]string{n1: d1, n2: d2})
	for _, next := range []map[string]string{{n2: d2}, {n1: d1, n2: d2}} {
		s := store()
		ingest(s, map[string]string{n1: d1})
		if got := ingest(s, next); got.Digest != want.Digest || got.Invocations != 6+1+7+2 || got.Functions != 3 || got.Days != 2 {
			t.Errorf("%d files: %+v, expected %+v", len(next), got, want)
		}
		if err := s.Verify(t.Context(), "az"); err != nil {
			t.Error(err)
		}
	}
}

func TestQuarantineLimit(t *testing.T) {
	dir := write(t, map[string]string{"invocations.csv": countsHeader(1, 3) + "o,a,f,http,1,1,1\no,a,g,http,1,1,-1\n"})
	in, err := azure2019.Open(t.Context(), dir, azure2019.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	s, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	opts := parquet.DefaultIngestOptions("az")
	if _, _, err := s.Ingest(t.Context(), in, opts); !errors.Is(err, parquet.ErrQuarantine) || !strings.Contains(err.Error(), "invocations.csv:3: count \"-1\"") {
		t.Errorf("error %v", err)
	}
	opts.QuarantineLimit = 0.5
	if d, _, err := s.Ingest(t.Context(), in, opts); err != nil || d.Functions != 1 || d.Quarantined.Rows != 1 {
		t.Errorf("%+v, error %v", d, err)
	}
}

// Whatever the bytes, every line is either a row that counts exactly what a slow
// reading of it says, or is rejected.
func FuzzCounts(f *testing.F) {
	f.Add("o,a,f,http,1,0,0,0,0,0,0,0,2,30\n")
	f.Add("o,a,f,http,0,0,0,0,0,0,0,0,0,0\r\no,a,g,queue,9,99,999,9999,99999,0,0,0,0,999999999")
	f.Add("o,a,f,http,0,0,0,0,0,0,0,0,0,0,\n\n,,,,,,,,,,,,,\no,a,f,http,-1,0,0,0,0,0,0,0,0,0\n")
	f.Add("o,a,f,http,00,0,0,0,0,0,0,0,0,0000000001\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, body string) {
		if err := os.WriteFile(filepath.Join(dir, "invocations.csv"), []byte(countsHeader(1, 10)+body), 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := azure2019.Open(t.Context(), dir, azure2019.Options{Seed: 1, Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		c := new(collector)
		_, err = in.Read(t.Context(), nil, c)
		lines := slices.DeleteFunc(strings.Split(body, "\n"), func(l string) bool { return strings.TrimSuffix(l, "\r") == "" })
		var total int64
		rejected, seen := 0, map[string]bool{}
		for _, line := range lines {
			n, key, ok := slowly(strings.TrimSuffix(line, "\r"))
			if !ok || seen[key] {
				rejected++
				continue
			}
			seen[key] = true
			total += n
		}
		if len(seen) == 0 {
			if err == nil {
				t.Fatalf("%q: no error without rows", body)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := c.days[0].Total(); got != total || len(c.rejected) != rejected || c.rows["invocations.csv"] != int64(len(lines)) {
			t.Fatalf("%q: %d invocations, %d rejected of %d rows; expected %d, %d, %d", body, got, len(c.rejected), c.rows["invocations.csv"], total, rejected, len(lines))
		}
	})
}

// Whatever the bytes of durations and memory, every line is used or rejected, and what
// comes out can be stored.
func FuzzAttributes(f *testing.F) {
	f.Add("o,a,f,10,100,1,900,0,1,5,9,20,90,100\no,a,g,1e3,1,,,0.5,1,5,9,20,90,NaN\n", "o,a,9,100.5,1\no,b,9,-1,1\r\n")
	f.Add("o,a,f,1,1,1,1,9,8,7,6,5,4,3\n\n,,,,\n", "o,a,0,1e-9,\n\"o,a\",1,1")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, durations, memory string) {
		for name, text := range map[string]string{
			"invocations.csv": countsHeader(1, 3) + "o,a,f,http,1,1,1\no,a,g,http,1,1,1\n", "durations.csv": durationsHeader + durations, "memory.csv": memoryHeader + memory,
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		in, err := azure2019.Open(t.Context(), dir, azure2019.Options{Seed: 1, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		c := new(collector)
		functions, err := in.Read(t.Context(), nil, c)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"durations.csv": durations, "memory.csv": memory} {
			lines := int64(len(strings.Split(text, "\n")))
			if c.rows[name] > lines { // blank ones are none, and quotes may span several
				t.Fatalf("%s: %d rows of %d lines", name, c.rows[name], lines)
			}
		}
		for _, f := range functions {
			if err := errors.Join(f.Execution.Validate(), f.Initialisation.Validate(), f.Termination.Validate()); err != nil || f.Memory <= 0 || f.Execution.Mean() <= 0 {
				t.Fatalf("%+v: %v", f, err)
			}
		}
	})
}

// slowly reads a row of ten counts.
func slowly(line string) (total int64, key string, ok bool) {
	fields, complaint := new(rows.Splitter).Split([]byte(line))
	if complaint != "" || len(fields) != 14 {
		return 0, "", false
	}
	for _, part := range fields[:3] {
		if len(part) == 0 || len(part) > 256 || !utf8.Valid(part) || bytes.IndexByte(part, 0) >= 0 {
			return 0, "", false
		}
	}
	for _, cell := range fields[4:] {
		if missing.Is(cell) {
			continue
		}
		n, fault := rows.Count("", cell)
		if fault.Reason != "" || bytes.IndexByte(cell, ',') >= 0 {
			return 0, "", false
		}
		total += int64(n)
	}
	return total, string(bytes.Join(fields[:3], []byte{0})), true
}

// BenchmarkRead scans a file as wide as the official ones, 12 % of whose cells are not 0.
func BenchmarkRead(b *testing.B) {
	var text bytes.Buffer
	text.WriteString(countsHeader(1, 1440))
	x := uint64(1)
	for i := range 5000 {
		fmt.Fprintf(&text, "%064x,%064x,%064x,http", i/9, i/3, i)
		for range 1440 {
			x = x*6364136223846793005 + 1442695040888963407
			// Rows differ: most are nearly empty, some are dense.
			if n := 0; x>>40%100 < uint64([]int{0, 0, 1, 2, 5, 10, 66}[i%7]) {
				n = int(x >> 33 % 50)
				fmt.Fprintf(&text, ",%d", n)
			} else {
				text.WriteString(",0")
			}
		}
		text.WriteByte('\n')
	}
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "invocations.csv"), text.Bytes(), 0o644); err != nil {
		b.Fatal(err)
	}
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			in, err := azure2019.Open(b.Context(), dir, azure2019.Options{Seed: 1, Workers: workers})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(text.Len()))
			var cells int
			for b.Loop() {
				c := new(collector)
				if _, err := in.Read(b.Context(), nil, c); err != nil {
					b.Fatal(err)
				}
				cells = len(c.days[0].Minute)
			}
			b.ReportMetric(float64(cells)/5000/1440, "nonzero/cell")
		})
	}
}

// BenchmarkIngest is the same with the trace store behind it.
func BenchmarkIngest(b *testing.B) {
	var text bytes.Buffer
	text.WriteString(countsHeader(1, 1440))
	for i := range 3000 {
		fmt.Fprintf(&text, "%064x,%064x,%064x,http", i/9, i/3, i)
		for m := range 1440 {
			if (i*7919+m*104729)%97 < i%25 {
				fmt.Fprintf(&text, ",%d", 1+(i+m)%9)
			} else {
				text.WriteString(",0")
			}
		}
		text.WriteByte('\n')
	}
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "invocations.csv"), text.Bytes(), 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		in, err := azure2019.Open(b.Context(), dir, azure2019.DefaultOptions())
		if err != nil {
			b.Fatal(err)
		}
		s, err := parquet.Open(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := s.Ingest(b.Context(), in, parquet.DefaultIngestOptions("az")); err != nil {
			b.Fatal(err)
		}
	}
}
