// Package baseline tunes the parameters of the policies that Incendio is compared with,
// on the same minutes of a trace that it is trained on: a comparison with untuned
// baselines proves little.
package baseline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/tune"
)

// Errors of [Tune] over the name of a policy.
var (
	ErrUnknown      = errors.New("no such policy")
	ErrNoParameters = errors.New("no parameters to tune")
)

// Options of the search.
type Options struct {
	Search tune.Options
	// Minutes of a window, >= 1. Windows must be long against the keep-alive times that
	// are tried. Default 240.
	Minutes int
	// Requests that are enough, >= 1: windows are added until they have as many, the busiest
	// and others in turn. Default 2,000,000.
	Requests int64
}

// DefaultOptions returns the defaults: 24 trials, the first 8 of them drawn uniformly.
func DefaultOptions() Options {
	return Options{Search: tune.Options{Trials: 24, Startup: 8, Batch: 4}, Minutes: 240, Requests: 2_000_000}
}

// Validate reports the first option that is out of range.
func (o Options) Validate() error {
	switch {
	case o.Minutes < 1:
		return fmt.Errorf("baseline: minutes must be at least 1, got %d", o.Minutes)
	case o.Requests < 1:
		return fmt.Errorf("baseline: requests must be at least 1, got %d", o.Requests)
	}
	return o.Search.Validate()
}

// A Result is what the search found.
type Result struct {
	Policy string `json:"policy"` // its name
	Spec   string `json:"spec"`   // with the parameters that were best, as --policy takes it

	Parameters map[string]float64 `json:"parameters"`
	Trials     int                `json:"trials"`
	Windows    []datasets.Window  `json:"windows"` // of the training part, on which it was tuned

	// Mean latency in milliseconds, over all requests, with the published parameters and
	// with those that were best: on the windows of the training part, and on the
	// validation part, which the search has not seen.
	Train Pair `json:"train_ms"`
	Valid Pair `json:"valid_ms"`
}

// A Pair is a figure before and after.
type Pair struct {
	Default float64 `json:"default"`
	Tuned   float64 `json:"tuned"`
}

// Tune searches the parameters of the policy of that name for the least mean latency of
// requests in the training part of t, where a dropped one counts with its time-out. Of s
// it takes the cluster and the scheduler's options. A parameter that is searched on a
// logarithmic scale stays within a factor of 100 of the published one.
//
// It is [ErrUnknown] if there is no such policy, and [ErrNoParameters] if it has none.
func Tune(ctx context.Context, t *datasets.Trace, name string, splits datasets.Splits, s sim.Options, o Options, r train.Resources) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	row, err := find(name)
	if err != nil {
		return nil, err
	}
	windows, err := enough(ctx, t, splits.Train, o, r.Seed)
	if err != nil {
		return nil, err
	}
	onTrain, err := load(ctx, t, windows, s)
	if err != nil {
		return nil, err
	}
	center := make([]float64, len(row.Parameters))
	for i := range row.Parameters {
		center[i] = scaleOf(&row.Parameters[i]).unit(row.Parameters[i].Default)
	}
	trials, err := tune.Minimize(ctx, len(center), [][]float64{center}, func(ctx context.Context, x []float64) (float64, error) {
		return onTrain.mean(ctx, t, spec(row, x), r.Seed)
	}, o.Search, r)
	if err != nil {
		return nil, fmt.Errorf("tune %s: %w", name, err)
	}
	best := tune.Best(trials, 1)[0]
	res := &Result{
		Policy: name, Spec: spec(row, best.X), Parameters: map[string]float64{}, Trials: len(trials), Windows: windows,
		Train: Pair{trials[0].Value, best.Value},
	}
	for i, v := range values(row, best.X) {
		res.Parameters[row.Parameters[i].Name] = v
	}
	onValid, err := load(ctx, t, []datasets.Window{splits.Valid}, s)
	if err != nil {
		return nil, err
	}
	if res.Valid.Default, err = onValid.mean(ctx, t, name, r.Seed); err != nil {
		return nil, err
	}
	res.Valid.Tuned, err = onValid.mean(ctx, t, res.Spec, r.Seed)
	return res, err
}

