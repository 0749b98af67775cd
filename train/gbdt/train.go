package gbdt

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/train"
)

// The names of the tables in a Report, as LightGBM prints them.
const (
	TrainingSet   = "training"
	ValidationSet = "valid_1"
)

// An Evaluation is the value of one metric after one iteration.
type Evaluation struct {
	Iteration int // from 1
	Set       string
	Metric    string
	Value     float64
}

// A Report says how training went.
type Report struct {
	// Iterations is the number of trees of the model. It is less than asked for after
	// early stopping or when no leaf could be split any more.
	Iterations int
	// BestIteration is the number of trees at which early stopping saw the best metric;
	// 0 if it did not stop training.
	BestIteration int
	// History holds the metrics in order of iteration: those of the training table if
	// asked for, then those of the validation table.
	History []Evaluation
	// Warnings tell what did not stop training but is likely not meant.
	Warnings []error
	// Binning is how long the table took to bin, Boosting how long the trees took. They
	// are all of a report that differs from run to run.
	Binning, Boosting time.Duration
}

// Train fits a model to t. If valid is not nil, its metrics are measured after every
// iteration and may stop training early; its columns must be those of t. Every metric
// goes to rec too, under the name set/metric, e.g. valid_1/l1; train.Discard forgets them.
//
// A table that no split can improve (constant labels or columns, one row, fewer rows
// than twice MinDataInLeaf) gives a model of one constant tree and a warning.
// Training ends with the error of ctx when that is done.
func Train(ctx context.Context, t, valid *Table, o Options, rec train.Recorder) (*Model, Report, error) {
	if err := o.Validate(); err != nil {
		return nil, Report{}, err
	}
	if err := t.Validate(); err != nil {
		return nil, Report{}, fmt.Errorf("training table: %w", err)
	}
	for _, c := range append(slices.Clone(o.CategoricalFeature), o.IgnoreColumn...) {
		if c >= len(t.Columns) {
			return nil, Report{}, fmt.Errorf("gbdt: categorical_feature and ignore_column must be columns in [0, %d), got %d", len(t.Columns), c)
		}
	}
	obj := newObjective(o)
	if err := obj.Check(t.Label, t.Weight); err != nil {
		return nil, Report{}, fmt.Errorf("training table: %w", err)
	}
	if valid != nil {
		if err := valid.Validate(); err != nil {
			return nil, Report{}, fmt.Errorf("validation table: %w", err)
		}
		if !slices.Equal(t.Columns, valid.Columns) {
			return nil, Report{}, fmt.Errorf("gbdt: validation table: %w", columnsDiffer(t.Columns, valid.Columns))
		}
	} else if o.EarlyStoppingRound > 0 {
		return nil, Report{}, fmt.Errorf("gbdt: early_stopping_round must be 0 without a validation table, got %d", o.EarlyStoppingRound)
	}
	if len(o.Metric) == 0 && obj.metric() != "" {
		o.Metric = []string{obj.metric()}
	}
	if slices.Equal(o.Metric, []string{NoMetric}) {
		o.Metric = nil
	}
	if len(o.Metric) == 0 && o.EarlyStoppingRound > 0 {
		return nil, Report{}, fmt.Errorf("gbdt: early_stopping_round must be 0 without a metric, got %d", o.EarlyStoppingRound)
	}
	p := newPool(o.Workers)
	defer p.close()
	began := time.Now()
	b := newBooster(t, valid, obj, o, p)
	b.report.Binning = time.Since(began)
	began = time.Now()
	if err := b.run(ctx, rec); err != nil {
		return nil, Report{}, err
	}
	b.report.Boosting = time.Since(began)
	b.report.Iterations = len(b.model.Trees)
	return b.model, b.report, nil
}

// A booster adds trees to a model.
type booster struct {
	table, valid *Table
	objective    objective
	options      Options
	pool         *pool
	learner      *learner
	link         func(float64) float64
	score        []float64 // of the rows of table
	validScore   []float64
	bag          *bag
	rows         []int32
	leafWeight   []float32 // of the rows in the percentiles of leaf renewal, nil for 1
	residuals    []float64
	pairs        []weighted
	model        *Model
	report       Report
	best         []progress // per metric of the validation table
}

// progress remembers the best value of a metric, negated if bigger is better.
type progress struct {
	value     float64
	iteration int
}

