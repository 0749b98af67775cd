package rows

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/archive"
)

// A Parser turns rows into records. It rejects what [Span.Check] does.
type Parser[T any] interface {
	// Begin is called before the rows of the i-th file. It says which of the columns
	// that were asked for the file has.
	Begin(i int, f *File, present []bool) error

	// Row parses a row: the day since 1970, the minute of it, and the record.
	Row(line int, cells [][]byte) (onDay int64, minute int, record T, fault Fault)
}

// A Layout makes rows of a file that holds something else. The cells of a row are
// what the [Parser] that goes with it expects.
type Layout interface {
	Scan(ctx context.Context, f *File, h Handler) (Result, error)
}

// scan reads the rows of a file.
func (t *Tables[T]) scan(ctx context.Context, f *File, h Handler) (Result, error) {
	if t.Layout != nil {
		return t.Layout.Scan(ctx, f, h)
	}
	return f.Scan(ctx, t.Columns, t.Names, h)
}

// Tables is the files of an input, which are read twice: once to learn which days
// they have, and once for the records, which are handed over a day at a time.
type Tables[T any] struct {
	Path    string       // a file, a folder or an archive
	Pick    archive.Pick // which of its files are read; nil: those with the extension of a table
	Expect  string       // what those are, for the message where there is none; needed with Pick
	Files   []File       // as Open finds them
	Ignored []string     // other files there
	Columns []Column
	Names   Names
	Codec   Codec[T]
	Held    int // records in memory, see Days

	// Distinct says that two files of the same content are an error: their rows would
	// count twice, and nothing else tells them apart.
	Distinct bool

	// Trim takes off the beginning of a file what is no part of its records, so that it can be
	// told what it holds; nil: nothing.
	Trim func(head []byte) []byte

	// Layout reads files that are no tables of columns. Where it is nil, Columns and
	// Names say what a file has.
	Layout Layout

	Span  Span
	Extra []string // columns that nobody asked for
	Rows  int64    // of all files, rejected ones included; known from Survey on

	set     *archive.Set
	sources []datasets.SourceFile
}

// Open lists the files at Path and has learn look at them, by [Tables.Survey] for one. The tables must be closed
// then; where Open fails they are, and its error says what could not be opened.
func (t *Tables[T]) Open(ctx context.Context, what string, learn func() error) error {
	err := t.find(ctx)
	if err == nil {
		err = learn()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", what, err), t.Close())
	}
	return nil
}

// find lists the files at Path.
func (t *Tables[T]) find(ctx context.Context) (err error) {
	expect := t.Expect
	if t.Pick == nil {
		expect = tables
	}
	t.set, t.Files, t.Ignored, err = find(ctx, t.Path, t.Pick, expect, t.Trim)
	return err
}

// JSON reports an error where a file is none of JSON, records of which were expected.
func (t *Tables[T]) JSON(records string) error {
	for _, f := range t.Files {
		if f.Kind != JSONLines && f.Kind != JSONArray {
			return fmt.Errorf("%s: holds %v: expected JSON, %s", f.Path, f.Kind, records)
		}
	}
	return nil
}

// Take reads files of a set that somebody else has opened, and closes.
func (t *Tables[T]) Take(set *archive.Set, files []File) { t.set, t.Files = set, files }

// Close removes what was kept aside of an archive.
func (t *Tables[T]) Close() error {
	if t.set == nil {
		return nil
	}
	return t.set.Close()
}

