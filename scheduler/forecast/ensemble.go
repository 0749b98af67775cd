package forecast

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/dmitryikh/leaves"
)

// An Ensemble is a sum of trees that was read from LightGBM's text format.
type Ensemble struct {
	text  []byte
	trees *leaves.Ensemble
}

// NewEnsemble parses the text format, version 2 or 3. The trees must be of one output
// and have at least two columns.
func NewEnsemble(text []byte) (e *Ensemble, err error) {
	defer func() {
		// leaves indexes what the file says without looking; a file that makes it stumble is
		// malformed.
		if r := recover(); r != nil {
			e, err = nil, fmt.Errorf("parse trees: malformed: %v", r)
		}
	}()
	trees, err := leaves.LGEnsembleFromReader(bufio.NewReader(bytes.NewReader(text)), false)
	if err != nil {
		return nil, fmt.Errorf("parse trees: %w", err)
	}
	if n := trees.NRawOutputGroups(); n != 1 {
		return nil, fmt.Errorf("trees have %d outputs, expected 1", n)
	}
	if trees.NFeatures() < 2 {
		return nil, fmt.Errorf("trees have %d columns, expected at least 2", trees.NFeatures())
	}
	return &Ensemble{slices.Clone(text), trees}, nil
}

// Text is the model file. It must not be modified.
func (e *Ensemble) Text() []byte { return e.text }

// Columns is the number of values of a row.
func (e *Ensemble) Columns() int { return e.trees.NFeatures() }

// predict writes the raw sum of the trees for row to out[0]. It does not allocate.
func (e *Ensemble) predict(row, out []float64) float64 {
	// The only errors are slices that are too short, which compile has excluded.
	if err := e.trees.Predict(row, 0, out); err != nil {
		panic(err)
	}
	return out[0]
}

// largestExponent bounds the raw output under the link exp: beyond it no count can be meant.
const largestExponent = 60

// Forecast evaluates h, which must have been compiled as part of a model, for a row of a
// function of the given scale: in counts, between 0 and limit. scratch has length 1.
func (h *Head) Forecast(row []float64, scale, limit float64, scratch []float64) float64 {
	var v float64
	switch {
	case h.Trees == nil:
		if h.Column == ZeroColumn {
			return 0
		}
		v = row[h.index]
	case h.Link == Exp:
		v = math.Exp(min(h.Trees.predict(row, scratch), largestExponent))
	case h.Link == Residual:
		base := row[h.index] * scale
		if !(base > 0) { // also NaN
			base = 0
		}
		return bounded(base+h.Trees.predict(row, scratch)*math.Sqrt(base+varianceFloor), limit)
	default:
		v = h.Trees.predict(row, scratch)
	}
	return bounded(v*scale, limit)
}

func bounded(v, limit float64) float64 {
	if !(v > 0) { // also NaN: a lag that the history does not reach yet
		return 0
	}
	return min(v, limit)
}
