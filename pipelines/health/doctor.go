package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/memory"
	"github.com/incendio-faas/incendio/pipelines"
)

// The states of a [Finding].
const (
	OK   = "ok"
	Warn = "warning" // the next night can run; somebody should look
	Fail = "failure" // it cannot, or what it would publish cannot be loaded
)

// A Finding is the result of one examination.
type Finding struct {
	Subject string `json:"subject"` // "store", "clock" and so on
	State   string `json:"state"`   // OK, Warn or Fail
	Found   string `json:"found"`   // in words
	Do      string `json:"do,omitempty"`

	Err error `json:"-"` // of a failure
}

// minFree is the disk space below which a store or registry gets a warning: ten times what
// the run folder of 240 functions and 16 days takes.
const minFree = 300 << 20

// skew is how far the clock of a file system or of a journal may be ahead.
const skew = 5 * time.Minute

// Examine looks at everything that the next night needs: version and memory, store and
// registry (are they there, whole, writable, with space), the trace, the champion and its
// release statement, the keys, the clock. Every byte of the trace is read where thorough.
func Examine(ctx context.Context, cfg pipelines.Config, version string, thorough bool, now time.Time) []Finding {
	e := examination{now: now}
	e.ok("program", "version %s, %s %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	e.ok("memory", "%.1f GiB may be used", float64(memory.Limit())/(1<<30))
	e.place("store", cfg.Store)
	e.trace(ctx, cfg, thorough)
	e.place("registry", cfg.RegistryDir())
	e.registry(cfg)
	e.keys(cfg)
	return e.out
}

// An examination collects findings.
type examination struct {
	now time.Time
	out []Finding
}

func (e *examination) ok(subject, format string, args ...any) {
	e.out = append(e.out, Finding{Subject: subject, State: OK, Found: fmt.Sprintf(format, args...)})
}

func (e *examination) warn(subject, do, format string, args ...any) {
	e.out = append(e.out, Finding{Subject: subject, State: Warn, Found: fmt.Sprintf(format, args...), Do: do})
}

func (e *examination) fail(subject, do string, err error) {
	e.out = append(e.out, Finding{Subject: subject, State: Fail, Found: err.Error(), Do: do, Err: err})
}

// place examines a folder that a run writes to.
func (e *examination) place(subject, dir string) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.ok(subject, "%s is not there yet; the first command that writes makes it", dir)
		return
	case err != nil:
		e.fail(subject, "make it readable for the user of the job", err)
		return
	case !info.IsDir():
		e.fail(subject, "name another folder", fmt.Errorf("%s is no folder", dir))
		return
	}
	ahead, err := probe(dir, e.now)
	if err != nil {
		e.fail(subject, "let the user of the job write there, or mount it writable", fmt.Errorf("%s cannot be written: %w", dir, err))
		return
	}
	if ahead > skew || ahead < -skew {
		e.warn("clock", "set the clocks by NTP", "files in %s get times that are %v off this machine's clock", dir, ahead.Round(time.Second))
	}
	if free, err := freeSpace(dir); err == nil && free < minFree {
		e.warn(subject, "make space: incendio bundle gc, and remove old run folders", "%s has %d MiB of disk left", dir, free>>20)
		return
	}
	e.ok(subject, "%s can be written", dir)
}

// probe writes an empty file and removes it, and returns how far its time is ahead of now.
func probe(dir string, now time.Time) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		return 0, err
	}
	return info.ModTime().Sub(now), nil
}

