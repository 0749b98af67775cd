package fit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
)

// An Origin is a fleet that was fitted on what came before a cutoff.
type Origin struct {
	Cutoff int               // values of each series that were known: those before this number
	Fitted []*prophet.Fitted // one per series
}

// RollingOrigin fits the fleet anew at each cutoff, as [Fleet.RollingOrigin] of a fleet
// that is used once.
func (m Model) RollingOrigin(ctx context.Context, g Grid, series [][]float64, cutoffs []int, workers int) ([]Origin, error) {
	n := 0
	if len(series) > 0 {
		n = len(series[0])
	}
	f, err := m.NewFleet(g, n)
	if err != nil {
		return nil, err
	}
	return f.RollingOrigin(ctx, series, cutoffs, workers)
}

// RollingOrigin fits the fleet anew at each cutoff, on the values before it alone,
// as a platform would have done at that time. Between cutoffs the latest fit is
// extrapolated, so that features for training see no future.
//
// cutoffs must ascend in [1, length of the series]. A seasonality takes part in a
// fit only if the history up to the cutoff covers two of its periods, since it would
// be extrapolated from noise otherwise. A changepoint that was given takes part once
// it lies in the history.
//
// All cutoffs share what the fleet shares, and each series is read once for all of
// those with the same terms: a cutoff costs little more than its solve.
func (f *Fleet) RollingOrigin(ctx context.Context, series [][]float64, cutoffs []int, workers int) ([]Origin, error) {
	return f.RollingHolidays(ctx, series, cutoffs, nil, workers)
}

// RollingHolidays is RollingOrigin with holidays[i], those that were known at cutoffs[i],
// in place of the model's: what is learned from the history, such as its anomalous days,
// must not come from later either. Nil holidays are the model's at every cutoff.
func (f *Fleet) RollingHolidays(ctx context.Context, series [][]float64, cutoffs []int, holidays [][]prophet.Holiday, workers int) ([]Origin, error) {
	if holidays != nil && len(holidays) != len(cutoffs) {
		return nil, fmt.Errorf("prophet: %d lists of holidays for %d cutoffs: must be as many", len(holidays), len(cutoffs))
	}
	out := make([]Origin, len(cutoffs))
	origins := make([]origin, len(cutoffs))
	for i, c := range cutoffs {
		if c < 1 || c > f.length || i > 0 && c <= cutoffs[i-1] {
			return nil, fmt.Errorf("prophet: cutoffs must ascend within the series, got %v", cutoffs)
		}
		m := f.model.before(f.fine, c)
		if holidays != nil {
			m.Holidays = holidays[i]
			if err := m.Validate(); err != nil {
				return nil, err
			}
		}
		out[i].Cutoff = c
		origins[i] = f.origin(m, c/f.every)
	}
	fitted, err := f.fit(ctx, series, origins, workers)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Fitted = fitted[i]
	}
	return out, nil
}

// before is m as it can be fitted to the first c values on g.
func (m Model) before(g Grid, c int) Model {
	m.Seasonalities = covered(m.Seasonalities, time.Duration(c)*g.Step)
	if len(m.ChangepointTimes) > 0 {
		m.ChangepointTimes = slices.DeleteFunc(slices.Clone(m.ChangepointTimes), func(t time.Time) bool { return !t.Before(g.At(c)) })
		if len(m.ChangepointTimes) == 0 {
			m.Changepoints = 0 // none yet, rather than automatic ones
		}
	}
	return m
}
