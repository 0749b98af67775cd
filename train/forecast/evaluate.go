package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
)

// EvaluateOptions configure Evaluate.
type EvaluateOptions struct {
	// LightGBM, if not nil, is judged beside the model: it was trained without components.
	LightGBM *online.Model
	// FitSeconds are reported as the time that a model took to fit, by its name.
	FitSeconds map[string]float64
	Seed       uint64 // of the draw of rows that calibrate the baselines
	Workers    int    // 0 is one per processor; the figures do not depend on it
}

// Evaluate forecasts every minute of w one minute ahead with the fixed model m and
// with the baselines, and compares with what came. The window should lie after what m
// was trained and calibrated on.
//
// A baseline has a point forecast only. Its quantiles come from its own errors in as
// many minutes before w as w has, by level, as those of the model come from the
// validation window.
func Evaluate(ctx context.Context, m *online.Model, t *datasets.Trace, w datasets.Window, o EvaluateOptions) (*BacktestReport, error) {
	e := newEvaluation(t, o)
	if err := e.window(ctx, m, o.LightGBM, w); err != nil {
		return nil, fmt.Errorf("forecast: evaluate on %s %v: %w", t.Name, w, err)
	}
	for name, s := range o.FitSeconds {
		if y := e.tally(name); y != nil {
			y.fit = time.Duration(s * float64(time.Second))
		}
	}
	rep := e.report(w, []int{w.From})
	if w.From < m.Validation.To {
		rep.Notes = append(rep.Notes, "the window overlaps what the model was chosen and calibrated on: its figures flatter it")
	}
	return rep, nil
}

// An evaluation gathers figures over one or more windows.
type evaluation struct {
	trace   *datasets.Trace
	options EvaluateOptions
	tallies []*tally
	scopes  []string    // sums of functions that are judged, the first is all of them; nil before the first window
	hours   [][]float64 // per function: mean count of each hour
	example *Example
	notes   []string
}

var baselineNames = []string{Prophet, SeasonalNaive, Naive, ExpSmoothing}

func newEvaluation(t *datasets.Trace, o EvaluateOptions) *evaluation {
	e := &evaluation{trace: t, options: o, hours: make([][]float64, len(t.Functions))}
	names := []string{Incendio}
	if o.LightGBM != nil {
		names = append(names, LightGBM)
	}
	for _, name := range append(names, baselineNames...) {
		e.tallies = append(e.tallies, &tally{name: name, function: make([]sums, len(t.Functions))})
	}
	return e
}

func (e *evaluation) tally(name string) *tally {
	for _, t := range e.tallies {
		if t.name == name {
			return t
		}
	}
	return nil
}

