// Package sample takes from a trace a few functions that stand for all.
//
// There are only a few types. [Choose] makes a [Choice] of functions as [Options] say;
// [Choice.Input] is the trace of these alone, as an input for a store.
//
// The functions are drawn in strata: by the class of their mean rate (those of
// [datasets.Profile]) and by what triggers them. A stratum gets its share of the sample,
// rounded by largest remainders, and within it one function is drawn from each of as many
// equal parts of its functions in the order of their invocations. Many such draws are made
// and the one is taken whose distributions are nearest to those of the whole, as in
// Ustiugov et al., "InVitro" (WORDS 2023). Near is a small sum of Wasserstein distances of
// order 1, of three figures by function: invocations, mean execution time and memory.
// Each is compared twice, on a logarithmic scale, since they run over many orders of
// magnitude, and as it is, over its mean, since a few busy functions are most of the load.
package sample

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
)

// version numbers the rules by which samples are drawn.
const version = 1

// maxCandidates bounds how long a choice takes.
const maxCandidates = 100000

// Options say how a sample is drawn.
type Options struct {
	// Functions in the sample, at least 1 and at most as many as the trace has. It has no default.
	Functions int `json:"functions"`

	// Candidates are the draws from which the nearest is taken, in [1, 100000]. Default 64.
	Candidates int `json:"candidates"`

	// Seed of the draws. Default 1.
	Seed uint64 `json:"seed"`
}

// DefaultOptions returns the defaults for a sample of that many functions.
func DefaultOptions(functions int) Options {
	return Options{Functions: functions, Candidates: 64, Seed: 1}
}

// Validate reports options that cannot be used.
func (o Options) Validate() error {
	var errs []error
	if o.Functions < 1 {
		errs = append(errs, fmt.Errorf("sample: functions must be at least 1, got %d", o.Functions))
	}
	if o.Candidates < 1 || o.Candidates > maxCandidates {
		errs = append(errs, fmt.Errorf("sample: candidates must be in [1, %d], got %d", maxCandidates, o.Candidates))
	}
	return errors.Join(errs...)
}

// A Figure compares the distribution of a figure over the functions of the sample with that
// over all.
type Figure struct {
	Name   string  `json:"figure"`
	Unit   string  `json:"unit"`
	Whole  float64 `json:"whole_mean"`
	Sample float64 `json:"sample_mean"`

	// Wasserstein is the distance of order 1 in the unit of the figure, and Log10 that of
	// log10(1 + figure); of invocations, the figure is then their number over the span.
	Wasserstein float64 `json:"wasserstein"`
	Log10       float64 `json:"wasserstein_log10"`
}

// A Choice is a sample of the functions of a trace.
type Choice struct {
	Functions []datasets.FunctionID // ascending

	Invocations int64 // of these
	Whole       int64 // of all
	Strata      int   // that the trace has
	Figures     []Figure

	trace *datasets.Trace
	opts  Options
}

// figures by function, as they are reported and as they are compared.
type figure struct {
	name, unit  string
	plain, logs []float64 // by function

	allPlain, allLogs []float64 // in ascending order
	mean              float64   // of plain
}

// compare returns the figure of the functions drawn.
func (f *figure) compare(drawn []datasets.FunctionID) Figure {
	plain := pick(f.plain, drawn)
	return Figure{
		Name: f.name, Unit: f.unit, Whole: f.mean, Sample: mean(plain),
		Wasserstein: distance(plain, f.allPlain), Log10: distance(pick(f.logs, drawn), f.allLogs),
	}
}

// Distance is what a choice minimises: the sum over the figures of Log10 and of Wasserstein
// over the mean of the whole.
func (c *Choice) Distance() float64 {
	sum := 0.0
	for _, f := range c.Figures {
		sum += f.Log10
		if f.Whole > 0 {
			sum += f.Wasserstein / f.Whole
		}
	}
	return sum
}

