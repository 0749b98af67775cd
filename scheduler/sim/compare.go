package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// Names that mean something to a Report.
const (
	Native     = "native" // against which speed-ups are counted
	LowerBound = "lower-bound"
	KindBound  = "bound"
)

// A Contender is a policy, as a row to compare.
type Contender struct {
	Name string
	Kind string   // for the row; "" for an ordinary policy
	New  NewStack // called once per run

	// Sharing is the discipline that it brings for the CPUs of its invokers; "" if they
	// have the cluster's. New decides, this tells.
	Sharing     string
	Clairvoyant bool // it knows the future: a reference, which no platform can run
}

// Baseline returns the policy that spec names, as [policy.Parse] reads it.
func Baseline(spec string, rnd uint64) (Contender, error) {
	row, build, err := policy.Parse(spec)
	if err != nil {
		return Contender{}, err
	}
	return Contender{
		Name: spec, Sharing: row.Sharing, Clairvoyant: row.Clairvoyant,
		New: func(_ *datasets.Trace, s policy.Site) (policy.Stack, error) {
			s.Seed = rnd
			return build(s)
		},
	}, nil
}

// A Report compares policies on the same requests; it is what `simulate --json` prints.
type Report struct {
	Trace    string          `json:"trace"`
	Label    string          `json:"label,omitempty"` // of a trace that nobody observed, see datasets.Label
	Requests int64           `json:"requests"`
	Seed     uint64          `json:"seed"`
	Window   datasets.Window `json:"window"`
	Cluster  Cluster         `json:"cluster"`
	Faults   *Faults         `json:"faults,omitempty"` // that were injected
	// Load is the work offered over what the cluster can do in the window:
	// core seconds / (cores * seconds).
	Load     float64 `json:"load"`
	Policies []Row   `json:"policies"`
	// Pareto names the rows that no other row beats in cold starts, dropped requests counted
	// among them, and wasted memory, the least wasteful first.
	Pareto []string `json:"pareto"`
	// Notes say what the figures do not, for whoever runs the comparison to add.
	Notes []string `json:"notes,omitempty"`

	// Results are what lies behind the rows, in their order.
	Results []*Result `json:"-"`

	scheduled *datasets.Trace // as the schedulers saw it
}

// Compare replays the workload of o under every policy, up to workers (>= 1) at a
// time, and adds the row [LowerBound]. Rows stand in the order of policies, and
// equal arguments give equal rows, but for Timing, for any number of workers.
// [Native] is run for its latencies even where it is not among the policies.
//
// The workload is held in memory once for all runs if it has no more requests than
// HeldRequests, else every run draws it anew. o.Observer must be nil, as runs go in parallel.
func Compare(ctx context.Context, t *datasets.Trace, policies []Contender, o Options, workers int) (*Report, error) {
	if workers < 1 {
		return nil, fmt.Errorf("sim: workers must be at least 1, got %d", workers)
	}
	if o.Observer != nil {
		return nil, errors.New("sim: a comparison runs in parallel and takes no observer")
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	w, err := held(ctx, t, o.Draw)
	if err != nil {
		return nil, err
	}
	return CompareWorkload(ctx, t, w, policies, o, workers)
}

// held is the workload of d, in memory where it has no more than HeldRequests.
func held(ctx context.Context, t *datasets.Trace, d Draw) (*Workload, error) {
	w, err := Stream(ctx, t, d)
	if err != nil || w.all > HeldRequests {
		return w, err
	}
	return Load(ctx, t, d)
}

// HeldRequests is how many requests Compare holds in memory: 2^23, 192 MB.
const HeldRequests = 1 << 23

// CompareWorkload is [Compare] on a workload that is there already.
func CompareWorkload(ctx context.Context, t *datasets.Trace, w *Workload, policies []Contender, o Options, workers int) (*Report, error) {
	if workers < 1 {
		return nil, fmt.Errorf("sim: workers must be at least 1, got %d", workers)
	}
	if o.Observer != nil {
		return nil, errors.New("sim: a comparison runs in parallel and takes no observer")
	}
	rows := policies
	reference := -1
	seen := make(map[string]bool)
	for i, p := range policies {
		if p.Name == LowerBound || seen[p.Name] {
			return nil, fmt.Errorf("sim: policy %q is there already", p.Name)
		}
		seen[p.Name] = true
		if p.Name == Native {
			reference = i
		}
	}
	if reference < 0 {
		native, err := Baseline(Native, o.Seed)
		if err != nil {
			return nil, err
		}
		reference = len(rows)
		rows = append(rows[:len(rows):len(rows)], native)
	}
	results := make([]*Result, len(rows)+1)
	g, ctx := parallel.WithContext(ctx)
	g.SetLimit(workers)
	// Those that share the CPU in their own way have many more events than others; begun
	// first, they do not keep one worker busy when the others are done.
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(rows[b].Sharing, rows[a].Sharing) })
	for _, i := range order {
		p := rows[i]
		g.Go(func() error {
			return o.run(ctx, func() error {
				r, err := Run(ctx, t, w, p.New, o)
				if err != nil {
					return fmt.Errorf("policy %s: %w", p.Name, err)
				}
				r.Name, r.Kind = p.Name, p.Kind
				results[i] = r
				return nil
			})
		})
	}
	g.Go(func() error {
		return o.run(ctx, func() (err error) {
			results[len(rows)], err = Bound(ctx, t, w, o)
			return err
		})
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var injected *Faults
	if o.Faults.any() {
		injected = &o.Faults
	}
	native := float64(results[reference].LatencySum)
	bound := results[len(rows)]
	results = append(results[:len(policies):len(policies)], bound)
	rep := &Report{
		Trace: t.Name, Label: t.Label(), Requests: w.requests, Seed: o.Seed, Window: w.window, Cluster: o.Cluster, Faults: injected,
		Policies: make([]Row, len(results)), Results: results, scheduled: w.scheduled(t),
	}
	for i, r := range results {
		// A sum of nothing but zeros counts as a microsecond, which JSON can express.
		r.SpeedupVsNative = max(native, 1) / max(float64(r.LatencySum), 1)
		rep.Policies[i] = r.Row
	}
	rep.front(policies)
	for f := range bound.Functions {
		rep.Load += bound.Functions[f].Work.Seconds() * rep.scheduled.Functions[f].CPU
	}
	rep.Load /= o.Cluster.TotalCores() * float64(w.window.Len()) * 60
	return rep, nil
}
