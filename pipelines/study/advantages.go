package study

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/index"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// An advantageCell is a platform on which the options that the index does not take are valued.
type advantageCell struct {
	five           bool    // the five functions of Fig. 10 to 12, else the trace
	load, memory   float64 // as in a decisionCell; load counts for the trace alone
	startCPU       float64
	states         int // for each kind of option
	futures        int // of each, even
	stretches      int
	warmup, length int // minutes of a stretch
}

// horizons for which a future is followed. The longer, the more of what a choice leads to is
// in the difference, and the more of what it has nothing to do with: runs that differ in one
// start soon differ in all. The middle one is the one of most columns.
var horizons = [3]decide.Time{decide.Second, 5 * decide.Second, 20 * decide.Second}

const judged = 1

var advantageCells = func() []advantageCell {
	cell := func(five bool, load, memory, startCPU float64) advantageCell {
		return advantageCell{five, load, memory, startCPU, 120, 8, 3, 20, 10}
	}
	return []advantageCell{
		cell(false, 1.075, 0.5, 0), cell(false, 0.95, 0.375, 0), cell(false, 1.075, 1, 0.5), cell(false, 0.8, 0.5, 0.5), cell(true, 0, 0.6, 0), cell(true, 0, 1, 0.5),
	}
}()

func (c advantageCell) String() string {
	d := decisionCell{c.load, c.memory, c.startCPU}.String()
	if c.five {
		d = fmt.Sprintf("five functions, memory x %g", c.memory)
		if c.startCPU > 0 {
			d += fmt.Sprintf(", %g cores a start", c.startCPU)
		}
	}
	return d
}

// A valued state is one at which an option was tried: by how much less delay there is with it
// than with the index's own choice, in ms, for every horizon and future.
type valued struct {
	Kind     index.Kind               `json:"kind"`
	Features [index.Features]float64  `json:"features"`
	Gain     [len(horizons)][]float64 `json:"gain_ms"`
}

// A weighing is what came out of the stretches of a cell.
type weighing struct {
	Requests  int64                `json:"requests"`
	Mean      float64              `json:"mean_ms"`
	Concerned [index.Kinds]float64 `json:"concerned"` // requests that had such an option at some time
	States    []valued             `json:"states"`
}

// advantages measures what the options that the index does not take would have been worth: the
// run is forked before a decision, one of two runs takes the option and both go on as the
// index does, with the same futures, several of them, in which everything that the scheduler
// cannot know is drawn anew.
func advantages(ctx context.Context, l *lab) error {
	t, o, err := l.platform()
	if err != nil {
		return err
	}
	train := datasets.Split(t.Span).Train
	one := o
	one.Window, one.ScaleArrivals = train, 1
	base, err := sim.OfferedLoad(ctx, t, one)
	if err != nil {
		return err
	}
	l.say("The training part of %s, minutes %v, and five functions of another seed than that of their figures. The numbers of the index are those that come with the program.", t.Name, train)
	l.say("Positive is less delay than under the index's own choice, in ms of all requests together over the %g s after the decision and what is then left to execute, with 95 %% intervals over states. "+
		"Cross-fitted: an option is taken where half of the futures are for it, and valued by the other half. Fitted: it is taken where a ridge regression on %d features of the option, fitted to other states, is for it. "+
		"The share is what cross-fitting would save of the mean latency if every request that had such an option took it once. States are one for a request, at one of the events at which it had the option.", horizons[judged].Seconds(), index.Features)
	for _, c := range advantageCells {
		w, err := l.weigh(ctx, c, t, o, train, base)
		if err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
		table := Table{Title: c.String(), Columns: []Column{
			{"option", "option", ""}, {"concerned", "of 1000 requests", "%.1f"}, {"states", "states", "%.0f"},
			{"mean_ms", "always: ms", "%.1f"}, {"mean_half", "±", "%.1f"}, {"crossed_ms", "cross-fitted: ms", "%.1f"}, {"crossed_half", "±", "%.1f"},
			{"fitted_ms", "fitted: ms", "%.1f"}, {"fitted_half", "±", "%.1f"}, {"share", "of the mean %", "%.2f"}, {"share_half", "±", "%.2f"},
			{"first_ms", fmt.Sprintf("cross-fitted over %g s: ms", horizons[0].Seconds()), "%.1f"}, {"first_half", "±", "%.1f"},
			{"last_ms", fmt.Sprintf("over %g s: ms", horizons[2].Seconds()), "%.1f"}, {"last_half", "±", "%.1f"},
			{"last_always_ms", "always, over that: ms", "%.1f"}, {"last_always_half", "±", "%.1f"}, {"last_fitted_ms", "fitted, over that: ms", "%.1f"}, {"last_fitted_half", "±", "%.1f"},
		}}
		l.say("%v: %d requests under the index, mean %.0f ms.", c, w.Requests, w.Mean)
		for k := range index.Kind(index.Kinds) {
			var states []valued
			for _, s := range w.States {
				if s.Kind == k {
					states = append(states, s)
				}
			}
			if len(states) < 2 {
				continue
			}
			var always, crossed [len(horizons)][]float64
			for _, s := range states {
				for h := range horizons {
					a, c := crossFit(s.Gain[h])
					always[h], crossed[h] = append(always[h], a), append(crossed[h], c)
				}
			}
			fitted := fittedGains(states, always[judged])
			am, ah := interval(always[judged])
			cm, ch := interval(crossed[judged])
			fm, fh := interval(fitted)
			m0, h0 := interval(crossed[0])
			m2, h2 := interval(crossed[2])
			a2, ah2 := interval(always[2])
			f2, fh2 := interval(fittedGains(states, always[2]))
			concerned := w.Concerned[k] / float64(w.Requests)
			share := 100 * concerned / w.Mean
			table.add(k.String(), 1000*concerned, float64(len(states)), am, ah, cm, ch, fm, fh, share*cm, share*ch, m0, h0, m2, h2, a2, ah2, f2, fh2)
		}
		l.table(table)
	}
	return nil
}

