package parquet

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"github.com/incendio-faas/incendio/datasets/parquet/internal/batch"
)

// readFile reads the columns of a file whose names and types are those of want,
// in its order; without want, all that the file has. More than limit rows are an
// error.
func readFile(path string, want []Column, limit int64) ([]Column, error) {
	r, err := openFile(path, want, limit)
	if err != nil {
		return nil, err
	}
	defer r.close()
	all := make([]int, r.groups())
	for g := range all {
		all[g] = g
	}
	return r.read(all)
}

// A fileReader reads row groups of a file. One goroutine reads one column after the
// other with the low-level readers, where a panic over malformed input can be
// recovered.
type fileReader struct {
	path  string
	f     *os.File
	r     *file.Reader
	want  []Column
	index []int // of the leaves of want
}

// openFile opens a file for reading the columns want; see readFile.
func openFile(path string, want []Column, limit int64) (_ *fileReader, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &fileReader{path: path, f: f, want: want}
	if err := r.begin(limit); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return r, nil
}

func (r *fileReader) begin(limit int64) (err error) {
	defer batch.Recover(&err)
	info, err := r.f.Stat()
	if err != nil {
		return err
	}
	// A section answers an offset that makes no sense with io.EOF, a file with an error
	// of the operating system.
	if r.r, err = file.NewParquetReader(io.NewSectionReader(r.f, 0, info.Size())); err != nil {
		return err
	}
	leaves := r.r.MetaData().Schema
	index := make(map[string]int, leaves.NumColumns())
	names := make([]string, leaves.NumColumns())
	for i := range names {
		names[i] = leaves.Column(i).ColumnPath()[0]
		if _, ok := index[names[i]]; ok {
			return fmt.Errorf("column %q: nested or twice", names[i])
		}
		index[names[i]] = i
	}
	if r.want == nil {
		for i, name := range names {
			data, err := typed(leaves.Column(i))
			if err != nil {
				return fmt.Errorf("column %q: %w", name, err)
			}
			r.want = append(r.want, Column{name, data})
		}
	}
	for _, c := range r.want {
		i, ok := index[c.Name]
		if !ok {
			return fmt.Errorf("column %q is missing: the file has %q", c.Name, names)
		}
		r.index = append(r.index, i)
	}
	rows := r.r.NumRows()
	if rows < 0 || rows > limit {
		return fmt.Errorf("%d rows: expected at most %d", rows, limit)
	}
	left := rows
	for g := range r.groups() {
		n := r.r.RowGroup(g).NumRows()
		if n < 0 || n > left {
			return fmt.Errorf("row group %d has %d rows: the file has %d", g, n, rows)
		}
		left -= n
	}
	if left != 0 {
		return fmt.Errorf("%d rows: the footer says %d", rows-left, rows)
	}
	return nil
}

func (r *fileReader) close() error { return r.f.Close() }

// rows is the number of rows of the file.
func (r *fileReader) rows() int64 { return r.r.NumRows() }

// groups is the number of row groups.
func (r *fileReader) groups() int { return r.r.NumRowGroups() }

// bounds returns the smallest and the largest value of the column c of row group g,
// where the file has them; the column must be of integers.
func (r *fileReader) bounds(g, c int) (low, high int64, ok bool) {
	var err error
	defer func() {
		if err != nil {
			ok = false // statistics that cannot be read skip nothing
		}
	}()
	defer batch.Recover(&err)
	chunk, err := r.r.MetaData().RowGroup(g).ColumnChunk(r.index[c])
	if err != nil {
		return 0, 0, false
	}
	stats, err := chunk.Statistics()
	if err != nil || stats == nil || !stats.HasMinMax() {
		return 0, 0, false
	}
	switch s := stats.(type) {
	case *metadata.Int32Statistics:
		return int64(s.Min()), int64(s.Max()), true
	case *metadata.Int64Statistics:
		return s.Min(), s.Max(), true
	}
	return 0, 0, false
}

// may reports whether row group g may have a value of the column c in [from, to).
func (r *fileReader) may(g, c int, from, to int64) bool {
	low, high, ok := r.bounds(g, c)
	return !ok || high >= from && low < to
}

// read reads row groups, in ascending order.
func (r *fileReader) read(groups []int) (columns []Column, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", r.path, err)
		}
	}()
	defer batch.Recover(&err)
	for i, c := range r.want {
		if c.Data, err = r.column(r.index[i], c.Data, groups); err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		columns = append(columns, c)
	}
	return columns, nil
}

// typed returns an empty slice of the type in which a leaf is read.
func typed(leaf *schema.Column) (any, error) {
	list := leaf.MaxRepetitionLevel() > 0
	switch t := leaf.PhysicalType(); {
	case t == parquet.Types.Int32 && !list:
		return []int32(nil), nil
	case t == parquet.Types.Int64 && !list:
		return []int64(nil), nil
	case t == parquet.Types.Int64:
		return [][]int64(nil), nil
	case t == parquet.Types.Double && !list:
		return []float64(nil), nil
	case t == parquet.Types.Double:
		return [][]float64(nil), nil
	case t == parquet.Types.Boolean && !list:
		return []bool(nil), nil
	case t == parquet.Types.ByteArray && !list:
		return []string(nil), nil
	default:
		return nil, fmt.Errorf("a column of %v (list: %t) cannot be read", t, list)
	}
}

