package forecast

import (
	"context"
	"math"
	"sort"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
)

// batchFunctions are decomposed at once: their dense series are held in memory.
const batchFunctions = 512

// A Sample is rows with their targets, those of the training window and those of the
// validation window: of the next minute, and of minutes further ahead.
type Sample struct {
	sample
	later []sample // in order of Plan.ahead
}

type sample struct{ train, valid *part }

type part struct {
	frame  *features.Frame
	count  []float64
	bound  []float64 // largest forecast that is believed
	weight []float32 // how many rows each stands for
}

func newSample(columns []string, later int) *Sample {
	s := &Sample{sample: sample{newPart(columns), newPart(columns)}}
	for range later {
		s.later = append(s.later, sample{newPart(columns), newPart(columns)})
	}
	return s
}

func (s *sample) append(o *sample) {
	s.train.append(o.train)
	s.valid.append(o.valid)
}

func newPart(columns []string) *part { return &part{frame: features.NewFrame(columns, 0)} }

func (s *part) append(o *part) {
	s.frame.Function = append(s.frame.Function, o.frame.Function...)
	s.frame.Minute = append(s.frame.Minute, o.frame.Minute...)
	s.frame.Data = append(s.frame.Data, o.frame.Data...)
	s.count = append(s.count, o.count...)
	s.bound = append(s.bound, o.bound...)
	s.weight = append(s.weight, o.weight...)
}

// demandEdges part functions by the mean count of a minute of the training window.
var demandEdges = [...]float64{0.01, 0.1, 1, 10, 100}

// demandClass is the number of edges that the mean count of a minute reaches.
func demandClass(rate float64) int {
	return sort.Search(len(demandEdges), func(i int) bool { return rate < demandEdges[i] })
}

// A sampler draws which rows are used. Every class of demand, and the sums, have the same
// number of rows as far as they have so many: functions are mostly rare, minutes that
// matter are not. A row stands for as many as its class has for each one drawn.
type sampler struct {
	key   uint64
	first int // first minute with a row
	// Of the rows of the next minute, the shares that are drawn for minutes further ahead.
	laterTrain, laterValid float64
	strata                 [len(demandEdges) + 2]stratum
}

type stratum struct {
	series       int
	train, valid float64 // shares of the minutes that are drawn, in (0, 1]
	rows         [2]int  // that there are
}

func newSampler(o Options, s datasets.Splits, p *Plan, first int) *sampler {
	d := &sampler{key: seed.Key(o.Seed, "forecast/rows"), first: first}
	for i := range p.series {
		d.strata[stratumOf(&p.series[i])].series++
	}
	shares := func(part int, minutes, budget int, to func(*stratum) *float64) {
		left, classes := float64(budget), 0
		order := make([]*stratum, 0, len(d.strata))
		for i := range d.strata {
			if st := &d.strata[i]; st.series > 0 {
				st.rows[part] = st.series * minutes
				order = append(order, st)
			}
		}
		sort.SliceStable(order, func(i, j int) bool { return order[i].rows[part] < order[j].rows[part] })
		classes = len(order)
		for _, st := range order { // the smallest first: what it does not need is the others'
			quota := left / float64(classes)
			*to(st) = min(1, quota/float64(max(1, st.rows[part])))
			left -= *to(st) * float64(st.rows[part])
			classes--
		}
	}
	shares(0, p.trace.Observed(datasets.Window{From: first, To: s.Train.To}), o.MaxRows, func(s *stratum) *float64 { return &s.train })
	shares(1, p.trace.Observed(s.Valid), max(minValidRows, o.MaxRows/4), func(s *stratum) *float64 { return &s.valid })
	var train, valid float64
	for _, st := range d.strata {
		train += st.train * float64(st.rows[0])
		valid += st.valid * float64(st.rows[1])
	}
	d.laterTrain = min(1, laterRows*float64(o.MaxRows)/max(1, train))
	d.laterValid = min(1, max(minLaterRows, laterRows/4*float64(o.MaxRows))/max(1, valid))
	return d
}

