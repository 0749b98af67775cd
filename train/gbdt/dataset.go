package gbdt

// groupWidth is the number of features whose bins are kept together: 16 bytes a row
// are one load, and 16 packed histograms of 256 bins (16 KB) fit the first-level cache.
const groupWidth = 16

// A block holds the bins of one row for the features of a group; unused places are 0.
type block [groupWidth]uint8

// A dataset is a binned table. Bins are kept twice: by row in groups of features for
// the histograms, by column for the partition of rows.
type dataset struct {
	rows     int
	binnings []binning // of every column
	features []int     // columns that can be split; inner features index this
	offset   []int     // of the inner features' bins in a histogram, length len(features)+1
	groups   [][]block
	columns  [][]uint8 // of every inner feature
}

// newDataset bins t.
func newDataset(t *Table, o Options, p *pool) *dataset {
	w := len(t.Columns)
	d := &dataset{rows: t.Rows, binnings: make([]binning, w)}
	sample := newRandom(o.DataRandomSeed).sample(t.Rows, min(t.Rows, o.BinConstructSampleCnt))
	minSplit := 0
	if o.FeaturePreFilter {
		minSplit = int(float64(o.MinDataInLeaf*len(sample)) / float64(t.Rows))
	}
	p.run(w, func(c int) {
		values := make([]float64, len(sample))
		for i, r := range sample {
			values[i] = t.Data[r*w+c]
		}
		d.binnings[c] = newBinning(values, minSplit, o)
	})
	d.offset = []int{0}
	for c := range d.binnings {
		if d.binnings[c].usable {
			d.features = append(d.features, c)
			d.offset = append(d.offset, d.offset[len(d.offset)-1]+d.binnings[c].bins())
		}
	}
	d.groups = make([][]block, (len(d.features)+groupWidth-1)/groupWidth)
	for g := range d.groups {
		d.groups[g] = make([]block, t.Rows)
	}
	d.columns = make([][]uint8, len(d.features))
	binners := make([]*binner, len(d.features))
	for f, c := range d.features {
		d.columns[f] = make([]uint8, t.Rows)
		binners[f] = newBinner(&d.binnings[c])
	}
	p.blocks(t.Rows, func(from, to int) {
		for i := from; i < to; i++ {
			row := t.Data[i*w : (i+1)*w]
			for f, c := range d.features {
				b := binners[f].bin(row[c])
				d.columns[f][i] = b
				d.groups[f/groupWidth][i][f%groupWidth] = b
			}
		}
	})
	return d
}

func (d *dataset) binning(f int) *binning { return &d.binnings[d.features[f]] }

func (d *dataset) infos() []ColumnInfo {
	out := make([]ColumnInfo, len(d.binnings))
	for _, c := range d.features {
		b := &d.binnings[c]
		out[c] = ColumnInfo{Kind: Numerical, Min: b.min, Max: b.max}
	}
	return out
}
