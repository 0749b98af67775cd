// Package invocations reads the single invocations of a user's own platform: a file
// or a folder of files, as CSV, JSON lines or Parquet, with the columns
//
//	function     name of the function; without it, a file is one function named after it
//	arrival      RFC 3339, or the number of seconds since Options.Start
//	duration_ms  of the execution, without initialisation; empty where it is not known
//	cold_ms      optional: initialisation, where the invocation waited for one; else 0 or empty
//	end_ms       optional: termination, where the container was ended after it; else 0 or empty
//	memory_mb    optional: what the container needed, in 2^20 bytes
//	cpu          optional: cores that the invocation could use
//	owner, app, trigger   optional; a function is known by owner, app and function, and
//	             has the first trigger that is known
//
// [Open] finds the files and learns their span; [Input.Read] gives the invocations by
// day and then the functions. Rows may come in any order. Arrivals are
// cut and durations rounded to whole microseconds; a duration of 0 counts as one. A
// measurement that cannot be used, such as a negative one, counts as none, and the notes of
// the trace say so.
//
// What was measured becomes an attribute of its function:
//
//   - its execution times are the quantiles 0, 1, 25, 50, 75, 99 and 100 % of all its
//     durations: exact for up to 256 of them, otherwise right to half a percent;
//   - its initialisation times are those of cold_ms, and its termination times those of
//     end_ms beside them; without, termination is 0.6 of initialisation, the ratio of
//     Fig. 4 of the Incendio paper;
//   - its memory is the largest that was seen, because a container must hold that, and
//     its CPU the largest too.
//
// What a function lacks gets a default that is marked as assumed, and a function that
// the store knows keeps what was measured before.
//
// Memory is bounded: some 2 million rows (48 MB) wait for their day to be complete,
// further ones in a temporary file; functions are at most 2^18, with a few KB each.
//
// [Write] writes any trace in this layout.
package invocations

