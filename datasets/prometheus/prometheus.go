// Package prometheus reads invocation counts out of what Prometheus answers to a range
// query (GET /api/v1/query_range, or promtool query range -o json): a JSON document with
// a matrix, that is a list of series, each with its labels and its samples.
//
//	{"status":"success","data":{"resultType":"matrix","result":[
//	  {"metric":{"namespace":"shop","function_name":"pay","code":"200"},
//	   "values":[[1609459200,"17"],[1609459260,"19"], …]}, …]}}
//
// The values are those of a counter, which only grows until its process starts again, or
// the increase of one since the sample before ([Options.Values]); samples are at most a
// minute apart, which is the step of the query. Between two samples of a counter, v0 at t0
// and v1 at t1, there were v1 - v0 invocations, or v1 of them where v1 is smaller and the
// counter began again; they count in the minute of the middle of t0 and t1. What a counter
// had counted by its first sample is not in the trace, as in PromQL's increase(). Increases
// need not be whole numbers, because Prometheus extrapolates them: they are rounded so that
// their sum over a series is right.
//
// Series of one function, by status or by instance, are added up; a note says over which
// labels. Those that overlap are not: of the buckets, the sum and the count of a histogram
// the count is taken, or else the bucket of all, and of other metrics together, of the
// quantiles of a summary and of values that fall as often as no counter does, nothing is
// ([Open] refuses them). Files continue each other, in the order of their names: a query
// answers at most 11,000 samples of a series.
//
// OpenFaaS names functions function.namespace, and the labels namespace and app beside that
// are those of its gateway. So they may be elsewhere, where Prometheus has added labels such
// as instance or pod: one value for all series is then taken for the scraped pod's.
//
// A sample that is missing, or is NaN, is a gap. If the counter grew meanwhile, nobody
// knows when, and the sample after the gap is rejected with the number of invocations
// that are lost by it; if it did not grow, there were none.
package prometheus

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// Format is the name of the format in the store and on the command line.
const Format = "prometheus"

// What the values of a series are.
const (
	Counter  = "counter"  // the number of invocations since the counter began
	Increase = "increase" // the number of invocations since the sample before
)

