package index

import (
	"context"
	"math"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/index"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A Stretch is a part of a trace on which candidates are tried: its requests are drawn once,
// and all candidates see the same ones.
type Stretch struct {
	name     string
	trace    *datasets.Trace
	workload *sim.Workload
	options  sim.Options
	rates    []float64
	bound    float64 // mean latency that no policy can beat, ms
	native   *sim.Result
}

// NewStretch draws the requests of o on t and measures what native does with them. Rates are the
// requests per minute of each function that candidates are told of; nil tells them nothing.
func NewStretch(ctx context.Context, name string, t *datasets.Trace, o sim.Options, rates []float64) (*Stretch, error) {
	s := &Stretch{name: name, trace: t, options: o, rates: rates}
	var err error
	if s.workload, err = sim.Load(ctx, t, o.Draw); err != nil {
		return nil, err
	}
	bound, err := sim.Bound(ctx, t, s.workload, o)
	if err != nil {
		return nil, err
	}
	s.bound = bound.Latency.Mean
	native, err := sim.Baseline(sim.Native, o.Seed)
	if err != nil {
		return nil, err
	}
	s.native, err = sim.Run(ctx, t, s.workload, native.New, o)
	return s, err
}

// A Score is what options do on a stretch, beside native.
type Score struct {
	Stretch       string  `json:"scene"`
	Requests      int64   `json:"requests"`
	Mean          float64 `json:"mean_ms"` // a dropped request with its time-out and its execution
	Bound         float64 `json:"bound_ms"`
	Native        float64 `json:"native_ms"`
	Dropped       float64 `json:"dropped"` // share
	NativeDropped float64 `json:"native_dropped"`
}

// Cost is the logarithm of the mean latency over what nobody can beat, and dropCost times the
// share of requests that are dropped beyond native's. So a per cent counts the same on every
// stretch, whatever its load.
func (f Score) Cost(dropCost float64) float64 {
	return math.Log(f.Mean/max(f.Bound, 1e-3)) + dropCost*max(0, f.Dropped-f.NativeDropped)
}

// Try simulates the stretch under the index of o.
func (s *Stretch) Try(ctx context.Context, o index.Options) (Score, error) {
	return s.Play(ctx, func(*datasets.Trace, policy.Site) (policy.Stack, error) { return policy.Indexed(o, s.rates) })
}

// Play simulates the stretch under any stack.
func (s *Stretch) Play(ctx context.Context, stack sim.NewStack) (Score, error) {
	r, err := sim.Run(ctx, s.trace, s.workload, stack, s.options)
	if err != nil {
		return Score{}, err
	}
	share := func(r *sim.Result) float64 { return float64(r.Dropped) / float64(r.Requests) }
	return Score{
		Stretch: s.name, Requests: r.Requests, Mean: r.Latency.Mean, Bound: s.bound, Native: s.native.Latency.Mean,
		Dropped: share(r), NativeDropped: share(s.native),
	}, nil
}
