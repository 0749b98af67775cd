package lightgbm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/train/gbdt"
	"github.com/incendio-faas/incendio/train/gbdt/lightgbm"
)

// write makes files in a folder of their own and returns the path of the first.
func write(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, files[0])
}

func TestReadTable(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		name   string
		files  []string
		layout lightgbm.Layout
		want   lightgbm.Data
	}{
		{"csv", []string{"a.csv", "1,2,3\n\n4.5, nan ,-6e2\r\n7,-,NA\n"}, lightgbm.Layout{}, lightgbm.Data{Table: &gbdt.Table{
			Columns: []string{"Column_0", "Column_1"}, Rows: 3, Data: []float64{2, 3, nan, -600, nan, nan}, Label: []float32{1, 4.5, 7},
		}}},
		{"tsv with a side file", []string{"a.tsv", "1\t2\n3\t4", "a.tsv.weight", "0.5\n2\n"}, lightgbm.Layout{}, lightgbm.Data{Table: &gbdt.Table{
			Columns: []string{"Column_0"}, Rows: 2, Data: []float64{2, 4}, Label: []float32{1, 3}, Weight: []float32{0.5, 2},
		}}},
		{"by number", []string{"a.csv", "1,2,3,4\n5,6,7,8\n"}, lightgbm.Layout{Label: "2", Weight: "0", Ignore: "1", Categorical: "2,1"}, lightgbm.Data{
			Table: &gbdt.Table{Columns: []string{"Column_0", "Column_1", "Column_2"}, Rows: 2, Data: []float64{1, 2, 4, 5, 6, 8},
				Label: []float32{3, 7}, Weight: []float32{1, 5}},
			Label: 2, Ignore: []int{0, 1}, Categorical: []int{1, 2},
		}},
		// A line that ends in a separator lacks its last value: 0, in LightGBM 4.7.
		{"empty fields", []string{"a.csv", "1,2,3\n2,,3\n3,2,\n4,,\n"}, lightgbm.Layout{}, lightgbm.Data{Table: &gbdt.Table{
			Columns: []string{"Column_0", "Column_1"}, Rows: 4, Data: []float64{2, 3, nan, 3, 2, 0, nan, 0}, Label: []float32{1, 2, 3, 4},
		}}},
		{"empty last label and weight", []string{"a.csv", "2,3,1,1\n2,3,4,\n2,3,0.5,7\n"}, lightgbm.Layout{Label: "3", Weight: "2"}, lightgbm.Data{
			Table: &gbdt.Table{Columns: []string{"Column_0", "Column_1", "Column_2"}, Rows: 3, Data: []float64{2, 3, 1, 2, 3, 4, 2, 3, 0.5},
				Label: []float32{1, 0, 7}, Weight: []float32{1, 4, 0.5}}, Label: 3, Ignore: []int{2},
		}},
		{"ragged ends", []string{"a.csv", strings.Repeat("1,2,3\n", 32) + "2,2\n3\n4,5,6,0,7,0\n5,2,3,\n"}, lightgbm.Layout{}, lightgbm.Data{Table: &gbdt.Table{
			Columns: []string{"Column_0", "Column_1", "Column_2", "Column_3"}, Rows: 36,
			Data:  append(repeated([]float64{2, 3, 0, 0}, 32), 2, 0, 0, 0, 0, 0, 0, 0, 5, 6, 0, 7, 2, 3, 0, 0),
			Label: append(repeated([]float32{1}, 32), 2, 3, 4, 5),
		}}},
		{"line feeds first", []string{"a.csv", "\n\n1,2\r\r\n3,4"}, lightgbm.Layout{}, lightgbm.Data{Table: &gbdt.Table{
			Columns: []string{"Column_0"}, Rows: 3, Data: []float64{0, 2, 4}, Label: []float32{0, 1, 3},
		}}},
		{"byte order mark", []string{"a.csv", "\ufeffy,a\n1,2\n"}, lightgbm.Layout{Header: true, Label: "name:y"}, lightgbm.Data{Table: &gbdt.Table{
			Columns: []string{"a"}, Rows: 1, Data: []float64{2}, Label: []float32{1},
		}}},
		{"header of its own separators", []string{"a.csv", "y\ta b,,c,\n1,2,1e-36\n"}, lightgbm.Layout{Header: true}, lightgbm.Data{Table: &gbdt.Table{
			Columns: []string{"a_b", "c"}, Rows: 1, Data: []float64{2, 0}, Label: []float32{1},
		}}},
		{"tabs", []string{"a.tsv", "1\t2\t3\n1\t\t3\n"}, lightgbm.Layout{}, lightgbm.Data{Table: &gbdt.Table{
			Columns: []string{"Column_0", "Column_1"}, Rows: 2, Data: []float64{2, 3, nan, 3}, Label: []float32{1, 1},
		}}},
		{"by name", []string{"a.csv", "a,my b,y,w\n1,2,3,4\n"},
			lightgbm.Layout{Header: true, Label: "name:y", Weight: "name:w", Ignore: "name:a", Categorical: "name:my b"}, lightgbm.Data{
				Table: &gbdt.Table{Columns: []string{"a", "my_b", "w"}, Rows: 1, Data: []float64{1, 2, 4}, Label: []float32{3}, Weight: []float32{4}},
				Label: 2, Ignore: []int{0, 2}, Categorical: []int{1},
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := lightgbm.ReadTable(write(t, tt.files...), tt.layout)
			if err != nil {
				t.Fatal(err)
			}
			// NaN differs from itself, so compare the texts.
			if g, w := fmt.Sprintf("%+v %+v", *got.Table, *got), fmt.Sprintf("%+v %+v", *tt.want.Table, tt.want); g[:strings.Index(g, "Table:0x")] != w[:strings.Index(w, "Table:0x")] {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
			if got.Label != tt.want.Label || !reflect.DeepEqual(got.Ignore, tt.want.Ignore) || !reflect.DeepEqual(got.Categorical, tt.want.Categorical) {
				t.Errorf("got label %d, ignore %v, categorical %v", got.Label, got.Ignore, got.Categorical)
			}
		})
	}
}

