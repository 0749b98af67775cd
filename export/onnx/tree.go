package onnx

import (
	"errors"
	"fmt"
	"math"
)

// Values of nodes_modes.
const (
	modeLEQ  = "BRANCH_LEQ"
	modeEQ   = "BRANCH_EQ"
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
//
// A split with categories sends a row left if the value, cut to an integer, is one of
// them; missing and negative values go right, and the split has no use for Threshold,
// DefaultLeft and Missing.
type Tree struct {
	Feature     []int     // length n: column of the input
	Threshold   []float64 // length n; not NaN
	DefaultLeft []bool    // length n
	Missing     []Missing // length n
	Categories  [][]int   // length n, nil where a split is numerical; or nil, if all are
	Left, Right []int     // length n: a split if >= 0, else the leaf ^child
	Leaf        []float64 // length n+1: the value of each leaf
}

// categories returns those of split i, nil if it is numerical.
func (t *Tree) categories(i int) []int {
	if t.Categories == nil {
		return nil
	}
	return t.Categories[i]
}

// A Transform turns the sum of the trees into a prediction on the scale of the labels.
type Transform uint8

const (
	// Identity leaves the sum as it is.
	Identity Transform = iota
	// Exp is e to the power of the sum: a mean under a logarithmic link.
	Exp
	// Sigmoid is 1/(1+exp(-k sum)), with k the field Slope: a probability.
	Sigmoid
	// SignedSquare is the square of the sum with its sign.
	SignedSquare
)

// A TreeEnsemble is a sum of trees: Base plus one leaf per tree.
type TreeEnsemble struct {
	Features  int // columns of the input
	Base      float64
	Trees     []Tree
	Transform Transform
	Slope     float64 // of Sigmoid, not 0
}

// Model returns a graph with the input "features" (float32, [N, Features]) and the
// output "prediction" (float32, [N, 1]), the sum. With a Transform there is one more
// output of that shape, "response": the transformed sum.
//
// The operator compares in float32. A threshold t becomes the largest float32 <= t,
// so that x <= t is decided alike for every float32 x: each float32 row reaches the
// leaf that the float64 thresholds choose. Leaves and Base are rounded to float32, and
// the sum is the runtime's, so predictions agree to float32 accuracy.
//
// Missing values become the operator's flag for NaN. A feature of kind MissingZero has
// its zeros replaced by NaN before the trees (Abs, Less, Where), which is exact, but
// only if all splits of the feature are of that kind: otherwise it is an error.
//
// A set of categories becomes a chain of equalities with one child between them, the form
// that runtimes expect of a set, after the feature has been cut to an integer (Floor of
// Abs above -1).
func (e *TreeEnsemble) Model(name string) (*Model, error) {
	kinds, err := e.check()
	if err != nil {
		return nil, fmt.Errorf("onnx: tree ensemble %q: %w", name, err)
	}
	b := NewBuilder(name)
	x := b.InputN("features", "N", int64(e.Features))
	if limit := limits(kinds, 1<<MissingZero, math.Nextafter32(zeroThreshold, 1), 0); limit != nil {
		bound := b.Const("zero_limit", limit, 1, int64(e.Features))
		nan := b.Const("missing", []float32{float32(math.NaN())}, 1, 1)
		x = b.where("features_missing", b.less("is_zero", b.abs("magnitude", x), bound), nan, x)
	}
	if limit := limits(kinds, kindCategories, -1, float32(math.Inf(1))); limit != nil {
		bound := b.Const("category_limit", limit, 1, int64(e.Features))
		cut := b.unary("category", "Floor", b.abs("category_magnitude", x))
		x = b.where("features_cut", b.less("is_category", bound, x), cut, x)
	}
	sum := b.trees("trees", x, e)
	if e.Transform == Identity {
		b.Output("prediction", sum)
		return b.Model()
	}
	b.Output("prediction", b.unary("sum", "Identity", sum))
	switch e.Transform {
	case Exp:
		sum = b.unary("exp", "Exp", sum)
	case Sigmoid:
		sum = b.unary("sigmoid", "Sigmoid", b.Mul("logit", sum, b.Const("slope", []float32{float32(e.Slope)}, 1, 1)))
	case SignedSquare:
		sum = b.Mul("square", sum, b.abs("sum_magnitude", sum))
	}
	b.Output("response", sum)
	return b.Model()
}

// kindCategories is the bit of a feature that is split by categories, beside those of
// Missing.
const kindCategories = 1 << 7

// limits returns a limit for each feature: one for those of the given kind, other for the
// rest; nil if no feature is of the kind.
func limits(kinds []uint8, kind uint8, one, other float32) []float32 {
	out, found := make([]float32, len(kinds)), false
	for f, k := range kinds {
		out[f] = other
		if k == kind {
			out[f], found = one, true
		}
	}
	if !found {
		return nil
	}
	return out
}

// check validates e and returns the kinds of its features: a bit per Missing, or
// kindCategories.
func (e *TreeEnsemble) check() ([]uint8, error) {
	if e.Features < 1 {
		return nil, fmt.Errorf("field Features must be >= 1, got %d", e.Features)
	}
	if len(e.Trees) == 0 {
		return nil, errors.New("no trees, expected at least one")
	}
	if !representable(e.Base) {
		return nil, fmt.Errorf("field Base is %v, expected a finite float32", e.Base)
	}
	if e.Transform > SignedSquare {
		return nil, fmt.Errorf("field Transform is %d, expected a Transform", e.Transform)
	}
	if e.Transform == Sigmoid && (!representable(e.Slope) || float32(e.Slope) == 0) {
		return nil, fmt.Errorf("field Slope is %v, expected a finite float32 other than 0", e.Slope)
	}
	kinds := make([]uint8, e.Features)
	for t := range e.Trees {
		if err := e.Trees[t].check(kinds); err != nil {
			return nil, fmt.Errorf("tree %d: %w", t, err)
		}
	}
	for f, k := range kinds {
		if k&(1<<MissingZero) != 0 && k != 1<<MissingZero {
			return nil, fmt.Errorf("feature %d is split with zeros both missing and not, expected one missing type per feature", f)
		}
		if k&kindCategories != 0 && k != kindCategories {
			return nil, fmt.Errorf("feature %d is split both by categories and by thresholds, expected one of them", f)
		}
	}
	return kinds, nil
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
	if t.Categories != nil && len(t.Categories) != n {
		return fmt.Errorf("field Categories does not fit %d splits", n)
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
		case t.categories(i) != nil:
			if err := checkCategories(t.Categories[i]); err != nil {
				return fmt.Errorf("split %d: %w", i, err)
			}
			kinds[f] |= kindCategories
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

// maxCategory is the largest category: beyond it float32 skips integers.
const maxCategory = 1 << 24

func checkCategories(set []int) error {
	if len(set) == 0 {
		return errors.New("categories are empty, expected at least one")
	}
	for i, c := range set {
		if c < 0 || c > maxCategory || i > 0 && c <= set[i-1] {
			return fmt.Errorf("categories must ascend and be in [0, %d], got %v", maxCategory, set)
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
		// A split takes a node, one with categories a node for each.
		first, n := make([]int, len(tr.Feature)), 0
		for i := range first {
			first[i] = n
			n += max(1, len(tr.categories(i)))
		}
		id := func(child int) int {
			if child < 0 {
				return n + ^child
			}
			return first[child]
		}
		for i, f := range tr.Feature {
			if set := tr.categories(i); set != nil {
				for j, c := range set {
					next := first[i] + j + 1
					if j == len(set)-1 {
						next = id(tr.Right[i])
					}
					node(t, first[i]+j, modeEQ, f, float32(c), id(tr.Left[i]), next, false)
				}
				continue
			}
			missingLeft := tr.DefaultLeft[i]
			if tr.Missing[i] == MissingNone {
				missingLeft = tr.Threshold[i] >= 0 // NaN is compared as zero
			}
			node(t, first[i], modeLEQ, f, floor32(tr.Threshold[i]), id(tr.Left[i]), id(tr.Right[i]), missingLeft)
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
