package openwhisk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/jsonstream"
	"github.com/incendio-faas/incendio/internal/rows"
)

const (
	// maxRecord bounds a record, whose result and logs may take a few MB each, in bytes.
	maxRecord = 32 << 20

	// maxMilliseconds bounds durations: 11 days are no observation.
	maxMilliseconds = 1_000_000_000

	// maxMB bounds the memory of a container.
	maxMB = 1_000_000

	// endOfTime bounds times in ms since 1970; rows.Absolute says which of them are of a record.
	endOfTime = math.MaxInt64 >> 1
)

// Cells of a row by their position: the text of JSON values, nil where there is none.
const (
	activation = iota // activationId
	namespace
	name
	path
	start
	end
	duration
	waitTime
	initTime
	memory
	cause    // the activation that caused this one
	causedBy // "sequence" in a sequence
	cells
)

// A layout finds the activations in a document.
type layout struct{ others others }

// Scan implements [rows.Layout].
func (l layout) Scan(ctx context.Context, f *rows.File, h rows.Handler) (found rows.Result, err error) {
	in, err := f.Text(ctx)
	if err != nil {
		return found, err
	}
	defer in.Close()
	if err := h.Begin(nil); err != nil {
		return found, err
	}
	documents := jsonstream.New(in, maxRecord, "rows", "docs", "results", "activations")
	activations := 0
	for {
		object, line, err := documents.Next()
		var fault rows.Fault
		var row [cells][]byte
		switch {
		case errors.Is(err, io.EOF) && activations == 0:
			return found, &datasets.SyntaxError{File: f.Path, Line: 1, Msg: "no record of an activation: expected activationId, namespace, name, start, end"}
		case errors.Is(err, io.EOF):
			return found, ctx.Err()
		case errors.Is(err, jsonstream.ErrLong):
			fault = rows.Fault{Reason: rows.LongLine, Msg: fmt.Sprintf("longer than %d bytes", maxRecord)}
		case err != nil:
			if syntax := (*jsonstream.SyntaxError)(nil); errors.As(err, &syntax) {
				return found, &datasets.SyntaxError{File: f.Path, Line: syntax.Line, Msg: syntax.Msg}
			}
			return found, f.ReadError(err)
		default:
			var kind string
			row, kind, fault = activationOf(object)
			if fault.Reason == "" && kind != "" {
				l.others[kind]++
				if kind != document {
					activations++
				}
				continue
			}
		}
		activations++
		found.Rows++
		if fault.Reason == "" {
			if fault, err = h.Row(line, row[:]); err != nil {
				return found, err
			}
		}
		if fault.Reason != "" {
			if err := h.Reject(fault.Reason, &datasets.SyntaxError{File: f.Path, Line: line, Msg: fault.Msg}); err != nil {
				return found, err
			}
		}
	}
}

// activationOf returns the cells of a record, or which kind of document it is instead.
func activationOf(object []byte) (row [cells][]byte, kind string, fault rows.Fault) {
	bad := func(format string, args ...any) ([cells][]byte, string, rows.Fault) {
		return row, "", rows.Fault{Reason: rows.BadJSON, Msg: fmt.Sprintf(format, args...)}
	}
	// Rows of a view hold the record as doc, or what the view keeps of it as value.
	var annotations, doc, value []byte
	found := 0
	member := func(key, v []byte) bool {
		at := -1
		switch string(key) {
		case "activationId":
			at = activation
		case "namespace":
			at = namespace
		case "name":
			at = name
		case "start":
			at = start
		case "end":
			at = end
		case "duration":
			at = duration
		case "cause":
			at = cause
		case "annotations":
			annotations = v
		case "doc":
			doc = v
		case "value":
			value = v
		}
		if at >= 0 && !isNull(v) {
			row[at] = v
			found |= 1 << at
		}
		return true
	}
	ok := jsonstream.Members(object, member)
	for _, inner := range [][]byte{doc, value} {
		if ok && len(inner) > 0 && inner[0] == '{' {
			row, found, annotations = [cells][]byte{}, 0, nil
			ok = jsonstream.Members(inner, member)
			break
		}
	}
	switch {
	case !ok:
		return bad("no JSON object")
	case found&(1<<activation|1<<start) == 0:
		return row, document, fault
	case annotations == nil || isNull(annotations):
		return row, trigger, fault
	}
	var isAction, isSequence bool
	good := jsonstream.Elements(annotations, func(a []byte) bool {
		var key, v []byte
		ok = ok && jsonstream.Members(a, func(n, member []byte) bool {
			switch string(n) {
			case "key":
				key, _ = jsonstream.Text(member)
			case "value":
				v = member
			}
			return true
		})
		switch string(key) {
		case "path":
			row[path] = v
		case "waitTime":
			row[waitTime] = v
		case "initTime":
			row[initTime] = v
		case "causedBy":
			row[causedBy] = v
		case "kind":
			isAction = true
			isSequence = string(v) == `"sequence"`
		case "limits":
			isAction = true
			ok = ok && jsonstream.Members(v, func(n, mb []byte) bool {
				if string(n) == "memory" {
					row[memory] = mb
				}
				return true
			})
		}
		return ok
	})
	switch {
	case !good || !ok:
		return bad("annotations: expected a list of {key, value}, of which limits is an object")
	case isSequence:
		return row, sequence, fault
	case !isAction:
		return row, trigger, fault
	}
	for _, at := range []int{activation, namespace, name, path, cause, causedBy} {
		if row[at] == nil {
			continue
		}
		text, ok := jsonstream.Text(row[at])
		if !ok {
			return bad("%.40q: expected a string", row[at])
		}
		row[at] = text
	}
	return row, "", fault
}

