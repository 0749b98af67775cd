package gbdt

// A cell holds the sums of gradients and hessians over the rows in one bin.
type cell struct{ g, h float64 }

// scratch holds the histograms of one group of features while rows are added. Bins are
// uint8 and the inner arrays have 256 places, so the kernels need no bounds checks.
type scratch struct {
	cells  [groupWidth][256]cell
	packed [groupWidth][256]uint32
	// The rows that are added next, gathered.
	bins   [gatherRows]block
	addend [gatherRows]cell
}

const (
	// gatherRows is the number of rows that are copied together before four features
	// at a time are added: the copies and the histograms of four features (16 KB) fit
	// the first-level cache, and cache misses overlap in a loop that stores to known
	// addresses.
	gatherRows = 256
	// prefetchRows is the number of rows whose bins are touched before they are added.
	// A loop that only reads lets cache misses overlap; stores to unknown addresses
	// keep them from it.
	prefetchRows = 64
	// packedRows is the number of rows after which packed sums are flushed: at most
	// 2 a row in the upper 16 bits of a uint32, and 1 in the lower.
	packedRows = 32767
)

// histograms sums the gradients of rows, in their order, into the cells of all inner
// features. The leaf's own sums g and h give the most frequent bin, as in LightGBM,
// which does not store it.
func (l *learner) histograms(out []cell, rows []int32, g, h float64) {
	d := l.data
	// A group is split among workers by quads of features when there are more workers
	// than groups. Each histogram is still summed by one worker in the order of rows.
	split := 1
	if n := l.pool.workers; n > len(d.groups) {
		split = min(groupWidth/4, (n+len(d.groups)-1)/len(d.groups))
	}
	l.pool.run(len(d.groups)*split, func(task int) {
		group, part := task/split, task%split
		first := group * groupWidth
		quads := (min(groupWidth, len(d.features)-first) + 3) / 4
		from, to := quads*part/split, quads*(part+1)/split
		if from == to {
			return
		}
		s := l.scratch[task]
		last := min(first+4*to, len(d.features))
		if l.codes != nil {
			l.addCodes(out, s, group, rows, from, to)
		} else {
			clear(s.cells[4*from : 4*to])
			s.addRows(d.groups[group], rows, l.gradients, from, to)
		}
		for f := first + 4*from; f < last; f++ {
			if d.wide[f] != nil {
				continue
			}
			cells := out[d.offset[f]:d.offset[f+1]]
			if l.codes == nil {
				copy(cells, s.cells[f-first][:])
			}
			derive(cells, d.binning(f).frequent, g, h)
		}
	})
	l.pool.run(len(d.wideFeatures), func(i int) {
		f := d.wideFeatures[i]
		cells := out[d.offset[f]:d.offset[f+1]]
		l.addWide(cells, d.wide[f], rows)
		derive(cells, d.binning(f).frequent, g, h)
	})
}

// derive makes cell k > 0 what the others leave of the sums g and h of the leaf.
func derive(cells []cell, k int, g, h float64) {
	if k == 0 {
		return
	}
	rest := cell{g, h}
	for i, c := range cells {
		if i != k {
			rest.g -= c.g
			rest.h -= c.h
		}
	}
	cells[k] = rest
}

// addWide sums the gradients of rows into the cells of one feature with many bins.
func (l *learner) addWide(cells []cell, bins []uint32, rows []int32) {
	clear(cells)
	if l.codes != nil {
		for _, i := range rows {
			c := &cells[bins[i]]
			c.g += float64(int(l.codes[i]) - 1)
			c.h++
		}
		return
	}
	for _, i := range rows {
		c, d := &cells[bins[i]], l.gradients[i]
		c.g += float64(d.g)
		c.h += float64(d.h)
	}
}

// addRows adds rows to the cells of the quads [from, to) of a group.
func (s *scratch) addRows(blocks []block, rows []int32, gradients []gradient, from, to int) {
	for len(rows) > 0 {
		chunk := rows[:min(gatherRows, len(rows))]
		rows = rows[len(chunk):]
		for k, i := range chunk {
			d := gradients[i]
			s.bins[k&(gatherRows-1)] = blocks[i]
			s.addend[k&(gatherRows-1)] = cell{float64(d.g), float64(d.h)}
		}
		for q := from; q < to; q++ {
			addQuad((*[4][256]cell)(s.cells[4*q:]), &s.bins, q, &s.addend, len(chunk))
		}
	}
}

