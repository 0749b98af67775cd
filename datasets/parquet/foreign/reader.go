package foreign

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"github.com/incendio-faas/incendio/datasets/parquet/internal/batch"
)

// mode is the argument that tells a program that it was started to read a foreign file.
const mode = "read-foreign-parquet"

// A task is what the reading process is told.
type task struct {
	Memory  int64 // bytes
	Seconds int64 // of processor time
	Rows    bool  // send rows; otherwise what the footer says
	Columns []int // of File.Names
}

// A summary is what the reading process says of the file.
type summary struct {
	Names []string
	Rows  int64
}

// Serve must be the first call of a program that uses [Open]. If the
// program was started to read a foreign file, it does so from standard input to
// standard output and returns the exit code and true; otherwise it returns false
// and the program goes on.
func Serve(args []string) (code int, is bool) {
	if len(args) != 3 || args[1] != mode {
		hosted.Store(true)
		return 0, false
	}
	if err := serve(args[2]); err != nil {
		if writeFrame(os.Stdout, frameError, []byte(err.Error())) != nil {
			return 1, true
		}
		return 0, true
	}
	return 0, true
}

// serve does a task. The limits come first: from then on nothing that is read
// can take more.
func serve(argument string) (err error) {
	var t task
	if err := json.Unmarshal([]byte(argument), &t); err != nil {
		return err
	}
	if err := limitSelf(t.Memory, t.Seconds); err != nil {
		return err
	}
	debug.SetMemoryLimit(t.Memory / 4 * 3)
	defer batch.Recover(&err)
	r, err := file.NewParquetReader(os.Stdin, file.WithReadProps(&parquet.ReaderProperties{BufferSize: 1 << 16, BufferedStreamEnabled: true}))
	if err != nil {
		return err
	}
	footer, leaves, err := readFooter(r)
	if err != nil {
		return err
	}
	if !t.Rows {
		payload, err := json.Marshal(footer)
		if err != nil {
			return err
		}
		if len(payload) > maxFrame {
			return fmt.Errorf("the names of its columns take %d bytes", len(payload))
		}
		if err := writeFrame(os.Stdout, frameFooter, payload); err != nil {
			return err
		}
		return writeFrame(os.Stdout, frameEnd, nil)
	}
	columns := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		if c < 0 || c >= len(leaves) {
			return fmt.Errorf("no column %d", c)
		}
		columns[i] = leaves[c]
	}
	return sendRows(os.Stdout, r, columns)
}

// readFooter returns what the footer says, and the leaf of each name.
func readFooter(r *file.Reader) (footer summary, leaves []int, err error) {
	footer.Rows = r.NumRows()
	if footer.Rows < 0 || footer.Rows > math.MaxUint32 {
		return footer, nil, fmt.Errorf("%d rows: expected at most %d", footer.Rows, uint32(math.MaxUint32))
	}
	s := r.MetaData().Schema
	for i := range s.NumColumns() {
		if s.Column(i).MaxRepetitionLevel() == 0 {
			footer.Names = append(footer.Names, s.Column(i).Path())
			leaves = append(leaves, i)
		}
	}
	sum := int64(0)
	for g := range r.NumRowGroups() {
		n := r.RowGroup(g).NumRows()
		if n < 0 || n > footer.Rows-sum {
			return footer, nil, fmt.Errorf("row group %d has %d rows: the file has %d", g, n, footer.Rows)
		}
		sum += n
	}
	if sum != footer.Rows {
		return footer, nil, fmt.Errorf("row groups of %d rows: the footer says %d", sum, footer.Rows)
	}
	return footer, leaves, nil
}

