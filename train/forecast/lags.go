package forecast

import (
	"context"
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train"
)

// The columns of lagModel: counts, none of them relative to anything.
var (
	lagsBack  = [...]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 30, 45, 60, 120}
	meansBack = [...]int{5, 15, 60, 240, 1440}
	hoursBack = [...]int{1, 2, 3}
	daysBack  = [...]int{1, 2, 3, 4, 5, 6, 7}
)

func lagColumns() []string {
	var out []string
	add := func(format string, v int) { out = append(out, fmt.Sprintf(format, v)) }
	for _, k := range lagsBack {
		add("lag_%d", k)
	}
	for _, w := range meansBack {
		add("mean_%d", w)
	}
	for _, h := range hoursBack {
		add("hour_%d", h)
	}
	for _, d := range daysBack {
		add("day_%d", d)
	}
	return append(out, "minute_of_hour", "minute_of_day", "day_of_week")
}

// A lagger makes rows of one series.
type lagger struct {
	counts []float64 // from minute from on, NaN in gaps
	sum    []float64 // of the counts before
	known  []int     // how many of those are known
	from   int
	phase  int // minute of the week of minute 0
}

func newLagger(t *datasets.Trace, counts []float64, from int) *lagger {
	const week = 7 * datasets.MinutesPerDay
	l := &lagger{counts: counts, sum: make([]float64, len(counts)+1), known: make([]int, len(counts)+1), from: from, phase: int(t.Start.Unix() / 60 % week)}
	for i, c := range counts {
		l.sum[i+1], l.known[i+1] = l.sum[i], l.known[i]
		if !math.IsNaN(c) {
			l.sum[i+1] += c
			l.known[i+1]++
		}
	}
	return l
}

// append appends the row of minute now+h-1, of what is known before now.
func (l *lagger) append(row []float64, now, h int) []float64 {
	at := now + h - 1
	count := func(t int) float64 {
		if t < l.from || t >= now {
			return math.NaN()
		}
		return l.counts[t-l.from]
	}
	for _, k := range lagsBack {
		row = append(row, count(now-k))
	}
	for _, w := range meansBack {
		first := max(0, now-l.from-w)
		if n := l.known[now-l.from] - l.known[first]; n > 0 {
			row = append(row, (l.sum[now-l.from]-l.sum[first])/float64(n))
		} else {
			row = append(row, math.NaN())
		}
	}
	for _, k := range hoursBack {
		row = append(row, count(at-60*(k+(h-1)/60)))
	}
	for _, d := range daysBack {
		row = append(row, count(at-datasets.MinutesPerDay*(d+(h-1)/datasets.MinutesPerDay)))
	}
	week := (l.phase + at) % (7 * datasets.MinutesPerDay)
	return append(row, float64(at%60), float64(week%datasets.MinutesPerDay), float64(week/datasets.MinutesPerDay))
}

// A lagModel is the baseline lightgbm_lags: boosted trees for the median of the count, from
// lags, means and the calendar, one model for all functions and one for the sums, of
// each horizon. It has the trees' options, the rows and the series of the hybrid.
type lagModel struct {
	functions, sums []lagHead // by horizon
	known           map[online.Key]bool
}

type lagHead struct {
	trees       *online.Ensemble // nil: 0
	calibration online.Calibration
}

// trainLags fits a lagModel: the validation part stops the boosting and calibrates, and the trees
// are fitted once more on all.
func trainLags(ctx context.Context, t *datasets.Trace, s datasets.Splits, horizons []int, o Options, rec train.Recorder) (*lagModel, error) {
	counts, err := scan(ctx, t, datasets.Window{From: s.Train.From, To: s.Valid.To})
	if err != nil {
		return nil, err
	}
	p, err := newPlan(ctx, t, s, counts, o)
	if err != nil {
		return nil, err
	}
	draw := newSampler(o, s, p, s.Train.From+1)
	m := &lagModel{known: map[online.Key]bool{}}
	for i := range p.series {
		m.known[p.key(i)] = true
	}
	for _, h := range horizons {
		for _, sums := range []bool{false, true} {
			head, err := p.fitLags(ctx, h, sums, draw, o, rec)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", LightGBMLags, err)
			}
			if sums {
				m.sums = append(m.sums, head)
			} else {
				m.functions = append(m.functions, head)
			}
		}
	}
	return m, nil
}

