package forecast

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/features/prophet"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/cluster"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// minMinutes is the shortest training window: below, nothing can be told from chance.
const minMinutes = 60

// A trainer is one call of Train.
type trainer struct {
	options  Options
	trace    *datasets.Trace
	splits   datasets.Splits
	holidays []datasets.Holiday
	rec      train.Recorder
	report   *Report

	series   []sparse // per function, of the training and validation window
	totals   []float64
	features online.Features
	model    *online.Model // what is being composed

	trees     []datasets.FunctionID // that get trees, ascending
	clusterOf map[datasets.FunctionID]int
	scale     []float64 // per function
	limit     []float64 // per function
	fitted    map[datasets.FunctionID]*prophet.Fitted
	failed    map[datasets.FunctionID]string // why there is no decomposition
	reduced   map[int]string                 // clusters whose trees failed, and why

	samples      []samples // per cluster
	validMinutes []bool
	gain         []float64 // per column
}

type samples struct{ train, valid *sample }

// Train fits a forecaster on the training window of s and chooses and calibrates it
// on the validation window; the test window is not read. Splits, options and trace
// determine the model, bit for bit.
//
// A function whose decomposition fails, or a cluster whose trees do, falls back to a
// simple forecast and is listed in Report.Fallbacks.
func Train(ctx context.Context, t *datasets.Trace, s datasets.Splits, holidays []datasets.Holiday, o Options, rec train.Recorder) (*online.Model, *Report, error) {
	if err := o.Validate(); err != nil {
		return nil, nil, err
	}
	if s.Train.Len() < minMinutes || s.Valid.Len() < 1 || s.Valid.From != s.Train.To {
		return nil, nil, fmt.Errorf("forecast: train: the training window must have at least %d minutes and the validation window must follow it, got %v and %v", minMinutes, s.Train, s.Valid)
	}
	tr := &trainer{
		options: o, trace: t, splits: s, holidays: holidays, rec: rec,
		report:    &Report{Splits: s, Classes: map[online.Class]int{}, Fallbacks: []Fallback{}},
		clusterOf: map[datasets.FunctionID]int{},
		fitted:    map[datasets.FunctionID]*prophet.Fitted{},
		failed:    map[datasets.FunctionID]string{},
		reduced:   map[int]string{},
	}
	if err := tr.run(ctx); err != nil {
		return nil, nil, fmt.Errorf("forecast: train on %s: %w", t.Name, err)
	}
	return tr.model, tr.report, nil
}

func (t *trainer) run(ctx context.Context) error {
	began := time.Now()
	all := datasets.Window{From: t.splits.Train.From, To: t.splits.Valid.To}
	var err error
	if t.series, err = scan(ctx, t.trace, all); err != nil {
		return err
	}
	t.measure(all)
	span := t.splits.Train.Len()
	t.features = online.Features{
		Lags:       features.Trim(t.options.Lags, span),
		Windows:    features.Trim(t.options.Windows, span),
		Calendar:   t.options.Calendar && span >= 2*datasets.MinutesPerDay,
		Components: t.options.Components,
	}
	if err := t.group(ctx); err != nil {
		return err
	}
	t.model = &online.Model{
		Features:   t.features,
		Clusters:   make([]online.Cluster, len(t.samples)),
		Prophet:    map[online.Key]*prophet.Fitted{},
		Validation: t.splits.Valid,
		Total:      gaussian(),
	}
	for c := range t.model.Clusters {
		// These forecast nothing, but let the model be compiled and evaluate candidates.
		t.model.Clusters[c] = online.Cluster{
			Name: fmt.Sprintf("c%02d", c), Calibration: gaussian(),
			Mean: online.Head{Column: online.ZeroColumn}, Median: online.Head{Column: online.ZeroColumn},
		}
	}
	if err := t.model.Compile(); err != nil {
		return err
	}
	t.gain = make([]float64, len(t.features.Columns()))
	if err := t.fillRows(ctx); err != nil {
		return err
	}
	t.report.Timing.Decompose = since(began)

	boost := time.Now()
	means := make([][]float64, len(t.samples))
	for c := range t.samples {
		if means[c], err = t.cluster(ctx, c); err != nil {
			return fmt.Errorf("cluster %s: %w", t.model.Clusters[c].Name, err)
		}
	}
	t.report.Timing.Boost = since(boost)
	if err := t.calibrateTotal(ctx, means); err != nil {
		return err
	}
	t.compose(all)
	if err := t.model.Compile(); err != nil {
		return err
	}
	t.report.Importance = importance(t.features.Columns(), t.gain)
	t.report.Timing.Total = since(began)
	return nil
}

