package scheduler

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// A Row names a stack that needs no bundle.
type Row struct {
	Name           string
	Sharing        string // the discipline of its invokers, where it brings one
	Source         string // where the policy comes from
	Reconstruction bool   // from a description, where no code or pseudocode of the authors was at hand
	Clairvoyant    bool   // it asks Setting.Future: a reference, which no platform can run
	Parameters     []Parameter

	build func(s Setting, value func(name string) float64) Stack
}

// A Parameter of a stack has a name, under which [Baseline] sets it.
type Parameter struct {
	Name      string
	Doc       string // what it means, with its unit
	Default   float64
	Low, High float64 // the range, both included
}

// A Setting is what a stack is built for.
type Setting struct {
	Profiles []decide.Profile     // of the functions of the Scheduler
	Invokers []decide.InvokerSpec // and its machines
	Start    decide.Time          // when the clock begins
	Future   decide.Future        // nil where nobody knows it

	seed uint64 // of policies that draw
}

// baselines is the one table of stacks that need no bundle. Those that are named
// for a rule differ from native in the dispatcher alone.
var baselines = slices.Concat([]Row{
	{
		Name: "native", Source: "Apache OpenWhisk: LRU eviction, 10-minute keep-alive",
		Parameters: []Parameter{keepAlive},
		build: func(_ Setting, value func(string) float64) Stack {
			return compose(policy.Native(seconds(value, keepAlive)))
		},
	},
	{
		Name: "native-pick", Source: "native, in the idle container whose invoker is the least loaded: what the choice of an invoker is worth",
		Parameters: []Parameter{keepAlive},
		build: func(_ Setting, value func(string) float64) Stack {
			return compose(policy.NativePick(seconds(value, keepAlive)))
		},
	},
	{
		Name: "fcfs", Source: "strict order of arrival: while the oldest request waits for room, all do",
		Parameters: []Parameter{keepAlive},
		build: func(_ Setting, value func(string) float64) Stack {
			s := compose(policy.Native(seconds(value, keepAlive)))
			s.Dispatcher = policy.Strict{}
			return s
		},
	},
	{
		Name: "locality", Source: "OpenWhisk's sharding load balancer: native, placed by the hash of the function",
		Parameters: []Parameter{keepAlive},
		build: func(_ Setting, value func(string) float64) Stack {
			return compose(policy.Locality(seconds(value, keepAlive)))
		},
	},
	{
		Name: "faascache", Source: "Fuerst and Sharma, FaasCache, ASPLOS 2021: GDSF; requests wait for room up to the time-out",
		build: func(s Setting, _ func(string) float64) Stack { return compose(policy.FaasCache(s.Profiles)) },
	},
	{
		Name: "lru", Source: "FaasCache's variant LRU: kept until the room is needed",
		build: func(Setting, func(string) float64) Stack { return compose(policy.LeastRecentlyUsed()) },
	},
	{
		Name: "ttl", Source: "a fixed keep-alive of ten minutes, and no eviction before",
		Parameters: []Parameter{keepAlive},
		build: func(_ Setting, value func(string) float64) Stack {
			return compose(policy.TTL(seconds(value, keepAlive)))
		},
	},
	{
		Name: "landlord", Source: "FaasCache's variant Landlord: Young, SODA 1998",
		build: func(s Setting, _ func(string) float64) Stack { return compose(policy.Landlord(s.Profiles)) },
	},
	{
		Name: "histogram", Source: "Shahrad et al., Serverless in the Wild, ATC 2020: hybrid histogram, AR(1) for ARIMA", Reconstruction: true,
		Parameters: histogramParameters,
		build: func(s Setting, value func(string) float64) Stack {
			return compose(policy.Histogram(s.Profiles, policy.HistogramOptions{
				Range: int(value("range_min")), CV: value("cv"), Head: value("head"), Tail: value("tail"),
			}))
		},
	},
	{
		Name: "cidre", Source: "CIDRE, ASPLOS 2025: speculative starts, eviction by concurrency-informed priority", Reconstruction: true,
		Parameters: []Parameter{{"target_ms", "how long the queue of a function should take to serve, in ms", policy.CIDRETarget.Seconds() * 1000, 1, 1e6}},
		build: func(s Setting, value func(string) float64) Stack {
			return compose(policy.CIDRE(s.Profiles, decide.Time(value("target_ms")*float64(decide.Millisecond))))
		},
	},
	{
		Name: "lass", Source: "Wang, Ali-Eldin and Shenoy, LaSS, HPDC 2021: containers by a queueing model, fair share, deflation", Reconstruction: true,
		Parameters: lassParameters,
		build: func(s Setting, value func(string) float64) Stack {
			stack := compose(policy.LaSS(s.Profiles, s.Invokers, policy.LaSSOptions{
				Wait: decide.Time(value("wait_ms") * float64(decide.Millisecond)), Quantile: value("quantile"), Deflate: value("deflate"),
			}))
			stack.CPUShare = 1 // a container owns its CPU

			return stack
		},
	},
	{
		Name: "scl", Source: "after Patel et al., scheduler-cooperative locks, EuroSys 2020: deficit accounting between tenants", Reconstruction: true,
		Parameters: sclParameters,
		build: func(s Setting, value func(string) float64) Stack {
			stack := compose(policy.SCL(s.Profiles, s.Invokers, policy.SCLOptions{
				Window: milliseconds(1000 * value("window_s")), ByApp: value("by_app") >= 0.5,
			}))
			stack.CPUShare = value("cpu_share")
			return stack
		},
	},
	{
		Name: "oracle", Source: "perfect forecasts, eviction after Belady by next use and cost: a reference", Clairvoyant: true,
		build: func(s Setting, _ func(string) float64) Stack {
			return compose(policy.Oracle(s.Profiles, s.Future, s.Start))
		},
	},
}, []Row{indexed}, placements, autoscalers, []Row{
	rule("random", "a request drawn at random", 0, false),
	rule("sjf", "shortest expected job first, initialisation included", 0, false),
	rule("esff", "enhanced shortest function first, arXiv 2310.16475", 0, true),
	rule("leastslack", "least slack first, Fifer, Middleware 2020, with Incendio's objective", 0, true),
	rule("density", "Incendio, Eq. 5-7, greedy by density, all priorities equal", 1, false),
	rule("knapsack", "Incendio, Eq. 5-7, exact by dynamic programming, all priorities equal", 1, false),
}, []Row{
	shared(SharingFIFO, "native, and invokers run to completion in the order of starts", nil, nil),
	shared(SharingSRPT, "native, and invokers serve the shortest remaining time first: they know the durations, a reference", nil, nil),
	shared(SharingSFS, "Fu et al., SFS, SC 2022: native, and invokers give a slice to every request in FILTER, then CFS", sfsParameters,
		func(s *Sharing, value func(string) float64) {
			s.SFS = SFSOptions{
				Initial: milliseconds(value("initial_ms")), Floor: milliseconds(value("floor_ms")),
				Window: int(value("window")), Overload: value("overload"),
			}
		}),
	shared(SharingALPS, "Fu et al., ALPS, ATC 2024: native, and invokers learn ranks and slices of functions from SRPT", alpsParameters,
		func(s *Sharing, value func(string) float64) {
			s.ALPS = alps.Options{
				Every: milliseconds(1000 * value("every_s")), Recent: int(value("recent")), Check: milliseconds(value("check_ms")),
				Alpha: value("alpha"), Beta: value("beta"), Gamma: value("gamma"), Theta: value("theta"), Smooth: value("smooth"),
				MinSlice: milliseconds(value("min_slice_ms")), MaxSlice: milliseconds(value("max_slice_ms")),
			}
		}),
})

