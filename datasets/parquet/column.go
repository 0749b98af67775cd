package parquet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"
)

// rowGroupRows bounds what a reader has to decode to get at one function or one hour.
const rowGroupRows = 1 << 17

// maxRows bounds what a footer can make a reader allocate.
const maxRows = 1 << 28

// A Column is a named column of a table.
type Column struct {
	Name string

	// Data has one element a row: []int32, []int64, []float64, []bool or []string,
	// or [][]int64 or [][]float64 for lists.
	Data any
}

// Len is the number of rows.
func (c Column) Len() int {
	switch v := c.Data.(type) {
	case []int32:
		return len(v)
	case []int64:
		return len(v)
	case []float64:
		return len(v)
	case []bool:
		return len(v)
	case []string:
		return len(v)
	case [][]int64:
		return len(v)
	case [][]float64:
		return len(v)
	}
	return 0
}

// node is the column's place in the schema of a file. No value is ever missing.
func (c Column) node() (schema.Node, error) {
	req := parquet.Repetitions.Required
	list := func(element *schema.PrimitiveNode) (schema.Node, error) {
		return schema.ListOfWithName(c.Name, element, req, -1)
	}
	switch c.Data.(type) {
	case []int32:
		return schema.NewInt32Node(c.Name, req, -1), nil
	case []int64:
		return schema.NewInt64Node(c.Name, req, -1), nil
	case []float64:
		return schema.NewFloat64Node(c.Name, req, -1), nil
	case []bool:
		return schema.NewBooleanNode(c.Name, req, -1), nil
	case []string:
		return schema.NewPrimitiveNodeLogical(c.Name, req, schema.StringLogicalType{}, parquet.Types.ByteArray, -1, -1)
	case [][]int64:
		return list(schema.NewInt64Node("element", req, -1))
	case [][]float64:
		return list(schema.NewFloat64Node("element", req, -1))
	}
	return nil, fmt.Errorf("a column of %T cannot be stored", c.Data)
}

// writeRows writes rows [from, to) of c as one chunk.
func (c Column) writeRows(w file.ColumnChunkWriter, from, to int) error {
	switch v := c.Data.(type) {
	case []int32:
		return writeChunk(w, v[from:to], nil, nil)
	case []int64:
		return writeChunk(w, v[from:to], nil, nil)
	case []float64:
		return writeChunk(w, v[from:to], nil, nil)
	case []bool:
		return writeChunk(w, v[from:to], nil, nil)
	case []string:
		raw := make([]parquet.ByteArray, to-from)
		for i, s := range v[from:to] {
			raw[i] = parquet.ByteArray(s)
		}
		return writeChunk(w, raw, nil, nil)
	case [][]int64:
		return writeLists(w, v[from:to])
	case [][]float64:
		return writeLists(w, v[from:to])
	}
	return fmt.Errorf("a column of %T cannot be stored", c.Data)
}

type batchWriter[T any] interface {
	WriteBatch(values []T, def, rep []int16) (int64, error)
}

func writeChunk[T any](w file.ColumnChunkWriter, values []T, def, rep []int16) error {
	bw, ok := w.(batchWriter[T])
	if !ok {
		return fmt.Errorf("%T does not take %T", w, values)
	}
	_, err := bw.WriteBatch(values, def, rep)
	return err
}

// writeLists encodes lists after Dremel: the definition level is 0 for an empty
// list and 1 for an element, the repetition level is 1 for all but a row's first.
func writeLists[T any](w file.ColumnChunkWriter, rows [][]T) error {
	var values []T
	var def, rep []int16
	for _, row := range rows {
		if len(row) == 0 {
			def, rep = append(def, 0), append(rep, 0)
		}
		for i, v := range row {
			values = append(values, v)
			def = append(def, 1)
			rep = append(rep, int16(min(i, 1)))
		}
	}
	return writeChunk(w, values, def, rep)
}

// writeFile writes the columns to a new file at path and makes it durable. Equal
// columns give equal bytes.
func writeFile(path string, columns []Column) (err error) {
	fields := make(schema.FieldList, len(columns))
	rows := 0
	for i, c := range columns {
		if fields[i], err = c.node(); err != nil {
			return fmt.Errorf("%s: column %q: %w", path, c.Name, err)
		}
		if i > 0 && c.Len() != rows {
			return fmt.Errorf("%s: column %q has %d rows, column %q has %d", path, c.Name, c.Len(), columns[0].Name, rows)
		}
		rows = c.Len()
	}
	if rows > maxRows {
		return fmt.Errorf("%s: %d rows: must be at most %d", path, rows, maxRows)
	}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	buf := bufio.NewWriterSize(f, 1<<18)
	if err := writeTo(buf, root, columns, rows); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	return f.Sync()
}

