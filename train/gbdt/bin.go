package gbdt

import (
	"math"
	"slices"
)

// A binning maps the values of one feature to bins. Bin i < len(bounds) of a numerical
// feature holds the values in (bounds[i-1], bounds[i]]; with missing NaN, one more bin
// holds the NaNs. Bin i of a categorical feature holds categories[i], and bin 0 all that
// has no other.
type binning struct {
	bounds     []float64 // ascending, the last is +Inf
	categories []int     // nil for a numerical feature; the first is -1
	bin        map[int]uint32
	missing    Missing
	min, max   float64 // of a numerical feature
	zero       int     // bin of 0
	frequent   int     // bin that LightGBM does not store but derives from the leaf's sums
	usable     bool
}

func (b *binning) categorical() bool { return b.categories != nil }

// bins returns the number of bins, with that of the NaNs.
func (b *binning) bins() int {
	if b.categorical() {
		return len(b.categories)
	}
	if b.missing == MissingNaN {
		return len(b.bounds) + 1
	}
	return len(b.bounds)
}

// threshold returns the largest value in bin i: +Inf if only missing values lie above.
func (b *binning) threshold(i int) float64 {
	return b.bounds[i]
}

// categoriesOf returns the categories of some bins.
func (b *binning) categoriesOf(bins []uint32) []int {
	out := make([]int, len(bins))
	for i, k := range bins {
		out[i] = b.categories[k]
	}
	return out
}

// A distinct value of the sample, and how often it occurs.
type distinct struct {
	value float64
	count int
}

// A sorter has the memory that the binning of one feature after the other needs.
type sorter struct {
	keys, spare []uint64
	values      []distinct
}

// newBinning makes the bins of one feature from a sample of its values, which it
// sorts. minSplit is the number of sampled rows that a split must leave on both
// sides for the feature to be usable; 0 means that any split will do.
func (s *sorter) newBinning(sample []float64, minSplit int, o Options) binning {
	total := len(sample)
	kept := sample[:0]
	nan := 0
	for _, v := range sample {
		switch {
		case v != v:
			nan++
		case math.Abs(v) > zeroThreshold:
			kept = append(kept, v)
		}
	}
	var b binning
	switch {
	case !o.UseMissing:
	case o.ZeroAsMissing:
		b.missing = MissingZero
	case nan > 0:
		b.missing = MissingNaN
	}
	if b.missing != MissingNaN {
		nan = 0 // a NaN is a zero
	}
	s.sort(kept)
	values := s.distinct(kept, total-len(kept)-nan)
	b.min, b.max = values[0].value, values[len(values)-1].value

	if b.missing == MissingNaN {
		b.bounds = findBounds(values, o.MaxBin-1, total-nan, o.MinDataInBin)
	} else {
		b.bounds = findBounds(values, o.MaxBin, total, o.MinDataInBin)
	}
	if b.missing == MissingZero && len(b.bounds) == 2 {
		b.missing = MissingNone
	}

	counts := make([]int, b.bins())
	i := 0
	for _, d := range values {
		for d.value > b.bounds[i] {
			i++
		}
		counts[i] += d.count
	}
	if b.missing == MissingNaN {
		counts[len(counts)-1] = nan
	}
	b.zero = slices.IndexFunc(b.bounds, func(u float64) bool { return 0 <= u })
	b.chooseFrequent(counts, total)
	b.usable = len(counts) > 1 && splits(counts, total, minSplit)
	return b
}

// chooseFrequent sets the most frequent bin from the counts of a sample. The bin of 0
// is preferred unless another holds 70% of the sample (kSparseThreshold in LightGBM's
// bin.h).
func (b *binning) chooseFrequent(counts []int, total int) {
	b.frequent = 0
	for i, c := range counts {
		if c > counts[b.frequent] {
			b.frequent = i
		}
	}
	if float64(counts[b.frequent]) < 0.7*float64(total) {
		b.frequent = b.zero
	}
}

