package gbdt

import "math"

// A Missing type says which values of a feature are missing at a split.
type Missing uint8

// The missing types, numbered as in the text format.
const (
	MissingNone Missing = iota // none: NaN is read as 0
	MissingZero                // |v| <= 1e-35, and NaN, which is read as 0
	MissingNaN                 // NaN
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
	return "invalid"
}

// A DecisionType packs how a node decides, as in the text format: bit 0 says that
// the split is categorical, bit 1 that missing values go left, bits 2 and 3 hold the
// missing type.
type DecisionType uint8

func decisionType(categorical, defaultLeft bool, m Missing) DecisionType {
	d := DecisionType(m) << 2
	if categorical {
		d |= 1
	}
	if defaultLeft {
		d |= 2
	}
	return d
}

// Categorical reports whether the split tests membership in a set of categories.
func (d DecisionType) Categorical() bool { return d&1 != 0 }

// DefaultLeft reports whether missing values go left.
func (d DecisionType) DefaultLeft() bool { return d&2 != 0 }

// Missing returns the missing type of the split.
func (d DecisionType) Missing() Missing { return Missing(d >> 2 & 3) }

// A Tree is a binary decision tree in flat arrays. Nodes are numbered in the order of
// splitting and node 0 is the root; a tree of one leaf has no nodes. A child c >= 0 is
// node c, a child c < 0 is leaf ^c.
//
// A numerical node first reads NaN as 0 unless its missing type is MissingNaN. A
// missing value then goes to the default side; any other value v goes left if
// v <= Threshold. A categorical node truncates v to an integer and goes left if that
// is in its set; NaN and negative values go right.
type Tree struct {
	// Of each node, length NumLeaves()-1.
	SplitFeature   []int32   // column
	Threshold      []float64 // of a categorical node: index k into CatBoundaries
	DecisionType   []DecisionType
	Left, Right    []int32
	SplitGain      []float32
	InternalValue  []float64 // output the node would have as a leaf, without leaf renewal
	InternalWeight []float64 // sum of hessians
	InternalCount  []int     // rows in training

	// Of each leaf, length NumLeaves().
	LeafValue  []float64
	LeafWeight []float64 // sum of hessians
	LeafCount  []int     // rows in training

	// The set of categorical node k is the bits of
	// CatThreshold[CatBoundaries[k]:CatBoundaries[k+1]]. Empty without such nodes.
	CatBoundaries []int32
	CatThreshold  []uint32

	// Shrinkage is what the outputs were multiplied by: the learning rate, or 1 if the
	// start score was added to them.
	Shrinkage float64
}

// NumLeaves returns the number of leaves, at least 1 for a tree from Train or ReadText.
func (t *Tree) NumLeaves() int { return len(t.LeafValue) }

// Leaf returns the leaf that row, one value per column of the model, falls into.
func (t *Tree) Leaf(row []float64) int {
	if len(t.SplitFeature) == 0 {
		return 0
	}
	n := int32(0)
	for n >= 0 {
		if t.goesLeft(n, row[t.SplitFeature[n]]) {
			n = t.Left[n]
		} else {
			n = t.Right[n]
		}
	}
	return int(^n)
}

// zeroThreshold is the largest magnitude of a zero, a float32 constant in LightGBM.
const zeroThreshold = float64(float32(1e-35))

func (t *Tree) goesLeft(n int32, v float64) bool {
	d := t.DecisionType[n]
	if d.Categorical() {
		return t.inSet(int(t.Threshold[n]), v)
	}
	m := d.Missing()
	if v != v && m != MissingNaN {
		v = 0
	}
	if (m == MissingNaN && v != v) || (m == MissingZero && v > -zeroThreshold && v <= zeroThreshold) {
		return d.DefaultLeft()
	}
	return v <= t.Threshold[n]
}

func (t *Tree) inSet(k int, v float64) bool {
	words := t.CatThreshold[t.CatBoundaries[k]:t.CatBoundaries[k+1]]
	// Comparing before converting: the conversion of what does not fit is undefined.
	if !(v > -1 && v < float64(32*len(words))) {
		return false
	}
	c := int(v)
	return words[c/32]>>(c%32)&1 != 0
}

// addSet adds a set of categories, which must not be empty, and returns its index.
func (t *Tree) addSet(categories []int) int {
	if len(t.CatBoundaries) == 0 {
		t.CatBoundaries = []int32{0}
	}
	t.CatThreshold = append(t.CatThreshold, bitset(categories)...)
	t.CatBoundaries = append(t.CatBoundaries, int32(len(t.CatThreshold)))
	return len(t.CatBoundaries) - 2
}

// scale multiplies the outputs by the learning rate.
func (t *Tree) scale(rate float64) {
	for _, s := range [][]float64{t.LeafValue, t.InternalValue} {
		for i := range s {
			s[i] = flushZero(s[i] * rate)
		}
	}
	t.Shrinkage *= rate
}

// shift adds the start score to the outputs.
func (t *Tree) shift(bias float64) {
	for _, s := range [][]float64{t.LeafValue, t.InternalValue} {
		for i := range s {
			s[i] = flushZero(s[i] + bias)
		}
	}
	t.Shrinkage = 1
}

func constantTree(value float64, rows int) Tree {
	return Tree{LeafValue: []float64{value}, LeafWeight: []float64{0}, LeafCount: []int{rows}, Shrinkage: 1}
}

// flushZero makes outputs as small as zeroThreshold zero, as LightGBM does.
func flushZero(v float64) float64 {
	if math.Abs(v) <= zeroThreshold {
		return 0
	}
	return v
}
