package lightgbm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/incendio-faas/incendio/train/gbdt"
)

// A Layout says what the columns of a data file are. A column is named by its number
// from 0 or, when there is a header, by name:NAME; a list of names by name:A,B. The
// numbers of all but the label do not count the label.
type Layout struct {
	// Header says that the first line holds names.
	Header bool
	// Label is the column of the labels; empty means 0.
	Label string
	// Weight is the column of the weights; empty means none.
	Weight string
	// Ignore and Categorical list columns.
	Ignore, Categorical string
	// Precise reads numbers to the nearest float64 instead of LightGBM's way, see
	// parseNumber.
	Precise bool
}

// Data is the content of a data file.
type Data struct {
	// Table holds all columns but the label, those of Ignore and Weight included, as
	// LightGBM numbers them. Without a header they are named Column_0, Column_1 and so
	// on; spaces in names become underscores.
	Table *gbdt.Table
	// Label is the number of the column of the labels.
	Label int
	// Ignore and Categorical are numbers of columns of Table in ascending order; Ignore
	// holds that of the weights too.
	Ignore, Categorical []int
}

// ReadTable reads the data file to train with or measure on at path, and the weights in
// path.weight if there is such a file: one a line. A syntax error is a *SyntaxError.
func ReadTable(path string, l Layout) (*Data, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for _, side := range []string{".init", ".query", ".group", ".position"} {
		if _, err := os.Stat(path + side); err == nil {
			return nil, fmt.Errorf("%s%s: such side files are not supported; LightGBM would read it with %s", path, side, path)
		}
	}
	d, err := readTable(f, path, l)
	if err != nil {
		return nil, err
	}
	w, err := os.Open(path + ".weight")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d, nil
	case err != nil:
		return nil, err
	}
	defer w.Close()
	if l.Weight != "" {
		return nil, fmt.Errorf("%s.weight: weights must not come from both a file and the column %s", path, l.Weight)
	}
	d.Table.Weight, err = readWeights(w, path+".weight", d.Table.Rows)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func readTable(r io.Reader, path string, l Layout) (*Data, error) {
	p := newReader(r, path, l.Precise)
	names, err := p.header(l.Header)
	if err != nil {
		return nil, err
	}
	row, err := p.next()
	if err == io.EOF {
		return nil, fmt.Errorf("%s: there are no rows", path)
	}
	if err != nil {
		return nil, err
	}
	if len(row) < 2 {
		return nil, p.error("a row must have a label and a feature, separated by commas or tabs, got %d columns", len(row))
	}
	d, weight, err := l.resolve(names, len(row))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t := d.Table
	for ; err == nil; row, err = p.next() {
		label := row[d.Label]
		if math.IsNaN(label) || math.Abs(label) > math.MaxFloat32 {
			return nil, p.error("label must be a number that fits 32 bits, got %v", label)
		}
		t.Label = append(t.Label, float32(label))
		t.Data = append(append(t.Data, row[:d.Label]...), row[d.Label+1:]...)
		if weight >= 0 {
			w := t.Data[len(t.Data)-len(t.Columns)+weight]
			if !(w >= 0 && w <= math.MaxFloat32) {
				return nil, p.error("weight must be at least 0, got %v", w)
			}
			t.Weight = append(t.Weight, float32(w))
		}
		t.Rows++
	}
	if err != io.EOF {
		return nil, err
	}
	return d, nil
}

// ReadRows reads the data file to predict at path: laid out as in training, the label
// included, or without a label. It returns an error when the columns are not those of
// the model. A file whose first line holds the names of the model's columns needs no
// word about its header.
func ReadRows(path string, m *gbdt.Model, header, precise bool) (*gbdt.Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readRows(f, path, m, header, precise)
}

