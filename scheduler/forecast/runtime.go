package forecast

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/features/interarrival"
)

// A Forecast is that of the count of one function in one minute; all are counts, >= 0,
// and Median <= Q90 <= Q99.
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

// A Runtime forecasts the functions of one trace or platform. It is not safe for
// concurrent use; several can share a Model.
type Runtime struct {
	functions []predictor
	out       []Forecast
	scratch   scratch
	next      int // the minute that is expected, -1 before the first
}

// NewRuntime returns a Runtime for functions, of which start is minute 0, a midnight UTC.
func NewRuntime(m *Model, functions []datasets.Function, start time.Time) (*Runtime, error) {
	if m.byKey == nil {
		return nil, fmt.Errorf("forecast: the model must be compiled before it runs")
	}
	if start.Unix()%(datasets.MinutesPerDay*60) != 0 {
		return nil, fmt.Errorf("forecast: start must be a midnight UTC, got %v", start)
	}
	rt := &Runtime{
		functions: make([]predictor, len(functions)),
		out:       make([]Forecast, len(functions)),
		scratch:   newScratch(m),
		next:      -1,
	}
	for i := range functions {
		rt.functions[i] = newPredictor(m, KeyOf(&functions[i]), start)
	}
	return rt, nil
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
// have shown themselves.
func (rt *Runtime) Step(minute int, counts []float64) []Forecast {
	rt.advance(minute, counts)
	for i := range rt.functions {
		p := &rt.functions[i]
		p.observe(minute, counts[i])
		rt.out[i] = p.forecast(minute+1, &rt.scratch)
	}
	return rt.out
}

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
	for ; rt.next < minute; rt.next++ {
		for i := range rt.functions {
			rt.functions[i].observe(rt.next, math.NaN())
		}
	}
	rt.next = minute + 1
}

// scratch is what the evaluation of one row needs, one per goroutine.
type scratch struct {
	row   []float64
	trees Scratch

	// Of many rows of one function.
	rows, mean, median []float64
}

func newScratch(m *Model) scratch {
	return scratch{row: make([]float64, 0, len(m.columns))}
}

// A predictor follows one function.
type predictor struct {
	class    Class
	cluster  *Cluster
	set      *features.Set
	past     *features.History // nil for the classes without one
	cap      float64
	season   int
	arrivals interarrival.Follower
}

func newPredictor(m *Model, k Key, start time.Time) predictor {
	i, ok := m.byKey[k]
	if !ok {
		return predictor{class: Interarrival, arrivals: interarrival.Follow(nil)}
	}
	f := &m.Functions[i]
	p := predictor{class: f.Class}
	switch f.Class {
	case Trees:
		var origins []features.Origin
		if fitted, ok := m.Prophet[k]; ok {
			origins = []features.Origin{{From: 0, Fitted: fitted}}
		}
		p.cluster = &m.Clusters[f.Cluster]
		p.cap = f.Cap
		p.set = m.Features.Set(f.Scale, start, origins)
		p.past = features.NewHistory(features.Reach(p.set))
	case SeasonalNaive:
		p.season = f.Season
		p.past = features.NewHistory(f.Season)
	case Zero:
		p.class, p.arrivals = Interarrival, interarrival.Follow(nil)
	default:
		p.arrivals = interarrival.Follow(f.IAT)
	}
	return p
}

func (p *predictor) reset(minute int) {
	if p.past != nil {
		p.past.Reset(minute)
	}
}

func (p *predictor) observe(minute int, count float64) {
	if p.past != nil {
		p.past.Append(count)
		return
	}
	p.arrivals.Observe(minute, count)
}

// forecast is that of minute now, which must be the one after the last observed.
func (p *predictor) forecast(now int, s *scratch) Forecast {
	switch p.class {
	case Trees:
		s.row = p.set.Append(s.row[:0], now, p.past)
		return p.evaluate(s)
	case SeasonalNaive:
		v := p.past.Lag(p.season)
		if !(v > 0) {
			v = 0
		}
		sd := math.Sqrt(v + varianceFloor)
		// No window has calibrated a fallback: the quantiles are those of a normal
		// distribution with the variance of a difference of two Poisson counts.
		return Forecast{Mean: v, Median: v, Q90: v + 1.2816*math.Sqrt2*sd, Q99: v + 2.3263*math.Sqrt2*sd}
	}
	return occasional(p.arrivals.PArrival(now), p.arrivals.Batch())
}

// occasional is the forecast of a count that is batch with probability p, else 0.
func occasional(p, batch float64) Forecast {
	f := Forecast{Mean: p * batch}
	for _, q := range []struct {
		to   *float64
		prob float64
	}{{&f.Median, 0.5}, {&f.Q90, 0.9}, {&f.Q99, 0.99}} {
		if p > 1-q.prob {
			*q.to = batch
		}
	}
	return f
}

// evaluate forecasts from the row in s.
func (p *predictor) evaluate(s *scratch) Forecast {
	scale := float64(p.set.Scale())
	return p.combine(
		p.cluster.Mean.Forecast(s.row, scale, p.cap, &s.trees),
		p.cluster.Median.Forecast(s.row, scale, p.cap, &s.trees))
}

// evaluateRows calls each with the forecasts from the rows in s, in order.
func (p *predictor) evaluateRows(s *scratch, each func(i int, f Forecast)) {
	width, scale := len(p.set.Columns()), float64(p.set.Scale())
	n := len(s.rows) / width
	s.mean, s.median = slices.Grow(s.mean[:0], n)[:n], slices.Grow(s.median[:0], n)[:n]
	for _, h := range []struct {
		head *Head
		out  []float64
	}{{&p.cluster.Mean, s.mean}, {&p.cluster.Median, s.median}} {
		if h.head.Trees != nil {
			h.head.Trees.PredictRows(s.rows, h.out, &s.trees)
		}
		for i := range n {
			h.out[i] = h.head.finish(h.out[i], s.rows[i*width:(i+1)*width], scale, p.cap)
		}
	}
	for i := range n {
		each(i, p.combine(s.mean[i], s.median[i]))
	}
}

// combine makes a forecast of the mean and the median.
func (p *predictor) combine(mean, median float64) Forecast {
	f := Forecast{Mean: mean, Median: median}
	f.Q90 = max(f.Median, p.cluster.Calibration.Quantile(f.Mean, P90))
	f.Q99 = max(f.Q90, p.cluster.Calibration.Quantile(f.Mean, P99))
	return f
}
