package lightgbm

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/internal/bom"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// sampled is the number of lines from which LightGBM tells the format of a file.
const sampled = 32

// zeroThreshold is the largest magnitude that LightGBM reads as 0 (kZeroThreshold, a
// float32).
const zeroThreshold = float64(float32(1e-35))

// trimmed are the bytes that LightGBM takes off both ends of a line when it tells the
// format, and of no other line.
const trimmed = " \f\n\r\t\v"

// A source is a file before its format is known: the first lines, and the rest.
type source struct {
	file  string
	in    *bufio.Reader // the whole file, the byte order mark apart
	first []string      // the first lines, one more than are sampled: there may be a header
	notes []string
}

// newSource reads the first lines of a file and takes a byte order mark off.
func newSource(r io.Reader, file string) (*source, error) {
	s := &source{file: file}
	in := bufio.NewReaderSize(r, 1<<20)
	start, err := in.Peek(len(bom.UTF8))
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	marked, err := dropMark(start, file)
	if err != nil {
		return nil, err
	}
	if marked {
		in.Discard(len(bom.UTF8))
		s.notes = append(s.notes, file+": a byte order mark at the beginning was left out; LightGBM would take it for a part of the first field")
	}
	var read bytes.Buffer
	for range sampled + 1 {
		line, err := in.ReadString('\n')
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if line == "" {
			break
		}
		read.WriteString(line)
		s.first = append(s.first, line)
	}
	s.in = bufio.NewReaderSize(io.MultiReader(&read, in), 1<<20)
	return s, nil
}

// dropMark reports whether a file begins with the byte order mark of UTF-8. One of UTF-16
// is an error.
func dropMark(start []byte, file string) (bool, error) {
	if bom.UTF16(start) {
		return false, &SyntaxError{file, 1, "the file is in UTF-16; it must be in ASCII or UTF-8"}
	}
	return bom.Has(start), nil
}

// startsWith reports whether the first line holds all names.
func (s *source) startsWith(names []string) bool {
	if len(s.first) == 0 {
		return false
	}
	got := splitHeader(strings.TrimRight(s.first[0], "\r\n"))
	for i := range got {
		got[i] = underscored(got[i])
	}
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(got, n) })
}

// splitHeader returns the names of a header, the empty ones left out.
func splitHeader(line string) []string {
	return strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == '\t' })
}

// A reader splits lines into numbers.
type reader struct {
	file      string
	in        *bufio.Reader
	parse     func(string) (float64, error)
	separator string
	names     []string // of the header, nil without one
	columns   int      // of the lines from which the format was told
	sample    []string // these lines
	began     bool
	ends      int // ends of lines that were read
	line      int // of the last row, from 1
	text      []byte
	row       []float64
	notes     []string

	emptyLast, short, long, blank rowsOf
}

// rowsOf counts rows that are not as one expects, and has the line of the first.
type rowsOf struct{ rows, line int }

func (c *rowsOf) add(line int) {
	if c.rows++; c.rows == 1 {
		c.line = line
	}
}

// reader tells the format of the file, and reads the header if there is one.
func (s *source) reader(header, precise bool) (*reader, error) {
	p := &reader{file: s.file, in: s.in, parse: parseNumber, notes: s.notes}
	if precise {
		p.parse = parseExact
	}
	lines := s.first
	if header {
		if len(lines) == 0 {
			return nil, fmt.Errorf("%s: there is no header", p.file)
		}
		// LightGBM ends a header at either character of a line's end.
		line, err := p.until()
		if err != nil {
			return nil, err
		}
		p.skip('\r')
		p.skip('\n')
		if p.names = splitHeader(string(line)); len(p.names) == 0 {
			return nil, fmt.Errorf("%s: there is no header", p.file)
		}
		lines = lines[1:]
	}
	for _, l := range lines[:min(len(lines), sampled)] {
		if l = strings.Trim(l, trimmed); l != "" {
			p.sample = append(p.sample, l)
		}
	}
	if len(p.sample) == 0 {
		return nil, fmt.Errorf("%s: there are no rows in the first %d lines", p.file, sampled)
	}
	return p, p.detect()
}