import (
	"context"
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
const Format = "invocations"

// Bounds beyond which a value is no observation.
const (
	maxMilliseconds = 1e9 // 11 days
	maxMB           = 1e6
	maxCores        = 1e4
)

// Options choose how the files are read.
type Options struct {
	rows.Options
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options { return Options{rows.DefaultOptions()} }

// Validate reports options that cannot be used.
func (o Options) Validate() error { return o.Options.Validate(columns) }

// Columns by their position in a row.
const (
	function = iota
	arrival
	duration
	cold
	end
	memory
	cpu
	owner
	app
	trigger
)

var columns = []rows.Column{
	function: {Name: "function"}, arrival: {Name: "arrival", Required: true}, duration: {Name: "duration_ms", Required: true},
	cold: {Name: "cold_ms"}, end: {Name: "end_ms"}, memory: {Name: "memory_mb"}, cpu: {Name: "cpu"},
	owner: {Name: "owner"}, app: {Name: "app"}, trigger: {Name: "trigger"},
}

// Detect reports whether a file that begins with head has the columns of this format,
// under their documented names.
func Detect(head []byte) bool {
	return rows.HasColumns(head, "arrival", "duration_ms") || rows.HasKeys(head, "arrival", "duration_ms")
}

// An Input is a file or folder of invocations. It implements [datasets.Input].
type Input struct {
	opts   Options
	tables rows.Tables[rows.Invocation]
	notes  []string
	found  []string // notes on what Read came upon

	join.Costs[cost.Cost]
}

// Open finds the files at path, takes their digests and learns their span. Two files
// with the same content are an error: their invocations would count twice, and nothing
// else tells one invocation from another of the same moment. The input must be closed.
func Open(ctx context.Context, path string, o Options) (*Input, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	in := &Input{opts: o, tables: rows.Tables[rows.Invocation]{Path: path, Columns: columns, Names: o.Columns, Codec: rows.InvocationCodec, Held: rows.DefaultHeld, Distinct: true}}
	t := &in.tables
	p := in.parser(nil)
	err := t.Open(ctx, "invocations", func() error {
		if err := t.Survey(ctx, p); err != nil {
			return err
		}
		return t.Dated(&p.clock)
	})
	if err != nil {
		return nil, err
	}
	in.notes = append(in.opts.Origin(&p.clock), t.Notes()...)
	return in, nil
}

// Close removes what was kept aside of an archive.
func (in *Input) Close() error { return in.tables.Close() }

// Provenance implements [datasets.Input].
func (in *Input) Provenance() datasets.Provenance {
	return datasets.Provenance{
		Format:     Format,
		Parameters: in.opts.Parameters(),
		Files:      in.tables.Sources(),
		Start:      in.tables.Span.Start(),
		Span:       in.tables.Span.Window(true),
		Notes: slices.Concat([]string{
			"execution and initialisation times are quantiles of the durations and cold starts of each function; memory and CPU are the largest seen",
			"termination is 0.6 of initialisation where end_ms does not tell; of functions without a measurement, what is marked as assumed is",
		}, in.notes, in.found),
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
	in.found = append(p.lost.Notes(), p.functions.Notes()...)
	in.End(p.costs)
	return p.functions.Finish(in.opts.Seed, func(f *datasets.Function) { p.costs[f.ID].Set(f) }), nil
}

// A parser turns rows into records.
type parser struct {
	clock     rows.Clock
	span      *rows.Span
	functions *rows.Functions
	costs     []cost.Cost // by function; nil in the survey
	lost      lost.Values

	series []byte // the name of the file, where it has no column of functions
}

func (in *Input) parser(known []datasets.Function) *parser {
	return &parser{clock: in.opts.Clock(), span: &in.tables.Span, functions: rows.NewFunctions(known)}
}

// Begin implements [rows.Parser].
func (p *parser) Begin(_ int, f *rows.File, present []bool) error {
	p.series = nil
	p.functions.In(f.Path)
	p.lost.In(f.Path)
	if !present[function] {
		p.series = []byte(f.Series())
	}
	return nil
}

// Row implements [rows.Parser].
func (p *parser) Row(line int, cells [][]byte) (onDay int64, minute int, r rows.Invocation, fault rows.Fault) {
	key := rows.Key{Owner: cells[owner], App: cells[app], Name: cells[function], Trigger: cells[trigger], Line: line}
	if p.series != nil {
		if key.Name != nil {
			return 0, 0, r, rows.Fault{Reason: rows.BadKey, Msg: "a function, which the first row of the file lacks"}
		}
		key.Name = p.series
	}
	if onDay, r.Arrival, fault = p.clock.Arrival(cells[arrival]); fault.Reason != "" {
		return 0, 0, r, fault
	}
	if fault = p.span.Check(onDay); fault.Reason != "" {
		return 0, 0, r, fault
	}
	id, fault := p.functions.ID(key)
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	r.Function = uint32(id)
	r.Duration = int64(datasets.Unknown / time.Microsecond)
	if took, known := p.lost.Number("duration_ms", cells[duration], line, maxMilliseconds); known {
		r.Duration = max(1, micros(took))
	}
	if p.costs != nil {
		p.observe(id, r.Duration, line, cells)
	}
	return onDay, int(r.Arrival / (60 * rows.Micro)), r, rows.Fault{}
}

func micros(milliseconds float64) int64 { return int64(math.Round(milliseconds * 1000)) }

// observe takes what a row measured of its function; took is in microseconds.
func (p *parser) observe(id datasets.FunctionID, took int64, line int, cells [][]byte) {
	for int(id) >= len(p.costs) {
		p.costs = append(p.costs, cost.Cost{})
	}
	c := &p.costs[id]
	number := func(at int, limit float64) float64 {
		v, _ := p.lost.Number(columns[at].Name, cells[at], line, limit)
		return v
	}
	for _, t := range []struct {
		of     *cost.Quantiles
		micros int64
	}{{&c.Execution, took}, {&c.Initialisation, micros(number(cold, maxMilliseconds))}, {&c.Termination, micros(number(end, maxMilliseconds))}} {
		if t.micros > 0 {
			t.of.Add(t.micros)
		}
	}
	c.Memory, c.Cores = max(c.Memory, number(memory, maxMB)), max(c.Cores, number(cpu, maxCores))
}
