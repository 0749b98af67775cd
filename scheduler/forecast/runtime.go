package forecast

import (
	"fmt"
	"math"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/features/interarrival"
)

// A Forecast is that of the count of one function in one minute; all are counts, >= 0 and finite,
// and Median <= Q90 <= Q99, whatever arrived before. Of a function with trees, with C the largest count
// so far, of which a day halves the memory, Mean and Median are at most max(10, 2 C), and all quantiles at
// most max(20, 4 C); of another one, all are at most the largest count that was seen or learned.
type Forecast struct {
	Mean   float64
	Median float64
	Q90    float64
	Q99    float64
}

// A Source forecasts minute by minute. Step takes the counts of the minute that just
// ended, one per function, and returns the forecast of the minute after it for each;
// the result is valid until the next call. Minutes count from the first midnight UTC
// of the trace and ascend from call to call.
type Source interface {
	Step(minute int, counts []float64) []Forecast
}

var (
	_ Source = (*Runtime)(nil)
	_ Source = (*Table)(nil)
)

// Settle is the number of minutes that a Runtime should be stepped, not only primed,
// before its forecasts are used: so long it takes to know which experts and quantiles fit a
// function. Before, forecasts are those of the trees, with the quantiles of the cluster.
const Settle = 720

// A Runtime forecasts the functions of one trace or platform. It is not safe for
// concurrent use; several can share a Model.
type Runtime struct {
	columns   []string // of the model's rows
	functions []predictor
	clusters  []*Cluster
	members   [][]int // of each cluster, numbers of its functions
	out       []Forecast
	scratch   scratch
	next      int // the minute that is expected, -1 before the first
	model     *Model
	start     time.Time
}

// NewRuntime returns a Runtime for functions, of which start is minute 0, a midnight UTC.
func NewRuntime(m *Model, functions []datasets.Function, start time.Time) (*Runtime, error) {
	known := make([]*Function, len(functions))
	for i := range functions {
		if k, ok := m.byKey[KeyOf(&functions[i])]; ok {
			known[i] = &m.Functions[k]
		}
	}
	return newRuntime(m, known, start)
}

// newRuntime returns a Runtime of functions of m; nil is one that m does not know.
func newRuntime(m *Model, functions []*Function, start time.Time) (*Runtime, error) {
	if m.byKey == nil {
		return nil, fmt.Errorf("forecast: the model must be compiled before it runs")
	}
	if start.Unix()%(datasets.MinutesPerDay*60) != 0 {
		return nil, fmt.Errorf("forecast: start must be a midnight UTC, got %v", start)
	}
	rt := &Runtime{
		columns:   m.columns,
		functions: make([]predictor, len(functions)),
		members:   make([][]int, len(m.Clusters)),
		out:       make([]Forecast, len(functions)),
		next:      -1,
		model:     m,
		start:     start,
	}
	for i := range m.Clusters {
		rt.clusters = append(rt.clusters, &m.Clusters[i])
	}
	for i, f := range functions {
		rt.functions[i] = newPredictor(m, f, start)
		if rt.functions[i].cluster != nil {
			rt.members[f.Cluster] = append(rt.members[f.Cluster], i)
		}
	}
	return rt, nil
}

// Add makes f the last of the functions, from the next minute on, with nothing seen of it before. One that the
// model does not know is followed by the times between its arrivals alone.
func (rt *Runtime) Add(f *datasets.Function) {
	if k, ok := rt.model.byKey[KeyOf(f)]; ok {
		rt.add(&rt.model.Functions[k])
	} else {
		rt.add(nil)
	}
}

// Grow adds functions that the model does not know until there are n.
func (rt *Runtime) Grow(n int) {
	for len(rt.functions) < n {
		rt.add(nil)
	}
}

func (rt *Runtime) add(f *Function) {
	p := newPredictor(rt.model, f, rt.start)
	if p.cluster != nil {
		rt.members[f.Cluster] = append(rt.members[f.Cluster], len(rt.functions))
	}
	if rt.next >= 0 {
		p.reset(rt.next)
	}
	rt.functions = append(rt.functions, p)
	rt.out = append(rt.out, Forecast{})
}

