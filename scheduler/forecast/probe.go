package forecast

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/features/interarrival"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/internal/seed"
)

// A TreeProbe is rows of features and the sums of an ensemble for them. Its rows go, in every
// tree, to both sides of every threshold by the closest values there are and, where missing
// values have a side of their own, to that: so they reach every leaf, and an ensemble with
// another leaf, threshold or shape has other sums. They do not hang on the ensemble that is asked.
//
// Value number i of column c in row r is Values[c][k/2], or the next larger float64 if k is odd,
// or NaN if k is twice their number; k is that of Rows or, where they say nothing of the column, drawn
// (see [TreeProbe.Append]). The value of a column without Values is 0.
type TreeProbe struct {
	File   string `json:"file"`
	Values []byte `json:"values"` // of each column a varint, how many, and so many float64, little-endian
	Rows   []byte `json:"rows"`   // of each row a varint, how many, and so many pairs of varints: column, k
	Sums   []byte `json:"sums"`   // of each probeBlock rows the FNV-1a hash of the bits of their sums, 8 bytes
}

// probeBlock is how many rows share a hash.
const probeBlock = 32

// Bounds of a probe, so that a file cannot ask for all memory or time.
const (
	maxProbeRows   = 1 << 14
	maxProbeValues = 1 << 20
)

// probeKey draws what the rows of a probe do not say.
var probeKey = seed.Key(1, "forecast/probe")

// A probeGrid has the values of a TreeProbe by column.
type probeGrid [][]float64

// value is value number k of a column.
func (g probeGrid) value(column, k int) float64 {
	v := g[column]
	switch {
	case len(v) == 0:
		return 0
	case k >= 2*len(v):
		return math.NaN()
	case k%2 == 1:
		return math.Nextafter(v[k/2], math.Inf(1))
	}
	return v[k/2]
}

// draw is the number of a value for row r.
func (g probeGrid) draw(r, column int) int {
	return int(seed.Uniform(probeKey, uint64(r*len(g)+column)) * float64(2*len(g[column])+1))
}

// row appends row number r with the pairs of columns and numbers set.
func (g probeGrid) row(out []float64, r int, set []int) []float64 {
	from := len(out)
	for c := range g {
		out = append(out, g.value(c, g.draw(r, c)))
	}
	for i := 0; i < len(set); i += 2 {
		out[from+set[i]] = g.value(set[i], set[i+1])
	}
	return out
}

// Heads are the trees of m by the name of their file.
func (m *Model) Heads() map[string]*Ensemble {
	out := map[string]*Ensemble{}
	for i := range m.Clusters {
		for _, h := range m.Clusters[i].heads() {
			if h.Trees != nil {
				out[h.File] = h.Trees
			}
		}
	}
	return out
}

// NewTreeProbe returns the probe of e, the trees of file.
func NewTreeProbe(file string, e *Ensemble) (*TreeProbe, error) {
	trees, err := readTrees(string(e.text), e.record.NEstimators())
	if err != nil {
		return nil, err
	}
	grid := make(probeGrid, e.Columns())
	for i := range trees {
		t := &trees[i]
		for n, f := range t.feature {
			if !t.decision[n].categorical() {
				grid[f] = append(grid[f], t.threshold[n])
				continue
			}
			for c := range 32 * len(t.sets[int(t.threshold[n])]) {
				grid[f] = append(grid[f], float64(c))
			}
		}
	}
	p := &TreeProbe{File: file}
	for c := range grid {
		if len(grid[c]) > 0 {
			grid[c] = append(grid[c], 0)
		}
		slices.Sort(grid[c])
		grid[c] = slices.Compact(grid[c])
		p.Values = binary.AppendUvarint(p.Values, uint64(len(grid[c])))
		for _, v := range grid[c] {
			p.Values = binary.LittleEndian.AppendUint64(p.Values, math.Float64bits(v))
		}
	}
	cover := newCoverage(trees)
	var row []float64
	n := 0
	add := func(set []int) {
		p.Rows = binary.AppendUvarint(p.Rows, uint64(len(set)/2))
		for _, v := range set {
			p.Rows = binary.AppendUvarint(p.Rows, uint64(v))
		}
		row = grid.row(row[:0], n, set)
		cover.mark(row)
		n++
	}
	for range probeBlock { // of the easy ones many are met by chance
		add(nil)
	}
	for t := range trees {
		for node := range trees[t].feature {
			for side := range sides {
				if cover.seen[t][node][side] || n == maxProbeRows {
					continue
				}
				set, ok := cover.reach(grid, n, t, node, side, true)
				if !ok {
					set, ok = cover.reach(grid, n, t, node, side, false)
				}
				if ok {
					add(set)
				}
			}
		}
	}
	p.Sums, err = p.sums(e)
	return p, err
}

