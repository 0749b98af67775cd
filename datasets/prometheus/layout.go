package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/jsonstream"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

const (
	// maxSeries bounds the text of a series: a query answers some 11,000 samples of 30 bytes.
	maxSeries = 32 << 20

	// maxStates bounds the series that are told apart.
	maxStates = 1 << 20

	// longest is the time between two samples beyond which there is a gap, in ms: a minute
	// that was rounded.
	longest = 60_001
)

// maxSeconds is the year 2100: milliseconds since 1970 are more.
const maxSeconds = 4_102_444_800

// gap is the reason for which the first sample behind missing ones is rejected.
const gap = "gap"

// A counter falls where its process starts again, which is seldom; a gauge or a rate falls at
// will. Falls to 0 are not held against it: they count nothing.
const (
	manyFalls = 3   // fewer say nothing
	fallShare = 0.2 // of the changes of all series
)

// A layout finds the increases of the series of a document.
type layout struct {
	opts    Options
	meaning *meaning
	guess   *guess // until the meaning is known
	series  map[string]*state
	began   int // series whose first value is not 0, so that invocations may be missing
	labels  [len(names)]string

	changes, falls, low int     // samples that differ from the one before, are less, are less but not 0
	fell                float64 // what was counted where they are less
	firstFall           datasets.SyntaxError
}

// A state is where a series has come to.
type state struct {
	at    int64   // ms since 1970
	value float64 // of a counter
	owed  float64 // of increases: the part of an invocation that was not yet counted
}

func newLayout(o Options) *layout {
	return &layout{opts: o, series: map[string]*state{}}
}

// newGuess returns a layout that learns the meaning of the series while it reads them.
func newGuess(o Options) *layout {
	l := newLayout(o)
	l.guess = &guess{meaning: newMeaning(), steps: map[int64]bool{}}
	l.meaning = l.guess.meaning
	return l
}

func (l *layout) notes() []string {
	notes := slices.Clone(l.meaning.note)
	if l.began > 0 {
		notes = append(notes, fmt.Sprintf("series whose counter was not 0 when they began, so that what it counted before is not in the trace: %d of %d", l.began, len(l.series)))
	}
	if l.falls > 0 {
		notes = append(notes, fmt.Sprintf("values that fell, taken for counters that began again at 0: %d of %d changes, with %.0f invocations since then; a gauge, a rate and a sum of counters of which one ended fall too", l.falls, l.changes, l.fell))
	}
	return notes
}

// counts reports an error if the values that were read are hardly those of counters.
func (l *layout) counts() error {
	if l.low < manyFalls || float64(l.low) <= fallShare*float64(l.changes) {
		return nil
	}
	e := l.firstFall
	e.Msg += fmt.Sprintf("; %d of %d changes are falls: a counter only grows until its process starts again, so this is a gauge or a rate; query the counter itself, or its increase() with --values %s", l.falls, l.changes, Increase)
	return &e
}

// A reading is that of one file.
type reading struct {
	*layout
	file  *rows.File
	h     rows.Handler
	found rows.Result
	line  int

	shortest int64 // the least time between two samples of a series, in ms
}

// Scan implements [rows.Layout].
func (l *layout) Scan(ctx context.Context, f *rows.File, h rows.Handler) (rows.Result, error) {
	in, err := f.Text(ctx)
	if err != nil {
		return rows.Result{}, err
	}
	defer in.Close()
	if err := h.Begin(nil); err != nil {
		return rows.Result{}, err
	}
	r := &reading{layout: l, file: f, h: h, line: 1, shortest: math.MaxInt64}
	l.labels = [len(names)]string{}
	documents := jsonstream.New(in, maxSeries, "data", "result")
	for n := 0; ; n++ {
		var series []byte
		series, r.line, err = documents.Next()
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return r.found, r.complain("no series: the query found nothing, or this is no result of a range query (status, data, result)")
		case errors.Is(err, io.EOF):
			if r.shortest > longest && r.shortest < math.MaxInt64 {
				return r.found, r.complain("samples are %v s apart: expected at most 60, so that they say in which minute invocations were; query with step=60", float64(r.shortest)/1000)
			}
			return r.found, ctx.Err()
		case errors.Is(err, jsonstream.ErrLong):
			return r.found, r.complain("a series is longer than %d bytes", maxSeries)
		case err != nil:
			if syntax := (*jsonstream.SyntaxError)(nil); errors.As(err, &syntax) {
				return r.found, &datasets.SyntaxError{File: f.Path, Line: syntax.Line, Msg: syntax.Msg}
			}
			return r.found, f.ReadError(err)
		}
		if err := r.read(series); err != nil {
			return r.found, err
		}
	}
}

