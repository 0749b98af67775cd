// Package rows reads the tables that users bring: files of named columns as CSV,
// JSON lines or Parquet, one or a folder of them.
//
// There are only a few types. [Find] lists the [File]s and recognises by content
// what each holds; [File.Scan] reads one, and hands over every row as the text of
// the [Column]s that were asked for. [Span] learns from the times of all rows which
// days a trace has; [Functions] numbers the functions; [Days] keeps records by day,
// on disk where they do not fit into memory.
//
// Nothing that stands in a file is trusted. A row that cannot be used is rejected
// with its line and reading goes on with the next; what keeps the whole file from
// being read is an error. Memory does not grow with the length of a file or line.
package rows

// The reasons for which a row is rejected.
const (
	RaggedRow      = "ragged row"
	LongLine       = "long line"
	BadQuote       = "bad quote"
	BadJSON        = "bad json"
	BadKey         = "bad key"
	BadTime        = "bad time"
	StrayTime      = "stray time"
	BadNumber      = "bad number"
	NegativeNumber = "negative number"
	HugeNumber     = "huge number"
	UnknownTrigger = "unknown trigger"
	DuplicateKey   = "duplicate key"
)

// A Fault says why a row cannot be used. The zero value is no fault.
type Fault struct {
	Reason string // one of the constants of this package
	Msg    string // with the particulars
}
