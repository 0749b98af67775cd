// Package datasets is the vocabulary of traces: what a function, an invocation and
// a series of counts are, and how a trace is split in time.
//
// There are only a few types. A [Trace] has [Function]s and yields, day by day,
// the [Counts] of their invocations per minute, and the single [Invocation]s if its
// [Source] is an [InvocationSource]; [Arrivals] replays them, or turns counts into
// invocations; a [Window] is a range of minutes, and [Split] cuts one into the
// windows for training, validation and test.
//
// Units are settled at the door, by the readers in the packages below this one:
// durations are time.Duration, memory is in bytes, CPU in cores, ratios lie in
// [0, 1], and a minute is a number of minutes since the first midnight UTC of the trace.
//
// Package formats lists the readers, package parquet keeps what they read, and package synthetic
// has a trace where there is none. A [Trace] can be put together by hand too: [Memory] and
// [Singles] are sources in memory.
package datasets

import (
	"context"
	"fmt"
	"math"
	"time"
)

// MinutesPerDay is the number of minutes in a day of a trace; days have no leap seconds.
const MinutesPerDay = 1440

// A FunctionID numbers the functions of one trace: it is the row of the function
// in the trace's table, from 0.
type FunctionID int32

// A Trigger is what invokes a function, in the words of the Azure 2019 trace.
type Trigger string

// The triggers of the Azure 2019 trace.
const (
	HTTP          Trigger = "http"
	Timer         Trigger = "timer"
	EventTrigger  Trigger = "event"
	Queue         Trigger = "queue"
	Storage       Trigger = "storage"
	Orchestration Trigger = "orchestration"
	Others        Trigger = "others"
)

// Assumed tells which attributes of a function the trace did not measure, so that
// a documented default stands in for them.
type Assumed uint8

// The attributes that may be assumed.
const (
	AssumedMemory Assumed = 1 << iota
	AssumedCPU
	AssumedExecution
	AssumedStartCost // initialisation and termination
)

// A Function is deployable code with the costs of running it.
type Function struct {
	ID      FunctionID
	Owner   string // who deployed it
	App     string // the application, a group of functions of one owner
	Name    string // unique within the application
	Trigger Trigger

	Memory int64   // bytes of one container
	CPU    float64 // cores that one invocation can use, > 0

	Execution      Distribution // of one invocation, without initialisation
	Initialisation Distribution // from the decision to create a container until it can execute
	Termination    Distribution // from the decision to end a container until its memory is free

	Assumed Assumed
}

// An Invocation is one request to one function.
type Invocation struct {
	Function FunctionID
	Arrival  time.Duration // since Trace.Start
	Duration time.Duration // execution only; excludes initialisation; perhaps Unknown
}

// A Series counts the invocations of one function per step.
type Series struct {
	Function FunctionID
	Start    time.Time
	Step     time.Duration
	Count    []float64 // length n; NaN marks a missing step
}

// Counts are the invocations of one day per function and minute, without the
// zeros, sorted by function and then by minute: the minutes of function f are
// Minute[Offset[f]:Offset[f+1]], their counts the same range of Count.
type Counts struct {
	Day    int     // since Trace.Start, from 0
	Offset []int   // length functions+1
	Minute []int32 // minute of the day, [0, 1440)
	Count  []int64 // > 0
}

// Function returns the minutes of the day and the counts of one function: none for a
// function that was not known on that day.
func (c *Counts) Function(f FunctionID) (minute []int32, count []int64) {
	if int(f)+1 >= len(c.Offset) {
		return nil, nil
	}
	from, to := c.Offset[f], c.Offset[f+1]
	return c.Minute[from:to], c.Count[from:to]
}

// Total is the number of invocations of the day.
func (c *Counts) Total() int64 {
	var sum int64
	for _, n := range c.Count {
		sum += n
	}
	return sum
}

// A Source yields the counts of a trace by day, so that memory does not grow with
// the number of days. A day without invocations has Counts without rows.
type Source interface {
	Day(ctx context.Context, day int) (*Counts, error)
}

// A RangeSource is a [Source] that can read a part of a day without all of the rest.
type RangeSource interface {
	Source

	// DayRange returns the counts of a day for the functions from, from+1, … to-1, which
	// are 0, 1, … to-from-1 in the result, and for the minutes of the trace inside w.
	DayRange(ctx context.Context, day int, from, to FunctionID, w Window) (*Counts, error)
}

// A Trace is what was observed of a platform.
type Trace struct {
	Name   string
	Format string    // of the files it was read from
	Digest string    // of the content, "sha256:…"
	Start  time.Time // the first midnight UTC
	Span   Window    // the observed minutes
	Gaps   []Window  // minutes inside Span that were not, ascending and apart; they have no counts
	Notes  []string  // on units and assumptions, for whoever reads a result

	Functions []Function
	Source
}

// Days is the number of days, the last one perhaps in part.
func (t *Trace) Days() int { return (t.Span.To + MinutesPerDay - 1) / MinutesPerDay }

