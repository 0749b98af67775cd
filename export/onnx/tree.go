package onnx

import (
	"errors"
	"fmt"
	"math"
)

// Values of nodes_modes.
const (
	modeLEQ  = "BRANCH_LEQ"
	modeLeaf = "LEAF"
)

// Missing says how a split treats a missing value. The three kinds are LightGBM's
// (missing_type in its model files).
type Missing uint8

const (
	// MissingNone takes NaN for zero and compares it as such.
	MissingNone Missing = iota
	// MissingZero sends NaN and every |v| <= 1e-35 in the default direction.
	MissingZero
	// MissingNaN sends NaN in the default direction.
	MissingNaN
)

func (m Missing) String() string {
	switch m {
	case MissingNone:
		return "none"
	case MissingZero:
		return "zero"
	case MissingNaN:
		return "nan"
	}
	return fmt.Sprintf("missing(%d)", uint8(m))
}

// zeroThreshold bounds the values that LightGBM calls zero (kZeroThreshold, 1e-35 as
// a float32).
const zeroThreshold = float32(1e-35)

// A Tree is a binary decision tree as flat arrays. Split i sends a row left if the
// value of its feature is <= Threshold[i], or if it is missing and DefaultLeft[i].
// The root is split 0; without splits, Leaf[0] is the whole tree.
type Tree struct {
	Feature     []int     // length n: column of the input
	Threshold   []float64 // length n; not NaN
	DefaultLeft []bool    // length n
	Missing     []Missing // length n
	Left, Right []int     // length n: a split if >= 0, else the leaf ^child
	Leaf        []float64 // length n+1: the value of each leaf
}

// A TreeEnsemble is a sum of trees: Base plus one leaf per tree.
type TreeEnsemble struct {
	Features int // columns of the input
	Base     float64
	Trees    []Tree
}

// Model returns a graph with the input "features" (float32, [N, Features]) and the
// output "prediction" (float32, [N, 1]).
//
// The operator compares in float32. A threshold t becomes the largest float32 <= t,
// so that x <= t is decided alike for every float32 x: each float32 row reaches the
// leaf that the float64 thresholds choose. Leaves and Base are rounded to float32, and
// the sum is the runtime's, so predictions agree to float32 accuracy.
//
// Missing values become the operator's flag for NaN. A feature of kind MissingZero has
// its zeros replaced by NaN before the trees (Abs, Less, Where), which is exact, but
// only if all splits of the feature are of that kind: otherwise it is an error.
func (e *TreeEnsemble) Model(name string) (*Model, error) {
	zero, err := e.check()
	if err != nil {
		return nil, fmt.Errorf("onnx: tree ensemble %q: %w", name, err)
	}
	b := NewBuilder(name)
	x := b.InputN("features", "N", int64(e.Features))
	if zero != nil {
		limit := b.Const("zero_limit", zero, 1, int64(e.Features))
		nan := b.Const("missing", []float32{float32(math.NaN())}, 1, 1)
		x = b.where("features_missing", b.less("is_zero", b.abs("magnitude", x), limit), nan, x)
	}
	b.Output("prediction", b.trees("trees", x, e))
	return b.Model()
}

// check validates e and returns, if any feature treats zeros as missing, the bound
// below which the magnitude of each feature counts as zero (0: never).
func (e *TreeEnsemble) check() (zero []float32, err error) {
	if e.Features < 1 {
		return nil, fmt.Errorf("field Features must be >= 1, got %d", e.Features)
	}
	if len(e.Trees) == 0 {
		return nil, errors.New("no trees, expected at least one")
	}
	if !representable(e.Base) {
		return nil, fmt.Errorf("field Base is %v, expected a finite float32", e.Base)
	}
	kinds := make([]uint8, e.Features) // bit per Missing
	for t := range e.Trees {
		if err := e.Trees[t].check(kinds); err != nil {
			return nil, fmt.Errorf("tree %d: %w", t, err)
		}
	}
	for f, k := range kinds {
		if k&(1<<MissingZero) == 0 {
			continue
		}
		if k != 1<<MissingZero {
			return nil, fmt.Errorf("feature %d is split with zeros both missing and not, expected one missing type per feature", f)
		}
		if zero == nil {
			zero = make([]float32, e.Features)
		}
		zero[f] = math.Nextafter32(zeroThreshold, 1) // |v| < this is |v| <= 1e-35
	}
	return zero, nil
}