// keepAlive is a parameter of many rows.
var keepAlive = Parameter{"keep_alive_s", "how long an idle container is kept, in seconds", policy.NativeKeepAlive.Seconds(), 0, 1e9}

func seconds(value func(string) float64, p Parameter) decide.Time {
	return decide.Time(value(p.Name) * float64(decide.Second))
}

var histogramParameters = func(o policy.HistogramOptions) []Parameter {
	return []Parameter{
		{"range_min", "minutes that the histogram covers", float64(o.Range), 1, 10080},
		{"cv", "coefficient of variation of the bins below which the histogram is not used", o.CV, 0, 100},
		{"head", "quantile of idle times that prewarming may not miss", o.Head, 0, 0.5},
		{"tail", "quantile of idle times that keeping alive shall cover", o.Tail, 0.5, 1},
	}
}(policy.DefaultHistogramOptions())

var lassParameters = func(o policy.LaSSOptions) []Parameter {
	return []Parameter{
		{"wait_ms", "how long a request may wait for a container, in ms", o.Wait.Seconds() * 1000, 0, 60000},
		{"quantile", "share of requests that wait no longer", o.Quantile, 0.01, 0.9999},
		{"deflate", "part of its CPU that a container may lose under overload", o.Deflate, 0, 0.99},
	}
}(policy.DefaultLaSSOptions())

var sclParameters = func(o policy.SCLOptions) []Parameter {
	return []Parameter{
		{"window_s", "over which every tenant shall have its share, in seconds", o.Window.Seconds(), 0.1, 86400},
		{"by_app", "1: tenants are applications, 0: owners", 0, 0, 1},
		{"cpu_share", "limit of what executes at once, in multiples of the cores", 1, 0.1, 1000},
	}
}(policy.DefaultSCLOptions())

var sfsParameters = func(o SFSOptions) []Parameter {
	return []Parameter{
		{"initial_ms", "slice until window arrivals were seen, in ms", inMS(o.Initial), 1, 60000},
		{"floor_ms", "least slice, in ms", inMS(o.Floor), 0.1, 60000},
		{"window", "arrivals whose mean gap, times the cores, is the slice", float64(o.Window), 1, 1e6},
		{"overload", "slices after which a request that waits goes straight to CFS", o.Overload, 0, 1e6},
	}
}(DefaultSFSOptions())

