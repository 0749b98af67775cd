// Package sim replays a trace through the real [scheduler.Scheduler] on a virtual
// clock of integer microseconds: a discrete-event simulation of invokers,
// containers and the sharing of CPUs.
//
// There are only a few types. A [Workload] is the requests of a window of a trace;
// a [NewStack] builds the policy that is judged; [Run] replays the one under the
// other and returns a [Result]; [Compare] does so for several policies at once and
// returns the [Report] that the command prints, with the row "lower-bound" that no
// policy can beat. [Options] say what is drawn of the trace ([Draw]) and what serves it
// ([Cluster]); begin with [DefaultOptions]. [Baseline] has the policies by name, and traces come
// out of package datasets/parquet, datasets/synthetic or a datasets.Trace of one's own.
//
// # The model
//
// An arrival is given to the scheduler, and what it decides is done: a container
// that is created holds memory at once and initialises, one that is ended holds its
// memory until it has terminated, a request that runs takes CPU from its invoker
// under the discipline [Cluster].Sharing until its work is done. Termination takes no CPU,
// and neither does initialisation unless [Cluster].StartCPU says how much: the cost of a start
// is given by the trace in seconds as they were measured, and what it takes from others
// is not known.
//
// Events at the same microsecond are handled in the order completions (by invoker),
// containers that became ready or ended (by the order of their decisions), the tick
// of the scheduler, arrivals (by their order in the trace).
//
// # What every policy sees alike
//
// The execution of request n, the initialisation of a container created for it and
// the termination of that container are functions of (seed, purpose, n); those of
// the k-th container of a function that was created for no request in particular
// are functions of (seed, purpose, function, k). So a cold start of request n costs
// the same under every policy, and the same in every run.
//
// # Checks
//
// The simulator keeps its own books of memory, containers and requests. A decision
// that does not agree with them ends the run with [ErrInvariant].
package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// ErrInvariant is returned when a policy or the scheduler broke a conservation law:
// memory above the capacity, a container that serves a second function or more
// requests than it may, a request that is run twice or never, a tick in the past.
var ErrInvariant = errors.New("conservation law broken")

// ErrNoRequests is returned for a window without a single request.
var ErrNoRequests = errors.New("no requests")

// Disciplines of sharing the CPUs of an invoker.
const (
	// PS is processor sharing, the model of Linux's CFS: every job gets the CPU that
	// its function can use, and where the sum is more than the cores all are slowed
	// by the same factor, cores/sum.
	PS = policy.SharingPS
	// FIFO runs jobs to completion in the order in which they came, as many as the
	// cores hold; the next one waits until its CPU is free. A job keeps the CPU that it
	// began with when its container is deflated.
	FIFO = policy.SharingFIFO
	// SRPT gives CPU to the jobs with the shortest remaining time first, and takes
	// it away when a shorter one comes. It knows the durations: a reference.
	SRPT = policy.SharingSRPT
	// SFS gives every job a slice in the order of arrival, and what is not done by then
	// the CPU that is left, by PS.
	SFS = policy.SharingSFS
	// ALPS serves functions in the order of what it learned about their CPU time
	// from a simulation of SRPT, each for a slice at a time (package scheduler/alps).
	ALPS = policy.SharingALPS
)

// Where in its minute a request arrives of which the trace knows the minute only.
// Single invocations, where the trace has them and they are not scaled, arrive when
// they did.
const (
	Uniform     = "uniform"     // at independent times
	Poisson     = "poisson"     // as uniform, but as many as a Poisson process has with the minute's count as its mean
	Equidistant = "equidistant" // the i-th of n at i/n
	MinuteStart = "start"       // all at the begin
)

// What a container belongs to.
const (
	PerFunction = "function"
	PerApp      = "app" // its application: any of the functions can run in it
)

// A Cluster is the machines that a trace is replayed on.
type Cluster struct {
	// Invokers is the number of equal machines, >= 1. Default 8.
	Invokers int `json:"invokers"`
	// Cores of each, > 0. Default 8.
	Cores float64 `json:"cores"`
	// MemoryMB for containers on each, in units of 2^20 bytes, > 0. Default 4096.
	MemoryMB int `json:"memory_mb"`
	// StartLimit is how many containers an invoker initialises at once, >= 0;
	// 0, the default, is no limit.
	StartLimit int `json:"start_limit"`
	// StartCPU is what a container takes of the CPU while it initialises, in cores, >= 0. It is
	// shared as that of requests is: where there is not enough, starts take longer too.
	// 0, the default, is none: the trace has the cost of a start in seconds as they were
	// measured, and not what others lost by it.
	StartCPU float64 `json:"start_cpu,omitempty"`
	// Sharing of the cores, under policies that do not bring their own: "ps" (the
	// default), "fifo", "srpt", "sfs" or "alps".
	Sharing string `json:"sharing"`
	// CPUSlack is the part of its CPU that a container can lose by deflation before
	// what it executes gets slower, in [0, 1). Default 0.
	CPUSlack float64 `json:"cpu_slack"`
}

