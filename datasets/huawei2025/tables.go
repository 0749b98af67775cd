package huawei2025

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/lost"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
	"github.com/incendio-faas/incendio/internal/missing"
)

// Columns of the tables by their position in a row. Both name a function alike.
const (
	funcName = iota
	userID
	podID
	named // columns that do

	// Of requests.
	timeWorker    = named
	timeFrontend  = named + 1
	totalWorker   = named + 2
	totalFrontend = named + 3
	workerCost    = named + 4
	runtimeCost   = named + 5

	// Of cold starts.
	timeCold  = named
	totalCold = named + 1
)

var names = []rows.Column{
	funcName: {Name: "funcName", Required: true}, userID: {Name: "userID", Required: true}, podID: {Name: "podID", Required: true},
}

var requestColumns = append(names[:named:named], []rows.Column{
	{Name: "time_worker", Required: true}, {Name: "time_frontend"}, {Name: "totalCost_worker", Required: true},
	{Name: "totalCost_frontend"}, {Name: "workerCost"}, {Name: "runtimeCost"},
}...)

var coldColumns = append(names[:named:named], []rows.Column{
	{Name: "time", Required: true}, {Name: "totalCost_cold_start", Required: true},
}...)

var triggerColumns = []rows.Column{{Name: "funcID", Required: true}, {Name: "triggerType-invocationType", Required: true}}

// A record is one invocation, its times in microseconds, the arrival since the midnight
// of its day. A duration of -1 is datasets.Unknown.
type record struct {
	arrival, duration int64
	function          uint32
}

var codec = rows.Codec[record]{
	Size: 20,
	Put: func(b []byte, r record) {
		binary.LittleEndian.PutUint64(b, uint64(r.arrival))
		binary.LittleEndian.PutUint64(b[8:], uint64(r.duration))
		binary.LittleEndian.PutUint32(b[16:], r.function)
	},
	Get: func(b []byte) record {
		return record{int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:])), binary.LittleEndian.Uint32(b[16:])}
	},
	Compare: func(a, b record) int {
		return cmp.Or(cmp.Compare(a.arrival, b.arrival), cmp.Compare(a.function, b.function), cmp.Compare(a.duration, b.duration))
	},
}

// surveyEvents learns the span of a table of requests or of cold starts.
func (in *Input) surveyEvents(ctx context.Context, path string, files []*file) error {
	in.tables = &rows.Tables[record]{Path: path, Columns: requestColumns, Codec: codec, Held: rows.DefaultHeld}
	if in.events == coldStarts {
		in.tables.Columns = coldColumns
	}
	var take []rows.File
	for _, f := range files {
		take = append(take, rows.FileOf(f.member))
	}
	in.tables.Take(in.set, take)
	return in.tables.Survey(ctx, in.parser(rows.NewFunctions(nil), nil))
}

// readEvents passes on requests or cold starts, one by one.
func (in *Input) readEvents(ctx context.Context, functions *rows.Functions, m *measured, sink datasets.Sink) error {
	return in.tables.Read(ctx, in.parser(functions, m), sink, func(day int, records iter.Seq2[record, error]) error {
		return sink.Invocations(day, func(yield func(datasets.Invocation, error) bool) {
			for r, err := range records {
				inv := datasets.Invocation{
					Function: datasets.FunctionID(r.function),
					Arrival:  time.Duration(day)*24*time.Hour + time.Duration(r.arrival)*time.Microsecond,
					Duration: time.Duration(r.duration) * time.Microsecond,
				}
				if !yield(inv, err) {
					return
				}
			}
		})
	})
}

// A parser turns rows of events into records.
type parser struct {
	parse     func(int, [][]byte, *lost.Values) (event, rows.Fault)
	first     int64 // day 0 of the files, since 1970
	span      *rows.Span
	functions *rows.Functions
	measured  *measured // nil in the survey
	lost      *lost.Values
	id        []byte
}

func (in *Input) parser(functions *rows.Functions, m *measured) *parser {
	p := &parser{parse: parseRequest, first: in.opts.Start.Unix() / secondsPerDay, span: &in.tables.Span, functions: functions, measured: m, lost: new(lost.Values)}
	if m != nil {
		p.lost = m.lost
	}
	if in.events == coldStarts {
		p.parse = parseColdStart
	}
	return p
}

// Begin implements [rows.Parser].
func (p *parser) Begin(_ int, f *rows.File, _ []bool) error {
	p.lost.In(f.Path)
	return nil
}

// Row implements [rows.Parser].
func (p *parser) Row(line int, cells [][]byte) (onDay int64, minute int, r record, fault rows.Fault) {
	e, fault := p.parse(line, cells, p.lost)
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	onDay = p.first + e.arrival/microsPerDay
	if fault = p.span.Check(onDay); fault.Reason != "" {
		return 0, 0, r, fault
	}
	if p.id, fault = appendID(p.id[:0], cells[funcName], cells[userID], cells[podID]); fault.Reason != "" {
		return 0, 0, r, fault
	}
	k, fault := key(string(p.id))
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	id, fault := p.functions.ID(k)
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	r = record{e.arrival % microsPerDay, e.duration, uint32(id)}
	if p.measured != nil {
		fault = p.measured.add(p.id, e)
	}
	return onDay, int(r.arrival / (60 * rows.Micro)), r, fault
}

const (
	secondsPerDay = 24 * 60 * 60
	microsPerDay  = secondsPerDay * rows.Micro
	maxTime       = 3660 * secondsPerDay
)

