package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/memory"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/stage"
)

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A step that says nothing for long still has its lines in the log.
func TestLines(t *testing.T) {
	var out syncBuffer
	l := lines{slog.New(slog.NewTextHandler(&out, nil)), time.Millisecond}
	bar := l.Begin("tune", 64)
	wait(t, &out, "msg=progress step=tune done=0 total=64 duration=")
	bar.Set(7, "value 3.5")
	wait(t, &out, `done=7 total=64 status="value 3.5"`)
	bar.Set(8, "")
	wait(t, &out, `done=8 total=64 status="value 3.5"`)
	bar.End()
	n := len(out.String())
	time.Sleep(5 * time.Millisecond)
	if len(out.String()) != n {
		t.Error("a step that ended still logs")
	}

	var none syncBuffer
	quick := lines{slog.New(slog.NewTextHandler(&none, nil)), time.Hour}.Begin("features", 0)
	quick.Set(1, "x")
	quick.End()
	if none.String() != "" {
		t.Errorf("a step shorter than the interval logs %q", none.String())
	}
}

func wait(t *testing.T, out *syncBuffer, want string) {
	t.Helper()
	for range 2000 {
		if strings.Contains(out.String(), want) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%q is not in the log:\n%s", want, out.String())
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"c00/mean/poisson 0.25", 21, "c00/mean/poisson 0.25"},
		{"c00/mean/poisson 0.25", 20, "c00/mean/poiss… 0.25"},
		{"c00/mean/poisson 0.25", 8, "c0… 0.25"},
		{"c00/mean/poisson 0.25", 6, ""},
		{"", 0, ""},
		{"simulation", -3, ""},
	} {
		got := clip(c.text, c.n)
		if n := utf8.RuneCountInString(got); n > max(c.n, 0) {
			t.Errorf("clip(%q, %d) = %q has %d characters", c.text, c.n, got, n)
		}
		if got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}

func TestExitCode(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("validate: %w", err) }
	for _, c := range []struct {
		err  error
		want int
	}{
		{errors.New("any"), 1},
		{usage(errors.New("seed")), 2},
		{wrap(pipelines.ErrFallback), 3},
		{wrap(pipelines.ErrRefused), 4},
		{wrap(parquet.ErrQuarantine), 5},
		{wrap(bundle.ErrIntegrity), 6},
		{fmt.Errorf("%w: %w", parquet.ErrCorrupt, fs.ErrNotExist), 6}, // a missing part is damage
		{wrap(&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}), 10},
		{wrap(parquet.ErrNotFound), 10},
		{wrap(bundle.ErrNotFound), 10},
		{usage(wrap(fs.ErrNotExist)), 10}, // --config nowhere.yaml
		{wrap(parquet.ErrLocked), 11},
		{wrap(bundle.ErrLocked), 11},
		{wrap(context.DeadlineExceeded), 12},
		{wrap(&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}), 75},
		{wrap(syscall.EIO), 75},
		{fmt.Errorf("%w: %w", bundle.ErrIntegrity, &fs.PathError{Op: "open", Path: "x", Err: syscall.EMFILE}), 75}, // no damage
		{fmt.Errorf("%w: %w", parquet.ErrCorrupt, syscall.ENFILE), 75},
		{errors.Join(pipelines.ErrRefused, syscall.EDQUOT), 75},
		{usage(wrap(syscall.EMFILE)), 75},
		{fmt.Errorf("%w: %w", bundle.ErrIntegrity, syscall.EACCES), 6},
		{wrap(memory.ErrTooLarge), 1},
		{errors.Join(errors.New("other"), syscall.ENOSPC), 75},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

// A panic, of a worker too, is an error with its stack and exit code 1.
func TestPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"itself": func() { panic("boom") },
		"worker": func() { _ = parallel.For(t.Context(), 3, 2, func(int) { panic("boom") }) },
	} {
		err := execute(t.Context(), &cobra.Command{Run: func(*cobra.Command, []string) { f() }, Args: cobra.ArbitraryArgs})
		if err == nil || exitCode(err) != codeError || !strings.Contains(err.Error(), "boom") || !strings.Contains(err.Error(), "progress_test.go") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fullDisk takes no byte.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// Output that was lost is no success, in any format.
func TestFullOutput(t *testing.T) {
	for _, args := range [][]string{
		{"traces", "--store", t.TempDir()}, {"traces", "--json", "--store", t.TempDir()},
		{"--help"}, {"bundle", "history", "--json", "--store", t.TempDir()},
	} {
		var stderr bytes.Buffer
		if code := run(args, fullDisk{}, &stderr); code != codeTemporary {
			t.Errorf("%v: exit code %d, want %d\n%s", args, code, codeTemporary, stderr.String())
		}
	}
}

// Where nobody wants escape sequences there are none, and --progress says what else there is.
func TestProgressKinds(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "err")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	log := slog.New(slog.DiscardHandler)
	for kind, want := range map[string]stage.Progress{
		progressAuto: lines{log, interval}, // a file is no terminal
		progressLog:  lines{log, interval},
		progressBar:  bars{f},
		progressNone: silent{},
	} {
		if got := (&app{err: f, progressAs: kind}).progress(log); got != want {
			t.Errorf("--progress %s: %T, want %T", kind, got, want)
		}
	}
	if code, _, stderr := incendio(t, "traces", "--progress", "loud"); code != codeUsage {
		t.Errorf("--progress loud: exit code %d\n%s", code, stderr)
	}
}
