package matrix

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// An Outline is what the header and the times of a file say.
type Outline struct {
	Columns  []string // the functions, as the header names them
	Day      int      // since the start of the trace, from 0: that of most rows
	Step     int      // seconds between rows: 60 or 1
	Observed Minutes  // of the day: those with a row

	indexed bool // the first cell of a row is its number
}

// Minutes is a set of minutes of a day.
type Minutes [datasets.MinutesPerDay/64 + 1]uint64

// Add puts a minute into the set.
func (m *Minutes) Add(minute int) { m[minute/64] |= 1 << (minute % 64) }

// Has reports whether a minute is in the set.
func (m *Minutes) Has(minute int) bool { return m[minute/64]>>(minute%64)&1 != 0 }

// Len is the number of minutes in the set.
func (m *Minutes) Len() int {
	n := 0
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

// Header returns the names of the functions in the header of a matrix, of which head is the beginning: all that is
// needed to tell layouts apart. It is false for another header. A column of numbers of rows before the others, as
// pandas and R write it, is no function.
func Header(head []byte) (columns []string, ok bool) {
	names, _, ok := header(head)
	return names, ok
}

func header(head []byte) (columns []string, indexed, ok bool) {
	names := rows.Header(head)
	if indexed = len(names) > 0 && isIndex(names[0]); indexed {
		names = names[1:]
	}
	if len(names) < 3 || names[0] != "day" || names[1] != "time" {
		return nil, false, false
	}
	return names[2:], indexed, true
}

// isIndex reports whether a column is what pandas calls one of numbers of rows, or R, which leaves its name empty as
// pandas does before such a file is read and written again.
func isIndex(name string) bool {
	return name == "" || name == "index" || strings.HasPrefix(name, "Unnamed: ")
}

// Survey reads the header and the times of all rows. What is wrong with single rows is
// left for [Outline.Scan] to say.
func Survey(file string, r io.Reader) (*Outline, error) {
	s := survey{file: file, days: map[int]*dayRows{}}
	err := rows.EachLine(file, r, func(l rows.Line) error {
		if s.o.Columns == nil {
			return s.header(l)
		}
		if !l.Long {
			return s.row(l)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.outline()
}

// A survey is the state of one.
type survey struct {
	file  string
	o     Outline
	plain plain
	days  map[int]*dayRows
	first string // what is wrong with the first row whose time cannot be used

	last             int64 // time of the row before
	started          bool
	ones, sixties    int // steps of so many seconds
	others, oneOther int
}

type dayRows struct {
	rows     int
	observed Minutes
}

// maxDays bounds what a file with times at random can take of memory.
const maxDays = 1 << 11

func (s *survey) header(l rows.Line) error {
	bad := func(format string, args ...any) error {
		return &datasets.SyntaxError{File: s.file, Line: l.Number, Msg: fmt.Sprintf(format, args...) + ": expected day,time and a column for every function"}
	}
	if l.Long {
		return bad("header of more than %d bytes", rows.MaxRow)
	}
	names, indexed, ok := header(l.Text)
	if !ok {
		return bad("%.60q", l.Text)
	}
	if len(names) > MaxColumns {
		return bad("%d functions, at most %d", len(names), MaxColumns)
	}
	s.o.indexed = indexed
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		switch {
		case name == "" || len(name) > maxKey || !utf8.ValidString(name) || strings.ContainsAny(name, "\"\x00"):
			return bad("column %d is %.40q", i+3, name)
		case seen[name]:
			return bad("column %.40q is there twice", name)
		}
		seen[name] = true
		s.o.Columns = append(s.o.Columns, name)
	}
	return nil
}

func (s *survey) row(l rows.Line) error {
	line, _ := s.plain.row(l.Text, s.o.indexed) // what is wrong with a quote, Scan says
	_, cells := cut(line)
	at, _ := cut(cells)
	t, fault := seconds(at)
	if fault.Reason != "" {
		if s.first == "" {
			s.first = fmt.Sprintf("; line %d: %s", l.Number, fault.Msg)
		}
		return nil
	}
	if s.started {
		switch step := t - s.last; step {
		case 1:
			s.ones++
		case 60:
			s.sixties++
		default:
			if s.others++; s.oneOther == 0 && step > 0 {
				s.oneOther = int(step)
			}
		}
	}
	s.started, s.last = true, t
	day := int(t / secondsPerDay)
	d := s.days[day]
	if d == nil {
		if len(s.days) == maxDays {
			return &datasets.SyntaxError{File: s.file, Line: l.Number, Msg: fmt.Sprintf("times on more than %d days: expected a file for every day", maxDays)}
		}
		d = new(dayRows)
		s.days[day] = d
	}
	d.rows++
	d.observed.Add(int(t % secondsPerDay / 60))
	return nil
}

func (s *survey) outline() (*Outline, error) {
	bad := func(format string, args ...any) (*Outline, error) {
		return nil, &datasets.SyntaxError{File: s.file, Msg: fmt.Sprintf(format, args...)}
	}
	if s.o.Columns == nil {
		return bad("empty: expected a header")
	}
	if len(s.days) == 0 {
		return bad("no row with a time%s", s.first)
	}
	if s.others > s.ones+s.sixties {
		if s.oneOther == 0 {
			return bad("times do not ascend: expected rows 60 or 1 seconds apart")
		}
		return bad("rows are %d seconds apart: expected 60 or 1", s.oneOther)
	}
	s.o.Step = 60
	if s.ones > s.sixties {
		s.o.Step = 1
	}
	most := 0
	for day, d := range s.days {
		if d.rows > most || d.rows == most && day < s.o.Day {
			most, s.o.Day, s.o.Observed = d.rows, day, d.observed
		}
	}
	return &s.o, nil
}

// A plain takes from rows what the others do not have: quotes, and the number of the row before its cells.
type plain struct {
	split rows.Splitter
	text  []byte
}

// row returns the row without them, valid until the next one, or says why it is none.
func (p *plain) row(line []byte, indexed bool) (row []byte, complaint string) {
	if bytes.IndexByte(line, '"') >= 0 {
		fields, complaint := p.split.Split(line)
		if complaint != "" {
			return nil, complaint
		}
		p.text = p.text[:0]
		for i, f := range fields {
			if i > 0 {
				p.text = append(p.text, ',')
			}
			p.text = append(p.text, bytes.ReplaceAll(f, []byte(","), []byte(" "))...) // which is no number either
		}
		line = p.text
	}
	if indexed {
		_, line = cut(line)
	}
	return line, ""
}

// cut splits the first cell off a row; rest is nil for the last one.
func cut(line []byte) (cell, rest []byte) {
	if comma := bytes.IndexByte(line, ','); comma >= 0 {
		return line[:comma], line[comma+1:]
	}
	return line, nil
}

// seconds parses a time: whole seconds since the start of the trace.
func seconds(cell []byte) (int64, rows.Fault) {
	v, end, ok := number(cell, 0)
	if !ok || end != len(cell) {
		var fault rows.Fault
		if v, fault = rows.Number("time", cell, math.MaxFloat64); fault.Reason != "" {
			return 0, rows.Fault{Reason: rows.BadTime, Msg: fault.Msg}
		}
	}
	if v < maxDay*secondsPerDay && v == math.Trunc(v) {
		return int64(v), rows.Fault{}
	}
	return 0, rows.Fault{Reason: rows.BadTime, Msg: fmt.Sprintf("time %.40q: must be whole seconds since the start of the trace, below %d%s", cell, maxDay*secondsPerDay, rows.LooksLike(v, 0))}
}
