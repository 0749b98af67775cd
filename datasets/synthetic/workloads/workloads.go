// Package workloads makes a trace of functions whose execution and start costs were
// measured, with arrivals that are drawn: what the evaluation of the Incendio paper
// (Section VIII-A) puts beside the public traces.
//
// There are only a few types. A [Profile] is what was measured of a function; [Stream]
// makes a [datasets.Trace] of as many functions of each profile as [Options] say. Every
// function has memory of 128, 64 or 32 MB and a limit of 1, 0.75 or 0.5 cores, at random,
// and arrivals of a Poisson process, as in the paper.
//
// The measurements are quantiles, in profiles.csv:
//
//   - functionbench: Kim and Lee's FunctionBench (CLOUD 2019), twelve functions, each run
//     25 times warm and 5 times cold in containers of 512 MB on one machine of the platform
//     Ilúvatar (Fuerst et al., HPDC 2023). Execution is the time on the worker;
//     initialisation the time of a cold invocation less the median of the warm ones. One
//     cold run is left out: it took 486 s, a hundred times as long as the others.
//   - sebs: the thumbnailer of Copik et al., SeBS (Middleware 2021), at 128 MB on AWS
//     Lambda and Google Cloud Functions, about 200 runs of each kind. Execution is the
//     benchmark's own time, initialisation the client's, cold less the median of warm. The
//     uploader is left out: what its network takes varies by more than a start.
//   - serverlessbench: the paper's Java-hello (Yu et al., ServerlessBench, SoCC 2020), one
//     measurement on OpenWhisk (Fig. 4), and the only one that has a termination.
//   - paper: stand-ins for the five functions of the paper, which it names and, but for
//     Prime Number (Fig. 8(c)), gives no times of. Matrix Multiplication is FunctionBench's
//     lin_pack, Request its json_dumps_loads, which fetches a document first, Floating
//     Point its float_operation and Cifar its cnn_image_classification; Prime Number starts
//     as its hello does.
//
// Where termination was not measured it is 0.6 of initialisation, the ratio of Fig. 4, and
// said to be assumed.
package workloads

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/internal/seed"
)

// Format is the name of the layout on the command line.
const Format = "workloads"

// maxInstances and maxRate bound a trace to what a program can hold and replay.
const (
	maxInstances = 10000
	maxRate      = 1e6
	maxDuration  = 366 * 24 * time.Hour
)

// Options choose a trace. Equal options give equal traces.
type Options struct {
	// Profiles are sets of profiles or single ones, as [Names] lists them. Default paper.
	Profiles []string `json:"profiles"`

	// Instances is the number of functions of each profile, in [1, 10000]. Default 3.
	Instances int `json:"instances"`

	// Rate is the mean number of invocations of a function a minute, in (0, 1e6].
	// Default 6.
	Rate float64 `json:"rate"`

	// Duration of the trace in whole minutes, at most 366 days. Default 24h.
	Duration time.Duration `json:"duration_ns"`

	// Seed of all random draws. Default 1.
	Seed uint64 `json:"seed"`
}

// DefaultOptions returns the paper's five functions.
func DefaultOptions() Options {
	return Options{Profiles: []string{"paper"}, Instances: 3, Rate: 6, Duration: 24 * time.Hour, Seed: 1}
}

// Validate reports options that cannot be used.
func (o Options) Validate() error {
	var errs []error
	if len(o.Profiles) == 0 {
		errs = append(errs, fmt.Errorf("workloads: profiles is empty: must be of %s", strings.Join(Names(), ", ")))
	}
	if _, err := chosen(o.Profiles); err != nil {
		errs = append(errs, err)
	}
	if o.Instances < 1 || o.Instances > maxInstances {
		errs = append(errs, fmt.Errorf("workloads: instances must be in [1, %d], got %d", maxInstances, o.Instances))
	}
	if !(o.Rate > 0 && o.Rate <= maxRate) {
		errs = append(errs, fmt.Errorf("workloads: rate must be in (0, %g] invocations a minute, got %g", float64(maxRate), o.Rate))
	}
	if o.Duration < time.Minute || o.Duration > maxDuration || o.Duration%time.Minute != 0 {
		errs = append(errs, fmt.Errorf("workloads: duration must be whole minutes in [1m, %dh], got %v", maxDuration/time.Hour, o.Duration))
	}
	return errors.Join(errs...)
}

