package parquet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
)

// IngestOptions say how a trace is taken in.
type IngestOptions struct {
	// Name of the trace in the store: 1 to 100 letters, digits, '.', '_' or '-'.
	Name string `json:"name"`

	// Replace a stored trace of this name, whatever it holds.
	Replace bool `json:"replace"`

	// QuarantineLimit is the share of rows in [0, 1] that may be rejected before
	// the whole ingest fails with ErrQuarantine. Default 0.01.
	QuarantineLimit float64 `json:"quarantine_limit"`
}

// DefaultIngestOptions returns the defaults for a trace called name.
func DefaultIngestOptions(name string) IngestOptions {
	return IngestOptions{Name: name, QuarantineLimit: 0.01}
}

// Validate reports options that cannot be used.
func (o IngestOptions) Validate() error {
	err := checkName(o.Name)
	if !(o.QuarantineLimit >= 0 && o.QuarantineLimit <= 1) {
		err = errors.Join(err, fmt.Errorf("quarantine_limit must be in [0, 1], got %g", o.QuarantineLimit))
	}
	return err
}

// Ingest takes a trace into the store and reports whether that changed anything:
//
//  1. A name that is new: everything is read and stored.
//  2. The stored trace came from these files, and perhaps others, and from the same
//     parameters: nothing to do.
//  3. The stored trace came from some of the files, or the input continues it on
//     the next day: it is extended, and its functions keep their numbers.
//  4. Anything else is ErrConflict, unless opts.Replace.
//
// Rejected rows go to quarantine.jsonl; if their share is above the limit, the
// ingest fails with ErrQuarantine. A failed ingest leaves the store as it was.
func (s *Store) Ingest(ctx context.Context, in datasets.Input, opts IngestOptions) (d Description, changed bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("ingest %q: %w", opts.Name, err)
		}
	}()
	if err := opts.Validate(); err != nil {
		return Description{}, false, err
	}
	from := in.Provenance()
	if err := validateProvenance(from); err != nil {
		return Description{}, false, err
	}
	if !opts.Replace { // what is there needs no lock, and no right to write
		if old, err := s.manifest(opts.Name); err == nil && same(old, from) {
			s.tidy()
			return old.describe(), false, nil
		}
	}
	unlock, err := s.begin()
	if err != nil {
		return Description{}, false, err
	}
	defer unlock()
	if err := s.heal(); err != nil {
		return Description{}, false, err
	}

	w := &writer{fs: s.fs, dir: s.staging(opts.Name), source: from}
	var known []datasets.Function
	if !opts.Replace {
		old, err := s.manifest(opts.Name)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return Description{}, false, err
		default:
			if same(old, from) {
				return old.describe(), false, nil
			}
			if w.base, err = extension(old, from); err != nil {
				return Description{}, false, err
			}
			if known, err = readFunctions(filepath.Join(s.path(opts.Name), functionsFile), old.Functions); err != nil {
				return Description{}, false, corrupt(err)
			}
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.fs.remove(w.dir))
		}
	}()
	if err := w.open(ctx, s.path(opts.Name)); err != nil {
		return Description{}, false, err
	}
	joiner, _ := in.(datasets.Joiner)
	if joiner != nil {
		if known, err = s.join(joiner, opts.Name, w.base, known); err != nil {
			return Description{}, false, err
		}
	}
	functions, err := in.Read(ctx, known, w)
	w.source.Notes = in.Provenance().Notes
	if errors.Is(err, datasets.ErrNoRows) { // it may be because all were rejected
		if many := w.tooMany(opts.QuarantineLimit); many != nil {
			err = many
		} else if w.quarantine.Rows > 0 {
			err = fmt.Errorf("%w: %d were rejected; %w", err, w.quarantine.Rows, w.quarantine.why())
		}
	}
	if err = errors.Join(err, w.quarantine.close()); err != nil {
		return Description{}, false, err
	}
	if err := ctx.Err(); err != nil {
		return Description{}, false, err
	}
	if joiner != nil {
		if err := w.keepMeasured(joiner); err != nil {
			return Description{}, false, err
		}
	}
	m, err := w.finish(opts, functions, known)
	if err != nil {
		return Description{}, false, err
	}
	if err := s.commit(opts.Name); err != nil {
		return Description{}, false, err
	}
	return m.describe(), true, nil
}

