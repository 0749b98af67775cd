package openwhisk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/jsonstream"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
	"github.com/incendio-faas/incendio/internal/missing"
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

// names of the cells, for notes.
var names = [cells]string{
	"activationId", "namespace", "name", "path", "start", "end", "duration", "waitTime", "initTime", "limits.memory", "cause", "causedBy",
}

// chatter is what lines begin with that wsk prints around the records: what it got, in
// colour on a terminal, and the title of a list.
var chatter = []string{"ok: ", "\x1b[32mok:", "activations"}

// records is a text from its first record on. That of a table, which Scan refuses by its
// name, passes for one.
func records(head []byte) []byte {
	if isList(head) {
		return []byte("{")
	}
	return after(head)
}

// after is a text behind the chatter that it begins with.
func after(head []byte) []byte {
	for {
		text := bytes.TrimLeft(head, " \t\r\n")
		if !slices.ContainsFunc(chatter, func(c string) bool { return bytes.HasPrefix(text, []byte(c)) }) {
			return head
		}
		_, head, _ = bytes.Cut(text, []byte("\n"))
	}
}

// isList reports whether a text is the table that wsk activation list prints.
func isList(head []byte) bool {
	line, _, _ := bytes.Cut(bytes.TrimLeft(after(head), " \t\r\n"), []byte("\n"))
	return bytes.HasPrefix(line, []byte("Datetime")) && bytes.Contains(line, []byte("Activation ID"))
}

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
	text := bufio.NewReaderSize(in, 1<<16)
	if head, err := text.Peek(1 << 12); isList(head) {
		return found, &datasets.SyntaxError{File: f.Path, Line: 1, Msg: "holds the table of wsk activation list, whose times are whole seconds of a zone that it does not name: list the records, by wsk activation list --full"}
	} else if err != nil && !errors.Is(err, io.EOF) {
		return found, f.ReadError(err)
	}
	documents := jsonstream.New(text, maxRecord, "rows", "docs", "results", "activations", "hits")
	documents.Skip(chatter...)
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
	// Rows of a view hold the record as doc, or what the view keeps of it as value; hits of a
	// search in Elasticsearch as _source.
	var annotations, doc, value, source []byte
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
		case "_source":
			source = v
		}
		if at >= 0 && !isNull(v) {
			row[at] = v
			found |= 1 << at
		}
		return true
	}
	ok := jsonstream.Members(object, member)
	for _, inner := range [][]byte{doc, value, source} {
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
	annotation := func(key, v []byte) bool {
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
			if !isNull(v) && !jsonstream.Members(v, func(n, mb []byte) bool {
				if string(n) == "memory" {
					row[memory] = mb
				}
				return true
			}) {
				row[memory] = v
			}
		}
		return true
	}
	good := false
	if annotations[0] == '{' { // as the activation store of Elasticsearch keeps them
		good = jsonstream.Members(annotations, annotation)
	} else {
		good = jsonstream.Elements(annotations, func(a []byte) bool {
			var key, v []byte
			jsonstream.Members(a, func(n, member []byte) bool {
				switch string(n) {
				case "key":
					key, _ = jsonstream.Text(member)
				case "value":
					v = member
				}
				return true
			})
			return annotation(key, v)
		})
	}
	switch {
	case !good:
		return bad("annotations: expected a list of {key, value}")
	case isSequence:
		return row, sequence, fault
	case !isAction:
		return row, trigger, fault
	}
	return row, "", fault
}

func isNull(v []byte) bool { return string(v) == "null" }

