package parquet

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"
)

// writeFile writes the columns to a new file at path and makes it durable. Equal
// columns give equal bytes.
func writeFile(path string, columns []Column) (err error) {
	rows := 0
	for i, c := range columns {
		if i > 0 && c.Len() != rows {
			return fmt.Errorf("%s: column %q has %d rows, column %q has %d", path, c.Name, c.Len(), columns[0].Name, rows)
		}
		rows = c.Len()
	}
	out, err := createFile(path, columns)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := out.close(err == nil); err == nil {
			err = cerr
		}
	}()
	part := make([]Column, len(columns))
	for from := 0; from < rows; from += rowGroupRows {
		to := min(from+rowGroupRows, rows)
		for i, c := range columns {
			part[i] = c.rows(from, to)
		}
		if err := out.group(part); err != nil {
			return err
		}
	}
	return nil
}

// A fileWriter writes a new file, a row group at a time.
type fileWriter struct {
	path string
	f    *os.File
	buf  *bufio.Writer
	w    *file.Writer
	rows int
}

// createFile begins a new file at path with columns of the names and types of like.
func createFile(path string, like []Column) (_ *fileWriter, err error) {
	fields := make(schema.FieldList, len(like))
	for i, c := range like {
		if fields[i], err = c.node(); err != nil {
			return nil, fmt.Errorf("%s: column %q: %w", path, c.Name, err)
		}
	}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	o := &fileWriter{path: path, f: f, buf: bufio.NewWriterSize(f, 1<<18)}
	if err := o.begin(root); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return o, nil
}

func (o *fileWriter) begin(root *schema.GroupNode) (err error) {
	defer recovered(&err)
	o.w = file.NewParquetWriter(o.buf, root, file.WithWriterProps(parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithDictionaryDefault(true),
		// A chunk that leaves its dictionary for plain pages lists its encodings in the
		// order of a Go map, which differs from run to run; a row group bounds the dictionary.
		parquet.WithDictionaryPageSizeLimit(1<<30),
		parquet.WithVersion(parquet.V2_LATEST),
		parquet.WithCreatedBy("incendio"),
	)))
	return nil
}

// group writes columns, of equal length, as one row group.
func (o *fileWriter) group(columns []Column) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", o.path, err)
		}
	}()
	defer recovered(&err) // the column writers report some errors of the file by panic
	if o.rows += columns[0].Len(); o.rows > maxRows {
		return fmt.Errorf("%d rows: must be at most %d", o.rows, maxRows)
	}
	g := o.w.AppendRowGroup()
	for _, c := range columns {
		cw, err := g.NextColumn()
		if err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
		if err := c.writeTo(cw); err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
		if err := cw.Close(); err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
	}
	return g.Close()
}

// close ends the file: where keep is true with its footer, and durable.
func (o *fileWriter) close(keep bool) error {
	if !keep {
		return o.f.Close()
	}
	err := o.finish()
	if err == nil {
		err = o.f.Sync()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", o.path, err)
	}
	return errors.Join(err, o.f.Close())
}

func (o *fileWriter) finish() (err error) {
	defer recovered(&err)
	if err := o.w.Close(); err != nil {
		return err
	}
	return o.buf.Flush()
}

// writeTo writes c as one chunk.
func (c Column) writeTo(w file.ColumnChunkWriter) error {
	switch v := c.Data.(type) {
	case []int32:
		return writeChunk(w, v, nil, nil)
	case []int64:
		return writeChunk(w, v, nil, nil)
	case []float64:
		return writeChunk(w, v, nil, nil)
	case []bool:
		return writeChunk(w, v, nil, nil)
	case []string:
		raw := make([]parquet.ByteArray, len(v))
		for i, s := range v {
			raw[i] = parquet.ByteArray(s)
		}
		return writeChunk(w, raw, nil, nil)
	case [][]int64:
		return writeLists(w, v)
	case [][]float64:
		return writeLists(w, v)
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
