package forecast

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/features/prophet"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/cluster"
)

// minMinutes is the shortest training window: below, nothing can be told from chance.
const minMinutes = 60

// minActive is the number of minutes with arrivals in the training window that a
// function with trees must have: one burst is no rhythm.
const minActive = 5

// Train fits a forecaster on the training window of s, lets the validation window choose
// and calibrate, and fits what was chosen once more on both; the test window is not
// read. Splits, options and trace determine the model, bit for bit, as long as no time limit
// is set. [datasets.Split] cuts a trace into splits, holidays may be nil, and train.Discard is a
// recorder that forgets.
//
// What comes out forecasts by way of online.NewRuntime, minute by minute as counts come in, of
// online.NewReplay, one function over its history, and of online.Ahead, up to a day ahead
// (package scheduler/forecast).
//
// A series whose decomposition fails, or a cluster whose trees do, goes without and is
// listed in Report.Fallbacks. Minutes in the gaps of the trace are no rows, and nothing is known of
// them to those after.
func Train(ctx context.Context, t *datasets.Trace, s datasets.Splits, holidays []datasets.Holiday, o Options, rec train.Recorder) (*online.Model, *Report, error) {
	if err := o.Validate(); err != nil {
		return nil, nil, err
	}
	if t.Observed(s.Train) < minMinutes || t.Observed(s.Valid) < 1 || s.Valid.From != s.Train.To {
		return nil, nil, fmt.Errorf("forecast: train: the training window must have at least %d observed minutes and the validation window must follow it, with some, got %v with %d and %v with %d",
			minMinutes, s.Train, t.Observed(s.Train), s.Valid, t.Observed(s.Valid))
	}
	m, rep, err := trainOn(ctx, t, s, holidays, o, rec)
	if err != nil {
		return nil, nil, fmt.Errorf("forecast: train on %s: %w", t.Name, err)
	}
	return m, rep, nil
}

func trainOn(ctx context.Context, t *datasets.Trace, s datasets.Splits, holidays []datasets.Holiday, o Options, rec train.Recorder) (*online.Model, *Report, error) {
	began := time.Now()
	rep := &Report{Splits: s, Classes: map[online.Class]int{}, Clusters: []ClusterReport{}, Fallbacks: []Fallback{}}
	counts, err := scan(ctx, t, datasets.Window{From: s.Train.From, To: s.Valid.To})
	if err != nil {
		return nil, nil, err
	}
	p, err := newPlan(ctx, t, s, counts, o)
	if err != nil {
		return nil, nil, err
	}
	if len(p.series) == 0 {
		rep.note("no function is invoked often enough for trees")
	}
	d, err := newDecomposer(o, t, s, holidays, p.totals, rep)
	if err != nil {
		return nil, nil, fmt.Errorf("decompose functions: %w", err)
	}
	expired := func() bool { return o.TimeLimit > 0 && time.Since(began) > o.TimeLimit }
	draw := newSampler(o, s, p, s.Train.From+d.cutoffs[0])
	rep.Rows = draw.report()
	rows := make([]*Sample, len(p.clusters))
	for c := range rows {
		rows[c] = newSample(p.features.Columns(), len(p.ahead))
	}
	learned := make([]Decomposition, len(p.series))
	for from := 0; from < len(p.series); from += batchFunctions {
		to := min(from+batchFunctions, len(p.series))
		parts, err := d.Decompose(ctx, p.dense(from, to), expired)
		if err != nil {
			return nil, nil, fmt.Errorf("decompose functions: %w", err)
		}
		if err := p.drawRows(ctx, from, parts, draw, o.Workers, rows); err != nil {
			return nil, nil, err
		}
		for i := range parts {
			parts[i].Origins = nil // of use for rows alone
			learned[from+i] = parts[i]
		}
	}
	rep.Timing.Decompose = since(began)

	boost := time.Now()
	boosted := make([]*Boosted, len(p.clusters))
	for c, sample := range rows {
		name := p.clusters[c].name
		if boosted[c], err = Boost(ctx, name, p.features, p.ahead, sample, o, rec); err != nil {
			return nil, nil, fmt.Errorf("cluster %s: %w", name, err)
		}
		rows[c] = nil
	}
	rep.Timing.Boost = since(boost)

	m, err := Compose(p, learned, boosted, rep)
	if err != nil {
		return nil, nil, err
	}
	rep.Timing.Total = since(began)
	return m, rep, nil
}

// A Plan says what is fitted: which functions get trees and which sums are forecast by
// themselves, in which clusters, from which columns.
type Plan struct {
	trace    *datasets.Trace
	splits   datasets.Splits
	all      datasets.Window // training and validation
	counts   []sparse        // of every function
	totals   []float64       // of all functions together, per minute of all; NaN in gaps
	features features.Spec
	series   []planned // functions with trees, ascending, then the sums
	clusters []group
	ahead    []int // minutes ahead that get trees, beside the next one
}