// DefaultCluster is 8 invokers of 8 cores and 4 GB, with processor sharing.
func DefaultCluster() Cluster {
	return Cluster{Invokers: 8, Cores: 8, MemoryMB: 4096, Sharing: PS}
}

// Validate reports all fields that are out of range.
func (c Cluster) Validate() error {
	out := option.Check{Package: "sim"}
	out.That(c.Invokers >= 1 && c.Invokers <= math.MaxInt32, "invokers", "must be in [1, 2^31), got %d", c.Invokers)
	out.That(c.Cores > 0 && c.Cores <= maxCores, "cores", "must be in (0, %d], got %g", maxCores, c.Cores)
	out.That(c.MemoryMB > 0 && c.MemoryMB <= 1<<40, "memory_mb", "must be in [1, 2^40], got %d", c.MemoryMB)
	out.That(c.StartLimit >= 0, "start_limit", "must not be negative, got %d", c.StartLimit)
	out.That(c.StartCPU >= 0 && c.StartCPU <= maxCores, "start_cpu", "must be in [0, %d] cores, got %g", maxCores, c.StartCPU)
	out.That(c.CPUSlack >= 0 && c.CPUSlack < 1, "cpu_slack", "must be in [0, 1), got %g", c.CPUSlack)
	out.Note("sharing", policy.DefaultSharing(c.Sharing).Validate())
	return out.Err()
}

// TotalCores is the CPU of all invokers together.
func (c Cluster) TotalCores() float64 { return float64(c.Invokers) * c.Cores }

// Specs are the invokers as the scheduler takes them.
func (c Cluster) Specs() []decide.InvokerSpec {
	specs := make([]decide.InvokerSpec, c.Invokers)
	for i := range specs {
		specs[i] = decide.InvokerSpec{Memory: int64(c.MemoryMB) << 20, Cores: c.Cores, StartLimit: c.StartLimit}
	}
	return specs
}

// A Draw says which requests a [Workload] has.
type Draw struct {
	// Seed of the arrivals within their minutes, the durations and the start costs.
	// Default 1.
	Seed uint64 `json:"seed"`
	// Window of the trace whose requests are counted. One of length 0, the default,
	// is the whole trace.
	Window datasets.Window `json:"window"`
	// WarmupMinutes before the window are replayed but not counted, as far as the
	// trace reaches back, so that no policy is judged on an empty platform.
	// >= 0. Default 60.
	WarmupMinutes int `json:"warmup_minutes"`
	// Arrivals inside a minute: "uniform" (the default), "poisson", "equidistant" or "start".
	Arrivals string `json:"arrivals"`
	// Unit of containers: "function" (the default) or "app". With "app" an application
	// is what the scheduler sees as one function: with the memory of all its functions,
	// the CPU of the largest and the start cost of the slowest, as all are loaded
	// together. Requests keep the durations of their own functions.
	Unit string `json:"unit"`
	// ScaleArrivals multiplies the count of every function and minute; what is left
	// of a fraction is one more request with that probability. > 0. Default 1.
	ScaleArrivals float64 `json:"scale_arrivals"`
}

// DefaultDraw returns the defaults.
func DefaultDraw() Draw {
	return Draw{Seed: 1, WarmupMinutes: 60, Arrivals: Uniform, Unit: PerFunction, ScaleArrivals: 1}
}

// Validate reports all fields that are out of range.
func (d Draw) Validate() error {
	var errs []error
	if d.Window.From < 0 || d.Window.To < d.Window.From {
		errs = append(errs, fmt.Errorf("sim: window must run forward from minute 0 or later, got %v", d.Window))
	}
	if d.WarmupMinutes < 0 {
		errs = append(errs, fmt.Errorf("sim: warmup_minutes must not be negative, got %d", d.WarmupMinutes))
	}
	if !(d.ScaleArrivals > 0) || math.IsInf(d.ScaleArrivals, 0) {
		errs = append(errs, fmt.Errorf("sim: scale_arrivals must be positive, got %g", d.ScaleArrivals))
	}
	switch d.Arrivals {
	case Uniform, Poisson, Equidistant, MinuteStart:
	default:
		errs = append(errs, fmt.Errorf("sim: arrivals must be %s, %s, %s or %s, got %q", Uniform, Poisson, Equidistant, MinuteStart, d.Arrivals))
	}
	switch d.Unit {
	case PerFunction, PerApp:
	default:
		errs = append(errs, fmt.Errorf("sim: unit must be %s or %s, got %q", PerFunction, PerApp, d.Unit))
	}
	return errors.Join(errs...)
}