// unknown is the duration, in microseconds, of an invocation that nobody measured.
const unknown = int64(datasets.Unknown / time.Microsecond)

// An event is what a row says of a request or a cold start, in microseconds.
type event struct {
	arrival  int64 // since the start of day 0
	duration int64 // perhaps unknown
	start    int64 // of a cold start, what it cost; else 0
}

// sinceStart parses a time in seconds since the start of day 0.
func sinceStart(column string, cell []byte) (seconds float64, fault rows.Fault) {
	seconds, fault = rows.Number(column, cell, math.MaxFloat64)
	switch {
	case fault.Reason != "":
		fault.Reason = rows.BadTime
	case seconds > maxTime-1:
		fault = rows.Fault{Reason: rows.BadTime, Msg: fmt.Sprintf("%s %.40q: must be at most %d seconds since the start of the trace%s", column, cell, maxTime-1, rows.LooksLike(seconds, 0))}
	}
	return seconds, fault
}

// parseRequest parses a row of requestColumns. What cannot be used of it is lost, but for
// the time of a request that has no other.
func parseRequest(line int, cells [][]byte, lost *lost.Values) (e event, fault rows.Fault) {
	number := func(column int, limit float64) (float64, bool) {
		return lost.Number(requestColumns[column].Name, cells[column], line, limit)
	}
	worker, timed := number(totalWorker, maxSeconds)
	end, took, whole := 0.0, 0.0, false
	if !missing.Is(cells[timeFrontend]) && !missing.Is(cells[totalFrontend]) {
		if end, whole = number(timeFrontend, maxTime-1); whole {
			took, whole = number(totalFrontend, maxSeconds)
		}
	}
	if !whole {
		if end, fault = sinceStart(requestColumns[timeWorker].Name, cells[timeWorker]); fault.Reason != "" {
			return e, fault
		}
		took = worker
	}
	// The midnight before it ended bounds when it arrived.
	midnight := math.Floor(end/secondsPerDay) * secondsPerDay
	e.arrival = micros(max(midnight, end-took))
	if !timed {
		spent, known := number(workerCost, maxSeconds)
		rest, both := number(runtimeCost, maxSeconds)
		worker, timed = spent+rest, known && both
	}
	e.duration = unknown
	if timed {
		e.duration = max(1, micros(worker))
	}
	return e, rows.Fault{}
}

// parseColdStart parses a row of coldColumns. A cost that cannot be used is lost.
func parseColdStart(line int, cells [][]byte, lost *lost.Values) (e event, fault rows.Fault) {
	at, fault := sinceStart("time", cells[timeCold])
	if fault.Reason != "" {
		return e, fault
	}
	e = event{arrival: micros(at), duration: unknown}
	if took, known := lost.Number("totalCost_cold_start", cells[totalCold], line, maxSeconds); known {
		e.start = max(1, micros(took))
	}
	return e, rows.Fault{}
}

func micros(seconds float64) int64 { return int64(math.Round(seconds * rows.Micro)) }

// scanRequests takes the durations of requests.
func scanRequests(ctx context.Context, f *file, m *measured, sink datasets.Sink) error {
	return scan(ctx, f, requestColumns, m, sink, func(line int, cells [][]byte) rows.Fault {
		e, fault := parseRequest(line, cells, m.lost)
		return m.row(cells, e, fault)
	})
}

// scanColdStarts takes the costs of cold starts.
func scanColdStarts(ctx context.Context, f *file, m *measured, sink datasets.Sink) error {
	return scan(ctx, f, coldColumns, m, sink, func(line int, cells [][]byte) rows.Fault {
		e, fault := parseColdStart(line, cells, m.lost)
		return m.row(cells, e, fault)
	})
}

// scanTriggers takes the triggers of functions. One that is known replaces one that is not.
func scanTriggers(ctx context.Context, f *file, m *measured, sink datasets.Sink) error {
	return scan(ctx, f, triggerColumns, m, sink, func(line int, cells [][]byte) rows.Fault {
		id := string(cells[0])
		if _, fault := key(id); fault.Reason != "" {
			return fault
		}
		if missing.Is(cells[1]) {
			return rows.Fault{}
		}
		t, fault := triggerOf(string(cells[1]))
		if fault.Reason != "" {
			m.lost.Add(triggerColumns[1].Name, line, fault.Msg)
		}
		switch before, ok := m.triggers[id]; {
		case ok && before != datasets.Others && t != datasets.Others && t != before:
			m.lost.Add(triggerColumns[1].Name, line, fmt.Sprintf("funcID %.60q: its trigger was %s before, which stays", id, before))
		case ok && before != datasets.Others:
		case ok || len(m.triggers) < maxFunctions:
			m.triggers[id] = t
		}
		return rows.Fault{}
	})
}

// scan reads a table for what it measures.
func scan(ctx context.Context, f *file, columns []rows.Column, m *measured, sink datasets.Sink, row func(int, [][]byte) rows.Fault) error {
	table := rows.FileOf(f.member)
	m.lost.In(table.Path)
	found, err := table.Scan(ctx, columns, nil, rows.Handler{
		Begin:  func([]bool) error { return nil },
		Row:    func(line int, cells [][]byte) (rows.Fault, error) { return row(line, cells), nil },
		Reject: sink.Reject,
	})
	if err != nil {
		return err
	}
	return sink.Rows(f.member.Source(), found.Rows)
}