// detect finds the separator and the number of columns as LightGBM does.
func (p *reader) detect() error {
	count := func(separator string) (n int, alike bool) {
		n = strings.Count(p.sample[0], separator)
		for _, l := range p.sample {
			if strings.Count(l, separator) != n {
				return n, false
			}
		}
		return n, true
	}
	if slices.ContainsFunc(p.sample[:min(2, len(p.sample))], func(l string) bool { return strings.Contains(l, ":") }) {
		return fmt.Errorf("%s: the LibSVM format is not supported; values must be separated by commas or tabs", p.file)
	}
	tabs, tabsAlike := count("\t")
	commas, commasAlike := count(",")
	switch {
	case tabs > 0 && tabsAlike:
		p.separator, p.columns = "\t", tabs+1
	case tabs > 0 && tabs == strings.Count(p.sample[1], "\t"):
		return p.ragged("tabs") // the first two lines decide, and the others must follow
	case commas > 0 && commasAlike:
		p.separator, p.columns = ",", commas+1
	case commas > 0:
		return p.ragged("commas")
	case tabs > 0:
		return p.ragged("tabs")
	default:
		return fmt.Errorf("%s: a row must have a label and a feature, separated by commas or tabs, got %q", p.file, clip(p.sample[0]))
	}
	return nil
}

// ragged is the error for a file whose first lines differ.
func (p *reader) ragged(separators string) error {
	hint := ""
	if separators == "tabs" {
		hint = "; a line that ends in a tab lacks it there: LightGBM takes white space off the ends of lines"
	}
	return fmt.Errorf("%s: the first %d lines must have equally many %s (LightGBM: unknown format)%s", p.file, sampled, separators, hint)
}

// weights reads the file as a list of numbers, one a line.
func (s *source) weights() *reader {
	return &reader{file: s.file, in: s.in, parse: parseNumber, notes: s.notes, separator: ",", columns: 1}
}

func (p *reader) error(format string, args ...any) error {
	return &SyntaxError{p.file, p.line, fmt.Sprintf(format, args...)}
}

// unnamed returns the column of the labels in a file to predict without a header, -1 if
// it has none.
func (p *reader) unnamed(m *gbdt.Model) (int, error) {
	filled := 0
	for f := range strings.SplitSeq(p.sample[0], p.separator) {
		if f != "" {
			filled++
		}
	}
	label := m.LabelIndex
	if filled == len(m.Columns) {
		label = -1
	}
	features := p.columns
	if label >= 0 {
		features--
	}
	if features != len(m.Columns) {
		hint := ""
		if filled != p.columns {
			hint = fmt.Sprintf("; as in LightGBM, the first line tells whether there is a label, by its %d fields that are not empty", filled)
		}
		return 0, fmt.Errorf("%s: the model has %d columns, which with a label makes %d, got %d%s", p.file, len(m.Columns), len(m.Columns)+1, p.columns, hint)
	}
	return label, nil
}

// named returns for each column of a file with a header the feature that it is, -1 if
// none.
func (p *reader) named(m *gbdt.Model) ([]int, error) {
	to := slices.Repeat([]int{-1}, max(p.columns, len(p.names)))
	place := map[string]int{}
	for i, n := range p.names {
		if _, twice := place[n]; twice {
			return nil, fmt.Errorf("%s: the header has the name %q twice", p.file, clip(n))
		}
		place[n] = i
		if u := underscored(n); u != n {
			if _, taken := place[u]; !taken {
				place[u] = i
			}
		}
	}
	used := make([]bool, len(m.Columns))
	for _, t := range m.Trees {
		for _, f := range t.SplitFeature {
			used[f] = true
		}
	}
	for i, c := range m.Columns {
		at, ok := place[c]
		switch {
		case ok:
			to[at] = i
		case used[i]:
			return nil, fmt.Errorf("%s: there is no column %q, which the model looks at; columns are %s", p.file, c, clip(strings.Join(p.names, ", ")))
		}
	}
	return to, nil
}