func readRows(r io.Reader, path string, m *gbdt.Model, header, precise bool) (*gbdt.Table, error) {
	p := newReader(r, path, precise)
	names, err := p.header(header || p.startsWith(m.Columns))
	if err != nil {
		return nil, err
	}
	t := &gbdt.Table{Columns: m.Columns}
	label := -1
	for {
		row, err := p.next()
		if err == io.EOF {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		if t.Rows == 0 {
			switch len(row) {
			case len(m.Columns):
			case len(m.Columns) + 1:
				label = min(m.LabelIndex, len(m.Columns))
			default:
				return nil, p.error("the model has %d columns, which with a label makes %d, got %d", len(m.Columns), len(m.Columns)+1, len(row))
			}
			if names != nil {
				if label >= 0 {
					names = slices.Delete(names, label, label+1)
				}
				for i, c := range m.Columns {
					if names[i] != c {
						return nil, fmt.Errorf("%s: column %d must be %q as in the model, got %q", path, i, c, names[i])
					}
				}
			}
		}
		if label >= 0 {
			row = slices.Delete(row, label, label+1)
		}
		t.Data = append(t.Data, row...)
		t.Rows++
	}
}

// resolve finds the columns of l among the given number of columns of a file; names are
// nil without a header. weight is -1 if there is none.
func (l Layout) resolve(names []string, columns int) (d *Data, weight int, err error) {
	d = &Data{Table: &gbdt.Table{}}
	if names != nil && len(names) != columns {
		return nil, 0, fmt.Errorf("the header has %d names, but the first row has %d columns", len(names), columns)
	}
	if l.Label != "" {
		c, err := find("label_column", l.Label, names, columns)
		if err != nil {
			return nil, 0, err
		}
		if len(c) != 1 {
			return nil, 0, fmt.Errorf("label_column must be one column, got %q", l.Label)
		}
		d.Label = c[0]
	}
	if names == nil {
		for i := range columns - 1 {
			d.Table.Columns = append(d.Table.Columns, "Column_"+strconv.Itoa(i))
		}
	} else {
		names = slices.Delete(slices.Clone(names), d.Label, d.Label+1)
		d.Table.Columns = names
	}
	weight = -1
	if l.Weight != "" {
		c, err := find("weight_column", l.Weight, names, columns-1)
		if err != nil {
			return nil, 0, err
		}
		if len(c) != 1 {
			return nil, 0, fmt.Errorf("weight_column must be one column, got %q", l.Weight)
		}
		weight = c[0]
		d.Ignore = append(d.Ignore, weight)
	}
	ignore, err := find("ignore_column", l.Ignore, names, columns-1)
	if err != nil {
		return nil, 0, err
	}
	d.Ignore = append(d.Ignore, ignore...)
	slices.Sort(d.Ignore)
	d.Ignore = slices.Compact(d.Ignore)
	if d.Categorical, err = find("categorical_feature", l.Categorical, names, columns-1); err != nil {
		return nil, 0, err
	}
	return d, weight, nil
}

// find returns the columns that the value of a key lists, in ascending order.
func find(key, list string, names []string, columns int) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var out []int
	wanted, byName := strings.CutPrefix(list, "name:")
	if byName && names == nil {
		return nil, fmt.Errorf("%s=%s: names need a header (header=true)", key, list)
	}
	for w := range strings.SplitSeq(wanted, ",") {
		w = strings.TrimSpace(w)
		if byName {
			i := slices.Index(names, strings.ReplaceAll(w, " ", "_"))
			if i < 0 {
				return nil, fmt.Errorf("%s: there is no column %q; columns are %s", key, w, clip(strings.Join(names, ", ")))
			}
			out = append(out, i)
			continue
		}
		i, err := strconv.Atoi(w)
		if err != nil || i < 0 || i >= columns {
			return nil, fmt.Errorf("%s must be columns in [0, %d) or name:NAME, got %q", key, columns, w)
		}
		out = append(out, i)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func readWeights(r io.Reader, path string, rows int) ([]float32, error) {
	p := newReader(r, path, false)
	var out []float32
	for {
		row, err := p.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(row) != 1 || !(row[0] >= 0 && row[0] <= math.MaxFloat32) {
			return nil, p.error("must be one weight of at least 0")
		}
		out = append(out, float32(row[0]))
	}
	if len(out) != rows {
		return nil, fmt.Errorf("%s: weights must be as many as rows (%d), got %d", path, rows, len(out))
	}
	return out, nil
}

// A reader splits lines into numbers. Blank lines do not count.
type reader struct {
	file      string
	in        *bufio.Reader
	parse     func(string) (float64, error)
	line      int // of the last row
	separator byte
	row       []float64
	columns   int
}

func newReader(r io.Reader, file string, precise bool) *reader {
	p := &reader{file: file, in: bufio.NewReaderSize(r, 1<<20), parse: parseNumber}
	if precise {
		p.parse = parseExact
	}
	return p
}

func (p *reader) error(format string, args ...any) error {
	return &SyntaxError{p.file, p.line, fmt.Sprintf(format, args...)}
}

// text returns the next line that is not blank, io.EOF after the last. It is valid until
// the next call.
func (p *reader) text() (string, error) {
	for {
		line, err := p.in.ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("%s: %w", p.file, err)
		}
		if line == "" {
			return "", io.EOF
		}
		p.line++
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			return line, nil
		}
	}
}

