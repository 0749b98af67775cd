// Package features is what a model sees of a function: the same code computes it
// offline, for training, and at run time, so that the two cannot differ.
//
// There are only a few types. A [History] is what is known of one function before
// minute now. An [Extractor] derives columns from it for the forecast of minute
// now, and never reads at or past now; a [Set] composes extractors and divides what
// is counted by the [Scale] of the function, so that one model can serve functions
// of any size. A [Frame] is a table of such rows.
//
// A minute is a number of minutes since the first midnight UTC of a trace. NaN is
// an unknown value, which trees treat as missing.
package features

import (
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
)

// An Extractor derives columns for the forecast of minute now from the minutes
// before it: past.Now() is now, or less if the forecast reaches further ahead. Append
// must append exactly one value per column, and minutes more than Reach before now
// must not matter.
type Extractor interface {
	Columns() []string
	Append(row []float64, now int, past *History) []float64
}

// Reacher is implemented by extractors that look back: Reach is the number of
// minutes before now that a History must hold for them.
type Reacher interface {
	Reach() int
}

// Counter is implemented by extractors with columns in units of counts, which a
// Set divides by the scale of the function: CountColumns has one value per column.
type Counter interface {
	CountColumns() []bool
}

// A Frame is a table of features, one row per function and minute.
type Frame struct {
	Columns  []string
	Function []datasets.FunctionID // length rows
	Minute   []int32               // length rows
	Data     []float64             // row-major, shape (rows, len(Columns))
}

// NewFrame returns an empty frame with room for rows.
func NewFrame(columns []string, rows int) *Frame {
	return &Frame{
		Columns:  slices.Clone(columns),
		Function: make([]datasets.FunctionID, 0, rows),
		Minute:   make([]int32, 0, rows),
		Data:     make([]float64, 0, rows*len(columns)),
	}
}

// Rows is the number of rows.
func (f *Frame) Rows() int { return len(f.Minute) }

// Row returns row i, which shares memory with f.
func (f *Frame) Row(i int) []float64 {
	n := len(f.Columns)
	return f.Data[i*n : (i+1)*n : (i+1)*n]
}

// Column returns the number of the column called name, or -1.
func (f *Frame) Column(name string) int { return slices.Index(f.Columns, name) }

// Append adds one row. It panics if row has not one value per column.
func (f *Frame) Append(function datasets.FunctionID, minute int, row []float64) {
	if len(row) != len(f.Columns) {
		panic(fmt.Sprintf("features: row of %d values for %d columns", len(row), len(f.Columns)))
	}
	f.Function = append(f.Function, function)
	f.Minute = append(f.Minute, int32(minute))
	f.Data = append(f.Data, row...)
}

// Replay walks the counts of one function, whose first minute is from, and appends
// to f the row of every stride-th minute of w, beginning with its first: each is
// computed from the minutes before its own. The minutes from up to w are known to
// the extractor but get no row. It panics unless e has the columns of f and w lies
// inside the counts.
//
// The target of the row of minute t is counts[t-from].
func (f *Frame) Replay(function datasets.FunctionID, from int, counts []float64, w datasets.Window, stride int, e Extractor) {
	if w.From < from || w.To > from+len(counts) || stride < 1 {
		panic(fmt.Sprintf("features: window %v with stride %d of counts in [%d, %d)", w, stride, from, from+len(counts)))
	}
	if !slices.Equal(f.Columns, e.Columns()) {
		panic("features: the extractor has other columns than the frame")
	}
	past := NewHistory(max(1, min(Reach(e), len(counts))))
	past.Reset(from)
	for _, c := range counts[:w.From-from] {
		past.Append(c)
	}
	for now := w.From; now < w.To; now++ {
		if (now-w.From)%stride == 0 {
			f.Data = e.Append(f.Data, now, past)
			f.Function = append(f.Function, function)
			f.Minute = append(f.Minute, int32(now))
		}
		past.Append(counts[now-from])
	}
}

// Reach is the number of minutes that a History must hold for e; 0 if e does not look back.
func Reach(e Extractor) int {
	if r, ok := e.(Reacher); ok {
		return r.Reach()
	}
	return 0
}
