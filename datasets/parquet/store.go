// Package parquet is the trace store: traces as Parquet files in a folder, which
// DuckDB, pyarrow and pandas can read too. It is the only importer of Arrow.
//
// There are only a few types. A [Store] holds traces by name; [Store.Ingest] takes
// one in from a [datasets.Input], and [Store.Trace] gives it back as a
// [datasets.Trace] whose days are read as they are asked for. A [Column] is what
// other stages read and write their own tables with.
//
//	<store>/incendio-store.json           marks the folder
//	<store>/traces/<name>/
//	    manifest.json                     sources, digests, span, notes, one entry a day
//	    functions.parquet                 function, owner, app, name, trigger, memory_mb, cpu,
//	                                      {execution,initialisation,termination}_{prob,ns} (lists),
//	                                      assumed_{memory,cpu,execution,start_cost}
//	    minutes/day=NNN.parquet           day, function, minute (of the day, from 0), count (> 0),
//	                                      sorted by function, then minute
//	    invocations/day=NNN.parquet       where the trace has single invocations: day, function, arrival
//	                                      (microseconds since the first midnight), duration
//	                                      (microseconds, -1 where it is unknown), sorted by
//	                                      arrival, then function
//	    quarantine.jsonl                  a rejected row a line: file, line, reason, message
//
// The column day is the number in the name of the file, for programs that read a folder as one
// table. It is not read here: files of before it was there lack it, and their traces have
// the same digests.
//
// A trace is replaced as a whole: it is written into a folder beside the old one,
// made durable, and renamed. Whatever fails before that leaves the store as it was.
package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/lock"
)

var (
	// ErrNotFound is returned for a trace that the store does not hold.
	ErrNotFound = errors.New("no such trace")
	// ErrNotStore is returned for a folder that holds something else than a store.
	ErrNotStore = errors.New("not a trace store")
	// ErrConflict is returned when a trace of the name exists with other content.
	ErrConflict = errors.New("the stored trace differs")
	// ErrQuarantine is returned when more rows than the limit had to be rejected.
	ErrQuarantine = errors.New("too many rejected rows")
	// ErrLocked is returned while another process writes to the store.
	ErrLocked = errors.New("the store is locked by another process")
	// ErrCorrupt is returned when stored files are damaged or do not belong together.
	ErrCorrupt = errors.New("stored trace is damaged")
)

// corrupt marks err as ErrCorrupt, unless the operating system is to blame.
func corrupt(err error) error {
	if err == nil {
		return nil
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

const (
	markerFile     = "incendio-store.json"
	manifestFile   = "manifest.json"
	functionsFile  = "functions.parquet"
	quarantineFile = "quarantine.jsonl"
	tracesDir      = "traces"
	lockFile       = ".lock"
	minutesDir     = "minutes"
	invocationsDir = "invocations"

	schemaVersion = 1
)

// A Store is a folder of traces.
type Store struct {
	dir string
	fs  files
}

// Open opens the store in dir. A folder that is missing or empty is a store
// without traces, and is made one by the first write; a folder with other content
// is ErrNotStore.
func Open(dir string) (*Store, error) {
	s := &Store{dir, disk{}}
	raw, err := os.ReadFile(filepath.Join(dir, markerFile))
	switch {
	case err == nil:
		var marker struct {
			SchemaVersion int `json:"schema_version"`
		}
		if err := json.Unmarshal(raw, &marker); err != nil {
			return nil, fmt.Errorf("open store %s: %s: %w", dir, markerFile, err)
		}
		if marker.SchemaVersion != schemaVersion {
			return nil, fmt.Errorf("open store %s: %s: schema_version %d: this program reads %d", dir, markerFile, marker.SchemaVersion, schemaVersion)
		}
		return s, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open store: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	for _, e := range entries {
		// What other parts of the program may have put there before the first trace, and a
		// writer that was killed before it could mark the folder.
		name := e.Name()
		if name == "runs" || name == "registry" || name == "cache" || strings.HasPrefix(name, ".") ||
			name == tracesDir && s.begun() {
			continue
		}
		return nil, fmt.Errorf("open store %s: %w: it has no %s but %q", dir, ErrNotStore, markerFile, name)
	}
	return s, nil
}

// begun reports whether the folder of traces is there and holds nothing but a lock.
func (s *Store) begun() bool {
	entries, err := os.ReadDir(filepath.Join(s.dir, tracesDir))
	return err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != lockFile })
}

// Dir is the folder of the store.
func (s *Store) Dir() string { return s.dir }

// begin makes the folder a store, if it is none yet, and locks it for one writer.
func (s *Store) begin() (unlock func(), err error) {
	defer func() {
		if err != nil && !errors.Is(err, ErrLocked) {
			err = fmt.Errorf("create store: %w", err)
		}
	}()
	traces := filepath.Join(s.dir, tracesDir)
	if err := s.fs.mkdir(traces); err != nil {
		return nil, err
	}
	release, err := lock.Take(filepath.Join(traces, lockFile))
	if errors.Is(err, lock.ErrHeld) {
		return nil, fmt.Errorf("%w: %w", ErrLocked, err)
	}
	if err != nil {
		return nil, err
	}
	unlock = func() { _ = release() } // nothing was written that could be lost
	marker := filepath.Join(s.dir, markerFile)
	if _, err := os.Stat(marker); err == nil {
		return unlock, nil
	}
	err = writeJSON(s.fs, marker, map[string]int{"schema_version": schemaVersion})
	if err == nil {
		err = s.fs.sync(s.dir)
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, tracesDir, name) }

// home is the folder of a trace: where the system cannot exchange folders, a writer
// that was killed may have left it set aside.
func (s *Store) home(name string) string {
	if _, err := os.Stat(s.path(name)); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(s.retired(name)); err == nil {
			return s.retired(name)
		}
	}
	return s.path(name)
}

