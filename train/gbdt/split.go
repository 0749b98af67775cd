package gbdt

import "math"

// epsilon keeps sums of hessians positive. It is LightGBM's kEpsilon, a float32 constant.
const epsilon = float64(float32(1e-15))

// A split of a leaf in two.
type split struct {
	feature      int      // inner, -1 for none
	bin          int      // the last bin that goes left
	bins         []uint32 // all bins that go left, when the feature is categorical
	defaultLeft  bool
	gain         float64 // beyond min_gain_to_split
	leftG, leftH float64
	rightG       float64
	rightH       float64
	left, right  float64 // outputs
}

var noSplit = split{feature: -1, gain: math.Inf(-1)}

// better reports whether a is to be made before b: the greater gain, then the smaller feature.
func (a *split) better(b *split) bool {
	if a.gain != b.gain {
		return a.gain > b.gain
	}
	return uint(a.feature) < uint(b.feature) // -1 is the largest
}

// goesLeft returns, for every bin of b, whether its rows go left: 1 or 0. It has at
// least narrowBins places.
func (a *split) goesLeft(b *binning) []uint8 {
	goes := make([]uint8, max(narrowBins, b.bins()))
	if b.categorical() {
		for _, i := range a.bins {
			goes[i] = 1
		}
		return goes
	}
	for i := range a.bin + 1 {
		goes[i] = 1
	}
	missing := -1
	switch b.missing {
	case MissingZero:
		missing = b.zero
	case MissingNaN:
		missing = b.bins() - 1
	}
	if missing >= 0 {
		goes[missing] = 0
		if a.defaultLeft {
			goes[missing] = 1
		}
	}
	return goes
}

// A splitter finds the best split of a feature.
type splitter struct {
	l1, l2, minGain float64
	minData         int
	minHessian      float64

	// For categorical features.
	catSmooth, catL2 float64
	maxOneHot        int // bins of which each is tried against the rest
	maxCategories    int // on one side
	minGroup         int // rows of the categories between two cuts
}

func newSplitter(o Options) splitter {
	return splitter{
		l1: o.LambdaL1, l2: o.LambdaL2, minGain: o.MinGainToSplit,
		minData: o.MinDataInLeaf, minHessian: o.MinSumHessianInLeaf,
		catSmooth: o.CatSmooth, catL2: o.CatL2, maxOneHot: o.MaxCatToOnehot,
		maxCategories: o.MaxCatThreshold, minGroup: o.MinDataPerGroup,
	}
}

// shrink is the soft threshold of a gradient sum.
func (s *splitter) shrink(g float64) float64 {
	if s.l1 == 0 {
		return g
	}
	return math.Copysign(max(0, math.Abs(g)-s.l1), g)
}

func (s *splitter) gain(g, h float64) float64 {
	g = s.shrink(g)
	return g * g / (h + s.l2)
}

// nearly leaves room for the rounding of hopeless, which is less than 1e-15.
const nearly = 1 - 1e-9

// hopeless reports whether the gain of a cut is below bar for certain. It takes no
// division, which is what a scan spends its time on; soft thresholds only lower gains.
func (s *splitter) hopeless(leftG, leftH, rightG, rightH, bar float64) bool {
	leftH += s.l2
	rightH += s.l2
	return leftG*leftG*rightH+rightG*rightG*leftH < bar*(leftH*rightH)
}

func (s *splitter) output(g, h float64) float64 {
	return -s.shrink(g) / (h + s.l2)
}

// A scan holds what does not change while the cuts of one feature are tried.
type scan struct {
	cells   []cell
	g, h    float64 // sums of the leaf; h with 2 epsilon
	rows    int
	perRow  float64 // rows per unit of hessian
	minGain float64 // that a cut must exceed
	skip    int     // bin of the missing zeros, -1 if none
	best    split
	found   bool
}

