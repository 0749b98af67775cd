package parquet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"github.com/incendio-faas/incendio/internal/parallel"
)

// writeFile writes the columns to a new file at path and makes it durable. Equal
// columns give equal bytes.
func writeFile(fs files, path string, columns []Column) error {
	rows := 0
	for i, c := range columns {
		if i > 0 && c.Len() != rows {
			return fmt.Errorf("%s: column %q has %d rows, column %q has %d", path, c.Name, c.Len(), columns[0].Name, rows)
		}
		rows = c.Len()
	}
	var ends []int
	for to := rowGroupRows; to < rows; to += rowGroupRows {
		ends = append(ends, to)
	}
	if rows > 0 {
		ends = append(ends, rows)
	}
	return writeGroups(fs, path, columns, ends, func(from, to int) []Column {
		part := make([]Column, len(columns))
		for i, c := range columns {
			part[i] = c.rows(from, to)
		}
		return part
	})
}

// writeGroups writes a file with columns of the names and types of like, and row groups
// that end before the given rows; rows returns those of one.
func writeGroups(fs files, path string, like []Column, ends []int, rows func(from, to int) []Column) (err error) {
	out, err := createFile(fs, path, like)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := out.close(err == nil); err == nil {
			err = cerr
		}
	}()
	// As many groups are encoded at a time as there are cores; they are written in order.
	at, from := runtime.GOMAXPROCS(0), 0
	for len(ends) > 0 {
		var groups [][]Column
		for _, to := range ends[:min(at, len(ends))] {
			groups = append(groups, rows(from, to))
			from = to
		}
		if err := out.groups(groups); err != nil {
			return err
		}
		ends = ends[len(groups):]
	}
	return nil
}

// A fileWriter writes a new file, row groups at a time.
type fileWriter struct {
	path  string
	f     handle
	buf   *bufio.Writer
	meta  *metadata.FileMetaDataBuilder
	at    int64 // bytes written
	rows  int
	count int // row groups
}

var magic = []byte("PAR1")

// createFile begins a new file at path with columns of the names and types of like.
func createFile(fs files, path string, like []Column) (_ *fileWriter, err error) {
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
	f, err := fs.create(path, os.O_EXCL)
	if err != nil {
		return nil, err
	}
	properties := parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithVersion(parquet.V2_LATEST),
		parquet.WithCreatedBy("incendio"),
	)
	o := &fileWriter{
		path: path, f: f, buf: bufio.NewWriterSize(f, 1<<16),
		meta: metadata.NewFileMetadataBuilder(schema.NewSchema(root), properties, nil),
	}
	if err := o.write(magic); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return o, nil
}

func (o *fileWriter) write(b []byte) error {
	n, err := o.buf.Write(b)
	o.at += int64(n)
	return err
}

// group writes columns, of equal length, as one row group.
func (o *fileWriter) group(columns []Column) error { return o.groups([][]Column{columns}) }

// groups encodes row groups at the same time, and writes them in order.
func (o *fileWriter) groups(groups [][]Column) error {
	chunks := make([][]*chunk, len(groups))
	var g parallel.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, columns := range groups {
		chunks[i] = make([]*chunk, len(columns))
		for k, c := range columns {
			g.Go(func() error {
				var err error
				if chunks[i][k], err = encode(c); err != nil {
					return fmt.Errorf("%s: column %q: %w", o.path, c.Name, err)
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, columns := range groups {
		if err := o.append(columns[0].Len(), chunks[i]); err != nil {
			return fmt.Errorf("%s: %w", o.path, err)
		}
	}
	return nil
}

// append writes the chunks of a row group.
func (o *fileWriter) append(rows int, chunks []*chunk) error {
	if o.rows += rows; o.rows > maxRows {
		return fmt.Errorf("%d rows: must be at most %d", o.rows, maxRows)
	}
	group := o.meta.AppendRowGroup()
	group.SetNumRows(rows)
	size := int64(0)
	for _, c := range chunks {
		info := metadata.ChunkMetaInfo{
			NumValues: c.values, IndexPageOffset: -1, DataPageOffset: o.at + int64(c.dictionary),
			CompressedSize: int64(len(c.pages)), UncompressedSize: c.uncompressed,
		}
		pages := metadata.EncodingStats{DataEncodingStats: map[parquet.Encoding]int32{parquet.Encodings.Plain: c.dataPages}}
		if c.dictionary > 0 {
			info.DictPageOffset = o.at
			pages.DictEncodingStats = map[parquet.Encoding]int32{parquet.Encodings.Plain: 1}
			pages.DataEncodingStats = map[parquet.Encoding]int32{parquet.Encodings.RLEDict: c.dataPages}
		}
		column := group.NextColumnChunk()
		column.SetStats(c.stats)
		if err := column.Finish(info, c.dictionary > 0, false, pages, nil); err != nil {
			return err
		}
		if err := o.write(c.pages); err != nil {
			return err
		}
		size += c.uncompressed
	}
	o.count++
	return group.Finish(size, int16(o.count-1))
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

func (o *fileWriter) finish() error {
	meta, err := o.meta.Finish()
	if err != nil {
		return err
	}
	n, err := meta.WriteTo(o.buf, nil)
	if err != nil {
		return err
	}
	if err := o.write(append(binary.LittleEndian.AppendUint32(nil, uint32(n)), magic...)); err != nil {
		return err
	}
	return o.buf.Flush()
}