func (r *reading) complain(format string, args ...any) error {
	return &datasets.SyntaxError{File: r.file.Path, Line: r.line, Msg: fmt.Sprintf(format, args...)}
}

// read reads a series: {"metric":{…},"values":[…]}.
func (r *reading) read(series []byte) error {
	member := map[string][]byte{}
	if !jsonstream.Members(series, func(name, v []byte) bool {
		member[string(name)] = v
		return true
	}) {
		return r.complain("a series that is no JSON object")
	}
	switch {
	case member["metric"] == nil && string(member["status"]) == `"error"`:
		return r.complain("Prometheus answered with an error: %.200s: %.200s", member["errorType"], member["error"])
	case member["metric"] == nil:
		return r.complain("an object without metric: expected the series of a range query, with metric and values")
	case member["values"] == nil && member["value"] != nil:
		return r.complain("the result of an instant query: expected that of a range query (resultType matrix), with values")
	case member["values"] != nil && member["timestamps"] != nil:
		return r.complain("a series with values and timestamps, as VictoriaMetrics exports: expected the result of a range query (/api/v1/query_range)")
	case member["values"] == nil:
		return r.complain("a series without values: expected those of a counter (native histograms are none)")
	}
	labels, ok := labelsOf(member["metric"])
	if !ok {
		return r.complain("metric: expected an object of labels, which are strings")
	}
	if r.guess != nil {
		if !r.guess.takes(r.opts, r.file.Path, r.line, labels, member["values"]) {
			return nil
		}
	} else if !r.meaning.takes(labels) {
		return nil
	}
	if r.labels == ([len(names)]string{}) {
		if err := r.resolve(labels); err != nil {
			return err
		}
	}
	if _, ok := labels[r.labels[function]]; !ok {
		return r.complain("a series without the label %s that the first one has: name the function's by --columns function=LABEL", r.labels[function])
	}
	row := r.key(labels, r.labels)
	id := identity(labels)
	s := r.series[id]
	if s == nil {
		if len(r.series) == maxStates {
			return r.complain("more than %d series: sum them in the query, as in sum by (function) (...)", maxStates)
		}
		s = &state{at: -1}
		r.series[id] = s
	}
	var err error
	if !jsonstream.Elements(member["values"], func(sample []byte) bool {
		err = r.sample(sample, s, &row)
		return err == nil
	}) {
		return r.complain("values: expected a list of samples")
	}
	return err
}

// resolve finds the labels that name a function.
func (r *reading) resolve(labels map[string]string) error {
	r.labels = labelsFor(r.opts, labels, r.meaning.foreign)
	if _, ok := labels[r.labels[function]]; !ok || r.labels[function] == "" {
		have := make([]string, 0, len(labels))
		for l := range labels {
			have = append(have, l)
		}
		sort.Strings(have)
		want := "one of " + strings.Join(Labels[names[function]], ", ")
		if l, ok := r.opts.Columns[names[function]]; ok {
			want = l
		}
		return r.complain("the series has the labels {%s}: expected %s; name the function's by --columns function=LABEL", strings.Join(have, ", "), want)
	}
	return nil
}

// identity is the same for series with the same labels.
func identity(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for l, v := range labels {
		parts = append(parts, l+"\x00"+v)
	}
	slices.Sort(parts)
	return strings.Join(parts, "\x01")
}