// arrowTypes are the columns whose meaning is in the schema that Arrow leaves beside that of
// Parquet, and nowhere else: durations, which Parquet holds as bare integers. A schema that
// cannot be read says nothing: it is an extra that readers may ignore.
func arrowTypes(r *file.Reader) (found map[string]arrow.DataType) {
	var err error
	defer func() {
		if err != nil {
			found = nil
		}
	}()
	defer batch.Recover(&err)
	text := r.MetaData().KeyValueMetadata().FindValue("ARROW:schema")
	if text == nil {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(*text)
	if err != nil {
		return nil
	}
	in, err := ipc.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	defer in.Release()
	types := map[string]arrow.DataType{}
	var walk func(prefix string, fields []arrow.Field)
	walk = func(prefix string, fields []arrow.Field) {
		for _, f := range fields {
			switch t := f.Type.(type) {
			case *arrow.DurationType:
				types[prefix+f.Name] = t
			case *arrow.StructType:
				walk(prefix+f.Name+".", t.Fields())
			case *arrow.DictionaryType:
				if d, ok := t.ValueType.(*arrow.DurationType); ok {
					types[prefix+f.Name] = d
				}
			}
		}
	}
	walk("", in.Schema().Fields())
	return types
}

// sendRows sends the leaves of all rows, a few rows of each column at a time.
func sendRows(w io.Writer, r *file.Reader, leaves []int) error {
	s := r.MetaData().Schema
	types := arrowTypes(r)
	for _, leaf := range leaves {
		if t := types[s.Column(leaf).Path()]; t != nil {
			return fmt.Errorf("column %q: holds %v, whose unit only Arrow's schema of the file knows: write a number in the unit of the column", s.Column(leaf).Path(), t)
		}
	}
	frame := make([]byte, 0, maxRowsFrame+1<<16)
	for g := range r.NumRowGroups() {
		group := r.RowGroup(g)
		cursors := make([]cursor, len(leaves))
		for i, leaf := range leaves {
			meta, err := group.MetaData().ColumnChunk(leaf)
			if err != nil {
				return err
			}
			// The budget of values: a column has one value for every row, and no more.
			if meta.NumValues() != group.NumRows() {
				return fmt.Errorf("column %q: %d values in %d rows of row group %d", s.Column(leaf).Path(), meta.NumValues(), group.NumRows(), g)
			}
			if cursors[i], err = newCursor(group, leaf, s.Column(leaf)); err != nil {
				return fmt.Errorf("column %q: %w", s.Column(leaf).Path(), err)
			}
		}
		for left := group.NumRows(); left > 0; {
			n := int(min(left, batch.Size))
			for i := range cursors {
				if err := cursors[i].read(n); err != nil {
					return fmt.Errorf("column %q: %w", s.Column(leaves[i]).Path(), err)
				}
			}
			for k := range n {
				for i := range cursors {
					frame = cursors[i].append(frame, k)
				}
				if len(frame) >= maxRowsFrame {
					if err := writeFrame(w, frameRows, frame); err != nil {
						return err
					}
					frame = frame[:0]
				}
			}
			left -= int64(n)
		}
	}
	if len(frame) > 0 {
		if err := writeFrame(w, frameRows, frame); err != nil {
			return err
		}
	}
	return writeFrame(w, frameEnd, nil)
}

// A cursor reads one column of a row group, batch by batch.
type cursor struct {
	read   func(n int) error                // the next n rows
	append func(frame []byte, k int) []byte // row k of them
}

// newCursor opens the column of a leaf, whose values it writes as text.
func newCursor(group *file.RowGroupReader, leaf int, c *schema.Column) (cursor, error) {
	chunk, err := group.Column(leaf)
	if err != nil {
		return cursor{}, err
	}
	refuse := func() (cursor, error) {
		return cursor{}, fmt.Errorf("holds %v (%v): expected numbers, text, dates or times", c.PhysicalType(), c.LogicalType())
	}
	def := c.MaxDefinitionLevel()
	switch r := chunk.(type) {
	case *file.BooleanColumnChunkReader:
		return cursorOf(r, def, strconv.AppendBool), nil
	case *file.Int32ColumnChunkReader:
		switch logical := c.LogicalType().(type) {
		case schema.DateLogicalType:
			return cursorOf(r, def, func(b []byte, v int32) []byte {
				return time.Unix(int64(v)*86400, 0).UTC().AppendFormat(b, time.DateOnly)
			}), nil
		case *schema.DecimalLogicalType, *schema.TimeLogicalType:
			return refuse()
		case *schema.IntLogicalType:
			if !logical.IsSigned() {
				return cursorOf(r, def, func(b []byte, v int32) []byte { return strconv.AppendUint(b, uint64(uint32(v)), 10) }), nil
			}
		}
		return cursorOf(r, def, func(b []byte, v int32) []byte { return strconv.AppendInt(b, int64(v), 10) }), nil
	case *file.Int64ColumnChunkReader:
		switch logical := c.LogicalType().(type) {
		case *schema.TimestampLogicalType:
			convert := time.UnixMilli
			switch logical.TimeUnit() {
			case schema.TimeUnitMicros:
				convert = time.UnixMicro
			case schema.TimeUnitNanos:
				convert = func(v int64) time.Time { return time.Unix(0, v) }
			}
			layout := time.RFC3339Nano
			if !logical.IsAdjustedToUTC() {
				layout = localTime
			}
			return cursorOf(r, def, func(b []byte, v int64) []byte { return appendTime(b, convert(v), layout) }), nil
		case *schema.DecimalLogicalType, *schema.TimeLogicalType:
			return refuse()
		case *schema.IntLogicalType:
			if !logical.IsSigned() {
				return cursorOf(r, def, func(b []byte, v int64) []byte { return strconv.AppendUint(b, uint64(v), 10) }), nil
			}
		}
		return cursorOf(r, def, func(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) }), nil
	case *file.Int96ColumnChunkReader:
		return cursorOf(r, def, func(b []byte, v parquet.Int96) []byte { return appendInt96(b, v) }), nil
	case *file.Float32ColumnChunkReader:
		return cursorOf(r, def, func(b []byte, v float32) []byte { return appendFloat(b, float64(v), 32) }), nil
	case *file.Float64ColumnChunkReader:
		return cursorOf(r, def, func(b []byte, v float64) []byte { return appendFloat(b, v, 64) }), nil
	case *file.ByteArrayColumnChunkReader:
		if _, ok := c.LogicalType().(*schema.DecimalLogicalType); ok {
			return refuse()
		}
		return cursorOf(r, def, func(b []byte, v parquet.ByteArray) []byte { return append(b, v...) }), nil
	}
	return refuse()
}

