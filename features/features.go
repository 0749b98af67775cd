// Package features is what a model sees of a function: the same code computes it
// offline, for training, and at run time, so that the two cannot differ.
//
// There are only a few types. A [Follower] goes with one function through time: it takes the
// count of every minute and makes rows for the next one, or for one further ahead, from what came before. A [Spec]
// says which columns a row has. A [Frame] is a table of such rows.
//
// Columns are differences to a level that follows the counts, in units of a transform in which
// counts of any size vary alike ([Stabilise]), so that one model can serve functions of any
// size, and a level that rises does not leave what the model has learned.
//
// A minute is a number of minutes since the first midnight UTC of a trace. NaN is
// an unknown value, which trees treat as missing.
package features

import (
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
)

// An Origin is a decomposition of one function with the minute from which it may be
// used: it was fitted on minutes before From alone.
type Origin struct {
	From   int
	Fitted *prophet.Fitted
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
