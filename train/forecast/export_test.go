package forecast

import (
	"context"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
)

// Origins is what rows are made of: the decompositions of series at the rolling origins.
func Origins(ctx context.Context, o Options, t *datasets.Trace, s datasets.Splits, totals []float64, series [][]float64) ([][]features.Origin, error) {
	d, err := newDecomposer(o, t, s, nil, totals, new(Report))
	if err != nil {
		return nil, err
	}
	parts, err := d.Decompose(ctx, series, func() bool { return false })
	if err != nil {
		return nil, err
	}
	var out [][]features.Origin
	for _, p := range parts {
		out = append(out, p.Origins)
	}
	return out, nil
}

// Baseline is the one of that name after it has seen counts from minute from on: its forecast of
// the h-th minute after them.
func Baseline(name string, counts []float64, from, season int, horizons []int) func(h int) float64 {
	for _, m := range makers {
		if m.name != name {
			continue
		}
		b := m.make(past{counts: counts, from: from, season: season, start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), horizons: horizons, until: from + len(counts)})
		for i, c := range counts {
			b.observe(from+i, c)
		}
		return func(h int) float64 { return b.ahead(from+len(counts), h) }
	}
	return nil
}

// Distant are the weights of an autoregression for the h-th minute.
func Distant(phi []float64, h int) []float64 { return distant(phi, h) }

// LagRow is the row of lightgbm_lags for the h-th minute after those before now, by column.
func LagRow(t *datasets.Trace, counts []float64, from, now, h int) map[string]float64 {
	row := newLagger(t, counts, from).append(nil, now, h)
	out := map[string]float64{}
	for i, name := range lagColumns() {
		out[name] = row[i]
	}
	return out
}

// Transformed is the share of a count's randomised transform below 0.5, 0.9 and 0.99.
func Transformed(quantile func(p float64) float64, count float64) [3]float64 {
	return transformed(quantile, claim{}, count).pit
}
