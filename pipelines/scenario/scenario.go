// Package scenario has traffic and platforms that a trace does not contain, made from one: what a
// bundle may meet on the day after it was accepted. A bundle that does worse than native on one
// of them is refused by its name (package gates).
package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/pipelines/gates"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A Scenario changes a replay.
type Scenario struct {
	Name string // in lower case, of letters and underscores
	Doc  string // what it is

	change func(ctx context.Context, t *datasets.Trace, o *sim.Options) (*datasets.Trace, error)
}

// All are the scenarios, in the order in which they are judged.
func All() []Scenario { return slices.Clone(all) }

var all = []Scenario{
	{"half_memory", "every invoker has half of its memory", halfMemory},
	{"double_load", "every function is invoked twice as often", doubleLoad},
	{"other_mix", "the functions have changed their execution, memory, CPU and start costs among one another, at the same load", otherMix},
	{"one_hot", "one function makes half of the work, at the same load", oneHot},
	{"uniform_short", "60 functions that nobody knows, all alike: 100 ms, 1 s to start, memory for half of them, load 0.78 on two invokers", uniformShort},
	{"no_history", "nobody knows the functions", noHistory},
}

// Requests are about how many a scenario replays after the warm-up: it is shorter on busy
// platforms.
const Requests = 30_000

// Minutes are how many it replays at most, and how many before those.
const (
	Minutes = 30
	Warmup  = 10
)

// Base are the options of a short replay out of the middle of o's window, at rates of so many
// requests per minute, those that scenarios change.
func Base(o sim.Options, perMinute float64) sim.Options {
	n := min(Minutes, o.Window.Len())
	if perMinute *= o.ScaleArrivals; perMinute > 0 {
		n = min(n, max(2, int(Requests/perMinute)))
	}
	o.Window.From += (o.Window.Len() - n) / 2
	o.Window.To = o.Window.From + n
	o.WarmupMinutes = min(Warmup, n, o.WarmupMinutes)
	return o
}

// A Result is what a bundle does in a scenario, beside native.
type Result struct {
	Name          string  `json:"name"`
	Doc           string  `json:"doc"`
	Requests      int64   `json:"requests"`
	Load          float64 `json:"load"`
	Mean          float64 `json:"mean_ms"`
	Native        float64 `json:"native_ms"`
	Dropped       float64 `json:"dropped"` // share
	NativeDropped float64 `json:"native_dropped"`
}

// Evidence is the scenario as the gates see it.
func (f Result) Evidence() gates.Scenario {
	return gates.Scenario{
		Name: f.Name, Candidate: gates.Played{MeanLatencyMS: f.Mean, DroppedShare: f.Dropped}, Native: gates.Played{MeanLatencyMS: f.Native, DroppedShare: f.NativeDropped},
	}
}

// Around is [Run] on a short replay out of the middle of o's window.
func Around(ctx context.Context, t *datasets.Trace, o sim.Options, build Build, workers int) ([]Result, error) {
	rates, err := t.Rates(ctx, o.Window)
	if err != nil {
		return nil, err
	}
	perMinute := 0.0
	for _, r := range rates {
		perMinute += r
	}
	return Run(ctx, t, Base(o, perMinute), build, workers)
}

// A Build returns the stack to judge for a replay under o.
type Build = func(o sim.Options) sim.NewStack