// Survey takes the digests of all files and learns their span. The parser is the
// first of two that must do alike.
func (t *Tables[T]) Survey(ctx context.Context, p Parser[T]) (err error) {
	if t.sources, err = t.set.Sources(ctx); err != nil {
		return err
	}
	number, first := int64(0), map[string]string{}
	for i := range t.Files {
		f := &t.Files[i]
		if t.Distinct {
			f.hash()
		}
		found, err := t.scan(ctx, f, Handler{
			Begin: func(present []bool) error { return p.Begin(i, f, present) },
			Row: func(line int, cells [][]byte) (Fault, error) {
				number++
				onDay, minute, _, fault := p.Row(line, cells)
				if fault.Reason == "" {
					t.Span.add(number, onDay, minute)
				}
				return fault, nil
			},
			Reject: func(string, *datasets.SyntaxError) error { return nil }, // the second reading says so
		})
		if err != nil {
			return err
		}
		if t.Distinct {
			content, err := f.content(ctx)
			if err != nil {
				return err
			}
			for _, p := range partitionsOf(f.Path) { // which are columns too
				content += fmt.Sprintf(" %q=%q", p.key, p.value)
			}
			if other, ok := first[content]; ok {
				return fmt.Errorf("%s: has the same content as %s", f.Path, other)
			}
			first[content] = f.Path
			f.sum = nil
		}
		t.Rows += found.Rows
		for _, name := range found.Extra {
			if len(t.Extra) < maxExtra && !slices.Contains(t.Extra, name) {
				t.Extra = append(t.Extra, name)
			}
		}
	}
	if err := t.Span.settle(); err != nil {
		return fmt.Errorf("%s: %w", t.Path, err)
	}
	return nil
}

// Forget takes back what Survey has learned, for another one.
func (t *Tables[T]) Forget() { t.Span, t.Extra, t.Rows = Span{}, nil, 0 }

// Read reads all rows and passes the days of the span to emit, in ascending order and
// each as soon as its last row was read, with its records in the order of the codec.
func (t *Tables[T]) Read(ctx context.Context, p Parser[T], sink datasets.Sink, emit func(day int, records iter.Seq2[T, error]) error) (err error) {
	days := NewDays(t.Span.Days(), t.Held, t.Codec)
	defer func() {
		if cerr := days.Close(); err == nil {
			err = cerr
		}
	}()
	number, next := int64(0), 0
	flush := func() error {
		for ; next < t.Span.Days() && t.Span.complete(next, number); next++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := emit(next, days.Take(next)); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range t.Files {
		f := &t.Files[i]
		found, err := t.scan(ctx, f, Handler{
			Begin: func(present []bool) error { return p.Begin(i, f, present) },
			Row: func(line int, cells [][]byte) (Fault, error) {
				number++
				onDay, _, record, fault := p.Row(line, cells)
				if fault.Reason != "" {
					return fault, nil
				}
				if onDay < t.Span.first || onDay > t.Span.last {
					return Fault{}, fmt.Errorf("%s: %w", f.Path, errDone)
				}
				day := int(onDay - t.Span.first)
				if err := days.Add(day, record); err != nil {
					return Fault{}, fmt.Errorf("%s: %w", f.Path, err)
				}
				if day == next {
					return Fault{}, flush()
				}
				return Fault{}, nil
			},
			Reject: sink.Reject,
		})
		if err != nil {
			return err
		}
		if err := sink.Rows(f.Source(), found.Rows); err != nil {
			return err
		}
	}
	if err := t.set.Unchanged(); err != nil {
		return err
	}
	if next < t.Span.Days() {
		return fmt.Errorf("%s: rows of %s are gone: a file changed while it was read", t.Path, date(t.Span.first+int64(next)))
	}
	if t.Span.Days() == 0 {
		return fmt.Errorf("%s: %w", t.Path, datasets.ErrNoRows)
	}
	return nil
}

// Notes are the remarks on what was left out, for a provenance.
func (t *Tables[T]) Notes() []string {
	var notes []string
	if t.set != nil {
		notes = t.set.Notes()
	}
	if len(t.Extra) > 0 {
		notes = append(notes, "columns that were not used: "+strings.Join(quoted(t.Extra), ", "))
	}
	if n := len(t.Ignored); n > 0 {
		const most = 10
		more := ""
		if n > most {
			more = fmt.Sprintf(" and %d more", n-most)
		}
		notes = append(notes, "files of other formats that were not read: "+strings.Join(quoted(t.Ignored[:min(n, most)]), ", ")+more)
	}
	if empty := t.Span.Empty(); len(empty) > 0 {
		notes = append(notes, fmt.Sprintf("days without a row, taken as days without invocations: %d, the first %s", len(empty), date(t.Span.first+int64(empty[0]))))
	}
	return notes
}

func quoted(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%.40q", n)
	}
	return out
}

// Sources are the files on disk, as a provenance has them; known from Survey on.
func (t *Tables[T]) Sources() []datasets.SourceFile { return t.sources }
