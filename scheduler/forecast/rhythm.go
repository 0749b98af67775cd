package forecast

import "github.com/incendio-faas/incendio/features"

// rhythm has what shows a timer to trees, which compare a column with a constant but
// not two columns with each other:
//
//	due         minutes from now until the last inter-arrival time has passed again; 0 if
//	            an arrival is due now, negative if it is late
//	due_count   the count of the minute that lies the last inter-arrival time back
//
// Both are NaN as long as fewer than two minutes had arrivals.
type rhythm struct {
	reach int // minutes that due_count may lie back
}

// Columns implements features.Extractor.
func (rhythm) Columns() []string { return []string{"due", "due_count"} }

// Append implements features.Extractor.
func (r rhythm) Append(row []float64, now int, past *features.History) []float64 {
	iat := past.LastIAT()
	since := float64(past.ZeroRun() + 1 + now - past.Now())
	// A lag of NaN minutes is not kept, as is one beyond the reach: both are NaN.
	back := 0
	if iat <= float64(r.reach) {
		back = int(iat) - (now - past.Now())
	}
	return append(row, iat-since, past.Lag(back))
}

// CountColumns implements features.Counter: a time and a count.
func (rhythm) CountColumns() []bool { return []bool{false, true} }

// Reach implements features.Reacher.
func (r rhythm) Reach() int { return r.reach }
