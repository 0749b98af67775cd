// Package openwhisk reads the activation records of Apache OpenWhisk, as its database
// and its command line give them: JSON documents of
//
//   - records one after the other or one a line (wsk activation get, list --full), with the
//     lines that wsk prints around them;
//   - an array of records (the REST API, couchbackup);
//   - rows of a CouchDB view (_all_docs?include_docs=true), docs of a query (_find), or
//     results of a feed (_changes?include_docs=true);
//   - hits of a search in the activation store of Elasticsearch, whose annotations are one
//     object, or its documents one a line.
//
// A record has the times start, end and duration and, in its annotations, waitTime and
// initTime, all in whole milliseconds; a namespace and a name; and the annotations path,
// kind and limits (docs/annotations.md of OpenWhisk). The invoker writes them like this
// (ContainerProxy.constructWhiskActivation): start is the begin of initialisation in a
// cold container and of execution in a warm one, duration runs from there to end,
// waitTime from the moment at which the controller took the request to start. Hence
//
//   - the arrival is start - waitTime;
//   - the execution takes duration - initTime;
//   - the invocation was cold if there is an initTime. The platform creates the container
//     within waitTime, so that the initialisation of a function is, quantile by quantile,
//     waitTime + initTime of its cold invocations without the median waitTime of its
//     warm ones, and at least initTime. Where a cold invocation also queued, that
//     is part of it;
//   - a container belongs to an action in the namespace that invokes it: owner is the
//     namespace of the record, app the package in path (with the namespace of the
//     package, where that is another one), and the function the action;
//   - memory is the limit, the largest where it was changed.
//
// Only start and a name are needed. waitTime, initTime, duration, limits, path and the like
// cost nothing but themselves where they cannot be used: controller and invoker may have
// clocks that disagree, so that waitTime is negative, or initTime above duration. The
// arrival is then start, the execution all of duration, and the notes of the trace say how
// many values of which field were lost.
//
// Records of triggers, of rules and of sequences are no executions, and neither are
// other documents; their number is a note of the trace. The parts of a sequence have
// records of their own. A record that comes twice, by activationId, counts once.
package openwhisk

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/cost"
	"github.com/incendio-faas/incendio/datasets/internal/join"
	"github.com/incendio-faas/incendio/datasets/internal/lost"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// Format is the name of the format in the store and on the command line.
const Format = "openwhisk"