// until returns what stands before the next end of a line, or of the file, and leaves
// that end unread. It is valid until the next call; at the end of the file it is io.EOF.
func (p *reader) until() ([]byte, error) {
	p.text = p.text[:0]
	for {
		if _, err := p.in.Peek(1); err == io.EOF {
			if len(p.text) == 0 {
				return nil, io.EOF
			}
			return p.text, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", p.file, err)
		}
		part, _ := p.in.Peek(p.in.Buffered())
		at := bytes.IndexByte(part, '\n')
		if at >= 0 {
			part = part[:at]
		}
		if cr := bytes.IndexByte(part, '\r'); cr >= 0 {
			at, part = cr, part[:cr]
		}
		p.text = append(p.text, part...)
		p.in.Discard(len(part))
		if at >= 0 {
			return p.text, nil
		}
	}
}

// skip reads the next byte if it is c, which ends a line.
func (p *reader) skip(c byte) bool {
	b, err := p.in.ReadByte()
	if err != nil {
		return false // the next read says so
	}
	if b != c {
		p.in.UnreadByte()
		return false
	}
	if c == '\r' {
		next, _ := p.in.Peek(1)
		if len(next) == 1 && next[0] == '\n' {
			return true // the \n counts
		}
	}
	p.ends++
	return true
}

// next returns the numbers of the next line, io.EOF after the last. They are valid until
// the next call and may be fewer or more than p.columns.
//
// Blank lines do not count, but at the beginning LightGBM leaves out only one line feed:
// what follows it is a line without values.
func (p *reader) next() ([]float64, error) {
	if !p.began {
		p.began = true
		p.skip('\n')
	}
	line, err := p.until()
	if err == io.EOF && (p.skip('\n') || p.skip('\r')) {
		line, err = nil, nil // a line without anything
	}
	if err != nil {
		return nil, err
	}
	p.line = p.ends + 1
	rest := string(line)
	p.row = p.row[:0]
	last := false // whether the line ends in a separator
	for rest != "" {
		var field string
		field, rest, last = strings.Cut(rest, p.separator)
		last = last && rest == ""
		v, err := p.parse(field)
		if err != nil {
			hint := ""
			if p.line == 1 && !errors.Is(err, errInfinite) {
				hint = "; a line of names needs header=true"
			}
			return nil, p.error("column %d: %v%s", len(p.row), err, hint)
		}
		p.row = append(p.row, v)
	}
	switch n := len(p.row); {
	case strings.Trim(string(line), trimmed) == "":
		p.blank.add(p.line)
	case n == p.columns-1 && last:
		p.emptyLast.add(p.line)
	case n < p.columns:
		p.short.add(p.line)
	case n > p.columns:
		p.long.add(p.line)
	}
	for p.skip('\n') || p.skip('\r') {
	}
	return p.row, nil
}

// zeros turns the features that LightGBM reads as 0 to 0.
func zeros(row []float64) {
	for i, v := range row {
		if v != 0 && math.Abs(v) <= zeroThreshold {
			row[i] = 0
		}
	}
}

// warnings tell what was read as LightGBM does and as one may not expect.
func (p *reader) warnings() []string {
	for _, w := range []struct {
		c    rowsOf
		text string
	}{
		{p.emptyLast, "end in a separator: LightGBM reads the value that is missing there as 0, not as NaN"},
		{p.short, "have fewer values than the first: LightGBM reads those that are missing as 0"},
		{p.long, "have more values than the first: LightGBM reads them as further features, and where there are no such as nothing"},
		{p.blank, "hold nothing but white space and are rows all the same, as LightGBM reads them: their values are 0"},
	} {
		if w.c.rows > 0 {
			p.notes = append(p.notes, fmt.Sprintf("%s:%d: lines like this one (%d) %s", p.file, w.c.line, w.c.rows, w.text))
		}
	}
	return p.notes
}