// Check reports whether e has other sums than those of p.
func (p *TreeProbe) Check(e *Ensemble) error {
	got, err := p.sums(e)
	if err != nil {
		return fmt.Errorf("probe of %s: %w", p.File, err)
	}
	if len(got) != len(p.Sums) {
		return fmt.Errorf("probe of %s: %d hashes of sums, expected %d", p.File, len(p.Sums)/8, len(got)/8)
	}
	for i := 0; i < len(got); i += 8 {
		if !slices.Equal(got[i:i+8], p.Sums[i:i+8]) {
			return fmt.Errorf("probe of %s: the trees have other sums for some of the rows %d to %d", p.File, i/8*probeBlock, (i/8+1)*probeBlock-1)
		}
	}
	return nil
}

// sums are the hashes of what e makes of the rows.
func (p *TreeProbe) sums(e *Ensemble) ([]byte, error) {
	grid, err := p.grid(e.Columns())
	if err != nil {
		return nil, err
	}
	var out []byte
	var s Scratch
	rows := make([]float64, 0, probeBlock*len(grid))
	sums := make([]float64, probeBlock)
	flush := func() {
		n := len(rows) / len(grid)
		e.PredictRows(rows, sums[:n], &s)
		h := fnv.New64a()
		for _, v := range sums[:n] {
			_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)))
		}
		out, rows = h.Sum(out), rows[:0]
	}
	err = p.eachRow(grid, func(r int, set []int) {
		rows = grid.row(rows, r, set)
		if len(rows) == probeBlock*len(grid) {
			flush()
		}
	})
	if len(rows) > 0 {
		flush()
	}
	return out, err
}

func (p *TreeProbe) grid(columns int) (probeGrid, error) {
	grid := make(probeGrid, columns)
	in := p.Values
	for c := range grid {
		n, k := binary.Uvarint(in)
		if k <= 0 || n > maxProbeValues || n > uint64(len(in)-k)/8 {
			return nil, fmt.Errorf("values of column %d are cut short", c)
		}
		in = in[k:]
		for range n {
			grid[c] = append(grid[c], math.Float64frombits(binary.LittleEndian.Uint64(in)))
			in = in[8:]
		}
	}
	if len(in) > 0 {
		return nil, fmt.Errorf("%d bytes of values after those of %d columns", len(in), columns)
	}
	return grid, nil
}

// eachRow calls do with what is set in each row.
func (p *TreeProbe) eachRow(grid probeGrid, do func(r int, set []int)) error {
	var set []int
	in := p.Rows
	next := func() int {
		v, k := binary.Uvarint(in)
		if k <= 0 || v > math.MaxInt32 {
			in = nil
			return -1
		}
		in = in[k:]
		return int(v)
	}
	for r := 0; len(in) > 0; r++ {
		n := next()
		if r >= maxProbeRows || n < 0 || n > len(grid) {
			return fmt.Errorf("row %d sets %d columns of %d", r, n, len(grid))
		}
		set = set[:0]
		for range n {
			c, k := next(), next()
			if c < 0 || c >= len(grid) || k < 0 || k > 2*len(grid[c]) {
				return fmt.Errorf("row %d sets column %d of %d to value %d", r, c, len(grid), k)
			}
			set = append(set, c, k)
		}
		do(r, set)
	}
	return nil
}

// Sides of a node that rows go to: by the largest value that goes left, by the smallest that goes
// right, and by one that is missing; of a categorical node by any of the set and any other.
const (
	leftSide = iota
	rightSide
	missingSide
	sides
)

// A coverage tells which sides of which nodes rows have been at.
type coverage struct {
	trees []textTree
	seen  [][][sides]bool // by tree and node
	above [][]int32       // by tree and node: its parent, or ^parent where it is the right child; none: the root
}

// none is the parent of a root: no node is its own.
const none = math.MinInt32