// sample takes [time, "value"].
func (r *reading) sample(sample []byte, s *state, row *[cells][]byte) error {
	r.found.Rows++
	reject := func(reason, format string, args ...any) error {
		return r.h.Reject(reason, &datasets.SyntaxError{File: r.file.Path, Line: r.line, Msg: fmt.Sprintf("%.40s: ", sample) + fmt.Sprintf(format, args...)})
	}
	var part [3][]byte
	n := 0
	if !jsonstream.Elements(sample, func(v []byte) bool {
		part[min(n, 2)] = v
		n++
		return true
	}) || n != 2 {
		return reject(rows.BadJSON, `expected [time, "value"]`)
	}
	seconds, err := number(part[0])
	if err != nil || !(seconds >= 0 && seconds < maxSeconds) {
		return reject(rows.BadTime, "expected seconds since 1970%s", rows.LooksLike(seconds, time.Second))
	}
	at := int64(math.Round(seconds * 1000))
	text, ok := jsonstream.Text(part[1])
	if !ok {
		return reject(rows.BadNumber, "the value must be a string")
	}
	value, err := number(text)
	switch {
	case err != nil || math.IsInf(value, 0):
		return reject(rows.BadNumber, "the value must be a finite number")
	case math.IsNaN(value):
		return nil // as Prometheus marks that there is none: the next one comes after a gap
	case value < 0:
		return reject(rows.NegativeNumber, "must not be negative")
	case at == s.at && (value == s.value || r.opts.Values == Increase):
		return nil // the end of a file that is the begin of the next
	case at <= s.at:
		return reject(rows.DuplicateKey, "a later sample of the series, of %v, came before: files go on where the one before it by name ended", float64(s.at)/1000)
	}
	before, last := s.at, s.value
	s.at, s.value = at, value
	if before >= 0 {
		r.shortest = min(r.shortest, at-before)
	}
	if r.opts.Values == Increase {
		if before < 0 || at-before > longest {
			if r.guess != nil {
				r.guess.steps[r.meaning.step] = true
			}
			before = at - min(r.meaning.step, 60_000)
		}
		if long := r.opts.Range.Milliseconds(); long > 0 {
			// Of increases that overlap, each counts for the part that is its own.
			value *= float64(min(at-before, long)) / float64(long)
			before = at - long
		}
		s.owed += value
		whole := math.Round(s.owed)
		s.owed -= whole
		return r.emit(row, before, at, max(0, whole), reject)
	}
	if before < 0 {
		if value > 0 {
			r.began++
		}
		return nil
	}
	if value != math.Trunc(value) {
		return reject(rows.BadNumber, "the value of a counter of invocations must be a whole number: results of rate() are none, and of increase() are read by --values %s", Increase)
	}
	grown := value - last
	if grown != 0 {
		r.changes++
	}
	if grown < 0 {
		grown = value
		r.falls++
		r.fell += value
		if value > 0 {
			if r.low++; r.low == 1 {
				r.firstFall = datasets.SyntaxError{File: r.file.Path, Line: r.line, Msg: fmt.Sprintf("%.40s after %v", sample, last)}
			}
		}
	}
	if at-before > longest && grown > 0 {
		return reject(gap, "no sample for %v s before this one, in which the counter grew by %v", float64(at-before)/1000, grown)
	}
	return r.emit(row, before, at, grown, reject)
}

// emit hands over a row of n invocations after one time and up to another.
func (r *reading) emit(row *[cells][]byte, from, to int64, n float64, reject func(reason, format string, args ...any) error) error {
	row[minute] = strconv.AppendInt(row[minute][:0], max(0, from+to)/2/60_000, 10)
	if whole := int64(n); float64(whole) == n {
		row[count] = strconv.AppendInt(row[count][:0], whole, 10)
	} else {
		row[count] = strconv.AppendFloat(row[count][:0], n, 'f', -1, 64)
	}
	fault, err := r.h.Row(r.line, row[:])
	if err == nil && fault.Reason != "" {
		err = reject(fault.Reason, "%s", fault.Msg)
	}
	return err
}

// number parses a number. Nearly all are whole, for which ParseFloat takes four times as long.
func number(text []byte) (float64, error) {
	n := int64(0)
	for i, c := range text {
		if c < '0' || c > '9' || i == 15 {
			return strconv.ParseFloat(string(text), 64)
		}
		n = n*10 + int64(c-'0')
	}
	if len(text) == 0 {
		return 0, strconv.ErrSyntax
	}
	return float64(n), nil
}