var alpsParameters = func(o alps.Options) []Parameter {
	return []Parameter{
		{"every_s", "from one round of learning to the next, in seconds", o.Every.Seconds(), 0.1, 86400},
		{"recent", "invocations that a round simulates", float64(o.Recent), 1, 1e6},
		{"check_ms", "how often the simulation looks whether a shorter job waits, in ms", inMS(o.Check), 0.1, 60000},
		{"alpha", "a slice is at most that many mean stretches", o.Alpha, 0.01, 100},
		{"beta", "standard deviations taken off a slice", o.Beta, 0, 100},
		{"gamma", "divides the penalty of a busy machine", o.Gamma, 0.01, 100},
		{"theta", "use of the CPU in percent from which on slices are shortened", o.Theta, 0, 100},
		{"smooth", "weight of the last round beside those before", o.Smooth, 0.01, 1},
		{"min_slice_ms", "floor of slices, in ms", inMS(o.MinSlice), 0.1, 200},
		{"max_slice_ms", "ceiling of slices, in ms", inMS(o.MaxSlice), 200, 60000},
	}
}(alps.DefaultOptions())

func inMS(t decide.Time) float64 { return 1000 * t.Seconds() }

func milliseconds(ms float64) decide.Time {
	return decide.Time(math.Round(ms * float64(decide.Millisecond)))
}

// shared is native on invokers with a discipline of their own; set, where not nil, sets
// its parameters.
func shared(name, source string, parameters []Parameter, set func(s *Sharing, value func(string) float64)) Row {
	return Row{
		Name: name, Sharing: name, Source: source, Parameters: slices.Concat([]Parameter{keepAlive}, parameters),
		build: func(_ Setting, value func(string) float64) (s Stack) {
			s = compose(policy.Native(seconds(value, keepAlive)))
			s.Sharing = DefaultSharing(name)
			if set != nil {
				set(&s.Sharing, value)
			}
			return s
		},
	}
}

func compose(p policy.Parts) Stack {
	return Stack{Dispatcher: p.Dispatcher, Pool: p.Pool, Placer: p.Placer}
}

// rule is a row that dispatches by a rule without learned signals.
func rule(name, source string, cpuShare float64, reconstruction bool) Row {
	return Row{
		Name: name, Source: source, Reconstruction: reconstruction,
		build: func(site Setting, _ func(string) float64) Stack {
			s := compose(policy.Native(policy.NativeKeepAlive))
			d, err := policy.Rule(name, nil, site.seed)
			if err != nil {
				panic(err) // a row of this table that names no rule
			}
			s.Dispatcher, s.CPUShare = d, cpuShare
			return s
		},
	}
}

// Baselines returns the stacks that [Baseline] knows, in the order of tables.
func Baselines() []Row { return slices.Clone(baselines) }

// Baseline returns the builder of the stack that spec names: a name of [Baselines], and
// after it parameters as in "native:keep_alive_s=60", any number of them. The stack has
// spec as its name. The seed is for policies that draw. Every Scheduler needs a Stack of
// its own.
func Baseline(spec string, seed uint64) (func(Setting) (Stack, error), error) {
	name, rest, more := strings.Cut(spec, ":")
	i := slices.IndexFunc(baselines, func(r Row) bool { return r.Name == name })
	if i < 0 {
		names := make([]string, len(baselines))
		for k, r := range baselines {
			names[k] = r.Name
		}
		return nil, fmt.Errorf("scheduler: policy %q: must be one of %s", name, strings.Join(names, ", "))
	}
	row := &baselines[i]
	values := make(map[string]float64, len(row.Parameters))
	for _, p := range row.Parameters {
		values[p.Name] = p.Default
	}
	for more {
		var assignment string
		assignment, rest, more = strings.Cut(rest, ":")
		if err := row.set(values, assignment); err != nil {
			return nil, fmt.Errorf("scheduler: policy %q: %w", spec, err)
		}
	}
	return func(s Setting) (Stack, error) {
		if row.Clairvoyant && s.Future == nil {
			return Stack{}, fmt.Errorf("scheduler: policy %q knows the future, which only a replay has", name)
		}
		s.seed = seed
		stack := row.build(s, func(name string) float64 {
			v, ok := values[name]
			if !ok {
				panic(fmt.Sprintf("scheduler: policy %s reads the parameter %q, which it does not declare", row.Name, name))
			}
			return v
		})
		stack.Name = spec
		return stack, nil
	}, nil
}

// set reads "name=value" into values.
func (r *Row) set(values map[string]float64, assignment string) error {
	name, text, ok := strings.Cut(assignment, "=")
	i := slices.IndexFunc(r.Parameters, func(p Parameter) bool { return p.Name == name })
	switch {
	case len(r.Parameters) == 0:
		return fmt.Errorf("%s has no parameters, got %q", r.Name, assignment)
	case i < 0:
		names := make([]string, len(r.Parameters))
		for k, p := range r.Parameters {
			names[k] = p.Name
		}
		return fmt.Errorf("parameter %q: must be one of %s", name, strings.Join(names, ", "))
	}
	p := &r.Parameters[i]
	v, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil || !(v >= p.Low && v <= p.High) {
		return fmt.Errorf("%s must be a number in [%g, %g], got %q", name, p.Low, p.High, text)
	}
	values[name] = v
	return nil
}