func newCoverage(trees []textTree) *coverage {
	c := &coverage{trees, make([][][sides]bool, len(trees)), make([][]int32, len(trees))}
	for i := range trees {
		t := &trees[i]
		c.seen[i], c.above[i] = make([][sides]bool, len(t.feature)), make([]int32, len(t.feature))
		for n := range t.feature {
			if n == 0 {
				c.above[i][n] = none
			}
			if l := t.left[n]; l >= 0 {
				c.above[i][l] = int32(n)
			}
			if r := t.right[n]; r >= 0 {
				c.above[i][r] = ^int32(n)
			}
			if d := t.decision[n]; d.categorical() || d.missing() == 0 {
				c.seen[i][n][missingSide] = true // there is none
			}
		}
	}
	return c
}

// goes reports whether v goes left at node n, as the text format says.
func (t *textTree) goes(n int, v float64) (left bool) {
	d := t.decision[n]
	if d.categorical() {
		set := t.sets[int(t.threshold[n])]
		return v >= 0 && v < float64(32*len(set)) && set[int(v)/32]>>(int(v)%32)&1 != 0
	}
	if t.missing(n, v) {
		return d.defaultLeft()
	}
	if v != v {
		v = 0
	}
	return v <= t.threshold[n]
}

// missing reports whether v counts as missing at node n.
func (t *textTree) missing(n int, v float64) bool {
	switch t.decision[n].missing() {
	case 1:
		return v != v || v > -zeroThreshold && v <= zeroThreshold
	case 2:
		return v != v
	}
	return false
}

// mark notes where row goes.
func (c *coverage) mark(row []float64) {
	for i := range c.trees {
		t := &c.trees[i]
		for n := int32(0); n >= 0 && len(t.feature) > 0; {
			v := row[t.feature[n]]
			left := t.goes(int(n), v)
			seen := &c.seen[i][n]
			switch d := t.decision[n]; {
			case t.missing(int(n), v):
				seen[missingSide] = true
			case left:
				seen[leftSide] = seen[leftSide] || d.categorical() || v == t.threshold[n]
			default:
				seen[rightSide] = seen[rightSide] || d.categorical() || v == math.Nextafter(t.threshold[n], math.Inf(1))
			}
			if left {
				n = t.left[n]
			} else {
				n = t.right[n]
			}
		}
	}
}

// reach returns what row r must set to come to that side of a node, close to the threshold or
// anywhere; false if no row does.
func (c *coverage) reach(grid probeGrid, r, tree, node, side int, close bool) ([]int, bool) {
	t := &c.trees[tree]
	type turn struct {
		node int
		left bool
	}
	var path []turn
	for n := node; c.above[tree][n] != none; {
		up := c.above[tree][n]
		left := up >= 0
		if !left {
			up = ^up
		}
		path = append(path, turn{int(up), left})
		n = int(up)
	}
	target := int(t.feature[node])
	fits := func(column int, v float64) bool {
		for _, p := range path {
			if int(t.feature[p.node]) == column && t.goes(p.node, v) != p.left {
				return false
			}
		}
		if column != target {
			return true
		}
		switch missing := t.missing(node, v); {
		case side == missingSide:
			return missing
		case missing || v != v || t.goes(node, v) != (side == leftSide):
			return false
		case !close || t.decision[node].categorical():
			return true
		case side == leftSide:
			return v == t.threshold[node]
		}
		return v == math.Nextafter(t.threshold[node], math.Inf(1))
	}
	columns := []int{target}
	for _, p := range path {
		columns = append(columns, int(t.feature[p.node]))
	}
	slices.Sort(columns)
	var set []int
	for _, column := range slices.Compact(columns) {
		k := grid.draw(r, column)
		all := 2*len(grid[column]) + 1
		tried := 0
		for ; tried < all && !fits(column, grid.value(column, k)); tried++ {
			k = (k + 1) % all
		}
		switch {
		case tried == all:
			return nil, false
		case tried > 0:
			set = append(set, column, k)
		}
	}
	return set, true
}

// A FunctionProbe is what a model says of a function before anything is counted: how it is
// forecast and, of its decomposition or its inter-arrival times, a sum over the times of a
// [Model.Probe].
type FunctionProbe struct {
	Key  Key     `json:"key"`
	How  string  `json:"how"` // class; of trees the cluster and the minutes kept
	Sum  float64 `json:"sum"`
	Size float64 `json:"size"` // of the terms of Sum without their signs
}