// What is read in an unexpected way is said once, with the first line.
func TestWarnings(t *testing.T) {
	data := "\ufeff\n" + strings.Repeat("1,2,3\n", 31) + "1,2,\n2,,\n1,2\n1,2,3,4\n"
	got, err := lightgbm.ReadTable(write(t, "a", data), lightgbm.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a: a byte order mark at the beginning was left out",
		"a:33: lines like this one (2) end in a separator",
		"a:35: lines like this one (1) have fewer values",
		"a:36: lines like this one (1) have more values",
	}
	if len(got.Warnings) != len(want) {
		t.Fatalf("warnings %q", got.Warnings)
	}
	for i, w := range want {
		if !strings.Contains(got.Warnings[i], w) {
			t.Errorf("warning %q, want %q in it", got.Warnings[i], w)
		}
	}
}

// A file to measure on has the features of that to train on.
func TestReadValid(t *testing.T) {
	train, err := lightgbm.ReadTable(write(t, "a", strings.Repeat("1,2,3\n", 32)+"1,2,3,4\n"), lightgbm.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string][]float64{"1,2,3\n": {2, 3, 0}, "1,2,\n": {2, 0, 0}} {
		got, err := lightgbm.ReadValid(write(t, "a", data), lightgbm.Layout{}, train)
		if err != nil || !reflect.DeepEqual(got.Table.Data, want) || !reflect.DeepEqual(got.Table.Columns, train.Table.Columns) {
			t.Errorf("%q: %v, %v", data, got, err)
		}
	}
	for _, data := range []string{"1,2\n", "1,2,3,4\n"} {
		if _, err := lightgbm.ReadValid(write(t, "a", data), lightgbm.Layout{}, train); err == nil || !strings.Contains(err.Error(), "there must be 2 columns and the label") {
			t.Errorf("%q: error %v", data, err)
		}
	}
	if _, err := lightgbm.ReadValid(write(t, "a", "y,b,c\n1,2,3\n"), lightgbm.Layout{Header: true}, train); err == nil || !strings.Contains(err.Error(), "the header must name") {
		t.Errorf("other names: %v", err)
	}
}