// laterRows is the budget of each distance ahead, as a share of that of the next minute, and
// minLaterRows the least number of rows that choose and calibrate there.
const (
	laterRows    = 0.125
	minLaterRows = 4000
)

// minValidRows is a floor for the rows that choose and calibrate, whatever the options.
const minValidRows = 12_000

// stratumOf is the class of demand of a function; sums are one of their own.
func stratumOf(s *planned) int {
	if s.scope != "" {
		return len(demandEdges) + 1
	}
	return s.demand
}

// report says how many rows are drawn of each class.
func (d *sampler) report() []Stratum {
	out := []Stratum{}
	for i := range d.strata {
		st := &d.strata[i]
		if st.series == 0 {
			continue
		}
		s := Stratum{Series: st.series, Train: st.train, Valid: st.valid, TrainRows: st.rows[0], ValidRows: st.rows[1]}
		switch {
		case i > len(demandEdges):
			s.Sums = true
		case i < len(demandEdges):
			s.Below = demandEdges[i]
		}
		out = append(out, s)
	}
	return out
}

// drawRows replays the series from, from+1, … whose decompositions are parts and appends
// their rows to those of their clusters, in order.
func (p *Plan) drawRows(ctx context.Context, from int, parts []Decomposition, draw *sampler, workers int, to []*Sample) error {
	drawn := make([]*Sample, len(parts))
	err := parallel.For(ctx, len(parts), workers, func(i int) {
		y := make([]float64, p.all.Len())
		p.series[from+i].counts.dense(y, p.all)
		p.trace.MarkGaps(y, p.all)
		drawn[i] = p.rowsOf(&p.series[from+i], y, parts[i].Origins, draw)
	})
	if err != nil {
		return err
	}
	for i, s := range drawn {
		c := p.series[from+i].cluster
		to[c].append(&s.sample)
		for k := range s.later {
			to[c].later[k].append(&s.later[k])
		}
	}
	return nil
}

// rowsOf replays one series, whose counts in the training and the validation window are y, NaN in
// the gaps of the trace.
func (p *Plan) rowsOf(s *planned, y []float64, origins []features.Origin, draw *sampler) *Sample {
	st := draw.strata[stratumOf(s)]
	out := newSample(p.features.Columns(), len(p.ahead))
	f := features.NewFollower(p.features, p.trace.Start, s.keep, origins)
	f.Reset(p.all.From)
	for _, c := range y {
		p.drawRow(&out.sample, f, s, y, 1, st, draw, 1, 1)
		for k, h := range p.ahead {
			p.drawRow(&out.later[k], f, s, y, h, st, draw, draw.laterTrain, draw.laterValid)
		}
		f.Observe(c)
	}
	return out
}

// drawRow appends the row of the minute that lies so far ahead of what f knows, if it is drawn; train
// and valid are further shares.
func (p *Plan) drawRow(to *sample, f *features.Follower, s *planned, y []float64, ahead int, st stratum, draw *sampler, train, valid float64) {
	at := f.Minute() + ahead - 1
	if at < draw.first || at >= p.all.To || math.IsNaN(y[at-p.all.From]) {
		return
	}
	part, share := to.train, st.train*train
	if at >= p.splits.Valid.From {
		part, share = to.valid, st.valid*valid
	}
	key := draw.key + uint64(ahead-1)
	if share < 1 && seed.Uniform(key, uint64(s.function)<<32|uint64(at)) >= share {
		return
	}
	part.frame.Data = f.Append(part.frame.Data, ahead)
	part.frame.Function = append(part.frame.Function, s.function)
	part.frame.Minute = append(part.frame.Minute, int32(at))
	part.count = append(part.count, y[at-p.all.From])
	part.bound = append(part.bound, f.Bound())
	part.weight = append(part.weight, float32(1/share))
}
