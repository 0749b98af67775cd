package azure2019

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/lost"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
	"github.com/incendio-faas/incendio/internal/bom"
	"github.com/incendio-faas/incendio/internal/missing"
	"github.com/incendio-faas/incendio/internal/parallel"
)

// keyColumns name the function of a row of counts, in any order and place.
var keyColumns = []string{"HashOwner", "HashApp", "HashFunction", "Trigger"}

// A header says where a row of counts has what: some columns, the minutes, and perhaps
// further columns.
type header struct {
	lead, trail []int // of the columns before and behind the minutes, which of keyColumns, or -1
	other       []string
	day         int // of the first count, from 0; above 0 only in a sample
	first       int // minute of that day of the first count, from 0
	minutes     int
}

func (h *header) width() int { return len(h.lead) + h.minutes + len(h.trail) }

// maxSample bounds the minutes of a sample, which InVitro may cut out of several days of
// another trace: the month that a file can hold of minutes in 16 bits.
const maxSample = 31 * datasets.MinutesPerDay

// parseHeader reads the header of counts, with minutes from 1 to the last one that there
// can be.
func parseHeader(file string, line []byte, last int) (header, error) {
	bad := func(format string, args ...any) (header, error) {
		return header{}, &datasets.SyntaxError{File: file, Line: 1, Msg: fmt.Sprintf(format, args...) +
			fmt.Sprintf(": expected HashOwner,HashApp,HashFunction,Trigger and then consecutive minutes within 1..%d", last)}
	}
	fields, complaint := new(rows.Splitter).Split(bom.Trim(line))
	if complaint != "" {
		return bad("%s", complaint)
	}
	var h header
	var seen [4]bool
	strange := -1
	for column, field := range fields {
		name := string(bytes.TrimSpace(field))
		k := slices.IndexFunc(keyColumns, func(key string) bool { return strings.EqualFold(key, name) })
		minute, number := minuteOf(name)
		switch {
		case k >= 0 && seen[k], k < 0 && !number && !isName(name):
			return bad("column %d is %.40q", column+1, field)
		case !number:
			if k >= 0 {
				seen[k] = true
			} else if h.other = append(h.other, name); strange < 0 {
				strange = column
			}
			if h.minutes == 0 {
				h.lead = append(h.lead, k)
			} else {
				h.trail = append(h.trail, k)
			}
		case minute < 1 || minute > last || len(h.trail) > 0:
			return bad("column %d is %.40q", column+1, field)
		case h.minutes > 0 && minute-1 != h.first+h.minutes:
			return bad("column %d is minute %d after %d", column+1, minute, h.first+h.minutes)
		default:
			if h.minutes == 0 {
				h.first = minute - 1
			}
			h.minutes++
		}
	}
	if absent := slices.Index(seen[:], false); absent >= 0 {
		if strange >= 0 {
			return bad("column %d is %.40q", strange+1, fields[strange])
		}
		return bad("column %s is missing", keyColumns[absent])
	}
	if h.minutes == 0 {
		return bad("no column for a minute")
	}
	h.day, h.first = h.first/datasets.MinutesPerDay, h.first%datasets.MinutesPerDay
	return h, nil
}

// minuteOf is the minute that a column is named after: 480, 480.0 or, as R makes a name of
// it, X480. One that is another number is minute 0, which there is not.
func minuteOf(name string) (minute int, number bool) {
	if digits, ok := strings.CutPrefix(name, "X"); ok {
		name = digits
	}
	minute, err := strconv.Atoi(strings.TrimSuffix(name, ".0"))
	if err == nil {
		return minute, true
	}
	_, err = strconv.ParseFloat(name, 64)
	return 0, err == nil
}

