package foreign_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	arrow "github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"github.com/incendio-faas/incendio/datasets/parquet/foreign"
)

// misbehaviour is what a file begins with that makes the reader of the tests misbehave
// as a real one would over a hostile file.
const misbehaviour = "MISBEHAVE "

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "read-foreign-parquet" {
		head := make([]byte, 64)
		n, _ := os.Stdin.ReadAt(head, 0)
		if how, ok := strings.CutPrefix(string(head[:n]), misbehaviour); ok {
			misbehave(how)
		}
	}
	if code, is := foreign.Serve(os.Args); is {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func misbehave(how string) {
	switch how {
	case "hang":
		time.Sleep(time.Hour)
	case "crash":
		fmt.Fprintln(os.Stderr, "fatal error: something")
		os.Exit(2)
	case "silence":
		os.Exit(0)
	case "garbage":
		os.Stdout.WriteString("what is this, and why does it come from here?")
	case "damage":
		os.Stdout.Write([]byte{'F', 2, 0, 0, 0, '{', '}', 1, 2, 3, 4})
	case "half":
		os.Stdout.Write([]byte{'F', 2, 0, 0, 0, '{'})
	case "flood":
		for {
			if _, err := os.Stdout.Write([]byte{'F', 0, 0, 0, 0, 0, 0, 0, 0}); err != nil {
				os.Exit(3)
			}
		}
	}
	os.Exit(0)
}

func quick() foreign.Options {
	o := foreign.DefaultOptions()
	o.Memory, o.Stall = 256<<20, 20*time.Second
	return o
}

// Whatever the reading process does, the error names the file and says what happened.
func TestForeignMisbehaviour(t *testing.T) {
	for how, want := range map[string]string{
		"crash":   `its reader died: exit status 2 ("fatal error: something")`,
		"silence": "its reader died: exit status 0 before the end",
		"garbage": "its reader sent a frame of",
		"damage":  "its reader sent a damaged frame",
		"half":    "its reader died: exit status 0 before the end",
		"flood":   "its reader sent a damaged frame",
		"hang":    "no row for 200ms",
	} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(misbehaviour+how), 0o644); err != nil {
			t.Fatal(err)
		}
		o := quick()
		if how == "hang" {
			o.Stall = 200 * time.Millisecond
		}
		_, err := foreign.Open(t.Context(), path, o)
		if !errors.Is(err, foreign.ErrUnreadable) || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %s", how, err, want)
		}
		if how == "hang" {
			o.Stall, o.Time = time.Hour, 300*time.Millisecond
			if _, err := foreign.Open(t.Context(), path, o); err == nil || !strings.Contains(err.Error(), "reading took more than 300ms") {
				t.Errorf("%v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := foreign.Open(ctx, path, o); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, foreign.ErrUnreadable) {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestForeignOptions(t *testing.T) {
	o := foreign.Options{TimePerMB: -1}
	err := o.Validate()
	for _, want := range []string{"memory must be at least 64 MiB, got 0", "stall must be positive", "time must be positive", "time_per_mb must not be negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %s", err, want)
		}
	}
	if err := foreign.DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
}

// foreignRows reads the named columns, or all, as lines of text.
func foreignRows(t testing.TB, path string, names ...string) ([]string, error) {
	t.Helper()
	f, err := foreign.Open(t.Context(), path, quick())
	if err != nil {
		return nil, err
	}
	var columns []int
	for i, n := range f.Names {
		if len(names) == 0 || slices.Contains(names, n) {
			columns = append(columns, i)
		}
	}
	var out []string
	err = f.Read(t.Context(), columns, func(number int64, cells [][]byte) error {
		line := fmt.Sprint(number)
		for _, c := range cells {
			if c == nil {
				line += "|null"
			} else {
				line += "|" + string(c)
			}
		}
		out = append(out, line)
		return nil
	})
	return out, err
}

// A leaf is a column of a file that the tests write with Arrow itself.
type leaf struct {
	node  schema.Node
	write func(w file.ColumnChunkWriter) error
}