// sort sorts values without NaN or negative zero. Long slices are sorted by digits
// of 11 bits, the least significant first, which is several times as fast as comparing.
func (s *sorter) sort(v []float64) {
	if len(v) < 1024 {
		slices.Sort(v)
		return
	}
	const digit, passes = 11, 6
	// Flipping the sign bit of positive and all bits of negative numbers makes the
	// order of the bits that of the numbers.
	const signBit = 1 << 63
	s.keys, s.spare = slices.Grow(s.keys[:0], len(v))[:len(v)], slices.Grow(s.spare[:0], len(v))[:len(v)]
	keys, spare := s.keys, s.spare
	var counts [passes][1 << digit]int
	for i, x := range v {
		k := math.Float64bits(x)
		k ^= uint64(int64(k)>>63) | signBit
		keys[i] = k
		for p := range counts {
			counts[p][k>>(digit*p)&(1<<digit-1)]++
		}
	}
	for p := range counts {
		at := &counts[p]
		sum := 0
		for d, n := range at {
			at[d] = sum
			sum += n
		}
		for _, k := range keys {
			d := k >> (digit * p) & (1<<digit - 1)
			spare[at[d]] = k
			at[d]++
		}
		keys, spare = spare, keys
	}
	for i, k := range keys {
		k ^= uint64(int64(^k)>>63) | signBit
		v[i] = math.Float64frombits(k)
	}
}

// distinct returns the distinct values of the sorted, non-zero values with the
// given number of zeros in their place. Values within one unit in the last place count
// as the larger of them.
func (s *sorter) distinct(sorted []float64, zeros int) []distinct {
	out := s.values[:0]
	n := len(sorted)
	if n == 0 || (sorted[0] > 0 && zeros > 0) {
		out = append(out, distinct{0, zeros})
	}
	for i, v := range sorted {
		switch {
		case i > 0 && v <= math.Nextafter(sorted[i-1], math.Inf(1)):
			out[len(out)-1].value = v
			out[len(out)-1].count++
		default:
			if i > 0 && sorted[i-1] < 0 && v > 0 {
				out = append(out, distinct{0, zeros})
			}
			out = append(out, distinct{v, 1})
		}
	}
	if n > 0 && sorted[n-1] < 0 && zeros > 0 {
		out = append(out, distinct{0, zeros})
	}
	s.values = out
	return out
}

// findBounds returns the upper bounds of at most maxBin bins for total values. Zero
// has a bin of its own, and the bins left over are shared among the negative and
// positive values in proportion to their number.
func findBounds(values []distinct, maxBin, total, minDataInBin int) []float64 {
	var left, zero, right int
	firstNonNegative, firstPositive := -1, -1
	for i, d := range values {
		if d.value > -zeroThreshold && firstNonNegative < 0 {
			firstNonNegative = i
		}
		if d.value > zeroThreshold && firstPositive < 0 {
			firstPositive = i
		}
		switch {
		case d.value <= -zeroThreshold:
			left += d.count
		case d.value > zeroThreshold:
			right += d.count
		default:
			zero += d.count
		}
	}
	if firstNonNegative < 0 {
		firstNonNegative = len(values)
	}
	var bounds []float64
	if firstNonNegative > 0 && maxBin > 1 {
		n := max(1, int(float64(left)/float64(total-zero)*float64(maxBin-1)))
		bounds = greedyBounds(values[:firstNonNegative], n, left, minDataInBin)
		bounds[len(bounds)-1] = -zeroThreshold
	}
	n := maxBin - 1 - len(bounds)
	if firstPositive < 0 || n <= 0 {
		return append(bounds, math.Inf(1))
	}
	bounds = append(bounds, zeroThreshold)
	return append(bounds, greedyBounds(values[firstPositive:], n, right, minDataInBin)...)
}