func writeTo(out io.Writer, root *schema.GroupNode, columns []Column, rows int) (err error) {
	defer recovered(&err) // the column writers report some errors of out by panic
	w := file.NewParquetWriter(out, root, file.WithWriterProps(parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithDictionaryDefault(true),
		// A chunk that leaves its dictionary for plain pages lists its encodings in the
		// order of a Go map, which differs from run to run; a row group bounds the dictionary.
		parquet.WithDictionaryPageSizeLimit(1<<30),
		parquet.WithVersion(parquet.V2_LATEST),
		parquet.WithCreatedBy("incendio"),
	)))
	for from := 0; from < rows; from += rowGroupRows {
		to := min(from+rowGroupRows, rows)
		group := w.AppendRowGroup()
		for _, c := range columns {
			cw, err := group.NextColumn()
			if err != nil {
				return fmt.Errorf("column %q: %w", c.Name, err)
			}
			if err := c.writeRows(cw, from, to); err != nil {
				return fmt.Errorf("column %q: %w", c.Name, err)
			}
			if err := cw.Close(); err != nil {
				return fmt.Errorf("column %q: %w", c.Name, err)
			}
		}
		if err := group.Close(); err != nil {
			return err
		}
	}
	return w.Close()
}

// recovered turns a panic into an error: Arrow v15 panics on much malformed input.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("malformed Parquet: %v", r)
	}
}

