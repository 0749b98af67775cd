package lightgbm

import (
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
	// parseNumber. Then a missing value is nan; an empty field is an error.
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
	// Warnings tell what of the file was read in a way that its author may not expect.
	Warnings []string

	features int // of the first lines
	added    int // lines with more
}

// ReadTable reads the data file to train with at path, and the weights in path.weight if
// there is such a file: one a line. A syntax error is a *SyntaxError.
//
// Lines are read as LightGBM reads them. A line ends a value early if it ends in a
// separator: the value that is missing there is 0, as are those of a line that is too
// short; an empty field elsewhere is missing (NaN). The first 32 lines must have equally
// many separators. A line after them with more values than these adds features, which
// other lines have as 0; there must be no header then.
func ReadTable(path string, l Layout) (*Data, error) { return readFile(path, l, nil) }

// ReadValid reads a data file to measure on, as ReadTable does, for a model of train. Its
// first lines must have as many columns as those of train, and the same names if any. What
// train has more because of longer lines is 0 where it is missing.
func ReadValid(path string, l Layout, train *Data) (*Data, error) { return readFile(path, l, train) }

func readFile(path string, l Layout, train *Data) (*Data, error) {
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
	d, err := readTable(f, path, l, train)
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

func readTable(r io.Reader, path string, l Layout, train *Data) (*Data, error) {
	s, err := newSource(r, path)
	if err != nil {
		return nil, err
	}
	p, err := s.reader(l.Header, l.Precise)
	if err != nil {
		return nil, err
	}
	d, weight, err := l.resolve(p.names, p.columns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t := d.Table
	d.features = len(t.Columns)
	if train != nil {
		if d.features != train.features {
			return nil, fmt.Errorf("%s: there must be %d columns and the label as in the data to train on, got %d", path, train.features, d.features)
		}
		if p.names != nil && !slices.Equal(t.Columns, train.Table.Columns) {
			return nil, fmt.Errorf("%s: the header must name the columns of the data to train on, %s, got %s", path,
				clip(strings.Join(train.Table.Columns, ", ")), clip(strings.Join(t.Columns, ", ")))
		}
		t.Columns = train.Table.Columns
	}
	wide := wider{from: len(t.Columns), to: len(t.Columns)}
	for {
		row, err := p.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		label := 0.0
		switch {
		case d.Label < len(row):
			label = row[d.Label]
			row = slices.Delete(row, d.Label, d.Label+1)
		case p.separator == "\t":
			// LightGBM would take the label of the line that the same thread read before.
			return nil, p.error("the label is missing: the line has %d columns, and that of the label is %d", len(row), d.Label)
		}
		zeros(row)
		if math.IsNaN(label) || math.Abs(label) > math.MaxFloat32 {
			return nil, p.error("label must be a number that fits 32 bits, got %v", label)
		}
		t.Label = append(t.Label, float32(label))
		if len(row) > wide.from {
			if extra := row[wide.from:]; train == nil && slices.ContainsFunc(extra, func(v float64) bool { return v != 0 }) {
				if p.names != nil {
					return nil, p.error("must have no more than the %d columns of the header, got %d", len(p.names), len(row)+1)
				}
				wide.add(t.Rows, extra)
			}
			row = row[:wide.from]
		}
		at := len(t.Data)
		t.Data = append(t.Data, row...)
		for len(t.Data) < at+wide.from {
			t.Data = append(t.Data, 0)
		}
		if weight >= 0 {
			w := t.Data[at+weight]
			if !(w >= 0 && w <= math.MaxFloat32) {
				return nil, p.error("weight must be at least 0, got %v", w)
			}
			t.Weight = append(t.Weight, float32(w))
		}
		t.Rows++
	}
	wide.apply(t)
	d.added = len(wide.rows)
	d.Warnings = p.warnings()
	return d, nil
}

// A wider holds what rows have beyond the columns of the first line.
type wider struct {
	from, to int // number of features: of the first line, and of the longest
	rows     []int
	values   [][]float64
}

// add keeps the values that row has from the feature w.from on.
func (w *wider) add(row int, values []float64) {
	last := len(values)
	for last > 0 && values[last-1] == 0 {
		last-- // a zero makes no feature
	}
	w.to = max(w.to, w.from+last)
	w.rows, w.values = append(w.rows, row), append(w.values, slices.Clone(values[:last]))
}

// apply gives t the features that were added.
func (w *wider) apply(t *gbdt.Table) {
	if w.to == w.from {
		return
	}
	for i := w.from; i < w.to; i++ {
		t.Columns = append(t.Columns, "Column_"+strconv.Itoa(i))
	}
	data := make([]float64, t.Rows*w.to)
	for i := range t.Rows {
		copy(data[i*w.to:], t.Data[i*w.from:(i+1)*w.from])
	}
	for k, row := range w.rows {
		copy(data[row*w.to+w.from:], w.values[k])
	}
	t.Data = data
}

// ReadRows reads the data file to predict at path, in LightGBM's way, see ReadTable. The
// result has the columns of the model; Label is -1 if the file has no labels.
//
// Without a header the first line decides: if it has as many fields that are not empty
// as the model has columns, there is no label, otherwise the label is where it was in
// training. With a header columns are found by name, in any order, and others are not
// looked at; those that no tree looks at may be missing. A file whose first line holds
// the names of the model's columns needs no word about its header.
func ReadRows(path string, m *gbdt.Model, header, precise bool) (*Data, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readRows(f, path, m, header, precise)
}

func readRows(r io.Reader, path string, m *gbdt.Model, header, precise bool) (*Data, error) {
	s, err := newSource(r, path)
	if err != nil {
		return nil, err
	}
	p, err := s.reader(header || s.startsWith(m.Columns), precise)
	if err != nil {
		return nil, err
	}
	width := len(m.Columns)
	d := &Data{Table: &gbdt.Table{Columns: m.Columns}, Label: -1}
	to := make([]int, 0, width) // where a value goes, -1 if nowhere
	if p.names == nil {
		if d.Label, err = p.unnamed(m); err != nil {
			return nil, err
		}
		for i := range p.columns {
			switch {
			case i == d.Label:
				to = append(to, -1)
			case d.Label >= 0 && i > d.Label:
				to = append(to, i-1)
			default:
				to = append(to, i)
			}
		}
	} else if to, err = p.named(m); err != nil {
		return nil, err
	}
	t := d.Table
	for {
		row, err := p.next()
		if err == io.EOF {
			d.Warnings = p.warnings()
			return d, nil
		}
		if err != nil {
			return nil, err
		}
		zeros(row)
		at := len(t.Data)
		t.Data = append(t.Data, make([]float64, width)...)
		for i, v := range row[:min(len(row), len(to))] {
			if to[i] >= 0 {
				t.Data[at+to[i]] = v
			}
		}
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
		if d.Table.Columns, err = columnNames(names); err != nil {
			return nil, 0, err
		}
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
			i := slices.IndexFunc(names, func(n string) bool { return underscored(n) == underscored(w) })
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

// columnNames returns names as the model has them.
func columnNames(names []string) ([]string, error) {
	out := make([]string, len(names))
	for i, n := range names {
		if strings.ContainsAny(n, `",:[]{}`) {
			return nil, fmt.Errorf("column names must not hold any of \",:[]{}, which LightGBM refuses, got %q", clip(n))
		}
		out[i] = underscored(n)
		if j := slices.Index(out[:i], out[i]); j >= 0 {
			return nil, fmt.Errorf("columns %d and %d are both named %q", j, i, clip(out[i]))
		}
	}
	return out, nil
}

// underscored is a name as LightGBM writes it into a model.
func underscored(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return '_'
		}
		return r
	}, name)
}

func readWeights(r io.Reader, path string, rows int) ([]float32, error) {
	s, err := newSource(r, path)
	if err != nil {
		return nil, err
	}
	p := s.weights()
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
