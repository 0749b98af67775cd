package export

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// Trees returns the graph of m: a TreeEnsembleRegressor with the input "features"
// (float32, [N, len(m.Columns)], NaN is missing) and the output "prediction" (float32,
// [N, 1]), which is the raw sum of the trees. If the objective has a link, the output
// "response" of the same shape is the prediction on the scale of the labels. The names of
// the columns, in order, and the objective stand in the metadata "columns" (joined by
// spaces) and "objective".
//
// A row of float32 values reaches the leaves that m sends it to, so that outputs
// agree to float32 accuracy. A row of float64 values that float32 cannot hold may fall
// on the other side of a threshold. Categories beyond 2^24, where float32 skips integers,
// are an error.
func Trees(m *gbdt.Model) (*onnx.Model, error) {
	e := &onnx.TreeEnsemble{Features: len(m.Columns), Trees: make([]onnx.Tree, len(m.Trees))}
	link, slope := m.Link()
	switch link {
	case gbdt.ExponentialLink:
		e.Transform = onnx.Exp
	case gbdt.LogisticLink:
		e.Transform, e.Slope = onnx.Sigmoid, slope
	case gbdt.SquareLink:
		e.Transform = onnx.SignedSquare
	}
	for i := range m.Trees {
		t, err := tree(&m.Trees[i])
		if err != nil {
			return nil, fmt.Errorf("export: tree %d: %w", i, err)
		}
		e.Trees[i] = t
	}
	out, err := e.Model("trees")
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	out.Metadata = append(out.Metadata,
		onnx.Property{Key: "columns", Value: strings.Join(m.Columns, " ")},
		onnx.Property{Key: "objective", Value: m.Objective})
	return out, nil
}

func tree(t *gbdt.Tree) (onnx.Tree, error) {
	n := len(t.SplitFeature)
	out := onnx.Tree{
		Feature:     make([]int, n),
		Threshold:   t.Threshold,
		DefaultLeft: make([]bool, n),
		Missing:     make([]onnx.Missing, n),
		Left:        make([]int, n),
		Right:       make([]int, n),
		Leaf:        t.LeafValue,
	}
	for i, d := range t.DecisionType {
		out.Feature[i] = int(t.SplitFeature[i])
		out.DefaultLeft[i] = d.DefaultLeft()
		out.Left[i], out.Right[i] = int(t.Left[i]), int(t.Right[i])
		if d.Categorical() {
			if out.Categories == nil {
				out.Categories = make([][]int, n)
			}
			out.Categories[i] = categories(t, int(t.Threshold[i]))
			continue
		}
		switch d.Missing() {
		case gbdt.MissingNone:
			out.Missing[i] = onnx.MissingNone
		case gbdt.MissingZero:
			out.Missing[i] = onnx.MissingZero
		case gbdt.MissingNaN:
			out.Missing[i] = onnx.MissingNaN
		default:
			return onnx.Tree{}, fmt.Errorf("node %d has missing type %d, expected none, zero or nan", i, d.Missing())
		}
	}
	return out, nil
}

// categories returns set k of a tree, in ascending order.
func categories(t *gbdt.Tree, k int) []int {
	set := []int{}
	for i, word := range t.CatThreshold[t.CatBoundaries[k]:t.CatBoundaries[k+1]] {
		for ; word != 0; word &= word - 1 {
			set = append(set, 32*i+bits.TrailingZeros32(word))
		}
	}
	return set
}