func (p *Plan) fitLags(ctx context.Context, h int, sums bool, draw *sampler, o Options, rec train.Recorder) (lagHead, error) {
	columns := lagColumns()
	drawn := make([]*sample, len(p.series))
	err := parallel.For(ctx, len(p.series), o.Workers, func(i int) {
		s := &p.series[i]
		if (s.scope != "") != sums {
			return
		}
		y := make([]float64, p.all.Len())
		s.counts.dense(y, p.all)
		p.trace.MarkGaps(y, p.all)
		l, st := newLagger(p.trace, y, p.all.From), draw.strata[stratumOf(s)]
		drawn[i] = &sample{newPart(columns), newPart(columns)}
		for at := max(draw.first, p.all.From+h); at < p.all.To; at++ {
			part, share := drawn[i].train, st.train
			if at >= p.splits.Valid.From {
				part, share = drawn[i].valid, st.valid
			}
			if share < 1 && seed.Uniform(draw.key+uint64(h-1), uint64(s.function)<<32|uint64(at)) >= share || math.IsNaN(y[at-p.all.From]) {
				continue
			}
			part.frame.Data = l.append(part.frame.Data, at-h+1, h)
			part.frame.Function = append(part.frame.Function, s.function)
			part.frame.Minute = append(part.frame.Minute, int32(at))
			part.count = append(part.count, y[at-p.all.From])
			part.bound = append(part.bound, features.LargestCount)
			part.weight = append(part.weight, float32(1/share))
		}
	})
	if err != nil {
		return lagHead{}, err
	}
	all := &sample{newPart(columns), newPart(columns)}
	for _, d := range drawn {
		if d != nil {
			all.append(d)
		}
	}
	out := lagHead{calibration: gaussian()}
	if all.train.frame.Rows() == 0 || all.valid.frame.Rows() == 0 {
		return out, nil
	}
	name := "functions"
	if sums {
		name = "sums"
	}
	o.Trees = o.treesOf(distinct(all.train.frame.Function), sums)
	tr := trial{head: fmt.Sprintf("lags-%d", h), objective: "regression_l1"}
	rounds, head, err := fitTrees(ctx, tr, name, all.train, all.valid, 0, o, rec, new(Boosted))
	if err != nil {
		return out, err
	}
	out.calibration = calibrate(counted(head.Trees, all.valid.frame.Data), all.valid.count)
	both := newPart(columns)
	both.append(all.train)
	both.append(all.valid)
	if _, head, err = fitTrees(ctx, tr, name, both, nil, len(rounds.Trees), o, rec, new(Boosted)); err != nil {
		return out, err
	}
	out.trees = head.Trees
	return out, nil
}

// counted are the outputs of trees as counts.
func counted(trees *online.Ensemble, rows []float64) []float64 {
	out := make([]float64, len(rows)/trees.Columns())
	var scratch online.Scratch
	trees.PredictRows(rows, out, &scratch)
	for i, v := range out {
		out[i] = max(0, v)
	}
	return out
}

// forecast forecasts a series in the window of a pass; one that is too rare for trees by 0.
func (m *lagModel) forecast(p *pass, j *judged, visit func(i, at int, c claim)) {
	heads := m.functions
	if j.function == nil {
		heads = m.sums
	}
	l := newLagger(p.trace, j.known, p.history.From)
	var rows []float64
	for i, h := range p.horizons {
		first, last := p.w.From, min(p.w.To, p.all.To-h+1)
		if heads[i].trees == nil || !m.known[j.key] {
			for now := first; now < last; now++ {
				visit(i, now+h-1, claim{critical: j.critical(h)})
			}
			continue
		}
		const chunk = 1024
		for from := first; from < last; from += chunk {
			rows = rows[:0]
			for now := from; now < min(from+chunk, last); now++ {
				rows = l.append(rows, now, h)
			}
			for k, v := range counted(heads[i].trees, rows) {
				visit(i, from+k+h-1, claimed(&heads[i].calibration, v, j.critical(h)))
			}
		}
	}
}
