package matrix_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/matrix"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

var counts = matrix.Values{Name: "requests", Whole: true, Max: rows.MaxCount}

// scan surveys and reads a text, and writes down what it finds.
func scan(t testing.TB, text string, v matrix.Values) (o *matrix.Outline, found, rejected []string, n int64) {
	t.Helper()
	o, err := matrix.Survey("f.csv", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	n, err = o.Scan("f.csv", strings.NewReader(text), v, func(r matrix.Row) error {
		for i, c := range r.Column {
			found = append(found, fmt.Sprintf("%d %s=%v", r.Second, o.Columns[c], r.Value[i]))
		}
		return nil
	}, func(reason string, e *datasets.SyntaxError) error {
		rejected = append(rejected, reason+": "+e.Error())
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o, found, rejected, n
}

func TestScan(t *testing.T) {
	o, found, rejected, n := scan(t, "\ufeffday,time,28,33,55\r\n"+
		"1,86400,816.0,,14\r\n"+
		"1,86460,,,\n"+
		"9,86520.0,0,NaN,1e1\n"+ // the column day does not count
		"1,86640,7,8,9", counts)
	if want := []string{"28", "33", "55"}; !slices.Equal(o.Columns, want) || o.Day != 1 || o.Step != 60 || n != 4 {
		t.Errorf("columns %q, day %d, step %d, %d rows", o.Columns, o.Day, o.Step, n)
	}
	if o.Observed.Len() != 4 || !o.Observed.Has(0) || !o.Observed.Has(4) || o.Observed.Has(3) {
		t.Error("observed must be the minutes 0, 1, 2 and 4")
	}
	if want := []string{"0 28=816", "0 55=14", "120 28=0", "120 55=10", "240 28=7", "240 33=8", "240 55=9"}; !slices.Equal(found, want) {
		t.Errorf("cells %q, expected %q", found, want)
	}
	if len(rejected) > 0 {
		t.Errorf("rejected %q", rejected)
	}
}

// A bad row is rejected; of a row with bad cells the good ones are used.
func TestBadRows(t *testing.T) {
	text := "day,time,a,b\n" +
		"0,0,1,2\n" +
		"0,60,1,-2\n" +
		"0,120,2.5,inf\n" +
		"0,180,1e9,3\n" +
		"0,240,x,3\n" +
		"0,300,1\n" +
		"0,360,1,2,3\n" +
		"0,soon,1,2\n" +
		"0,\n" +
		"0,60,5,5\n" + // goes back to a minute that was there
		"0,9999960,5,5\n" + // jumps
		"0,-60,5,5\n" +
		"0,420.5,5,5\n" +
		"0,480,5,5\n"
	_, found, rejected, n := scan(t, text, counts)
	want := []string{
		`negative number: f.csv:3: requests of function b "-2": must not be negative`,
		`bad number: f.csv:4: requests of function a "2.5": must be a whole number, and 1 more cells of the row`,
		`huge number: f.csv:5: requests of function a "1e9": must be at most 999999999`,
		`bad number: f.csv:6: requests of function a "x": must be a number`,
		`ragged row: f.csv:7: 3 columns, expected 4`,
		`ragged row: f.csv:8: 5 columns, expected 4`,
		`bad time: f.csv:9: time "soon": must be a number`,
		`ragged row: f.csv:10: 2 columns, expected 4`,
		`duplicate key: f.csv:11: time 60: a row of the same minute was there before`,
		`stray time: f.csv:12: time 9999960 is on day 115: the other rows of the file are on day 0`,
		`bad time: f.csv:13: time "-60": must not be negative`,
		`bad time: f.csv:14: time "420.5": must be whole seconds since the start of the trace, below 316224000`,
	}
	for i := range max(len(want), len(rejected)) {
		if i >= len(want) || i >= len(rejected) || want[i] != rejected[i] {
			t.Fatalf("rejected\n%s\nexpected\n%s", strings.Join(rejected, "\n"), strings.Join(want, "\n"))
		}
	}
	if want := []string{"0 a=1", "0 b=2", "60 a=1", "180 b=3", "240 b=3", "480 a=5", "480 b=5"}; !slices.Equal(found, want) || n != 14 {
		t.Errorf("%d rows, cells %q, expected %q", n, found, want)
	}
}

func TestBadFiles(t *testing.T) {
	long := "day,time," + strings.Repeat("x", 300) + "\n0,0,1\n"
	for text, want := range map[string]string{
		"":                                  "f.csv: empty: expected a header",
		"day,minute,cold_starts\n0,0,1\n":   `f.csv:1: "day,minute,cold_starts": expected day,time and a column for every function`,
		"day,time\n0,0\n":                   `f.csv:1: "day,time": expected day,time and a column for every function`,
		"day,time,a,a\n0,0,1,1\n":           `f.csv:1: column "a" is there twice: expected day,time and a column for every function`,
		"day,time,a,\n0,0,1,1\n":            `f.csv:1: column 4 is "": expected day,time and a column for every function`,
		"day,time,\"a\n0,0,1\n":             `f.csv:1: column 3 is "\"a": expected day,time and a column for every function`,
		long:                                "f.csv:1: column 3 is ",
		"day,time,a\n":                      "f.csv: no row with a time",
		"day,time,a\n0,x,1\n":               `f.csv: no row with a time; line 2: time "x": must be a number`,
		"day,time,a\n0,0,1\n0,300,1\n":      "f.csv: rows are 300 seconds apart: expected 60 or 1",
		"day,time,a\n0,0,1\n0,0,1\n0,0,1\n": "f.csv: times do not ascend: expected rows 60 or 1 seconds apart",
	} {
		_, err := matrix.Survey("f.csv", strings.NewReader(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: error %v, expected %s", text, err, want)
		}
	}
	wideHeader := "day,time" + strings.Repeat(",x", matrix.MaxColumns+1) + "\n"
	if _, err := matrix.Survey("f.csv", strings.NewReader(wideHeader)); err == nil || !strings.Contains(err.Error(), "65537 functions, at most 65536") {
		t.Error(err)
	}
}

// What is written comes back, for all ways to write numbers and to leave cells empty.
func TestScanAgainstSplitting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 40).Draw(t, "width")
		var text strings.Builder
		text.WriteString("day,time")
		for c := range width {
			fmt.Fprintf(&text, ",f%d", c)
		}
		type cell struct {
			minute, column int
			value          float64
		}
		var want, got []cell
		for minute := range rapid.IntRange(1, 5).Draw(t, "rows") {
			fmt.Fprintf(&text, "\n3,%d", 3*86400+60*minute)
			for c := range width {
				text.WriteByte(',')
				if rapid.IntRange(0, 2).Draw(t, "full") == 0 {
					v := rapid.Float64Range(0, 1e9).Draw(t, "value")
					written := strconv.FormatFloat(v, rapid.SampledFrom([]byte{'f', 'e', 'g'}).Draw(t, "verb"), rapid.IntRange(-1, 12).Draw(t, "digits"), 64)
					text.WriteString(written)
					exact, err := strconv.ParseFloat(written, 64)
					if err != nil {
						t.Fatal(err)
					}
					want = append(want, cell{minute, c, exact})
				}
			}
		}
		o, err := matrix.Survey("f", strings.NewReader(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		_, err = o.Scan("f", strings.NewReader(text.String()), matrix.Values{Name: "delay", Max: 1e10}, func(r matrix.Row) error {
			for i, c := range r.Column {
				got = append(got, cell{r.Second / 60, int(c), r.Value[i]})
			}
			return nil
		}, func(_ string, e *datasets.SyntaxError) error { return e }, nil)
		if err != nil {
			t.Fatal(err)
		}
		// Two roundings, of the digits and of the quotient, instead of one.
		if !slices.EqualFunc(got, want, func(a, b cell) bool {
			return a.minute == b.minute && a.column == b.column && math.Abs(a.value-b.value) <= 5e-16*b.value
		}) {
			t.Fatalf("read\n%v\nwritten\n%v", got, want)
		}
	})
}

// file makes a file of a text.
func file(t testing.TB, name, text string, v matrix.Values, u matrix.Use) matrix.File {
	t.Helper()
	o, err := matrix.Survey(name, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return matrix.File{Name: name, Path: name, Outline: o, Values: v, Use: u, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	}}
}

// A sink writes down what it is given besides days.
type sink struct{ said []string }

func (s *sink) Day(*datasets.Counts) error { return errors.New("no day is expected") }

func (s *sink) Invocations(int, iter.Seq2[datasets.Invocation, error]) error {
	return errors.New("no day is expected")
}

func (s *sink) Rows(file string, n int64) error {
	s.said = append(s.said, fmt.Sprint(file, " ", n))
	return nil
}

func (s *sink) Reject(_ string, e *datasets.SyntaxError) error {
	s.said = append(s.said, e.Error())
	return nil
}

// Seconds are summed by minute, measurements weighted by the counts of their minute, and
// functions may stand in one kind of file alone.
func TestDays(t *testing.T) {
	delay := matrix.Values{Name: "delay", Max: 1e9}
	files := []matrix.File{
		file(t, "r0", "day,time,a,b\n0,0,9,\n0,60,1,3\n", counts, matrix.Use{Counts: true}),
		file(t, "d0", "day,time,c,a\n0,0,5,10\n0,60,5,20\n0,120,5,0\n", delay, matrix.Use{Share: 1}),
		file(t, "r2", "day,time,b,a\n2,172800,1,2\n2,172801,4,\n2,172861,1,1\n2,172862,,x\n", counts, matrix.Use{Counts: true}),
	}
	for _, workers := range []int{1, 4} {
		var s sink
		var got []string
		d := matrix.Days{Files: files, Counts: 1, Samples: 1, Workers: workers}
		err := d.Read(context.Background(), &s, func(day *matrix.Day) error {
			id := map[string]datasets.FunctionID{"a": 0, "b": 1}
			var ids []datasets.FunctionID
			for _, c := range day.Counts[0].Columns {
				ids = append(ids, id[c])
			}
			var c datasets.Counts
			day.Counts[0].Fill(&c, ids, 3)
			got = append(got, fmt.Sprintf("day %d: %v %v %v", day.Number, c.Offset, c.Minute, c.Count))
			for _, name := range []string{"a", "b", "c"} {
				if q := day.Samples[0][name]; q != nil {
					got = append(got, fmt.Sprint(name, q.Quantiles(0, 0.25, 0.9, 0.92, 1)))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"day 0: [0 2 3 3] [0 1 1] [9 1 3]",
			"a[0 10 10 20 20]", // 9 of 10 ms, 1 of 20 ms, and one of 0 ms where none were counted
			"c[5 5 5 5 5]",
			"day 2: [0 2 4 4] [0 1 0 1] [2 1 5 1]",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d workers: read %q, expected %q", workers, got, want)
		}
		if want := []string{"r0 2", "d0 3", `r2:5: requests of function a "x": must be a number`, "r2 4"}; !slices.Equal(s.said, want) {
			t.Errorf("%d workers: said %q, expected %q", workers, s.said, want)
		}
	}
}

func TestDaysEnd(t *testing.T) {
	var files []matrix.File
	for day := range 20 {
		files = append(files, file(t, fmt.Sprint(day), fmt.Sprintf("day,time,a\n%d,%d,1\n", day, day*86400), counts, matrix.Use{Counts: true}))
	}
	stop := errors.New("stop")
	d := matrix.Days{Files: files, Counts: 1, Workers: 3}
	if err := d.Read(context.Background(), new(sink), func(day *matrix.Day) error {
		if day.Number == 5 {
			return stop
		}
		return nil
	}); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := d.Read(ctx, new(sink), func(*matrix.Day) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	files[7].Open = func(context.Context) (io.ReadCloser, error) { return nil, stop }
	if err := d.Read(context.Background(), new(sink), func(*matrix.Day) error { return nil }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

// Any text is surveyed and scanned without a crash, and gives values within bounds.
func FuzzScan(f *testing.F) {
	f.Add("day,time,0,1\n0,0,816.0,\n0,60,,7\n")
	f.Add("day,time,0,1\n3,259200,1e3,-4\n3,259201,inf,nan\n\n3,259202,1,2,3\n")
	f.Add("day,time,a---b---pool22-300-128\r\n0,18446744073709551616,1\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := matrix.Survey("f", strings.NewReader(text))
		if err != nil {
			return
		}
		rejected := 0
		n, err := o.Scan("f", strings.NewReader(text), counts, func(r matrix.Row) error {
			if r.Second < 0 || r.Second >= 86400 || len(r.Column) != len(r.Value) {
				t.Fatalf("second %d, %d columns, %d values", r.Second, len(r.Column), len(r.Value))
			}
			for i, v := range r.Value {
				if !(v >= 0 && v <= counts.Max) || v != math.Trunc(v) || int(r.Column[i]) >= len(o.Columns) {
					t.Fatalf("column %d is %v", r.Column[i], v)
				}
			}
			return nil
		}, func(string, *datasets.SyntaxError) error { rejected++; return nil }, nil)
		if err != nil || int64(rejected) > n {
			t.Fatalf("%d of %d rows rejected, error %v", rejected, n, err)
		}
	})
}

// publicDay is a day in the layout and with the size of the public data of 2023: 5093
// functions of which some are seldom invoked.
func publicDay() string {
	const functions = 5093
	rnd := rand.New(rand.NewPCG(1, 2))
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
		fmt.Fprintf(&b, "\n7,%d", 7*86400+60*minute)
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

// BenchmarkScan reads a full-size public day of 2023: 5093 functions, 1440 minutes.
func BenchmarkScan(b *testing.B) {
	text := publicDay()
	o, err := matrix.Survey("f", strings.NewReader(text))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("survey", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			again, err := matrix.Survey("f", strings.NewReader(text))
			if err != nil || !reflect.DeepEqual(again, o) {
				b.Fatal(err)
			}
		}
	})
	b.Run("scan", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			cells := 0
			if _, err := o.Scan("f", strings.NewReader(text), counts, func(r matrix.Row) error { cells += len(r.Column); return nil },
				func(_ string, e *datasets.SyntaxError) error { return e }, nil); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(cells), "cells")
		}
	})
}

// BenchmarkFill turns such a day from rows by minute into rows by function.
func BenchmarkFill(b *testing.B) {
	text := publicDay()
	d := matrix.Days{Files: []matrix.File{file(b, "f", text, counts, matrix.Use{Counts: true})}, Counts: 1, Workers: 1}
	err := d.Read(context.Background(), new(sink), func(day *matrix.Day) error {
		table := &day.Counts[0]
		id := make([]datasets.FunctionID, len(table.Columns))
		for i := range id {
			id[i] = datasets.FunctionID(i)
		}
		var c datasets.Counts
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			table.Fill(&c, id, len(id))
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// Quotes and a column of numbers of rows, as pandas and R write them, change nothing.
func TestDialects(t *testing.T) {
	plain := "day,time,28,33,55\n1,86400,816,,14\n1,86460,1,2,x\n1,86520,,NaN,7\n"
	plainOutline, want, wantRejected, _ := scan(t, plain, counts)
	if len(want) == 0 || len(wantRejected) != 1 {
		t.Fatalf("cells %q, rejected %q", want, wantRejected)
	}
	lines := strings.Split(strings.TrimSpace(plain), "\n")
	for name, write := range map[string]func(i int, line string) string{
		"quoted": func(_ int, line string) string { return `"` + strings.ReplaceAll(line, ",", `","`) + `"` },
		"header quoted": func(i int, line string) string {
			if i > 0 {
				return line
			}
			return `"` + strings.ReplaceAll(line, ",", `","`) + `"`
		},
		"pandas": func(i int, line string) string {
			if i == 0 {
				return "," + line
			}
			return strconv.Itoa(i-1) + "," + line
		},
		"pandas twice": func(i int, line string) string {
			if i == 0 {
				return "Unnamed: 0," + line
			}
			return strconv.Itoa(i-1) + "," + line
		},
		"R": func(i int, line string) string {
			if i == 0 {
				return `"","` + strings.ReplaceAll(line, ",", `","`) + `"`
			}
			return `"` + strconv.Itoa(i) + `",` + line
		},
	} {
		var text strings.Builder
		for i, line := range lines {
			text.WriteString(write(i, line) + "\n")
		}
		o, found, rejected, n := scan(t, text.String(), counts)
		if !reflect.DeepEqual(o.Columns, plainOutline.Columns) || o.Day != 1 || o.Step != 60 || n != 3 || !slices.Equal(found, want) || !slices.Equal(rejected, wantRejected) {
			t.Errorf("%s: %d rows of %q: cells %q, rejected %q", name, n, o.Columns, found, rejected)
		}
	}
	// A quote that is wrong costs its row; a comma within one makes no more columns.
	_, found, rejected, _ := scan(t, "day,time,a,b\n0,0,1,2\n0,60,\"1,2\n0,120,\"1,2\",3\n0,180,4,5\n", counts)
	if len(found) != 5 || len(rejected) != 2 || !strings.HasPrefix(rejected[0], rows.BadQuote) || !strings.Contains(rejected[1], "requests of function a") {
		t.Errorf("cells %q, rejected %q", found, rejected)
	}
}
