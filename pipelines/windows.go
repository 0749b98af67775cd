package pipelines

import (
	"fmt"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/option"
)

// Windows say which part of a trace a run uses, and how it is cut. Lengths that do not
// follow the trace as it grows let nights be compared.
type Windows struct {
	// History is how much of the trace is used, from its end: what is before is as if it had
	// not been recorded. 0, the default: all.
	History time.Duration `json:"history"`
	// Valid is the length of the part that chooses. 0, the default: 15 % of the history.
	Valid time.Duration `json:"valid"`
	// Test is the length of the part that judges. 0, the default: 15 % of the history. Where
	// valid and test would leave less than half of the history to fit on, both are 15 %.
	Test time.Duration `json:"test"`
}

// Validate reports all values that are out of range.
func (w Windows) Validate() error {
	var k option.Check
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"history", w.History}, {"valid", w.Valid}, {"test", w.Test}} {
		k.That(d.value >= 0 && d.value%time.Minute == 0, d.key, "must be whole minutes, and not negative, got %v", d.value)
	}
	k.That(w.History <= 0 || w.History >= minSpan*time.Minute, "history", "must be at least %d minutes, got %v", minSpan, w.History)
	return k.Err()
}

// Cut ends the span of t at until, if it is not zero, takes the history before, and returns
// its parts.
func (w Windows) Cut(t *datasets.Trace, until time.Time) (datasets.Splits, error) {
	if !until.IsZero() {
		end := int(until.Sub(t.Start) / time.Minute)
		if end <= t.Span.From {
			return datasets.Splits{}, fmt.Errorf("as-of %s is before trace %q, which begins at %s", until.Format(time.RFC3339), t.Name, t.Time(t.Span.From).Format(time.RFC3339))
		}
		t.Span.To = min(t.Span.To, end)
	}
	if w.History > 0 {
		t.Span.From = max(t.Span.From, t.Span.To-int(w.History/time.Minute))
	}
	return datasets.SplitEnd(t.Span, int(w.Valid/time.Minute), int(w.Test/time.Minute)), nil
}