func newBooster(t, valid *Table, obj objective, o Options, p *pool) *booster {
	d := newDataset(t, o, p)
	b := &booster{
		table: t, valid: valid, objective: obj, options: o, pool: p,
		learner: newLearner(d, o, p),
		score:   makeLarge[float64](t.Rows),
		rows:    makeLarge[int32](t.Rows),
		model: &Model{
			Objective: obj.line(),
			Columns:   slices.Clone(t.Columns),
			Infos:     d.infos(),
		},
	}
	b.link = b.model.link()
	if _, isSign := obj.(absolute); isSign && t.Weight == nil {
		b.learner.signs = newSigns(d, p.workers)
		b.learner.signs.bagged = o.BaggingFraction < 1 && o.BaggingFreq > 0
	} else {
		b.learner.gradients = makeLarge[gradient](t.Rows)
		b.learner.sums = make([][groupWidth][256]cell, d.groups())
	}
	if _, ok := renewal(obj); ok {
		b.leafWeight = t.Weight
		if w, ok := obj.(leafWeigher); ok {
			b.leafWeight = w.leafWeights(t.Label, t.Weight)
		}
		if b.leafWeight == nil {
			b.residuals = makeLarge[float64](t.Rows)
		} else {
			b.pairs = make([]weighted, t.Rows)
		}
	}
	if valid != nil {
		b.validScore = make([]float64, valid.Rows)
	}
	if o.BaggingFraction < 1 && o.BaggingFreq > 0 {
		b.bag = newBag(t.Rows, o)
	}
	if len(d.features) == 0 {
		b.warn("no column can be split with min_data_in_leaf %d rows on both sides", o.MinDataInLeaf)
	}
	if o.BaggingFraction < 1 && o.BaggingFreq == 0 {
		b.warn("bagging_fraction %v has no effect because bagging_freq is 0", o.BaggingFraction)
	}
	for range o.Metric {
		b.best = append(b.best, progress{value: math.Inf(1)})
	}
	return b
}

func (b *booster) warn(format string, args ...any) {
	b.report.Warnings = append(b.report.Warnings, fmt.Errorf("gbdt: "+format, args...))
}

func (b *booster) run(ctx context.Context, rec train.Recorder) error {
	for iteration := 1; iteration <= b.options.NumIterations; iteration++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("gbdt: iteration %d: %w", iteration, err)
		}
		grown, err := b.iterate(iteration)
		if err != nil {
			return err
		}
		if !grown {
			b.warn("training ended in iteration %d: no leaf can be split any more", iteration)
			return nil
		}
		if b.measure(iteration, rec) {
			return nil
		}
	}
	return nil
}

// iterate adds one tree. It returns false if the tree has one leaf; such a tree is kept
// only when it is the first.
func (b *booster) iterate(iteration int) (grown bool, err error) {
	start := 0.0
	if iteration == 1 && b.options.BoostFromAverage {
		start = b.objective.Start(b.table.Label, b.table.Weight)
		if math.Abs(start) > epsilon {
			b.addScore(start)
		} else {
			start = 0
		}
	}
	b.differentiate()
	rows := b.drawRows(iteration)
	g, h := b.sums(rows)
	if !finite(g) || !finite(h) {
		return false, fmt.Errorf("gbdt: iteration %d: derivatives of the objective must have finite sums, got %v and %v; a smaller learning_rate may help", iteration, g, h)
	}
	tree := b.learner.grow(rows, g, h)
	if tree.NumLeaves() == 1 {
		if iteration == 1 {
			if !b.options.BoostFromAverage {
				start = b.objective.Start(b.table.Label, b.table.Weight)
			}
			b.model.Trees = append(b.model.Trees, constantTree(start, b.table.Rows))
		}
		return false, nil
	}
	b.renew(&tree)
	tree.scale(b.options.LearningRate)
	b.apply(&tree)
	if start != 0 {
		tree.shift(start)
	}
	b.model.Trees = append(b.model.Trees, tree)
	return true, nil
}

func (b *booster) addScore(v float64) {
	for _, s := range [][]float64{b.score, b.validScore} {
		for i := range s {
			s[i] += v
		}
	}
}

// differentiate computes the derivatives of the loss at the current scores.
func (b *booster) differentiate() {
	label, weight := b.table.Label, b.table.Weight
	if signs := b.learner.signs; signs != nil {
		signs.update(b.pool, b.score, label)
		return
	}
	b.pool.blocks(b.table.Rows, func(from, to int) {
		out := b.learner.gradients
		for i := from; i < to; i++ {
			g, h := b.objective.Gradient(b.score[i], label[i])
			if weight != nil {
				g *= float64(weight[i])
				h *= float64(weight[i])
			}
			out[i] = gradient{float32(g), float32(h)}
		}
	})
}

// drawRows returns the rows that the next tree sees, in ascending order.
func (b *booster) drawRows(iteration int) []int32 {
	if b.bag != nil {
		if (iteration-1)%b.options.BaggingFreq == 0 {
			b.bag.draw()
		}
		return append(b.rows[:0], b.bag.in...)
	}
	for i := range b.rows {
		b.rows[i] = int32(i)
	}
	return b.rows
}

