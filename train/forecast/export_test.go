package forecast

import (
	"context"

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
