package gbdt

import "slices"

// groupWidth is the number of features that a kernel adds at a time: 16 bytes a row are
// one quarter of a line of the cache, and 16 packed histograms of 256 bins (16 KB) fit
// its first level.
const groupWidth = 16

// A dataset is a binned table. Bins are kept twice: by row in groups of features for
// the histograms, by column for the partition of rows.
type dataset struct {
	rows     int
	binnings []binning  // of every column
	features []int      // columns that can be split; inner features index this
	offset   []int      // of the inner features' bins in a histogram, length len(features)+1
	columns  [][]uint8  // of every inner feature, nil for one with more than 256 bins
	wide     [][]uint32 // of every inner feature with more than 256 bins, else nil

	// The bins by row: those of feature f in row i are at i*stride + f. The stride is a
	// multiple of groupWidth and the places without a feature are 0.
	blocks []uint8
	stride int
}

// narrowBins is the number of bins that fit a byte of a block. A feature with more has
// a column only, and its place in the blocks is 0.
const narrowBins = 256

// newDataset bins t.
func newDataset(t *Table, o Options, p *pool) *dataset {
	w := len(t.Columns)
	d := &dataset{rows: t.Rows, binnings: make([]binning, w)}
	sample := newRandom(o.DataRandomSeed).sample(t.Rows, min(t.Rows, o.BinConstructSampleCnt))
	minSplit := 0
	if o.FeaturePreFilter {
		minSplit = int(float64(o.MinDataInLeaf*len(sample)) / float64(t.Rows))
	}
	columnsPerWorker := (w + p.workers - 1) / p.workers
	p.run(p.workers, func(k int) {
		values := make([]float64, len(sample))
		var s sorter
		for c := k * columnsPerWorker; c < min(w, (k+1)*columnsPerWorker); c++ {
			for i, r := range sample {
				values[i] = t.Data[r*w+c]
			}
			switch {
			case slices.Contains(o.IgnoreColumn, c):
			case slices.Contains(o.CategoricalFeature, c):
				d.binnings[c] = newCategoricalBinning(values, minSplit, o)
			default:
				d.binnings[c] = s.newBinning(values, minSplit, o)
			}
		}
	})
	d.offset = []int{0}
	for c := range d.binnings {
		if d.binnings[c].usable {
			d.features = append(d.features, c)
			d.offset = append(d.offset, d.offset[len(d.offset)-1]+d.binnings[c].bins())
		}
	}
	d.stride = d.groups() * groupWidth
	d.blocks = makeLarge[uint8](t.Rows * d.stride)
	d.columns = make([][]uint8, len(d.features))
	d.wide = make([][]uint32, len(d.features))
	binners := make([]*binner, len(d.features))
	for f, c := range d.features {
		b := &d.binnings[c]
		if b.bins() > narrowBins {
			d.wide[f] = makeLarge[uint32](t.Rows)
			continue
		}
		d.columns[f] = makeLarge[uint8](t.Rows)
		if !b.categorical() {
			binners[f] = newBinner(b)
		}
	}
	// A part of a block of rows stays in the second-level cache for all its columns.
	const partRows = 1024
	p.blocks(t.Rows, func(from, to int) {
		for ; from < to; from += partRows {
			part := *t
			part.Rows = min(partRows, to-from)
			part.Data = t.Data[from*w:]
			for f := range d.features {
				d.fill(f, &part, from, binners[f])
			}
		}
	})
	return d
}

// fill bins feature f of the rows of t, of which the first is row from of the dataset. The
// binner is nil for a categorical feature.
func (d *dataset) fill(f int, t *Table, from int, binner *binner) {
	c := d.features[f]
	w := len(t.Columns)
	at := func(i int) float64 { return t.Data[i*w+c] }
	if wide := d.wide[f]; wide != nil {
		for i := range t.Rows {
			wide[from+i] = d.binnings[c].find(at(i))
		}
		return
	}
	column := d.columns[f][from : from+t.Rows]
	i := 0
	if binner != nil {
		for ; i+4 <= len(column); i += 4 {
			column[i], column[i+1], column[i+2], column[i+3] = binner.bin4(at(i), at(i+1), at(i+2), at(i+3))
		}
	}
	for ; i < len(column); i++ {
		if binner != nil {
			column[i] = binner.bin(at(i))
		} else {
			column[i] = uint8(d.binnings[c].find(at(i)))
		}
	}
	for i, b := range column {
		d.blocks[(from+i)*d.stride+f] = b
	}
}

// groups is the number of groups of groupWidth features, the last of which may have fewer.
func (d *dataset) groups() int { return (len(d.features) + groupWidth - 1) / groupWidth }

func (d *dataset) binning(f int) *binning { return &d.binnings[d.features[f]] }

func (d *dataset) infos() []ColumnInfo {
	out := make([]ColumnInfo, len(d.binnings))
	for _, c := range d.features {
		b := &d.binnings[c]
		if b.categorical() {
			out[c] = ColumnInfo{Kind: Categorical, Categories: b.categories}
			continue
		}
		out[c] = ColumnInfo{Kind: Numerical, Min: b.min, Max: b.max}
	}
	return out
}