func repeated[T any](v []T, n int) []T {
	var out []T
	for range n {
		out = append(out, v...)
	}
	return out
}

func TestBadData(t *testing.T) {
	tests := []struct {
		name   string
		files  []string
		layout lightgbm.Layout
		want   string
	}{
		{"columns differ", []string{"a", "1,2,3\n\n1,2\n"}, lightgbm.Layout{}, "a: the first 32 lines must have equally many commas"},
		{"tab at the end", []string{"a", "1\t2\t3\n1\t2\t\n"}, lightgbm.Layout{}, "a line that ends in a tab lacks it there"},
		{"tab in a later field", []string{"a", "1,2,3\n1,2,\t3\n"}, lightgbm.Layout{}, `a:2: column 2: "\t3" is not a number`},
		{"quotes", []string{"a", "1,\"2\"\n"}, lightgbm.Layout{}, `a:1: column 1: "\"2\"" is not a number`},
		{"quoted name", []string{"a", "y,\"x\"\n1,2\n"}, lightgbm.Layout{Header: true}, "column names must not hold any of"},
		{"names and longer rows", []string{"a", "y,x\n" + strings.Repeat("1,2\n", 32) + "1,2,3\n"}, lightgbm.Layout{Header: true}, "a:34: must have no more than the 2 columns of the header, got 3"},
		{"colon", []string{"a", "1,2\n1,2:3\n"}, lightgbm.Layout{}, "the LibSVM format is not supported"},
		{"only white space", []string{"a", " \n \n"}, lightgbm.Layout{}, "there are no rows"},
		{"no label among tabs", []string{"a", strings.Repeat("1\t2\t3\n", 32) + "1\t2\n"}, lightgbm.Layout{Label: "2"}, "a:33: the label is missing: the line has 2 columns, and that of the label is 2"},
		{"white space in training", []string{"a", "1,2\n  \n"}, lightgbm.Layout{}, "a:2: label must be a number"},
		{"empty and precise", []string{"a", "1,,2\n"}, lightgbm.Layout{Precise: true}, "a:1: column 1: a value is missing: with precise_float_parser it must be nan"},
		{"NA and precise", []string{"a", "1,NA\n"}, lightgbm.Layout{Precise: true}, "a missing value must be nan"},
		{"space behind and precise", []string{"a", "1,2 \n"}, lightgbm.Layout{Precise: true}, `"2 " is not a number`},
		{"UTF-16", []string{"a", "\xff\xfe1\x00,\x002\x00"}, lightgbm.Layout{}, "a:1: the file is in UTF-16"},
		{"no number", []string{"a", "1,2\n1,x\n"}, lightgbm.Layout{}, `a:2: column 1: "x" is not a number`},
		{"header not told", []string{"a", "y,x\n1,2\n"}, lightgbm.Layout{}, `a:1: column 0: "y" is not a number; a line of names needs header=true`},
		{"NaN label", []string{"a", "1,2\nnan,3\n"}, lightgbm.Layout{}, "a:2: label must be a number"},
		{"huge label", []string{"a", "1e39,2\n"}, lightgbm.Layout{}, "a:1: label must be a number that fits 32 bits"},
		{"infinite", []string{"a", "1,inf\n"}, lightgbm.Layout{}, "a:1: column 1: infinite values are not supported"},
		{"too large", []string{"a", "1,1e400\n"}, lightgbm.Layout{Precise: true}, "infinite values are not supported"},
		{"empty", []string{"a", "\n"}, lightgbm.Layout{}, "there are no rows"},
		{"header only", []string{"a", "y,x\n"}, lightgbm.Layout{Header: true}, "there are no rows"},
		{"no header", []string{"a", ""}, lightgbm.Layout{Header: true}, "there is no header"},
		{"short header", []string{"a", "y\n1,2\n"}, lightgbm.Layout{Header: true}, "the header has 1 names, but the first row has 2 columns"},
		{"one column", []string{"a", "1\n2\n"}, lightgbm.Layout{}, "a row must have a label and a feature"},
		{"libsvm", []string{"a", "1 0:2 3:4\n"}, lightgbm.Layout{}, "the LibSVM format is not supported"},
		{"names without header", []string{"a", "1,2\n"}, lightgbm.Layout{Label: "name:y"}, "names need a header"},
		{"unknown name", []string{"a", "y,x\n1,2\n"}, lightgbm.Layout{Header: true, Label: "name:z"}, `there is no column "z"; columns are y, x`},
		{"label twice", []string{"a", "1,2,3\n"}, lightgbm.Layout{Label: "0,1"}, "label_column must be one column"},
		{"weight twice", []string{"a", "1,2,3\n"}, lightgbm.Layout{Weight: "0,1"}, "weight_column must be one column"},
		{"no such column", []string{"a", "1,2\n"}, lightgbm.Layout{Categorical: "1"}, `categorical_feature must be columns in [0, 1) or name:NAME, got "1"`},
		{"negative weight", []string{"a", "1,2\n", "a.weight", "-1\n"}, lightgbm.Layout{}, "a.weight:1: must be one weight of at least 0"},
		{"few weights", []string{"a", "1,2\n3,4\n", "a.weight", "1\n"}, lightgbm.Layout{}, "weights must be as many as rows (2), got 1"},
		{"two kinds of weights", []string{"a", "1,2\n", "a.weight", "1\n"}, lightgbm.Layout{Weight: "0"}, "both a file and the column"},
		{"weight column", []string{"a", "1,2,-3\n"}, lightgbm.Layout{Weight: "1"}, "a:1: weight must be at least 0, got -3"},
		{"start scores", []string{"a", "1,2\n", "a.init", "1\n"}, lightgbm.Layout{}, "a.init: such side files are not supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := lightgbm.ReadTable(write(t, tt.files...), tt.layout)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
	if _, err := lightgbm.ReadTable(filepath.Join(t.TempDir(), "none"), lightgbm.Layout{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that the file does not exist", err)
	}
}

func TestReadRows(t *testing.T) {
	m := &gbdt.Model{Columns: []string{"a", "b"}, LabelIndex: 1, Trees: []gbdt.Tree{{SplitFeature: []int32{0}}}}
	for _, tt := range []struct {
		data   string
		header bool
		want   []float64
		fails  string
	}{
		{data: "1,9,2\n3,9,4\n", want: []float64{1, 2, 3, 4}},
		{data: "1,2\n3,4\n", want: []float64{1, 2, 3, 4}},
		{data: "a,y,b\n1,9,2\n", want: []float64{1, 2}},
		{data: "a,b\n1,2\n", want: []float64{1, 2}},
		{data: "a,y,b\n1,9,2\n", header: true, want: []float64{1, 2}},
		// Names are found wherever they stand, and b is in no tree.
		{data: "b,a\n1,2\n", want: []float64{2, 1}},
		{data: "z,a,y\n1,2,3\n", header: true, want: []float64{2, 0}},
		// The first line tells of the label by its fields that are not empty.
		{data: "1,,2\n", fails: "the model has 2 columns, which with a label makes 3, got 3; as in LightGBM, the first line tells whether there is a label, by its 2 fields"},
		{data: "1,9,2\n1,,2\n1,,\n", want: []float64{1, 2, 1, 2, 1, 0}},
		{data: "1,2\n,\n,3\n", want: []float64{1, 2, math.NaN(), 0, math.NaN(), 3}},
		{data: strings.Repeat("1,2\n", 32) + "3\n4,5,6\n \n", want: append(repeated([]float64{1, 2}, 32), 3, 0, 4, 5, math.NaN(), 0)},
		{data: "", fails: "there are no rows"},
		{data: "1,2,3,4\n", fails: "the model has 2 columns, which with a label makes 3, got 4"},
		{data: "1\n", fails: "separated by commas or tabs"},
		{data: "c,d\n1,2\n", header: true, fails: `there is no column "a"`},
		{data: "a,a\n1,2\n", header: true, fails: `the name "a" twice`},
		{data: "1,2\n1,2,3\n", fails: "equally many commas"},
	} {
		got, err := lightgbm.ReadRows(write(t, "d", tt.data), m, tt.header, false)
		switch {
		case tt.fails != "":
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%q: error %v, want %q in it", tt.data, err, tt.fails)
			}
		case err != nil:
			t.Errorf("%q: %v", tt.data, err)
		case fmt.Sprint(got.Table.Data) != fmt.Sprint(tt.want) || got.Table.Rows*2 != len(tt.want):
			t.Errorf("%q: %d rows of %v", tt.data, got.Table.Rows, got.Table.Data)
		}
	}
}

// numbers reads values as a row of a data file.
func numbers(t testing.TB, precise bool, fields ...string) []float64 {
	t.Helper()
	d, err := lightgbm.ReadTable(write(t, "d", "0,"+strings.Join(fields, ",")+"\n"), lightgbm.Layout{Precise: precise})
	if err != nil {
		t.Fatal(err)
	}
	return d.Table.Data
}

// Numbers come out as LightGBM adds them up, which is not always the nearest.
func TestNumbers(t *testing.T) {
	for _, tt := range []struct {
		field string
		want  float64
	}{
		{"1", 1}, {"-2.5", -2.5}, {"+3", 3}, {".5", 0.5}, {"5.", 5}, {"1e3", 1000}, {"1E-2", 0.01}, {"2e+2", 200},
		{"-0", math.Copysign(0, -1)}, {"e3", 0}, {"3e", 3}, {"2e-", 2}, {"1e-36", 0},
		// As LightGBM 4.6 wrote them into the feature_infos of a model.
		{"4.35", 4.3499999999999996},
		{"0.1234567890123456789", 0.12345678901234571}, // the nearest is ...568
		{"12.3e-7", 1.2300000000000001e-06},
		{"1.1e23", 1.1e+23},
		{"1e-30", 1.0000000000000001e-30},
		{"2.718281828459045e-5", 2.7182818284590452e-05},
		{"9.87654321e15", 9876543210000000},
	} {
		if got := numbers(t, false, tt.field)[0]; math.Float64bits(got) != math.Float64bits(tt.want) {
			t.Errorf("%s is %v, want %v", tt.field, got, tt.want)
		}
	}
	if t.Failed() {
		return
	}
	rapid.Check(t, func(r *rapid.T) {
		v := rapid.Float64Range(-1e15, 1e15).Filter(func(v float64) bool { return v == 0 || math.Abs(v) > 1e-35 }).Draw(r, "v")
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if got := numbers(t, true, s)[0]; got != v {
			r.Fatalf("%s is %v when precise", s, got)
		}
		// Some units in the last place for the exponent's power, relative to 2^-53.
		if got := numbers(t, false, s)[0]; math.Abs(got-v) > 64*0x1p-53*math.Abs(v) {
			r.Fatalf("%s is %v", s, got)
		}
	})
}

func FuzzReadTable(f *testing.F) {
	f.Add([]byte("1,2,3\n4,nan,-6e2\n"), false)
	f.Add([]byte("y\tx\n1\t2\n"), true)
	f.Add([]byte("1 0:2\n"), false)
	f.Fuzz(func(t *testing.T, data []byte, header bool) {
		path := filepath.Join(t.TempDir(), "d")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, precise := range []bool{false, true} {
			d, err := lightgbm.ReadTable(path, lightgbm.Layout{Header: header, Precise: precise})
			if err != nil {
				continue
			}
			if len(d.Table.Data) != d.Table.Rows*len(d.Table.Columns) || len(d.Table.Label) != d.Table.Rows || d.Table.Rows == 0 {
				t.Fatalf("%d rows of %d columns with %d values and %d labels", d.Table.Rows, len(d.Table.Columns), len(d.Table.Data), len(d.Table.Label))
			}
			for _, v := range d.Table.Data {
				if math.IsInf(v, 0) {
					t.Fatal("an infinite value")
				}
			}
			if bytes.Contains(data, []byte("inf")) && !header {
				t.Fatal("an infinity was read as a number")
			}
		}
	})
}
