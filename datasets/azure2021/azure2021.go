// Package azure2021 reads the Azure Functions trace of 2021 (Zhang et al., "Faster and
// Cheaper Serverless Computing on Harvested Resources", SOSP 2021; Azure/AzurePublicDataset,
// AzureFunctionsInvocationTrace2021.md, CC-BY-4.0): two weeks of single invocations, as a
// table with the columns
//
//	app, func      hashes; a function is known by both, because func is unique only inside app
//	end_timestamp  when the invocation ended, seconds since midnight of 31 January 2021 UTC
//	duration       of the execution, seconds
//
// [Open] takes every file of a folder or archive whose header has these columns, whatever
// it is called (the official one ends in .txt), and learns their span; [Input.Read] gives
// the invocations by day and then the functions.
//
// How a row is read:
//
//   - The invocation arrives at end_timestamp - duration, rounded to whole microseconds.
//     Durations are whole milliseconds and ends are not, so a start up to a millisecond
//     before the trace is its very beginning; an earlier one is no observation.
//   - A duration of 0, which is one below a millisecond, counts as a microsecond. One that
//     is missing or cannot be used is unknown, and the invocation arrives at end_timestamp.
//   - Rows come in any order, though the official file is sorted by start.
//   - Nothing is known of triggers, memory, CPU and start costs: defaults stand in that
//     are marked as assumed. Execution times are the quantiles of the durations.
//
// The observed span is from the minute of the first start to that of the last one, so that
// the head of the file is no fortnight of silence.
//
// Memory is bounded, see [rows.Days].
package azure2021

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/cost"
	"github.com/incendio-faas/incendio/datasets/internal/join"
	"github.com/incendio-faas/incendio/datasets/internal/lost"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// Format is the name of the format in the store and on the command line.
const Format = "azure2021"

// origin is the midnight from which end_timestamp counts.
var origin = time.Date(2021, time.January, 31, 0, 0, 0, 0, time.UTC)

// Bounds beyond which a value is no observation.
const (
	maxDuration = 1e6 // seconds: 11 days
	maxEnd      = 1e9 // seconds: 31 years
)

// early is how long before the trace a start may seem to be, in microseconds.
const early = 1000

