package rows_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/parquet/foreign"
)

func TestMain(m *testing.M) {
	if code, is := foreign.Serve(os.Args); is {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

var ab = []rows.Column{{Name: "a", Required: true}, {Name: "b"}}

// write puts a file into a folder of its own and finds it.
func write(t testing.TB, name, text string) rows.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	files, _, err := rows.Find(path)
	if err != nil {
		t.Fatal(err)
	}
	return files[0]
}

// scan returns a line of text for every row of a file: its line, and its cells or why
// it was rejected.
func scan(f rows.File, names rows.Names) (out []string, found rows.Result, err error) {
	found, err = f.Scan(context.Background(), ab, names, rows.Handler{
		Begin: func(present []bool) error {
			out = append(out, fmt.Sprint(present))
			return nil
		},
		Row: func(line int, cells [][]byte) (rows.Fault, error) {
			text := fmt.Sprint(line)
			for _, c := range cells {
				if c == nil {
					text += "|null"
				} else {
					text += "|" + string(c)
				}
			}
			out = append(out, text)
			return rows.Fault{}, nil
		},
		Reject: func(reason string, e *datasets.SyntaxError) error {
			if e.File != f.Path {
				return fmt.Errorf("file %q", e.File)
			}
			out = append(out, fmt.Sprintf("%d! %s: %s", e.Line, reason, e.Msg))
			return nil
		},
	})
	return out, found, err
}

func TestScan(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name, text string
		want       []string
		extra      []string
	}{
		{"plain", "a,b\n1,2\n3,4\n", []string{"[true true]", "2|1|2", "3|3|4"}, nil},
		{"no line end, no second column, others", "x,a,y\n1,2,3\n,,", []string{"[true false]", "2|2|null", "3||null"}, []string{"x", "y"}},
		{"BOM, mixed line ends, blank lines", "\ufeffA, b \r\n1,2\r\n\n3,4\n\r\n5,6\r\n", []string{"[true true]", "2|1|2", "4|3|4", "6|5|6"}, nil},
		{"quotes", `"a",b` + "\n" + `"1,5","x ""y"" z"` + "\n" + `"",""""` + "\n", []string{"[true true]", `2|1,5|x "y" z`, `3||"`}, nil},
		{"line ends in quotes", "a,b\n\"1\n2\",\"3\r\n\n4\"\n5,6\n", []string{"[true true]", "2|1\n2|3\r\n\n4", "6|5|6"}, nil},
		{"BOM before quotes", "\ufeff\"a\",\"b\n\"\n1,2\n", []string{"[true true]", "3|1|2"}, nil},
		{"ragged", "a,b\n1\n1,2,3\n1,2\n", []string{"[true true]", "2! ragged row: 1 columns, expected 2", "3! ragged row: 3 columns, expected 2", "4|1|2"}, nil},
		{"bad quotes", "a,b\n1,x\"y\n\"1\"2,3\n4,5\n", []string{
			"[true true]", "2! bad quote: column 2: a quote within a field that does not begin with one", `3! bad quote: column 1: '2' after its closing quote`, "4|4|5"}, nil},
		{"open quote", "a,b\n1,\"2\n3,4\n5,6", []string{"[true true]", "2! bad quote: column 2: its quote is not closed within 1048576 bytes", "3|3|4", "4|5|6"}, nil},
		{"open quote before others", "a,b\n1,\"2\n3,4\n5,\"6\"\n", []string{"[true true]", `2! bad quote: column 2: '6' after its closing quote`, "3|3|4", "4|5|6"}, nil},
		{"long lines", "a,b\n1," + long + "\n3,4\n" + long + long + long + "\n5,6\n" + long, []string{
			"[true true]", "2! long line: longer than 1048576 bytes", "3|3|4", "4! long line: longer than 1048576 bytes", "5|5|6", "6! long line: longer than 1048576 bytes"}, nil},
		{"only a header", "a,b\n", []string{"[true true]"}, nil},

		{"objects", "{\"a\":1,\"b\":\"x\"}\n\n{\"b\":null, \"a\" : -1.5e+3 }\r\n{\"a\":\"\"}", []string{"[true true]", "1|1|x", "3|-1.5e+3|null", "4||null"}, nil},
		{"escapes and nested values", `{"c":{"a":[1]},"a":"\u0041\n","A":2,"b":true}` + "\n" + `{"a":"x","c":[[]],"d":0}`,
			[]string{"[true true]", "1|A\n|true", "2|x|null"}, []string{"c", "A", "d"}},
		{"later columns", "{\"a\":1}\n{\"a\":2,\"b\":3}\n", []string{"[true false]", "1|1|null", "2|2|3"}, nil},
		{"bad objects", "{\"a\":1}\n{\"a\":1,}\n{\"a\":01}\n{\"a\":1} {}\n[1]\n{\"a\":\"\xff\"}\n{\"a\":{}}\n{\"a\":1,\"a\":2}\n{\"a\":2\n{\"a\":9}", []string{
			"[true false]", "1|1|null",
			"2! bad json: no JSON: invalid character '}' looking for beginning of object key string",
			"3! bad json: no JSON: invalid character '1' after object key:value pair",
			"4! bad json: more than one JSON value",
			"5! bad json: must be a JSON object",
			"6! bad json: not UTF-8",
			`7! bad json: value of "a": must be a string or a number`,
			`8! bad json: key "a" is there twice`,
			"9! bad json: the JSON object is cut short",
			"10|9|null"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, found, err := scan(write(t, "f", c.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("rows\n%.200q, expected\n%.200q", got, c.want)
			}
			if !slices.Equal(found.Extra, c.extra) || found.Rows != int64(len(c.want)-1) {
				t.Errorf("%d rows, other columns %q; expected %d, %q", found.Rows, found.Extra, len(c.want)-1, c.extra)
			}
		})
	}
}

func TestColumns(t *testing.T) {
	for _, c := range []struct {
		header string
		names  rows.Names
		want   string // the row 1,2,3 of the header's columns, or the error
	}{
		{"b,a,c", nil, "2|2|1"},
		{"B,A,a", nil, "2|3|1"},
		{"x,y,b", rows.Names{"a": "y"}, "2|2|3"},
		{"x,y,b", rows.Names{"a": "y", "b": ""}, "2|2|null"},
		{"x,Y,b", rows.Names{"a": "y"}, "2|2|3"},
		{"x,y,z", nil, `1: column "a" is missing: the file has "x", "y", "z"; name another by --columns a=NAME`},
		{"x,y,z", rows.Names{"a": "x", "b": "q"}, `1: column "q" is missing`},
		{"a,y,z", rows.Names{"a": ""}, "1: column a is needed, and --columns says that there is none"},
		{"a,y,a", nil, `1: column "a" is there twice`},
		{"A,Á,A", nil, `1: column a is ambiguous: "A" or "A"; name one by --columns a=NAME`},
		{"a,b,B", rows.Names{"b": "a"}, `1: column "a" cannot be both a and b`},
		{"a\x00,b,c", nil, `1: "a\x00,b,c": expected the header of a CSV file, JSON lines or Parquet`},
		{`a,"b,c`, nil, `1: column 2: its quote is not closed within 1048576 bytes: expected a header`},
	} {
		f := write(t, "f.csv", c.header+"\n1,2,3\n")
		got, _, err := scan(f, c.names)
		switch {
		case err != nil:
			if got := strings.TrimPrefix(err.Error(), f.Path+":"); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s %v: %s; expected %s", c.header, c.names, got, c.want)
			}
		case got[1] != c.want:
			t.Errorf("%s %v: %s; expected %s", c.header, c.names, got[1], c.want)
		}
	}
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What a file holds decides, and its name must not say otherwise.
func TestRecognise(t *testing.T) {
	table := filepath.Join(t.TempDir(), "t")
	if err := parquet.WriteTable(table, []parquet.Column{{Name: "a", Data: []int64{7, 8}}, {Name: "b", Data: []string{"x", "y"}}}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		want       string // the kind, or the error after the path
	}{
		{"f", "a,b\n", "CSV"}, {"f.csv", "a,b\n", "CSV"}, {"f.csv.gz", gzipped(t, "a,b\n"), "CSV"}, {"f", gzipped(t, " \n{}"), "JSON lines"},
		{"f.json", "{}", "JSON lines"}, {"f.NDJSON", "\ufeff {}", "JSON lines"},
		{"f.parquet", string(raw), "Parquet"}, {"f", string(raw), "Parquet"}, {"f", "xxxx" + string(raw[4:]), "Parquet"},
		{"f.csv", string(raw), ": is CSV by its name, but holds Parquet"},
		{"f.parquet", "a,b\n", ": is Parquet by its name, but holds CSV"},
		{"f.jsonl", "a,b\n", ": is JSON lines by its name, but holds CSV"},
		{"f.csv.gz", "a,b\n", "CSV"},
		{"f.gz", gzipped(t, string(raw)), ": holds Parquet within gzip: unpack it first"},
		{"f", "", ":1: empty: expected a header or a row"},
		{"f.gz", gzipped(t, ""), ":1: empty: expected a header or a row"},
		{"f.gz", gzipped(t, "a,b\n")[:12], ": truncated gzip: unexpected EOF"},
		{"f.gz", "\x1f\x8b\x08\xff\xff\xff", ": truncated gzip: unexpected EOF"},
		{"f.gz", "\x1f\x8bxxxxxxxxxxxxxxxxx", ": damaged gzip: gzip: invalid header"},
		{"f", "[{}]", "a JSON array"}, {"f.json.gz", gzipped(t, "\n[{}]"), "a JSON array"},
		{"f.csv", "[{}]", ": is CSV by its name, but holds a JSON array"},
		{"f.csv", "PK\x03\x04aaaa", ": truncated or damaged zip: the directory at its end is missing"},
		{"f.csv", "Rar!\x1a\x07\x01\x00", ": holds a RAR archive, which is not read: unpack it with"},
		{"f", "PARE1234", ": holds encrypted Parquet: expected"},
		{"f", "\xff\xfea\x00,\x00", ": holds UTF-16 text: expected"},
	} {
		path := filepath.Join(t.TempDir(), c.name)
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		files, _, err := rows.Find(path)
		got := ""
		if err != nil {
			got = strings.TrimPrefix(err.Error(), path)
		} else {
			got = files[0].Kind.String()
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %.20q: %s; expected %s", c.name, c.text, got, c.want)
		}
	}
	if got, _, err := scan(write(t, "f", "[{\"a\":1,\"n\":7},\n{\"a\":2}]"), nil); err != nil || len(got) != 3 {
		t.Errorf("an array of objects: %q, error %v", got, err)
	}
	if _, _, err := scan(write(t, "f", "[1,2]"), nil); err == nil || !strings.HasSuffix(err.Error(), ":1: '1': expected an object") {
		t.Errorf("an array of numbers: error %v", err)
	}
	if got, _, err := scan(write(t, "f.parquet", string(raw)), nil); err != nil || !slices.Equal(got, []string{"[true true]", "1|7|x", "2|8|y"}) {
		t.Errorf("rows %q, error %v", got, err)
	}
}

func TestFindFolder(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.csv": "a\n", "a.csv.gz": gzipped(t, "a\n"), "sub/c.jsonl": "{}", ".hidden/x.csv": "a\n", "_SUCCESS": "", "README.md": "# a", "z": "a\n",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, ignored, err := rows.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names, series []string
	for _, f := range files {
		names, series = append(names, f.Name), append(series, f.Series())
	}
	if want := []string{"a.csv.gz", "b.csv", "sub/c.jsonl"}; !slices.Equal(names, want) {
		t.Errorf("files %q, expected %q", names, want)
	}
	if want := []string{"a", "b", "sub/c"}; !slices.Equal(series, want) {
		t.Errorf("series %q, expected %q", series, want)
	}
	if want := []string{"README.md", "z"}; !slices.Equal(ignored, want) {
		t.Errorf("ignored %q, expected %q", ignored, want)
	}
	if _, _, err := rows.Find(filepath.Join(dir, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, _, err := rows.Find(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no file: expected .csv, .jsonl") {
		t.Errorf("error %v", err)
	}
}

// A gzip file that says little and holds much: one line, or blank ones, without end.
func TestGzipBombs(t *testing.T) {
	for name, c := range map[string]struct{ unit, want string }{
		"one line":    {"x", "rows [[true true] 2! long line: longer than 1048576 bytes], error <nil>"},
		"blank lines": {"\n", "more than 1048576 blank lines: expected rows"},
	} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		io.WriteString(w, "a,b\n") // to memory
		block := []byte(strings.Repeat(c.unit, 1<<20))
		for range 64 {
			w.Write(block)
		}
		w.Close()
		got, _, err := scan(write(t, "bomb.csv.gz", b.String()), nil)
		if text := fmt.Sprintf("rows %v, error %v", got, err); !strings.Contains(text, c.want) {
			t.Errorf("%s: %s; expected %s", name, text, c.want)
		}
	}
}

func TestCancel(t *testing.T) {
	f := write(t, "f.csv", "a,b\n1,2\n")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := f.Scan(ctx, ab, nil, rows.Handler{Begin: func([]bool) error { return nil }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Where encoding/csv reads all of a text, so does Scan, and alike.
func FuzzCSV(f *testing.F) {
	f.Add("a,b\n1,2\n")
	f.Add("a,b\r\n\"1\n\"\"2\",\r\n\n3,\"\"")
	f.Add("a,b\n1,\"2\n3,4\n")
	f.Add("\ufeffa,b\n\"\"\"\",\"\r\n\"")
	f.Add("a,b\n\r\n\r,\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		text = "a,b\n" + text
		got, found, err := scan(write(t, "f", text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if found.Rows != int64(len(got)-1) {
			t.Fatalf("%d rows, %d results", found.Rows, len(got)-1)
		}
		r := csv.NewReader(strings.NewReader(text))
		want, err := r.ReadAll()
		// encoding/csv drops a carriage return before a line end within quotes.
		if err != nil || strings.Contains(text, "\r") {
			return
		}
		var rest []string
		for _, w := range want[1:] {
			rest = append(rest, w[0]+"|"+w[1])
		}
		var mine []string
		for _, g := range got[1:] {
			_, cells, _ := strings.Cut(g, "|")
			mine = append(mine, cells)
		}
		if !reflect.DeepEqual(mine, rest) {
			t.Fatalf("%q: %q, encoding/csv has %q", text, mine, rest)
		}
	})
}
