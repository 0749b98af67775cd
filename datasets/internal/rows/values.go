package rows

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/incendio-faas/incendio/internal/missing"
)

// MaxCount bounds a count: 10^9 invocations of one function in a minute are no observation.
const MaxCount = 999_999_999

// Count parses the cell of a count: a whole number in [0, MaxCount]. Whole numbers
// may be written as 5.0 or 5e0, as programs do that hold all numbers as floats.
func Count(column string, cell []byte) (uint32, Fault) {
	cell = bytes.TrimSpace(cell)
	if n, ok := natural(cell, 9); ok {
		return uint32(n), Fault{}
	}
	v, fault := Number(column, cell, MaxCount)
	if fault.Reason == "" && v != math.Trunc(v) {
		fault = Fault{BadNumber, fmt.Sprintf("%s %.40q: must be a whole number", column, cell)}
	}
	return uint32(v), fault
}

// natural parses up to most decimal digits, and nothing else.
func natural(cell []byte, most int) (n uint64, ok bool) {
	if len(cell) == 0 || len(cell) > most {
		return 0, false
	}
	for _, c := range cell {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// Number parses the cell of a measurement in [0, limit].
func Number(column string, cell []byte, limit float64) (float64, Fault) {
	cell = bytes.TrimSpace(cell)
	v, err := strconv.ParseFloat(string(cell), 64)
	switch {
	case missing.Is(cell):
		return 0, Fault{BadNumber, column + " is missing"}
	case err != nil && !math.IsInf(v, 0), math.IsNaN(v), !decimal(cell):
		return 0, Fault{BadNumber, fmt.Sprintf("%s %.40q: must be a number", column, cell)}
	case v < 0:
		return 0, Fault{NegativeNumber, fmt.Sprintf("%s %.40q: must not be negative", column, cell)}
	case v > limit:
		return 0, Fault{HugeNumber, fmt.Sprintf("%s %.40q: must be at most %.10g", column, cell, limit)}
	}
	return v, Fault{}
}

// decimal excludes what only Go takes for a number: 0x1p3, 1_000, infinity.
func decimal(cell []byte) bool {
	for _, c := range cell {
		switch {
		case '0' <= c && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return false
		}
	}
	return true
}
