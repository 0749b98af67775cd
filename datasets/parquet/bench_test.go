package parquet_test

import (
	"context"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// A wide has many functions on days that are all alike.
type wide struct {
	*input
	day       *datasets.Counts
	functions []datasets.Function
}

func (w wide) Read(_ context.Context, _ []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	for day := range w.rows {
		c := *w.day
		c.Day = day
		if err := sink.Day(&c); err != nil {
			return nil, err
		}
	}
	return w.functions, nil
}

// newWide makes n days of functions of which share gives the counts that are not 0, of 97.
func newWide(t testing.TB, functions, n int, share func(f int) int) wide {
	w := wide{input: days(0, n)}
	w.input.rows[0] = [][3]int64{{int64(functions) - 1, 0, 1}}
	var err error
	if w.functions, err = w.input.Read(t.Context(), nil, discard{}); err != nil {
		t.Fatal(err)
	}
	w.day = &datasets.Counts{Offset: []int{0}}
	for f := range functions {
		for m := range datasets.MinutesPerDay {
			if (f*7919+m*104729)%97 < share(f) {
				w.day.Minute = append(w.day.Minute, int32(m))
				w.day.Count = append(w.day.Count, int64(1+(f+m)%9))
			}
		}
		w.day.Offset = append(w.day.Offset, len(w.day.Minute))
	}
	return w
}

// eighth gives an eighth of the counts of all functions together, from none to a quarter.
func eighth(f int) int { return f % 25 }

func BenchmarkWriteDay(b *testing.B) {
	w := newWide(b, 10_000, 1, eighth)
	for b.Loop() {
		s, err := parquet.Open(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := s.Ingest(b.Context(), w, parquet.DefaultIngestOptions("t")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(w.day.Minute)*b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkReadDay(b *testing.B) {
	w := newWide(b, 10_000, 1, eighth)
	s, err := parquet.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := s.Ingest(b.Context(), w, parquet.DefaultIngestOptions("t")); err != nil {
		b.Fatal(err)
	}
	t, err := s.Trace(b.Context(), "t")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := t.Day(b.Context(), 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(w.day.Minute)*b.N)/b.Elapsed().Seconds(), "rows/s")
}
