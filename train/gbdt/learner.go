package gbdt

import "slices"

// A learner grows trees on one dataset, leaf by leaf. Its buffers are reused from tree
// to tree.
type learner struct {
	data     *dataset
	options  Options
	splitter splitter
	pool     *pool

	// Derivatives of the loss at every row: gradients, or signs for a loss whose
	// gradient is a sign and whose hessian is 1.
	gradients []gradient
	signs     *signs

	sums    [][groupWidth][256]cell // of the gradients that were added last, per group
	added   []int32                 // rows that were added last
	free    [][]cell                // histograms not in use
	rows    []int32                 // of the bag, those of a leaf together and in ascending order
	spare   []int32
	column  *random // draws the features of a tree
	use     []bool  // inner features that the tree may split
	best    []split // per inner feature, of the leaf being searched
	sibling []split
	leaves  []leaf
}

// A leaf of the growing tree.
type leaf struct {
	from, to   int // its place in rows
	g, h       float64
	depth      int
	cells      []cell // histogram; nil when the leaf can not be split
	splittable []bool // per inner feature, whether a cut of the leaf or its ancestors gained enough
	best       split
	parent     int32 // node that it hangs on, -1 for the root
	isRight    bool
}

func (l *leaf) count() int { return l.to - l.from }

func newLearner(d *dataset, o Options, p *pool) *learner {
	n := len(d.features)
	l := &learner{
		data: d, options: o, splitter: newSplitter(o), pool: p,
		spare:   makeLarge[int32](d.rows),
		column:  newRandom(o.FeatureFractionSeed),
		use:     make([]bool, n),
		best:    make([]split, n),
		sibling: make([]split, n),
	}
	l.drawFeatures() // LightGBM draws once at set-up, so the first tree uses the second draw
	return l
}

// drawFeatures draws the features of the next tree.
func (l *learner) drawFeatures() {
	n := len(l.use)
	if l.options.FeatureFraction == 1 {
		for i := range l.use {
			l.use[i] = true
		}
		return
	}
	clear(l.use)
	for _, f := range l.column.sample(n, max(min(1, n), int(float64(n)*l.options.FeatureFraction+0.5))) {
		l.use[f] = true
	}
}

// grow grows a tree on the rows, which it reorders, so that afterwards leaf i of the
// tree holds rows[leaves[i].from:leaves[i].to]. The sums of the derivatives over the
// rows are g and h.
func (l *learner) grow(rows []int32, g, h float64) Tree {
	l.rows = rows
	l.drawFeatures()
	for _, x := range l.leaves {
		l.release(x.cells)
	}
	root := leaf{to: len(rows), g: g, h: h, best: noSplit, parent: -1}
	l.leaves = append(l.leaves[:0], root)
	t := Tree{LeafValue: []float64{flushZero(l.splitter.output(g, h))}, LeafWeight: []float64{0}, LeafCount: []int{len(rows)}, Shrinkage: 1}
	l.search(0, -1)
	for len(l.leaves) < l.options.NumLeaves {
		k := 0
		for i := range l.leaves {
			if l.leaves[i].best.better(&l.leaves[k].best) {
				k = i
			}
		}
		if !(l.leaves[k].best.gain > 0) {
			break
		}
		l.split(&t, k)
		if len(l.leaves) < l.options.NumLeaves {
			l.search(k, len(l.leaves)-1)
		}
	}
	return t
}

// search finds the best splits of two new siblings, or of the root if right < 0. The
// left leaf comes with the histogram and the splittable features of the parent.
func (l *learner) search(left, right int) {
	o := &l.options
	if right < 0 {
		x := &l.leaves[left]
		if len(l.data.features) == 0 || x.count() < 2*o.MinDataInLeaf {
			return
		}
		x.cells = l.acquire()
		x.splittable = slices.Clone(l.use)
		l.add(l.rows[x.from:x.to], true)
		l.pool.run(len(l.data.features), func(f int) {
			if x.splittable[f] {
				l.collect(f, x.cells, x.g, x.h)
			}
			l.find(x, f, l.best)
		})
		x.best = choose(l.best)
		return
	}
	small, large := &l.leaves[right], &l.leaves[left]
	if o.MaxDepth > 0 && large.depth >= o.MaxDepth ||
		small.count() < 2*o.MinDataInLeaf && large.count() < 2*o.MinDataInLeaf {
		l.release(large.cells)
		large.cells = nil
		return
	}
	small.splittable = slices.Clone(large.splittable)
	if large.count() < small.count() {
		small, large = large, small
		large.cells, small.cells = small.cells, nil
	}
	small.cells = l.acquire()
	l.add(l.rows[small.from:small.to], false)
	l.pool.run(len(l.data.features), func(f int) {
		if large.splittable[f] {
			l.collect(f, small.cells, small.g, small.h)
			from, to := l.data.offset[f], l.data.offset[f+1]
			subtract(large.cells[from:to], small.cells[from:to])
		}
		l.find(small, f, l.best)
		l.find(large, f, l.sibling)
	})
	small.best, large.best = choose(l.best), choose(l.sibling)
}