// find returns the best split of a leaf by feature f with binning b and histogram
// cells; g and h are the sums and rows the number of rows of the leaf. It reports
// whether any cut is allowed and gains enough; if not, no descendant's need be tried.
func (s *splitter) find(f int, b *binning, cells []cell, g, h float64, rows int) (split, bool) {
	if b.categorical() {
		return s.findCategorical(f, cells, g, h, rows)
	}
	h += 2 * epsilon
	c := scan{
		cells: cells, g: g, h: h, rows: rows,
		perRow:  float64(rows) / h,
		minGain: s.gain(g, h) + s.minGain,
		skip:    -1,
		best:    noSplit,
	}
	top := len(cells) - 1
	switch {
	case len(cells) <= 2 || b.missing == MissingNone:
		s.fromRight(&c, top)
		if b.missing == MissingNaN {
			c.best.defaultLeft = false
		}
	case b.missing == MissingZero:
		c.skip = b.zero
		s.fromRight(&c, top)
		s.fromLeft(&c, cell{0, epsilon}, 0, 0, 0)
	default:
		s.fromRight(&c, top-1)
		if b.frequent == 0 {
			// LightGBM does not store bin 0 then, and starts with what the others leave.
			rest, n := cell{g, h - epsilon}, rows
			for _, x := range cells[1:] {
				rest.g -= x.g
				rest.h -= x.h
				n -= int(x.h*c.perRow + 0.5)
			}
			s.fromLeft(&c, rest, n, 0, 1)
		} else {
			s.fromLeft(&c, cell{0, epsilon}, 0, 0, 0)
		}
	}
	c.best.feature = f
	if !c.found {
		c.best.feature = -1
	}
	return c.best, c.found
}

// fromRight tries the cuts below the bins top, top-1, ..., 1, with missing values left.
func (s *splitter) fromRight(c *scan, top int) {
	var (
		right              = cell{0, epsilon}
		n                  int
		best               = math.Inf(-1)
		bar                = c.minGain * nearly // below it, a gain is not worth a division
		bestG, bestH       float64
		bestBin            int
		minData, rows      = s.minData, c.rows
		minHessian, perRow = s.minHessian, c.perRow
	)
	cells := c.cells[:top+1]
	for t := top; t >= 1; t-- {
		if t == c.skip {
			continue
		}
		x := cells[t]
		right.g += x.g
		right.h += x.h
		n += int(float64(x.h*perRow) + 0.5)
		if n < minData || right.h < minHessian {
			continue
		}
		leftH := c.h - right.h
		if rows-n < minData || leftH < minHessian {
			break
		}
		leftG := c.g - right.g
		if s.hopeless(leftG, leftH, right.g, right.h, bar) {
			continue
		}
		gain := s.gain(leftG, leftH) + s.gain(right.g, right.h)
		if !(gain > c.minGain) {
			continue
		}
		c.found = true
		if gain > best {
			best, bestG, bestH, bestBin = gain, leftG, leftH, t-1
			bar = gain * nearly
		}
	}
	s.take(c, best, bestG, bestH, bestBin, true)
}

// fromLeft tries the cuts above the bins from, from+1, ..., with missing values right.
// It starts with what is already on the left: left with n rows, which are those of bin
// first-1 if first > 0.
func (s *splitter) fromLeft(c *scan, left cell, n, from, first int) {
	var (
		best               = math.Inf(-1)
		bar                = c.minGain * nearly // below it, a gain is not worth a division
		bestG, bestH       float64
		bestBin            int
		minData, rows      = s.minData, c.rows
		minHessian, perRow = s.minHessian, c.perRow
	)
	for t := from; t < len(c.cells)-1; t++ {
		if t == c.skip {
			continue
		}
		if t >= first {
			x := c.cells[t]
			left.g += x.g
			left.h += x.h
			n += int(float64(x.h*perRow) + 0.5)
		}
		if n < minData || left.h < minHessian {
			continue
		}
		rightH := c.h - left.h
		if rows-n < minData || rightH < minHessian {
			break
		}
		rightG := c.g - left.g
		if s.hopeless(left.g, left.h, rightG, rightH, bar) {
			continue
		}
		gain := s.gain(left.g, left.h) + s.gain(rightG, rightH)
		if !(gain > c.minGain) {
			continue
		}
		c.found = true
		if gain > best {
			best, bestG, bestH, bestBin = gain, left.g, left.h, t
			bar = gain * nearly
		}
	}
	s.take(c, best, bestG, bestH, bestBin, false)
}

// take keeps the best cut of a direction if it is strictly better than the best so far.
func (s *splitter) take(c *scan, gain, leftG, leftH float64, bin int, defaultLeft bool) {
	if !(gain > c.best.gain+c.minGain) {
		return
	}
	rightG, rightH := c.g-leftG, c.h-leftH
	c.best = split{
		bin:         bin,
		defaultLeft: defaultLeft,
		gain:        gain - c.minGain,
		leftG:       leftG,
		leftH:       leftH - epsilon,
		rightG:      rightG,
		rightH:      rightH - epsilon,
		left:        s.output(leftG, leftH),
		right:       s.output(rightG, rightH),
	}
}