// measure finds the size of each function and which get trees.
func (t *trainer) measure(all datasets.Window) {
	n := len(t.trace.Functions)
	t.scale, t.limit = make([]float64, n), make([]float64, n)
	t.totals = make([]float64, all.Len())
	least := t.options.MinRate / 60 * float64(t.splits.Train.Len())
	for f := range n {
		s := t.series[f]
		for i, m := range s.minute {
			t.totals[int(m)-all.From] += float64(s.count[i])
		}
		p := s.in(t.splits.Train)
		counts := make([]float64, len(p.count))
		for i, c := range p.count {
			counts[i] = float64(c)
		}
		t.scale[f] = float64(features.NewScale(counts))
		t.limit[f] = limitOf(s)
		if p.sum() >= least && len(p.minute) >= minActive {
			t.trees = append(t.trees, datasets.FunctionID(f))
		}
	}
}

// minActive is the number of minutes with arrivals in the training window that a
// function with trees must have: one burst is no rhythm.
const minActive = 5

// group assigns functions with trees to clusters.
func (t *trainer) group(ctx context.Context) error {
	if len(t.trees) == 0 {
		t.report.note("no function is invoked often enough for trees")
		return nil
	}
	shapes := make([][]float64, len(t.trees))
	for i, f := range t.trees {
		shapes[i] = t.series[f].shape(t.splits.Train)
	}
	scaler, err := cluster.FitScaler(shapes)
	if err != nil {
		return err
	}
	o := cluster.DefaultOptions()
	o.MinClusters = 1
	o.MaxClusters = max(1, min(t.options.MaxClusters, len(t.trees)/t.options.MinClusterFunctions))
	o.Seed, o.Workers = t.options.Seed, t.options.Workers
	groups, err := cluster.KMeans(ctx, scaler.ApplyAll(shapes), o)
	if err != nil {
		return err
	}
	columns := t.features.Columns()
	for c, size := range groups.Size {
		centre := map[string]float64{}
		for j, name := range shapeColumns {
			centre[name] = groups.Centroids[c][j]*scaler.Std[j] + scaler.Mean[j]
		}
		t.samples = append(t.samples, samples{newSample(columns), newSample(columns)})
		t.report.Clusters = append(t.report.Clusters, ClusterReport{Name: fmt.Sprintf("c%02d", c), Functions: size, Centre: centre})
	}
	for i, f := range t.trees {
		t.clusterOf[f] = groups.Assignment[i]
	}
	return nil
}

// A trial is one set of trees to be tried.
type trial struct {
	head      string
	objective string
	link      online.Link
	base      string // of the link residual
}

const (
	medianHead = "median"
	meanHead   = "mean"
)

// trials of both heads. The mean has no absolute error, the median no Poisson: each
// is what its loss estimates.
func (t *trainer) trials() []trial {
	bases := []string{online.SlowColumn}
	if t.options.Components {
		bases = append(bases, online.AdjustedColumn)
	}
	out := []trial{{head: medianHead, objective: "regression_l1", link: online.Direct}, {head: meanHead, objective: "poisson", link: online.Exp}}
	for _, b := range bases {
		out = append(out, trial{medianHead, "regression_l1", online.Residual, b}, trial{meanHead, "regression", online.Residual, b})
	}
	return out
}

func (t trial) name() string {
	name := t.objective + "/" + string(t.link)
	if t.base != "" {
		name += "/" + t.base
	}
	return name
}

