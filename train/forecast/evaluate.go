package forecast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/metric"
	"github.com/incendio-faas/incendio/scheduler/decide"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
)

// EvaluateOptions configure Evaluate.
type EvaluateOptions struct {
	// LightGBM, if not nil, is judged beside the model: it was trained without components.
	LightGBM *online.Model
	// FitSeconds are reported as the time that a model took to fit, by its name.
	FitSeconds map[string]float64
	Seed       uint64 // of the draws of rows that calibrate the baselines, and of intervals
	Workers    int    // 0 is one per processor; the figures do not depend on it
}

// Evaluate forecasts every minute of w one minute ahead with the fixed model m and
// with the baselines, and compares with what came. The window should lie after what m
// was trained and calibrated on. Minutes in the gaps of the trace are not judged.
//
// A baseline has a point forecast only. Its quantiles come from its own errors in as
// many minutes before w as w has, by level, as those of the model come from the
// validation window.
func Evaluate(ctx context.Context, m *online.Model, t *datasets.Trace, w datasets.Window, o EvaluateOptions) (*BacktestReport, error) {
	models := slices.Clone(UsualModels)
	if o.LightGBM == nil {
		models = slices.DeleteFunc(models, func(n string) bool { return n == LightGBM })
	}
	e := newEvaluation(t, w, models, []int{1}, o.Seed, o.Workers)
	if err := e.window(ctx, learned{hybrid: m, light: o.LightGBM}, w); err != nil {
		return nil, fmt.Errorf("forecast: evaluate on %s %v: %w", t.Name, w, err)
	}
	for name, s := range o.FitSeconds {
		e.took(name, time.Duration(s*float64(time.Second)))
	}
	rep := e.report(w, []int{w.From})
	if w.From < m.Validation.To {
		rep.Notes = append(rep.Notes, "the window overlaps what the model was chosen and calibrated on: its figures flatter it")
	}
	return rep, nil
}

// learned are the models that were trained for a window.
type learned struct {
	hybrid, light *online.Model // hybrid has the decompositions of the baseline Prophet too
	lags          *lagModel
}

// An evaluation gathers figures over one or more windows.
type evaluation struct {
	trace    *datasets.Trace
	all      datasets.Window // of all windows
	models   []string        // in order of their reports
	horizons []int           // minutes ahead, ascending
	seed     uint64
	workers  int
	tallies  []*tally // of each model, its horizons
	scopes   []string // sums of functions that are judged, the first is all of them; nil before the first window
	hours    [][]float64
	demand   []int // class of each function before the first window
	example  *Example
	notes    []string

	forecasts func([]ForecastRow) error // takes what was forecast; may be nil
}

func newEvaluation(t *datasets.Trace, all datasets.Window, models []string, horizons []int, rnd uint64, workers int) *evaluation {
	e := &evaluation{trace: t, all: all, models: models, horizons: horizons, seed: rnd, workers: workers, hours: make([][]float64, len(t.Functions))}
	for _, name := range models {
		for _, h := range horizons {
			e.tallies = append(e.tallies, &tally{
				name: name, horizon: h, function: make([]sums, len(t.Functions)), pooled: make([]int64, all.Len()),
			})
		}
	}
	if i := slices.Index(models, Incendio); i >= 0 {
		t := e.tally(i, 0)
		t.pinball, t.decision = make([]int64, all.Len()), make([]int64, all.Len())
	}
	return e
}

// tally of a model, number of its horizon.
func (e *evaluation) tally(model, horizon int) *tally {
	return e.tallies[model*len(e.horizons)+horizon]
}

// took adds to the time that a model took to fit.
func (e *evaluation) took(name string, d time.Duration) {
	for _, t := range e.tallies {
		if t.name == name {
			t.fit += d
		}
	}
}

