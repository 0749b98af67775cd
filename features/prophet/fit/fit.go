package fit

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
)

// Fit estimates the model for one series. Missing values (NaN) are left out, as in
// Prophet: the history begins and ends with an observation.
//
// A series without observations, of one observation or of one value throughout has
// a defined result: the constant (0 without observations) as its trend, no effects,
// and sigma_obs 0. An infinite value is an error.
func (m Model) Fit(ctx context.Context, s datasets.Series) (*prophet.Fitted, error) {
	fitted, err := m.Fleet(ctx, Grid{Start: s.Start, Step: s.Step}, [][]float64{s.Count}, 1)
	if err != nil {
		return nil, fmt.Errorf("function %d: %w", s.Function, err)
	}
	return fitted[0], nil
}

// FitTimes estimates the model for the values y at times, both of length n, in any
// order; equal times are separate observations. Missing and infinite values and
// constant histories are as for Fit. The option Step does not apply.
func (m Model) FitTimes(ctx context.Context, times []time.Time, y []float64) (*prophet.Fitted, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if len(times) != len(y) {
		return nil, fmt.Errorf("prophet: %d times for %d values: must be as many", len(times), len(y))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	order := make([]int, 0, len(y))
	for i, v := range y {
		if math.IsInf(v, 0) {
			return nil, fmt.Errorf("prophet: value %d, at %v, is %g: must be finite, or NaN if missing", i, times[i].UTC(), v)
		}
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(times[a].Compare(times[b]), cmp.Compare(y[a], y[b]))
	})
	ts, ys := make([]time.Time, len(order)), make([]float64, len(order))
	for i, at := range order {
		ts[i], ys[i] = times[at], y[at]
	}
	if len(ys) == 0 {
		return m.fallback(time.Time{}, time.Time{}, nil), nil
	}
	if constant(ys) {
		return m.fallback(ts[0], ts[len(ts)-1], ys), nil
	}
	d, err := m.newDesign(ts)
	if err != nil {
		return nil, fmt.Errorf("prophet: %w", err)
	}
	return d.fit(ys), nil
}

// fallback is the result for a history that is constant, in units of y: the values
// ys, which are equal, were observed from start to end.
func (m Model) fallback(start, end time.Time, ys []float64) *prophet.Fitted {
	f := &prophet.Fitted{
		Growth: m.Growth, Start: start.UTC(), End: end.UTC(), YScale: 1,
		Changepoints: []float64{}, Delta: []float64{},
		Seasonalities: []prophet.Seasonality{}, Holidays: []prophet.Holiday{}, Beta: []float64{},
		Observations: len(ys),
	}
	if len(ys) > 0 && ys[0] != 0 {
		f.YScale = math.Abs(ys[0])
		f.M = ys[0] / f.YScale
	}
	return f
}

func constant(y []float64) bool {
	for _, v := range y {
		if v != y[0] {
			return false
		}
	}
	return true
}

// fit estimates the parameters for y, finite, not constant, one value per row of d.
func (d *design) fit(y []float64) *prophet.Fitted {
	var scale float64
	for _, v := range y {
		scale = max(scale, math.Abs(v))
	}
	var yy float64
	for _, v := range y {
		v /= scale
		yy += v * v
	}
	w := new(workspace)
	w.reset(d.n)
	d.products(y, w.b)
	for i := range w.b {
		w.b[i] /= scale
	}
	return d.mode(w, scale, yy, len(y), func() float64 { return d.residuals(y, scale, w.theta) })
}

// mode returns the model of a history of the given number of values, of the given scale,
// with Z'y = w.b and y'y = yy, both scaled. residuals returns the sum of squared residuals
// at w.theta from the rows.
func (d *design) mode(w *workspace, scale, yy float64, values int, residuals func() float64) *prophet.Fitted {
	sigma, sse := d.maximise(w, yy, values)
	if sse < 1e-4*yy {
		// The Gram matrix leaves few digits of a small remainder; the rows have them
		// all. The parameters are settled, so one better sigma is enough.
		sse = residuals()
		sigma = math.Sqrt(nextVariance(sse, values))
	}
	f := &prophet.Fitted{
		Growth: d.growth, Start: d.start, End: d.end, YScale: scale,
		Changepoints:  d.changepoints,
		Delta:         append([]float64{}, w.theta[d.free:]...),
		Seasonalities: d.seasonalities,
		Holidays:      d.holidays,
		SigmaObs:      sigma,
		LogPosterior:  d.objective(w.theta, sigma*sigma, sse, values),
		Observations:  values,
	}
	c := 0
	if d.growth == prophet.Linear {
		f.K = w.theta[0]
		c = 1
	}
	f.M = w.theta[c]
	f.Beta = append([]float64{}, w.theta[c+1:d.free]...)
	return f
}