// greedyBounds returns the upper bounds of at most maxBin bins of about equal counts;
// a value as frequent as a bin gets its own.
func greedyBounds(values []distinct, maxBin, total, minDataInBin int) []float64 {
	var bounds []float64
	cut := func(below, above float64) bool {
		u := math.Nextafter((below+above)/2, math.Inf(1))
		if len(bounds) > 0 && u <= math.Nextafter(bounds[len(bounds)-1], math.Inf(1)) {
			return false
		}
		bounds = append(bounds, u)
		return true
	}
	last := len(values) - 1
	if len(values) <= maxBin {
		count := 0
		for i, d := range values[:last] {
			count += d.count
			if count >= minDataInBin && cut(d.value, values[i+1].value) {
				count = 0
			}
		}
		return append(bounds, math.Inf(1))
	}

	maxBin = max(1, min(maxBin, total/minDataInBin))
	mean := float64(total) / float64(maxBin)
	restBins, rest := maxBin, total
	big := make([]bool, len(values))
	for i, d := range values {
		if float64(d.count) >= mean {
			big[i] = true
			restBins--
			rest -= d.count
		}
	}
	mean = float64(rest) / float64(restBins)
	count, closed := 0, 0
	for i, d := range values[:last] {
		if closed >= maxBin-1 {
			break
		}
		if !big[i] {
			rest -= d.count
		}
		count += d.count
		if big[i] || float64(count) >= mean || (big[i+1] && float64(count) >= max(1, mean*0.5)) {
			// A bin counts as closed even when its bound is too near the one before.
			cut(d.value, values[i+1].value)
			closed++
			count = 0
			if !big[i] {
				restBins--
				mean = float64(rest) / float64(restBins)
			}
		}
	}
	return append(bounds, math.Inf(1))
}

// splits reports whether some cut between bins leaves at least n of total rows on both sides.
func splits(counts []int, total, n int) bool {
	left := 0
	for _, c := range counts[:len(counts)-1] {
		left += c
		if left >= n && total-left >= n {
			return true
		}
	}
	return false
}

// find returns the bin of v, whatever the kind of the feature and the number of bins.
func (b *binning) find(v float64) uint32 {
	switch {
	case b.categorical():
		return b.bin[category(v)] // 0 if there is none
	case v == v:
		i, _ := slices.BinarySearch(b.bounds, v)
		return uint32(i)
	case b.missing == MissingNaN:
		return uint32(len(b.bounds))
	}
	return uint32(b.zero)
}

// A binner looks the bins of a numerical feature up without branches: bounds padded with
// +Inf to a power of two.
type binner struct {
	bounds [256]float64
	nan    uint8
}

func newBinner(b *binning) *binner {
	t := &binner{}
	for i := range t.bounds {
		t.bounds[i] = math.Inf(1)
	}
	copy(t.bounds[:], b.bounds)
	t.nan = uint8(b.zero)
	if b.missing == MissingNaN {
		t.nan = uint8(len(b.bounds))
	}
	return t
}

// bin returns the number of bounds below v, which is the bin of v.
func (t *binner) bin(v float64) uint8 {
	if v != v {
		return t.nan
	}
	i := 0
	for shift := 7; shift >= 0; shift-- {
		i += t.below(i, shift, v)
	}
	return uint8(i)
}

// below returns 1<<shift if so many bounds from i on are below v, else 0. It has no branch
// to mispredict.
func (t *binner) below(i, shift int, v float64) int {
	less := 0
	if t.bounds[(i+1<<(shift&7)-1)&255] < v {
		less = 1
	}
	return less << (shift & 7)
}

// bin4 is bin of four values. Each step of a search waits for the one before, so four
// searches take hardly longer than one.
func (t *binner) bin4(v0, v1, v2, v3 float64) (b0, b1, b2, b3 uint8) {
	var i0, i1, i2, i3 int
	for shift := 7; shift >= 0; shift-- {
		i0 += t.below(i0, shift, v0)
		i1 += t.below(i1, shift, v1)
		i2 += t.below(i2, shift, v2)
		i3 += t.below(i3, shift, v3)
	}
	b0, b1, b2, b3 = uint8(i0), uint8(i1), uint8(i2), uint8(i3)
	if v0 != v0 {
		b0 = t.nan
	}
	if v1 != v1 {
		b1 = t.nan
	}
	if v2 != v2 {
		b2 = t.nan
	}
	if v3 != v3 {
		b3 = t.nan
	}
	return
}