// cluster fits, chooses and calibrates the heads of cluster c and returns the means
// of its validation rows.
func (t *trainer) cluster(ctx context.Context, c int) ([]float64, error) {
	s, rep, out := t.samples[c], &t.report.Clusters[c], &t.model.Clusters[c]
	rep.Rows, rep.ValidRows = s.train.frame.Rows(), s.valid.frame.Rows()
	t.report.Frames = append(t.report.Frames,
		Frame{out.Name, datasets.TrainWindow, s.train.frame, s.train.count},
		Frame{out.Name, datasets.ValidWindow, s.valid.frame, s.valid.count})
	if rep.Rows == 0 || rep.ValidRows == 0 {
		return nil, nil // every function of it fell back
	}
	best := map[string]*scored{}
	consider := func(k scored) {
		rep.Candidates = append(rep.Candidates, k.Candidate)
		if b := best[k.Head]; b == nil || k.Score < b.Score {
			best[k.Head] = &k
		}
	}
	for _, column := range t.rules() {
		head := online.Head{Column: column}
		for _, name := range []string{medianHead, meanHead} {
			k, err := t.score(ctx, name, head, s.valid)
			if err != nil {
				return nil, err
			}
			k.Name = column
			consider(k)
		}
	}
	for _, tr := range t.trials() {
		m, head, err := t.boost(ctx, tr, out.Name, s)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			t.report.Warnings = append(t.report.Warnings, fmt.Errorf("cluster %s: %s: %w", out.Name, tr.objective, err))
			t.reduced[c] = fmt.Sprintf("trees of cluster %s: %v", out.Name, err)
			continue
		}
		k, err := t.score(ctx, tr.head, head, s.valid)
		if err != nil {
			return nil, err
		}
		k.Name, k.Iterations, k.trees = tr.name(), len(m.Trees), m
		consider(k)
	}
	for i := range rep.Candidates {
		k := &rep.Candidates[i]
		k.Chosen = k.Name == best[k.Head].Name
	}
	out.Median, out.Mean = best[medianHead].head, best[meanHead].head
	for _, name := range []string{medianHead, meanHead} { // in an order: sums of floats depend on it
		b := best[name]
		if b.trees == nil {
			continue
		}
		gain := b.trees.Importance(gbdt.ByGain)
		for j, g := range normalised(gain) {
			t.gain[j] += g * float64(rep.Rows)
		}
	}
	out.Calibration = calibrate(best[meanHead].predicted, s.valid.count)
	return best[meanHead].predicted, nil
}

// rules are the columns that stand for simple forecasts.
func (t *trainer) rules() []string {
	out := []string{online.ZeroColumn}
	for _, k := range t.features.Lags {
		if k == 1 || k == datasets.MinutesPerDay {
			out = append(out, "lag_"+strconv.Itoa(k))
		}
	}
	for _, k := range t.features.Windows {
		out = append(out, "mean_"+strconv.Itoa(k))
	}
	out = append(out, online.FastColumn, online.SlowColumn)
	if t.features.Components {
		out = append(out, "yhat", online.AdjustedColumn)
	}
	return out
}

// A scored candidate has its forecasts of the validation rows.
type scored struct {
	Candidate
	head      online.Head
	trees     *gbdt.Model
	predicted []float64
}

// boost fits the trees of a trial and reads them back as the run time will.
func (t *trainer) boost(ctx context.Context, tr trial, name string, s samples) (*gbdt.Model, online.Head, error) {
	o := t.options.Trees
	o.Objective, o.Metric, o.Workers = tr.objective, nil, t.options.Workers
	rec := prefixed{t.rec, "forecast/" + name + "/" + tr.head + "/" + tr.name() + "/"}
	m, rep, err := gbdt.Train(ctx, t.table(s.train, tr), t.table(s.valid, tr), o, rec)
	if err != nil {
		return nil, online.Head{}, err
	}
	for _, w := range rep.Warnings {
		t.report.Warnings = append(t.report.Warnings, fmt.Errorf("cluster %s: %s: %w", name, tr.objective, w))
	}
	var text bytes.Buffer
	if err := m.WriteText(&text); err != nil {
		return nil, online.Head{}, err
	}
	trees, err := online.NewEnsemble(text.Bytes())
	if err != nil {
		return nil, online.Head{}, err
	}
	return m, online.Head{Objective: tr.objective, Link: tr.link, Base: tr.base, File: "forecast/" + name + "-" + tr.head + ".txt", Trees: trees}, nil
}

// table has the rows of s with what the trees of tr output: counts in units of the
// scale, or scaled residuals.
func (t *trainer) table(s *sample, tr trial) *gbdt.Table {
	label := make([]float32, len(s.count))
	base := s.frame.Column(tr.base)
	for i, y := range s.count {
		v := y / s.scale[i]
		if tr.link == online.Residual {
			b := s.frame.Row(i)[base] * s.scale[i]
			if !(b > 0) { // as the run time takes it
				b = 0
			}
			v = online.ScaledResidual(b, y)
		}
		label[i] = float32(v)
	}
	return &gbdt.Table{Columns: s.frame.Columns, Rows: s.frame.Rows(), Data: s.frame.Data, Label: label}
}

