package parquet_test

import (
	"context"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// A wide is one day of many functions, an eighth of whose minutes have a count.
type wide struct {
	*input
	day       *datasets.Counts
	functions []datasets.Function
}

func (w wide) Read(_ context.Context, _ []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	return w.functions, sink.Day(w.day)
}

func newWide(b *testing.B, functions int) wide {
	w := wide{input: days(0, 1)}
	w.input.rows[0] = [][3]int64{{int64(functions) - 1, 0, 1}}
	var err error
	if w.functions, err = w.input.Read(b.Context(), nil, discard{}); err != nil {
		b.Fatal(err)
	}
	w.day = &datasets.Counts{Offset: []int{0}}
	for f := range functions {
		for m := range datasets.MinutesPerDay {
			if (f*7919+m*104729)%97 < f%25 {
				w.day.Minute = append(w.day.Minute, int32(m))
				w.day.Count = append(w.day.Count, int64(1+(f+m)%9))
			}
		}
		w.day.Offset = append(w.day.Offset, len(w.day.Minute))
	}
	return w
}

func BenchmarkWriteDay(b *testing.B) {
	w := newWide(b, 10_000)
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
	w := newWide(b, 10_000)
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