// Run replays every scenario of t, changed from o (see [Base]), under native and under what build
// returns. Up to workers run at once. One that has no requests is left out.
func Run(ctx context.Context, t *datasets.Trace, o sim.Options, build Build, workers int) ([]Result, error) {
	out := make([]Result, len(all))
	g, ctx := parallel.WithContext(ctx)
	g.SetLimit(max(1, workers))
	for i, s := range all {
		g.Go(func() error {
			f, err := s.run(ctx, t, o, build)
			if errors.Is(err, sim.ErrNoRequests) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("scenario %s: %w", s.Name, err)
			}
			out[i] = f
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out, func(f Result) bool { return f.Name == "" }), nil
}

func (s Scenario) run(ctx context.Context, t *datasets.Trace, o sim.Options, build Build) (Result, error) {
	t, err := s.change(ctx, t, &o)
	if err != nil {
		return Result{}, err
	}
	w, err := sim.Load(ctx, t, o.Draw)
	if err != nil {
		return Result{}, err
	}
	native, err := sim.Baseline(sim.Native, o.Seed)
	if err != nil {
		return Result{}, err
	}
	rep, err := sim.CompareWorkload(ctx, t, w, []sim.Contender{native, {Name: "bundle", New: build(o)}}, o, 1)
	if err != nil {
		return Result{}, err
	}
	f := Result{Name: s.Name, Doc: s.Doc, Requests: rep.Requests, Load: rep.Load}
	share := func(r *sim.Row) float64 { return float64(r.Dropped) / float64(rep.Requests) }
	f.Native, f.NativeDropped = rep.Policies[0].Latency.Mean, share(&rep.Policies[0])
	f.Mean, f.Dropped = rep.Policies[1].Latency.Mean, share(&rep.Policies[1])
	return f, nil
}

// largest is the memory that an invoker needs for any function, in units of 2^20 bytes.
func largest(t *datasets.Trace) int {
	var most int64
	for i := range t.Functions {
		most = max(most, t.Functions[i].Memory)
	}
	return int((most + 1<<20 - 1) >> 20)
}

func halfMemory(_ context.Context, t *datasets.Trace, o *sim.Options) (*datasets.Trace, error) {
	o.Cluster.MemoryMB = max(o.Cluster.MemoryMB/2, largest(t))
	return t, nil
}

func doubleLoad(_ context.Context, t *datasets.Trace, o *sim.Options) (*datasets.Trace, error) {
	o.ScaleArrivals *= 2
	return t, nil
}

// sameLoad scales the arrivals of the changed trace so that they ask for as much CPU as before.
func sameLoad(ctx context.Context, before, after *datasets.Trace, o *sim.Options) error {
	was, err := sim.OfferedLoad(ctx, before, *o)
	if err != nil {
		return err
	}
	is, err := sim.OfferedLoad(ctx, after, *o)
	if err != nil {
		return err
	}
	if is > 0 {
		o.ScaleArrivals *= was / is
	}
	return nil
}

// otherMix gives every function what the one in the middle of those after it has.
func otherMix(ctx context.Context, t *datasets.Trace, o *sim.Options) (*datasets.Trace, error) {
	out := *t
	out.Functions = slices.Clone(t.Functions)
	n := len(t.Functions)
	for i := range out.Functions {
		f, g := &out.Functions[i], &t.Functions[(i+max(1, n/2))%n]
		f.Execution, f.Initialisation, f.Termination, f.Memory, f.CPU = g.Execution, g.Initialisation, g.Termination, g.Memory, g.CPU
	}
	out.Source = counted{t.Source} // single invocations would bring their own durations
	return &out, sameLoad(ctx, t, &out, o)
}

// counted has counts alone.
type counted struct{ datasets.Source }

// hot multiplies the counts of one function.
type hot struct {
	datasets.Source
	function datasets.FunctionID
	by       int64
}

// Day implements datasets.Source.
func (h hot) Day(ctx context.Context, day int) (*datasets.Counts, error) {
	c, err := h.Source.Day(ctx, day)
	if err != nil || int(h.function)+1 >= len(c.Offset) {
		return c, err
	}
	out := *c
	out.Count = slices.Clone(c.Count)
	for k := c.Offset[h.function]; k < c.Offset[h.function+1]; k++ {
		out.Count[k] *= h.by
	}
	return &out, nil
}

// oneHot multiplies the function whose work is the median of those that are invoked.
func oneHot(ctx context.Context, t *datasets.Trace, o *sim.Options) (*datasets.Trace, error) {
	rates, err := t.Rates(ctx, datasets.Window{From: o.Window.From - o.WarmupMinutes, To: o.Window.To})
	if err != nil {
		return nil, err
	}
	type share struct {
		f    datasets.FunctionID
		work float64
	}
	var shares []share
	total := 0.0
	for f, r := range rates {
		if w := r * t.Functions[f].Execution.Mean().Seconds() * t.Functions[f].CPU; w > 0 {
			shares = append(shares, share{datasets.FunctionID(f), w})
			total += w
		}
	}
	out := *t
	out.Source = counted{t.Source}
	if len(shares) > 0 {
		slices.SortFunc(shares, func(a, b share) int { return cmp.Or(cmp.Compare(a.work, b.work), cmp.Compare(a.f, b.f)) })
		m := shares[len(shares)/2]
		out.Source = hot{t.Source, m.f, max(1, int64((total-m.work)/m.work))}
	}
	return &out, sameLoad(ctx, t, &out, o)
}

func uniformShort(_ context.Context, t *datasets.Trace, o *sim.Options) (*datasets.Trace, error) {
	const n, cores = 60, 4
	out := &datasets.Trace{Name: "uniform_short", Format: t.Format, Start: t.Start, Span: datasets.Window{From: 0, To: 8}}
	c := &datasets.Counts{Offset: []int{0}}
	for f := range n {
		out.Functions = append(out.Functions, datasets.Function{
			ID: datasets.FunctionID(f), Owner: "scenario", App: fmt.Sprint("alike ", f), Name: "short", Memory: 128 << 20, CPU: 1,
			Execution:      datasets.Constant(100 * time.Millisecond),
			Initialisation: datasets.Constant(time.Second), Termination: datasets.Constant(100 * time.Millisecond),
		})
		for m := range out.Span.To {
			c.Minute, c.Count = append(c.Minute, int32(m)), append(c.Count, 62) // 2 * 4 cores * 0.78 / 0.1 s / 60
		}
		c.Offset = append(c.Offset, len(c.Minute))
	}
	out.Source = datasets.Memory{c}
	o.Cluster.Invokers, o.Cluster.Cores, o.Cluster.MemoryMB = 2, cores, n/2*128/2
	o.ScaleArrivals, o.WarmupMinutes = 1, 3
	o.Window = datasets.Window{From: 3, To: 8}
	return out, nil
}

func noHistory(_ context.Context, t *datasets.Trace, _ *sim.Options) (*datasets.Trace, error) {
	out := *t
	out.Functions = slices.Clone(t.Functions)
	for i := range out.Functions {
		out.Functions[i].Owner = "unknown " + out.Functions[i].Owner
	}
	return &out, nil
}
