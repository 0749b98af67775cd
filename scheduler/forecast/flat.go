package forecast

import (
	"cmp"
	"math"
	"slices"
)

// A flat is an ensemble of trees as arrays that are quick to walk. A row is first ranked:
// the rank of a value is the number of thresholds of its feature below it, so that a node
// compares two small integers. The outputs are those of the text format's definition, bit
// for bit, whatever the row holds: values that are missing get a rank at either end, as
// the nodes that test them say, and a set of categories has a rank of its own.
type flat struct {
	nodes []node    // of every tree, one after the other
	value []float64 // of the leaf at the place of a node, 0 for the others
	trees []span
	order []side // from the shallowest trees to the deepest

	features []ranker
	sets     []categories
	columns  int // ranks of a row
}

// A span is the place of a tree.
type span struct {
	root  uint32 // node
	depth int    // the most nodes on a way from the root to a leaf
}

// A side is trees of about the same depth, which are walked side by side. The last ones
// may be the same.
type side struct {
	trees [lanes]int32
	roots [lanes]uint32
	depth int
}

// A node holds, from the lowest bits on, a column of the ranks (8 bits), a cut (8), and how
// many places after the node its left child is (16), which the right child follows. Ranks
// of at most the cut go left. A leaf is its own left child, and its cut the highest rank.
type node uint32

func newNode(column, left, cut int) node { return node(column | cut<<8 | left<<16) }

// next returns the place of the child of the node at i that a row with these ranks goes to.
func (n node) next(i uint32, ranks *ranks) uint32 {
	i += uint32(n >> 16)
	if ranks[uint8(n)] > uint8(n>>8) {
		i++
	}
	return i
}

// lanes is the number of ways down a tree that are walked side by side, because each step
// waits for the one before.
const lanes = 8

// walkTreesGeneric goes from the nodes at to those that are depth steps below, for one row.
func walkTreesGeneric(nodes []node, at *[lanes]uint32, ranks *ranks, depth int) {
	for j, i := range at {
		for range depth {
			i = nodes[i].next(i, ranks)
		}
		at[j] = i
	}
}

// addTreeGeneric adds to each sum the value of the leaf of a row, depth steps below the
// first of nodes.
func addTreeGeneric(sums []float64, nodes []node, value []float64, ranked []ranks, depth int) {
	for j := range sums {
		i := uint32(0)
		for range depth {
			i = nodes[i].next(i, &ranked[j])
		}
		sums[j] += value[i]
	}
}

// ranks of a row, one for every column.
type ranks [maxRankColumns]uint8

const (
	maxRankColumns = 256
	maxNodes       = 1 << 16 // of a tree
	// maxCuts bounds the different thresholds of a feature. Trees of LightGBM have no
	// more with max_bin up to 255, its default.
	maxCuts = 254
	// lowest and highest are ranks that go left and right at every node.
	lowest  = 0
	highest = maxCuts + 1
)

// A ranker ranks the values of one feature.
type ranker struct {
	feature int32
	bounds  [256]float64 // ascending thresholds, then +Inf
	count   int          // of thresholds
	zero    uint8        // rank of 0
	columns []rankColumn
}

// A rankColumn holds the ranks for the nodes of one feature that treat missing values alike.
type rankColumn struct {
	column  int
	missing uint8 // as in the text format: 0 none, 1 zero, 2 NaN
	left    bool  // where missing values go
}

// categories is the rank of a feature in one set: lowest in the set, highest outside.
type categories struct {
	feature int32
	column  int
	bits    []uint32
}

// zeroThreshold is the largest magnitude that the text format calls zero. It is the
// float64 that leaves has, which LightGBM has as a float32.
const zeroThreshold = 1e-35

// newFlat lays out the trees, of rows of the given number of columns. It returns nil if
// they do not fit: the limits are the constants above.
func newFlat(trees []textTree, columns int) *flat {
	e := &flat{}
	if !e.addFeatures(trees, columns) {
		return nil
	}
	for i := range trees {
		if len(trees[i].feature)+len(trees[i].leaf) > maxNodes {
			return nil
		}
		e.addTree(&trees[i])
	}
	if e.columns > maxRankColumns {
		return nil
	}
	order := make([]int32, len(trees))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(e.trees[a].depth, e.trees[b].depth) })
	for len(order) > 0 {
		var s side
		for j := range s.trees {
			t := order[min(j, len(order)-1)]
			s.trees[j], s.roots[j], s.depth = t, e.trees[t].root, e.trees[t].depth
		}
		e.order = append(e.order, s)
		order = order[min(lanes, len(order)):]
	}
	return e
}

