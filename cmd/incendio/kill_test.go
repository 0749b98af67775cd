//go:build unix

package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// The program is killed with kill -9 as soon as its ingest has made a certain file, or a
// little later: the store then has the trace of before or that of after, and the same
// command works and leaves nothing else.
func TestKilledIngest(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "incendio") // by this name the test binary is the program
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := incendio(t, args...)
		if code != 0 {
			t.Fatalf("%q: exit code %d\n%s", args, code, stderr)
		}
		return stdout
	}
	one, three := filepath.Join(dir, "one"), filepath.Join(dir, "three")
	do("synth", "--layout", "azure2019", "--functions", "300", "--days", "1", "--out", one)
	do("synth", "--layout", "azure2019", "--functions", "300", "--days", "3", "--out", three)
	ingest := func(folder, store string) []string {
		return []string{"ingest", "azure2019", folder, "--name", "t", "--store", store, "--replace"}
	}
	clean := filepath.Join(dir, "clean")
	do(ingest(one, clean)...)
	before := do("traces", "--store", clean, "--json")
	do(ingest(three, clean)...)
	after, whole := do("traces", "--store", clean, "--json"), files(t, clean)

	for _, made := range []string{".staging-t", ".staging-t/minutes/day=000.parquet", ".staging-t/minutes/day=002.parquet", ".staging-t/functions.parquet", ".staging-t/manifest.json", "t/minutes/day=002.parquet"} {
		store := filepath.Join(dir, "store")
		do(ingest(one, store)...)
		child := exec.Command(program, ingest(three, store)...)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- child.Wait() }()
		for waiting := true; waiting; {
			select {
			case err := <-ended: // it was faster than this loop
				ended <- err
				waiting = false
			case <-time.After(100 * time.Microsecond):
				_, err := os.Stat(filepath.Join(store, "traces", made))
				waiting = err != nil
			}
		}
		_ = child.Process.Kill() // it may have ended
		if err := <-ended; err != nil && child.ProcessState.Exited() {
			t.Fatalf("%s: %v", made, err)
		}
		if now := do("traces", "--store", store, "--json"); now != before && now != after {
			t.Errorf("%s: the store holds\n%s\nbefore\n%s\nafter\n%s", made, now, before, after)
		}
		do(ingest(three, store)...)
		got := files(t, store)
		if !maps.EqualFunc(got, whole, slices.Equal[[]byte]) {
			t.Errorf("%s: again: the store holds %q, expected %q", made, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(whole)))
		}
		if err := os.RemoveAll(store); err != nil {
			t.Fatal(err)
		}
	}
}
