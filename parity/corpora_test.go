//go:build parity

package parity_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// One hostile file may take so long and so much memory, its reader included. The
	// files are at most 2 MB; most of the memory is what the program itself takes.
	corpusTime   = 40 * time.Second
	corpusMemory = 640 << 20
)

// A hostile is one run over a hostile file.
type hostile struct {
	file, format string
	columns      []string // for --columns; nil: as the file is

	code   int
	killed bool // it did not end in time
	stderr string
	peak   int64 // bytes, of the program or its reader, whichever is more
	took   time.Duration
}

// run reads the file with the program, in a store of its own.
func (h *hostile) run(program, store string) error {
	ctx, cancel := context.WithTimeout(context.Background(), corpusTime)
	defer cancel()
	args := []string{"ingest", h.format, h.file, "--name", "hostile", "--store", store}
	if h.columns != nil {
		args = append(args, "--columns", strings.Join(h.columns, ","))
	}
	cmd := exec.CommandContext(ctx, program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.WaitDelay = time.Second
	began := time.Now()
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		return err
	}
	h.took, h.killed = time.Since(began), ctx.Err() != nil
	h.code, h.stderr = cmd.ProcessState.ExitCode(), stderr.String()
	h.peak = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	return nil
}

// fault says what is wrong with how the program took the file, "" if nothing is.
func (h *hostile) fault(store string) string {
	stored, _ := filepath.Glob(filepath.Join(store, "traces", "*hostile*"))
	last := h.stderr[strings.LastIndex(strings.TrimRight(h.stderr, "\n"), "\n")+1:]
	switch {
	case h.killed:
		return fmt.Sprintf("did not end within %v", corpusTime)
	case h.code != 0 && h.code != 1 && h.code != 5:
		return fmt.Sprintf("exit code %d", h.code)
	case h.peak > corpusMemory:
		return fmt.Sprintf("took %d MB", h.peak>>20)
	case h.code == 0:
		return ""
	case !strings.HasPrefix(last, "incendio: ") || !strings.Contains(last, h.file):
		return "an error that does not name the file"
	case len(stored) > 0:
		return fmt.Sprintf("an error that leaves %v", stored)
	}
	return ""
}

// ofFile are the columns that a refusal tells of.
var ofFile = regexp.MustCompile(`the file has ((?:"(?:[^"\\]|\\.)*"(?:, )?)+)`)

// own maps needed columns to the first ones of the file that the refusal of h names, so
// that the reading gets to its pages; nil if it names none.
func (h *hostile) own(needed ...string) []string {
	found := ofFile.FindStringSubmatch(h.stderr)
	if found == nil {
		return nil
	}
	var columns []string
	for _, quoted := range regexp.MustCompile(`"(?:[^"\\]|\\.)*"`).FindAllString(found[1], -1) {
		name, err := strconv.Unquote(quoted)
		if err != nil || strings.ContainsAny(name, "=,\"\n\x00") || len(columns) == len(needed) {
			continue
		}
		columns = append(columns, needed[len(columns)]+"="+name)
	}
	if len(columns) < len(needed) {
		return nil
	}
	return columns
}