// cursorOf reads values of type T, of which those with definition level def are not null.
func cursorOf[T any](r batch.Reader[T], def int16, text func(b []byte, v T) []byte) cursor {
	values, levels := make([]T, batch.Size), make([]int16, batch.Size)
	present := make([]int32, batch.Size) // position among the values, -1 for null
	var scratch []byte
	return cursor{
		read: func(n int) error {
			for done := 0; done < n; {
				got, count, err := batch.Next(r, values[done:n], levels[done:n], nil)
				if err != nil {
					return err
				}
				// Values lie packed where this read began; those of nulls are left out.
				v := 0
				for k := done; k < done+int(got); k++ {
					present[k] = -1
					if def == 0 || levels[k] == def {
						if v == count {
							return fmt.Errorf("levels and values disagree")
						}
						present[k] = int32(done + v)
						v++
					}
				}
				if v != count {
					return fmt.Errorf("levels and values disagree")
				}
				done += int(got)
			}
			return nil
		},
		append: func(frame []byte, k int) []byte {
			if present[k] < 0 {
				return appendNull(frame)
			}
			scratch = text(scratch[:0], values[present[k]])
			return appendCell(frame, scratch)
		},
	}
}

// localTime is the form of a time of which the file does not say the zone.
const localTime = "2006-01-02T15:04:05.999999999"

// appendTime writes a time as RFC 3339 does, with a zone or without, if it has a year of
// four digits.
func appendTime(b []byte, t time.Time, layout string) []byte {
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return append(b, "a time without a year of four digits"...)
	}
	return t.AppendFormat(b, layout)
}

// julianEpoch is the Julian day of 1 January 1970.
const julianEpoch = 2440588

// appendInt96 writes the time stamps of older Spark and Impala: nanoseconds of the
// day, then the Julian day.
func appendInt96(b []byte, v parquet.Int96) []byte {
	nanoseconds, day := int64(binary.LittleEndian.Uint64(v[:8])), int64(binary.LittleEndian.Uint32(v[8:]))
	return appendTime(b, time.Unix((day-julianEpoch)*86400, nanoseconds), time.RFC3339Nano)
}

// appendFloat writes whole numbers without exponent and fraction.
func appendFloat(b []byte, v float64, bits int) []byte {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.AppendInt(b, int64(v), 10)
	}
	return strconv.AppendFloat(b, v, 'g', -1, bits)
}