// score forecasts the rows of s with head exactly as the run time does.
func (t *trainer) score(ctx context.Context, name string, head online.Head, s *sample) (scored, error) {
	// A model of one cluster that has the head compiles it.
	m := &online.Model{Features: t.features, Total: gaussian(), Clusters: []online.Cluster{{
		Name: "candidate", Mean: head, Median: online.Head{Column: online.ZeroColumn}, Calibration: gaussian(),
	}}}
	if err := m.Compile(); err != nil {
		return scored{}, err
	}
	k := scored{head: head, predicted: make([]float64, len(s.count))}
	const chunk = 1024
	err := parallel(ctx, (len(s.count)+chunk-1)/chunk, t.options.Workers, func(b int) {
		var scratch online.Scratch
		from, to := b*chunk, min((b+1)*chunk, len(s.count))
		width := len(s.frame.Columns)
		m.Clusters[0].Mean.Forecasts(s.frame.Data[from*width:to*width], s.scale[from:to], s.limit[from:to], k.predicted[from:to], &scratch)
	})
	if err != nil {
		return scored{}, err
	}
	k.Head = name
	if name == medianHead {
		k.Score = wape(s.count, k.predicted)
	} else {
		k.Score = deviance(s.count, k.predicted)
	}
	return k, nil
}

// deviance is the mean Poisson deviance. A forecast of 0 is taken for one of a
// thousandth, so that one arrival it did not foresee does not make it infinite.
func deviance(actual, mean []float64) float64 {
	var sum float64
	for i, y := range actual {
		m := max(mean[i], 1e-3)
		sum += 2 * (m - y)
		if y > 0 {
			sum += 2 * y * math.Log(y/m)
		}
	}
	return sum / float64(len(actual))
}

// wape is the pooled one; without arrivals, the sum of what was forecast.
func wape(actual, forecast []float64) float64 {
	var sum, scale float64
	for i, y := range actual {
		sum += math.Abs(y - forecast[i])
		scale += y
	}
	if scale == 0 {
		return sum
	}
	return sum / scale
}

// compose writes what is known of each function into the model.
func (t *trainer) compose(all datasets.Window) {
	for i := range t.trace.Functions {
		f := datasets.FunctionID(i)
		k := online.KeyOf(&t.trace.Functions[i])
		fn := online.Function{Key: k, Class: online.Interarrival}
		c, clustered := t.clusterOf[f]
		reason := t.failed[f]
		switch {
		case clustered && reason == "":
			fn.Class, fn.Cluster, fn.Scale, fn.Cap = online.Trees, c, t.scale[f], t.limit[f]
			if fitted := t.fitted[f]; fitted != nil {
				t.model.Prophet[k] = fitted
			}
			if fn.Fallback = t.reduced[c]; fn.Fallback != "" {
				t.report.Fallbacks = append(t.report.Fallbacks, Fallback{k, fn.Class, fn.Fallback})
			}
		case clustered:
			fn.Class, fn.Season, fn.Fallback = online.SeasonalNaive, season(t.splits.Train.Len()), reason
			t.report.Fallbacks = append(t.report.Fallbacks, Fallback{k, fn.Class, reason})
		case len(t.series[i].minute) == 0:
			fn.Class = online.Zero
		default:
			fn.IAT = t.series[i].iat(all)
		}
		t.report.Classes[fn.Class]++
		t.model.Functions = append(t.model.Functions, fn)
	}
	slices.SortFunc(t.report.Fallbacks, func(a, b Fallback) int { return a.Function.Compare(b.Function) })
}

// season is the period of the seasonal naive forecast after span minutes: a day if
// two were seen, else one minute, which is the naive forecast.
func season(span int) int {
	if span >= 2*datasets.MinutesPerDay {
		return datasets.MinutesPerDay
	}
	return 1
}

func normalised(v []float64) []float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	out := make([]float64, len(v))
	if sum > 0 {
		for i, x := range v {
			out[i] = x / sum
		}
	}
	return out
}

func importance(columns []string, gain []float64) []Importance {
	out := []Importance{}
	for i, g := range normalised(gain) {
		if g > 0 {
			out = append(out, Importance{columns[i], g})
		}
	}
	slices.SortStableFunc(out, func(a, b Importance) int {
		switch {
		case a.Gain > b.Gain:
			return -1
		case a.Gain < b.Gain:
			return 1
		}
		return 0
	})
	return out
}

// prefixed is a Recorder under whose names a prefix is put.
type prefixed struct {
	to     train.Recorder
	prefix string
}

func (p prefixed) Record(metric string, step int, value float64) {
	p.to.Record(p.prefix+metric, step, value)
}
