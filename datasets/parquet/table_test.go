package parquet_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets/parquet"
)

// table has several row groups, and strings that are too many for a dictionary.
func table(rows int) []parquet.Column {
	i32, i64, f64 := make([]int32, rows), make([]int64, rows), make([]float64, rows)
	text, flag := make([]string, rows), make([]bool, rows)
	list, times := make([][]float64, rows), make([][]int64, rows)
	for i := range rows {
		i32[i], i64[i], f64[i] = int32(i/7), int64(i)<<33-5, float64(i)/3
		text[i], flag[i] = fmt.Sprintf("%s-%d", strings.Repeat("row", i%13), i), i%3 == 0
		for k := range i % 4 {
			list[i] = append(list[i], float64(i+k))
			times[i] = append(times[i], int64(i-k))
		}
	}
	if rows > 2 {
		f64[1], f64[2], text[1] = math.Inf(-1), math.MaxFloat64, ""
	}
	return []parquet.Column{
		{Name: "a", Data: i32}, {Name: "b", Data: i64}, {Name: "c", Data: f64}, {Name: "d", Data: text},
		{Name: "e", Data: flag}, {Name: "f", Data: list}, {Name: "g", Data: times},
	}
}

func TestTableRoundTrip(t *testing.T) {
	for _, rows := range []int{0, 1, 3, 1<<17 + 1} {
		dir := t.TempDir()
		path, again := filepath.Join(dir, "t.parquet"), filepath.Join(dir, "u.parquet")
		want := table(rows)
		for _, p := range []string{path, path, again} { // the second write replaces the first
			if err := parquet.WriteTable(p, want); err != nil {
				t.Fatal(err)
			}
		}
		got, err := parquet.ReadTable(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if got[i].Name != want[i].Name || got[i].Len() != rows || rows > 0 && !reflect.DeepEqual(got[i].Data, want[i].Data) {
				t.Errorf("%d rows: column %q came back different", rows, want[i].Name)
			}
		}
		a, _ := os.ReadFile(path)
		b, _ := os.ReadFile(again)
		if !bytes.Equal(a, b) {
			t.Errorf("%d rows: equal tables gave different bytes", rows)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 2 {
			t.Errorf("%d rows: the folder holds %v", rows, entries)
		}
	}
}

// Strings that are all different once overflowed the dictionary, and the footer then
// listed the two encodings in random order: one file in ten differed.
func TestTableHasTheSameBytesForAnyNumberOfWorkers(t *testing.T) {
	names, counts := make([]string, 1<<17), make([]int64, 1<<17)
	for i := range names {
		names[i], counts[i] = fmt.Sprintf("%032x", i*i), int64(i%1000)
	}
	dir := t.TempDir()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first []byte
	for k := range 6 {
		runtime.GOMAXPROCS(1 + k%4)
		path := filepath.Join(dir, fmt.Sprint(k))
		if err := parquet.WriteTable(path, []parquet.Column{{Name: "name", Data: names}, {Name: "count", Data: counts}}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Fatalf("write %d: equal names gave different bytes", k)
		}
	}
}

// Whatever the values, and so the encoding, a column comes back bit by bit.
func TestEveryEncodingRoundTrips(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.parquet")
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(0, 600).Draw(t, "rows")
		// Few or many values, near each other or not, in runs or not.
		distinct := rapid.SampledFrom([]int{1, 2, 200, 300, 1 << 30}).Draw(t, "distinct")
		run := rapid.SampledFrom([]int{1, 1, 7, 40}).Draw(t, "run")
		scale := rapid.SampledFrom([]int64{1, -3, 1 << 17, math.MaxInt64 / 300}).Draw(t, "scale")
		src := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		a, b, c, d := make([]int32, rows), make([]int64, rows), make([]float64, rows), make([]string, rows)
		e, f, g := make([]bool, rows), make([][]int64, rows), make([][]float64, rows)
		v := int64(0)
		for i := range rows {
			if i%run == 0 {
				v = src.Int64N(int64(distinct)) * scale
			}
			a[i], b[i], c[i], d[i] = int32(v), v, math.Float64frombits(uint64(v)), strings.Repeat("x", int(v&3))+fmt.Sprint(v)
			e[i] = v&1 == 0
			for range src.IntN(3) {
				f[i], g[i] = append(f[i], v), append(g[i], float64(v))
			}
		}
		want := []parquet.Column{
			{Name: "a", Data: a}, {Name: "b", Data: b}, {Name: "c", Data: c}, {Name: "d", Data: d}, {Name: "e", Data: e}, {Name: "f", Data: f}, {Name: "g", Data: g},
		}
		if err := parquet.WriteTable(path, want); err != nil {
			t.Fatal(err)
		}
		got, err := parquet.ReadTable(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got[2].Data.([]float64) { // a NaN equals nothing
			if math.Float64bits(v) != math.Float64bits(c[i]) {
				t.Fatalf("row %d: %x, expected %x", i, math.Float64bits(v), math.Float64bits(c[i]))
			}
		}
		got[2].Data = c
		for i := range want {
			if rows > 0 && !equal(got[i].Data, want[i].Data) {
				t.Fatalf("column %q: %v, expected %v", want[i].Name, got[i].Data, want[i].Data)
			}
		}
	})
}

// equal compares columns; NaN is taken to equal itself.
func equal(a, b any) bool { return reflect.DeepEqual(a, b) || fmt.Sprint(a) == fmt.Sprint(b) }

// Strings that are long for a page, and one that is longer than any.
func TestLongStrings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.parquet")
	text := make([]string, 300)
	for i := range text {
		text[i] = strings.Repeat(fmt.Sprint(i), 5000)
	}
	text[7] = strings.Repeat("long", 1<<20)
	if err := parquet.WriteTable(path, []parquet.Column{{Name: "a", Data: text}}); err != nil {
		t.Fatal(err)
	}
	got, err := parquet.ReadTable(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[0].Data.([]string), text) {
		t.Error("other strings came back")
	}
}

func TestTableRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.parquet")
	for name, c := range map[string]struct {
		columns []parquet.Column
		want    string
	}{
		"lengths": {[]parquet.Column{{Name: "a", Data: []int32{1}}, {Name: "b", Data: []int32{1, 2}}}, `column "b" has 2 rows, column "a" has 1`},
		"twice":   {[]parquet.Column{{Name: "a", Data: []int32{1}}, {Name: "a", Data: []int32{1}}}, `column "a": names must be unique`},
		"type":    {[]parquet.Column{{Name: "a", Data: []uint8{1}}}, `column "a": a column of []uint8 cannot be stored`},
	} {
		if err := parquet.WriteTable(path, c.columns); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a refused table left a file: %v", err)
	}
}

// A damaged file is an error or reads as some table, but never ends the program.
func TestReadTableSurvivesDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "t.parquet")
	if err := parquet.WriteTable(path, table(500)); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	try := func(b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := parquet.ReadTable(path); err != nil {
			failed++
			if !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name the file: %v", err)
			}
		}
	}
	for n := 0; n < len(good); n += 397 {
		try(good[:n])
	}
	cut := failed
	if want := (len(good) + 396) / 397; cut != want {
		t.Errorf("%d of %d truncated files were refused", cut, want)
	}
	for i := 0; i < len(good); i += 151 {
		b := bytes.Clone(good)
		b[i] ^= 0xff
		try(b)
	}
	if failed == cut {
		t.Error("no damage was noticed")
	}
}
