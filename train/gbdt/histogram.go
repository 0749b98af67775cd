package gbdt

// A cell holds the sums of gradients and hessians over the rows in one bin.
type cell struct{ g, h float64 }

// add sums the derivatives of rows; collect hands the sums out. All says that the rows are
// those of the root.
func (l *learner) add(rows []int32, all bool) {
	l.added = rows
	if l.signs != nil {
		l.signs.add(l.pool, rows, all)
		return
	}
	// A group is split among workers by quads of features when there are more workers
	// than groups. Each histogram is still summed by one worker in the order of rows.
	d, split := l.data, 1
	if l.pool.workers > d.groups() {
		split = groupWidth / 4
	}
	l.pool.run(d.groups()*split, func(task int) {
		group, part := task/split, task%split
		quads := (min(groupWidth, len(d.features)-group*groupWidth) + 3) / 4
		from, to := quads*part/split, quads*(part+1)/split
		sums := &l.sums[group]
		clear(sums[4*from : 4*to])
		addGradients(sums, d.blocks[group*groupWidth:], d.stride, rows, l.gradients, from, to)
	})
}

// collect makes the cells of feature f in a histogram those of the rows that were added.
// The sums g and h of the same rows give the most frequent bin, as in LightGBM, which
// does not store it.
func (l *learner) collect(f int, out []cell, g, h float64) {
	cells := out[l.data.offset[f]:l.data.offset[f+1]]
	switch wide := l.data.wide[f]; {
	case wide != nil:
		l.addWide(cells, wide, l.added)
	case l.signs != nil:
		l.signs.collect(f, cells)
	default:
		copy(cells, l.sums[f/groupWidth][f%groupWidth][:])
	}
	if k := l.data.binning(f).frequent; k > 0 {
		rest := cell{g, h}
		for i, c := range cells {
			if i != k {
				rest.g -= c.g
				rest.h -= c.h
			}
		}
		cells[k] = rest
	}
}

// addWide sums the derivatives of rows into the cells of one feature with many bins.
func (l *learner) addWide(cells []cell, bins []uint32, rows []int32) {
	clear(cells)
	if l.signs != nil {
		for _, i := range rows {
			c := &cells[bins[i]]
			c.g += float64(l.signs.of(i))
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

// subtract makes a the histogram of the sibling of b, given a that of their parent.
func subtract(a, b []cell) {
	b = b[:len(a)]
	for i := range a {
		a[i].g -= b[i].g
		a[i].h -= b[i].h
	}
}