// column reads the leaf i of row groups into a slice of the type of as.
func (r *fileReader) column(i int, as any, groups []int) (any, error) {
	rows := 0
	for _, g := range groups {
		rows += int(r.r.RowGroup(g).NumRows())
	}
	switch as.(type) {
	case []int32:
		return readGroups(r.r, i, groups, make([]int32, 0, rows), readFlat)
	case []int64:
		return readGroups(r.r, i, groups, make([]int64, 0, rows), readFlat)
	case []float64:
		return readGroups(r.r, i, groups, make([]float64, 0, rows), readFlat)
	case []bool:
		return readGroups(r.r, i, groups, make([]bool, 0, rows), readFlat)
	case []string:
		interned := map[string]string{}
		return readGroups(r.r, i, groups, nil, func(r *file.Reader, g, i int, out []string) ([]string, error) {
			return readStrings(r, g, i, out, interned)
		})
	case [][]int64:
		return readGroups(r.r, i, groups, nil, readLists[int64])
	case [][]float64:
		return readGroups(r.r, i, groups, nil, readLists[float64])
	}
	return nil, fmt.Errorf("a column of %T cannot be read", as)
}

// readGroups appends the leaf i of row groups to out.
func readGroups[T any](r *file.Reader, i int, groups []int, out []T, read func(r *file.Reader, g, i int, out []T) ([]T, error)) ([]T, error) {
	for _, g := range groups {
		n := int(r.RowGroup(g).NumRows())
		if n == 0 {
			continue
		}
		before := len(out)
		var err error
		if out, err = read(r, g, i, out); err != nil {
			return nil, err
		}
		if len(out) != before+n {
			return nil, fmt.Errorf("row group %d: %d rows: the footer says %d", g, len(out)-before, n)
		}
	}
	return out, nil
}

// openChunk opens the leaf i of row group g, which must hold values of type T with
// definition and repetition levels of at most level.
func openChunk[T any](r *file.Reader, g, i int, level int16) (batch.Reader[T], error) {
	leaf := r.MetaData().Schema.Column(i)
	if leaf.MaxDefinitionLevel() != level || leaf.MaxRepetitionLevel() != level {
		return nil, fmt.Errorf("definition level %d, repetition level %d: expected %d, %d",
			leaf.MaxDefinitionLevel(), leaf.MaxRepetitionLevel(), level, level)
	}
	c, err := r.RowGroup(g).Column(i)
	if err != nil {
		return nil, err
	}
	br, ok := c.(batch.Reader[T])
	if !ok {
		var want T
		return nil, fmt.Errorf("holds %v, expected %T", leaf.PhysicalType(), want)
	}
	return br, nil
}

func readFlat[T any](r *file.Reader, g, i int, out []T) ([]T, error) {
	c, err := openChunk[T](r, g, i, 0)
	if err != nil {
		return nil, err
	}
	from, n := len(out), int(r.RowGroup(g).NumRows())
	out = out[:from+n]
	for from < len(out) {
		levels, _, err := batch.Next(c, out[from:], nil, nil)
		if err != nil {
			return nil, err
		}
		from += int(levels)
	}
	return out, nil
}

func readStrings(r *file.Reader, g, i int, out []string, interned map[string]string) ([]string, error) {
	c, err := openChunk[parquet.ByteArray](r, g, i, 0)
	if err != nil {
		return nil, err
	}
	values := make([]parquet.ByteArray, batch.Size)
	for n := r.RowGroup(g).NumRows(); n > 0; {
		levels, _, err := batch.Next(c, values[:min(n, batch.Size)], nil, nil)
		if err != nil {
			return nil, err
		}
		for _, v := range values[:levels] {
			s, ok := interned[string(v)]
			if !ok {
				s = string(v)
				interned[s] = s
			}
			out = append(out, s)
		}
		n -= levels
	}
	return out, nil
}

func readLists[T any](r *file.Reader, g, i int, out [][]T) ([][]T, error) {
	meta, err := r.MetaData().RowGroup(g).ColumnChunk(i)
	if err != nil {
		return nil, err
	}
	n, rows := meta.NumValues(), len(out)+int(r.RowGroup(g).NumRows())
	if n < 0 || n > maxRows {
		return nil, fmt.Errorf("row group %d has %d values: expected at most %d", g, n, maxRows)
	}
	c, err := openChunk[T](r, g, i, 1)
	if err != nil {
		return nil, err
	}
	values := make([]T, batch.Size)
	def, rep := make([]int16, batch.Size), make([]int16, batch.Size)
	first := len(out)
	for n > 0 {
		m := min(n, batch.Size)
		levels, count, err := batch.Next(c, values[:m], def[:m], rep[:m])
		if err != nil {
			return nil, err
		}
		v := 0
		for k := range int(levels) {
			if rep[k] == 0 {
				out = append(out, nil)
			}
			if len(out) == first || len(out) > rows || def[k] == 1 && v == count {
				return nil, errors.New("levels and values disagree")
			}
			if def[k] == 1 {
				out[len(out)-1] = append(out[len(out)-1], values[v])
				v++
			}
		}
		n -= levels
	}
	return out, nil
}