// A Probe is what is asked of the functions of a model, and the answers.
type Probe struct {
	Minutes   []int           `json:"minutes"` // since Start, at which decompositions are evaluated
	Gaps      []int           `json:"gaps"`    // minutes since the last arrival
	Functions []FunctionProbe `json:"functions"`
	Totals    []FunctionProbe `json:"totals,omitempty"`
	Levels    []LevelProbe    `json:"levels"`
}

// A LevelProbe is what a cluster makes of a forecast of Mean.
type LevelProbe struct {
	Cluster int       `json:"cluster"`
	Ahead   int       `json:"ahead"`
	Mean    float64   `json:"mean"`
	Want    []float64 `json:"want"` // scaled residuals at Probabilities, and the bias
}

// Bounds of a Probe.
const (
	probeMinutes = 24
	probeDays    = 40 // of holidays
	probeGaps    = 192
	maxProbe     = 256
)

// Probe asks m, of which start is minute 0 and counts begin at minute from, about all that it
// knows beside its trees. Draw has draws in [0, 1).
func (m *Model) Probe(start time.Time, from int, draw func() float64) *Probe {
	p := &Probe{}
	for range probeMinutes { // of the two weeks before and the four after
		p.Minutes = append(p.Minutes, max(0, from+int((6*draw()-2)*7*24*60)))
	}
	days, gaps := map[prophet.Day]bool{}, map[int]bool{}
	for k := range m.Prophet {
		for _, h := range m.Prophet[k].Holidays {
			for _, d := range h.Dates {
				for o := h.LowerWindow; o <= h.UpperWindow; o++ {
					days[d+prophet.Day(o)] = true
				}
			}
		}
	}
	for d := range days {
		if at := int(d.Time().Sub(start)/time.Minute) + 720; at >= 0 && at < from+366*24*60 {
			p.Minutes = append(p.Minutes, at)
		}
	}
	slices.Sort(p.Minutes)
	if len(p.Minutes) > probeMinutes+probeDays {
		p.Minutes = p.Minutes[len(p.Minutes)-probeMinutes-probeDays:]
	}
	for i := range m.Functions {
		if h := m.Functions[i].IAT; h != nil {
			for _, g := range h.Gap {
				gaps[int(g)], gaps[int(g)+1] = true, true
			}
		}
	}
	for g := 1; g < 14*24*60; g += 1 + g/16 {
		gaps[g] = true
	}
	for g := range gaps {
		p.Gaps = append(p.Gaps, g)
	}
	slices.Sort(p.Gaps)
	for len(p.Gaps) > probeGaps { // every second one, from the longest ones on
		n := len(p.Gaps)
		from := max(0, n-2*(n-probeGaps))
		kept := p.Gaps[:from]
		for i := from; i < n; i += 2 {
			kept = append(kept, p.Gaps[i])
		}
		p.Gaps = kept
	}
	m.answer(p, start)
	for c := range m.Clusters {
		for _, k := range m.Clusters[c].knots() {
			edges := k.calibration.Edge
			means := []float64{0}
			for _, e := range edges {
				means = append(means, math.Nextafter(e, math.Inf(-1)), e)
			}
			for _, mean := range means {
				p.Levels = append(p.Levels, LevelProbe{c, k.minutes, mean, k.probe(mean)})
			}
		}
	}
	return p
}

// knots are all calibrations of c: of the next minute and of those further ahead.
func (c *Cluster) knots() []knot {
	out := []knot{{1, &c.Median, &c.Calibration, nil}}
	for i := range c.Later {
		l := &c.Later[i]
		out = append(out, knot{l.Minutes, &l.Median, &l.Calibration, l.Bias})
	}
	return out
}

// probe is what k makes of a forecast.
func (k knot) probe(mean float64) []float64 {
	var out []float64
	for _, p := range probs {
		out = append(out, k.calibration.residual(mean, p))
	}
	return append(out, k.biasOf(mean))
}

// answer fills the functions and totals of p.
func (m *Model) answer(p *Probe, start time.Time) {
	times := make([]time.Time, len(p.Minutes))
	for i, at := range p.Minutes {
		times[i] = start.Add(time.Duration(at) * time.Minute)
	}
	p.Functions, p.Totals = nil, nil
	for i := range m.Functions {
		p.Functions = append(p.Functions, m.probeFunction(&m.Functions[i], times, p.Gaps))
	}
	for i := range m.Totals {
		p.Totals = append(p.Totals, m.probeFunction(&m.Totals[i], times, p.Gaps))
	}
}