// sums adds the derivatives of rows in their order.
func (b *booster) sums(rows []int32) (g, h float64) {
	if signs := b.learner.signs; signs != nil {
		return signs.sum(rows), float64(len(rows))
	}
	for _, i := range rows {
		d := b.learner.gradients[i]
		g += float64(d.g)
		h += float64(d.h)
	}
	return g, h
}

// renew replaces the outputs of the leaves by percentiles of the residuals, if the
// objective asks for it.
func (b *booster) renew(t *Tree) {
	alpha, ok := renewal(b.objective)
	if !ok {
		return
	}
	label, weight := b.table.Label, b.leafWeight
	b.pool.run(t.NumLeaves(), func(k int) {
		x := b.learner.leaves[k]
		if x.count() == 0 {
			return
		}
		rows := b.learner.rows[x.from:x.to]
		if weight == nil {
			v := b.residuals[x.from:x.to]
			for j, i := range rows {
				v[j] = float64(label[i]) - b.score[i]
			}
			t.LeafValue[k] = flushZero(percentile(v, alpha))
			return
		}
		v := b.pairs[x.from:x.to]
		for j, i := range rows {
			v[j] = weighted{float64(label[i]) - b.score[i], float64(weight[i])}
		}
		t.LeafValue[k] = flushZero(weightedPercentile(v, alpha, func(v float64) float64 { return v }))
	})
}

// apply adds the outputs of t to the scores.
func (b *booster) apply(t *Tree) {
	b.pool.run(t.NumLeaves(), func(k int) {
		x := b.learner.leaves[k]
		for _, i := range b.learner.rows[x.from:x.to] {
			b.score[i] += t.LeafValue[k]
		}
	})
	if b.bag != nil {
		b.pool.blocks(len(b.bag.out), func(from, to int) {
			for _, i := range b.bag.out[from:to] {
				b.score[i] += t.LeafValue[t.Leaf(b.table.Row(int(i)))]
			}
		})
	}
	if b.valid != nil {
		b.pool.blocks(b.valid.Rows, func(from, to int) {
			for i := from; i < to; i++ {
				b.validScore[i] += t.LeafValue[t.Leaf(b.valid.Row(i))]
			}
		})
	}
}

// measure evaluates the metrics and reports whether to stop early.
func (b *booster) measure(iteration int, rec train.Recorder) bool {
	note := func(set, metric string, t *Table, score []float64) float64 {
		v := evaluate(metric, &b.options, t, score, b.link, b.pool)
		b.report.History = append(b.report.History, Evaluation{iteration, set, metric, v})
		rec.Record(set+"/"+metric, iteration, v)
		return v
	}
	if b.options.IsProvideTrainingMetric {
		for _, m := range b.options.Metric {
			note(TrainingSet, m, b.table, b.score)
		}
	}
	if b.valid == nil {
		return false
	}
	for i, m := range b.options.Metric {
		v := note(ValidationSet, m, b.valid, b.validScore)
		if i > 0 && b.options.FirstMetricOnly {
			continue
		}
		if metrics[m].bigger {
			v = -v
		}
		rounds := b.options.EarlyStoppingRound
		if best := &b.best[i]; best.value-v > b.options.EarlyStoppingMinDelta {
			*best = progress{v, iteration}
		} else if rounds > 0 && iteration-best.iteration >= rounds && b.report.BestIteration == 0 {
			b.report.BestIteration = max(1, best.iteration)
		}
	}
	if b.report.BestIteration > 0 {
		b.model.Trees = b.model.Trees[:max(1, len(b.model.Trees)-b.options.EarlyStoppingRound)]
		return true
	}
	return false
}

// A bag draws a share of the rows with LightGBM's generators, one per bagRows rows.
type bag struct {
	fraction float64
	random   []*random
	rows     int
	in, out  []int32
}

const bagRows = 1024 // bagging_rand_block_ in LightGBM's bagging.hpp

func newBag(rows int, o Options) *bag {
	b := &bag{fraction: o.BaggingFraction, rows: rows}
	for i := 0; i*bagRows < rows; i++ {
		b.random = append(b.random, newRandom(o.BaggingSeed+i))
	}
	return b
}

func (b *bag) draw() {
	b.in, b.out = b.in[:0], b.out[:0]
	for i := range b.rows {
		if float64(b.random[i/bagRows].float()) < b.fraction {
			b.in = append(b.in, int32(i))
		} else {
			b.out = append(b.out, int32(i))
		}
	}
}