func (e *evaluation) report(w datasets.Window, cutoffs []int) *BacktestReport {
	r := &BacktestReport{Trace: e.trace.Name, Label: e.trace.Label(), Horizon: e.horizons[0], Window: w, Cutoffs: cutoffs, Floors: floors(e.hours), Notes: []string{}, Example: e.example}
	for _, t := range e.tallies {
		r.Models = append(r.Models, t.report(e.scopes)...)
	}
	if i := slices.Index(e.models, Incendio); i >= 0 {
		r.Losses = e.tally(i, 0).losses()
	}
	r.Reliability, r.Comparisons = e.reliability(), e.compare(r.Models)
	r.compare()
	if e.trace.Label() == datasets.SemiSynthetic {
		r.Notes = append(r.Notes, e.trace.Caveat())
	}
	r.Notes = append(r.Notes, e.notes...)
	return r
}

// blockFunctions are summed into one partial total, in order, so that the totals do
// not depend on who computes what.
const blockFunctions = 64

// calibrationRows bound the rows that calibrate a baseline.
const calibrationRows = 200_000

// A pass is one window of an evaluation. Forecasts are made in its minutes, of minutes of all
// windows.
type pass struct {
	*evaluation
	learned
	series  []sparse
	history datasets.Window // before the window
	calib   datasets.Window
	w       datasets.Window
	season  int
	calibs  [][]*online.Calibration // of the models that are baselines, by model and horizon, for functions
}

// window judges the models on w.
func (e *evaluation) window(ctx context.Context, l learned, w datasets.Window) error {
	t := e.trace
	if w.Len() < 1 || w.From <= t.Span.From || w.To > t.Span.To {
		return fmt.Errorf("the window must lie inside the span %v and leave a history before it", t.Span)
	}
	p := &pass{evaluation: e, learned: l, w: w, history: datasets.Window{From: t.Span.From, To: w.From}}
	p.season = season(p.history.Len())
	p.calib = datasets.Window{From: max(p.history.From, w.From-w.Len()), To: w.From}
	var err error
	if p.series, err = scan(ctx, t, datasets.Window{From: p.history.From, To: e.all.To}); err != nil {
		return err
	}
	if e.demand == nil {
		for f := range p.series {
			e.demand = append(e.demand, demandClass(p.series[f].in(p.history).sum()/float64(t.Observed(p.history))))
		}
	}
	if err := p.calibrateBaselines(ctx); err != nil {
		return err
	}
	if err := p.judge(ctx); err != nil {
		return err
	}
	if err := p.judgeSums(); err != nil {
		return err
	}
	if p.hybrid != nil {
		p.exemplify()
	}
	return nil
}

// A judged series has the counts from the start of the history to the end of all windows. In the
// gaps of the trace nothing is judged: models read that nothing is known of them, the simple
// baselines a count of 0.
type judged struct {
	key      online.Key          // of a sum, its scope is the name
	function *datasets.Function  // nil of a sum
	number   datasets.FunctionID // of a function
	counts   []float64
	known    []float64 // counts, NaN in gaps
}

// name is how files call the series.
func (j *judged) name() string {
	if j.function == nil {
		return j.key.Name
	}
	return j.key.String()
}

// critical is the critical quantile of the next minute of a function; 0 of sums, which no container
// serves, of a function whose memory is not known, and further ahead.
func (j *judged) critical(ahead int) float64 {
	if j.function == nil || j.function.Memory <= 0 || ahead > 1 {
		return 0
	}
	const gigabyte = 1 << 30
	return online.CriticalQuantile(decide.RUMColdStart, float64(j.function.Memory)/gigabyte, 1/decide.RUMMemory)
}

// baseline makes the one of that name for a series that has seen the history up to the minute to;
// nil if the model is none.
func (p *pass) baseline(name string, j *judged, to int) baseline {
	i := slices.IndexFunc(makers, func(m struct {
		name string
		make func(past) baseline
	}) bool {
		return m.name == name
	})
	if i < 0 {
		return nil
	}
	from := p.history.From
	known := past{counts: j.counts[:to-from], from: from, season: p.season, start: p.trace.Start, horizons: p.horizons, until: p.w.From}
	if name == Prophet {
		known.fitted = p.hybrid.Prophet[j.key]
	}
	b := makers[i].make(known)
	for now := from; now < to; now++ {
		b.observe(now, j.counts[now-from])
	}
	return b
}