// Options of a simulation: what draws its requests, and what serves them.
type Options struct {
	Draw

	Cluster   Cluster           `json:"cluster"`
	Scheduler scheduler.Options `json:"scheduler"`

	// Faults are what fails; the zero value, the default, lets nothing fail.
	Faults Faults `json:"-"`

	// Weights of a request by function, >= 0, for the weighted figures of a Result;
	// nil weighs all alike.
	Weights []float64 `json:"-"`
	// Slices, where not nil, are what Cluster.Sharing "alps" schedules by; else it learns
	// as it runs.
	Slices *alps.Ranking `json:"-"`
	// Observer, where not nil, sees a run as it goes.
	Observer Observer `json:"-"`

	// slots, where not nil, are taken one for each run: comparisons that go on side by
	// side share them, so that the last one has all the workers that the others had.
	slots chan struct{}
}

// run takes a slot for f.
func (o Options) run(ctx context.Context, f func() error) error {
	if o.slots == nil {
		return f()
	}
	select {
	case o.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-o.slots }()
	return f()
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{Draw: DefaultDraw(), Cluster: DefaultCluster(), Scheduler: scheduler.DefaultOptions()}
}

// Validate reports all options that are out of range.
func (o Options) Validate() error {
	errs := []error{o.Cluster.Validate(), o.Scheduler.Validate(), o.Faults.Validate()}
	if o.Faults.any() && o.Scheduler.Concurrency > 1 {
		errs = append(errs, fmt.Errorf("sim: faults are simulated of containers that execute one request at a time, got concurrency %d", o.Scheduler.Concurrency))
	}
	if err := o.Draw.Validate(); err != nil {
		errs = append(errs, err)
	}
	if err := o.together(o.Cluster.Sharing); err != nil {
		errs = append(errs, err)
	}
	for f, w := range o.Weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			errs = append(errs, fmt.Errorf("sim: weights[%d] must not be negative, got %g", f, w))
			break
		}
	}
	return errors.Join(errs...)
}

// together reports a discipline that cannot share the CPU of a container.
func (o Options) together(sharing string) error {
	if o.Scheduler.Concurrency > 1 && sharing != PS {
		return fmt.Errorf("sim: concurrency is %d: the requests of a container share its CPU, which needs sharing %s, got %q", o.Scheduler.Concurrency, PS, sharing)
	}
	return nil
}

// sharing is the discipline of the invokers under a stack: its own, or the cluster's.
func (o Options) sharing(own policy.Sharing) (policy.Sharing, error) {
	if own.Name == "" {
		own = policy.DefaultSharing(o.Cluster.Sharing)
		own.Slices = o.Slices
	}
	if err := own.Validate(); err != nil {
		return own, fmt.Errorf("sim: %w", err)
	}
	return own, o.together(own.Name)
}

// An Observer sees a run as it goes, in the goroutine of the run.
type Observer interface {
	// Handled is called after every event with the state that it led to and with
	// what was decided. The state stays as it is until the next event, so what is
	// integrated over time is its value here times the time to the next call.
	// The slice is valid during the call.
	Handled(s decide.Snapshot, ev decide.Event, decisions []decide.Decision)

	// Finished is called when a request has completed or was dropped, before the
	// event or after the decision that did so.
	Finished(o Outcome)
}

// A Class is one of the four ways in which a request can end.
type Class uint8

// The classes; every request has exactly one.
const (
	// Warm requests started when they arrived, in a container that was there.
	Warm Class = iota
	// Cold requests waited for a container to initialise: it was created for them,
	// or became ready after they arrived and served them first.
	Cold
	// DelayedWarm requests waited and then started in a container that had served
	// others, or that was ready before they came.
	DelayedWarm
	// Dropped requests were given up by the scheduler.
	Dropped
)

func (c Class) String() string {
	return [...]string{"warm", "cold", "delayed_warm", "dropped"}[c]
}