func (t *Tree) check(kinds []uint8) error {
	n := len(t.Feature)
	for _, l := range []struct {
		name   string
		length int
	}{
		{"Threshold", len(t.Threshold)}, {"DefaultLeft", len(t.DefaultLeft)}, {"Missing", len(t.Missing)},
		{"Left", len(t.Left)}, {"Right", len(t.Right)}, {"Leaf", len(t.Leaf) - 1},
	} {
		if l.length != n {
			return fmt.Errorf("%s does not fit %d splits", l.name, n)
		}
	}
	for i, v := range t.Leaf {
		if !representable(v) {
			return fmt.Errorf("leaf %d is %v, expected a finite float32", i, v)
		}
	}
	splits, leaves := make([]bool, n), make([]bool, n+1)
	for i := range n {
		switch f := t.Feature[i]; {
		case f < 0 || f >= len(kinds):
			return fmt.Errorf("split %d: feature %d, expected 0 to %d", i, f, len(kinds)-1)
		case math.IsNaN(t.Threshold[i]):
			return fmt.Errorf("split %d: threshold is NaN", i)
		case t.Missing[i] > MissingNaN:
			return fmt.Errorf("split %d: %v, expected none, zero or nan", i, t.Missing[i])
		default:
			kinds[f] |= 1 << t.Missing[i]
		}
		for _, c := range []int{t.Left[i], t.Right[i]} {
			seen, j := splits, c
			if c < 0 {
				seen, j = leaves, ^c
			}
			// Each node but the root is the child of one split with a smaller number:
			// so there are no cycles, and n splits reach all n+1 leaves.
			if j >= len(seen) || seen[j] || c >= 0 && c <= i {
				return fmt.Errorf("split %d: child %d is out of range, used twice or not after its parent", i, c)
			}
			seen[j] = true
		}
	}
	return nil
}

func representable(v float64) bool { return math.Abs(v) <= math.MaxFloat32 }

// floor32 is the largest float32 <= t.
func floor32(t float64) float32 {
	f := float32(t)
	if float64(f) > t {
		f = math.Nextafter32(f, float32(math.Inf(-1)))
	}
	return f
}

// treesNode lists the attributes of TreeEnsembleRegressor (ai.onnx.ml version 1).
func treesNode(e *TreeEnsemble) []Attribute {
	var treeIDs, nodeIDs, features, yes, no, tracks []int64
	var values, weights []float32
	var modes []string
	var leafTree, leafNode, leafTarget []int64
	node := func(tree, id int, mode string, feature int, value float32, left, right int, missing bool) {
		treeIDs = append(treeIDs, int64(tree))
		nodeIDs = append(nodeIDs, int64(id))
		modes = append(modes, mode)
		features = append(features, int64(feature))
		values = append(values, value)
		yes = append(yes, int64(left))
		no = append(no, int64(right))
		track := int64(0)
		if missing {
			track = 1
		}
		tracks = append(tracks, track)
	}
	for t := range e.Trees {
		tr := &e.Trees[t]
		n := len(tr.Feature)
		id := func(child int) int {
			if child < 0 {
				return n + ^child
			}
			return child
		}
		for i := range n {
			missingLeft := tr.DefaultLeft[i]
			if tr.Missing[i] == MissingNone {
				missingLeft = tr.Threshold[i] >= 0 // NaN is compared as zero
			}
			node(t, i, modeLEQ, tr.Feature[i], floor32(tr.Threshold[i]), id(tr.Left[i]), id(tr.Right[i]), missingLeft)
		}
		for l, v := range tr.Leaf {
			node(t, n+l, modeLeaf, 0, 0, 0, 0, false)
			leafTree = append(leafTree, int64(t))
			leafNode = append(leafNode, int64(n+l))
			leafTarget = append(leafTarget, 0)
			weights = append(weights, float32(v))
		}
	}
	return []Attribute{
		{Name: "aggregate_function", Type: AttributeString, String: "SUM"},
		{Name: "base_values", Type: AttributeFloats, Floats: []float32{float32(e.Base)}},
		{Name: "n_targets", Type: AttributeInt, Int: 1},
		{Name: "nodes_falsenodeids", Type: AttributeInts, Ints: no},
		{Name: "nodes_featureids", Type: AttributeInts, Ints: features},
		{Name: "nodes_missing_value_tracks_true", Type: AttributeInts, Ints: tracks},
		{Name: "nodes_modes", Type: AttributeStrings, Strings: modes},
		{Name: "nodes_nodeids", Type: AttributeInts, Ints: nodeIDs},
		{Name: "nodes_treeids", Type: AttributeInts, Ints: treeIDs},
		{Name: "nodes_truenodeids", Type: AttributeInts, Ints: yes},
		{Name: "nodes_values", Type: AttributeFloats, Floats: values},
		{Name: "post_transform", Type: AttributeString, String: "NONE"},
		{Name: "target_ids", Type: AttributeInts, Ints: leafTarget},
		{Name: "target_nodeids", Type: AttributeInts, Ints: leafNode},
		{Name: "target_treeids", Type: AttributeInts, Ints: leafTree},
		{Name: "target_weights", Type: AttributeFloats, Floats: weights},
	}
}
