package sim

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A Sweep is values of one parameter to compare policies at.
type Sweep struct {
	Parameter string
	Values    []float64

	// Base is the load at ScaleArrivals 1, as [OfferedLoad] returns it, which a sweep of
	// the load needs and no other.
	Base float64
}

// LoadParameter is the parameter of a sweep that needs [Sweep].Base.
const LoadParameter = "load"

// sweeps is the one table of parameters.
var sweeps = []struct {
	name  string
	whole bool
	set   func(o *Options, v, base float64)
}{
	{"concurrency", true, func(o *Options, v, _ float64) { o.Scheduler.Concurrency = int(v) }},
	{"cores", false, func(o *Options, v, _ float64) { o.Cluster.Cores = v }},
	{"invokers", true, func(o *Options, v, _ float64) { o.Cluster.Invokers = int(v) }},
	{LoadParameter, false, func(o *Options, v, base float64) { o.ScaleArrivals = v / base }},
	{"memory", true, func(o *Options, v, _ float64) { o.Cluster.MemoryMB = int(v) }},
	{"scale", false, func(o *Options, v, _ float64) { o.ScaleArrivals = v }},
	{"start-limit", true, func(o *Options, v, _ float64) { o.Cluster.StartLimit = int(v) }},
	{"timeout", false, func(o *Options, v, _ float64) { o.Scheduler.Timeout = decide.Time(v * float64(decide.Second)) }},
}

// SweepParameters are the names that [ParseSweep] knows, sorted.
func SweepParameters() []string {
	names := make([]string, len(sweeps))
	for i, s := range sweeps {
		names[i] = s.name
	}
	return names
}

// ParseSweep reads "memory=1024,2048": memory in MB of an invoker, time-outs in
// seconds, scale as Options.ScaleArrivals, the load as [OfferedLoad]. It takes two values
// or more: one is no comparison.
func ParseSweep(text string) (Sweep, error) {
	name, list, ok := strings.Cut(text, "=")
	s := Sweep{Parameter: name}
	i := slices.Index(SweepParameters(), name)
	if !ok || i < 0 {
		return s, fmt.Errorf("sim: sweep %q: must be PARAMETER=VALUE,… with one of %s", text, strings.Join(SweepParameters(), ", "))
	}
	items := strings.Split(list, ",")
	if list == "" {
		items = nil
	}
	for _, item := range items {
		v, err := strconv.ParseFloat(item, 64)
		switch {
		case err != nil || math.IsNaN(v) || math.IsInf(v, 0):
			return s, fmt.Errorf("sim: sweep %q: %q is no number", text, item)
		case sweeps[i].whole && (v != math.Trunc(v) || math.Abs(v) > math.MaxInt32):
			return s, fmt.Errorf("sim: sweep %q: %s must be a whole number, got %q", text, name, item)
		case slices.Contains(s.Values, v):
			return s, fmt.Errorf("sim: sweep %q: %q stands there twice", text, item)
		}
		s.Values = append(s.Values, v)
	}
	if len(s.Values) < 2 {
		return s, fmt.Errorf("sim: sweep %q: must have two values of %s or more, as in %s=1,2, got %d", text, name, name, len(s.Values))
	}
	return s, nil
}

// A SweepReport has a report for each value, in the order of the sweep; it is what
// `simulate --sweep --json` prints.
type SweepReport struct {
	Parameter string  `json:"parameter"`
	Points    []Point `json:"points"`
	// Pareto are the policies and values that no other beats in cold starts, with
	// dropped requests, and wasted memory, the least wasteful first. Nil where the values differ in their requests.
	Pareto []FrontPoint `json:"pareto,omitempty"`
}

// A Point is one value of a sweep.
type Point struct {
	Value  float64 `json:"value"`
	Report *Report `json:"report"`
}

// Validate reports the first value that o cannot take.
func (s Sweep) Validate(o Options) error {
	_, err := s.options(o)
	return err
}

// options are o at the values.
func (s Sweep) options(o Options) ([]Options, error) {
	i := slices.Index(SweepParameters(), s.Parameter)
	if i < 0 {
		return nil, fmt.Errorf("sim: sweep of %q: must be one of %s", s.Parameter, strings.Join(SweepParameters(), ", "))
	}
	base := s.Base
	if s.Parameter == LoadParameter && !(base > 0) {
		return nil, fmt.Errorf("sim: sweep of the load: the load at scale 1 must be positive, got %g", base)
	}
	at := make([]Options, len(s.Values))
	for k, v := range s.Values {
		at[k] = o
		sweeps[i].set(&at[k], v, base)
		if err := at[k].Validate(); err != nil {
			return nil, fmt.Errorf("%s=%g: %w", s.Parameter, v, err)
		}
	}
	return at, nil
}

// Run compares at every value, several at once: compare is given o with the value set,
// and the workers, which all comparisons share. All values are checked before the first is run.
func (s Sweep) Run(ctx context.Context, o Options, workers int, compare func(ctx context.Context, o Options, workers int) (*Report, error)) (*SweepReport, error) {
	at, err := s.options(o)
	if err != nil {
		return nil, err
	}
	out := &SweepReport{Parameter: s.Parameter, Points: make([]Point, len(s.Values))}
	slots := make(chan struct{}, max(1, workers))
	for k := range at {
		at[k].slots = slots
	}
	err = spread(ctx, len(s.Values), workers, func(ctx context.Context, k int) error {
		rep, err := compare(ctx, at[k], workers)
		if err != nil {
			return fmt.Errorf("%s=%g: %w", s.Parameter, s.Values[k], err)
		}
		out.Points[k] = Point{s.Values[k], rep}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.Pareto = out.front()
	return out, nil
}
