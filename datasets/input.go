package datasets

import (
	"context"
	"errors"
	"iter"
	"time"
)

// ErrNoRows is returned by [Input.Read] for files without a row that can be used.
var ErrNoRows = errors.New("no usable row")

// A SourceFile is one file that a trace was read from.
type SourceFile struct {
	Name   string `json:"name"`   // within the folder that was given, with forward slashes
	SHA256 string `json:"sha256"` // of the file's bytes as they lie there, in hex
	Rows   int64  `json:"rows"`   // of data, rejected ones included; 0 before the file was read
}

// A Provenance says what an [Input] is about to read.
type Provenance struct {
	Format string       // as the command line names it
	Files  []SourceFile // in the order of reading, Rows unset

	// Parameters are what the content depends on beside the files, in a canonical
	// form ("seed=1"). Equal files and parameters mean equal content.
	Parameters string

	Start time.Time // the midnight UTC of day 0
	Span  Window    // the minutes that the files observe
	Rows  bool      // Span is from the first row to the last one: nobody said when observing began
	Gaps  []Window  // minutes inside Span that no file observes, ascending and apart
	Notes []string  // on units and assumptions
}

// An Input reads the files of one public layout, a day at a time. It is what a
// trace store takes in. One that is an io.Closer too has kept something aside, and is
// closed by whoever opened it.
type Input interface {
	// Provenance says what is about to be read; after Read, its notes also say what was
	// found on the way.
	Provenance() Provenance

	// Read passes every day to sink, in ascending order and days without
	// invocations included, as counts or as single invocations, and returns the table of functions: known first and
	// with the same IDs, then the new ones in order of first appearance. The
	// Offset of a day's counts covers the functions known by the end of that day.
	//
	// A bad row goes to sink.Reject and reading goes on; an error means that the
	// files cannot be read at all, ErrNoRows that none of their rows can be used.
	Read(ctx context.Context, known []Function, sink Sink) ([]Function, error)
}

// A Joiner is an Input whose functions have attributes that all days measure together, such
// as quantiles of durations. What it has measured is stored with the trace, so that an
// ingest of later days gives what one of all days gives.
type Joiner interface {
	Input

	// Join is called before Read of an input that continues a stored trace, with what
	// Measured returned then. The functions that Read is told have the attributes of ones
	// of which nothing is known, and their triggers.
	Join([]Measured) error

	// Measured returns, after Read, what was measured on all days.
	Measured() ([]Measured, error)
}

// Measured is what a [Joiner] knows of one thing, a function for instance.
type Measured struct{ Of, State string }

// A Sink takes what an [Input] reads. An error that it returns ends the reading
// and is returned by Read.
type Sink interface {
	// Day takes the counts of one day. It must not keep them: the input may write the
	// next day to the same arrays.
	Day(*Counts) error

	// Invocations takes a day in place of Day, where the trace knows its single
	// invocations: those that seq yields, as a [Tally] accepts them, with arrivals
	// since the Start of the input's Provenance. The counts of the day follow from
	// them. It holds none of them back, so a day may be larger than memory.
	Invocations(day int, seq iter.Seq2[Invocation, error]) error

	// Rows says that n rows of data of the file were read, rejected ones included.
	Rows(file string, n int64) error

	// Reject takes a row that cannot be used. The reason is one of a few fixed
	// words, to count by; the error has the place and the particulars.
	Reject(reason string, e *SyntaxError) error
}