// A planned series is a function with trees, or a sum of functions.
type planned struct {
	function datasets.FunctionID // of a sum, its number after the last function
	scope    string              // of a sum
	counts   sparse
	cluster  int
	demand   int     // class by the mean count of a minute
	keep     int     // minutes of history
	limit    float64 // largest count
}

type group struct {
	name   string
	size   int
	centre map[string]float64
}

// newPlan tells the functions apart and groups those with trees.
func newPlan(ctx context.Context, t *datasets.Trace, s datasets.Splits, counts []sparse, o Options) (*Plan, error) {
	p := &Plan{trace: t, splits: s, all: datasets.Window{From: s.Train.From, To: s.Valid.To}, counts: counts}
	p.totals = make([]float64, p.all.Len())
	p.features = features.SpecFor(s.Train.Len())
	p.features.Calendar = p.features.Calendar && o.Calendar
	p.features.Components = o.Components
	for _, h := range o.Ahead {
		if 4*h <= s.Train.Len() {
			p.ahead = append(p.ahead, h)
		}
	}
	least := o.MinRate / 60 * float64(t.Observed(s.Train))
	var shapes [][]float64
	for f := range counts {
		for i, m := range counts[f].minute {
			p.totals[int(m)-p.all.From] += float64(counts[f].count[i])
		}
		part := counts[f].in(s.Train)
		if part.sum() < least || len(part.minute) < minActive {
			continue
		}
		p.add(datasets.FunctionID(f), "", counts[f])
		shapes = append(shapes, counts[f].shape(t, s.Train))
	}
	t.MarkGaps(p.totals, p.all)
	if len(shapes) > 0 {
		if err := p.group(ctx, shapes, o); err != nil {
			return nil, err
		}
	}
	p.addTotals(o)
	return p, nil
}

// group puts the functions into clusters by their shapes.
func (p *Plan) group(ctx context.Context, shapes [][]float64, o Options) error {
	scaler, err := cluster.FitScaler(shapes)
	if err != nil {
		return err
	}
	k := cluster.DefaultOptions()
	k.MinClusters = 1
	k.MaxClusters = max(1, min(o.MaxClusters, len(shapes)/o.MinClusterFunctions))
	k.Seed, k.Workers = o.Seed, o.Workers
	groups, err := cluster.KMeans(ctx, scaler.ApplyAll(shapes), k)
	if err != nil {
		return err
	}
	for c, size := range groups.Size {
		g := group{name: fmt.Sprintf("c%02d", c), size: size, centre: map[string]float64{}}
		for j, name := range shapeColumns {
			g.centre[name] = groups.Centroids[c][j]*scaler.Std[j] + scaler.Mean[j]
		}
		p.clusters = append(p.clusters, g)
	}
	for i := range p.series {
		p.series[i].cluster = groups.Assignment[i]
	}
	return nil
}

// add appends a series.
func (p *Plan) add(f datasets.FunctionID, scope string, counts sparse) {
	part := counts.in(p.splits.Train)
	rate := part.sum() / float64(p.trace.Observed(p.splits.Train))
	s := planned{function: f, scope: scope, counts: counts, demand: demandClass(rate), keep: p.features.Reach()}
	if rate < weekRate {
		s.keep = min(s.keep, shortMemory)
	}
	for _, c := range counts.count {
		s.limit = max(s.limit, float64(c))
	}
	p.series = append(p.series, s)
}

const (
	// weekRate is the mean count of a minute from which a function's own days are remembered:
	// below, single days say nothing, and the functions are many.
	weekRate = 1
	// shortMemory is what the others keep: a day, and what its columns look at besides.
	shortMemory = datasets.MinutesPerDay + 30
	// maxOwners bounds the owners whose sums are forecast by themselves.
	maxOwners = 16
	// totalsCluster is the name of the cluster of sums.
	totalsCluster = "totals"
)

