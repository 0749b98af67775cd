package gbdt

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Kind of column.
type Kind uint8

// The kinds of columns.
const (
	Unused      Kind = iota // could not be split in training
	Numerical               // ordered
	Categorical             // a set of non-negative integers
)

// ColumnInfo describes what training saw of a column.
type ColumnInfo struct {
	Kind       Kind
	Min, Max   float64 // of a numerical column, over the rows that made the bins
	Categories []int   // of a categorical column
}

// A Model is a sum of trees.
type Model struct {
	// Objective is the objective line of the text format: the name, then parameters
	// as name:value, e.g. "binary sigmoid:1". Empty means that predictions are raw.
	Objective string
	Columns   []string
	// LabelIndex is the place of the label among the columns of the data file that the
	// model was trained on, counted from 0 with the label.
	LabelIndex int
	// Infos describes the columns, length len(Columns).
	Infos []ColumnInfo
	Trees []Tree
}

// PredictRaw returns the sum of the trees for one row, with a value for each column,
// before the link of the objective. It panics if len(row) is not len(m.Columns);
// PredictTable returns an error instead.
func (m *Model) PredictRaw(row []float64) float64 {
	if len(row) != len(m.Columns) {
		panic(fmt.Sprintf("gbdt: row must have %d values, got %d", len(m.Columns), len(row)))
	}
	sum := 0.0
	for i := range m.Trees {
		t := &m.Trees[i]
		sum += t.LeafValue[t.Leaf(row)]
	}
	return sum
}

// Predict returns the prediction for one row on the scale of the labels: exp of the
// raw score for poisson, gamma and tweedie, a probability for binary, otherwise the
// raw score. It panics as PredictRaw does.
func (m *Model) Predict(row []float64) float64 {
	return m.link()(m.PredictRaw(row))
}

// PredictTable predicts every row of t as Predict does; it reads neither labels nor
// weights. It returns an error if the columns of t are not those of the model, in order.
func (m *Model) PredictTable(t *Table) ([]float64, error) {
	if !slices.Equal(t.Columns, m.Columns) {
		return nil, fmt.Errorf("gbdt: predict: %w", columnsDiffer(m.Columns, t.Columns))
	}
	if len(t.Data) != t.Rows*len(t.Columns) {
		return nil, fmt.Errorf("gbdt: predict: data must hold %d x %d values, got %d", t.Rows, len(t.Columns), len(t.Data))
	}
	link := m.link()
	out := make([]float64, t.Rows)
	p := newPool(0)
	defer p.close()
	p.blocks(t.Rows, func(from, to int) {
		for i := from; i < to; i++ {
			out[i] = link(m.PredictRaw(t.Row(i)))
		}
	})
	return out, nil
}

func columnsDiffer(want, got []string) error {
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			return fmt.Errorf("column %d must be %q, got %q", i, want[i], got[i])
		}
	}
	return fmt.Errorf("columns must be %d, got %d", len(want), len(got))
}

// A Link says what turns raw scores into predictions on the scale of the labels.
type Link uint8

// The links.
const (
	IdentityLink    Link = iota // nothing
	ExponentialLink             // exp(raw), the mean under a logarithmic link
	LogisticLink                // 1/(1+exp(-slope raw)), a probability
	SquareLink                  // raw^2 with the sign of raw, for labels of which roots were learned
)

// Link returns the link of the objective and, for LogisticLink, its slope.
func (m *Model) Link() (link Link, slope float64) {
	link, slope, err := parseLink(m.Objective)
	if err != nil {
		// Train and ReadText admit only objectives that parse.
		panic(err)
	}
	return link, slope
}

func (m *Model) link() func(float64) float64 {
	switch link, slope := m.Link(); link {
	case ExponentialLink:
		return exponential
	case LogisticLink:
		return func(v float64) float64 { return 1 / (1 + exponential(-slope*v)) }
	case SquareLink:
		return func(v float64) float64 { return math.Copysign(v*v, v) }
	}
	return func(v float64) float64 { return v }
}

// parseLink returns the link of an objective line.
func parseLink(line string) (link Link, slope float64, err error) {
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return IdentityLink, 0, nil
	}
	switch fields[0] {
	case "regression":
		if slices.Contains(fields[1:], "sqrt") {
			return SquareLink, 0, nil
		}
		return IdentityLink, 0, nil
	case "regression_l1", "huber", "fair", "quantile", "mape":
		return IdentityLink, 0, nil
	case "poisson", "gamma", "tweedie":
		return ExponentialLink, 0, nil
	case "binary":
		slope = 1
		for _, f := range fields[1:] {
			if v, ok := strings.CutPrefix(f, "sigmoid:"); ok {
				if slope, err = strconv.ParseFloat(v, 64); err != nil || !finite(slope) {
					return 0, 0, fmt.Errorf("gbdt: objective %s: sigmoid must be a number, got %q", fields[0], v)
				}
			}
		}
		return LogisticLink, slope, nil
	}
	return 0, 0, fmt.Errorf("gbdt: objective %q is not supported", fields[0])
}

// ImportanceType says how Importance weighs a split.
type ImportanceType uint8

// The importance types.
const (
	BySplit ImportanceType = iota // each split counts 1
	ByGain                        // each split counts its gain
)

// Importance returns the importance of each column, aligned to Columns. Splits
// without gain do not count.
func (m *Model) Importance(by ImportanceType) []float64 {
	out := make([]float64, len(m.Columns))
	for i := range m.Trees {
		t := &m.Trees[i]
		for n, f := range t.SplitFeature {
			switch {
			case !(t.SplitGain[n] > 0):
			case by == ByGain:
				out[f] += float64(t.SplitGain[n])
			default:
				out[f]++
			}
		}
	}
	return out
}
