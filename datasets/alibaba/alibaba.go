// Package alibaba reads the cold starts of Alibaba Cloud Function Compute that were
// published with FaaSNet (Wang et al., USENIX ATC 2021; ds2-lab/FaaSNet, Apache-2.0):
// 24 hours of May 2021 in two regions, as tables with the columns
//
//	__time__      when the function was started, seconds since 1970
//	functionName  its id
//	latency       of the cold start, seconds: what the platform took, such as creating the container,
//	              without what the function itself did
//	runtime       Python, Node.js, …; not read
//	memoryMB      what its container has, in 2^20 bytes
//
// Every row is a cold start, and warm invocations have none: the trace is of the requests
// that had to wait for a container, not of all. It is read as the invocations that it
// knows, one a row.
//
// [Open] takes every file of a folder or archive whose header has the columns __time__,
// functionName and latency, and learns their span; [Input.Read] gives the invocations by
// day and then the functions.
//
// How a row is read:
//
//   - The owner of a function is the name of its file without extensions, because a file is of one region
//     and says so nowhere else.
//   - latency is measured: initialisation is its quantiles by function, and termination 0.6 of
//     that. A latency of 0 or none, or one that cannot be used, is no measurement, but the
//     row counts.
//   - Memory is the largest that was seen.
//   - How long a function took is not in the files: the duration is unknown, and drawn in a
//     replay from execution times that are marked as assumed, as the cores are.
//
// The observed span is from the minute of the first row to that of the last one.
package alibaba

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
const Format = "alibaba"

// Bounds beyond which a value is no observation.
const (
	maxLatency = 1e6 // seconds: 11 days
	maxMB      = 1e6
)

// Options choose how the files are read.
type Options struct {
	// Seed of the assumed start costs, of functions without a measured one. Default 1.
	Seed uint64 `json:"seed"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options { return Options{Seed: 1} }

// Columns by their position in a row.
const (
	arrival = iota
	function
	latency
	memory
)

var columns = []rows.Column{
	arrival: {Name: "__time__", Required: true}, function: {Name: "functionName", Required: true},
	latency: {Name: "latency", Required: true}, memory: {Name: "memoryMB"},
}

var names = []string{"__time__", "functionName", "latency"}

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
		Path: path, Pick: rows.Headed(path, names...), Expect: "a file with the columns __time__, functionName, latency, runtime, memoryMB",
		Columns: columns, Codec: rows.InvocationCodec, Held: rows.DefaultHeld, Distinct: true,
	}}
	err := in.tables.Open(ctx, "alibaba trace", func() error { return in.tables.Survey(ctx, in.parser(nil)) })
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
			"rows are cold starts: requests that found a warm container are not in the files, so the load is below that of the platform",
			"initialisation is the quantiles of latency of each function, the platform's part of a cold start; termination is 0.6 of it",
			"durations are unknown; execution times and CPU (1 core) are assumed, and of functions without a measurement what is marked as assumed",
			"owner is the name of the file, one a region",
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
	in.found = p.lost.Notes()
	in.End(p.costs)
	return p.functions.Finish(in.opts.Seed, func(f *datasets.Function) { p.costs[f.ID].Set(f) }), nil
}

// A parser turns rows into invocations.
type parser struct {
	span      *rows.Span
	functions *rows.Functions
	costs     []cost.Cost // by function; nil in the survey
	lost      lost.Values

	region []byte // the name of the file
}

func (in *Input) parser(known []datasets.Function) *parser {
	return &parser{span: &in.tables.Span, functions: rows.NewFunctions(known)}
}

// Begin implements [rows.Parser].
func (p *parser) Begin(_ int, f *rows.File, _ []bool) error {
	p.region = []byte(f.Series())
	p.lost.In(f.Path)
	return nil
}

// Row implements [rows.Parser].
func (p *parser) Row(line int, cells [][]byte) (onDay int64, minute int, r rows.Invocation, fault rows.Fault) {
	seconds, fault := rows.Number("__time__", cells[arrival], math.MaxFloat64)
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	if fault := rows.Absolute("__time__", cells[arrival], seconds, time.Second); fault.Reason != "" {
		return 0, 0, r, fault
	}
	at := int64(math.Round(seconds * rows.Micro))
	onDay, r.Arrival = at/rows.MicrosPerDay, at%rows.MicrosPerDay
	if fault = p.span.Check(onDay); fault.Reason != "" {
		return 0, 0, r, fault
	}
	id, fault := p.functions.ID(rows.Key{Owner: p.region, Name: cells[function]})
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	r.Function, r.Duration = uint32(id), int64(datasets.Unknown/datasets.Resolution)
	if p.costs != nil {
		for int(id) >= len(p.costs) {
			p.costs = append(p.costs, cost.Cost{})
		}
		c := &p.costs[id]
		if waited, _ := p.lost.Number("latency", cells[latency], line, maxLatency); waited > 0 {
			c.Initialisation.Add(int64(math.Round(waited * rows.Micro)))
		}
		mb, _ := p.lost.Number("memoryMB", cells[memory], line, maxMB)
		c.Memory = max(c.Memory, mb)
	}
	return onDay, int(r.Arrival / (60 * rows.Micro)), r, rows.Fault{}
}