// blocks calls do for each function f inside blocks of functions, one block after
// another per worker, with its series; part is the number of the block, in [from, to).
func (p *pass) blocks(ctx context.Context, from, to int, do func(part, f int, j *judged)) error {
	all := datasets.Window{From: p.history.From, To: p.all.To}
	return parallel.For(ctx, to-from, p.workers, func(i int) {
		part := from + i
		counts, known := make([]float64, all.Len()), make([]float64, all.Len())
		for f := part * blockFunctions; f < min((part+1)*blockFunctions, len(p.series)) && ctx.Err() == nil; f++ {
			p.series[f].dense(counts, all)
			fn := &p.trace.Functions[f]
			copy(known, counts)
			p.trace.MarkGaps(known, all)
			do(part, f, &judged{online.KeyOf(fn), fn, datasets.FunctionID(f), counts, known})
		}
	})
}

func (p *pass) parts() int { return (len(p.series) + blockFunctions - 1) / blockFunctions }

// calibrateBaselines measures the errors of the baselines in the window before w.
func (p *pass) calibrateBaselines(ctx context.Context) error {
	type row struct{ mean, count float64 }
	rows := make([][][]row, p.parts())
	share := min(1, calibrationRows/float64(len(p.series)*p.calib.Len()))
	key := seed.Key(p.seed, "forecast/baselines")
	err := p.blocks(ctx, 0, p.parts(), func(part, f int, j *judged) {
		if rows[part] == nil {
			rows[part] = make([][]row, len(p.tallies))
		}
		for k, name := range p.models {
			b := p.baseline(name, j, p.calib.From)
			if b == nil {
				continue
			}
			for now := p.calib.From; now < p.calib.To; now++ {
				if share >= 1 || seed.Uniform(key, uint64(f)<<32|uint64(now)) < share {
					for i, h := range p.horizons {
						if now+h-1 >= p.calib.To {
							continue
						}
						if count := j.known[now+h-1-p.history.From]; !math.IsNaN(count) {
							at := k*len(p.horizons) + i
							rows[part][at] = append(rows[part][at], row{b.ahead(now, h), count})
						}
					}
				}
				b.observe(now, j.counts[now-p.history.From])
			}
		}
	})
	if err != nil {
		return err
	}
	p.calibs = make([][]*online.Calibration, len(p.models))
	for k := range p.models {
		for i := range p.horizons {
			var mean, count []float64
			for _, part := range rows {
				for _, r := range part[k*len(p.horizons)+i] {
					mean, count = append(mean, r.mean), append(count, r.count)
				}
			}
			c := calibrate(mean, count)
			p.calibs[k] = append(p.calibs[k], &c)
		}
	}
	return nil
}

// forecast calls take with all that the model number k says of a series in the window: the
// number of the horizon, the minute that is forecast and the claim, in order of the minutes in which
// forecasts are made.
func (p *pass) forecast(k int, j *judged, calibs []*online.Calibration, take func(i, at int, c claim)) error {
	from := p.history.From
	visit := func(i, at int, c claim) {
		if !math.IsNaN(j.known[at-from]) {
			take(i, at, c)
		}
	}
	name := p.models[k]
	switch name {
	case Incendio:
		return p.replay(p.hybrid, j, visit)
	case LightGBM:
		return p.replay(p.light, j, visit)
	case LightGBMLags:
		p.lags.forecast(p, j, visit)
		return nil
	}
	b := p.baseline(name, j, p.w.From)
	for now := p.w.From; now < p.w.To; now++ {
		for i, h := range p.horizons {
			if at := now + h - 1; at < p.all.To {
				visit(i, at, claimed(calibs[i], b.ahead(now, h), j.critical(h)))
			}
		}
		b.observe(now, j.counts[now-from])
	}
	return nil
}

