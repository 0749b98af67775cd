package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"incendio": main})
}

// TestScripts runs the program as a person or cron would. Beside the commands of
// testscript the scripts have
//
//	exits CODE COMMAND…      run it and check its exit code
//	keys FILE PATH KEY…      the object at PATH of a JSON file has these keys and no others
//	value FILE PATH WANT     the value at PATH of a JSON file, in JSON
//	same FILE PATH OTHER PATH  two JSON files have the same value there
//	keep DIR, kept DIR       DIR is, byte for byte but for locks, as it was at keep
//	pack FORM OUT PATH       write an archive or a compressed file
//
// A PATH is keys and indices joined by dots, and "." the whole; stdout is a FILE.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			for _, from := range []string{"testdata/tiny.yaml", "../../datasets/parquet/foreign/testdata/duration.parquet"} {
				data, err := os.ReadFile(from)
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(e.WorkDir, filepath.Base(from)), data, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "keys": keys, "value": value, "between": between, "same": same, "keep": keep, "kept": kept, "pack": pack,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func keys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: keys FILE PATH KEY…")
	}
	object, ok := at(ts, args[0], args[1]).(map[string]any)
	if !ok {
		ts.Fatalf("%s of %s is no object", args[1], args[0])
	}
	var got []string
	for k := range object {
		got = append(got, k)
	}
	slices.Sort(got)
	want := slices.Clone(args[2:])
	slices.Sort(want)
	if !slices.Equal(got, want) {
		ts.Fatalf("%s of %s has the keys %v, want %v", args[1], args[0], got, want)
	}
}

func value(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: [!] value FILE PATH WANT")
	}
	var want any
	ts.Check(json.Unmarshal([]byte(args[2]), &want))
	got := at(ts, args[0], args[1])
	if reflect.DeepEqual(got, want) == neg {
		ts.Fatalf("%s of %s is %v", args[1], args[0], got)
	}
}

func between(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: [!] between FILE PATH LOW HIGH")
	}
	low, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	high, err := strconv.ParseFloat(args[3], 64)
	ts.Check(err)
	if v, ok := at(ts, args[0], args[1]).(float64); !ok || (low <= v && v <= high) == neg {
		ts.Fatalf("%s of %s is %v, tested with [%g, %g]", args[1], args[0], at(ts, args[0], args[1]), low, high)
	}
}

func same(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: [!] same FILE PATH OTHER PATH")
	}
	if a, b := at(ts, args[0], args[1]), at(ts, args[2], args[3]); reflect.DeepEqual(a, b) == neg {
		ts.Fatalf("%s of %s is %v, %s of %s is %v", args[1], args[0], a, args[3], args[2], b)
	}
}

// at returns the value at a path of a JSON file, which must hold nothing else.
func at(ts *testscript.TestScript, file, path string) any {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	var v any
	ts.Check(d.Decode(&v))
	if d.More() {
		ts.Fatalf("%s holds more than one JSON value", file)
	}
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' }) {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[step]
			if !ok {
				ts.Fatalf("%s: no %q of %s", file, step, path)
			}
			v = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				ts.Fatalf("%s: no %q of %s in a list of %d", file, step, path, len(x))
			}
			v = x[i]
		default:
			ts.Fatalf("%s: no %q of %s", file, step, path)
		}
	}
	return v
}

func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keep DIR")
	}
	ts.Setenv("KEPT_"+args[0], contents(ts, args[0]))
}

func kept(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: kept DIR")
	}
	if before, now := ts.Getenv("KEPT_"+args[0]), contents(ts, args[0]); now != before {
		ts.Fatalf("%s was\n%s\nand is\n%s", args[0], before, now)
	}
}

// contents has a line for every file below a folder.
func contents(ts *testscript.TestScript, dir string) string {
	root := ts.MkAbs(dir)
	var b bytes.Buffer
	ts.Check(filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			fmt.Fprintf(&b, "%s/\n", rel)
			return nil
		}
		if filepath.Base(name) == ".lock" { // which says who held it last
			return nil
		}
		data, err := os.ReadFile(name)
		fmt.Fprintf(&b, "%s %x\n", rel, sha256.Sum256(data))
		return err
	}))
	return b.String()
}