// Choose reads all counts of t and draws a sample.
func Choose(ctx context.Context, t *datasets.Trace, o Options) (*Choice, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if n := len(t.Functions); o.Functions > n {
		return nil, fmt.Errorf("sample: functions must be at most the %d of trace %q, got %d", n, t.Name, o.Functions)
	}
	totals, err := t.Totals(ctx, t.Span)
	if err != nil {
		return nil, fmt.Errorf("sample of trace %q: %w", t.Name, err)
	}
	figures, strata := figuresOf(t, totals), strataOf(t, totals)
	quota := share(strata, o.Functions)
	best := &Choice{}
	nearest := math.Inf(1)
	for k := range o.Candidates {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := &Choice{
			Functions: draw(strata, quota, seed.Key(o.Seed, fmt.Sprintf("sample candidate %d", k))),
			Strata:    len(strata), trace: t, opts: o,
		}
		for i := range figures {
			c.Figures = append(c.Figures, figures[i].compare(c.Functions))
		}
		if d := c.Distance(); d < nearest {
			nearest, best = d, c
		}
	}
	slices.Sort(best.Functions)
	for _, n := range totals {
		best.Whole += n
	}
	for _, f := range best.Functions {
		best.Invocations += totals[f]
	}
	return best, nil
}

func figuresOf(t *datasets.Trace, totals []int64) []figure {
	out := []figure{{name: "invocations", unit: "per minute"}, {name: "execution", unit: "ms"}, {name: "memory", unit: "MB"}}
	for f, n := range totals {
		fn := &t.Functions[f]
		ms := float64(fn.Execution.Mean()) / float64(time.Millisecond)
		mb := float64(fn.Memory) / (1 << 20)
		for i, v := range []struct{ plain, compared float64 }{{float64(n) / float64(t.Observed(t.Span)), float64(n)}, {ms, ms}, {mb, mb}} {
			out[i].plain = append(out[i].plain, v.plain)
			out[i].logs = append(out[i].logs, math.Log10(1+v.compared))
		}
	}
	for i := range out {
		f := &out[i]
		f.allPlain, f.allLogs, f.mean = slices.Sorted(slices.Values(f.plain)), slices.Sorted(slices.Values(f.logs)), mean(f.plain)
	}
	return out
}

// strataOf are the functions by class of rate and trigger, each in the order of their
// invocations.
func strataOf(t *datasets.Trace, totals []int64) [][]datasets.FunctionID {
	type key struct {
		class   int
		trigger datasets.Trigger
	}
	members := map[key][]datasets.FunctionID{}
	for f, n := range totals {
		k := key{datasets.RateClassOf(n, t.Observed(t.Span)), t.Functions[f].Trigger}
		members[k] = append(members[k], datasets.FunctionID(f))
	}
	keys := make([]key, 0, len(members))
	for k := range members {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		if a.class != b.class {
			return a.class - b.class
		}
		return strings.Compare(string(a.trigger), string(b.trigger))
	})
	var out [][]datasets.FunctionID
	for _, k := range keys {
		stratum := members[k]
		slices.SortStableFunc(stratum, func(a, b datasets.FunctionID) int {
			switch {
			case totals[a] < totals[b]:
				return -1
			case totals[a] > totals[b]:
				return 1
			}
			return 0
		})
		out = append(out, stratum)
	}
	return out
}

// share divides n places among the strata in proportion to their sizes: whole parts, and the
// rest to the largest remainders, the first of equal ones.
func share(strata [][]datasets.FunctionID, n int) []int {
	all := 0
	for _, s := range strata {
		all += len(s)
	}
	quota, order := make([]int, len(strata)), make([]int, len(strata))
	rest := n
	for i, s := range strata {
		quota[i] = n * len(s) / all
		rest -= quota[i]
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return n*len(strata[b])%all - n*len(strata[a])%all })
	for _, i := range order[:rest] {
		quota[i]++
	}
	return quota
}