func validateProvenance(p datasets.Provenance) error {
	switch {
	case p.Span.From < 0 || p.Span.To <= p.Span.From:
		return fmt.Errorf("span %v: must not be empty", p.Span)
	case !p.Start.Equal(p.Start.UTC().Truncate(24 * time.Hour)):
		return fmt.Errorf("start %v: must be a midnight UTC", p.Start)
	}
	return datasets.CheckGaps(p.Span, p.Gaps)
}

// same reports whether all that p describes has been read into the stored trace: alone,
// as a night's new files are when their ingest is run again, or with others.
func same(old *manifest, p datasets.Provenance) bool {
	return old.Format == p.Format && old.Parameters == p.Parameters && covers(old.Files, p.Files) &&
		(len(p.Files) > 0 || len(old.Files) == 0)
}

// covers reports whether all of some are among files, with the same content.
func covers(files, some []datasets.SourceFile) bool {
	digest := make(map[string]string, len(files))
	for _, f := range files {
		digest[f.Name] = f.SHA256
	}
	for _, f := range some {
		if digest[f.Name] != f.SHA256 {
			return false
		}
	}
	return true
}

// A base is the stored trace that an ingest extends.
type base struct {
	*manifest
	keep int // days that are taken over as they are, with their files; 0: all is read again
}

// extension decides whether p extends the stored trace, and how: by reading all
// files again together with new ones, or by adding days after those that are there.
func extension(old *manifest, p datasets.Provenance) (*base, error) {
	if old.Format != p.Format || old.Parameters != p.Parameters {
		return nil, fmt.Errorf("%w: it was read as %s (%s), this is %s (%s); --replace overwrites it",
			ErrConflict, old.Format, old.Parameters, p.Format, p.Parameters)
	}
	if covers(p.Files, old.Files) && p.Start.Equal(old.Start) {
		return &base{manifest: old}, nil
	}
	stored := make(map[string]string, len(old.Files))
	for _, f := range old.Files {
		stored[f.Name] = f.SHA256
	}
	for _, f := range p.Files {
		if digest, ok := stored[f.Name]; ok {
			if digest != f.SHA256 {
				return nil, fmt.Errorf("%w: file %s has SHA-256 %s, stored was %s; --replace overwrites the trace", ErrConflict, f.Name, f.SHA256, digest)
			}
			return nil, fmt.Errorf("%w: file %s is stored already, but %d of its files are not here; --replace overwrites the trace",
				ErrConflict, f.Name, len(old.Files)-1)
		}
	}
	next := old.Start.Add(time.Duration(len(old.Days)) * 24 * time.Hour)
	apart := p.Span.From != 0 || old.Span.To != len(old.Days)*datasets.MinutesPerDay
	if !p.Start.Equal(next) || apart && !p.Rows {
		return nil, fmt.Errorf("%w: its %d days from %s end at minute %d, this starts at minute %d of %s; --replace overwrites it",
			ErrConflict, len(old.Days), old.Start.Format(time.DateOnly), old.Span.To, p.Span.From, p.Start.Format(time.DateOnly))
	}
	return &base{manifest: old, keep: len(old.Days)}, nil
}

// A writer writes the new state of a trace into a folder of its own. It is the
// [datasets.Sink] of the input.
type writer struct {
	fs     files
	dir    string
	source datasets.Provenance
	base   *base // nil for a trace that is written from nothing

	quarantine quarantine
	single     bool // the folder of single invocations is there
	rows       map[string]int64
	days       []dayEntry
}

// open makes the folder and takes over what is kept of the stored trace at old.
func (w *writer) open(ctx context.Context, old string) error {
	w.rows = map[string]int64{}
	if err := w.fs.mkdir(filepath.Join(w.dir, minutesDir)); err != nil {
		return err
	}
	path := filepath.Join(w.dir, quarantineFile)
	if w.base == nil || w.base.keep == 0 {
		return w.quarantine.open(w.fs, path)
	}
	kept := &source{dir: old, functions: w.base.Functions, days: w.base.Days}
	for day, entry := range w.base.Days[:w.base.keep] {
		if err := w.keep(ctx, kept, day); err != nil {
			return err
		}
		if entry.InvocationsSHA256 == "" {
			continue
		}
		if err := w.needInvocations(); err != nil {
			return err
		}
		if err := w.keepInvocations(ctx, kept, day); err != nil {
			return err
		}
	}
	w.days = slices.Clone(w.base.Days)
	if err := copyFile(w.fs, filepath.Join(old, quarantineFile), path); err != nil {
		return err
	}
	return w.quarantine.open(w.fs, path)
}