// Prime takes the counts of a past minute, one per function, without forecasting.
// Minutes that are left out between two calls are missing.
func (rt *Runtime) Prime(minute int, counts []float64) {
	rt.advance(minute, counts)
	for i := range rt.functions {
		rt.functions[i].observe(minute, counts[i])
	}
}

// Step implements Source. It does not allocate once the functions it does not know
// have shown themselves, and those it knows at all levels of demand.
func (rt *Runtime) Step(minute int, counts []float64) []Forecast {
	rt.advance(minute, counts)
	for i := range rt.functions {
		p := &rt.functions[i]
		p.observe(minute, counts[i])
		if p.cluster == nil {
			rt.out[i] = occasional(p.arrivals.PArrival(minute+1), p.arrivals.Batch())
		}
	}
	s := &rt.scratch
	for c, members := range rt.members {
		for len(members) > 0 {
			n := min(batchRows, len(members))
			s.clear()
			for _, i := range members[:n] {
				rt.functions[i].prepare(s)
			}
			s.evaluate(rt.clusters[c])
			for j, i := range members[:n] {
				rt.out[i] = rt.functions[i].finish(s, j)
			}
			members = members[n:]
		}
	}
	return rt.out
}

// Quantile is the count of function i in the minute that was forecast last that is not
// exceeded with probability p in (0, 1). It lies in order with the forecast's own.
func (rt *Runtime) Quantile(i int, p float64) float64 {
	return rt.functions[i].quantile(rt.next, p)
}

// Interval is the central interval of 90 % of function i in the minute that was forecast
// last, between the quantiles 0.05 and 0.95.
func (rt *Runtime) Interval(i int) (lower, upper float64) {
	return rt.Quantile(i, probs[P05]), rt.Quantile(i, probs[P95])
}

// longestGap is how many minutes may be missing, two weeks: after more than that nothing before
// them counts.
const longestGap = 14 * datasets.MinutesPerDay

func (rt *Runtime) advance(minute int, counts []float64) {
	if len(counts) != len(rt.functions) {
		panic(fmt.Sprintf("forecast: counts of %d functions, expected %d", len(counts), len(rt.functions)))
	}
	if minute < 0 || minute < rt.next {
		panic(fmt.Sprintf("forecast: minute %d after minute %d", minute, rt.next-1))
	}
	if rt.next < 0 {
		for i := range rt.functions {
			rt.functions[i].reset(minute)
		}
		rt.next = minute
	}
	if minute-rt.next > longestGap {
		for i := range rt.functions {
			rt.functions[i].reset(minute)
		}
		rt.next = minute
	}
	for ; rt.next < minute; rt.next++ {
		for i := range rt.functions {
			rt.functions[i].observe(rt.next, math.NaN())
		}
	}
	rt.next = minute + 1
}

// scratch is what the evaluation of rows needs, one per goroutine.
type scratch struct {
	rows         []float64
	experts      []float32 // of each row
	bound        []float64
	mean, median []float64
	simple       []float64
	chance       []float64 // of a path
	asked        []float64 // quantiles of a path
	trees        Scratch
}

func (s *scratch) clear() {
	s.rows, s.experts, s.bound = s.rows[:0], s.experts[:0], s.bound[:0]
}

// Numbers of the experts that are trees; the simple ones follow.
const (
	medianTrees = iota
	meanTrees
	simpleExperts
	allExperts = simpleExperts + features.Experts
)

// evaluate runs the trees of c on the rows.
func (s *scratch) evaluate(c *Cluster) {
	n := len(s.bound)
	if cap(s.mean) < n {
		s.mean, s.median = make([]float64, n), make([]float64, n)
	}
	s.mean, s.median = s.mean[:n], s.median[:n]
	c.Mean.Forecasts(s.rows, s.bound, s.mean, &s.trees)
	c.Median.Forecasts(s.rows, s.bound, s.median, &s.trees)
	for i := range n {
		e := s.experts[i*allExperts:]
		e[medianTrees], e[meanTrees] = float32(s.median[i]), float32(s.mean[i])
	}
}

// A predictor follows one function.
type predictor struct {
	// Of the class Trees; nil of the others.
	cluster *Cluster
	follow  *features.Follower
	median  blend
	mean    blend
	errors  residuals
	experts []float32 // of the forecast that waits for its count
	waits   bool
	last    Forecast

	arrivals interarrival.Follower
}

