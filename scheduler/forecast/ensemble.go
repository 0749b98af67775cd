package forecast

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/dmitryikh/leaves"

	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/internal/seed"
)

// An Ensemble is a sum of trees that was read from LightGBM's text format. The reader of
// record is the library leaves; predictions come from arrays that are several times as
// quick to walk, and that give the same sums, bit for bit.
type Ensemble struct {
	text   []byte
	record *leaves.Ensemble
	flat   *flat // nil for trees that are too large for it
}

// maxColumns bounds the columns that a file may ask for.
const maxColumns = 1 << 16

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
	record, err := leaves.LGEnsembleFromReader(bufio.NewReader(bytes.NewReader(text)), false)
	if err != nil {
		return nil, fmt.Errorf("parse trees: %w", err)
	}
	if n := record.NRawOutputGroups(); n != 1 {
		return nil, fmt.Errorf("trees have %d outputs, expected 1", n)
	}
	columns := record.NFeatures()
	if columns < 2 || columns > maxColumns {
		return nil, fmt.Errorf("trees have %d columns, expected 2 to %d", columns, maxColumns)
	}
	if record.Name() != "lightgbm.gbdt" {
		return nil, fmt.Errorf("trees are of kind %s, expected a sum (lightgbm.gbdt)", record.Name())
	}
	trees, err := readTrees(string(text), record.NEstimators())
	if err != nil {
		return nil, fmt.Errorf("parse trees: %w", err)
	}
	for i := range trees {
		if f := slices.Max(append(trees[i].feature, 0)); int(f) >= columns {
			return nil, fmt.Errorf("parse trees: tree %d: feature must be in [0, %d), got %d", i, columns, f)
		}
	}
	e = &Ensemble{slices.Clone(text), record, newFlat(trees, columns)}
	if e.flat != nil {
		if err := e.compare(); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// compareRows is the number of rows on which a new ensemble is compared.
const compareRows = 16

// compare compares e with the reader of record on rows of what decides: thresholds, the
// values after them, zeros, categories and missing values.
func (e *Ensemble) compare() error {
	draw := seed.Stream(1, "forecast/compare")
	row := make([]float64, e.Columns())
	var s Scratch
	for range compareRows {
		for i := range row {
			row[i] = float64(draw.IntN(40) - 2)
		}
		for i := range e.flat.features {
			r := &e.flat.features[i]
			v := r.bounds[draw.IntN(r.count)]
			switch draw.IntN(6) {
			case 0:
				v = math.NaN()
			case 1:
				v = 0
			case 2, 3:
				v = math.Nextafter(v, math.Inf(1))
			}
			row[r.feature] = v
		}
		if got, want := e.flat.sum(row, &s), e.predict(row, &s); math.Float64bits(got) != math.Float64bits(want) {
			return fmt.Errorf("compare trees: the sum for the row %v is %v, expected %v", row, got, want)
		}
	}
	return nil
}

// Text is the model file. It must not be modified.
func (e *Ensemble) Text() []byte { return e.text }

// Columns is the number of values of a row.
func (e *Ensemble) Columns() int { return e.record.NFeatures() }

// Predict returns the raw sum of the trees for row, which has Columns values. Once s has
// grown it does not allocate.
func (e *Ensemble) Predict(row []float64, s *Scratch) float64 {
	if e.flat == nil {
		return e.predict(row, s)
	}
	return e.flat.sum(row, s)
}

// PredictRows writes the raw sums for rows, shape (len(out), Columns), to out. They are
// those of Predict, but take less time.
func (e *Ensemble) PredictRows(rows, out []float64, s *Scratch) {
	n := e.Columns()
	if e.flat != nil {
		e.flat.sums(rows, n, out, s)
		return
	}
	for i := range out {
		out[i] = e.predict(rows[i*n:(i+1)*n], s)
	}
}

// predict is Predict by the reader of record.
func (e *Ensemble) predict(row []float64, s *Scratch) float64 {
	// The only errors are slices that are too short, which Predict excludes.
	if err := e.record.Predict(row, 0, s.out[:]); err != nil {
		panic(err)
	}
	return s.out[0]
}

// finish makes a forecast of the output of the trees of h, if it has any, and of the base of
// the row, in units of z: in counts, between 0 and bound.
func (h *Head) finish(raw, base, bound float64) float64 {
	if h.Trees == nil {
		return min(features.Count(base), bound)
	}
	if h.Link == Stabilised {
		return min(features.Count(base+raw), bound)
	}
	c := features.Count(base)
	return max(0, min(c+raw*math.Sqrt(c+varianceFloor), bound))
}

// Forecasts writes to out what h forecasts from rows, shape (len(out), columns), of which
// bound are the largest values to be believed.
func (h *Head) Forecasts(rows, bound, out []float64, s *Scratch) {
	width := len(rows) / max(1, len(out))
	if h.Trees != nil {
		h.Trees.PredictRows(rows, out, s)
	}
	for i := range out {
		out[i] = h.finish(out[i], rows[i*width], bound[i])
	}
}