// Time returns the wall-clock time of a minute of the trace.
func (t *Trace) Time(minute int) time.Time {
	return t.Start.Add(time.Duration(minute) * time.Minute)
}

// Observed is the number of minutes of w that are inside the span and not in a gap.
func (t *Trace) Observed(w Window) int {
	n := max(0, min(w.To, t.Span.To)-max(w.From, t.Span.From))
	for _, g := range t.Gaps {
		n -= max(0, min(w.To, g.To)-max(w.From, g.From))
	}
	return n
}

// Dense returns the counts per minute of every function inside w: a slice of
// length functions, each of w.Len() counts, NaN in the gaps of the trace. The rows
// share one array.
func (t *Trace) Dense(ctx context.Context, w Window) ([][]float64, error) {
	return t.DenseRange(ctx, w, 0, FunctionID(len(t.Functions)))
}

// DenseRange is Dense for the functions from, from+1, … to-1 alone, for whoever takes
// a large trace in batches.
func (t *Trace) DenseRange(ctx context.Context, w Window, from, to FunctionID) ([][]float64, error) {
	n := w.Len()
	flat := make([]float64, n*int(to-from))
	rows := make([][]float64, to-from)
	for i := range rows {
		rows[i] = flat[i*n : (i+1)*n : (i+1)*n]
	}
	if n == 0 {
		return rows, nil
	}
	for day := w.From / MinutesPerDay; day*MinutesPerDay < w.To; day++ {
		c, err := t.DayRange(ctx, day, from, to, w)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			minute, count := c.Function(FunctionID(i))
			for j, m := range minute {
				rows[i][day*MinutesPerDay+int(m)-w.From] += float64(count[j])
			}
		}
	}
	for _, row := range rows {
		t.MarkGaps(row, w)
	}
	return rows, nil
}

// MarkGaps sets those of a row, one value per minute of w, that are in the gaps of the trace
// to NaN.
func (t *Trace) MarkGaps(row []float64, w Window) {
	for _, g := range t.Gaps {
		for at := max(g.From, w.From); at < min(g.To, w.To); at++ {
			row[at-w.From] = math.NaN()
		}
	}
}

// Function returns the counts per minute of one function inside w. From a [RangeSource]
// nothing else is read.
func (t *Trace) Function(ctx context.Context, f FunctionID, w Window) (Series, error) {
	if f < 0 || int(f) >= len(t.Functions) {
		return Series{}, fmt.Errorf("function %d of a trace of %d", f, len(t.Functions))
	}
	rows, err := t.DenseRange(ctx, w, f, f+1)
	if err != nil {
		return Series{}, err
	}
	return Series{Function: f, Start: t.Time(w.From), Step: time.Minute, Count: rows[0]}, nil
}

// DayRange implements [RangeSource] for every trace; one whose source is none reads the
// whole day.
func (t *Trace) DayRange(ctx context.Context, day int, from, to FunctionID, w Window) (*Counts, error) {
	if s, ok := t.Source.(RangeSource); ok {
		return s.DayRange(ctx, day, from, to, w)
	}
	c, err := t.Day(ctx, day)
	if err != nil {
		return nil, err
	}
	return c.Range(from, to, w), nil
}

// Range returns the part of c for the functions from, from+1, … to-1, which are
// 0, 1, … to-from-1 in the result, and for the minutes of the trace inside w. It shares
// the rows with c where w has the whole day.
func (c *Counts) Range(from, to FunctionID, w Window) *Counts {
	out := &Counts{Day: c.Day, Offset: make([]int, to-from+1)}
	last := len(c.Offset) - 1
	first := c.Offset[min(int(from), last)]
	for i := range out.Offset {
		out.Offset[i] = c.Offset[min(int(from)+i, last)] - first
	}
	out.Minute, out.Count = c.Minute[first:first+out.Offset[to-from]], c.Count[first:first+out.Offset[to-from]]
	midnight := c.Day * MinutesPerDay
	if w.From <= midnight && w.To >= midnight+MinutesPerDay {
		return out
	}
	return out.inside(w.From-midnight, w.To-midnight)
}

// inside returns the rows of c in the minutes [from, to) of the day.
func (c *Counts) inside(from, to int) *Counts {
	out := &Counts{Day: c.Day, Offset: make([]int, len(c.Offset))}
	for f := range len(c.Offset) - 1 {
		minute, count := c.Function(FunctionID(f))
		for i, m := range minute {
			if int(m) >= from && int(m) < to {
				out.Minute, out.Count = append(out.Minute, m), append(out.Count, count[i])
			}
		}
		out.Offset[f+1] = len(out.Minute)
	}
	return out
}

// Memory is a Source that holds the counts of all days.
type Memory []*Counts

// Day implements Source.
func (m Memory) Day(_ context.Context, day int) (*Counts, error) {
	if day < 0 || day >= len(m) {
		return nil, fmt.Errorf("day %d of a trace of %d days", day, len(m))
	}
	return m[day], nil
}

// A SyntaxError is a fault at a place in a file of a trace.
type SyntaxError struct {
	File string
	Line int // from 1; 0 where the file as a whole is meant
	Msg  string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}
