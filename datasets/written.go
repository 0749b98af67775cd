package datasets

import "fmt"

// A Written is what a writer of a layout wrote.
type Written struct {
	Days  []WrittenDay  `json:"days"`
	Files []WrittenFile `json:"files"` // in the order of their names

	// Lost says what the trace holds and the layout cannot, each a sentence without a
	// full stop.
	Lost []string `json:"lost,omitempty"`
}

// LostGaps adds to what is lost that gaps of a trace are read as minutes without invocations.
func LostGaps(t *Trace, lost []string) []string {
	minutes := 0
	for _, g := range t.Gaps {
		minutes += g.Len()
	}
	if minutes == 0 {
		return lost
	}
	return append(lost, fmt.Sprintf("gaps: %d minutes that nobody observed are read as minutes without invocations", minutes))
}

// A WrittenDay is one day of a trace.
type WrittenDay struct {
	Day         int   `json:"day"`       // from 1; in a layout that numbers its files, as in their names
	Functions   int   `json:"functions"` // that were invoked on the day
	Invocations int64 `json:"invocations"`
}

// A WrittenFile is one file.
type WrittenFile struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"` // of data, without the header
	Bytes int64  `json:"bytes"`
}