// draw takes one function from each of quota equal parts of every stratum.
func draw(strata [][]datasets.FunctionID, quota []int, key uint64) []datasets.FunctionID {
	var out []datasets.FunctionID
	for i, s := range strata {
		for k := range quota[i] {
			from, to := k*len(s)/quota[i], (k+1)*len(s)/quota[i]
			u := seed.Uniform(key, uint64(len(out)))
			out = append(out, s[from+int(u*float64(to-from))])
		}
	}
	return out
}

func pick(values []float64, functions []datasets.FunctionID) []float64 {
	out := make([]float64, len(functions))
	for i, f := range functions {
		out[i] = values[f]
	}
	slices.Sort(out)
	return out
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// Input is the trace of the chosen functions, with days and span of the whole. It is of the
// format of the whole, so that a sample of a synthetic trace is called synthetic.
func (c *Choice) Input() datasets.Input { return input{c} }

type input struct{ *Choice }

// Provenance implements [datasets.Input]. The source file is the whole trace, by the
// digest of its content.
func (in input) Provenance() datasets.Provenance {
	t := in.trace
	own := fmt.Sprintf("a sample of %d of the %d functions of the trace %s (%s), by rate and trigger", len(in.Functions), len(t.Functions), t.Name, t.Digest)
	notes := append([]string{own}, t.Notes...)
	if t.Label() != "" && len(t.Notes) > 0 { // what the trace is called for comes first
		notes[0], notes[1] = notes[1], notes[0]
	}
	return datasets.Provenance{
		Format:     t.Format,
		Parameters: fmt.Sprintf("sample=%d functions=%d candidates=%d seed=%d", version, in.opts.Functions, in.opts.Candidates, in.opts.Seed),
		Files:      []datasets.SourceFile{{Name: in.file(), SHA256: strings.TrimPrefix(t.Digest, "sha256:")}},
		Start:      t.Start, Span: t.Span, Gaps: t.Gaps, Notes: notes,
	}
}

func (in input) file() string { return "trace " + in.trace.Name }

// Read implements [datasets.Input].
func (in input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	if len(known) > 0 {
		return nil, errors.New("sample: a sample cannot extend another trace")
	}
	if err := sink.Rows(in.file(), int64(len(in.trace.Functions))); err != nil {
		return nil, err
	}
	number := make([]datasets.FunctionID, len(in.trace.Functions)) // in the sample; -1: not in it
	for i := range number {
		number[i] = -1
	}
	var functions []datasets.Function
	for i, f := range in.Functions {
		number[f] = datasets.FunctionID(i)
		fn := in.trace.Functions[f]
		fn.ID = datasets.FunctionID(i)
		functions = append(functions, fn)
	}
	for day := range in.trace.Days() {
		if err := in.day(ctx, day, number, sink); err != nil {
			return nil, err
		}
	}
	return functions, nil
}

func (in input) day(ctx context.Context, day int, number []datasets.FunctionID, sink datasets.Sink) error {
	if seq, ok := in.trace.DayInvocations(ctx, day, in.trace.Span); ok {
		return sink.Invocations(day, only(seq, number))
	}
	c, err := in.trace.Day(ctx, day)
	if err != nil {
		return err
	}
	out := &datasets.Counts{Day: day, Offset: make([]int, 1, len(in.Functions)+1)}
	for _, f := range in.Functions {
		minute, count := c.Function(f)
		out.Minute, out.Count = append(out.Minute, minute...), append(out.Count, count...)
		out.Offset = append(out.Offset, len(out.Minute))
	}
	return sink.Day(out)
}

// only yields the invocations of functions that have a number, under that. Numbers ascend
// with those of the whole, so the order stays.
func only(seq iter.Seq2[datasets.Invocation, error], number []datasets.FunctionID) iter.Seq2[datasets.Invocation, error] {
	return func(yield func(datasets.Invocation, error) bool) {
		for inv, err := range seq {
			if err == nil {
				if inv.Function = number[inv.Function]; inv.Function < 0 {
					continue
				}
			}
			if !yield(inv, err) {
				return
			}
		}
	}
}
