package fit

import (
	"context"
	"fmt"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
)

// An Origin is a fleet that was fitted on what came before a cutoff.
type Origin struct {
	Cutoff int               // values of each series that were known: those before this number
	Fitted []*prophet.Fitted // one per series
}

// RollingOrigin fits the fleet anew at each cutoff, on the values before it alone,
// as a platform would have done at that time. Between cutoffs the latest fit is
// extrapolated, so that features for training see no future.
//
// cutoffs must ascend in [1, length of the series]. A seasonality takes part in a
// fit only if the history up to the cutoff covers two of its periods, since it would
// be extrapolated from noise otherwise. A changepoint that was given takes part once
// it lies in the history.
func (m Model) RollingOrigin(ctx context.Context, g Grid, series [][]float64, cutoffs []int, workers int) ([]Origin, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	var out []Origin
	for i, c := range cutoffs {
		if c < 1 || len(series) > 0 && c > len(series[0]) || i > 0 && c <= cutoffs[i-1] {
			return nil, fmt.Errorf("prophet: cutoffs must ascend within the series, got %v", cutoffs)
		}
		known := make([][]float64, len(series))
		for j, y := range series {
			if len(y) < c {
				return nil, fmt.Errorf("prophet: series %d has %d values, series 0 has %d: must be as many", j, len(y), len(series[0]))
			}
			known[j] = y[:c]
		}
		at := m
		at.Seasonalities = covered(m.Seasonalities, time.Duration(c)*g.Step)
		if len(m.ChangepointTimes) > 0 {
			at.ChangepointTimes = nil
			for _, t := range m.ChangepointTimes {
				if t.Before(g.At(c)) {
					at.ChangepointTimes = append(at.ChangepointTimes, t)
				}
			}
			if len(at.ChangepointTimes) == 0 {
				at.Changepoints = 0 // none yet, rather than automatic ones
			}
		}
		fitted, err := at.Fleet(ctx, g, known, workers)
		if err != nil {
			return nil, fmt.Errorf("cutoff %d: %w", c, err)
		}
		out = append(out, Origin{Cutoff: c, Fitted: fitted})
	}
	return out, nil
}