// trace examines the trace of the configuration.
func (e *examination) trace(ctx context.Context, cfg pipelines.Config, thorough bool) {
	const again = "ingest it again with --replace"
	store, err := parquet.Open(cfg.Store)
	if err != nil {
		e.fail("trace", "name the store with --store", err)
		return
	}
	d, err := store.Describe(cfg.Trace)
	switch {
	case errors.Is(err, parquet.ErrNotFound) && cfg.Trace == synthetic.Format:
		e.ok("trace", "the embedded trace; a run makes it")
		return
	case errors.Is(err, parquet.ErrNotFound):
		e.fail("trace", fmt.Sprintf("incendio ingest FORMAT PATH --name %s", cfg.Trace), err)
		return
	case err != nil:
		e.fail("trace", again, err)
		return
	}
	if thorough {
		if err := store.Verify(ctx, cfg.Trace); err != nil {
			e.fail("trace", again, err)
			return
		}
	}
	if err := pipelines.Enough(d.Name, d.Span); err != nil {
		e.fail("trace", "ingest more of it", err)
		return
	}
	if !d.Start.IsZero() {
		if end := d.Start.Add(time.Duration(d.Span.To) * time.Minute); end.After(e.now.Add(skew)) {
			e.warn("clock", "check the clock, or the unit and zone of the trace's times", "trace %s ends at %s, which is to come", d.Name, end.UTC().Format(time.RFC3339))
		}
	}
	if n := d.Quarantined.Rows; n > 0 {
		e.warn("trace", "read quarantine.jsonl of the trace", "%s: %d functions, %d days, and %d rows that were rejected", d.Name, d.Functions, d.Days, n)
		return
	}
	e.ok("trace", "%s: %d functions, %d days", d.Name, d.Functions, d.Days)
}

// registry examines the journal, the champion and its release statement.
func (e *examination) registry(cfg pipelines.Config) {
	const stop = "see \"When something is wrong\" in docs/operations.md"
	registry := bundle.NewRegistry(cfg.RegistryDir())
	history, err := registry.History()
	if err != nil {
		e.fail("journal", stop, err)
		return
	}
	if n := len(history); n > 0 {
		last := history[n-1]
		if t, err := time.Parse(time.RFC3339, last.Time); err == nil && t.After(e.now.Add(skew)) {
			e.warn("clock", "check the clock", "the last entry of the journal is of %s, which is to come", last.Time)
		}
		e.ok("journal", "%d decisions, the chain is whole", n)
	}
	alias := cfg.Release.Alias
	b, err := registry.Open(alias, bundle.Policy{})
	switch {
	case errors.Is(err, bundle.ErrNotFound):
		e.ok(alias, "none yet; the first run makes one")
		return
	case err != nil:
		e.fail(alias, "incendio bundle rollback, or repeat its run", err)
		return
	}
	e.ok(alias, "%.12s, made by version %s", b.Digest(), b.Manifest().ProgramVersion)
	r, _, err := registry.Release(alias)
	switch {
	case errors.Is(err, bundle.ErrNotFound):
		return // promoted before there were statements
	case err != nil:
		e.fail("release", stop, err)
		return
	case r.NotAfter == "":
		e.ok("release", "statement %d, which does not end", r.Sequence)
		return
	}
	end, err := time.Parse(time.RFC3339, r.NotAfter)
	const renew = "incendio run, or incendio bundle renew"
	switch left := end.Sub(e.now); {
	case err != nil:
		e.fail("release", renew, err)
	case left <= 0:
		e.fail("release", renew, fmt.Errorf("statement %d ended at %s: loaders refuse it", r.Sequence, r.NotAfter))
	case left < soon:
		e.warn("release", renew, "statement %d ends at %s", r.Sequence, r.NotAfter)
	default:
		e.ok("release", "statement %d, until %s", r.Sequence, r.NotAfter)
	}
}

// keys examines the files that sign and that say whom to trust.
func (e *examination) keys(cfg pipelines.Config) {
	if cfg.Release.SignKey != "" {
		info, err := os.Stat(cfg.Release.SignKey)
		if err == nil {
			_, err = cfg.Release.Key()
		}
		switch {
		case err != nil:
			e.fail("sign key", "incendio bundle keygen makes one", err)
		case info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows":
			e.warn("sign key", "chmod 600 "+cfg.Release.SignKey, "%s can be read by others (mode %04o)", cfg.Release.SignKey, info.Mode().Perm())
		default:
			e.ok("sign key", "%s", filepath.Base(cfg.Release.SignKey))
		}
	}
	if len(cfg.Trust.Keys) > 0 || cfg.Trust.Seen != "" {
		if _, err := cfg.Trust.Policy(e.now, slog.New(slog.DiscardHandler)); err != nil {
			e.fail("trust", "incendio bundle keygen writes the public half beside a key", err)
			return
		}
		e.ok("trust", "%d keys", len(cfg.Trust.Keys))
	}
}