func (e *evaluation) report(w datasets.Window, cutoffs []int) *BacktestReport {
	r := &BacktestReport{Trace: e.trace.Name, Label: e.trace.Label(), Horizon: 1, Window: w, Cutoffs: cutoffs, Floors: floors(e.hours), Notes: []string{}, Example: e.example}
	for _, t := range e.tallies {
		r.Models = append(r.Models, t.report(e.scopes)...)
	}
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

// A pass is one window of an evaluation.
type pass struct {
	*evaluation
	m, light *online.Model
	series   []sparse
	history  datasets.Window // before the window
	calib    datasets.Window
	w        datasets.Window
	season   int
	calibs   []*online.Calibration // of the baselines' functions
}

// window judges the models on w.
func (e *evaluation) window(ctx context.Context, m, light *online.Model, w datasets.Window) error {
	t := e.trace
	if w.Len() < 1 || w.From <= t.Span.From || w.To > t.Span.To {
		return fmt.Errorf("the window must lie inside the span %v and leave a history before it", t.Span)
	}
	p := &pass{evaluation: e, m: m, light: light, w: w, history: datasets.Window{From: t.Span.From, To: w.From}}
	p.season = season(p.history.Len())
	p.calib = datasets.Window{From: max(p.history.From, w.From-w.Len()), To: w.From}
	var err error
	if p.series, err = scan(ctx, t, datasets.Window{From: p.history.From, To: w.To}); err != nil {
		return err
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
	p.exemplify()
	return nil
}

// baselines of the series of that key that have seen the history up to the minute to.
func (p *pass) baselines(k online.Key, counts []float64, to int) []baseline {
	mean := 0.0
	for _, c := range counts[:p.history.Len()] {
		mean += c
	}
	from := p.history.From
	out := []baseline{
		decomposed{p.m.Prophet[k], p.trace.Start, mean / float64(p.history.Len())},
		newLagged(p.season),
		newLagged(1),
		&smoothing{until: p.w.From},
	}
	for _, b := range out {
		for now := from; now < to; now++ {
			b.observe(now, counts[now-from])
		}
	}
	return out
}

// blocks calls do for each function f inside blocks of functions, one block after
// another per worker, with its counts from the start of the history to the end of the
// window; part is the number of the block.
func (p *pass) blocks(ctx context.Context, do func(part, f int, counts []float64)) error {
	n := len(p.series)
	all := datasets.Window{From: p.history.From, To: p.w.To}
	return parallel.For(ctx, p.parts(), p.options.Workers, func(part int) {
		counts := make([]float64, all.Len())
		for f := part * blockFunctions; f < min((part+1)*blockFunctions, n) && ctx.Err() == nil; f++ {
			p.series[f].dense(counts, all)
			do(part, f, counts)
		}
	})
}

func (p *pass) parts() int { return (len(p.series) + blockFunctions - 1) / blockFunctions }

// calibrateBaselines measures the errors of the baselines in the window before w.
func (p *pass) calibrateBaselines(ctx context.Context) error {
	type row struct{ mean, count float64 }
	rows := make([][][]row, p.parts())
	share := min(1, calibrationRows/float64(len(p.series)*p.calib.Len()))
	key := seed.Key(p.options.Seed, "forecast/baselines")
	err := p.blocks(ctx, func(part, f int, counts []float64) {
		if rows[part] == nil {
			rows[part] = make([][]row, len(baselineNames))
		}
		for k, b := range p.baselines(online.KeyOf(&p.trace.Functions[f]), counts, p.calib.From) {
			for now := p.calib.From; now < p.calib.To; now++ {
				y, v := counts[now-p.history.From], b.point(now)
				if share >= 1 || seed.Uniform(key, uint64(f)<<32|uint64(now)) < share {
					rows[part][k] = append(rows[part][k], row{v, y})
				}
				b.observe(now, y)
			}
		}
	})
	if err != nil {
		return err
	}
	for k := range baselineNames {
		var mean, count []float64
		for _, part := range rows {
			for _, r := range part[k] {
				mean, count = append(mean, r.mean), append(count, r.count)
			}
		}
		c := calibrate(mean, count)
		p.calibs = append(p.calibs, &c)
	}
	return nil
}

// judge forecasts the window.
func (p *pass) judge(ctx context.Context) error {
	models := []*online.Model{p.m}
	if p.light != nil {
		models = append(models, p.light)
	}
	spent := make([][]time.Duration, len(p.tallies))
	for k := range spent {
		spent[k] = make([]time.Duration, p.parts())
	}
	errs := make([]error, p.parts())
	err := p.blocks(ctx, func(part, f int, counts []float64) {
		if errs[part] != nil {
			return
		}
		from := p.history.From
		actual := counts[p.w.From-from:]
		p.hours[f] = append(p.hours[f], hourly(actual)...)
		scale, n := p.naiveError(counts[:p.history.Len()])
		for k, m := range models {
			began := time.Now()
			replay, err := online.NewReplay(m, p.trace.Start)
			if err != nil {
				errs[part] = err
				return
			}
			begin := m.WarmUp(p.trace.Span, p.w.From)
			replay.Function(&p.trace.Functions[f], begin)
			s := &p.tallies[k].function[f]
			p.follow(replay, begin, counts, s)
			spent[k][part] += time.Since(began)
		}
		for j, b := range p.baselines(online.KeyOf(&p.trace.Functions[f]), counts, p.w.From) {
			k := len(models) + j
			began := time.Now()
			s := &p.tallies[k].function[f]
			for i, y := range actual {
				v := b.point(p.w.From + i)
				s.add(y, claimed(p.calibs[j], v))
				b.observe(p.w.From+i, y)
			}
			spent[k][part] += time.Since(began)
		}
		for _, t := range p.tallies {
			t.function[f].scale += scale
			t.function[f].scaleN += n
		}
	})
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	for k, t := range p.tallies {
		for _, d := range spent[k] {
			t.predict += d
		}
		t.rows += len(p.series) * p.w.Len()
	}
	return nil
}

// follow goes with a series from minute begin on to the end of the window, and adds up the
// errors in it. The last minutes before the window are stepped.
func (p *pass) follow(r *online.Replay, begin int, counts []float64, s *sums) {
	from := p.history.From
	settle := max(begin, p.w.From-online.Settle)
	r.Prime(counts[begin-from : settle-from])
	r.Step(counts[settle-from:p.w.From-from], nil)
	r.Step(counts[p.w.From-from:p.w.To-from], func(now int, f online.Forecast) {
		c := claim{point: f.Median, mean: f.Mean, median: f.Median, q90: f.Q90, q99: f.Q99}
		c.lower, c.upper = r.Interval()
		s.add(counts[now-from], c)
	})
}

// judgeSums judges the sums of functions. The hybrid and the baselines forecast them
// directly.
func (p *pass) judgeSums() error {
	models := []*online.Model{p.m}
	if p.light != nil {
		models = append(models, p.light)
	}
	if p.scopes == nil {
		p.scopes = []string{online.TotalScope}
		for i := range p.m.Totals {
			if s := p.m.Totals[i].Key.Name; s != online.TotalScope {
				p.scopes = append(p.scopes, s)
			}
		}
		for _, t := range p.tallies {
			t.sums = make([]sums, len(p.scopes))
		}
	}
	from := p.history.From
	series := make(map[string][]float64, len(p.scopes))
	for _, scope := range p.scopes {
		y := make([]float64, p.w.To-from)
		for f := range p.series {
			if online.InScope(scope, &p.trace.Functions[f]) {
				for i, m := range p.series[f].minute {
					y[int(m)-from] += float64(p.series[f].count[i])
				}
			}
		}
		series[scope] = y
	}
	for k, m := range models {
		began := time.Now()
		replay, err := online.NewReplay(m, p.trace.Start)
		if err != nil {
			return err
		}
		begin := m.WarmUp(p.trace.Span, p.w.From)
		for i, scope := range p.scopes {
			if replay.Total(scope, begin) {
				p.follow(replay, begin, series[scope], &p.tallies[k].sums[i])
				continue
			}
			for _, y := range series[scope][p.w.From-from:] { // too rare for a model of its own
				p.tallies[k].sums[i].add(y, claim{})
			}
		}
		p.tallies[k].predict += time.Since(began)
	}
	for i, scope := range p.scopes {
		y, key := series[scope], online.Key{Name: scope}
		scale, n := p.naiveError(y[:p.history.Len()])
		for _, t := range p.tallies {
			t.sums[i].scale += scale
			t.sums[i].scaleN += n
		}
		for j, b := range p.baselines(key, y, p.calib.From) {
			var mean, count []float64
			for now := p.calib.From; now < p.calib.To; now++ {
				mean, count = append(mean, b.point(now)), append(count, y[now-from])
				b.observe(now, y[now-from])
			}
			c := calibrate(mean, count)
			s := &p.tallies[len(models)+j].sums[i]
			for now := p.w.From; now < p.w.To; now++ {
				s.add(y[now-from], claimed(&c, b.point(now)))
				b.observe(now, y[now-from])
			}
		}
	}
	return nil
}

// claimed completes a point forecast by the quantiles of its calibration.
func claimed(c *online.Calibration, v float64) claim {
	return claim{
		point: v, mean: v, median: v,
		q90: c.Quantile(v, online.P90), q99: c.Quantile(v, online.P99),
		lower: c.Quantile(v, online.P05), upper: c.Quantile(v, online.P95),
	}
}

// naiveError is the sum of the absolute errors of the seasonal naive forecast in a
// history, and their number.
func (p *pass) naiveError(history []float64) (sum, n float64) {
	for i := p.season; i < len(history); i++ {
		sum += math.Abs(history[i] - history[i-p.season])
		n++
	}
	return sum, n
}

// hourly returns the mean counts of the hours of a window, the last perhaps in part.
func hourly(counts []float64) []float64 {
	var out []float64
	for from := 0; from < len(counts); from += 60 {
		hour := counts[from:min(from+60, len(counts))]
		var sum float64
		for _, c := range hour {
			sum += c
		}
		out = append(out, sum/float64(len(hour)))
	}
	return out
}

// exampleMinutes bound the length of an example.
const exampleMinutes = datasets.MinutesPerDay

// exemplify forecasts the function with trees that was invoked most in the window.
func (p *pass) exemplify() {
	best, most := -1, 0.0
	for f := range p.series {
		fn, _ := p.m.Function(online.KeyOf(&p.trace.Functions[f]))
		if sum := p.series[f].in(p.w).sum(); fn.Class == online.Trees && sum > most {
			best, most = f, sum
		}
	}
	if best < 0 {
		return
	}
	r, err := online.NewReplay(p.m, p.trace.Start)
	if err != nil {
		return // judge would have returned it
	}
	x := &Example{Function: online.KeyOf(&p.trace.Functions[best])}
	from, begin := p.history.From, p.m.WarmUp(p.trace.Span, p.w.From)
	counts := make([]float64, p.w.To-from)
	p.series[best].dense(counts, datasets.Window{From: from, To: p.w.To})
	r.Function(&p.trace.Functions[best], begin)
	settle, end := max(begin, p.w.From-online.Settle), min(p.w.To, p.w.From+exampleMinutes)
	r.Prime(counts[begin-from : settle-from])
	r.Step(counts[settle-from:p.w.From-from], nil)
	r.Step(counts[p.w.From-from:end-from], func(now int, fc online.Forecast) {
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
	fmt.Fprintf(&b, "%-15s %-15s %8s %10s %10s %8s %8s %9s\n", "model", "scope", "WAPE", "MAE", "RMSE", "MASE", "cover90", "us/row")
	for _, f := range r.Models {
		fmt.Fprintf(&b, "%-15s %-15s %8.4f %10.4f %10.4f %8.4f %8.4f %9.2f\n", f.Name, f.Scope, float64(f.WAPE), float64(f.MAE), float64(f.RMSE), float64(f.MASE), float64(f.Coverage90), f.Timing.Predict)
	}
	for _, f := range r.Floors {
		fmt.Fprintf(&b, "%-15s %-15s %8.4f\n", "poisson floor", f.Scope, float64(f.WAPE))
	}
	return b.String()
}
