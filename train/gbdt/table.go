package gbdt

import (
	"fmt"
	"math"
	"strings"
	"unicode"
)

// A Table is a set of rows to learn from or to measure on.
type Table struct {
	// Columns names the features. Names are not empty, hold no white space (the text
	// format separates them by it) and differ.
	Columns []string
	// Rows is the number of rows, at least 1.
	Rows int
	// Data holds the features row by row, shape (Rows, len(Columns)). NaN is a missing
	// value; infinities and values beyond 1e300 are errors.
	Data []float64
	// Label holds what is predicted, length Rows, finite.
	Label []float32
	// Weight holds the weight of each row, length Rows, finite and not negative; nil
	// means 1 everywhere.
	Weight []float32
}

// largest bounds the magnitude of a feature: beyond it, LightGBM reads infinities.
const largest = 1e300

// Row returns row i, which aliases Data.
func (t *Table) Row(i int) []float64 {
	w := len(t.Columns)
	return t.Data[i*w : (i+1)*w : (i+1)*w]
}

// Validate reports the first thing wrong with the table.
func (t *Table) Validate() error {
	if err := checkColumns(t.Columns); err != nil {
		return err
	}
	w := len(t.Columns)
	if t.Rows < 1 {
		return fmt.Errorf("gbdt: rows must be at least 1, got %d", t.Rows)
	}
	if t.Rows > math.MaxInt32 {
		return fmt.Errorf("gbdt: rows must be at most %d, got %d", math.MaxInt32, t.Rows)
	}
	if len(t.Data) != t.Rows*w {
		return fmt.Errorf("gbdt: data must hold %d x %d values, got %d", t.Rows, w, len(t.Data))
	}
	if len(t.Label) != t.Rows {
		return fmt.Errorf("gbdt: labels must be as many as rows (%d), got %d", t.Rows, len(t.Label))
	}
	for i, v := range t.Label {
		if !finite(float64(v)) {
			return fmt.Errorf("gbdt: label of row %d must be finite, got %v", i, v)
		}
	}
	if t.Weight != nil {
		if len(t.Weight) != t.Rows {
			return fmt.Errorf("gbdt: weights must be as many as rows (%d), got %d", t.Rows, len(t.Weight))
		}
		sum := 0.0
		for i, v := range t.Weight {
			if !(v >= 0) || !finite(float64(v)) {
				return fmt.Errorf("gbdt: weight of row %d must be finite and at least 0, got %v", i, v)
			}
			sum += float64(v)
		}
		if sum == 0 {
			return fmt.Errorf("gbdt: weights must not all be 0")
		}
	}
	for i, v := range t.Data {
		if math.Abs(v) > largest {
			return fmt.Errorf("gbdt: column %q of row %d must be NaN or in [-1e300, 1e300], got %v", t.Columns[i%w], i/w, v)
		}
	}
	return nil
}

func checkColumns(columns []string) error {
	if len(columns) == 0 {
		return fmt.Errorf("gbdt: columns must not be empty")
	}
	seen := make(map[string]int, len(columns))
	for i, c := range columns {
		if c == "" || strings.ContainsFunc(c, unicode.IsSpace) {
			return fmt.Errorf("gbdt: name of column %d must not be empty or hold white space, got %q", i, c)
		}
		if j, ok := seen[c]; ok {
			return fmt.Errorf("gbdt: columns %d and %d are both named %q", j, i, c)
		}
		seen[c] = i
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