func isNull(v []byte) bool { return string(v) == "null" }

// Row implements [rows.Parser].
func (p *parser) Row(line int, cell [][]byte) (onDay int64, minute int, r record, fault rows.Fault) {
	began, known, fault := milliseconds("start", cell[start], endOfTime)
	if fault.Reason == "" && !known {
		fault = rows.Fault{Reason: rows.BadTime, Msg: "start is missing"}
	}
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	if fault := rows.Absolute("start", cell[start], float64(began), time.Millisecond); fault.Reason != "" {
		return 0, 0, r, fault
	}
	wait, _, fault := milliseconds("waitTime", cell[waitTime], min(maxMilliseconds, began))
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	took, timed, fault := p.duration(cell, began)
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	init, cold, fault := milliseconds("initTime", cell[initTime], maxMilliseconds)
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	if timed && cold && init > took {
		return 0, 0, r, rows.Fault{Reason: rows.BadNumber, Msg: fmt.Sprintf("initTime %d: must be at most the duration, which is %d", init, took)}
	}
	mb, _, fault := milliseconds("limits.memory", cell[memory], maxMB)
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	at := (began - wait) * 1000
	onDay, r.arrival = at/rows.MicrosPerDay, at%rows.MicrosPerDay
	if fault = p.span.Check(onDay); fault.Reason != "" {
		return 0, 0, r, fault
	}
	if line > math.MaxUint32 {
		return 0, 0, r, rows.Fault{Reason: rows.LongLine, Msg: fmt.Sprintf("a file must have at most %d lines", uint32(math.MaxUint32))}
	}
	id, fault := p.functions.ID(key(cell))
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	r.duration = int64(-1) // datasets.Unknown in microseconds
	if timed {
		r.duration = max(1, (took-init)*1000)
	}
	r.function, r.wait, r.memory = uint32(id), uint32(wait), uint32(mb)
	if cold {
		r.init = uint32(init) + 1
	}
	if len(cell[activation]) > 0 {
		h := fnv.New64a()
		h.Write(cell[activation]) // a hash never returns an error
		r.id = max(1, h.Sum64())
	}
	r.file, r.line = uint32(p.file), uint32(line)
	return onDay, int(r.arrival / (60 * rows.Micro)), r, rows.Fault{}
}

// duration is how long the activation took with its initialisation, in ms; of a record
// without a duration, from start to end.
func (p *parser) duration(cell [][]byte, began int64) (took int64, known bool, fault rows.Fault) {
	if cell[duration] != nil {
		return milliseconds("duration", cell[duration], maxMilliseconds)
	}
	ended, known, fault := milliseconds("end", cell[end], endOfTime)
	if fault.Reason != "" || !known || ended == 0 { // OpenWhisk's end of what has none
		return 0, false, fault
	}
	if took = ended - began; took < 0 || took > maxMilliseconds {
		return 0, false, rows.Fault{Reason: rows.BadTime, Msg: fmt.Sprintf("end %d: must be at most %d ms after start, which is %d", ended, maxMilliseconds, began)}
	}
	return took, true, rows.Fault{}
}

// key names the function of a record.
func key(cell [][]byte) rows.Key {
	k := rows.Key{Owner: cell[namespace], Name: cell[name], Trigger: []byte(datasets.Others)}
	switch {
	case string(cell[causedBy]) == "sequence":
		k.Trigger = []byte(datasets.Orchestration)
	case len(cell[cause]) > 0:
		k.Trigger = []byte(datasets.EventTrigger) // a trigger that fired
	}
	parts := bytes.Split(bytes.Trim(cell[path], "/"), []byte("/"))
	if n := len(parts); n == 2 || n == 3 {
		k.Name = parts[n-1]
		if n == 3 {
			k.App = parts[1]
		}
		if k.Owner == nil {
			k.Owner = parts[0]
		}
		if !bytes.Equal(parts[0], k.Owner) {
			k.App = bytes.Join(parts[:n-1], []byte("/"))
		}
	}
	return k
}

// milliseconds parses a whole number from 0 to a limit, which may be missing.
func milliseconds(column string, cell []byte, limit int64) (v int64, known bool, fault rows.Fault) {
	if len(cell) == 0 || isNull(cell) {
		return 0, false, rows.Fault{}
	}
	if n, err := strconv.ParseInt(string(cell), 10, 64); err == nil && n >= 0 && n <= limit {
		return n, true, rows.Fault{}
	}
	f, fault := rows.Number(column, cell, float64(limit))
	if fault.Reason == "" && f != math.Trunc(f) {
		fault = rows.Fault{Reason: rows.BadNumber, Msg: fmt.Sprintf("%s %.40q: must be a whole number", column, cell)}
	}
	return int64(f), true, fault
}