func (m *Model) probeFunction(f *Function, times []time.Time, gaps []int) FunctionProbe {
	out := FunctionProbe{Key: f.Key, How: string(f.Class)}
	i := uint64(0)
	add := func(v float64) { // weights without an order among them: a sum of equal ones has its terms' errors cancel
		w := 0.5 + seed.Uniform(probeKey, i)
		i++
		out.Sum += w * v
		out.Size += w * math.Abs(v)
	}
	switch f.Class {
	case Trees:
		out.How = fmt.Sprintf("trees %d %d", f.Cluster, f.Keep)
		if fitted, ok := m.Prophet[f.Key]; ok {
			for _, t := range times {
				c := fitted.Components(t)
				add(c.Yhat)
				add(c.Holiday)
			}
		}
	case Interarrival:
		w := interarrival.Follow(f.IAT)
		add(w.PArrival(0)) // before the first one
		add(w.Batch())
		seen := 1.0
		for k, g := range f.IAT.Gap { // the gaps themselves, which not all of those asked for need be
			seen += float64(f.IAT.Count[k])
			add(math.Log(float64(g)) + math.Log(seen))
		}
		w.Observe(0, 1)
		for _, g := range gaps {
			add(w.PArrival(g))
		}
	}
	return out
}

// probeTolerance is relative to the terms of a sum: machines differ in whether they round between a
// product and a sum.
const probeTolerance = 1e-10

// Check reports the first answer of p that m gives otherwise.
func (m *Model) Check(p *Probe, start time.Time) error {
	if len(p.Minutes) > maxProbe || len(p.Gaps) > maxProbe {
		return fmt.Errorf("forecast: probe: %d minutes and %d gaps, expected at most %d", len(p.Minutes), len(p.Gaps), maxProbe)
	}
	for _, v := range slices.Concat(p.Minutes, p.Gaps) {
		if v < 0 || v > math.MaxInt32/2 {
			return fmt.Errorf("forecast: probe: a minute or gap must be in [0, %d], got %d", math.MaxInt32/2, v)
		}
	}
	got := &Probe{Minutes: p.Minutes, Gaps: p.Gaps}
	m.answer(got, start)
	if err := errors.Join(sameProbes(got.Functions, p.Functions), sameProbes(got.Totals, p.Totals)); err != nil {
		return err
	}
	i := 0
	for c := range m.Clusters {
		for _, k := range m.Clusters[c].knots() {
			for range 2*len(k.calibration.Edge) + 1 {
				if i >= len(p.Levels) || p.Levels[i].Cluster != c || p.Levels[i].Ahead != k.minutes {
					return fmt.Errorf("forecast: probe: level %d is not one of cluster %q, %d minutes ahead", i, m.Clusters[c].Name, k.minutes)
				}
				want := &p.Levels[i]
				v := k.probe(want.Mean)
				if len(want.Want) != len(v) {
					return fmt.Errorf("forecast: probe: level %d has %d answers, expected %d", i, len(want.Want), len(v))
				}
				for j := range v {
					if !(math.Abs(v[j]-want.Want[j]) <= probeTolerance*max(1, math.Abs(want.Want[j]))) {
						return fmt.Errorf("forecast: probe: cluster %q, %d minutes ahead, forecast %g: answer %d is %g, expected %g",
							m.Clusters[c].Name, k.minutes, want.Mean, j, v[j], want.Want[j])
					}
				}
				i++
			}
		}
	}
	if i != len(p.Levels) {
		return fmt.Errorf("forecast: probe: %d levels, expected %d", len(p.Levels), i)
	}
	return nil
}

func sameProbes(got, want []FunctionProbe) error {
	if len(got) != len(want) {
		return fmt.Errorf("forecast: probe: %d functions, expected %d", len(got), len(want))
	}
	for i := range got {
		g, w := &got[i], &want[i]
		if g.Key != w.Key || g.How != w.How || !(math.Abs(g.Sum-w.Sum) <= probeTolerance*max(1e-6, math.Abs(w.Size))) {
			return fmt.Errorf("forecast: probe: function %v: %s with %.12g, expected %v: %s with %.12g", g.Key, g.How, g.Sum, w.Key, w.How, w.Sum)
		}
	}
	return nil
}
