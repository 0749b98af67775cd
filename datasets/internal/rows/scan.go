package rows

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/incendio-faas/incendio/datasets"
)

// A Column is what a reader asks a file for.
type Column struct {
	Name     string // as documented: what the file's header says unless Names has another
	Required bool
}

// Names says what the files call a column, by its documented name. The empty name
// means that the files have no such column.
type Names map[string]string

// A Handler takes what a scan finds.
type Handler struct {
	// Begin is called once, before the first row, and says for each column that was
	// asked for whether the file has it, or the names of its folders (key=value): of JSON
	// lines, whether the first row has.
	Begin func(present []bool) error

	// Row takes the cells of a row in the order of the columns that were asked for,
	// as text: nil where the file has no such column or the value is null. Line is
	// that in which the row starts, from 1, or the number of the row in a Parquet
	// file. The cells are valid until it returns.
	Row func(line int, cells [][]byte) (Fault, error)

	// Reject takes the rows that cannot be used, those included of which Row says so.
	Reject func(reason string, e *datasets.SyntaxError) error
}

// A Result says what a scan has found.
type Result struct {
	Rows  int64    // rejected ones included
	Extra []string // the names of the file's other columns, in its order, at most maxExtra
}

// maxExtra bounds the names that are kept of other columns.
const maxExtra = 50

// Scan reads the rows of the file from the first to the last. An error of the
// handler ends it and is returned.
func (f *File) Scan(ctx context.Context, want []Column, names Names, h Handler) (Result, error) {
	s := &scan{file: f, want: want, names: names, Handler: h, cells: make([][]byte, len(want)), partitions: partitionsOf(f.Path)}
	var err error
	switch f.Kind {
	case CSV:
		err = s.csv(ctx)
	case JSONLines:
		err = s.jsonLines(ctx)
	case Parquet:
		err = s.parquet(ctx)
	case JSONArray:
		err = s.jsonArray(ctx)
	}
	if err == nil {
		err = ctx.Err()
	}
	return Result{s.rows, s.extra}, err
}

// A scan is the state of one reading.
type scan struct {
	Handler
	file  *File
	want  []Column
	names Names

	rows    int64
	extra   []string
	started bool     // Begin was called
	cells   [][]byte // of the current row, as Row gets them

	partitions []partition // of the folders above the file
	used       []string    // keys of them
	constant   []int       // columns that come from there
	value      [][]byte    // and what they have
}

// name is what the file calls a column.
func (s *scan) name(c Column) string {
	if n, ok := s.names[c.Name]; ok {
		return n
	}
	return c.Name
}

// resolve finds the wanted columns among those of the file: by their exact names,
// or else by names that differ in upper and lower case alone. It returns their
// positions, -1 for those that are not there, and calls Begin.
func (s *scan) resolve(have []string) ([]int, error) {
	bad := func(format string, args ...any) ([]int, error) {
		return nil, &datasets.SyntaxError{File: s.file.Path, Line: 1, Msg: fmt.Sprintf(format, args...)}
	}
	at := make([]int, len(s.want))
	present := make([]bool, len(s.want))
	used := make(map[int]string, len(s.want))
	for i, c := range s.want {
		at[i] = -1
		name := s.name(c)
		if name == "" {
			if c.Required {
				return bad("column %s is needed, and --columns says that there is none", c.Name)
			}
			continue
		}
		exact, folded := where(have, func(h string) bool { return h == name }), where(have, func(h string) bool { return strings.EqualFold(h, name) })
		switch {
		case len(exact) > 1:
			return bad("column %.40q is there twice", name)
		case len(exact) == 1:
			at[i] = exact[0]
		case len(folded) > 1:
			return bad("column %s is ambiguous: %.40q or %.40q; name one by --columns %s=NAME", c.Name, have[folded[0]], have[folded[1]], c.Name)
		case len(folded) == 1:
			at[i] = folded[0]
		case s.inFolder(name):
			continue
		case c.Required || s.names[c.Name] != "":
			if s.file.fixed {
				return bad("column %.40q is missing: the file has %s", name, list(have))
			}
			return bad("column %.40q is missing: the file has %s; name another by --columns %s=NAME", name, list(have), c.Name)
		default:
			continue
		}
		if other, ok := used[at[i]]; ok {
			return bad("column %.40q cannot be both %s and %s", have[at[i]], other, c.Name)
		}
		used[at[i]] = c.Name
		present[i] = true
	}
	for i, h := range have {
		if _, ok := used[i]; !ok {
			s.note(h)
		}
	}
	if err := s.folders(at, present); err != nil {
		return bad("%v", err)
	}
	s.started = true
	return at, s.Begin(present)
}

