package pipelines_test

import (
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines"
)

// TestCut: parts have the lengths that were asked for whatever the trace has before them, and an as-of ends it.
func TestCut(t *testing.T) {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	const day = datasets.MinutesPerDay
	w := pipelines.Windows{History: 10 * 24 * time.Hour, Valid: 24 * time.Hour, Test: 48 * time.Hour}
	for _, c := range []struct {
		days  int
		until time.Time
		want  datasets.Splits
	}{
		{16, time.Time{}, datasets.Splits{Train: datasets.Window{From: 6 * day, To: 13 * day}, Valid: datasets.Window{From: 13 * day, To: 14 * day}, Test: datasets.Window{From: 14 * day, To: 16 * day}}},
		{60, start.Add(16*24*time.Hour + 30*time.Second), datasets.Splits{Train: datasets.Window{From: 6 * day, To: 13 * day}, Valid: datasets.Window{From: 13 * day, To: 14 * day}, Test: datasets.Window{From: 14 * day, To: 16 * day}}},
		{8, time.Time{}, datasets.Splits{Train: datasets.Window{To: 5 * day}, Valid: datasets.Window{From: 5 * day, To: 6 * day}, Test: datasets.Window{From: 6 * day, To: 8 * day}}},
		{4, time.Time{}, datasets.Split(datasets.Window{To: 4 * day})},
	} {
		trace := &datasets.Trace{Name: "x", Start: start, Span: datasets.Window{To: c.days * day}}
		got, err := w.Cut(trace, c.until)
		if err != nil || got != c.want || trace.Span != (datasets.Window{From: c.want.Train.From, To: c.want.Test.To}) {
			t.Errorf("%d days until %v: %+v of %v, %v; want %+v", c.days, c.until, got, trace.Span, err, c.want)
		}
	}
	trace := &datasets.Trace{Name: "x", Start: start, Span: datasets.Window{From: 60, To: day}}
	if _, err := w.Cut(trace, start.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "as-of") {
		t.Errorf("error is %v, want one about the as-of", err)
	}
}

// TestHistory: what is before the history might as well not have been recorded.
func TestHistory(t *testing.T) {
	cfg := record(t, 4)
	cfg.Windows = pipelines.Windows{History: 48 * time.Hour, Valid: 4 * time.Hour, Test: 6 * time.Hour}
	r := open(t, cfg, time.Time{}, env(2, "r1"))
	if err := r.Until(t.Context(), "forecast"); err != nil {
		t.Fatal(err)
	}
	if a := open(t, cfg, time.Time{}, env(2, "r1")); a.ID != r.ID {
		t.Error("the same windows are another run")
	}
	cfg.Windows.Test, cfg.Out = 5*time.Hour, ""
	if a := open(t, cfg, time.Time{}, env(2, "r1")); a.ID == r.ID {
		t.Error("other windows are the same run")
	}
}