// keep takes over the counts of a day. A file without the column day is written again: a
// folder whose files differ in their columns is no table to other programs.
func (w *writer) keep(ctx context.Context, kept *source, day int) error {
	from, to := filepath.Join(kept.dir, dayFile(day)), filepath.Join(w.dir, dayFile(day))
	is, err := isDated(from)
	if err != nil {
		return corrupt(err)
	}
	if is {
		return link(w.fs, from, to)
	}
	c, err := kept.Day(ctx, day)
	if err != nil {
		return err
	}
	return writeMinutes(w.fs, to, day, c)
}

// keepInvocations does so with single invocations.
func (w *writer) keepInvocations(ctx context.Context, kept *source, day int) error {
	from, to := filepath.Join(kept.dir, invocationsFile(day)), filepath.Join(w.dir, invocationsFile(day))
	is, err := isDated(from)
	if err != nil {
		return corrupt(err)
	}
	if is {
		return link(w.fs, from, to)
	}
	all, _ := kept.DayInvocations(ctx, day, datasets.Window{From: 0, To: len(kept.days) * datasets.MinutesPerDay})
	_, err = writeInvocations(w.fs, to, day, 0, all)
	return err
}

// needInvocations makes the folder of single invocations, which only some traces have.
func (w *writer) needInvocations() error {
	if w.single {
		return nil
	}
	w.single = true
	return w.fs.mkdir(filepath.Join(w.dir, invocationsDir))
}

// next is the number in the store of the day that the input passes as day.
func (w *writer) next(day int) (int, error) {
	keep := 0
	if w.base != nil {
		keep = w.base.keep
	}
	if day != len(w.days)-keep {
		return 0, fmt.Errorf("day %d after %d days: days must follow each other", day, len(w.days)-keep)
	}
	return len(w.days), nil
}

// Day implements [datasets.Sink].
func (w *writer) Day(c *datasets.Counts) error { return w.addDay(c.Day, c, "") }

// Invocations implements [datasets.Sink].
func (w *writer) Invocations(day int, seq iter.Seq2[datasets.Invocation, error]) error {
	n, err := w.next(day)
	if err != nil {
		return err
	}
	if err := w.needInvocations(); err != nil {
		return err
	}
	tally, err := writeInvocations(w.fs, filepath.Join(w.dir, invocationsFile(n)), n, n-day, seq)
	if err != nil {
		return fmt.Errorf("day %d: %w", day, err)
	}
	return w.addDay(day, tally.Counts(), tally.Digest())
}

// addDay stores the counts of a day, whose single invocations have the given digest, ""
// if they are not known.
func (w *writer) addDay(day int, c *datasets.Counts, invocations string) error {
	n, err := w.next(day)
	if err != nil {
		return err
	}
	if err := validateCounts(c); err != nil {
		return fmt.Errorf("day %d: %w", day, err)
	}
	if len(c.Minute) > maxRows {
		return fmt.Errorf("day %d: %d rows: must be at most %d", day, len(c.Minute), maxRows)
	}
	entry := dayEntry{Rows: int64(len(c.Minute)), Invocations: c.Total(), InvocationsSHA256: invocations}
	var g parallel.Group
	g.Go(func() error {
		entry.SHA256 = c.Digest()
		return nil
	})
	g.Go(func() error { return writeMinutes(w.fs, filepath.Join(w.dir, dayFile(n)), n, c) })
	if err := g.Wait(); err != nil {
		return err
	}
	w.days = append(w.days, entry)
	return nil
}

// Rows implements [datasets.Sink].
func (w *writer) Rows(file string, n int64) error {
	w.rows[file] += n
	return nil
}

// Reject implements [datasets.Sink].
func (w *writer) Reject(reason string, e *datasets.SyntaxError) error {
	return w.quarantine.add(reason, e)
}