// addFeatures makes the rankers of the features that are compared. It returns false if one
// has too many thresholds.
func (e *flat) addFeatures(trees []textTree, columns int) bool {
	thresholds := make([][]float64, columns)
	for i := range trees {
		t := &trees[i]
		for n, f := range t.feature {
			if !t.decision[n].categorical() {
				thresholds[f] = append(thresholds[f], t.threshold[n])
			}
		}
	}
	for f, v := range thresholds {
		if len(v) == 0 {
			continue
		}
		slices.Sort(v)
		v = slices.Compact(v)
		if len(v) > maxCuts {
			return false
		}
		r := ranker{feature: int32(f), count: len(v)}
		for i := range r.bounds {
			r.bounds[i] = math.Inf(1)
		}
		copy(r.bounds[:], v)
		r.zero = r.rank(0)
		e.features = append(e.features, r)
	}
	return true
}

// addTree appends the nodes of a tree, children side by side, breadth first.
func (e *flat) addTree(t *textTree) {
	type place struct {
		child int32 // of the text format: a node, or ^leaf
		at    int
		depth int
	}
	base := len(e.nodes)
	e.nodes, e.value = append(e.nodes, 0), append(e.value, 0)
	root := place{}
	if len(t.feature) == 0 {
		root.child = ^int32(0)
	}
	deepest := 0
	for queue := []place{root}; len(queue) > 0; queue = queue[1:] {
		p := queue[0]
		if p.child < 0 {
			e.nodes[base+p.at] = newNode(0, 0, highest)
			e.value[base+p.at] = t.leaf[^p.child]
			deepest = max(deepest, p.depth)
			continue
		}
		n := int(p.child)
		left := len(e.nodes) - base
		e.nodes, e.value = append(e.nodes, 0, 0), append(e.value, 0, 0)
		column, cut := e.column(t, n)
		e.nodes[base+p.at] = newNode(column, left-p.at, cut)
		queue = append(queue, place{t.left[n], left, p.depth + 1}, place{t.right[n], left + 1, p.depth + 1})
	}
	e.trees = append(e.trees, span{uint32(base), deepest})
}

// column returns the column that node n of t compares, which it makes if there is none
// yet, and the largest rank that goes left.
func (e *flat) column(t *textTree, n int) (column, cut int) {
	f, d := t.feature[n], t.decision[n]
	if d.categorical() {
		set := t.sets[int(t.threshold[n])]
		for _, s := range e.sets {
			if s.feature == f && slices.Equal(s.bits, set) {
				return s.column, lowest
			}
		}
		e.sets = append(e.sets, categories{f, e.columns, set})
		e.columns++
		return e.columns - 1, lowest
	}
	i, _ := slices.BinarySearchFunc(e.features, f, func(r ranker, f int32) int { return cmp.Compare(r.feature, f) })
	r := &e.features[i]
	k, _ := slices.BinarySearch(r.bounds[:r.count], t.threshold[n])
	c := rankColumn{missing: d.missing(), left: d.defaultLeft()}
	for _, have := range r.columns {
		if have.missing == c.missing && (have.left == c.left || c.missing == 0) {
			return have.column, k
		}
	}
	c.column = e.columns
	e.columns++
	r.columns = append(r.columns, c)
	return c.column, k
}

// rank returns the number of thresholds below v. It has no branch to mispredict.
func (r *ranker) rank(v float64) uint8 {
	return rank4(r, r, r, r, v, v, v, v)[0]
}

// rank4 is rank of four values. Each step of a search waits for the one before, so four
// searches take hardly longer than one.
func rank4(r0, r1, r2, r3 *ranker, v0, v1, v2, v3 float64) [4]uint8 {
	var i0, i1, i2, i3 int
	for shift := 7; shift >= 0; shift-- {
		half := 1<<(shift&7) - 1
		var l0, l1, l2, l3 int
		if r0.bounds[(i0+half)&255] < v0 {
			l0 = 1
		}
		if r1.bounds[(i1+half)&255] < v1 {
			l1 = 1
		}
		if r2.bounds[(i2+half)&255] < v2 {
			l2 = 1
		}
		if r3.bounds[(i3+half)&255] < v3 {
			l3 = 1
		}
		i0 += l0 << (shift & 7)
		i1 += l1 << (shift & 7)
		i2 += l2 << (shift & 7)
		i3 += l3 << (shift & 7)
	}
	return [4]uint8{uint8(i0), uint8(i1), uint8(i2), uint8(i3)}
}