// addQuadGeneric adds the first n addends to the bins of the features 4q to 4q+3 of the
// group. It is what addQuad does where there is no assembly.
func addQuadGeneric(cells *[4][256]cell, bins *[gatherRows]block, q int, addend *[gatherRows]cell, n int) {
	s0, s1, s2, s3 := &cells[0], &cells[1], &cells[2], &cells[3]
	q = 4 * q & (groupWidth - 1)
	for k := range n {
		b := (*[4]uint8)(bins[k&(gatherRows-1)][q:])
		d := addend[k&(gatherRows-1)]
		c := &s0[b[0]]
		c.g += d.g
		c.h += d.h
		c = &s1[b[1]]
		c.g += d.g
		c.h += d.h
		c = &s2[b[2]]
		c.g += d.g
		c.h += d.h
		c = &s3[b[3]]
		c.g += d.g
		c.h += d.h
	}
}

// addCodes sums signs into the cells of out for the quads [from, to) of a group. A row
// adds (sign+1)<<16 | 1 in one operation.
func (l *learner) addCodes(out []cell, s *scratch, group int, rows []int32, from, to int) {
	d := l.data
	first := group * groupWidth
	for start := 0; start < len(rows); start += packedRows {
		clear(s.packed[4*from : 4*to])
		addCodes(&s.packed, d.groups[group], rows[start:min(start+packedRows, len(rows))], l.codes, from, to)
		for f := first + 4*from; f < min(first+4*to, len(d.features)); f++ {
			if d.wide[f] != nil {
				continue
			}
			cells := out[d.offset[f]:d.offset[f+1]]
			packed := s.packed[f-first][:len(cells)]
			if start == 0 {
				clear(cells)
			}
			for b, v := range packed {
				n := int(v & 0xffff)
				cells[b].g += float64(int(v>>16) - n)
				cells[b].h += float64(n)
			}
		}
	}
}

// increments holds what a row of sign -1, 0 or 1 adds. It is a table because the
// compiler would split a constant count and a variable sign into two additions.
var increments = [256]uint32{0<<16 | 1, 1<<16 | 1, 2<<16 | 1}

func addCodes(s *[groupWidth][256]uint32, blocks []block, rows []int32, codes []uint8, from, to int) {
	whole := from == 0 && to == groupWidth/4
	for len(rows) > 0 {
		chunk := rows[:min(prefetchRows, len(rows))]
		rows = rows[len(chunk):]
		touch(blocks, chunk)
		if whole {
			for _, i := range chunk {
				b := &blocks[i]
				v := increments[codes[i]]
				s[0][b[0]] += v
				s[1][b[1]] += v
				s[2][b[2]] += v
				s[3][b[3]] += v
				s[4][b[4]] += v
				s[5][b[5]] += v
				s[6][b[6]] += v
				s[7][b[7]] += v
				s[8][b[8]] += v
				s[9][b[9]] += v
				s[10][b[10]] += v
				s[11][b[11]] += v
				s[12][b[12]] += v
				s[13][b[13]] += v
				s[14][b[14]] += v
				s[15][b[15]] += v
			}
			continue
		}
		for q := from; q < to; q++ {
			s0, s1, s2, s3 := &s[4*q&15], &s[(4*q+1)&15], &s[(4*q+2)&15], &s[(4*q+3)&15]
			for _, i := range chunk {
				b := (*[4]uint8)(blocks[i][4*q&15:])
				v := increments[codes[i]]
				s0[b[0]] += v
				s1[b[1]] += v
				s2[b[2]] += v
				s3[b[3]] += v
			}
		}
	}
}

// touch reads one byte of every row. The result keeps the compiler from dropping it.
//
//go:noinline
func touch(blocks []block, rows []int32) uint8 {
	var s uint8
	for _, i := range rows {
		s |= blocks[i][0]
	}
	return s
}

// subtract makes a the histogram of the sibling of b, given a that of their parent.
func subtract(a, b []cell) {
	b = b[:len(a)]
	for i := range a {
		a[i].g -= b[i].g
		a[i].h -= b[i].h
	}
}