// crossFit is the mean of the gains in all futures, and the mean of what taking the option
// gains where the other half of the futures is for it.
func crossFit(gains []float64) (all, crossed float64) {
	var half [2]float64
	for j, g := range gains {
		half[j%2] += g / float64(len(gains)/2)
	}
	for k := range half {
		if half[1-k] > 0 {
			crossed += half[k] / 2
		}
	}
	return (half[0] + half[1]) / 2, crossed
}

// folds of the states: a fit to the others says of which an option is taken.
const folds = 5

// fittedGains are the gains of taking an option where a regression on its features says so that
// was fitted to the states of other folds. The states are in the order of time, and a fold is
// a stretch of them.
func fittedGains(states []valued, gains []float64) []float64 {
	out := make([]float64, len(states))
	for fold := range folds {
		var rows [][index.Features]float64
		var y []float64
		inside := func(i int) bool { return i*folds/len(states) == fold }
		for i := range states {
			if !inside(i) {
				rows, y = append(rows, states[i].Features), append(y, gains[i])
			}
		}
		predict := ridge(rows, y)
		for i := range states {
			if inside(i) && predict(states[i].Features) > 0 {
				out[i] = gains[i]
			}
		}
	}
	return out
}

// ridge fits y by the standardised columns of x with a penalty of as much as a tenth of the rows. Outliers of y count
// as three deviations.
func ridge(x [][index.Features]float64, y []float64) func([index.Features]float64) float64 {
	const n = index.Features
	var mean, dev, b [n]float64
	rows := float64(max(1, len(x)))
	moments := func(v func(i int) float64) (m, d float64) {
		for i := range x {
			m += v(i) / rows
		}
		for i := range x {
			d += (v(i) - m) * (v(i) - m) / rows
		}
		return m, math.Sqrt(d)
	}
	for k := range n {
		if mean[k], dev[k] = moments(func(i int) float64 { return x[i][k] }); dev[k] == 0 {
			dev[k] = 1
		}
	}
	my, dy := moments(func(i int) float64 { return y[i] })
	var a [n][n]float64
	for i := range x {
		v := min(3*dy, max(-3*dy, y[i]-my))
		for k := range n {
			xk := (x[i][k] - mean[k]) / dev[k]
			b[k] += xk * v
			for j := range n {
				a[k][j] += xk * (x[i][j] - mean[j]) / dev[j]
			}
		}
	}
	for k := range n {
		a[k][k] += rows/10 + 1e-9
	}
	for k := range n { // it is positive definite: no pivot is needed
		for i := range n {
			if i != k {
				f := a[i][k] / a[k][k]
				for j := k; j < n; j++ {
					a[i][j] -= f * a[k][j]
				}
				b[i] -= f * b[k]
			}
		}
	}
	return func(v [n]float64) float64 {
		sum := my
		for k := range n {
			sum += b[k] / a[k][k] * (v[k] - mean[k]) / dev[k]
		}
		return sum
	}
}