// An Outcome is the story of one request.
type Outcome struct {
	Number   uint64 // in the trace, from 0; the draws belong to it
	Request  decide.RequestID
	Function decide.FunctionID
	Class    Class
	Counted  bool        // it arrived inside the window, not in the warm-up
	Arrival  decide.Time // since the start of the trace, as all times
	Dispatch decide.Time // when a container was chosen or ordered for it; of a dropped one, when it was dropped
	Start    decide.Time // when it began to execute; of a dropped one, arrival + time-out
	Done     decide.Time // when it completed; of a dropped one, Start + Work
	Work     decide.Time // that it executes for when it has the CPU it can use
}

// A NewStack builds a policy for a trace. Every run builds its own.
type NewStack func(t *datasets.Trace, s policy.Site) (scheduler.Stack, error)

// Profiles are what a scheduler is told about the functions of a trace before it
// has seen them run: the means of their distributions. Owners and applications are
// numbered in order of first appearance.
func Profiles(t *datasets.Trace) []decide.Profile {
	type key struct{ owner, app string }
	apps := make(map[key]int32)
	owners := make(map[string]int32)
	out := make([]decide.Profile, len(t.Functions))
	for i := range t.Functions {
		f := &t.Functions[i]
		app, ok := apps[key{f.Owner, f.App}]
		if !ok {
			app = int32(len(apps))
			apps[key{f.Owner, f.App}] = app
		}
		owner, ok := owners[f.Owner]
		if !ok {
			owner = int32(len(owners))
			owners[f.Owner] = owner
		}
		out[i] = decide.Profile{
			Owner:       owner,
			App:         app,
			Language:    language(f),
			Memory:      f.Memory,
			CPU:         f.CPU,
			Execution:   decide.FromDuration(f.Execution.Mean()),
			Initialise:  decide.FromDuration(f.Initialisation.Mean()),
			Termination: decide.FromDuration(f.Termination.Mean()),
		}
	}
	return out
}

// Run replays the workload w of the trace t under the policy that newStack builds.
// Of o it takes the cluster, the scheduler's options, the seed of the start costs,
// the weights and the observer; the window, the warm-up and the scale are w's.
//
// Equal arguments give equal results, but for [Row].Timing.
func Run(ctx context.Context, t *datasets.Trace, w *Workload, newStack NewStack, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if w.requests == 0 {
		return nil, w.empty(t)
	}
	t = w.scheduled(t)
	if o.Weights != nil && len(o.Weights) != len(t.Functions) {
		return nil, fmt.Errorf("sim: %d weights for %d functions", len(o.Weights), len(t.Functions))
	}
	if err := fits(t, o.Cluster); err != nil {
		return nil, err
	}
	known := &future{ctx: ctx, trace: t, workload: w}
	site := policy.Site{
		Profiles: Profiles(t),
		Invokers: o.Cluster.Specs(),
		Start:    decide.Time(w.from) * decide.Minute,
		Future:   known,
	}
	stack, err := newStack(t, site)
	if err != nil {
		return nil, fmt.Errorf("build policy: %w", err)
	}
	s, err := scheduler.New(site.Profiles, site.Invokers, stack, o.Scheduler)
	if err != nil {
		return nil, err
	}
	sharing, err := o.sharing(stack.Sharing)
	if err != nil {
		return nil, fmt.Errorf("simulate %s: %w", stack.Name, err)
	}
	m := newMachine(t, s, w, sharing, o)
	began := time.Now()
	err = w.each(ctx, t, m.arrive)
	if err == nil {
		err = m.drain(ctx)
	}
	if err == nil {
		err = known.err
	}
	if err != nil {
		return nil, fmt.Errorf("simulate %s: %w", stack.Name, err)
	}
	r := m.tally.result(stack.Name, time.Since(began))
	if m.faults != nil {
		r.Faults = &m.faults.figures
	}
	return r, nil
}

// fits reports the first function that cannot be simulated on c, by its name.
func fits(t *datasets.Trace, c Cluster) error {
	capacity := int64(c.MemoryMB) << 20
	for i := range t.Functions {
		f := &t.Functions[i]
		what := ""
		switch {
		case f.Memory <= 0:
			what = fmt.Sprintf("memory must be positive, got %d bytes", f.Memory)
		case f.Memory > capacity:
			what = fmt.Sprintf("a container of %d bytes fits no invoker, each has %d (memory_mb %d)", f.Memory, capacity, c.MemoryMB)
		case !(f.CPU > 0) || f.CPU > maxCores:
			what = fmt.Sprintf("cpu must be in (0, %d] cores, got %g", maxCores, f.CPU)
		}
		if what != "" {
			return fmt.Errorf("sim: function %d (%s/%s/%s): %s", i, f.Owner, f.App, f.Name, what)
		}
	}
	return nil
}