// find returns the row of the policy of that name, which must have parameters.
func find(name string) (*policy.Row, error) {
	rows := scheduler.Baselines()
	i := slices.IndexFunc(rows, func(r policy.Row) bool { return r.Name == name })
	if i >= 0 && len(rows[i].Parameters) > 0 {
		return &rows[i], nil
	}
	var names []string
	for _, r := range rows {
		if len(r.Parameters) > 0 {
			names = append(names, r.Name)
		}
	}
	why := ErrNoParameters
	if i < 0 {
		why = ErrUnknown
	}
	return nil, fmt.Errorf("policy %q: %w: must be one of %s", name, why, strings.Join(names, ", "))
}

// enough returns windows of the training part that have as many requests as are enough.
func enough(ctx context.Context, t *datasets.Trace, part datasets.Window, o Options, rnd uint64) ([]datasets.Window, error) {
	all, err := t.Invocations(ctx, part)
	if err != nil {
		return nil, err
	}
	first := 1
	if all <= o.Requests {
		first = part.Len()/o.Minutes + 1
	}
	for n := first; ; n++ {
		windows, err := t.Sample(ctx, part, n, o.Minutes, rnd)
		if err != nil {
			return nil, err
		}
		var have int64
		for _, w := range windows {
			k, err := t.Invocations(ctx, w)
			if err != nil {
				return nil, err
			}
			have += k
		}
		if have >= o.Requests || len(windows) < n {
			return windows, nil
		}
	}
}

// workloads are the requests of windows, drawn once.
type workloads struct {
	each    []*sim.Workload
	options []sim.Options
}

func load(ctx context.Context, t *datasets.Trace, windows []datasets.Window, s sim.Options) (workloads, error) {
	var out workloads
	for _, w := range windows {
		o := s
		o.Window = w
		x, err := sim.Load(ctx, t, o.Draw)
		if err != nil {
			return workloads{}, err
		}
		out.each, out.options = append(out.each, x), append(out.options, o)
	}
	return out, nil
}

// mean is the mean latency of all requests under the policy of that specification, in ms.
func (w workloads) mean(ctx context.Context, t *datasets.Trace, spec string, rnd uint64) (float64, error) {
	p, err := sim.Baseline(spec, rnd)
	if err != nil {
		return 0, err
	}
	var sum, n float64
	for i, x := range w.each {
		r, err := sim.Run(ctx, t, x, p.New, w.options[i])
		if err != nil {
			return 0, err
		}
		sum += r.LatencySum.Seconds() * 1000
		n += float64(r.Requests)
	}
	return sum / n, nil
}

// values are the parameters at a point of the unit cube, to three digits.
func values(row *policy.Row, x []float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		p := &row.Parameters[i]
		v := scaleOf(p).value(x[i])
		v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64) // its own text always parses
		out[i] = p.Snap(min(p.High, max(p.Low, v)))
	}
	return out
}

func spec(row *policy.Row, x []float64) string {
	s := row.Name
	for i, v := range values(row, x) {
		s += ":" + row.Parameters[i].Name + "=" + strconv.FormatFloat(v, 'g', -1, 64)
	}
	return s
}

// A scale maps [0, 1] to the range in which a parameter is searched.
type scale struct {
	low, high   float64
	logarithmic bool
}

// reach is how far from its default a parameter is searched on a logarithmic scale.
const reach = 100

func scaleOf(p *policy.Parameter) scale {
	if p.Default > 0 && p.High-p.Low > reach {
		return scale{max(p.Low, p.Default/reach), min(p.High, p.Default*reach), true}
	}
	return scale{p.Low, p.High, false}
}

func (s scale) value(x float64) float64 {
	if s.logarithmic {
		return s.low * math.Pow(s.high/s.low, x)
	}
	return s.low + x*(s.high-s.low)
}

func (s scale) unit(v float64) float64 {
	if s.logarithmic {
		return math.Log(v/s.low) / math.Log(s.high/s.low)
	}
	return (v - s.low) / (s.high - s.low)
}
