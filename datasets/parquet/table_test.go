package parquet_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

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
func TestTableOfManyNamesHasOneEncoding(t *testing.T) {
	names := make([]string, 1<<17)
	for i := range names {
		names[i] = fmt.Sprintf("%032x", i*i)
	}
	dir := t.TempDir()
	var first []byte
	for k := range 24 {
		path := filepath.Join(dir, fmt.Sprint(k))
		if err := parquet.WriteTable(path, []parquet.Column{{Name: "name", Data: names}}); err != nil {
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
