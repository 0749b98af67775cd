//go:build unix

package parquet_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// Changes of a store that must happen as a whole or not at all.
var changes = map[string]struct {
	before  func() datasets.Input // nil for no trace
	in      func() datasets.Input
	replace bool
}{
	"new":                {nil, func() datasets.Input { return rejecting(0, 2) }, false},
	"append":             {func() datasets.Input { return rejecting(0, 2) }, func() datasets.Input { return rejecting(2, 4) }, false},
	"append, read again": {func() datasets.Input { return days(0, 1) }, func() datasets.Input { return days(0, 3) }, false},
	"replace":            {func() datasets.Input { return days(0, 3) }, func() datasets.Input { return rejecting(1, 3) }, true},
	"append invocations": {func() datasets.Input { return newSingles(0, 1) }, func() datasets.Input { return newSingles(1, 3) }, false},
}

// rejecting is days with a row for the quarantine.
func rejecting(from, to int) *input {
	in := days(from, to)
	in.bad = 1
	return in
}

func options(replace bool) parquet.IngestOptions {
	o := parquet.DefaultIngestOptions("t")
	o.Replace = replace
	return o
}

// holding is what a store holds: its files, but for the lock, and the folders of traces.
func holding(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for path, content := range tree(t, dir) {
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		files[rel] = content
	}
	entries, err := os.ReadDir(filepath.Join(dir, "traces"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			files[filepath.Join("traces", e.Name())] = "folder"
		}
	}
	return files
}

// found is the digest of the trace that a reader finds, "" for none.
func found(t *testing.T, dir string) string {
	t.Helper()
	s := open(t, dir)
	names, err := s.Names()
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Describe("t")
	if errors.Is(err, parquet.ErrNotFound) == (len(names) == 1) || err != nil && !errors.Is(err, parquet.ErrNotFound) {
		t.Errorf("names %q, error %v", names, err)
	}
	return d.Digest
}

// A stage is a store before and after a change that met no fault.
type stage struct {
	change        string
	dir           string            // of the store before
	before, after string            // digests
	done          map[string]string // what the store holds afterwards
	clean         *parquet.Faults
}

func setStage(t *testing.T, change string, noExchange bool) stage {
	t.Helper()
	c := changes[change]
	st := stage{change: change, dir: filepath.Join(t.TempDir(), "store"), clean: &parquet.Faults{NoExchange: noExchange}}
	if c.before != nil {
		ingest(t, open(t, st.dir), c.before(), true)
		st.before = found(t, st.dir)
	}
	after := st.place(t)
	s := open(t, after).WithFaults(st.clean)
	if _, changed, err := s.Ingest(t.Context(), c.in(), options(c.replace)); err != nil || !changed {
		t.Fatalf("%s: changed %t, error %v", change, changed, err)
	}
	if err := s.Verify(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	st.after, st.done = found(t, after), holding(t, after)
	if st.after == st.before || st.after == "" {
		t.Fatalf("%s: digests %q and %q", change, st.before, st.after)
	}
	return st
}

// place makes a store as it is before, with the same files: a store writes none twice.
func (st stage) place(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	err := filepath.WalkDir(st.dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // there is no store before
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, st.dir))
		if e.IsDir() {
			return os.Mkdir(to, 0o755)
		}
		return os.Link(path, to)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// check looks at a store whose change came to err, then makes the change without faults.
// What a reader finds must be one of the two states, byte for byte.
func (st stage) check(t *testing.T, dir string, err error) {
	t.Helper()
	got := found(t, dir)
	if got != st.before && got != st.after || err == nil && got != st.after {
		t.Errorf("a reader finds %q; before %q, after %q", got, st.before, st.after)
	}
	if got != "" {
		if err := open(t, dir).Verify(t.Context(), "t"); err != nil {
			t.Error(err)
		}
	}
	c := changes[st.change]
	if _, _, err := open(t, dir).WithFaults(new(parquet.Faults)).Ingest(t.Context(), c.in(), options(c.replace)); err != nil {
		t.Errorf("again: %v", err)
	}
	if got := holding(t, dir); !maps.Equal(got, st.done) {
		t.Errorf("again: the store holds %q, expected %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(st.done)))
	}
}

// Every change meets a fault at every operation, on systems that can exchange folders
// and, where it matters, on those that cannot.
func TestFaults(t *testing.T) {
	var runs atomic.Int64
	t.Cleanup(func() { t.Logf("%d faults", runs.Load()) })
	for _, change := range slices.Sorted(maps.Keys(changes)) {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			c := changes[change]
			for _, noExchange := range []bool{false, true} {
				st := setStage(t, change, noExchange)
				try := func(at int, what parquet.Fault) {
					runs.Add(1)
					dir := st.place(t)
					f := &parquet.Faults{At: at, What: what, NoExchange: noExchange}
					_, _, err := open(t, dir).WithFaults(f).Ingest(t.Context(), c.in(), options(c.replace))
					if err != nil && !errors.Is(err, parquet.ErrFault) {
						t.Errorf("another error: %v", err)
					}
					st.check(t, dir, err)
					if t.Failed() {
						t.Fatalf("without exchange %t: operation %d of %d, fault %d: %v", noExchange, at, st.clean.Operations, what, err)
					}
				}
				first := 1
				if noExchange { // up to the last sync before the commit, all is as it was
					first = slices.Max(st.clean.Writes)
				}
				step := 1
				if testing.Short() {
					step = 5
				}
				for at := first; at <= st.clean.Operations; at += step {
					try(at, parquet.Fails)
					try(at, parquet.Dies)
				}
				for _, at := range st.clean.Writes {
					if at >= first {
						try(at, parquet.ShortWrite)
						try(at, parquet.ShortDeath)
					}
				}
			}
		})
	}
}

const (
	childDir    = "PARQUET_TEST_DIR"
	childChange = "PARQUET_TEST_CHANGE"
	childKill   = "PARQUET_TEST_KILL"
)

// TestKilledProcess is the process that TestKill kills, and else does nothing.
func TestKilledProcess(t *testing.T) {
	dir, c := os.Getenv(childDir), changes[os.Getenv(childChange)]
	if dir == "" {
		return
	}
	at, err := strconv.Atoi(os.Getenv(childKill))
	if err != nil {
		t.Fatal(err)
	}
	f := &parquet.Faults{At: at, What: parquet.Killed}
	_, _, err = open(t, dir).WithFaults(f).Ingest(t.Context(), c.in(), options(c.replace))
	t.Fatalf("operation %d of %d did not end the process: %v", at, f.Operations, err)
}

// A process is killed at some of the operations, the first and the last included.
func TestKill(t *testing.T) {
	kills := 0
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		st := setStage(t, name, false)
		for at := 1; at <= st.clean.Operations; at += (st.clean.Operations - 1) / 4 {
			kills++
			dir := st.place(t)
			cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$")
			cmd.Env = append(os.Environ(), childDir+"="+dir, childChange+"="+name, fmt.Sprint(childKill, "=", at))
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("%s: operation %d: %v\n%s", name, at, err, strings.TrimSpace(string(out)))
			}
			st.check(t, dir, errors.New("killed"))
			if t.Failed() {
				t.Fatalf("%s: killed at operation %d of %d", name, at, st.clean.Operations)
			}
		}
	}
	t.Logf("%d kills", kills)
}