// isName reports whether the name of a column that is not used may be one.
func isName(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// countsHeader reads the header of a file of counts.
func (f *sourceFile) countsHeader(ctx context.Context) (header, error) {
	r, err := f.open(ctx)
	if err != nil {
		return header{}, err
	}
	defer r.Close()
	h, _, err := f.begin(&blockReader{r: r}, make([]byte, blockSize))
	return h, err
}

// begin reads the header and returns the rest of the first block.
func (f *sourceFile) begin(blocks *blockReader, buf []byte) (header, []byte, error) {
	line, rest, err := f.firstLine(blocks, buf)
	if err != nil {
		return header{}, nil, err
	}
	last := maxSample
	if f.dated {
		last = datasets.MinutesPerDay
	}
	h, err := parseHeader(f.path, line, last)
	return h, rest, err
}

func (f *sourceFile) firstLine(blocks *blockReader, buf []byte) (line, rest []byte, err error) {
	block, long, err := blocks.next(buf)
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil, &datasets.SyntaxError{File: f.path, Line: 1, Msg: "empty: expected a header"}
	case err != nil:
		return nil, nil, f.readError(err)
	case long:
		return nil, nil, &datasets.SyntaxError{File: f.path, Line: 1, Msg: fmt.Sprintf("longer than %d bytes: expected a header", blockSize)}
	}
	line, rest = cutLine(block)
	return line, rest, nil
}

// A fault is a row that cannot be used.
type fault struct {
	line        int // within the block, from 0
	reason, msg string
}

// A row of counts refers to the bytes of its block.
type row struct {
	line     int // within the block, from 0
	key      [4][]byte
	n        int // cells that are not 0
	from, to int // where they are packed
}

// A parsed block keeps its rows, and their cells packed next to each other.
type parsed struct {
	lines  int
	blank  int // of them
	none   int // cells without a count
	noneAt int // line of the first of them
	rows   []row
	faults []fault
	packed []byte
}

// A scanner scans blocks for one worker, with room for the cells of a row.
type scanner struct {
	header
	minute []uint16 // of the day
	count  []uint32
	packed []byte

	split   rows.Splitter
	unquote []byte // the cells of a row that has quotes
	none    int    // cells of the row without a count
}

// scan scans the lines of a block.
func (s *scanner) scan(block []byte) *parsed {
	if s.minute == nil {
		s.minute, s.count = make([]uint16, s.minutes), make([]uint32, s.minutes)
	}
	p := new(parsed)
	s.packed = s.packed[:0]
	for len(block) > 0 {
		line, rest := cutLine(block)
		if len(line) == 0 {
			p.lines++
			p.blank++
			block = rest
			continue
		}
		r := row{line: p.lines, from: len(s.packed)}
		var reason, msg string
		if r.n, reason, msg = s.parseRow(line, &r); reason == "" {
			s.packed = pack(s.packed, s.minute[:r.n], s.count[:r.n])
			r.to = len(s.packed)
			p.rows = append(p.rows, r)
			if s.none > 0 && p.none == 0 {
				p.noneAt = p.lines
			}
			p.none += s.none
		} else {
			p.faults = append(p.faults, fault{p.lines, reason, msg})
		}
		p.lines++
		block = rest
	}
	p.packed = slices.Clone(s.packed)
	return p
}

// wide in place of a byte says that a number follows that needs more.
const wide = 0xff