// Stream makes the trace a day at a time, whenever one is asked for, in memory that does
// not grow with the number of invocations. It has no digest.
//
// Durations are the quantiles of the profile at 0, 1, 2, … 100 %, a hundred and one at a
// time in a random order: each is drawn from the profile, and so are 101 together.
func Stream(o Options) (*datasets.Trace, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	profiles, err := chosen(o.Profiles)
	if err != nil {
		return nil, err
	}
	draw := seed.Stream(o.Seed, "workloads sizes")
	t := &datasets.Trace{
		Name: Format, Format: synthetic.Format, Start: synthetic.Start(), Span: datasets.Window{To: int(o.Duration / time.Minute)},
		Notes: []string{"synthetic: arrivals are drawn, execution and start costs were measured"},
	}
	for i := range profiles {
		p := &profiles[i]
		for k := range o.Instances {
			memory, cpu := []int64{128, 64, 32}[draw.IntN(3)], []float64{1, 0.75, 0.5}[draw.IntN(3)]
			t.Functions = append(t.Functions, datasets.Function{
				ID: datasets.FunctionID(len(t.Functions)), Owner: p.Set, App: p.Name, Name: fmt.Sprintf("%s-%d", p.Name, k+1),
				Trigger: datasets.HTTP, Memory: memory << 20, CPU: cpu,
				Execution: p.at(cpu), Initialisation: p.Initialisation, Termination: p.Termination,
			})
		}
	}
	t.Source = &source{opts: o, functions: t.Functions, span: t.Span}
	return t, nil
}

// A source draws the invocations of a day.
type source struct {
	opts      Options
	functions []datasets.Function
	span      datasets.Window
}

// Day implements [datasets.Source].
func (s *source) Day(ctx context.Context, day int) (*datasets.Counts, error) {
	seq, ok := s.DayInvocations(ctx, day, s.span)
	if !ok {
		return nil, fmt.Errorf("workloads: day %d: the trace has minutes %v", day, s.span)
	}
	tally := datasets.NewTally(day)
	for inv, err := range seq {
		if err == nil {
			err = tally.Add(inv)
		}
		if err != nil {
			return nil, err
		}
	}
	return tally.Counts(), nil
}

// DayInvocations implements [datasets.InvocationSource].
func (s *source) DayInvocations(ctx context.Context, day int, w datasets.Window) (iter.Seq2[datasets.Invocation, error], bool) {
	from := day * datasets.MinutesPerDay
	if day < 0 || from >= s.span.To {
		return nil, false
	}
	begin, end := time.Duration(w.From)*time.Minute, time.Duration(min(w.To, s.span.To, from+datasets.MinutesPerDay))*time.Minute
	return func(yield func(datasets.Invocation, error) bool) {
		next := make(arrivals, 0, len(s.functions))
		for f := range s.functions {
			p := s.process(datasets.FunctionID(f), day)
			if p.step(); p.at < end {
				next = append(next, p)
			}
		}
		heap.Init(&next)
		for n := 0; len(next) > 0; n++ {
			if n%(1<<16) == 0 && ctx.Err() != nil {
				yield(datasets.Invocation{}, ctx.Err())
				return
			}
			p := next[0]
			inv := datasets.Invocation{Function: p.function, Arrival: p.at, Duration: p.duration()}
			if inv.Arrival >= begin && !yield(inv, nil) {
				return
			}
			if p.step(); p.at < end {
				heap.Fix(&next, 0)
			} else {
				heap.Pop(&next)
			}
		}
	}, true
}

// process begins the arrivals of a function on a day. A Poisson process has no memory: the
// days need not know of each other.
func (s *source) process(f datasets.FunctionID, day int) *process {
	return &process{
		function: f, exact: float64(day) * 24 * 3600, mean: 60 / s.opts.Rate, execution: s.functions[f].Execution,
		draw: seed.Stream(s.opts.Seed, fmt.Sprintf("workloads function %d day %d", f, day)),
	}
}

// steps is the number of quantiles of a profile that are drawn before one is drawn again.
const steps = 101

// A process is the arrivals of one function.
type process struct {
	function  datasets.FunctionID
	exact     float64       // seconds of the next arrival
	at        time.Duration // that, in whole microseconds
	mean      float64       // seconds between arrivals
	execution datasets.Distribution
	draw      *rand.Rand

	deck []int // quantiles in percent that are still to come
}

// step goes on to the next arrival.
func (p *process) step() {
	p.exact += p.mean * p.draw.ExpFloat64()
	p.at = time.Duration(p.exact*1e6) * time.Microsecond
}

// duration draws that of the present arrival.
func (p *process) duration() time.Duration {
	if len(p.deck) == 0 {
		p.deck = p.draw.Perm(steps)
	}
	percent := p.deck[0]
	p.deck = p.deck[1:]
	return max(time.Microsecond, p.execution.Quantile(float64(percent)/(steps-1)).Truncate(time.Microsecond))
}

// arrivals is a heap of processes by their next arrivals.
type arrivals []*process

func (a arrivals) Len() int { return len(a) }
func (a arrivals) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(a[i].at, a[j].at), cmp.Compare(a[i].function, a[j].function)) < 0
}
func (a arrivals) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(x any)   { *a = append(*a, x.(*process)) }
func (a *arrivals) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}