// Options choose how the files are read.
type Options struct {
	// Seed of the assumed start costs, of functions that no record shows cold. Default 1.
	Seed uint64 `json:"seed"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options { return Options{Seed: 1} }

// Detect reports whether a file that begins with head holds records of activations.
func Detect(head []byte) bool { return rows.HasKeys(records(head), "activationId") || isList(head) }

// An Input is a file or folder of activation records. It implements [datasets.Input].
type Input struct {
	opts   Options
	tables rows.Tables[record]
	others others
	found  []string // notes on what Read came upon

	join.Costs[observed]
}

// Open finds the files at path, takes their digests and learns their span. It fails where
// a file holds no record of an activation, or the same as another file. The input must be
// closed.
func Open(ctx context.Context, path string, o Options) (*Input, error) {
	in := &Input{opts: o, others: others{}}
	in.tables = rows.Tables[record]{Path: path, Codec: codec, Held: rows.DefaultHeld, Layout: layout{in.others}, Distinct: true, Trim: records}
	t := &in.tables
	err := t.Open(ctx, "openwhisk", func() error {
		if err := t.JSON("records of activations"); err != nil {
			return err
		}
		if err := t.Survey(ctx, in.parser(nil)); err != nil {
			return err
		}
		if t.Rows == 0 {
			return fmt.Errorf("%s: no record of an execution, which has the annotations kind or limits: there are %v", path, in.others)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// Close removes what was kept aside of an archive.
func (in *Input) Close() error { return in.tables.Close() }

// Provenance implements [datasets.Input].
func (in *Input) Provenance() datasets.Provenance {
	notes := []string{
		"arrival is start - waitTime, execution duration - initTime; times are whole milliseconds",
		"initialisation is waitTime + initTime of cold invocations without the median waitTime of warm ones; termination is 0.6 of it",
		"memory is the limit of the action; CPU (1 core) is assumed, and of functions without a measurement what is marked as assumed",
		datasets.StartCostNote,
	}
	if text := in.others.String(); text != "" {
		notes = append(notes, "records that are no executions: "+text)
	}
	return datasets.Provenance{
		Format:     Format,
		Parameters: fmt.Sprintf("seed=%d start_costs=%d", in.opts.Seed, datasets.StartCostVersion),
		Files:      in.tables.Sources(),
		Start:      in.tables.Span.Start(),
		Span:       in.tables.Span.Window(true),
		Notes:      slices.Concat(notes, in.tables.Notes(), in.found),
	}
}

// Read implements [datasets.Input].
func (in *Input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	p := in.parser(known)
	before, err := in.Begin(len(known))
	if err != nil {
		return nil, err
	}
	costs := costs(before)
	in.tables.Layout = layout{others{}} // Open has counted them
	err = in.tables.Read(ctx, p, sink, func(day int, records iter.Seq2[record, error]) error {
		return sink.Invocations(day, func(yield func(datasets.Invocation, error) bool) {
			var last record
			for r, err := range records {
				if err == nil && r.id != 0 && r.id == last.id && r.arrival == last.arrival && r.function == last.function && r.duration == last.duration {
					err = sink.Reject(rows.DuplicateKey, &datasets.SyntaxError{
						File: in.tables.Files[r.file].Path, Line: int(r.line),
						Msg: fmt.Sprintf("same activation as %s:%d", in.tables.Files[last.file].Path, last.line),
					})
					if err == nil {
						continue
					}
				}
				last = r
				inv := datasets.Invocation{
					Function: datasets.FunctionID(r.function),
					Arrival:  time.Duration(day)*24*time.Hour + time.Duration(r.arrival)*time.Microsecond,
					Duration: time.Duration(r.duration) * time.Microsecond,
				}
				if err == nil {
					costs.observe(r)
				}
				if !yield(inv, err) {
					return
				}
			}
		})
	})
	if err != nil {
		return nil, err
	}
	in.found = append(p.lost.Notes(), p.functions.Notes()...)
	in.End(costs)
	return p.functions.Finish(in.opts.Seed, func(f *datasets.Function) { costs.measure(f) }), nil
}

// others counts what is no execution, by what it is.
type others map[string]int

// kinds of records that are no executions, in the order of messages.
var kinds = []string{sequence, trigger, document}

const (
	sequence = "sequences"
	trigger  = "triggers and rules"
	document = "other documents"
)

func (o others) String() string {
	var parts []string
	for _, k := range kinds {
		if o[k] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", o[k], k))
		}
	}
	return strings.Join(parts, ", ")
}

// A record is one activation. Arrival, since the midnight of its day, and duration are in
// microseconds; a duration of -1 is datasets.Unknown.
type record struct {
	arrival, duration int64
	id                uint64 // a hash of the activationId; 0 where there is none
	function          uint32
	wait              uint32 // ms, and 1; 0 where it is not known
	init              uint32 // ms, and 1; 0 where the container was warm, unknownInit where it was cold
	memory            uint32 // MB; 0: not known
	file, line        uint32
}

// unknownInit is the initialisation of a cold container that nobody knows.
const unknownInit = math.MaxUint32

const recordSize = 3*8 + 6*4

var codec = rows.Codec[record]{
	Size: recordSize,
	Put: func(b []byte, r record) {
		for i, v := range []uint64{uint64(r.arrival), uint64(r.duration), r.id} {
			binary.LittleEndian.PutUint64(b[8*i:], v)
		}
		for i, v := range []uint32{r.function, r.wait, r.init, r.memory, r.file, r.line} {
			binary.LittleEndian.PutUint32(b[24+4*i:], v)
		}
	},
	Get: func(b []byte) record {
		wide := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
		narrow := func(i int) uint32 { return binary.LittleEndian.Uint32(b[24+4*i:]) }
		return record{int64(wide(0)), int64(wide(1)), wide(2), narrow(0), narrow(1), narrow(2), narrow(3), narrow(4), narrow(5)}
	},
	// Records of one activation stand beside each other, the first that was read first.
	Compare: func(a, b record) int {
		return cmp.Or(cmp.Compare(a.arrival, b.arrival), cmp.Compare(a.function, b.function), cmp.Compare(a.duration, b.duration),
			cmp.Compare(a.id, b.id), cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	},
}

// Observed is what the records measured of one function.
type observed struct {
	cost.Cost                // its Initialisation is waitTime + initTime
	InitTime  cost.Quantiles // of cold invocations
	Warm      cost.Quantiles // the waitTime of warm ones
}

// costs are by function.
type costs []observed

func (c *costs) observe(r record) {
	for int(r.function) >= len(*c) {
		*c = append(*c, make(costs, 1)...)
	}
	f := &(*c)[r.function]
	if r.duration > 0 {
		f.Execution.Add(r.duration)
	}
	f.Memory = max(f.Memory, float64(r.memory))
	wait, waited := int64(r.wait)-1, r.wait > 0
	switch {
	case r.init == unknownInit:
	case r.init > 0:
		init := int64(r.init) - 1
		f.InitTime.Add(init * 1000)
		if waited {
			f.Initialisation.Add((wait + init) * 1000)
		}
	case waited:
		f.Warm.Add(wait * 1000)
	}
}

// measure sets what nobody has measured before.
func (c costs) measure(f *datasets.Function) {
	if int(f.ID) >= len(c) {
		return
	}
	seen := &c[f.ID]
	if seen.InitTime.N() > 0 && f.Assumed&datasets.AssumedStartCost != 0 {
		start, least, usual := seen.InitTime.Distribution(), seen.InitTime.Distribution(), time.Duration(0)
		if seen.Initialisation.N() > 0 {
			start = seen.Initialisation.Distribution()
		}
		if seen.Warm.N() > 0 {
			usual = seen.Warm.Distribution().Quantile(0.5)
		}
		for i := range start.Value {
			start.Value[i] = max(start.Value[i]-usual, least.Value[i])
		}
		cost.SetStartCost(f, start)
	}
	seen.Set(f)
}

// A parser turns the cells of a layout into records.
type parser struct {
	span      *rows.Span
	functions *rows.Functions
	lost      lost.Values
	file      int
	folder    [2][]byte // namespace and name, of records that lack them
}

func (in *Input) parser(known []datasets.Function) *parser {
	return &parser{span: &in.tables.Span, functions: rows.NewFunctions(known)}
}

// Begin implements [rows.Parser].
func (p *parser) Begin(i int, f *rows.File, _ []bool) error {
	p.file = i
	p.folder = [2][]byte{rows.InFolder(f, "namespace"), rows.InFolder(f, "name")}
	p.lost.In(f.Path)
	p.functions.In(f.Path)
	return nil
}