// Options choose how the files are read.
type Options struct {
	// Columns maps function, app and owner to the labels that hold them; an empty label
	// says that there is none. Those that are not here are the first label of
	// [Labels] that the first series of a file has.
	Columns map[string]string `json:"columns"`

	// Values are [Counter] or [Increase]. Default Counter.
	Values string `json:"values"`

	// Range is how long the increases are of, as 1m of increase(x[1m]): where it is longer than
	// the time between samples, they overlap, and each counts for a part. Whole seconds; with
	// values Increase only. Default 0, the time between samples, which must then be a minute,
	// because the range of a query is seldom shorter.
	Range time.Duration `json:"range"`

	// Seed of the assumed start costs. Default 1.
	Seed uint64 `json:"seed"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options { return Options{Values: Counter, Seed: 1} }

// Validate reports options that cannot be used.
func (o Options) Validate() error {
	var err error
	for _, name := range sorted(o.Columns) {
		if !slices.Contains(names[:], name) {
			err = errors.Join(err, fmt.Errorf("columns: %q: must be one of %s", name, strings.Join(names[:], ", ")))
		}
	}
	if label, ok := o.Columns[names[function]]; ok && label == "" {
		err = errors.Join(err, errors.New("columns: function: must name a label"))
	}
	if o.Values != Counter && o.Values != Increase {
		err = errors.Join(err, fmt.Errorf("values must be %s or %s, got %q", Counter, Increase, o.Values))
	}
	switch {
	case o.Range < 0 || o.Range%time.Second != 0 || o.Range > maxRange:
		err = errors.Join(err, fmt.Errorf("range must be whole seconds up to %v, got %v", maxRange, o.Range))
	case o.Range > 0 && o.Values != Increase:
		err = errors.Join(err, fmt.Errorf("range is of values %s: a %s has none", Increase, Counter))
	}
	return err
}

// maxRange bounds how far an increase may blur when invocations were.
const maxRange = time.Hour

func sorted(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Cells of a row by their position; the first three have names.
const (
	function = iota
	app
	owner
	minute // since 1970
	count
	cells
)

var names = [...]string{function: "function", app: "app", owner: "owner"}

// Labels are the labels that a name is looked for under, best first: plain words, and those of
// OpenFaaS, OpenWhisk, Knative from 1.19 on and before, Fission.
var Labels = map[string][]string{
	"function": {"function", "function_name", "action", "kn_configuration_name", "kn_service_name", "kn_revision_name",
		"configuration_name", "destination_configuration", "revision_name", "destination_revision"},
	"app":   {"app", "application", "package"},
	"owner": {"owner", "function_namespace", "k8s_namespace_name", "namespace_name", "destination_namespace", "namespace"},
}

// Detect reports whether a file that begins with head holds the result of a query.
func Detect(head []byte) bool { return rows.HasKeys(head, "resultType", "result") }

// An Input is a file or folder of results. It implements [datasets.Input].
type Input struct {
	opts   Options
	tables rows.Tables[record]
	notes  []string

	meaning *meaning
}

// Open finds the files at path, takes their digests and learns their span. The input must
// be closed.
func Open(ctx context.Context, path string, o Options) (*Input, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	in := &Input{opts: o, tables: rows.Tables[record]{Path: path, Codec: codec, Held: rows.DefaultHeld}}
	t := &in.tables
	err := t.Open(ctx, "prometheus", func() error {
		if err := t.JSON("the result of a range query"); err != nil {
			return err
		}
		return in.learn(ctx)
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// learn surveys the files. One reading learns what the series are and when they count, on a guess that nearly
// always holds.
func (in *Input) learn(ctx context.Context) error {
	t := &in.tables
	l := newGuess(in.opts)
	t.Layout = l
	right := false
	if t.Survey(ctx, in.parser(nil)) == nil {
		right, _ = l.guess.right(in.opts) // what is wrong, the look at all labels says
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !right {
		l = newLayout(in.opts)
		t.Layout = l
		t.Forget()
		if err := l.look(ctx, t.Files); err != nil {
			return err
		}
		if err := t.Survey(ctx, in.parser(nil)); err != nil {
			return err
		}
	}
	l.guess = nil
	in.meaning = l.meaning
	if err := l.counts(); err != nil {
		return err
	}
	in.notes = append(l.notes(), t.Notes()...)
	return nil
}

// Close removes what was kept aside of an archive.
func (in *Input) Close() error { return in.tables.Close() }

// Provenance implements [datasets.Input].
func (in *Input) Provenance() datasets.Provenance {
	var columns []string
	for _, name := range sorted(in.opts.Columns) {
		columns = append(columns, fmt.Sprintf("%s=%q", name, in.opts.Columns[name]))
	}
	values := in.opts.Values
	if in.opts.Range > 0 {
		values += fmt.Sprintf(" range=%v", in.opts.Range)
	}
	return datasets.Provenance{
		Format: Format,
		Parameters: fmt.Sprintf("columns={%s} values=%s seed=%d start_costs=%d",
			strings.Join(columns, " "), values, in.opts.Seed, datasets.StartCostVersion),
		Files: in.tables.Sources(),
		Start: in.tables.Span.Start(),
		Span:  in.tables.Span.Window(false),
		Rows:  true,
		Notes: append([]string{
			"execution times, memory, CPU and start costs are not in counters: all are assumed",
			datasets.StartCostNote,
		}, in.notes...),
	}
}

// Read implements [datasets.Input].
func (in *Input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	p := in.parser(known)
	l := newLayout(in.opts)
	l.meaning = in.meaning
	in.tables.Layout = l
	err := in.tables.Read(ctx, p, sink, func(day int, records iter.Seq2[record, error]) error {
		c, err := sum(day, records, p.functions.Len())
		if err != nil {
			return err
		}
		return sink.Day(c)
	})
	if err != nil {
		return nil, err
	}
	return p.functions.Finish(in.opts.Seed, nil), nil
}

// sum makes the counts of a day, which are those of all series of a function together.
func sum(day int, records iter.Seq2[record, error], functions int) (*datasets.Counts, error) {
	c := &datasets.Counts{Day: day, Offset: make([]int, functions+1)}
	last := record{cell: ^uint64(0)}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		switch {
		case r.count == 0:
		case r.cell == last.cell:
			c.Count[len(c.Count)-1] += r.count
		default:
			last = r
			c.Minute = append(c.Minute, r.minute())
			c.Count = append(c.Count, r.count)
			c.Offset[r.function()+1]++
		}
	}
	for f := range functions {
		c.Offset[f+1] += c.Offset[f]
	}
	return c, nil
}

// A record is what one series added to a minute.
type record struct {
	cell  uint64 // the function, and 11 bits of the minute of the day
	count int64
}

const minuteBits = 11

func (r record) function() int { return int(r.cell >> minuteBits) }
func (r record) minute() int32 { return int32(r.cell & (1<<minuteBits - 1)) }

var codec = rows.Codec[record]{
	Size: 16,
	Put: func(b []byte, r record) {
		binary.LittleEndian.PutUint64(b, r.cell)
		binary.LittleEndian.PutUint64(b[8:], uint64(r.count))
	},
	Get: func(b []byte) record {
		return record{binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))}
	},
	Compare: func(a, b record) int { return cmp.Or(cmp.Compare(a.cell, b.cell), cmp.Compare(a.count, b.count)) },
}

// A parser turns the cells of a layout into records.
type parser struct {
	clock     rows.Clock
	span      *rows.Span
	functions *rows.Functions
}

func (in *Input) parser(known []datasets.Function) *parser {
	return &parser{span: &in.tables.Span, functions: rows.NewFunctions(known)}
}

// Begin implements [rows.Parser].
func (p *parser) Begin(int, *rows.File, []bool) error { return nil }

// Row implements [rows.Parser].
func (p *parser) Row(_ int, cell [][]byte) (onDay int64, at int, r record, fault rows.Fault) {
	if onDay, at, fault = p.clock.Minute(nil, cell[minute], false); fault.Reason != "" {
		return 0, 0, r, fault
	}
	if fault = p.span.Check(onDay); fault.Reason != "" {
		return 0, 0, r, fault
	}
	n, fault := rows.Count("increase", cell[count])
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	id, fault := p.functions.ID(rows.Key{Owner: cell[owner], App: cell[app], Name: cell[function]})
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	return onDay, at, record{uint64(id)<<minuteBits | uint64(at), int64(n)}, rows.Fault{}
}