// readFile reads the columns of a file whose names and types are those of want,
// in its order; without want, all that the file has. More than limit rows are an
// error. One goroutine reads one column after the other with the low-level
// readers, where a panic over malformed input can be recovered.
func readFile(path string, want []Column, limit int64) (columns []Column, err error) {
	defer func() {
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	defer recovered(&err)
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	r, err := file.NewParquetReader(in)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	leaves := r.MetaData().Schema
	index := make(map[string]int, leaves.NumColumns())
	names := make([]string, leaves.NumColumns())
	for i := range names {
		names[i] = leaves.Column(i).ColumnPath()[0]
		if _, ok := index[names[i]]; ok {
			return nil, fmt.Errorf("column %q: nested or twice", names[i])
		}
		index[names[i]] = i
	}
	if want == nil {
		for i, name := range names {
			data, err := typed(leaves.Column(i))
			if err != nil {
				return nil, fmt.Errorf("column %q: %w", name, err)
			}
			want = append(want, Column{name, data})
		}
	}
	rows := r.NumRows()
	if rows < 0 || rows > limit {
		return nil, fmt.Errorf("%d rows: expected at most %d", rows, limit)
	}
	for _, c := range want {
		i, ok := index[c.Name]
		if !ok {
			return nil, fmt.Errorf("column %q is missing: the file has %q", c.Name, names)
		}
		if c.Data, err = readColumn(r, i, c.Data, rows); err != nil {
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

// readColumn reads the leaf i of all row groups into a slice of the type of as.
func readColumn(r *file.Reader, i int, as any, rows int64) (any, error) {
	switch as.(type) {
	case []int32:
		return readFlat[int32](r, i, rows)
	case []int64:
		return readFlat[int64](r, i, rows)
	case []float64:
		return readFlat[float64](r, i, rows)
	case []bool:
		return readFlat[bool](r, i, rows)
	case []string:
		return readStrings(r, i, rows)
	case [][]int64:
		return readLists[int64](r, i, rows)
	case [][]float64:
		return readLists[float64](r, i, rows)
	}
	return nil, fmt.Errorf("a column of %T cannot be read", as)
}

type batchReader[T any] interface {
	ReadBatch(n int64, values []T, def, rep []int16) (total int64, valuesRead int, err error)
	Err() error
}

// chunk opens the leaf i of row group g, which must hold values of type T with
// definition and repetition levels of at most level.
func chunk[T any](r *file.Reader, g, i int, level int16) (batchReader[T], error) {
	leaf := r.MetaData().Schema.Column(i)
	if leaf.MaxDefinitionLevel() != level || leaf.MaxRepetitionLevel() != level {
		return nil, fmt.Errorf("definition level %d, repetition level %d: expected %d, %d",
			leaf.MaxDefinitionLevel(), leaf.MaxRepetitionLevel(), level, level)
	}
	c, err := r.RowGroup(g).Column(i)
	if err != nil {
		return nil, err
	}
	br, ok := c.(batchReader[T])
	if !ok {
		var want T
		return nil, fmt.Errorf("holds %v, expected %T", leaf.PhysicalType(), want)
	}
	return br, nil
}

// next reads one batch, and treats a chunk that ends early as an error, so that a
// footer that promises too much neither loops nor goes unnoticed.
func next[T any](c batchReader[T], values []T, def, rep []int16) (levels int64, n int, err error) {
	levels, n, err = c.ReadBatch(int64(len(values)), values, def, rep)
	switch {
	case err != nil:
		return 0, 0, err
	case c.Err() != nil:
		return 0, 0, c.Err()
	case levels <= 0 || levels > int64(len(values)) || n < 0 || int64(n) > levels:
		return 0, 0, errors.New("fewer values than the footer says")
	}
	return levels, n, nil
}

func readFlat[T any](r *file.Reader, i int, rows int64) ([]T, error) {
	out := make([]T, 0, rows)
	for g := range r.NumRowGroups() {
		n := r.RowGroup(g).NumRows()
		if n < 0 || int64(len(out))+n > rows {
			return nil, fmt.Errorf("row group %d has %d rows: the file has %d", g, n, rows)
		}
		if n == 0 {
			continue
		}
		c, err := chunk[T](r, g, i, 0)
		if err != nil {
			return nil, err
		}
		from := len(out)
		out = out[:from+int(n)]
		for from < len(out) {
			levels, _, err := next(c, out[from:], nil, nil)
			if err != nil {
				return nil, err
			}
			from += int(levels)
		}
	}
	if int64(len(out)) != rows {
		return nil, fmt.Errorf("%d rows: the footer says %d", len(out), rows)
	}
	return out, nil
}

// batch is the number of values that are decoded at a time where they are
// converted on the way.
const batch = 1024

func readStrings(r *file.Reader, i int, rows int64) ([]string, error) {
	var out []string
	interned := map[string]string{}
	values := make([]parquet.ByteArray, batch)
	for g := range r.NumRowGroups() {
		n := r.RowGroup(g).NumRows()
		if n < 0 || int64(len(out))+n > rows {
			return nil, fmt.Errorf("row group %d has %d rows: the file has %d", g, n, rows)
		}
		if n == 0 {
			continue
		}
		c, err := chunk[parquet.ByteArray](r, g, i, 0)
		if err != nil {
			return nil, err
		}
		for n > 0 {
			levels, _, err := next(c, values[:min(n, batch)], nil, nil)
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
	}
	if int64(len(out)) != rows {
		return nil, fmt.Errorf("%d rows: the footer says %d", len(out), rows)
	}
	return out, nil
}

func readLists[T any](r *file.Reader, i int, rows int64) ([][]T, error) {
	var out [][]T
	values := make([]T, batch)
	def, rep := make([]int16, batch), make([]int16, batch)
	for g := range r.NumRowGroups() {
		meta, err := r.MetaData().RowGroup(g).ColumnChunk(i)
		if err != nil {
			return nil, err
		}
		n := meta.NumValues()
		if n < 0 || n > maxRows {
			return nil, fmt.Errorf("row group %d has %d values: expected at most %d", g, n, maxRows)
		}
		if n == 0 {
			continue
		}
		c, err := chunk[T](r, g, i, 1)
		if err != nil {
			return nil, err
		}
		for n > 0 {
			m := min(n, batch)
			levels, count, err := next(c, values[:m], def[:m], rep[:m])
			if err != nil {
				return nil, err
			}
			v := 0
			for k := range int(levels) {
				if rep[k] == 0 {
					out = append(out, nil)
				}
				if len(out) == 0 || int64(len(out)) > rows || def[k] == 1 && v == count {
					return nil, errors.New("levels and values disagree")
				}
				if def[k] == 1 {
					out[len(out)-1] = append(out[len(out)-1], values[v])
					v++
				}
			}
			n -= levels
		}
	}
	if int64(len(out)) != rows {
		return nil, fmt.Errorf("%d rows: the footer says %d", len(out), rows)
	}
	return out, nil
}