// TestCorpora gives every file that was written to break readers to both generic
// formats: as it is, and with the first columns that it has in the place of those that
// are needed. Each must end soon, in bounded memory, with an error that names the file or
// with its bad rows in quarantine.
func TestCorpora(t *testing.T) {
	name, err := program()
	if err != nil {
		t.Fatal(err)
	}
	root := shared(t, "corpora")
	var files []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	needed := map[string][]string{"counts": {"minute", "count", "function"}, "invocations": {"arrival", "duration_ms", "function"}}
	var mu sync.Mutex
	var done []*hostile
	work := make(chan string)
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for file := range work {
				for _, format := range []string{"counts", "invocations"} {
					var columns []string
					for range 2 {
						h := &hostile{file: file, format: format, columns: columns}
						store, err := os.MkdirTemp(t.TempDir(), "store")
						if err == nil {
							err = h.run(name, store)
						}
						mu.Lock()
						done = append(done, h)
						if err != nil {
							t.Error(err)
						} else if fault := h.fault(store); fault != "" {
							t.Errorf("%s %s %q: %s; exit code %d after %v\n%s", format, file, columns, fault, h.code, h.took, h.stderr)
						}
						mu.Unlock()
						if columns = h.own(needed[format]...); columns == nil {
							columns = h.own(needed[format][:2]...)
						}
						if columns == nil {
							break
						}
					}
				}
			}
		})
	}
	for _, f := range files {
		work <- f
	}
	close(work)
	workers.Wait()

	type key struct{ folder, format, columns string }
	type row struct {
		runs, stored, refused, quarantined int
		peak                               int64
		took                               time.Duration
	}
	table, order := map[key]*row{}, []key(nil)
	for _, h := range done {
		rel, err := filepath.Rel(root, h.file)
		if err != nil {
			t.Fatal(err)
		}
		k := key{filepath.Dir(rel), h.format, "as it is"}
		if h.columns != nil {
			k.columns = "its own"
		}
		if table[k] == nil {
			table[k] = new(row)
			order = append(order, k)
		}
		r := table[k]
		r.runs++
		switch h.code {
		case 0:
			r.stored++
		case 1:
			r.refused++
		case 5:
			r.quarantined++
		}
		r.peak, r.took = max(r.peak, h.peak), max(r.took, h.took)
	}
	slowest, peak := time.Duration(0), int64(0)
	t.Logf("%-34s %-12s %-9s %5s %7s %8s %11s %8s %8s", "folder", "format", "columns", "runs", "stored", "refused", "quarantined", "peak MB", "longest")
	for _, k := range order {
		r := table[k]
		t.Logf("%-34s %-12s %-9s %5d %7d %8d %11d %8d %7.2fs", k.folder, k.format, k.columns, r.runs, r.stored, r.refused, r.quarantined, r.peak>>20, r.took.Seconds())
		slowest, peak = max(slowest, r.took), max(peak, r.peak)
	}
	t.Logf("%d files, %d runs: at most %d MB and %v each", len(files), len(done), peak>>20, slowest.Round(time.Millisecond))
	if len(files) < 170 {
		t.Errorf("only %d files in %s", len(files), root)
	}
}

// TestBombs gives small files that unpack to gigabytes, or to millions of anything, and
// archives that reach out of themselves to the program: it must end in bounded time and
// memory, store nothing, and leave nothing aside.
func TestBombs(t *testing.T) {
	name, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir, began := t.TempDir(), time.Now()
	var bombs []struct {
		Name           string
		Size, Unpacked int64
	}
	peer(t, "bombs.py", map[string]string{"out": dir}, &bombs)
	aside := t.TempDir()
	t.Setenv("TMPDIR", aside)
	if len(bombs) < 27 {
		t.Errorf("%d bombs", len(bombs))
	}
	t.Logf("Python took %v to write them", time.Since(began).Round(time.Second))
	for _, b := range bombs {
		h := &hostile{file: filepath.Join(dir, b.Name), format: "counts"}
		store := t.TempDir()
		if err := h.run(name, store); err != nil {
			t.Fatal(err)
		}
		said := h.stderr[strings.LastIndex(strings.TrimRight(h.stderr, "\n"), "\n")+1:]
		t.Logf("%-20s %9d bytes for %5d MB: code %d, %4d MB, %6.2fs: %.160s", b.Name, b.Size, b.Unpacked>>20, h.code, h.peak>>20, h.took.Seconds(),
			strings.ReplaceAll(said, h.file, b.Name))
		if fault := h.fault(store); fault != "" || h.code == 0 {
			t.Errorf("%s: %s; exit code %d after %v, %d MB\n%.2000s", b.Name, fault, h.code, h.took, h.peak>>20, h.stderr)
		}
	}
	left, err := os.ReadDir(aside)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