// note keeps the name of a column that nobody asked for.
func (s *scan) note(name string) {
	if len(s.extra) < maxExtra && !slices.Contains(s.extra, name) {
		s.extra = append(s.extra, name)
	}
}

func where(have []string, is func(string) bool) []int {
	var at []int
	for i, h := range have {
		if is(h) {
			at = append(at, i)
		}
	}
	return at
}

// list quotes some names for a message.
func list(names []string) string {
	const most = 12
	quoted := make([]string, 0, most)
	for _, n := range names[:min(len(names), most)] {
		quoted = append(quoted, fmt.Sprintf("%.40q", n))
	}
	if len(names) > most {
		quoted = append(quoted, fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(quoted, ", ")
}

func (s *scan) reject(line int, f Fault) error {
	return s.Reject(f.Reason, &datasets.SyntaxError{File: s.file.Path, Line: line, Msg: f.Msg})
}

// row hands over the cells, or rejects them.
func (s *scan) row(line int) error {
	fault, err := s.Row(line, s.cells)
	if err != nil || fault.Reason == "" {
		return err
	}
	return s.reject(line, fault)
}

// lines calls row for each line that is not blank, which it may extend, and
// rejects those that are too long.
func (s *scan) lines(ctx context.Context, row func(l *lineReader, line []byte) error) error {
	in, err := s.file.Text(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	l := newLineReader(in)
	for blank := 0; ; {
		line, err := l.next()
		switch {
		case err == nil && len(line) > 0:
			blank = 0
			if err := row(l, line); err != nil {
				return err
			}
			continue
		case err == nil:
			if blank++; blank > maxBlank {
				return &datasets.SyntaxError{File: s.file.Path, Line: l.line, Msg: fmt.Sprintf("more than %d blank lines: expected rows", maxBlank)}
			}
			continue
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errLongLine) && !s.started:
			return &datasets.SyntaxError{File: s.file.Path, Line: l.line, Msg: fmt.Sprintf("longer than %d bytes: expected a header or a row", maxRow)}
		case errors.Is(err, errLongLine):
			s.rows++
			if err := s.reject(l.line, Fault{LongLine, fmt.Sprintf("longer than %d bytes", maxRow)}); err != nil {
				return err
			}
			blank = 0
		default:
			return s.file.ReadError(err)
		}
	}
}

// csv reads rows after RFC 4180: fields are separated by commas; one in quotes may
// hold commas, line ends and, doubled, quotes. A line end is LF or CR LF. Blank
// lines are no rows.
func (s *scan) csv(ctx context.Context) error {
	var at []int // of the wanted columns among the fields
	var p csvParser
	width := 0
	err := s.lines(ctx, func(l *lineReader, line []byte) error {
		fields, complaint, err := p.split(l, line)
		if err != nil {
			return s.file.ReadError(err)
		}
		if !s.started {
			if complaint != "" {
				return &datasets.SyntaxError{File: s.file.Path, Line: l.line, Msg: complaint + ": expected a header"}
			}
			if !isText(line) {
				return &datasets.SyntaxError{File: s.file.Path, Line: l.line, Msg: fmt.Sprintf("%.40q: expected the header of a CSV file, JSON lines or Parquet", line)}
			}
			width = len(fields)
			at, err = s.resolve(header(fields))
			return err
		}
		s.rows++
		if complaint != "" {
			l.shrink() // the fault may be that the row swallowed others
			return s.reject(l.line, Fault{BadQuote, complaint})
		}
		if len(fields) != width {
			return s.reject(l.line, Fault{RaggedRow, fmt.Sprintf("%d columns, expected %d", len(fields), width)})
		}
		for i, c := range at {
			if c >= 0 {
				s.cells[i] = fields[c]
			}
		}
		return s.row(l.line)
	})
	if err == nil && !s.started {
		return &datasets.SyntaxError{File: s.file.Path, Line: 1, Msg: "blank: expected a header"}
	}
	return err
}

// isText reports whether a header is UTF-8 without control characters but tabs and,
// within quotes, line ends.
func isText(line []byte) bool {
	control := func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f }
	return utf8.Valid(line) && bytes.IndexFunc(line, control) < 0
}

// header returns the names in a header, without the space around them.
func header(fields [][]byte) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = string(bytes.TrimSpace(f))
	}
	return names
}
