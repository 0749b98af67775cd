// Package index learns the numbers of the index (scheduler/index) by simulation: a
// cross-entropy search in which every candidate is tried on the same stretches, drawn once.
//
// It is the search of the paper's weights, which "can be trained from historical data"
// (Incendio, Section IV), over everything that the stack decides: signs and
// exponents of the order of starts, of what is evicted and of what is kept, and the limits
// beside them. What it finds is judged on stretches that it has not seen, beside what it began
// with, and stands only where it is better there.
package index

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/index"
	"github.com/incendio-faas/incendio/train"
)

// Options of Learn.
type Options struct {
	// Generations of candidates, >= 0; 0 learns nothing and keeps the start. Default 8.
	Generations int `json:"generations"`
	// Candidates of a generation, >= 4, the mean of the distribution among them. Default 8.
	Candidates int `json:"candidates"`
	// Requests that the search may simulate, > 0: there are fewer generations where they
	// would be more. Default 60 million.
	Requests int64 `json:"requests"`
	// DropCost is what the share of requests that are dropped beyond native's adds to the
	// logarithm of the mean latency, >= 0. Default 200: one in ten thousand is worth 2 %.
	DropCost float64 `json:"drop_cost"`
	// MinGain is by how much the logarithm must be less than at the start, on stretches that
	// the search has not seen, for what it found to be used, >= 0. Default 0.005.
	MinGain float64 `json:"min_gain"`
	// Search names the parameters that are searched; the others stay as they are.
	Search []string `json:"search"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{
		Generations: 8, Candidates: 8, Requests: 60e6, DropCost: 200, MinGain: 0.005,
		Search: []string{
			"order_exec", "order_init", "order_mem", "order_cpu", "order_freq", "order_clock", "order_term", "cold_weight",
			"long_s", "long_limit", "short_limit", "kappa", "kappa_starting", "kappa_evict",
			"evict_init", "evict_mem", "evict_freq", "evict_elapsed", "evict_idle",
			"keep_s", "keep_init", "keep_free", "deflate",
		},
	}
}

// Validate reports all options that are out of range.
func (o Options) Validate() error {
	out := option.Check{Package: "index"}
	out.That(o.Generations >= 0, "generations", "must not be negative, got %d", o.Generations)
	out.That(o.Candidates >= 4, "candidates", "must be at least 4, got %d", o.Candidates)
	out.That(o.Requests > 0, "requests", "must be positive, got %d", o.Requests)
	out.That(o.DropCost >= 0 && !math.IsInf(o.DropCost, 0), "drop_cost", "must not be negative, got %g", o.DropCost)
	out.That(o.MinGain >= 0 && !math.IsInf(o.MinGain, 0), "min_gain", "must not be negative, got %g", o.MinGain)
	_, err := o.searched()
	out.Note("search", err)
	return out.Err()
}

// searched are the parameters that Search names, in its order.
func (o Options) searched() ([]index.Parameter, error) {
	all := index.Parameters()
	var out []index.Parameter
	for i, name := range o.Search {
		k := slices.IndexFunc(all, func(p index.Parameter) bool { return p.Name == name })
		if k < 0 {
			names := make([]string, len(all))
			for i, p := range all {
				names[i] = p.Name
			}
			return nil, fmt.Errorf("[%d]: parameter %q: must be one of %s", i, name, strings.Join(names, ", "))
		}
		if slices.Contains(o.Search[:i], name) {
			return nil, fmt.Errorf("names %q twice", name)
		}
		out = append(out, all[k])
	}
	if len(out) == 0 && o.Generations > 0 {
		return nil, errors.New("names no parameter")
	}
	return out, nil
}

// A Finalist is a candidate that was judged.
type Finalist struct {
	Options index.Options `json:"options"`
	Origin  string        `json:"origin"` // "start", "search" (a candidate) or "mean" (of the last distribution)
	Train   float64       `json:"train"`  // cost on the stretches of the search; see Cost
	Valid   float64       `json:"valid"`  // and on those that it has not seen
}

// A Generation is a step of the search.
type Generation struct {
	Mean   float64 `json:"mean"`   // cost of the mean of the distribution
	Best   float64 `json:"best"`   // least cost of a candidate
	Spread float64 `json:"spread"` // mean over parameters of the deviation, as a share of the first one
}

// A Learned is a parameter that was searched.
type Learned struct {
	Name  string  `json:"name"`
	Start float64 `json:"start"`
	Value float64 `json:"value"` // of Best
	Sign  int     `json:"sign"`  // of Value
}

// A Result of Learn.
type Result struct {
	Best        Finalist     `json:"best"`
	Finalists   []Finalist   `json:"finalists"` // the start first
	Generations []Generation `json:"generations"`
	Parameters  []Learned    `json:"parameters"`
	Requests    int64        `json:"requests"` // simulated in the search
	Train       []Score      `json:"train"`    // of Best on each stretch
	Valid       []Score      `json:"valid"`
}

// Start and the other origins of a Finalist.
const (
	FromStart  = "start"
	FromSearch = "search"
	FromMean   = "mean"
)

// finalists of the search are judged beside the start and the last mean.
const finalists = 3

// Learn searches from start for the options with the least [Cost] on the stretches onTrain, and
// returns of the finalists and the start the one with the least cost on onValid, the start
// where nothing is better by o.MinGain. Up to r.Workers simulations run at once; the result does
// not depend on how many. Costs are recorded as "index/mean" and "index/best".
func Learn(ctx context.Context, start index.Options, onTrain, onValid []*Stretch, o Options, r train.Resources) (*Result, error) {
	for _, err := range []error{o.Validate(), start.Validate()} {
		if err != nil {
			return nil, err
		}
	}
	if len(onTrain) == 0 || len(onValid) == 0 {
		return nil, errors.New("index: no stretches to learn on, or none to judge on")
	}
	parameters, err := o.searched()
	if err != nil {
		return nil, err
	}
	perCandidate := int64(0)
	for _, s := range onTrain {
		perCandidate += s.workload.Requests()
	}
	generations := min(o.Generations, max(1, int(o.Requests/max(1, perCandidate*int64(o.Candidates)))))
	if o.Generations == 0 {
		generations = 0
	}
	res := &Result{}
	dist := newDistribution(parameters, start)
	src := seed.Stream(r.Seed, "index")
	var pool []Finalist
	for g := range generations {
		candidates := dist.draw(src, o.Candidates)
		costs, err := costs(ctx, candidates, onTrain, o, r.Workers)
		if err != nil {
			return nil, err
		}
		res.Requests += perCandidate * int64(len(candidates))
		order := make([]int, len(candidates))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return compare(costs[a], costs[b]) })
		step := Generation{Mean: costs[0], Best: costs[order[0]], Spread: dist.spread()}
		res.Generations = append(res.Generations, step)
		r.Recorder.Record("index/mean", g, step.Mean)
		r.Recorder.Record("index/best", g, step.Best)
		for i, c := range candidates {
			origin := FromSearch
			if i == 0 && g == 0 {
				origin = FromStart
			}
			pool = append(pool, Finalist{Options: c, Origin: origin, Train: costs[i]})
		}
		dist.update(candidates, order)
	}
	if err := res.judge(ctx, start, dist, pool, onTrain, onValid, o, r.Workers); err != nil {
		return nil, err
	}
	for _, p := range parameters {
		v := p.Get(res.Best.Options)
		l := Learned{Name: p.Name, Start: p.Get(start), Value: v}
		switch {
		case v > 0:
			l.Sign = 1
		case v < 0:
			l.Sign = -1
		}
		res.Parameters = append(res.Parameters, l)
	}
	return res, nil
}

// judge chooses among the start, the best candidates of the search and its last mean.
func (res *Result) judge(ctx context.Context, start index.Options, dist *distribution, pool []Finalist, onTrain, onValid []*Stretch, o Options, workers int) error {
	slices.SortStableFunc(pool, func(a, b Finalist) int { return compare(a.Train, b.Train) })
	res.Finalists = []Finalist{{Options: start, Origin: FromStart}}
	for _, f := range pool {
		if f.Origin == FromSearch && len(res.Finalists) <= finalists {
			res.Finalists = append(res.Finalists, f)
		}
	}
	if len(pool) > 0 {
		res.Finalists = append(res.Finalists, Finalist{Options: dist.options(dist.mean), Origin: FromMean})
	}
	options := make([]index.Options, len(res.Finalists))
	for i, f := range res.Finalists {
		options[i] = f.Options
	}
	valid, err := costs(ctx, options, onValid, o, workers)
	if err != nil {
		return err
	}
	again, err := costs(ctx, options, onTrain, o, workers)
	if err != nil {
		return err
	}
	best := 0
	for i := range res.Finalists {
		res.Finalists[i].Train, res.Finalists[i].Valid = again[i], valid[i]
		if valid[i] < valid[best] && valid[i] <= valid[0]-o.MinGain {
			best = i
		}
	}
	res.Best = res.Finalists[best]
	if math.IsNaN(res.Best.Valid) || math.IsInf(res.Best.Valid, 0) {
		return errors.New("index: the start has no finite cost")
	}
	for _, part := range []struct {
		stretches []*Stretch
		to        *[]Score
	}{{onTrain, &res.Train}, {onValid, &res.Valid}} {
		*part.to = make([]Score, len(part.stretches))
		g, ctx := parallel.WithContext(ctx)
		g.SetLimit(max(1, workers))
		for i, s := range part.stretches {
			g.Go(func() (err error) {
				(*part.to)[i], err = s.Try(ctx, res.Best.Options)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// costs tries every candidate on every stretch.
func costs(ctx context.Context, candidates []index.Options, stretches []*Stretch, o Options, workers int) ([]float64, error) {
	each := make([]float64, len(candidates)*len(stretches))
	g, ctx := parallel.WithContext(ctx)
	g.SetLimit(max(1, workers))
	for i, c := range candidates {
		for k, s := range stretches {
			g.Go(func() error {
				f, err := s.Try(ctx, c)
				each[i*len(stretches)+k] = f.Cost(o.DropCost)
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make([]float64, len(candidates))
	for i := range out {
		for _, v := range each[i*len(stretches) : (i+1)*len(stretches)] {
			out[i] += v / float64(len(stretches))
		}
	}
	return out, nil
}

// compare orders costs; what is no number is the worst.
func compare(a, b float64) int {
	switch {
	case a < b || math.IsNaN(b) && !math.IsNaN(a):
		return -1
	case b < a || math.IsNaN(a) && !math.IsNaN(b):
		return 1
	}
	return 0
}

// A distribution is independent normal ones over the parameters: of their logarithms where
// they are positive by nature, else of themselves.
type distribution struct {
	parameters []index.Parameter
	base       index.Options // the others
	log        []bool
	mean, dev  []float64
	first      []float64 // deviations at the start
}

// Deviations at the start.
const (
	logDeviation      = 0.35
	exponentDeviation = 0.25
)

func newDistribution(parameters []index.Parameter, start index.Options) *distribution {
	d := &distribution{parameters: parameters, base: start}
	for _, p := range parameters {
		v := p.Get(start)
		log := p.Low >= 0 && v > 0
		d.log = append(d.log, log)
		if log {
			d.mean, d.dev = append(d.mean, math.Log(v)), append(d.dev, logDeviation)
		} else {
			d.mean, d.dev = append(d.mean, v), append(d.dev, exponentDeviation*max(1, math.Abs(v)))
		}
	}
	d.first = slices.Clone(d.dev)
	return d
}

// options are those at x.
func (d *distribution) options(x []float64) index.Options {
	o := d.base
	for k, p := range d.parameters {
		v := x[k]
		if d.log[k] {
			v = math.Exp(v)
		}
		p.Set(&o, min(p.High, max(p.Low, v)))
	}
	return o
}

// draw returns n candidates: the mean, and pairs that lie opposite to each other about it, so
// that a generation has the mean of the distribution.
func (d *distribution) draw(src *rand.Rand, n int) []index.Options {
	out := []index.Options{d.options(d.mean)}
	x := make([]float64, len(d.mean))
	y := make([]float64, len(d.mean))
	for len(out) < n {
		for k := range x {
			step := d.dev[k] * src.NormFloat64()
			x[k], y[k] = d.mean[k]+step, d.mean[k]-step
		}
		if out = append(out, d.options(x)); len(out) < n {
			out = append(out, d.options(y))
		}
	}
	return out
}

// learning is how far deviations go towards those of the elite.
const learning = 0.6

// update moves the distribution to the better half of the candidates, the best one weighing
// the most: weights are those of CMA-ES by rank, and deviations are taken about the old mean
// (Hansen, The CMA Evolution Strategy: A Tutorial, arXiv 1604.00772, Eq. 49 and Section 3.2),
// so that they grow where the mean moves.
func (d *distribution) update(candidates []index.Options, order []int) {
	elite := max(1, len(order)/2)
	weight := make([]float64, elite)
	sum := 0.0
	for i := range weight {
		weight[i] = math.Log(float64(len(order)+1)/2) - math.Log(float64(i+1))
		sum += weight[i]
	}
	for k, p := range d.parameters {
		mean, square := 0.0, 0.0
		for i, w := range weight {
			v := p.Get(candidates[order[i]])
			if d.log[k] {
				v = math.Log(max(v, math.SmallestNonzeroFloat64))
			}
			mean += w / sum * v
			square += w / sum * (v - d.mean[k]) * (v - d.mean[k])
		}
		d.dev[k] = (1-learning)*d.dev[k] + learning*math.Sqrt(square)
		d.mean[k] = mean
	}
}

// spread is how wide the distribution is, as a share of what it was.
func (d *distribution) spread() float64 {
	sum := 0.0
	for k := range d.dev {
		sum += d.dev[k] / d.first[k]
	}
	return sum / float64(len(d.dev))
}