// weigh values the options of a cell, or reads what was kept of it.
func (l *lab) weigh(ctx context.Context, c advantageCell, t *datasets.Trace, o sim.Options, train datasets.Window, base float64) (*weighing, error) {
	w := &weighing{}
	draw := func(rnd uint64) (*datasets.Trace, error) { return t, nil }
	if c.five {
		draw = func(rnd uint64) (*datasets.Trace, error) {
			return sim.Shape{Sizes: sim.PaperSizes, StartCost: sim.TraceCost, StartSigma: 0}.Apply(fiveFunctions(rnd), l.Seed)
		}
		five, err := draw(l.Seed + 1)
		if err != nil {
			return nil, err
		}
		t, train = five, five.Span
		o.Cluster, o.ScaleArrivals = fiveCluster(five), 1
	} else {
		o.ScaleArrivals = c.load / base
	}
	o.Cluster.MemoryMB = max(int(c.memory*float64(o.Cluster.MemoryMB)), largestMB(t))
	o.Cluster.StartCPU = c.startCPU
	after := int((horizons[len(horizons)-1] + decide.Minute - 1) / decide.Minute)
	err := l.kept([]any{"advantages", t.Digest, t.Name, o, train, c.five, c.states, c.futures, c.stretches, c.warmup, c.length, horizons, l.Seed}, w, func() error {
		*w = weighing{}
		latency := 0.0
		for s := range c.stretches {
			// As far apart as the part allows.
			room := train.Len() - c.length - after
			from := train.From + min(room, c.warmup) + s*max(0, room-c.warmup)/max(1, c.stretches-1)
			oc := o
			oc.Window, oc.WarmupMinutes = datasets.Window{From: from, To: min(train.To, from+c.length+after)}, c.warmup
			futures := make([]*sim.Workload, c.futures+1) // the first is the past
			for j := range futures {
				oc.Seed = seed.Key(l.Seed, fmt.Sprint("future ", s, " ", j)) >> 1
				drawn, err := draw(oc.Seed)
				if err != nil {
					return err
				}
				if futures[j], err = sim.Load(ctx, drawn, oc.Draw); err != nil {
					return err
				}
			}
			last := decide.Time(from+c.length) * decide.Minute
			sum, err := l.stretch(ctx, c, t, oc, futures, last, (c.states+c.stretches-1)/c.stretches, w)
			if err != nil {
				return err
			}
			latency += sum
		}
		w.Mean = latency / float64(max(1, w.Requests))
		return nil
	})
	return w, err
}

// A sampled state is the step before which a run is forked, and an option there.
type sampled struct {
	step int64
	a    index.Alternative
}

