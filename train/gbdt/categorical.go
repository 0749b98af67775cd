package gbdt

import (
	"math"
	"slices"
)

// newCategoricalBinning makes the bins of a feature whose values, cut to integers, are
// categories: bin 0 for missing and negative values and for categories without a bin,
// then one bin for each category, the most frequent first. Categories rarer than
// min_data_in_bin get none, nor do the last 1% of the sample when max_bin bins are used.
func newCategoricalBinning(sample []float64, minSplit int, o Options) binning {
	total := len(sample)
	counts := make(map[int]int)
	missing := 0
	for _, v := range sample {
		c := category(v)
		switch {
		case v != v && (!o.UseMissing || o.ZeroAsMissing):
			// LightGBM counts it as a zero here, though its rows go to bin 0.
			counts[0]++
		case c < 0:
			missing++
		default:
			counts[c]++
		}
	}
	b := binning{categories: []int{-1}, bin: map[int]uint32{}}
	if len(counts) == 0 {
		return b
	}
	order := make([]int, 0, len(counts))
	for c := range counts {
		order = append(order, c)
	}
	slices.SortFunc(order, func(x, y int) int {
		if counts[x] != counts[y] {
			return counts[y] - counts[x]
		}
		return x - y
	})

	enough := int(float64(float32(total-missing)*float32(0.99)) + 0.5)
	bins := len(order)
	if missing > 0 {
		bins++
	}
	bins = min(bins, o.MaxBin)
	inBin := []int{0}
	used := 0
	for i, c := range order {
		if used >= enough && len(b.categories) >= bins || i > 1 && counts[c] < o.MinDataInBin {
			break
		}
		b.bin[c] = uint32(len(b.categories))
		b.categories = append(b.categories, c)
		inBin = append(inBin, counts[c])
		used += counts[c]
	}
	if len(b.bin) < len(order) || missing > 0 {
		b.missing = MissingNaN
	}
	inBin[0] = total - used
	b.zero = int(b.bin[0])
	b.chooseFrequent(inBin, total)
	// More than one category can be split in some way, unless the leaf bounds forbid it.
	b.usable = len(inBin) > 2 || splits(inBin, total, minSplit)
	return b
}

// category returns the category of a value: its integer part, or -1 for NaN, negative
// values and those beyond the integers of LightGBM, which have 32 bits.
func category(v float64) int {
	if !(v > -1 && v <= math.MaxInt32) {
		return -1
	}
	return int(v)
}

// findCategorical is find for a feature with categories. Bin 0 is never sent left, so
// that categories that training did not see go right. With few bins, each category is
// tried against the rest. Otherwise the categories, in the order of G/(H+cat_smooth),
// are sent left one after the other, from either end (Fisher, "On Grouping for Maximum
// Homogeneity", 1958), with further regularisation.
func (s *splitter) findCategorical(f int, cells []cell, g, h float64, rows int) (split, bool) {
	h += 2 * epsilon
	c := categoricalScan{
		splitter: *s, cells: cells, g: g, h: h, rows: rows,
		perRow:  float64(rows) / h,
		minGain: s.gain(g, h) + s.minGain,
		best:    math.Inf(-1),
	}
	if len(cells) <= s.maxOneHot {
		c.oneAgainstRest()
	} else {
		c.l2 += s.catL2
		c.sorted()
	}
	if c.left == nil {
		return noSplit, false
	}
	rightG, rightH := g-c.leftG, h-c.leftH
	return split{
		feature: f,
		bins:    c.left,
		gain:    c.best - c.minGain,
		leftG:   c.leftG,
		leftH:   c.leftH - epsilon,
		rightG:  rightG,
		rightH:  rightH - epsilon,
		left:    c.output(c.leftG, c.leftH),
		right:   c.output(rightG, rightH),
	}, true
}

// A categoricalScan holds what does not change while sets of categories are tried, and
// the best of them.
type categoricalScan struct {
	splitter
	cells   []cell
	g, h    float64 // sums of the leaf; h with 2 epsilon
	rows    int
	perRow  float64 // rows per unit of hessian
	minGain float64 // that a set must exceed

	best         float64
	leftG, leftH float64
	left         []uint32 // bins, nil when nothing is found
}

func (c *categoricalScan) count(bin int) int { return int(float64(c.cells[bin].h*c.perRow) + 0.5) }

func (c *categoricalScan) oneAgainstRest() {
	for t := 1; t < len(c.cells); t++ {
		x, n := c.cells[t], c.count(t)
		if n < c.minData || x.h < c.minHessian || c.rows-n < c.minData {
			continue
		}
		restH := c.h - x.h - epsilon
		if restH < c.minHessian {
			continue
		}
		gain := c.gain(c.g-x.g, restH) + c.gain(x.g, x.h+epsilon)
		if gain > c.minGain && gain > c.best {
			c.best, c.leftG, c.leftH = gain, x.g, x.h+epsilon
			c.left = []uint32{uint32(t)}
		}
	}
}

func (c *categoricalScan) sorted() {
	var order []uint32
	ratio := make([]float64, len(c.cells))
	for t := 1; t < len(c.cells); t++ {
		if x := c.cells[t]; float64(c.count(t)) >= c.catSmooth {
			order = append(order, uint32(t))
			ratio[t] = x.g / (x.h + c.catSmooth)
		}
	}
	slices.SortStableFunc(order, func(a, b uint32) int {
		switch {
		case ratio[a] < ratio[b]:
			return -1
		case ratio[b] < ratio[a]:
			return 1
		}
		return 0
	})
	most := min(c.maxCategories, (len(order)+1)/2)
	for range 2 {
		if n := c.prefix(order[:most]); n > 0 {
			c.left = slices.Clone(order[:n])
		}
		slices.Reverse(order)
	}
}

// prefix tries the sets of the first bins of order, and returns the size of the best if
// it is better than the best so far, else 0.
func (c *categoricalScan) prefix(order []uint32) int {
	left := cell{0, epsilon}
	n, group, size := 0, 0, 0
	for i, t := range order {
		x, rows := c.cells[t], c.count(int(t))
		left.g += x.g
		left.h += x.h
		n += rows
		group += rows
		if n < c.minData || left.h < c.minHessian {
			continue
		}
		restH := c.h - left.h
		if c.rows-n < c.minData || c.rows-n < c.minGroup || restH < c.minHessian {
			break
		}
		if group < c.minGroup {
			continue
		}
		group = 0
		gain := c.gain(left.g, left.h) + c.gain(c.g-left.g, restH)
		if gain > c.minGain && gain > c.best {
			c.best, c.leftG, c.leftH = gain, left.g, left.h
			size = i + 1
		}
	}
	return size
}

// bitset returns the set of values as words of 32 bits.
func bitset(values []int) []uint32 {
	words := make([]uint32, slices.Max(values)/32+1)
	for _, v := range values {
		words[v/32] |= 1 << (v % 32)
	}
	return words
}