// tooMany is ErrQuarantine if the share of rejected rows is above limit.
func (w *writer) tooMany(limit float64) error {
	var read int64
	for _, n := range w.rows {
		read += n
	}
	bad := w.quarantine.Rows
	if float64(bad) <= limit*float64(read) {
		return nil
	}
	return fmt.Errorf("%w: %d of %d, above the limit of %g %%; %w", ErrQuarantine, bad, read, 100*limit, w.quarantine.why())
}

// finish writes the tables that need the whole trace, and the manifest last.
func (w *writer) finish(opts IngestOptions, functions, known []datasets.Function) (_ *manifest, err error) {
	m := &manifest{
		SchemaVersion: schemaVersion, Name: opts.Name,
		Format: w.source.Format, Parameters: w.source.Parameters,
		Start: w.source.Start, Span: w.source.Span, Gaps: w.source.Gaps, Notes: w.source.Notes,
		Functions: len(functions), Days: w.days,
		Quarantined: w.quarantine.Quarantined,
	}
	for _, f := range w.source.Files {
		f.Rows = w.rows[f.Name]
		m.Files = append(m.Files, f)
	}
	if err := w.tooMany(opts.QuarantineLimit); err != nil {
		return nil, err
	}
	if w.base != nil && w.base.keep > 0 {
		old := w.base.manifest
		m.Start = old.Start
		m.Span = datasets.Window{From: old.Span.From, To: w.base.keep*datasets.MinutesPerDay + w.source.Span.To}
		m.Gaps = slices.Clone(old.Gaps)
		for _, g := range w.source.Gaps {
			m.Gaps = append(m.Gaps, datasets.Window{From: g.From + w.base.keep*datasets.MinutesPerDay, To: g.To + w.base.keep*datasets.MinutesPerDay})
		}
		m.Files = append(slices.Clone(old.Files), m.Files...)
		m.Quarantined.Rows += old.Quarantined.Rows
		for reason, n := range old.Quarantined.Reasons {
			m.Quarantined.Reasons[reason] += n
		}
		for _, note := range old.Notes {
			if !slices.Contains(m.Notes, note) {
				m.Notes = append(m.Notes, note)
			}
		}
	}
	if want := (m.Span.To + datasets.MinutesPerDay - 1) / datasets.MinutesPerDay; len(w.days) != want {
		return nil, fmt.Errorf("%d days were read: span %v has %d", len(w.days), m.Span, want)
	}
	if err := validateFunctions(functions); err != nil {
		return nil, err
	}
	for i := range known {
		if i >= len(functions) || functions[i].Owner != known[i].Owner || functions[i].App != known[i].App || functions[i].Name != known[i].Name {
			return nil, fmt.Errorf("function %d must stay %s/%s/%s", i, known[i].Owner, known[i].App, known[i].Name)
		}
	}
	digests := make([]string, len(w.days))
	for i, d := range w.days {
		m.Invocations += d.Invocations
		digests[i] = d.digest()
	}
	m.Digest = datasets.ContentDigest(m.Start, m.Span, functions, digests, m.Gaps...)
	if err := writeFile(w.fs, filepath.Join(w.dir, functionsFile), functionColumns(functions)); err != nil {
		return nil, err
	}
	if err := writeJSON(w.fs, filepath.Join(w.dir, manifestFile), m); err != nil {
		return nil, err
	}
	if w.single {
		err = w.fs.sync(filepath.Join(w.dir, invocationsDir))
	}
	return m, errors.Join(err, w.fs.sync(filepath.Join(w.dir, minutesDir)), w.fs.sync(w.dir))
}

// A quarantine writes and counts rejected rows.
type quarantine struct {
	Quarantined
	first  error            // the first rejected row
	firsts map[string]error // and the first for each reason
	order  []string         // of the reasons by their first rows
	f      handle
	buf    *bufio.Writer
}

// why tells for what most rows were rejected, by the first of them, and names the first
// rejected row beside it where that is another one. There must be one.
func (q *quarantine) why() error {
	commonest := q.order[0]
	for _, reason := range q.order {
		if q.Reasons[reason] > q.Reasons[commonest] {
			commonest = reason
		}
	}
	if q.firsts[commonest] == q.first {
		return fmt.Errorf("the first is %w", q.first)
	}
	return fmt.Errorf("most, %d, for %q, of which the first is %w; the first of all is %w", q.Reasons[commonest], commonest, q.firsts[commonest], q.first)
}