// separate finds the separator of the file from a line: a tab if there is one, else a
// comma.
func (p *reader) separate(line string) error {
	switch {
	case p.separator != 0:
	case strings.Contains(line, "\t"):
		p.separator = '\t'
	case strings.Contains(line, ",") || !strings.Contains(line, ":"):
		p.separator = ','
	default:
		return p.error("the LibSVM format is not supported; values must be separated by commas or tabs")
	}
	return nil
}

// header returns the names of the first line, or nil if there should be none.
func (p *reader) header(wanted bool) ([]string, error) {
	if !wanted {
		return nil, nil
	}
	line, err := p.text()
	if err == io.EOF {
		return nil, fmt.Errorf("%s: there is no header", p.file)
	}
	if err != nil {
		return nil, err
	}
	if err := p.separate(line); err != nil {
		return nil, err
	}
	names := strings.Split(line, string(p.separator))
	for i, n := range names {
		n = strings.Trim(strings.TrimSpace(n), `"`)
		names[i] = strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) {
				return '_'
			}
			return r
		}, n)
	}
	return names, nil
}

// startsWith reports whether the first line holds all names.
func (p *reader) startsWith(names []string) bool {
	start, _ := p.in.Peek(p.in.Size())
	line, _, _ := strings.Cut(string(start), "\n")
	q := newReader(strings.NewReader(line), p.file, false)
	got, err := q.header(true)
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(got, n) })
}

// next returns the numbers of the next line, io.EOF after the last. They are valid
// until the next call.
func (p *reader) next() ([]float64, error) {
	line, err := p.text()
	if err != nil {
		return nil, err
	}
	if err := p.separate(line); err != nil {
		return nil, err
	}
	p.row = p.row[:0]
	for rest, more := line, true; more; {
		var field string
		field, rest, more = cut(rest, p.separator)
		v, err := p.parse(strings.Trim(field, " "))
		if err != nil {
			hint := ""
			if p.line == 1 && !errors.Is(err, errInfinite) {
				hint = "; a line of names needs header=true"
			}
			return nil, p.error("column %d: %v%s", len(p.row), err, hint)
		}
		p.row = append(p.row, v)
	}
	if p.columns == 0 {
		p.columns = len(p.row)
	}
	if len(p.row) != p.columns {
		return nil, p.error("must have %d columns as the rows before, got %d", p.columns, len(p.row))
	}
	return p.row, nil
}

func cut(s string, separator byte) (field, rest string, more bool) {
	if i := strings.IndexByte(s, separator); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}
