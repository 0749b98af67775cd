package forecast_test

import (
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/forecast"
)

// One step of all functions of the small trace, a third of which have trees.
func BenchmarkStep(b *testing.B) {
	tr, _, s := smallTrace(b)
	m, _ := trained()
	rt, err := online.NewRuntime(m, tr.Functions, tr.Start)
	if err != nil {
		b.Fatal(err)
	}
	dense, err := tr.Dense(b.Context(), tr.Span)
	if err != nil {
		b.Fatal(err)
	}
	counts := make([]float64, len(tr.Functions))
	minute := 0
	step := func() {
		for i := range counts {
			counts[i] = dense[i][minute%tr.Span.To]
		}
		rt.Step(minute, counts)
		minute++
	}
	for minute < s.Test.From {
		step()
	}
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(counts)), "ns/function")
}

// The training of the sample run.
func BenchmarkTrain(b *testing.B) {
	o := synthetic.DefaultOptions()
	tr, err := synthetic.Generate(o)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_, rep, err := forecast.Train(b.Context(), tr, datasets.Split(tr.Span), synthetic.Holidays(o), forecast.DefaultOptions(), train.Discard)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(rep.Timing.Decompose, "decompose-s")
	}
}