// Names of the stored traces, ascending.
func (s *Store) Names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, tracesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list traces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name := strings.TrimPrefix(e.Name(), retiredPrefix); e.IsDir() && validName.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// validName excludes what cannot be a folder everywhere, and leading dots, which
// mark folders that are being written.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func checkName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("trace name %q: must be 1 to 100 of A-Z a-z 0-9 . _ -, the first a letter or digit", name)
	}
	return nil
}

// A Description is what `incendio ingest --json` and `incendio traces --json` print of a trace.
type Description struct {
	Name        string                `json:"name"`
	Format      string                `json:"format"`
	Functions   int                   `json:"functions"`
	Invocations int64                 `json:"invocations"`
	Days        int                   `json:"days"`
	Start       time.Time             `json:"start"`
	Files       []datasets.SourceFile `json:"files"`
	Quarantined Quarantined           `json:"quarantined"`

	// ExactDays is the number of days whose single invocations are stored.
	ExactDays int `json:"exact_days,omitempty"`

	Digest string            `json:"-"` // of the content
	Span   datasets.Window   `json:"-"`
	Gaps   []datasets.Window `json:"-"`
	Notes  []string          `json:"-"`
}

// Quarantined counts the rejected rows of a trace.
type Quarantined struct {
	Rows    int64            `json:"rows"`
	Reasons map[string]int64 `json:"reasons"`
}

// A manifest is the file manifest.json.
type manifest struct {
	SchemaVersion int                   `json:"schema_version"`
	Name          string                `json:"name"`
	Format        string                `json:"format"`
	Parameters    string                `json:"parameters"`
	Digest        string                `json:"digest"`
	Start         time.Time             `json:"start"`
	Span          datasets.Window       `json:"span"`
	Gaps          []datasets.Window     `json:"gaps,omitempty"`
	Functions     int                   `json:"functions"`
	Invocations   int64                 `json:"invocations"`
	Notes         []string              `json:"notes"`
	Files         []datasets.SourceFile `json:"files"`
	Quarantined   Quarantined           `json:"quarantined"`
	Days          []dayEntry            `json:"days"`
}

// A dayEntry describes the files of one day.
type dayEntry struct {
	Rows        int64  `json:"rows"`
	Invocations int64  `json:"invocations"`
	SHA256      string `json:"sha256"` // of the rows, see datasets.Counts.Digest

	// InvocationsSHA256 is of the single invocations, see datasets.Tally.Digest; ""
	// where only counts are known.
	InvocationsSHA256 string `json:"invocations_sha256,omitempty"`
}

// digest names the content of the day.
func (d dayEntry) digest() string { return datasets.DayDigest(d.SHA256, d.InvocationsSHA256) }

func (m *manifest) describe() Description {
	exact := 0
	for _, d := range m.Days {
		if d.InvocationsSHA256 != "" {
			exact++
		}
	}
	return Description{
		Name: m.Name, ExactDays: exact, Format: m.Format, Functions: m.Functions, Invocations: m.Invocations,
		Days: len(m.Days), Start: m.Start, Files: m.Files, Quarantined: m.Quarantined,
		Digest: m.Digest, Span: m.Span, Gaps: m.Gaps, Notes: m.Notes,
	}
}