// Row implements [rows.Parser].
func (p *parser) Row(line int, cell [][]byte) (onDay int64, minute int, r record, fault rows.Fault) {
	began, fault := startOf(cell[start])
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	if fault := rows.Absolute("start", cell[start], float64(began), time.Millisecond); fault.Reason != "" {
		return 0, 0, r, fault
	}
	for _, at := range []int{activation, namespace, name, path, cause, causedBy} {
		cell[at] = p.text(at, cell[at], line)
	}
	wait, waited := p.milliseconds(waitTime, cell[waitTime], line, min(maxMilliseconds, began))
	at := (began - wait) * 1000
	onDay, r.arrival = at/rows.MicrosPerDay, at%rows.MicrosPerDay
	if fault = p.span.Check(onDay); fault.Reason != "" {
		return 0, 0, r, fault
	}
	if line > math.MaxUint32 {
		return 0, 0, r, rows.Fault{Reason: rows.LongLine, Msg: fmt.Sprintf("a file must have at most %d lines", uint32(math.MaxUint32))}
	}
	for i, at := range []int{namespace, name} {
		if cell[at] == nil {
			cell[at] = p.folder[i]
		}
	}
	k := key(cell)
	k.Line = line
	id, fault := p.functions.ID(k)
	if fault.Reason != "" {
		return 0, 0, r, fault
	}
	took, timed := p.duration(cell, began, line)
	init, known := p.milliseconds(initTime, cell[initTime], line, maxMilliseconds)
	if timed && init > took {
		p.lost.Add(names[initTime], line, fmt.Sprintf("initTime %d: must be at most the duration, which is %d", init, took))
		init, known = 0, false
	}
	mb, _ := p.milliseconds(memory, cell[memory], line, maxMB)
	r.duration = int64(-1) // datasets.Unknown in microseconds
	if timed {
		r.duration = max(1, (took-init)*1000)
	}
	r.function, r.memory = uint32(id), uint32(mb)
	if waited {
		r.wait = uint32(wait) + 1
	}
	switch {
	case known:
		r.init = uint32(init) + 1
	case !isMissing(cell[initTime]):
		r.init = unknownInit
	}
	if len(cell[activation]) > 0 {
		h := fnv.New64a()
		h.Write(cell[activation]) // a hash never returns an error
		r.id = max(1, h.Sum64())
	}
	r.file, r.line = uint32(p.file), uint32(line)
	return onDay, int(r.arrival / (60 * rows.Micro)), r, rows.Fault{}
}

// startOf parses the start of an activation, in whole ms since 1970.
func startOf(cell []byte) (int64, rows.Fault) {
	if isMissing(cell) {
		return 0, rows.Fault{Reason: rows.BadTime, Msg: "start is missing"}
	}
	cell = unquoted(cell)
	if n, err := strconv.ParseInt(string(cell), 10, 64); err == nil && n >= 0 && n <= endOfTime {
		return n, rows.Fault{}
	}
	f, fault := rows.Number("start", cell, endOfTime)
	if fault.Reason == "" && f != math.Trunc(f) {
		fault = rows.Fault{Reason: rows.BadNumber, Msg: fmt.Sprintf("start %.40q: must be a whole number", cell)}
	}
	return int64(f), fault
}

// text is the text of a cell that holds a string; anything else is lost.
func (p *parser) text(at int, cell []byte, line int) []byte {
	if cell == nil || isNull(cell) {
		return nil
	}
	text, ok := jsonstream.Text(cell)
	if !ok {
		p.lost.Add(names[at], line, fmt.Sprintf("%s %.40q: expected a string", names[at], cell))
		return nil
	}
	return text
}

// milliseconds parses a number from 0 to a limit, to the next whole one; known is false
// where it is missing or lost.
func (p *parser) milliseconds(at int, cell []byte, line int, limit int64) (v int64, known bool) {
	if n, err := strconv.ParseInt(string(cell), 10, 64); err == nil && n >= 0 && n <= limit {
		return n, true
	}
	f, known := p.lost.Number(names[at], unquoted(cell), line, float64(limit))
	return int64(math.Round(f)), known
}

// duration is how long the activation took with its initialisation, in ms; of a record
// without a duration that can be used, from start to end.
func (p *parser) duration(cell [][]byte, began int64, line int) (took int64, known bool) {
	if took, known = p.milliseconds(duration, cell[duration], line, maxMilliseconds); known {
		return took, true
	}
	ended, known := p.milliseconds(end, cell[end], line, endOfTime)
	if !known || ended == 0 { // OpenWhisk's end of what has none
		return 0, false
	}
	if took = ended - began; took < 0 || took > maxMilliseconds {
		p.lost.Add(names[end], line, fmt.Sprintf("end %d: must be at most %d ms after start, which is %d", ended, maxMilliseconds, began))
		return 0, false
	}
	return took, true
}

// unquoted is a number that was written as a string.
func unquoted(cell []byte) []byte {
	if text, ok := jsonstream.Text(cell); ok {
		return text
	}
	return cell
}

func isMissing(cell []byte) bool { return missing.Is(unquoted(cell)) }

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
