package datasets

// Formats of traces that nobody observed, and what they are called wherever they are shown.
const (
	Synthetic     = "synthetic"      // generated
	SemiSynthetic = "semi-synthetic" // put together from observations
)

// Label is what a trace of the format must be called beside its name: [Synthetic],
// [SemiSynthetic], or "" if it was observed.
func Label(format string) string {
	switch format {
	case Synthetic, SemiSynthetic:
		return format
	}
	return ""
}

// Label is what the trace must be called beside its name; see the function Label.
func (t *Trace) Label() string { return Label(t.Format) }

// Caveat is the note that says how a trace with a [Trace.Label] came about; "" without one.
func (t *Trace) Caveat() string {
	if t.Label() == "" || len(t.Notes) == 0 {
		return t.Label()
	}
	return t.Notes[0]
}