// manifest reads the manifest of a trace, ErrNotFound if there is none.
func (s *Store) manifest(name string) (*manifest, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	path := filepath.Join(s.home(name), manifestFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Stat(s.home(name)); statErr == nil {
			return nil, corrupt(fmt.Errorf("trace %q: %w", name, err))
		}
		return nil, fmt.Errorf("trace %q in store %s: %w", name, s.dir, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("trace %q: %w", name, err)
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, corrupt(fmt.Errorf("%s: %w", path, err))
	}
	switch {
	case m.SchemaVersion != schemaVersion:
		return nil, fmt.Errorf("%s: schema_version %d: this program reads %d", path, m.SchemaVersion, schemaVersion)
	case m.Name != name:
		return nil, corrupt(fmt.Errorf("%s: name %q: must be %q", path, m.Name, name))
	case m.Span.From < 0 || m.Span.To < m.Span.From || (m.Span.To+datasets.MinutesPerDay-1)/datasets.MinutesPerDay != len(m.Days):
		return nil, corrupt(fmt.Errorf("%s: span %v does not fit %d days", path, m.Span, len(m.Days)))
	case datasets.CheckGaps(m.Span, m.Gaps) != nil:
		return nil, corrupt(fmt.Errorf("%s: %w", path, datasets.CheckGaps(m.Span, m.Gaps)))
	case m.Functions < 0 || m.Functions > maxRows:
		return nil, corrupt(fmt.Errorf("%s: functions %d: must be in [0, %d]", path, m.Functions, maxRows))
	}
	for i, d := range m.Days {
		if d.Rows < 0 || d.Rows > maxRows || d.Rows > int64(m.Functions)*datasets.MinutesPerDay {
			return nil, corrupt(fmt.Errorf("%s: day %d: rows %d: too many for %d functions", path, i, d.Rows, m.Functions))
		}
	}
	return &m, nil
}

// Describe tells what is known of a stored trace, without reading its tables.
func (s *Store) Describe(name string) (Description, error) {
	m, err := s.manifest(name)
	if err != nil {
		return Description{}, err
	}
	return m.describe(), nil
}

// Trace opens a stored trace: its functions are read at once, its days as they are
// asked for. Days may be read by several goroutines.
func (s *Store) Trace(ctx context.Context, name string) (*datasets.Trace, error) {
	m, err := s.manifest(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir := s.home(name)
	functions, err := readFunctions(filepath.Join(dir, functionsFile), m.Functions)
	if err != nil {
		return nil, fmt.Errorf("trace %q: %w", name, corrupt(err))
	}
	if len(functions) != m.Functions {
		return nil, fmt.Errorf("trace %q: %w: %d functions: the manifest says %d", name, ErrCorrupt, len(functions), m.Functions)
	}
	return &datasets.Trace{
		Name: m.Name, Format: m.Format, Digest: m.Digest,
		Start: m.Start, Span: m.Span, Gaps: m.Gaps, Notes: m.Notes,
		Functions: functions,
		Source:    &source{dir: dir, functions: len(functions), days: m.Days},
	}, nil
}

// Verify reads all of a trace and compares it with its digests.
func (s *Store) Verify(ctx context.Context, name string) error {
	m, err := s.manifest(name)
	if err != nil {
		return err
	}
	t, err := s.Trace(ctx, name)
	if err != nil {
		return err
	}
	days := make([]string, len(m.Days))
	for i, entry := range m.Days {
		c, err := t.Day(ctx, i)
		if err != nil {
			return err
		}
		if got := c.Digest(); got != entry.SHA256 {
			return fmt.Errorf("trace %q: %w: day %d has digest %s: the manifest says %s", name, ErrCorrupt, i, got, entry.SHA256)
		}
		if err := verifyInvocations(ctx, t, c, entry); err != nil {
			return fmt.Errorf("trace %q: %w", name, err)
		}
		days[i] = entry.digest()
	}
	if d := datasets.ContentDigest(t.Start, t.Span, t.Functions, days, t.Gaps...); d != m.Digest {
		return fmt.Errorf("trace %q: %w: digest %s: the manifest says %s", name, ErrCorrupt, d, m.Digest)
	}
	return nil
}

// verifyInvocations compares the single invocations of a day, where they are stored,
// with the manifest and with its counts.
func verifyInvocations(ctx context.Context, t *datasets.Trace, c *datasets.Counts, entry dayEntry) error {
	seq, ok := t.DayInvocations(ctx, c.Day, datasets.Window{From: 0, To: t.Days() * datasets.MinutesPerDay})
	if !ok {
		return nil
	}
	tally := datasets.NewTally(c.Day)
	for inv, err := range seq {
		if err == nil {
			err = corrupt(tally.Add(inv))
		}
		if err != nil {
			return err
		}
	}
	if got := tally.Digest(); got != entry.InvocationsSHA256 {
		return fmt.Errorf("%w: the invocations of day %d have digest %s: the manifest says %s", ErrCorrupt, c.Day, got, entry.InvocationsSHA256)
	}
	if got := tally.Counts().Digest(); got != entry.SHA256 {
		return fmt.Errorf("%w: the invocations of day %d give counts of digest %s: those stored have %s", ErrCorrupt, c.Day, got, entry.SHA256)
	}
	return nil
}