// pack appends cells, which are held until the last row of their day has been read, as
// small as they can be: most take a byte for the distance from the minute after the cell
// before, and a byte for the count.
func pack(b []byte, minute []uint16, count []uint32) []byte {
	next := uint16(0)
	for i, m := range minute {
		gap, n := m-next, count[i]
		if gap < wide && n < wide {
			b = append(b, byte(gap), byte(n))
		} else {
			b = append(b, wide)
			b = binary.LittleEndian.AppendUint16(b, gap)
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		next = m + 1
	}
	return b
}

// unpack writes as many cells as there is room for.
func unpack(b []byte, minute []int32, count []int64) {
	next := int32(0)
	for i := range minute {
		if b[0] != wide {
			minute[i], count[i] = next+int32(b[0]), int64(b[1])
			b = b[2:]
		} else {
			minute[i], count[i] = next+int32(binary.LittleEndian.Uint16(b[1:])), int64(binary.LittleEndian.Uint32(b[3:]))
			b = b[7:]
		}
		next = minute[i] + 1
	}
}

func (s *scanner) parseRow(line []byte, r *row) (n int, reason, msg string) {
	s.none = 0
	if bytes.IndexByte(line, '"') >= 0 {
		return s.parseQuoted(line, r)
	}
	ragged := func() (int, string, string) {
		return 0, rows.RaggedRow, fmt.Sprintf("%d columns, expected %d", bytes.Count(line, []byte(","))+1, s.width())
	}
	cells, more := line, true
	for _, k := range s.lead {
		if !more {
			return ragged()
		}
		var field []byte
		if field, cells, more = cutField(cells); k >= 0 {
			r.key[k] = field
		}
	}
	if !more {
		return ragged()
	}
	for _, k := range slices.Backward(s.trail) {
		comma := bytes.LastIndexByte(cells, ',')
		if comma < 0 {
			return ragged()
		}
		if k >= 0 {
			r.key[k] = cells[comma+1:]
		}
		cells = cells[:comma]
	}
	return s.parseCells(cells)
}

// parseQuoted parses a row of which some fields stand in quotes.
func (s *scanner) parseQuoted(line []byte, r *row) (n int, reason, msg string) {
	fields, complaint := s.split.Split(line)
	switch {
	case complaint != "":
		return 0, rows.BadQuote, complaint
	case len(fields) != s.width():
		return 0, rows.RaggedRow, fmt.Sprintf("%d columns, expected %d", len(fields), s.width())
	}
	take := func(columns []int, fields [][]byte) {
		for i, k := range columns {
			if k >= 0 {
				r.key[k] = bytes.Clone(fields[i]) // the room of the splitter is used again
			}
		}
	}
	take(s.lead, fields)
	take(s.trail, fields[len(s.lead)+s.minutes:])
	s.unquote = s.unquote[:0]
	for i, cell := range fields[len(s.lead) : len(s.lead)+s.minutes] {
		if bytes.IndexByte(cell, ',') >= 0 {
			return 0, rows.BadNumber, s.complaint(cell, i) + ": must be a whole number"
		}
		if i > 0 {
			s.unquote = append(s.unquote, ',')
		}
		s.unquote = append(s.unquote, cell...)
	}
	return s.parseCells(s.unquote)
}

// maxDigits of a count: 10^9 invocations of one function in a minute are no observation.
const maxDigits = 9

// fourZeros is "0,0,0,0," as a little-endian word.
const fourZeros = 0x2c302c302c302c30

// parseCells writes the n counts of a row that are not 0. Most are 0: eight bytes are compared at a time with those of four zeros,
// and where they differ, the first difference says how many zeros to skip.
func (s *scanner) parseCells(line []byte) (n int, reason, msg string) {
	minute, count := s.minute[:s.minutes], s.count[:s.minutes]
	column, i, ended := 0, 0, false
	for {
		for i+8 <= len(line) {
			differ := binary.LittleEndian.Uint64(line[i:]) ^ fourZeros
			zeros := bits.TrailingZeros64(differ) / 16 // 4 if nothing differs
			i += 2 * zeros
			column += zeros
			if zeros < 4 {
				break
			}
		}
		if column >= s.minutes {
			break
		}
		start, v := i, uint32(0)
		for i < len(line) {
			c := uint32(line[i]) - '0'
			if c > 9 {
				break
			}
			v = v*10 + c
			i++
		}
		digits := i - start
		if i+1 < len(line) && line[i] == '.' && line[i+1] == '0' { // a whole number that was held as a float
			for i++; i < len(line) && line[i] == '0'; i++ {
			}
		}
		if digits == 0 || digits > maxDigits || i < len(line) && line[i] != ',' {
			cell, _, _ := cutField(line[start:])
			switch count, fault := rows.Count("", cell); {
			case missing.Is(cell):
				s.none++
				v = 0
			case fault.Reason == "":
				v = count
			default:
				reason, msg := s.diagnose(cell, column)
				return 0, reason, msg
			}
			i = start + len(cell)
		}
		// The cell is written whether it is 0 or not; only one that is not stays.
		minute[n], count[n] = uint16(s.first+column), v
		if v != 0 {
			n++
		}
		column++
		if ended = i == len(line); ended {
			break
		}
		i++
	}
	if column != s.minutes || !ended {
		return 0, rows.RaggedRow, fmt.Sprintf("%d columns, expected %d", len(s.lead)+bytes.Count(line, []byte(","))+1+len(s.trail), s.width())
	}
	return n, "", ""
}

// complaint begins what is wrong with a cell.
func (h *header) complaint(cell []byte, column int) string {
	return fmt.Sprintf("count %.40q of minute %d", cell, h.day*datasets.MinutesPerDay+h.first+column+1)
}

// diagnose says what is wrong with a cell.
func (h *header) diagnose(cell []byte, column int) (reason, msg string) {
	at := h.complaint(cell, column)
	number := bytes.TrimPrefix(cell, []byte("-"))
	digits := len(number) > 0
	for _, c := range number {
		digits = digits && '0' <= c && c <= '9'
	}
	switch {
	case digits && len(number) < len(cell):
		return rows.NegativeNumber, at + ": must not be negative"
	case digits:
		return rows.HugeNumber, fmt.Sprintf("%s: must have at most %d digits", at, maxDigits)
	}
	return rows.BadNumber, at + ": must be a whole number"
}

// cut returns the counts of a day out of those of several, with minutes from the midnight
// of the first.
func cut(all *datasets.Counts, day int, c *datasets.Counts) {
	c.Day = all.Day + day
	c.Offset, c.Minute, c.Count = append(c.Offset[:0], 0), c.Minute[:0], c.Count[:0]
	for f := range len(all.Offset) - 1 {
		from, to := all.Offset[f], all.Offset[f+1]
		minutes := all.Minute[from:to]
		i, _ := slices.BinarySearch(minutes, int32(day*datasets.MinutesPerDay))
		j, _ := slices.BinarySearch(minutes, int32((day+1)*datasets.MinutesPerDay))
		for k := i; k < j; k++ {
			c.Minute = append(c.Minute, minutes[k]-int32(day*datasets.MinutesPerDay))
		}
		c.Count = append(c.Count, all.Count[from+i:from+j]...)
		c.Offset = append(c.Offset, len(c.Minute))
	}
}

// readCounts reads the counts of one file into c. Blocks are scanned by several workers
// and merged in the order of the file.
func (in *Input) readCounts(ctx context.Context, f *sourceFile, day int, t *table, sink datasets.Sink, c *datasets.Counts) error {
	r, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	blocks := &blockReader{r: r}
	buf := make([]byte, blockSize)
	h, rest, err := f.begin(blocks, buf)
	if err != nil {
		return err
	}

	type job struct {
		block, buf []byte
		long       bool
		err        error
		done       chan *parsed
	}
	ctx, cancel := context.WithCancel(ctx)
	workers, ctx := parallel.WithContext(ctx)
	defer func() { _ = workers.Wait() }() // there are none but panics
	defer cancel()
	jobs, ordered := make(chan *job), make(chan *job, in.opts.Workers)
	free := sync.Pool{New: func() any { b := make([]byte, blockSize); return &b }}
	workers.Go(func() error {
		defer close(jobs)
		defer close(ordered)
		for j := (&job{block: rest, buf: buf}); ; {
			j.done = make(chan *parsed, 1)
			select {
			case ordered <- j:
			case <-ctx.Done():
				return nil
			}
			if j.err != nil {
				return nil
			}
			select {
			case jobs <- j:
			case <-ctx.Done():
				return nil
			}
			next := &job{buf: *free.Get().(*[]byte)}
			next.block, next.long, next.err = blocks.next(next.buf)
			if next.err == io.EOF {
				return nil
			}
			j = next
		}
	})
	for range in.opts.Workers {
		workers.Go(func() error {
			s := scanner{header: h}
			for j := range jobs {
				if j.long {
					j.done <- &parsed{lines: 1, faults: []fault{{0, rows.LongLine, fmt.Sprintf("longer than %d bytes", blockSize)}}}
				} else {
					j.done <- s.scan(j.block)
				}
			}
			return nil
		})
	}

	d := newDay(day, t)
	line, blank := 2, 0 // of the first row of the block; lines without anything
	t.In(f.path)
	t.note(h.other, nil)
	for j := range ordered {
		if j.err != nil {
			return f.readError(j.err)
		}
		var p *parsed
		select {
		case p = <-j.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := d.merge(p, f.path, line, sink); err != nil {
			return err
		}
		if p.none > 0 {
			t.none(p.none, f.path, line+p.noneAt)
		}
		line += p.lines
		blank += p.blank
		p.rows = nil // they refer to the buffer
		free.Put(&j.buf)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := sink.Rows(f.member.Source(), int64(line-2-blank)); err != nil {
		return err
	}
	d.counts(c)
	return nil
}

// A segment is the cells of one function.
type segment struct {
	packed []byte
	n      int
	line   int // of the file; 0: no row
}

// A dayTable collects the rows of a day by function.
type dayTable struct {
	day      int
	t        *table
	segments []segment // by function
}

func newDay(day int, t *table) *dayTable {
	return &dayTable{day: day, t: t, segments: make([]segment, len(t.functions))}
}

// merge takes the rows of a block, whose first is the given line of the file.
func (d *dayTable) merge(p *parsed, file string, line int, sink datasets.Sink) error {
	faults := p.faults
	reject := func(f fault) error {
		return sink.Reject(f.reason, &datasets.SyntaxError{File: file, Line: line + f.line, Msg: f.msg})
	}
	for _, r := range p.rows {
		for len(faults) > 0 && faults[0].line < r.line {
			if err := reject(faults[0]); err != nil {
				return err
			}
			faults = faults[1:]
		}
		id, reason, msg := d.t.intern(r.key, line+r.line)
		if reason == "" {
			if int(id) == len(d.segments) {
				d.segments = append(d.segments, segment{})
			}
			if first := d.segments[id].line; first > 0 {
				reason, msg = rows.DuplicateKey, fmt.Sprintf("same owner, app and function as line %d", first)
			}
		}
		if reason != "" {
			if err := reject(fault{r.line, reason, msg}); err != nil {
				return err
			}
			continue
		}
		d.segments[id] = segment{p.packed[r.from:r.to], r.n, line + r.line}
	}
	for _, f := range faults {
		if err := reject(f); err != nil {
			return err
		}
	}
	return nil
}

// counts puts the rows in order of function, in the arrays of c.
func (d *dayTable) counts(c *datasets.Counts) {
	c.Day = d.day
	c.Offset = append(c.Offset[:0], 0)
	for _, s := range d.segments {
		c.Offset = append(c.Offset, c.Offset[len(c.Offset)-1]+s.n)
	}
	total := c.Offset[len(d.segments)]
	if cap(c.Minute) < total {
		// Some room is added, so that the arrays of a working day do for most others; the old
		// ones are let go of before the new ones are made.
		c.Minute, c.Count = nil, nil
		c.Minute, c.Count = make([]int32, total, total+total/16), make([]int64, total, total+total/16)
	}
	c.Minute, c.Count = c.Minute[:total], c.Count[:total]
	for f, s := range d.segments {
		unpack(s.packed, c.Minute[c.Offset[f]:c.Offset[f+1]], c.Count[c.Offset[f]:c.Offset[f+1]])
	}
}

// A table is the functions that were seen so far.
type table struct {
	rows.Triggers

	functions []datasets.Function
	index     map[string]datasets.FunctionID
	scratch   []byte

	// What the files of durations and memory say, by key: functions without counts too.
	execution    map[string]*execution
	memory, apps map[string]*memoryOf

	lost    lost.Values
	other   []string // columns that were not used
	without int      // cells without a count
	first   string   // where the first of them is
}

// newTable returns the table of known functions, and of what was measured on earlier days.
func newTable(known []datasets.Function, before []datasets.Measured) (*table, error) {
	t := &table{
		functions: slices.Clone(known), index: make(map[string]datasets.FunctionID, len(known)),
		execution: map[string]*execution{}, memory: map[string]*memoryOf{}, apps: map[string]*memoryOf{},
	}
	for _, f := range known {
		t.index[string(t.key([]byte(f.Owner), []byte(f.App), []byte(f.Name)))] = f.ID
	}
	return t, t.recall(before)
}

// maxOther bounds the columns that are named in a note.
const maxOther = 50

// note keeps the names of columns that were not used, but for those that are expected.
func (t *table) note(columns []string, expected *regexp.Regexp) {
	for _, c := range columns {
		if (expected == nil || !expected.MatchString(c)) && len(t.other) < maxOther && !slices.Contains(t.other, c) {
			t.other = append(t.other, c)
		}
	}
}

// none counts cells without a count, of which the first is at a line.
func (t *table) none(n int, file string, line int) {
	if t.without == 0 {
		t.first = fmt.Sprintf("%s:%d", file, line)
	}
	t.without += n
}

// notes says what was found on the way.
func (t *table) notes() []string {
	notes := slices.Concat(t.lost.Notes(), t.Notes())
	if t.without > 0 {
		notes = append(notes, fmt.Sprintf("minutes without a count, taken as minutes without invocations: %d, the first in %s", t.without, t.first))
	}
	if len(t.other) > 0 {
		quoted := make([]string, len(t.other))
		for i, name := range t.other {
			quoted[i] = fmt.Sprintf("%.40q", name)
		}
		notes = append(notes, "columns that were not used: "+strings.Join(quoted, ", "))
	}
	return notes
}

// separator ends each part of a key. It is in none of them.
const separator = "\x00"

// key joins the parts of a key.
func (t *table) key(parts ...[]byte) []byte {
	t.scratch = t.scratch[:0]
	for _, p := range parts {
		t.scratch = append(append(t.scratch, p...), separator...)
	}
	return t.scratch
}

// maxKey bounds the bytes of an owner, app or function; the official ones have 64.
const maxKey = 256

// badKey says what is wrong with a part of a key; "" if nothing is.
func badKey(part []byte) string {
	if len(part) == 0 || len(part) > maxKey || !utf8.Valid(part) {
		return fmt.Sprintf("must be 1 to %d bytes of UTF-8", maxKey)
	}
	if bytes.IndexByte(part, 0) >= 0 {
		return "must not have a zero byte"
	}
	return ""
}

// intern finds the function of a row of counts, or adds it.
func (t *table) intern(key [4][]byte, line int) (id datasets.FunctionID, reason, msg string) {
	k := t.key(key[0], key[1], key[2])
	id, ok := t.index[string(k)]
	if !ok {
		for i, part := range key[:3] {
			if complaint := badKey(part); complaint != "" {
				return 0, rows.BadKey, fmt.Sprintf("%s %.40q: %s", keyColumns[i], part, complaint)
			}
		}
		id = datasets.FunctionID(len(t.functions))
		name := string(k) // of which the three parts are slices
		t.index[name] = id
		app := len(key[0]) + 1
		function := app + len(key[1]) + 1
		t.functions = append(t.functions, datasets.Function{
			ID: id, Owner: name[:app-1], App: name[app : function-1], Name: name[function : len(name)-1],
			Trigger: datasets.Others, CPU: datasets.DefaultCPU,
			Assumed: datasets.AssumedCPU | datasets.AssumedExecution | datasets.AssumedMemory,
		})
	}
	t.Join(&t.functions[id], key[3], line)
	return id, "", ""
}