// put writes the rank of v, which is rank unless v is missing, to the columns of the
// feature.
func (r *ranker) put(ranks *ranks, v float64, rank uint8) {
	small := v > -zeroThreshold && v <= zeroThreshold
	if v == v && !small {
		for i := range r.columns {
			ranks[uint8(r.columns[i].column)] = rank
		}
		return
	}
	if v != v {
		rank = r.zero // unless NaN is missing
	}
	for _, c := range r.columns {
		k := rank
		if c.missing == 2 && v != v || c.missing == 1 {
			k = highest
			if c.left {
				k = lowest
			}
		}
		ranks[uint8(c.column)] = k
	}
}

// put writes whether v is in the set.
func (s *categories) put(ranks *ranks, v float64) {
	ranks[uint8(s.column)] = highest
	// Comparing before converting: the conversion of what does not fit is undefined.
	if v > -1 && v < float64(32*len(s.bits)) {
		if c := int(v); s.bits[c/32]>>(c%32)&1 != 0 {
			ranks[uint8(s.column)] = lowest
		}
	}
}

// sum returns the sum of the trees for a row. Trees of about the same depth are walked
// side by side, and summed in order.
func (e *flat) sum(row []float64, s *Scratch) float64 {
	s.reserve(1, len(e.trees))
	r, leaf := &s.ranks[0], s.leaf[:len(e.trees)]
	features := e.features
	for ; len(features) >= 4; features = features[4:] {
		f0, f1, f2, f3 := &features[0], &features[1], &features[2], &features[3]
		v0, v1, v2, v3 := row[f0.feature], row[f1.feature], row[f2.feature], row[f3.feature]
		k := rank4(f0, f1, f2, f3, v0, v1, v2, v3)
		f0.put(r, v0, k[0])
		f1.put(r, v1, k[1])
		f2.put(r, v2, k[2])
		f3.put(r, v3, k[3])
	}
	for i := range features {
		f := &features[i]
		f.put(r, row[f.feature], f.rank(row[f.feature]))
	}
	for i := range e.sets {
		e.sets[i].put(r, row[e.sets[i].feature])
	}
	for i := range e.order {
		o := &e.order[i]
		at := o.roots
		walkTrees(e.nodes, &at, r, o.depth)
		for j, i := range at {
			leaf[o.trees[j]] = e.value[i]
		}
	}
	sum := 0.0
	for _, v := range leaf {
		sum += v
	}
	return sum
}

// batchRows is the number of rows that go through a tree together, a multiple of lanes:
// their ranks (16 KB) and the tree fit the first-level cache.
const batchRows = 64

// sums writes the sums of the trees for rows of the given width to out.
func (e *flat) sums(rows []float64, width int, out []float64, s *Scratch) {
	s.reserve(batchRows, 0)
	for len(out) > 0 {
		n := min(batchRows, len(out))
		e.rankRows(rows[:n*width], width, s.ranks[:n])
		// Whole lanes, whatever the ranks are of those that are no rows.
		sums := s.sums[:(n+lanes-1)/lanes*lanes]
		clear(sums)
		for _, t := range e.trees {
			addTree(sums, e.nodes[t.root:], e.value[t.root:], s.ranks, t.depth)
		}
		copy(out, sums[:n])
		rows, out = rows[n*width:], out[n:]
	}
}

// rankRows ranks rows of the given width.
func (e *flat) rankRows(rows []float64, width int, out []ranks) {
	for j := range e.features {
		f := &e.features[j]
		i := 0
		for ; i+4 <= len(out); i += 4 {
			at := rows[i*width+int(f.feature):]
			v := [4]float64{at[0], at[width], at[2*width], at[3*width]}
			for k, rank := range rank4(f, f, f, f, v[0], v[1], v[2], v[3]) {
				f.put(&out[i+k], v[k], rank)
			}
		}
		for ; i < len(out); i++ {
			v := rows[i*width+int(f.feature)]
			f.put(&out[i], v, f.rank(v))
		}
	}
	for j := range e.sets {
		c := &e.sets[j]
		for i := range out {
			c.put(&out[i], rows[i*width+int(c.feature)])
		}
	}
}

// A Scratch is the memory that the evaluation of trees needs, one per goroutine. The zero
// value is ready; it grows with the largest ensemble that it meets.
type Scratch struct {
	ranks []ranks
	leaf  []float64
	sums  [batchRows]float64
	out   [1]float64 // of leaves
}

func (s *Scratch) reserve(rows, leaves int) {
	if len(s.ranks) < rows {
		s.ranks = make([]ranks, rows)
	}
	if len(s.leaf) < leaves {
		s.leaf = make([]float64, leaves)
	}
}