func newPredictor(m *Model, f *Function, start time.Time) predictor {
	switch {
	case f == nil || f.Class == Zero:
		return predictor{arrivals: interarrival.Follow(nil)}
	case f.Class == Interarrival:
		return predictor{arrivals: interarrival.Follow(f.IAT)}
	}
	var origins []features.Origin
	if fitted, ok := m.Prophet[f.Key]; ok {
		origins = []features.Origin{{From: 0, Fitted: fitted}}
	}
	p := predictor{cluster: &m.Clusters[f.Cluster], follow: features.NewFollower(m.Features, start, f.Keep, origins)}
	p.median, p.mean = newBlend(medianTrees), newBlend(meanTrees)
	p.experts = make([]float32, allExperts)
	return p
}

func (p *predictor) reset(minute int) {
	if p.follow != nil {
		p.follow.Reset(minute)
	}
	p.waits = false // of a minute that never came
}

// believed is a count as it is taken: what is none is missing.
func believed(count float64) float64 {
	if !(count >= 0) || math.IsInf(count, 0) {
		return math.NaN()
	}
	return min(count, features.LargestCount)
}

// observe takes the count of a minute. What is no count is taken for missing.
func (p *predictor) observe(minute int, count float64) {
	count = believed(count)
	if p.follow == nil {
		p.arrivals.Observe(minute, count)
		return
	}
	p.judge(count)
	p.follow.Observe(count)
}

// judge compares the last forecast with the count that came. It needs nothing of the
// follower.
func (p *predictor) judge(count float64) {
	if !p.waits {
		return
	}
	p.waits = false
	if count != count {
		return
	}
	p.median.observe(p.experts, count, absolute)
	p.mean.observe(p.experts, count, squared)
	p.errors.observe(&p.cluster.Calibration, p.last, count)
}

// prepare appends the row of the next minute, and what the simple experts say.
func (p *predictor) prepare(s *scratch) {
	s.rows = p.follow.Append(s.rows, 1)
	s.simple = p.follow.AppendExperts(s.simple[:0], 1)
	s.experts = append(s.experts, 0, 0)
	for _, v := range s.simple {
		s.experts = append(s.experts, float32(v))
	}
	s.bound = append(s.bound, p.follow.Bound())
}

// finish forecasts from row i of s, which was prepared and evaluated.
func (p *predictor) finish(s *scratch, i int) Forecast {
	copy(p.experts, s.experts[i*allExperts:(i+1)*allExperts])
	f := Forecast{
		Mean:   p.mean.forecast(p.experts, meanTrees, s.bound[i]),
		Median: whole(p.median.forecast(p.experts, medianTrees, s.bound[i])),
	}
	p.errors.fill(&p.cluster.Calibration, &f, s.bound[i])
	p.last, p.waits = f, true
	return f
}

// quantile of the last forecast, which was that of minute.
func (p *predictor) quantile(minute int, at float64) float64 {
	if p.cluster == nil {
		return occasionalQuantile(p.arrivals.PArrival(minute), p.arrivals.Batch(), at)
	}
	return p.errors.quantile(&p.cluster.Calibration, &p.last, at)
}

// ordered is v, the quantile at p, brought into order with the quantiles of f.
func (f *Forecast) ordered(p, v float64) float64 {
	for _, k := range [...]struct{ p, v float64 }{{probs[P50], f.Median}, {probs[P90], f.Q90}, {probs[P99], f.Q99}} {
		switch {
		case p == k.p:
			return k.v
		case p < k.p:
			v = min(v, k.v)
		default:
			v = max(v, k.v)
		}
	}
	return v
}

// occasional is the forecast of a count that is batch with probability p, else 0.
func occasional(p, batch float64) Forecast {
	return Forecast{
		Mean:   p * batch,
		Median: occasionalQuantile(p, batch, probs[P50]),
		Q90:    occasionalQuantile(p, batch, probs[P90]),
		Q99:    occasionalQuantile(p, batch, probs[P99]),
	}
}

func occasionalQuantile(p, batch, q float64) float64 {
	if p > 1-q {
		return batch
	}
	return 0
}