func node(t testing.TB, name string, optional bool, logical schema.LogicalType, physical arrow.Type) schema.Node {
	t.Helper()
	repetition := arrow.Repetitions.Required
	if optional {
		repetition = arrow.Repetitions.Optional
	}
	n, err := schema.NewPrimitiveNodeLogical(name, repetition, logical, physical, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// values writes a column; def says which rows are not null, and is nil for a required one.
func values[T any](v []T, def []int16) func(file.ColumnChunkWriter) error {
	return func(w file.ColumnChunkWriter) error {
		_, err := w.(interface {
			WriteBatch([]T, []int16, []int16) (int64, error)
		}).WriteBatch(v, def, nil)
		return err
	}
}

func writeForeign(t testing.TB, groups int, leaves ...leaf) string {
	t.Helper()
	fields := make(schema.FieldList, len(leaves))
	for i, l := range leaves {
		fields[i] = l.node
	}
	root, err := schema.NewGroupNode("schema", arrow.Repetitions.Required, fields, -1)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := file.NewParquetWriter(&b, root, file.WithWriterProps(arrow.NewWriterProperties(arrow.WithCompression(compress.Codecs.Zstd))))
	for range groups {
		g := w.AppendRowGroup()
		for _, l := range leaves {
			c, err := g.NextColumn()
			if err != nil {
				t.Fatal(err)
			}
			if err := l.write(c); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "f.parquet")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every type that a user's file may hold its columns in.
func TestForeignTypes(t *testing.T) {
	seconds := time.Date(2026, 3, 2, 10, 15, 0, 250_000_000, time.UTC)
	stamp := func(unit schema.TimeUnitType, utc bool) schema.LogicalType {
		return schema.NewTimestampLogicalType(utc, unit)
	}
	int96 := func(day uint32, nanoseconds uint64) (v arrow.Int96) {
		binary.LittleEndian.PutUint64(v[:], nanoseconds)
		binary.LittleEndian.PutUint32(v[8:], day)
		return v
	}
	none := schema.NoLogicalType{}
	for _, c := range []struct {
		name string
		leaf leaf
		want []string
	}{
		{"int32", leaf{node(t, "c", false, none, arrow.Types.Int32), values([]int32{-5, 7}, nil)}, []string{"-5", "7"}},
		{"uint32", leaf{node(t, "c", false, schema.NewIntLogicalType(32, false), arrow.Types.Int32), values([]int32{-1, 7}, nil)}, []string{"4294967295", "7"}},
		{"int64, null", leaf{node(t, "c", true, none, arrow.Types.Int64), values([]int64{math.MinInt64}, []int16{0, 1})}, []string{"null", "-9223372036854775808"}},
		{"uint64", leaf{node(t, "c", false, schema.NewIntLogicalType(64, false), arrow.Types.Int64), values([]int64{-1, 7}, nil)}, []string{"18446744073709551615", "7"}},
		{"double", leaf{node(t, "c", true, none, arrow.Types.Double), values([]float64{5, 0.1}, []int16{1, 1})}, []string{"5", "0.1"}},
		{"double, odd", leaf{node(t, "c", false, none, arrow.Types.Double), values([]float64{math.NaN(), math.Inf(1)}, nil)}, []string{"NaN", "+Inf"}},
		{"float", leaf{node(t, "c", false, none, arrow.Types.Float), values([]float32{0.1, -1e20}, nil)}, []string{"0.1", "-1e+20"}},
		{"bool", leaf{node(t, "c", false, none, arrow.Types.Boolean), values([]bool{true, false}, nil)}, []string{"true", "false"}},
		{"text, null", leaf{node(t, "c", true, schema.StringLogicalType{}, arrow.Types.ByteArray), values([]arrow.ByteArray{arrow.ByteArray("é,\"")}, []int16{1, 0})}, []string{"é,\"", "null"}},
		{"bytes, long", leaf{node(t, "c", false, none, arrow.Types.ByteArray), values([]arrow.ByteArray{nil, bytes.Repeat([]byte("x"), 5000)}, nil)}, []string{"", strings.Repeat("x", 1024)}},
		{"date", leaf{node(t, "c", false, schema.DateLogicalType{}, arrow.Types.Int32), values([]int32{0, 20514}, nil)}, []string{"1970-01-01", "2026-03-02"}},
		{"milliseconds", leaf{node(t, "c", false, stamp(schema.TimeUnitMillis, true), arrow.Types.Int64), values([]int64{seconds.UnixMilli(), 0}, nil)}, []string{"2026-03-02T10:15:00.25Z", "1970-01-01T00:00:00Z"}},
		{"microseconds, local", leaf{node(t, "c", false, stamp(schema.TimeUnitMicros, false), arrow.Types.Int64), values([]int64{seconds.UnixMicro(), 1}, nil)}, []string{"2026-03-02T10:15:00.25", "1970-01-01T00:00:00.000001"}},
		{"nanoseconds", leaf{node(t, "c", false, stamp(schema.TimeUnitNanos, true), arrow.Types.Int64), values([]int64{seconds.UnixNano(), -1}, nil)}, []string{"2026-03-02T10:15:00.25Z", "1969-12-31T23:59:59.999999999Z"}},
		{"far milliseconds", leaf{node(t, "c", false, stamp(schema.TimeUnitMillis, true), arrow.Types.Int64), values([]int64{math.MaxInt64, math.MinInt64}, nil)},
			[]string{"a time without a year of four digits", "a time without a year of four digits"}},
		{"int96", leaf{node(t, "c", false, none, arrow.Types.Int96), values([]arrow.Int96{int96(2440588, 1e9), int96(2440588+20514, 0)}, nil)}, []string{"1970-01-01T00:00:01Z", "2026-03-02T00:00:00Z"}},
	} {
		got, err := foreignRows(t, writeForeign(t, 2, c.leaf))
		want := []string{"1|" + c.want[0], "2|" + c.want[1], "3|" + c.want[0], "4|" + c.want[1]}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %.200q, error %v; expected %.200q", c.name, got, err, want)
		}
	}
	for name, l := range map[string]leaf{
		"decimal":     {node(t, "c", false, schema.NewDecimalLogicalType(5, 2), arrow.Types.Int32), values([]int32{1, 2}, nil)},
		"time of day": {node(t, "c", false, schema.NewTimeLogicalType(true, schema.TimeUnitMillis), arrow.Types.Int32), values([]int32{1, 2}, nil)},
	} {
		if _, err := foreignRows(t, writeForeign(t, 1, l)); err == nil || !strings.Contains(err.Error(), `column "c": holds INT32`) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// Columns with and without nulls over several batches stay side by side.
func TestForeignManyRows(t *testing.T) {
	const n = 5000
	var some []int64
	def, all := make([]int16, n), make([]int64, n)
	for i := range n {
		all[i] = int64(i)
		if i%7 != 3 {
			def[i] = 1
			some = append(some, int64(-i))
		}
	}
	path := writeForeign(t, 3,
		leaf{node(t, "some", true, schema.NoLogicalType{}, arrow.Types.Int64), values(some, def)},
		leaf{node(t, "all", false, schema.NoLogicalType{}, arrow.Types.Int64), values(all, nil)})
	got, err := foreignRows(t, path)
	if err != nil || len(got) != 3*n {
		t.Fatalf("%d rows, error %v", len(got), err)
	}
	for i, line := range got {
		want := fmt.Sprintf("%d|%d|%d", i+1, -(i % n), i%n)
		if i%n%7 == 3 {
			want = fmt.Sprintf("%d|null|%d", i+1, i%n)
		}
		if line != want {
			t.Fatalf("%s, expected %s", line, want)
		}
	}
	if got, err := foreignRows(t, path, "all"); err != nil || got[n] != fmt.Sprintf("%d|0", n+1) {
		t.Errorf("error %v", err)
	}
	// What the caller says ends the reading, as it was said.
	f, err := foreign.Open(t.Context(), path, quick())
	if err != nil {
		t.Fatal(err)
	}
	if f.Rows != 3*n || !slices.Equal(f.Names, []string{"some", "all"}) {
		t.Errorf("%+v", f)
	}
	enough := errors.New("enough")
	if err := f.Read(t.Context(), []int{0}, func(int64, [][]byte) error { return enough }); err != enough {
		t.Errorf("error %v", err)
	}
	if err := f.Read(t.Context(), []int{7}, func(int64, [][]byte) error { return nil }); !errors.Is(err, foreign.ErrUnreadable) || !strings.Contains(err.Error(), "no column 7") {
		t.Errorf("error %v", err)
	}
	if err := f.Read(t.Context(), nil, func(int64, [][]byte) error { return nil }); err == nil {
		t.Errorf("no columns: error %v", err)
	}
}

// A few KB that stand for 400 MB end the reader and not the program.
func TestForeignBomb(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("memory is limited on Linux alone")
		return
	}
	path := writeForeign(t, 1, leaf{
		node(t, "c", false, schema.NoLogicalType{}, arrow.Types.ByteArray),
		values([]arrow.ByteArray{make([]byte, 100<<20)}, nil),
	})
	if info, err := os.Stat(path); err != nil || info.Size() > 1<<20 {
		t.Fatalf("%v bytes, error %v", info.Size(), err)
	}
	o := quick()
	o.Memory = 64 << 20
	f, err := foreign.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Read(t.Context(), []int{0}, func(int64, [][]byte) error { return nil })
	if !errors.Is(err, foreign.ErrUnreadable) || !strings.Contains(err.Error(), "its reader died: exit status 2") {
		t.Errorf("error %v", err)
	}
}

// A file that is damaged at any place gives rows or an error, and never more.
func TestForeignDamage(t *testing.T) {
	path := writeForeign(t, 1,
		leaf{node(t, "a", true, schema.NoLogicalType{}, arrow.Types.Int64), values([]int64{1, 2}, []int16{1, 0, 1})},
		leaf{node(t, "b", false, schema.StringLogicalType{}, arrow.Types.ByteArray), values([]arrow.ByteArray{arrow.ByteArray("x"), arrow.ByteArray("y"), arrow.ByteArray("y")}, nil)})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 3, 4, 11, len(whole) / 2, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := foreignRows(t, path); !errors.Is(err, foreign.ErrUnreadable) {
			t.Errorf("cut to %d bytes: error %v", cut, err)
		}
	}
	for at := 4; at < len(whole); at += len(whole)/24 + 1 {
		damaged := slices.Clone(whole)
		damaged[at] ^= 0xff
		if err := os.WriteFile(path, damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := foreignRows(t, path); err != nil && !errors.Is(err, foreign.ErrUnreadable) || err == nil && len(got) != 3 {
			t.Errorf("byte %d: %d rows, error %v", at, len(got), err)
		}
	}
	if _, err := foreign.Open(t.Context(), filepath.Join(t.TempDir(), "nowhere"), quick()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// Durations of Arrow are bare integers in Parquet; their unit is in the schema of Arrow alone. The file is
// pyarrow's, with the columns arrival (int64), took (duration[us]) and inner.wait (duration[ns]).
func TestDurationsAreRefused(t *testing.T) {
	f, err := foreign.Open(t.Context(), "testdata/duration.parquet", foreign.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	for column, want := range []string{"", `column "took": holds duration[us], whose unit only Arrow's schema of the file knows`, `column "inner.wait": holds duration[ns]`} {
		err := f.Read(t.Context(), []int{column}, func(int64, [][]byte) error { return nil })
		if (err == nil) != (want == "") || err != nil && (!errors.Is(err, foreign.ErrUnreadable) || !strings.Contains(err.Error(), want)) {
			t.Errorf("column %d of %q: error %v, expected %q", column, f.Names, err, want)
		}
	}
}