// replay forecasts a series with m. The last minutes before the window are stepped.
func (p *pass) replay(m *online.Model, j *judged, visit func(i, at int, c claim)) error {
	r, err := online.NewReplay(m, p.trace.Start)
	if err != nil {
		return err
	}
	from, begin := p.history.From, m.WarmUp(p.trace.Span, p.w.From)
	if j.function != nil {
		r.Function(j.function, begin)
	} else if !r.Total(j.key.Name, begin) { // too rare for a model of its own
		for now := p.w.From; now < p.w.To; now++ {
			for i, h := range p.horizons {
				if at := now + h - 1; at < p.all.To {
					visit(i, at, claim{})
				}
			}
		}
		return nil
	}
	settle := max(begin, p.w.From-online.Settle)
	r.Prime(j.known[begin-from : settle-from])
	r.Step(j.known[settle-from:p.w.From-from], nil)
	return r.StepAhead(j.known[p.w.From-from:p.w.To-from], p.horizons, func(now, i int, d online.Distant) {
		if at := now + p.horizons[i] - 1; at < p.all.To {
			c := claim{point: d.Median, mean: d.Mean, median: d.Median, q90: d.Q90, q99: d.Q99, lower: d.Lower, upper: d.Upper}
			if c.critical = j.critical(p.horizons[i]); c.critical > 0 {
				c.ready = r.Quantile(c.critical)
			}
			if m == p.hybrid && p.horizons[i] == 1 {
				c.transformed = transformed(r.Quantile, c, j.counts[at-from])
			}
			visit(i, at, c)
		}
	})
}

// waveBlocks are judged before what they forecast is handed on, so that it is in order and not all
// in memory.
const waveBlocks = 16

// judge forecasts the window.
func (p *pass) judge(ctx context.Context) error {
	spent := make([][]time.Duration, len(p.models))
	for k := range spent {
		spent[k] = make([]time.Duration, p.parts())
	}
	errs := make([]error, p.parts())
	lastThird := p.all.To - p.all.Len()/3
	for from := 0; from < p.parts(); from += waveBlocks {
		to := min(from+waveBlocks, p.parts())
		rows := make([][]ForecastRow, to-from)
		err := p.blocks(ctx, from, to, func(part, f int, j *judged) {
			if errs[part] != nil {
				return
			}
			actual := j.known[p.w.From-p.history.From : p.w.To-p.history.From]
			p.hours[f] = append(p.hours[f], hourly(actual)...)
			scale := metric.SeasonalNaive(j.known[:p.history.Len()], p.season)
			mean := 0.0
			for _, y := range actual {
				if !math.IsNaN(y) { // in a gap
					mean += y / float64(len(actual))
				}
			}
			for k := range p.models {
				began := time.Now()
				err := p.forecast(k, j, p.calibs[k], func(i, at int, c claim) {
					t, y := p.tally(k, i), j.counts[at-p.history.From]
					if t.pinball == nil {
						t.function[f].add(y, c)
					} else {
						before := t.function[f]
						t.function[f].add(y, c)
						t.lose(at-p.all.From, &before, &t.function[f], mean)
					}
					if at >= lastThird {
						t.function[f].late.merge(c.transformed)
					}
					atomic.AddInt64(&t.pooled[at-p.all.From], fixed(math.Abs(y-c.point)))
					if p.forecasts != nil {
						rows[part-from] = append(rows[part-from], p.row(k, i, j, at, y, c))
					}
				})
				if err != nil {
					errs[part] = err
					return
				}
				spent[k][part] += time.Since(began)
			}
			for _, t := range p.tallies {
				t.function[f].Scale.Merge(scale)
			}
		})
		if err = errors.Join(err, errors.Join(errs...)); err != nil {
			return err
		}
		for _, r := range rows {
			if err := p.handOn(r); err != nil {
				return err
			}
		}
	}
	for k := range p.models {
		for i := range p.horizons {
			t := p.tally(k, i)
			for _, d := range spent[k] {
				t.predict += d / time.Duration(len(p.horizons))
			}
			t.rows += len(p.series) * p.w.Len()
		}
	}
	return nil
}

