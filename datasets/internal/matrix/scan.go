package matrix

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
	"github.com/incendio-faas/incendio/internal/missing"
)

// Values says what the cells of a metric are.
type Values struct {
	Name  string  // for messages
	Whole bool    // only whole numbers, as counts are; they may be written as 5.0
	Max   float64 // beyond which a value is no observation
}

// A Row is one row of the file's day; its slices are valid until the next one.
type Row struct {
	Second int       // of the day, [0, 86400)
	Column []int32   // of the cells that have a value, ascending
	Value  []float64 // of these cells, in [0, Values.Max]
}

// Scan reads the rows of the file of which o is the outline, and returns how many rows
// of data it has, those included that were rejected. A second row of the same step is
// rejected. An error of row or reject ends it and is returned.
//
// Of a row with cells that cannot be used the others are: it is rejected beside that,
// unless lose is there to take the number of these cells and the first of them.
func (o *Outline) Scan(file string, r io.Reader, v Values, row func(Row) error, reject func(reason string, e *datasets.SyntaxError) error, lose func(cells int, first *datasets.SyntaxError) error) (int64, error) {
	s := scanner{o: o, v: v, seen: make([]bool, secondsPerDay/o.Step)}
	n, started := int64(0), false
	err := rows.EachLine(file, r, func(l rows.Line) error {
		if !started {
			started = true
			return nil // the header
		}
		n++
		fault := rows.Fault{Reason: rows.LongLine, Msg: fmt.Sprintf("longer than %d bytes", rows.MaxRow)}
		bad, usable := 0, false
		if !l.Long {
			fault, bad, usable = s.parse(l.Text)
		}
		switch {
		case fault.Reason == "":
		case usable && lose != nil:
			if err := lose(bad, &datasets.SyntaxError{File: file, Line: l.Number, Msg: fault.Msg}); err != nil {
				return err
			}
		default:
			if bad > 1 {
				fault.Msg += fmt.Sprintf(", and %d more cells of the row", bad-1)
			}
			if err := reject(fault.Reason, &datasets.SyntaxError{File: file, Line: l.Number, Msg: fault.Msg}); err != nil {
				return err
			}
		}
		if !usable {
			return nil
		}
		return row(s.row)
	})
	return n, err
}

// A scanner parses rows into the arrays of one.
type scanner struct {
	o    *Outline
	v    Values
	seen []bool // by step of the day

	plain plain
	row   Row
}

// commas is ",,,,,,,,".
const commas = 0x2c2c2c2c2c2c2c2c

// parse parses a row. A fault beside a usable row is that of the first of its bad cells.
//
// Most cells are empty: eight bytes are compared at a time with those of commas, and the
// first difference says how many cells to skip.
func (s *scanner) parse(line []byte) (fault rows.Fault, bad int, usable bool) {
	ragged := func(n int) rows.Fault {
		return rows.Fault{Reason: rows.RaggedRow, Msg: fmt.Sprintf("%d columns, expected %d", n, len(s.o.Columns)+2)}
	}
	line, complaint := s.plain.row(line, s.o.indexed)
	if complaint != "" {
		return rows.Fault{Reason: rows.BadQuote, Msg: complaint}, 0, false
	}
	_, rest := cut(line)
	at, cells := cut(rest)
	if cells == nil {
		return ragged(bytes.Count(line, []byte{','}) + 1), 0, false
	}
	t, fault := seconds(at)
	switch {
	case fault.Reason != "":
		return fault, 0, false
	case int(t/secondsPerDay) != s.o.Day:
		return rows.Fault{Reason: rows.StrayTime, Msg: fmt.Sprintf("time %d is on day %d: the other rows of the file are on day %d", t, t/secondsPerDay, s.o.Day)}, 0, false
	}
	s.row.Second = int(t % secondsPerDay)
	s.row.Column, s.row.Value = s.row.Column[:0], s.row.Value[:0]
	column, i := 0, 0
	for {
		for i+8 <= len(cells) {
			empty := bits.TrailingZeros64(binary.LittleEndian.Uint64(cells[i:])^commas) / 8
			i += empty
			column += empty
			if empty < 8 {
				break
			}
		}
		for i < len(cells) && cells[i] == ',' {
			i++
			column++
		}
		if i == len(cells) {
			break
		}
		v, end, ok := number(cells, i)
		if !ok || end < len(cells) && cells[end] != ',' || v > s.v.Max || s.v.Whole && v != math.Trunc(v) {
			cell, _ := cut(cells[i:])
			end = i + len(cell)
			var f rows.Fault
			if v, ok, f = s.odd(cell, column); f.Reason != "" {
				if bad++; bad == 1 {
					fault = f
				}
			}
		}
		if ok && column < len(s.o.Columns) {
			s.row.Column, s.row.Value = append(s.row.Column, int32(column)), append(s.row.Value, v)
		}
		if i = end; i == len(cells) {
			break
		}
		i++
		column++
	}
	if column+1 != len(s.o.Columns) {
		return ragged(column + 3), 0, false
	}
	if step := s.row.Second / s.o.Step; s.seen[step] {
		return rows.Fault{Reason: rows.DuplicateKey, Msg: fmt.Sprintf("time %d: a row of the same %s was there before", t, map[int]string{1: "second", 60: "minute"}[s.o.Step])}, 0, false
	} else {
		s.seen[step] = true
	}
	return fault, bad, true
}

// odd parses a cell that is no plain number. A word for a missing value is no measurement,
// as an empty cell is.
func (s *scanner) odd(cell []byte, column int) (v float64, ok bool, f rows.Fault) {
	trimmed := bytes.TrimSpace(cell)
	if missing.Is(trimmed) {
		return 0, false, rows.Fault{}
	}
	name := s.v.Name
	if column < len(s.o.Columns) {
		name = fmt.Sprintf("%s of function %.60s", name, s.o.Columns[column])
	}
	v, f = rows.Number(name, trimmed, s.v.Max)
	if f.Reason == "" && s.v.Whole && v != math.Trunc(v) {
		f = rows.Fault{Reason: rows.BadNumber, Msg: fmt.Sprintf("%s %.40q: must be a whole number", name, trimmed)}
	}
	return v, f.Reason == "", f
}

// powers of ten are exact as floats up to 10^22.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// full is a number to which no digit may be added: 64 bits hold ten times that. What
// follows is below the resolution of a float.
const full = 1e18

// number parses digits with perhaps a fraction from b[i:] on; ok is false for anything
// else. Where all digits make a number up to 2^53 the result is exact, beyond that it
// errs by at most two units in the last place.
func number(b []byte, i int) (v float64, end int, ok bool) {
	start, digits := i, uint64(0)
	for i < len(b) {
		c := uint64(b[i]) - '0'
		if c > 9 {
			break
		}
		if digits >= full {
			return 0, i, false
		}
		digits = digits*10 + c
		i++
	}
	if i == start {
		return 0, i, false
	}
	if i == len(b) || b[i] != '.' {
		return float64(digits), i, true
	}
	i++
	point, places := i, 0
	for i < len(b) {
		c := uint64(b[i]) - '0'
		if c > 9 {
			break
		}
		if digits < full {
			digits = digits*10 + c
			places++
		}
		i++
	}
	if i == point || places >= len(powers) {
		return 0, i, false
	}
	return float64(digits) / powers[places], i, true
}
