package forecast_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/forecast"
)

// TestGapsAreNoQuietMinutes trains on functions that are invoked evenly, of which nobody observed
// some hours of each window: nothing is learned of those, and in those of the test window, which
// are a fifth of it, nothing is judged.
func TestGapsAreNoQuietMinutes(t *testing.T) {
	const days, functions = 4, 12
	tr := &datasets.Trace{
		Name: "gaps", Start: time.Date(2021, 3, 1, 0, 0, 0, 0, time.UTC),
		Span: datasets.Window{To: days * datasets.MinutesPerDay},
	}
	s := datasets.Split(tr.Span)
	for _, w := range []datasets.Window{s.Train, s.Valid, s.Test} {
		from := w.From + w.Len()/3
		tr.Gaps = append(tr.Gaps, datasets.Window{From: from, To: from + w.Len()/5})
	}
	for f := range functions {
		tr.Functions = append(tr.Functions, datasets.Function{ID: datasets.FunctionID(f), Owner: "o", App: "a", Name: fmt.Sprint(f), Memory: 1 << 27, CPU: 1})
	}
	var source datasets.Memory
	for day := range days {
		c := &datasets.Counts{Day: day, Offset: []int{0}}
		for f := range functions {
			for m := range datasets.MinutesPerDay {
				if at := day*datasets.MinutesPerDay + m; tr.Observed(datasets.Window{From: at, To: at + 1}) == 1 {
					c.Minute, c.Count = append(c.Minute, int32(m)), append(c.Count, int64(3+f+at%7/4))
				}
			}
			c.Offset = append(c.Offset, len(c.Minute))
		}
		source = append(source, c)
	}
	tr.Source = source
	m, rep, err := forecast.Train(t.Context(), tr, s, nil, options(), train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rep.Rows {
		if want := r.Series * tr.Observed(s.Valid); r.ValidRows != want {
			t.Errorf("%d rows of the validation window, must be %d", r.ValidRows, want)
		}
	}
	eval, err := forecast.Evaluate(t.Context(), m, tr, s.Test, forecast.EvaluateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range []string{forecast.PooledScope, forecast.TotalScope} {
		got, ok := eval.Model(forecast.Incendio, scope)
		if !ok {
			t.Fatalf("no figures of %s", scope)
		}
		if w := float64(got.WAPE); math.IsNaN(w) || w > 0.1 {
			t.Errorf("%s: WAPE %.3f, of counts that are even but in minutes that nobody observed", scope, w)
		}
	}
	naive, _ := eval.Model(forecast.Naive, forecast.PooledScope)
	if w := float64(naive.MASE); math.IsNaN(w) || w > 2 {
		t.Errorf("the naive forecast has MASE %.3f", w)
	}
	short := s
	short.Train.To, short.Valid.From = s.Train.From+100, s.Train.From+100
	tr.Gaps = []datasets.Window{{From: 10, To: 90}}
	if _, _, err := forecast.Train(t.Context(), tr, short, nil, options(), train.Discard); err == nil {
		t.Error("20 observed minutes are enough to train on")
	}
}