// lose adds to the losses of a minute what a function has more than before. Its mean count in the
// window is given.
func (t *tally) lose(minute int, before, after *sums, mean float64) {
	if mean > 0 {
		more := 0.0
		for i := range after.pin {
			more += (after.pin[i] - before.pin[i]) / float64(len(after.pin))
		}
		atomic.AddInt64(&t.pinball[minute], fixed(more/mean))
	}
	atomic.AddInt64(&t.decision[minute], fixed(after.cost-before.cost))
}

// losses are those that were added.
func (t *tally) losses() *Losses {
	l := &Losses{make([]float64, len(t.pinball)), make([]float64, len(t.decision))}
	for i := range t.pinball {
		l.Pinball[i], l.Decision[i] = float64(t.pinball[i])/lossUnits, float64(t.decision[i])/lossUnits
	}
	return l
}

// fixed is an error as a whole number, so that sums do not depend on their order.
func fixed(v float64) int64 { return int64(math.Round(min(v, 1e12) * lossUnits)) }

// lossUnits are those of a count.
const lossUnits = 1 << 16

func (p *pass) row(k, i int, j *judged, at int, y float64, c claim) ForecastRow {
	return ForecastRow{Function: j.name(), Model: p.models[k], Minute: at, Horizon: p.horizons[i], Actual: y, Mean: c.mean, Median: c.median, Q90: c.q90, Q99: c.q99}
}

func (p *pass) handOn(rows []ForecastRow) error {
	if p.forecasts == nil || len(rows) == 0 {
		return nil
	}
	return p.forecasts(rows)
}

// judgeSums judges the sums of functions. All models forecast them directly.
func (p *pass) judgeSums() error {
	if p.scopes == nil {
		p.scopes = []string{online.TotalScope}
		for _, m := range []*online.Model{p.hybrid, p.light} {
			if m == nil {
				continue
			}
			for i := range m.Totals {
				if s := m.Totals[i].Key.Name; !slices.Contains(p.scopes, s) {
					p.scopes = append(p.scopes, s)
				}
			}
		}
		for _, t := range p.tallies {
			t.sums = make([]sums, len(p.scopes))
			for range p.scopes {
				t.loss = append(t.loss, make([]int64, p.all.Len()))
			}
		}
	}
	from := p.history.From
	for s, scope := range p.scopes {
		j := &judged{key: online.Key{Name: scope}, counts: make([]float64, p.all.To-from)}
		for f := range p.series {
			if online.InScope(scope, &p.trace.Functions[f]) {
				for i, m := range p.series[f].minute {
					j.counts[int(m)-from] += float64(p.series[f].count[i])
				}
			}
		}
		j.known = slices.Clone(j.counts)
		p.trace.MarkGaps(j.known, datasets.Window{From: from, To: p.all.To})
		scale := metric.SeasonalNaive(j.known[:p.history.Len()], p.season)
		for _, t := range p.tallies {
			t.sums[s].Scale.Merge(scale)
		}
		var rows []ForecastRow
		for k, name := range p.models {
			err := p.forecast(k, j, p.calibrateSum(name, j), func(i, at int, c claim) {
				t, y := p.tally(k, i), j.counts[at-from]
				t.sums[s].add(y, c)
				t.loss[s][at-p.all.From] += fixed(math.Abs(y - c.point))
				if p.forecasts != nil {
					rows = append(rows, p.row(k, i, j, at, y, c))
				}
			})
			if err != nil {
				return err
			}
		}
		if err := p.handOn(rows); err != nil {
			return err
		}
	}
	return nil
}

// calibrateSum measures the errors of a baseline on a sum in the window before w.
func (p *pass) calibrateSum(name string, j *judged) []*online.Calibration {
	b := p.baseline(name, j, p.calib.From)
	if b == nil {
		return nil
	}
	mean, count := make([][]float64, len(p.horizons)), make([][]float64, len(p.horizons))
	for now := p.calib.From; now < p.calib.To; now++ {
		for i, h := range p.horizons {
			if at := now + h - 1; at < p.calib.To && !math.IsNaN(j.known[at-p.history.From]) {
				mean[i], count[i] = append(mean[i], b.ahead(now, h)), append(count[i], j.counts[at-p.history.From])
			}
		}
		b.observe(now, j.counts[now-p.history.From])
	}
	var out []*online.Calibration
	for i := range p.horizons {
		c := calibrate(mean[i], count[i])
		out = append(out, &c)
	}
	return out
}