// stretch values options of the run of futures[0] until last, n of each kind, and returns the
// sum of the latencies of its requests in ms.
func (l *lab) stretch(ctx context.Context, c advantageCell, t *datasets.Trace, o sim.Options, futures []*sim.Workload, last decide.Time, n int, w *weighing) (float64, error) {
	watch := &outcomes{}
	look := &lookout{src: seed.Stream(o.Seed, "states"), n: n, concerned: map[concern]*seen{}}
	play := func() (*sim.Player, *index.Index, error) {
		p, err := index.New(index.DefaultOptions(), nil)
		if err != nil {
			return nil, nil, err
		}
		look.Index = p
		player, err := sim.Play(t, futures[0], func(*datasets.Trace, policy.Site) (policy.Stack, error) {
			return policy.Stack{Name: policy.IndexName, Dispatcher: look, Pool: look, Placer: look}, nil
		}, o)
		return player, p, err
	}
	first := o
	o.Observer = watch
	player, _, err := play()
	if err != nil {
		return 0, err
	}
	for player.Next() < last {
		look.open = player.Next() >= player.Begin()
		if err := player.Step(); err != nil {
			return 0, err
		}
		if look.step++; look.step&0xffff == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	look.open = false
	if err := player.Until(ctx, last+decide.Minute); err != nil { // most that have arrived are done
		return 0, err
	}
	sum := 0.0
	for _, x := range watch.all {
		if x.Arrival < last {
			sum += float64(x.Done-x.Arrival) / float64(decide.Millisecond)
			w.Requests++
		}
	}
	for k := range look.requests {
		w.Concerned[k] += float64(look.requests[k])
	}
	var states []sampled
	for _, r := range look.states {
		states = append(states, r...)
	}
	slices.SortFunc(states, func(a, b sampled) int {
		if a.step != b.step {
			return int(a.step - b.step)
		}
		return int(a.a.Kind) - int(b.a.Kind)
	})
	o = first
	look.off = true
	player, p, err := play()
	if err != nil {
		return 0, err
	}
	step := int64(0)
	for i := range states {
		for ; step < states[i].step; step++ {
			if err := player.Step(); err != nil {
				return 0, err
			}
		}
		v := valued{Kind: states[i].a.Kind, Features: states[i].a.Features}
		delays, errs := make([][len(horizons)]float64, 2*(len(futures)-1)), make([]error, 2*(len(futures)-1))
		if err := parallel.For(ctx, len(delays), l.Workers, func(k int) {
			var take *index.Alternative
			if k%2 == 1 {
				take = &states[i].a
			}
			delays[k], errs[k] = follow(ctx, player, p, take, futures[1+k/2], seed.Key(o.Seed, fmt.Sprint("unknown ", k/2)))
		}); err != nil {
			return 0, err
		}
		for k, err := range errs {
			if err != nil {
				return 0, err
			}
			for h := range horizons {
				if k%2 == 1 {
					v.Gain[h] = append(v.Gain[h], (delays[k-1][h]-delays[k][h])/1000)
				}
			}
		}
		w.States = append(w.States, v)
	}
	return sum, nil
}

// follow forks the run, takes the option at the next event, and returns the delay after that.
func follow(ctx context.Context, player *sim.Player, p *index.Index, take *index.Alternative, future *sim.Workload, rnd uint64) (delays [len(horizons)]float64, err error) {
	d := index.Deviate(p.Clone(), take)
	f := player.Fork(policy.Stack{Name: policy.IndexName, Dispatcher: d, Pool: d, Placer: d})
	if err := f.Step(); err != nil {
		return delays, err
	}
	if err := f.Redraw(future, rnd); err != nil {
		return delays, err
	}
	begin := f.Now()
	for h, horizon := range horizons {
		if err := f.Until(ctx, begin+horizon); err != nil {
			return delays, err
		}
		delays[h], _ = f.Delay(begin + horizon)
	}
	return delays, nil
}

// A concern is a request that had an option of a kind.
type concern struct {
	kind    index.Kind
	request decide.RequestID
	arrival decide.Time
}

// A lookout is an index that samples the options that it does not take: of each kind n requests
// that have one, each with the same probability, and of the events at which they do one.
type lookout struct {
	*index.Index
	src       *rand.Rand
	n         int
	off, open bool // open: inside the window
	fresh     bool // Next was not asked yet at this event
	step      int64
	options   []index.Alternative
	requests  [index.Kinds]int // that had one
	states    [index.Kinds][]sampled
	keys      [index.Kinds][]concern // of states
	concerned map[concern]*seen
}

// seen is at how many events a request had an option, and its place in the sample.
type seen struct{ events, at int }

// Observe implements decide.Pool.
func (x *lookout) Observe(s decide.Snapshot, ev decide.Event) {
	x.Index.Observe(s, ev)
	x.fresh = x.open && !x.off
}

// Next implements decide.Dispatcher.
func (x *lookout) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if x.fresh {
		x.fresh = false
		x.options = x.Alternatives(s, x.options[:0])
		for _, a := range x.options {
			x.sample(s, a)
		}
	}
	return x.Index.Next(s, ev)
}

// sample takes the option into the sample, or not.
func (x *lookout) sample(s decide.Snapshot, a index.Alternative) {
	k := a.Kind
	_, arrival := s.Request(a.Start.Request)
	key := concern{k, a.Start.Request, arrival}
	if c := x.concerned[key]; c != nil {
		if c.events++; c.at >= 0 && x.src.IntN(c.events) == 0 {
			x.states[k][c.at] = sampled{x.step, a}
		}
		return
	}
	c := &seen{1, -1}
	x.concerned[key] = c
	x.requests[k]++
	switch at := x.src.IntN(x.requests[k]); {
	case len(x.states[k]) < x.n:
		c.at = len(x.states[k])
		x.states[k], x.keys[k] = append(x.states[k], sampled{x.step, a}), append(x.keys[k], key)
	case at < x.n:
		x.concerned[x.keys[k][at]].at = -1
		c.at, x.states[k][at], x.keys[k][at] = at, sampled{x.step, a}, key
	}
}