// Options choose how the files are read.
type Options struct {
	// Seed of the assumed start costs. Default 1.
	Seed uint64 `json:"seed"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options { return Options{Seed: 1} }

// Columns by their position in a row.
const (
	app = iota
	function
	end
	duration
)

var columns = []rows.Column{
	app: {Name: "app", Required: true}, function: {Name: "func", Required: true},
	end: {Name: "end_timestamp", Required: true}, duration: {Name: "duration", Required: true},
}

var names = []string{"app", "func", "end_timestamp", "duration"}

// Detect reports whether a file that begins with head is of this format.
func Detect(head []byte) bool { return rows.HasColumns(head, names...) }

// An Input is the files of the trace. It implements [datasets.Input].
type Input struct {
	opts   Options
	tables rows.Tables[rows.Invocation]
	found  []string // notes on what Read came upon

	join.Costs[cost.Cost]
}

// Open finds the files of the trace at path, takes their digests and learns their span. Two
// files with the same content are an error. The input must be closed.
func Open(ctx context.Context, path string, o Options) (*Input, error) {
	in := &Input{opts: o, tables: rows.Tables[rows.Invocation]{
		Path: path, Pick: rows.Headed(path, names...), Expect: "a file with the columns app, func, end_timestamp, duration",
		Columns: columns, Codec: rows.InvocationCodec, Held: rows.DefaultHeld, Distinct: true,
	}}
	err := in.tables.Open(ctx, "azure2021 trace", func() error { return in.tables.Survey(ctx, in.parser(nil)) })
	if err != nil {
		return nil, err
	}
	return in, nil
}

// Close removes what was kept aside of an archive.
func (in *Input) Close() error { return in.tables.Close() }

// Provenance implements [datasets.Input].
func (in *Input) Provenance() datasets.Provenance {
	return datasets.Provenance{
		Format:     Format,
		Parameters: fmt.Sprintf("seed=%d start_costs=%d", in.opts.Seed, datasets.StartCostVersion),
		Files:      in.tables.Sources(),
		Start:      in.tables.Span.Start(),
		Span:       in.tables.Span.Window(false),
		Rows:       true,
		Notes: slices.Concat([]string{
			"arrivals are end_timestamp - duration, in seconds from 31 January 2021; the publishers have shifted the times",
			"execution times are quantiles of the durations of each function, which are whole milliseconds; 0 counts as 1 µs",
			"memory and CPU (1 core) are assumed",
			datasets.StartCostNote,
		}, in.tables.Notes(), in.found),
	}
}

// Read implements [datasets.Input].
func (in *Input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	p := in.parser(known)
	var err error
	if p.costs, err = in.Begin(len(known)); err != nil {
		return nil, err
	}
	err = in.tables.Read(ctx, p, sink, func(day int, records iter.Seq2[rows.Invocation, error]) error {
		return sink.Invocations(day, rows.Invocations(day, records))
	})
	if err != nil {
		return nil, err
	}
	if in.found = p.lost.Notes(); p.untimed > 0 {
		in.found = append(in.found, fmt.Sprintf("%d invocations without a duration arrive when they ended", p.untimed))
	}
	in.End(p.costs)
	return p.functions.Finish(in.opts.Seed, func(f *datasets.Function) { p.costs[f.ID].Set(f) }), nil
}

// A parser turns rows into invocations.
type parser struct {
	span      *rows.Span
	functions *rows.Functions
	costs     []cost.Cost // by function; nil in the survey
	lost      lost.Values
	untimed   int // rows without a duration
}

func (in *Input) parser(known []datasets.Function) *parser {
	return &parser{span: &in.tables.Span, functions: rows.NewFunctions(known)}
}

// Begin implements [rows.Parser].
func (p *parser) Begin(_ int, f *rows.File, _ []bool) error {
	p.lost.In(f.Path)
	return nil
}

// Row implements [rows.Parser].
func (p *parser) Row(line int, cells [][]byte) (onDay int64, minute int, r rows.Invocation, fault rows.Fault) {
	ended, fault := rows.Number("end_timestamp", cells[end], math.MaxFloat64)
	if fault.Reason == "" && ended > maxEnd {
		fault = rows.Fault{Reason: rows.HugeNumber, Msg: fmt.Sprintf("end_timestamp %.40q: must be at most %.10g seconds since 31 January 2021%s", cells[end], float64(maxEnd), rows.LooksLike(ended, 0))}
	}
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	took, timed := p.lost.Number("duration", cells[duration], line, maxDuration)
	start := int64(math.Round((ended - took) * rows.Micro))
	if start < -early {
		return 0, 0, r, rows.Fault{Reason: rows.BadTime, Msg: fmt.Sprintf("end_timestamp %.40s less duration %.40s: must not be before the trace", cells[end], cells[duration])}
	}
	start = max(0, start)
	onDay, r.Arrival = origin.Unix()/86400+start/rows.MicrosPerDay, start%rows.MicrosPerDay
	if fault = p.span.Check(onDay); fault.Reason != "" {
		return 0, 0, r, fault
	}
	if len(cells[app]) == 0 {
		return 0, 0, r, rows.Fault{Reason: rows.BadKey, Msg: "app is missing"}
	}
	id, fault := p.functions.ID(rows.Key{App: cells[app], Name: cells[function]})
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	r.Function, r.Duration = uint32(id), int64(datasets.Unknown/datasets.Resolution)
	if timed {
		r.Duration = max(1, int64(math.Round(took*rows.Micro)))
	} else {
		p.untimed++
	}
	if p.costs != nil {
		for int(id) >= len(p.costs) {
			p.costs = append(p.costs, cost.Cost{})
		}
		if timed {
			p.costs[id].Execution.Add(r.Duration)
		}
	}
	return onDay, int(r.Arrival / (60 * rows.Micro)), r, rows.Fault{}
}