// claimed completes a point forecast by the quantiles of its calibration. What is held ready suffices
// with the probability critical.
func claimed(c *online.Calibration, v, critical float64) claim {
	ready := 0.0
	if critical > 0 {
		ready = c.At(v, critical)
	}
	return claim{
		ready: ready, critical: critical,
		point: v, mean: v, median: v,
		q90: c.Quantile(v, online.P90), q99: c.Quantile(v, online.P99),
		lower: c.Quantile(v, online.P05), upper: c.Quantile(v, online.P95),
	}
}

// hourly returns the mean counts of the hours of a window, the last perhaps in part, of the minutes
// that are known. Hours without any are left out.
func hourly(counts []float64) []float64 {
	var out []float64
	for from := 0; from < len(counts); from += 60 {
		hour := counts[from:min(from+60, len(counts))]
		var sum, n float64
		for _, c := range hour {
			if !math.IsNaN(c) {
				sum += c
				n++
			}
		}
		if n > 0 {
			out = append(out, sum/n)
		}
	}
	return out
}

// exampleMinutes bound the length of an example.
const exampleMinutes = datasets.MinutesPerDay

// exemplify forecasts the function with trees that was invoked most in the window.
func (p *pass) exemplify() {
	best, most := -1, 0.0
	for f := range p.series {
		fn, _ := p.hybrid.Function(online.KeyOf(&p.trace.Functions[f]))
		if sum := p.series[f].in(p.w).sum(); fn.Class == online.Trees && sum > most {
			best, most = f, sum
		}
	}
	if best < 0 {
		return
	}
	r, err := online.NewReplay(p.hybrid, p.trace.Start)
	if err != nil {
		return // judge would have returned it
	}
	x := &Example{Function: online.KeyOf(&p.trace.Functions[best])}
	from, begin := p.history.From, p.hybrid.WarmUp(p.trace.Span, p.w.From)
	counts := make([]float64, p.w.To-from)
	known := datasets.Window{From: from, To: p.w.To}
	p.series[best].dense(counts, known)
	p.trace.MarkGaps(counts, known)
	r.Function(&p.trace.Functions[best], begin)
	settle, end := max(begin, p.w.From-online.Settle), min(p.w.To, p.w.From+exampleMinutes)
	r.Prime(counts[begin-from : settle-from])
	r.Step(counts[settle-from:p.w.From-from], nil)
	r.Step(counts[p.w.From-from:end-from], func(now int, fc online.Forecast) {
		if math.IsNaN(counts[now-from]) {
			return
		}
		lower, upper := r.Interval()
		x.Minute = append(x.Minute, now)
		x.Actual = append(x.Actual, counts[now-from])
		x.Mean, x.Median = append(x.Mean, fc.Mean), append(x.Median, fc.Median)
		x.Lower, x.Upper = append(x.Lower, lower), append(x.Upper, upper)
		x.Q90, x.Q99 = append(x.Q90, fc.Q90), append(x.Q99, fc.Q99)
	})
	p.example = x
}

// String prints the figures as a table for people.
func (r *BacktestReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-19s %-15s %5s %8s %10s %10s %8s %8s %9s\n", "model", "scope", "ahead", "WAPE", "MAE", "RMSE", "MASE", "cover90", "us/row")
	for _, f := range r.Models {
		fmt.Fprintf(&b, "%-19s %-15s %5d %8.4f %10.4f %10.4f %8.4f %8.4f %9.2f\n", f.Name, f.Scope, f.Horizon, float64(f.WAPE), float64(f.MAE), float64(f.RMSE), float64(f.MASE), float64(f.Coverage90), f.Timing.Predict)
	}
	for _, f := range r.Floors {
		fmt.Fprintf(&b, "%-19s %-15s %5s %8.4f\n", "poisson floor", f.Scope, "", float64(f.WAPE))
	}
	return b.String()
}
