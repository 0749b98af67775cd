package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/internal/whole"
)

// Formats of frames.
const (
	csvFormat     = "csv"
	jsonFormat    = "json"
	parquetFormat = "parquet"
)

// formatOf is the format that the name of a file asks for: Parquet or CSV.
func formatOf(path string) string {
	if filepath.Ext(path) == "."+parquetFormat {
		return parquetFormat
	}
	return csvFormat
}

// A frame is rows under named columns that are written as they come; of Parquet, at the end. A file
// appears as a whole or not at all. Values are string, int or float64; one that is not finite is
// empty in CSV, null in JSON and NaN in Parquet.
type frame struct {
	path, format string // no path: standard output
	names        []string

	staged *whole.Staging // of the file that is being written
	file   *os.File
	w      *bufio.Writer
	line   []byte
	any    bool // whether there was a row

	columns []any // of Parquet: *[]string, *[]int32 or *[]float64
}

// newFrame begins a frame in a file, or on stdout if path is empty. Head is what JSON has
// beside the rows, an object that is not empty; the rows are its last member, called rows.
func newFrame(stdout io.Writer, path, format string, head any, rows string, columns ...string) (*frame, error) {
	f := &frame{path: path, format: format, names: columns}
	if format == parquetFormat {
		return f, nil
	}
	if path == "" {
		f.w = bufio.NewWriter(stdout)
	} else {
		var err error
		if f.staged, err = whole.Begin(path); err == nil {
			f.file, err = os.Create(f.staged.Path)
		}
		if err != nil {
			f.abandon()
			return nil, f.failed(err)
		}
		f.w = bufio.NewWriter(f.file)
	}
	begin := strings.Join(columns, ",") + "\n"
	if format == jsonFormat {
		b, err := json.MarshalIndent(head, "", "  ")
		if err != nil {
			f.abandon()
			return nil, err
		}
		begin = fmt.Sprintf("%s,\n  %q: [", strings.TrimSuffix(string(b), "\n}"), rows)
	}
	_, err := f.w.WriteString(begin)
	return f, f.failed(err)
}

// failed adds to an error where it happened.
func (f *frame) failed(err error) error {
	if err == nil || f.path == "" {
		return err
	}
	return fmt.Errorf("write %s: %w", f.path, err)
}

// row appends a row, a value for each column, of the same types in all rows.
func (f *frame) row(values ...any) error {
	if f.format == parquetFormat {
		f.keep(values)
		return nil
	}
	b := f.line[:0]
	if f.format == jsonFormat {
		if f.any {
			b = append(b, ',')
		}
		b = append(b, "\n    {"...)
	}
	for i, v := range values {
		if f.format == jsonFormat {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(strconv.AppendQuote(b, f.names[i]), ": "...)
		} else if i > 0 {
			b = append(b, ',')
		}
		b = f.value(b, v)
	}
	if f.format == jsonFormat {
		b = append(b, '}')
	} else {
		b = append(b, '\n')
	}
	f.any, f.line = true, b
	_, err := f.w.Write(b)
	return f.failed(err)
}

func (f *frame) value(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		if f.format == jsonFormat {
			text, _ := json.Marshal(v) // a string always can
			return append(b, text...)
		}
		if strings.ContainsAny(v, ",\"\r\n") {
			v = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
		}
		return append(b, v...)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return strconv.AppendFloat(b, v, 'g', -1, 64)
		}
	}
	if f.format == jsonFormat {
		return append(b, "null"...)
	}
	return b
}

// keep holds a row until all are written.
func (f *frame) keep(values []any) {
	if f.columns == nil {
		for _, v := range values {
			switch v.(type) {
			case string:
				f.columns = append(f.columns, new([]string))
			case int:
				f.columns = append(f.columns, new([]int32))
			default:
				f.columns = append(f.columns, new([]float64))
			}
		}
	}
	for i, v := range values {
		switch c := f.columns[i].(type) {
		case *[]string:
			*c = append(*c, v.(string))
		case *[]int32:
			*c = append(*c, int32(v.(int)))
		case *[]float64:
			x := v.(float64)
			if math.IsInf(x, 0) {
				x = math.NaN()
			}
			*c = append(*c, x)
		}
	}
}

// close ends the frame and puts the file in its place.
func (f *frame) close() error {
	if f.format == parquetFormat {
		var out []parquet.Column
		for i, c := range f.columns {
			column := parquet.Column{Name: f.names[i]}
			switch c := c.(type) {
			case *[]string:
				column.Data = *c
			case *[]int32:
				column.Data = *c
			case *[]float64:
				column.Data = *c
			}
			out = append(out, column)
		}
		return parquet.WriteTable(f.path, out)
	}
	if f.format == jsonFormat {
		if _, err := f.w.WriteString("\n  ]\n}\n"); err != nil {
			return f.failed(err)
		}
	}
	if err := f.w.Flush(); err != nil || f.file == nil {
		return f.failed(err)
	}
	defer f.abandon()
	if err := f.file.Close(); err != nil {
		return f.failed(err)
	}
	return f.staged.Commit()
}

// abandon removes what was written if it is not in its place.
func (f *frame) abandon() {
	if f.file != nil {
		_ = f.file.Close() // it is closed already if all went well
	}
	if f.staged != nil {
		_ = f.staged.Abandon()
	}
}
