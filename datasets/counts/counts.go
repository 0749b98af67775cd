// Package counts reads invocation counts of a user's own platform: a file or a
// folder of files, as CSV, JSON lines or Parquet, with the columns
//
//	function  name of the function; without it, a file is one series named after it
//	day       number of the day from Options.DayOrigin, or YYYY-MM-DD; optional
//	minute    beside a day the minute of that day from Options.MinuteOrigin; without
//	          one RFC 3339, or the number of minutes since Options.Start
//	count     invocations of the function in that minute, a whole number below 10^9
//	owner, app, trigger   optional; a function is known by owner, app and function, and
//	          has the first trigger that is known
//
// [Open] finds the files and learns their span; [Input.Read] gives the counts by day.
// Rows may come in any order, and files may each hold a day, a function or anything
// else. A function that has two counts in one minute keeps the first; the other row
// is rejected. A minute without a row has none.
//
// Memory is bounded: some 2 million rows (32 MB) wait for their day to be complete,
// further ones in a temporary file; a day's counts take 12 bytes for each that is not
// zero, and functions are at most 2^18.
package counts

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// Format is the name of the format in the store and on the command line.
const Format = "counts"

// Options choose how the files are read.
type Options struct {
	rows.Options

	// DayOrigin and MinuteOrigin are the numbers of the first day and of the first
	// minute, 0 or 1. Default 0.
	DayOrigin    int `json:"day_origin"`
	MinuteOrigin int `json:"minute_origin"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options { return Options{Options: rows.DefaultOptions()} }

// Validate reports options that cannot be used.
func (o Options) Validate() error {
	err := o.Options.Validate(columns)
	if o.DayOrigin != 0 && o.DayOrigin != 1 {
		err = errors.Join(err, fmt.Errorf("day_origin must be 0 or 1, got %d", o.DayOrigin))
	}
	if o.MinuteOrigin != 0 && o.MinuteOrigin != 1 {
		err = errors.Join(err, fmt.Errorf("minute_origin must be 0 or 1, got %d", o.MinuteOrigin))
	}
	return err
}

// Columns by their position in a row.
const (
	function = iota
	day
	minute
	count
	owner
	app
	trigger
)

var columns = []rows.Column{
	function: {Name: "function"}, day: {Name: "day"}, minute: {Name: "minute", Required: true}, count: {Name: "count", Required: true},
	owner: {Name: "owner"}, app: {Name: "app"}, trigger: {Name: "trigger"},
}

// Detect reports whether a file that begins with head has the columns of this format,
// under their documented names.
func Detect(head []byte) bool {
	return rows.HasColumns(head, "minute", "count") || rows.HasKeys(head, "minute", "count")
}

// An Input is a file or folder of counts. It implements [datasets.Input].
type Input struct {
	opts   Options
	tables rows.Tables[record]
	notes  []string
	found  []string // notes on what Read came upon
	whole  bool     // days are observed whole
}

// Open finds the files at path, takes their digests and learns their span. The input must
// be closed.
func Open(ctx context.Context, path string, o Options) (*Input, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	in := &Input{opts: o, tables: rows.Tables[record]{Path: path, Columns: columns, Names: o.Columns, Codec: codec, Held: rows.DefaultHeld}}
	t := &in.tables
	p := in.parser(nil)
	err := t.Open(ctx, "counts", func() error {
		if len(t.Files) > maxFiles {
			return fmt.Errorf("%s: %d files: must be at most %d", path, len(t.Files), maxFiles)
		}
		if err := t.Survey(ctx, p); err != nil {
			return err
		}
		return t.Dated(&p.clock)
	})
	if err != nil {
		return nil, err
	}
	in.whole = !p.zeros
	in.notes = append(in.opts.Origin(&p.clock), t.Notes()...)
	return in, nil
}

// Close removes what was kept aside of an archive.
func (in *Input) Close() error { return in.tables.Close() }

// Provenance implements [datasets.Input].
func (in *Input) Provenance() datasets.Provenance {
	return datasets.Provenance{
		Format:     Format,
		Parameters: fmt.Sprintf("%s day_origin=%d minute_origin=%d", in.opts.Parameters(), in.opts.DayOrigin, in.opts.MinuteOrigin),
		Files:      in.tables.Sources(),
		Start:      in.tables.Span.Start(),
		Span:       in.tables.Span.Window(in.whole),
		Rows:       !in.whole,
		Notes:      slices.Concat([]string{"execution times, memory, CPU and start costs are not in counts: all are assumed"}, in.notes, in.found),
	}
}

// Read implements [datasets.Input].
func (in *Input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	p := in.parser(known)
	err := in.tables.Read(ctx, p, sink, func(day int, records iter.Seq2[record, error]) error {
		c, err := in.counts(day, records, p.functions.Len(), sink)
		if err != nil {
			return err
		}
		return sink.Day(c)
	})
	if err != nil {
		return nil, err
	}
	in.found = p.functions.Notes()
	return p.functions.Finish(in.opts.Seed, nil), nil
}

// counts makes the counts of a day of its records.
func (in *Input) counts(day int, records iter.Seq2[record, error], functions int, sink datasets.Sink) (*datasets.Counts, error) {
	c := &datasets.Counts{Day: day, Offset: make([]int, functions+1)}
	last := record{key: math.MaxUint64}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		if r.cell() == last.cell() {
			err := sink.Reject(rows.DuplicateKey, &datasets.SyntaxError{
				File: in.tables.Files[r.file()].Path, Line: int(r.line),
				Msg: fmt.Sprintf("same function and minute as %s:%d", in.tables.Files[last.file()].Path, last.line),
			})
			if err != nil {
				return nil, err
			}
			continue
		}
		last = r
		if r.count == 0 {
			continue
		}
		c.Minute = append(c.Minute, int32(r.minute()))
		c.Count = append(c.Count, int64(r.count))
		c.Offset[r.function()+1]++
	}
	for f := range functions {
		c.Offset[f+1] += c.Offset[f]
	}
	return c, nil
}

// A record is one row. Records are ordered by function, minute, file and line, so
// that of several for one cell the one that was read first comes first.
type record struct {
	key   uint64 // function, 11 bits of minute, 21 of file
	line  uint32
	count uint32
}

const (
	minuteBits = 11
	fileBits   = 21
	maxFiles   = 1 << fileBits
)

func newRecord(function datasets.FunctionID, minute, file, line int, count uint32) record {
	return record{
		key:  uint64(function)<<(minuteBits+fileBits) | uint64(minute)<<fileBits | uint64(file),
		line: uint32(line), count: count,
	}
}

func (r record) function() int { return int(r.key >> (minuteBits + fileBits)) }
func (r record) minute() int   { return int(r.key >> fileBits & (1<<minuteBits - 1)) }
func (r record) file() int     { return int(r.key & (1<<fileBits - 1)) }
func (r record) cell() uint64  { return r.key >> fileBits }

var codec = rows.Codec[record]{
	Size: 16,
	Put: func(b []byte, r record) {
		binary.LittleEndian.PutUint64(b, r.key)
		binary.LittleEndian.PutUint32(b[8:], r.line)
		binary.LittleEndian.PutUint32(b[12:], r.count)
	},
	Get: func(b []byte) record {
		return record{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])}
	},
	Compare: func(a, b record) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return int(int64(a.line) - int64(b.line))
	},
}

// A parser turns rows into records.
type parser struct {
	clock     rows.Clock
	span      *rows.Span
	functions *rows.Functions

	file   int
	series []byte // the name of the file, where it has no column of functions
	hasDay bool
	zeros  bool // a row with count 0 was there
}

func (in *Input) parser(known []datasets.Function) *parser {
	clock := in.opts.Clock()
	clock.DayOrigin, clock.MinuteOrigin = in.opts.DayOrigin, in.opts.MinuteOrigin
	return &parser{
		clock:     clock,
		span:      &in.tables.Span,
		functions: rows.NewFunctions(known),
	}
}

// Begin implements [rows.Parser].
func (p *parser) Begin(i int, f *rows.File, present []bool) error {
	p.file, p.hasDay, p.series = i, present[day], nil
	p.functions.In(f.Path)
	if !present[function] {
		p.series = []byte(f.Series())
	}
	return nil
}

// Row implements [rows.Parser].
func (p *parser) Row(line int, cells [][]byte) (onDay int64, at int, r record, fault rows.Fault) {
	key := rows.Key{Owner: cells[owner], App: cells[app], Name: cells[function], Trigger: cells[trigger], Line: line}
	if p.series != nil {
		if key.Name != nil {
			return 0, 0, r, rows.Fault{Reason: rows.BadKey, Msg: "a function, which the first row of the file lacks"}
		}
		key.Name = p.series
	}
	if onDay, at, fault = p.clock.Minute(cells[day], cells[minute], p.hasDay); fault.Reason != "" {
		return 0, 0, r, fault
	}
	if fault = p.span.Check(onDay); fault.Reason != "" {
		return 0, 0, r, fault
	}
	n, fault := rows.Count("count", cells[count])
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	if line > math.MaxUint32 {
		return 0, 0, r, rows.Fault{Reason: rows.RaggedRow, Msg: fmt.Sprintf("a file must have at most %d lines", uint32(math.MaxUint32))}
	}
	id, fault := p.functions.ID(key)
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	p.zeros = p.zeros || n == 0
	return onDay, at, newRecord(id, at, p.file, line, n), rows.Fault{}
}
