// Package lost counts values that cannot be used although the row that they stand in can:
// how long an invocation waited, what memory it had. Such a value counts as not measured,
// the invocation counts, and the notes of the trace say which values were lost.
package lost

import (
	"fmt"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
	"github.com/incendio-faas/incendio/internal/missing"
)

// Values counts the lost values of an input by field. The zero value has none.
type Values struct {
	file   string
	fields []field
}

type field struct {
	name  string
	n     int64
	first *datasets.SyntaxError
}

// In says of which file the values are that follow.
func (v *Values) In(file string) { v.file = file }

// Add counts a value of a field, and why it cannot be used.
func (v *Values) Add(name string, line int, why string) {
	v.AddAt(name, 1, &datasets.SyntaxError{File: v.file, Line: line, Msg: why})
}

// AddAt counts n values of a field, of which the first is at a place.
func (v *Values) AddAt(name string, n int64, first *datasets.SyntaxError) {
	for i := range v.fields {
		if v.fields[i].name == name {
			v.fields[i].n += n
			return
		}
	}
	v.fields = append(v.fields, field{name, n, first})
}

// Number is a measurement in [0, limit]; known is false where the cell is empty or a word
// for a missing value, and where it is lost.
func (v *Values) Number(name string, cell []byte, line int, limit float64) (x float64, known bool) {
	if missing.Is(cell) {
		return 0, false
	}
	x, fault := rows.Number(name, cell, limit)
	if fault.Reason != "" {
		v.Add(name, line, fault.Msg)
		return 0, false
	}
	return x, true
}

// maxWhy bounds what a note quotes of a file.
const maxWhy = 300

// Notes says how many values were lost of each field, and where the first was, in the order
// in which fields lost their first.
func (v *Values) Notes() []string {
	var notes []string
	for _, f := range v.fields {
		values := "values that cannot be used and count"
		if f.n == 1 {
			values = "value that cannot be used and counts"
		}
		first := *f.first
		if len(first.Msg) > maxWhy {
			first.Msg = first.Msg[:maxWhy] + "…"
		}
		notes = append(notes, fmt.Sprintf("%s: %d %s as not measured; the first is %v", f.name, f.n, values, &first))
	}
	return notes
}