// addTotals appends the sums of functions that are forecast by themselves: all, by trigger where
// there are several, and those of the owners with the most invocations among the owners
// of several functions.
func (p *Plan) addTotals(o Options) {
	type sum struct {
		scope   string
		members []int
		count   float64
	}
	byScope := map[string]*sum{}
	triggers := map[datasets.Trigger]bool{}
	var order []*sum
	for f := range p.trace.Functions {
		fn := &p.trace.Functions[f]
		if len(p.counts[f].minute) == 0 {
			continue
		}
		triggers[fn.Trigger] = true
		for _, scope := range []string{online.TotalScope, online.TriggerScope + string(fn.Trigger), online.OwnerScope + fn.Owner} {
			if byScope[scope] == nil {
				byScope[scope] = &sum{scope: scope}
				order = append(order, byScope[scope])
			}
			byScope[scope].members = append(byScope[scope].members, f)
			byScope[scope].count += p.counts[f].in(p.splits.Train).sum()
		}
	}
	var kept, owners []*sum
	for _, s := range order {
		isTrigger := len(s.scope) > len(online.TriggerScope) && s.scope[:len(online.TriggerScope)] == online.TriggerScope
		switch {
		case s.scope == online.TotalScope:
			kept = append(kept, s)
		case isTrigger && len(triggers) > 1:
			kept = append(kept, s)
		case !isTrigger && len(s.members) > 1 && len(s.members) < len(byScope[online.TotalScope].members):
			owners = append(owners, s)
		}
	}
	slices.SortStableFunc(owners, func(a, b *sum) int {
		switch {
		case a.count > b.count:
			return -1
		case a.count < b.count:
			return 1
		}
		return 0
	})
	kept = append(kept, owners[:min(len(owners), maxOwners)]...)
	first := len(p.series)
	for i, s := range kept {
		if s.count < o.MinRate/60*float64(p.trace.Observed(p.splits.Train)) {
			continue
		}
		dense := make([]float64, p.all.Len())
		for _, f := range s.members {
			for j, m := range p.counts[f].minute {
				dense[int(m)-p.all.From] += float64(p.counts[f].count[j])
			}
		}
		var c sparse
		for j, v := range dense {
			if v > 0 {
				c.minute, c.count = append(c.minute, int32(p.all.From+j)), append(c.count, float32(v))
			}
		}
		if len(c.in(p.splits.Train).minute) < minActive {
			continue
		}
		p.add(datasets.FunctionID(len(p.counts)+i), s.scope, c)
		p.series[len(p.series)-1].cluster = len(p.clusters)
	}
	if n := len(p.series) - first; n > 0 {
		p.clusters = append(p.clusters, group{name: totalsCluster, size: n})
	}
}

// dense has the counts of the series [from, to) in the whole window, NaN in the gaps of the trace.
func (p *Plan) dense(from, to int) [][]float64 {
	n := p.all.Len()
	flat := make([]float64, (to-from)*n)
	out := make([][]float64, to-from)
	for i := range out {
		out[i] = flat[i*n : (i+1)*n]
		p.series[from+i].counts.dense(out[i], p.all)
		p.trace.MarkGaps(out[i], p.all)
	}
	return out
}

// key of series i, as the model has it.
func (p *Plan) key(i int) online.Key {
	if s := &p.series[i]; s.scope != "" {
		return online.Key{Name: s.scope}
	}
	return online.KeyOf(&p.trace.Functions[p.series[i].function])
}

// Compose puts together what was learned: decompositions in order of the series of the plan,
// and trees in order of its clusters. It completes the report.
func Compose(p *Plan, learned []Decomposition, boosted []*Boosted, rep *Report) (*online.Model, error) {
	m := &online.Model{
		Features:   p.features,
		Prophet:    map[online.Key]*prophet.Fitted{},
		Validation: p.splits.Valid,
		Totals:     []online.Function{},
	}
	gain := make([]float64, len(p.features.Columns()))
	for c, b := range boosted {
		m.Clusters = append(m.Clusters, b.Cluster)
		rep.Clusters = append(rep.Clusters, ClusterReport{
			Name: p.clusters[c].name, Functions: p.clusters[c].size, Centre: p.clusters[c].centre,
			Rows: b.Rows, ValidRows: b.ValidRows, Candidates: b.Candidates,
		})
		rep.Frames = append(rep.Frames, b.Frames...)
		rep.Warnings = append(rep.Warnings, b.Warnings...)
		for j, g := range b.gain {
			gain[j] += g
		}
	}
	planned := make(map[datasets.FunctionID]int, len(p.series))
	for i := range p.series {
		s := &p.series[i]
		k := p.key(i)
		fn := online.Function{Key: k, Class: online.Trees, Cluster: s.cluster, Keep: s.keep}
		if learned[i].Final != nil {
			m.Prophet[k] = learned[i].Final
		}
		fn.Fallback = learned[i].Failed
		if r := boosted[s.cluster].Failed; r != "" {
			fn.Fallback = r
		}
		if fn.Fallback != "" {
			rep.Fallbacks = append(rep.Fallbacks, Fallback{k, fn.Class, fn.Fallback})
		}
		if s.scope != "" {
			m.Totals = append(m.Totals, fn)
			continue
		}
		planned[s.function] = len(m.Functions)
		m.Functions = append(m.Functions, fn)
	}
	for f := range p.trace.Functions {
		if _, ok := planned[datasets.FunctionID(f)]; ok {
			continue
		}
		fn := online.Function{Key: online.KeyOf(&p.trace.Functions[f]), Class: online.Zero}
		if len(p.counts[f].minute) > 0 {
			fn.Class, fn.IAT = online.Interarrival, p.counts[f].iat(p.all)
		}
		m.Functions = append(m.Functions, fn)
	}
	for i := range m.Functions {
		rep.Classes[m.Functions[i].Class]++
	}
	slices.SortFunc(rep.Fallbacks, func(a, b Fallback) int { return a.Function.Compare(b.Function) })
	rep.Importance = importance(p.features.Columns(), gain)
	if err := m.Compile(); err != nil {
		return nil, err
	}
	return m, nil
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
