package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// incendio runs a command line in this process.
func incendio(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

// tiny is a whole run, small, in a folder of its own.
func tiny(t *testing.T, workers string) (folder string) {
	t.Helper()
	dir := t.TempDir()
	folder = filepath.Join(dir, "run")
	code, _, stderr := incendio(t, "run", "--config", "testdata/tiny.yaml", "--store", filepath.Join(dir, "store"),
		"--out", folder, "--workers", workers, "--json")
	if code != 0 {
		t.Fatalf("run with %s workers: exit code %d\n%s", workers, code, stderr)
	}
	return folder
}

// files are the contents of all files below a folder, by name.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		out[rel], err = os.ReadFile(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// untimed removes the objects called timing.
func untimed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "timing")
		for _, x := range v {
			untimed(x)
		}
	case []any:
		for _, x := range v {
			untimed(x)
		}
	}
	return v
}

// decode returns a JSON file without what depends on the clock.
func decode(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return untimed(v)
}

// TestWorkers holds the promise that results do not depend on the number of workers:
// all but what stands in "timing" is equal, byte for byte. The bundle that comes of it
// is then damaged in every way.
func TestWorkers(t *testing.T) {
	one, two := tiny(t, "1"), tiny(t, "2")
	for _, part := range []string{"frames", "models", "bundle"} {
		a, b := files(t, filepath.Join(one, part)), files(t, filepath.Join(two, part))
		if len(a) == 0 || len(a) != len(b) {
			t.Errorf("%s: %d files with one worker, %d with two", part, len(a), len(b))
		}
		for name, data := range a {
			if !bytes.Equal(data, b[name]) && !(part == "models" && filepath.Ext(name) == ".json" && reflect.DeepEqual(decode(t, data), decode(t, b[name]))) {
				t.Errorf("%s differs between one worker and two", filepath.Join(part, name))
			}
		}
	}
	var metrics [2]any
	for i, folder := range []string{one, two} {
		data, err := os.ReadFile(filepath.Join(folder, "metrics.json"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), `"timing"`) {
			t.Error("metrics.json has no timing: the test leaves out what is not there")
		}
		metrics[i] = decode(t, data)
	}
	if !reflect.DeepEqual(metrics[0], metrics[1]) {
		t.Error("metrics.json differs between one worker and two")
	}

	t.Run("Damage", func(t *testing.T) { damage(t, filepath.Join(one, "bundle")) })
}

// damage changes one byte of every file of a bundle in turn, takes every file away in
// turn, and adds some: bundle verify finds it each time.
func damage(t *testing.T, dir string) {
	verify := func(want int, what string) {
		t.Helper()
		code, stdout, stderr := incendio(t, "bundle", "verify", dir)
		if code != want {
			t.Errorf("%s: exit code %d, want %d\n%s", what, code, want, stderr)
		}
		if want != 0 && stdout != "" {
			t.Errorf("%s: verify prints %q", what, stdout)
		}
	}
	verify(0, "as exported")
	all := files(t, dir)
	if len(all) < 10 {
		t.Fatalf("the bundle has %d files", len(all))
	}
	for name, data := range all {
		path := filepath.Join(dir, name)
		write := func(data []byte) {
			t.Helper()
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, at := range []int{0, len(data) / 2, len(data) - 1} {
			changed := bytes.Clone(data)
			changed[at] ^= 1
			write(changed)
			verify(codeIntegrity, name+" changed")
		}
		write(data[:len(data)-1])
		verify(codeIntegrity, name+" cut short")
		write(append(bytes.Clone(data), '\n'))
		verify(codeIntegrity, name+" grown")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		verify(codeIntegrity, name+" gone")
		write(data)
	}
	for _, name := range []string{"extra.txt", ".hidden", "forecast/extra.txt", "new/extra.txt"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		verify(codeIntegrity, "with "+name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	verify(codeIntegrity, "with an empty folder")
	if err := os.Remove(filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	verify(0, "mended")
}