func (q *quarantine) open(fs files, path string) (err error) {
	q.Reasons, q.firsts = map[string]int64{}, map[string]error{}
	q.f, err = fs.create(path, os.O_APPEND)
	if err != nil {
		return err
	}
	q.buf = bufio.NewWriter(q.f)
	return nil
}

// maxRejected bounds what a hostile file, a few bytes of which may unpack to billions
// of rows, can make of the quarantine.
const maxRejected = 1 << 20

// maxMessage bounds what a line of the quarantine quotes of a hostile file.
const maxMessage = 500

func (q *quarantine) add(reason string, e *datasets.SyntaxError) error {
	if q.first == nil {
		q.first = e
	}
	if q.Rows == maxRejected {
		return fmt.Errorf("%w: more than %d, whatever the limit; %w", ErrQuarantine, maxRejected, q.why())
	}
	if q.firsts[reason] == nil {
		q.firsts[reason] = e
		q.order = append(q.order, reason)
	}
	q.Rows++
	q.Reasons[reason]++
	msg := e.Msg
	if len(msg) > maxMessage {
		msg = msg[:maxMessage] + "…"
	}
	line, err := json.Marshal(struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Reason  string `json:"reason"`
		Message string `json:"message"`
	}{e.File, e.Line, reason, msg})
	if err != nil {
		return err
	}
	_, err = q.buf.Write(append(line, '\n'))
	return err
}

func (q *quarantine) close() error {
	return errors.Join(q.buf.Flush(), q.f.Sync(), q.f.Close())
}

// Folders that are being written and that were set aside begin so.
const (
	stagingPrefix = ".staging-"
	retiredPrefix = ".retired-"
)

func (s *Store) staging(name string) string { return s.path(stagingPrefix + name) }
func (s *Store) retired(name string) string { return s.path(retiredPrefix + name) }

// commit puts the staged folder in the place of the trace. Where the system can
// exchange two folders at once, there is no moment without the trace; elsewhere
// readers look for it under the name by which it was set aside.
func (s *Store) commit(name string) error {
	staged, final, retired := s.staging(name), s.path(name), s.retired(name)
	_, err := os.Stat(final)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = s.fs.rename(staged, final)
	case err == nil && s.fs.exchange(staged, final) != nil:
		if err = s.fs.rename(final, retired); err != nil {
			break
		}
		if err = s.fs.rename(staged, final); err != nil {
			err = errors.Join(err, s.fs.rename(retired, final))
		}
	}
	if err != nil {
		return err
	}
	// The new state stands. The old one lies in staged or retired; if it cannot be
	// removed now, the next ingest does it.
	_, _ = s.fs.remove(staged), s.fs.remove(retired)
	return s.fs.sync(filepath.Dir(final))
}

// tidy removes what a writer that was killed left behind, if there is such and nobody
// is at work. The store is whole with it or without.
func (s *Store) tidy() {
	entries, err := os.ReadDir(filepath.Join(s.dir, tracesDir))
	if err != nil || !slices.ContainsFunc(entries, isLitter) {
		return
	}
	if unlock, err := s.begin(); err == nil {
		_ = s.heal()
		unlock()
	}
}

func isLitter(e fs.DirEntry) bool {
	return strings.HasPrefix(e.Name(), stagingPrefix) || strings.HasPrefix(e.Name(), retiredPrefix)
}

// heal removes what ingests that were killed left behind, and puts back a trace that
// one had set aside. The store is locked, so no other is at work.
func (s *Store) heal() error {
	entries, err := os.ReadDir(filepath.Join(s.dir, tracesDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isLitter(e) {
			continue
		}
		name, aside := strings.CutPrefix(e.Name(), retiredPrefix)
		if _, err := os.Stat(s.path(name)); aside && errors.Is(err, fs.ErrNotExist) {
			err = s.fs.rename(s.retired(name), s.path(name))
			if err != nil {
				return err
			}
		} else if err := s.fs.remove(s.path(e.Name())); err != nil {
			return err
		}
	}
	return nil
}