// find fills best[f] with the best split of x by feature f.
func (l *learner) find(x *leaf, f int, best []split) {
	best[f] = noSplit
	if x.splittable[f] {
		cells := x.cells[l.data.offset[f]:l.data.offset[f+1]]
		best[f], x.splittable[f] = l.splitter.find(f, l.data.binning(f), cells, x.g, x.h, x.count())
	}
}

func choose(best []split) split {
	k := 0
	for i := range best {
		if best[i].better(&best[k]) {
			k = i
		}
	}
	return best[k]
}

// split makes the best split of leaf k. The left part stays leaf k, the right part
// becomes a new leaf.
func (l *learner) split(t *Tree, k int) {
	x := &l.leaves[k]
	s := x.best
	b := l.data.binning(s.feature)
	middle := x.from + l.partition(l.rows[x.from:x.to], b, &s)

	node, id := int32(len(t.SplitFeature)), int32(len(l.leaves))
	switch {
	case x.parent < 0:
	case x.isRight:
		t.Right[x.parent] = node
	default:
		t.Left[x.parent] = node
	}
	t.SplitFeature = append(t.SplitFeature, int32(l.data.features[s.feature]))
	if b.categorical() {
		t.Threshold = append(t.Threshold, float64(t.addSet(b.categoriesOf(s.bins))))
	} else {
		t.Threshold = append(t.Threshold, b.threshold(s.bin))
	}
	t.DecisionType = append(t.DecisionType, decisionType(b.categorical(), s.defaultLeft, b.missing))
	t.Left = append(t.Left, ^int32(k))
	t.Right = append(t.Right, ^id)
	t.SplitGain = append(t.SplitGain, float32(s.gain+l.options.MinGainToSplit))
	t.InternalValue = append(t.InternalValue, t.LeafValue[k])
	t.InternalWeight = append(t.InternalWeight, s.leftH+s.rightH)
	t.InternalCount = append(t.InternalCount, x.count())
	t.LeafValue[k], t.LeafWeight[k], t.LeafCount[k] = flushZero(s.left), s.leftH, middle-x.from
	t.LeafValue = append(t.LeafValue, flushZero(s.right))
	t.LeafWeight = append(t.LeafWeight, s.rightH)
	t.LeafCount = append(t.LeafCount, x.to-middle)

	right := leaf{
		from: middle, to: x.to, g: s.rightG, h: s.rightH,
		depth: x.depth + 1, best: noSplit, parent: node, isRight: true,
	}
	x.to, x.g, x.h = middle, s.leftG, s.leftH
	x.depth++
	x.best, x.parent, x.isRight = noSplit, node, false
	l.leaves = append(l.leaves, right)
}

// partition moves the rows that split s sends left to the front, keeping their order,
// and returns their number.
func (l *learner) partition(rows []int32, b *binning, s *split) int {
	narrow, wide := l.data.columns[s.feature], l.data.wide[s.feature]
	goes := s.goesLeft(b)
	table := (*[narrowBins]uint8)(goes)
	spare := l.spare[:len(rows)]
	counts := make([]int, (len(rows)+blockRows-1)/blockRows) // that go left, per block
	l.pool.blocks(len(rows), func(from, to int) {
		if wide != nil {
			counts[from/blockRows] = partitionWide(rows[from:to], spare[from:to], wide, goes)
		} else {
			counts[from/blockRows] = partition(rows[from:to], spare[from:to], narrow, table)
		}
	})
	left := 0
	for i, n := range counts {
		from := i * blockRows
		copy(rows[left:], rows[from:from+n])
		left += n
	}
	at := left
	for i, n := range counts {
		from := i * blockRows
		at += copy(rows[at:], spare[from:min(from+blockRows, len(rows))-n])
	}
	return left
}

// partition moves the rows that go left to the front of rows, copies the others to
// spare, and returns the number of the former. It has no branch to mispredict.
func partition(rows, spare []int32, bins []uint8, goes *[256]uint8) int {
	left, right := 0, 0
	spare = spare[:len(rows)]
	for _, i := range rows {
		g := int(goes[bins[i]])
		rows[left] = i
		spare[right] = i
		left += g
		right += 1 - g
	}
	return left
}

// partitionWide is partition for a feature with many bins.
func partitionWide(rows, spare []int32, bins []uint32, goes []uint8) int {
	left, right := 0, 0
	spare = spare[:len(rows)]
	for _, i := range rows {
		g := int(goes[bins[i]])
		rows[left] = i
		spare[right] = i
		left += g
		right += 1 - g
	}
	return left
}

func (l *learner) acquire() []cell {
	if n := len(l.free); n > 0 {
		c := l.free[n-1]
		l.free = l.free[:n-1]
		return c
	}
	return make([]cell, l.data.offset[len(l.data.features)])
}

func (l *learner) release(c []cell) {
	if c != nil {
		l.free = append(l.free, c)
	}
}
