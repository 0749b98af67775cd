package fit

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"

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
	return m.FitColumns(ctx, times, y, prophet.Columns{})
}

// FitColumns is FitTimes with what is known of the times: a capacity and a floor that
// change, conditions of seasonalities, and the values of regressors, which may be
// missing only where y is.
func (m Model) FitColumns(ctx context.Context, times []time.Time, y []float64, columns prophet.Columns) (*prophet.Fitted, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if len(times) != len(y) {
		return nil, fmt.Errorf("prophet: %d times for %d values: must be as many", len(times), len(y))
	}
	if err := columns.Len(len(y)); err != nil {
		return nil, err
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
	ts, ys := pick(times, order), pick(y, order)
	columns = m.columns(columns, order)
	if len(ys) == 0 {
		return m.fallback(time.Time{}, time.Time{}, nil), nil
	}
	f, err := m.fitRows(ts, ys, columns)
	if err != nil {
		return nil, fmt.Errorf("prophet: %w", err)
	}
	return f, nil
}

// fitRows estimates the model for at least one value, none of which is missing or
// infinite, at times that ascend. Of a logistic trend, capacity and floor are columns.
func (m Model) fitRows(times []time.Time, y []float64, columns prophet.Columns) (*prophet.Fitted, error) {
	given := columns.Floor != nil
	if m.Growth == prophet.Logistic && !given {
		columns.Floor = slices.Repeat([]float64{slices.Min(y)}, len(y)) // as MinMax has it
	}
	if err := m.known(times, columns); err != nil {
		return nil, err
	}
	if constant(y) {
		return m.fallback(times[0], times[len(times)-1], y), nil
	}
	d, err := m.newDesign(times, columns)
	if err != nil {
		return nil, err
	}
	u := unit{scale: maxAbs(y)}
	switch {
	case m.Scaling == MinMax && m.Growth == prophet.Logistic && given:
		u.scale = slices.Max(columns.Cap) - slices.Min(columns.Floor)
	case m.Scaling == MinMax:
		u = unit{floor: slices.Min(y), scale: slices.Max(y) - slices.Min(y)}
	case m.Growth == prophet.Logistic:
		u.scale = 0
		for i, v := range y {
			u.scale = max(u.scale, math.Abs(v-columns.Floor[i]))
		}
		if u.scale == 0 {
			u.scale = 1
		}
	}
	if d.additive() {
		return d.fit(y, u), nil
	}
	u.whole = m.Scaling == MinMax
	return d.fitCurve(y, columns.Cap, columns.Floor, u), nil
}

// columns are those of the rows in order. Of a logistic trend, capacity and floor are
// then there, of others they are not.
func (m Model) columns(c prophet.Columns, order []int) prophet.Columns {
	out := c.At(order)
	if m.Growth != prophet.Logistic {
		out.Cap, out.Floor = nil, nil
		return out
	}
	if out.Cap == nil {
		out.Cap = slices.Repeat([]float64{m.Cap}, len(order))
	}
	if out.Floor == nil && (m.Scaling != MinMax || m.Floor != 0) {
		out.Floor = slices.Repeat([]float64{m.Floor}, len(order)) // else see fitRows
	}
	return out
}

// shared reports whether series on one grid share what the model needs of it: the rows
// then enter through Z'y alone, and all columns follow from the grid.
func (m Model) shared() bool {
	return m.Growth != prophet.Logistic && m.SeasonalityMode != prophet.Multiplicative && len(m.Regressors) == 0 &&
		!slices.ContainsFunc(m.Seasonalities, func(s prophet.Seasonality) bool { return s.Mode == prophet.Multiplicative || s.Condition != "" }) &&
		!slices.ContainsFunc(m.Holidays, func(h prophet.Holiday) bool {
			return cmp.Or(h.Mode, m.HolidaysMode) == prophet.Multiplicative
		})
}

// pick returns the values at the given numbers.
func pick[T any](values []T, at []int) []T {
	out := make([]T, len(at))
	for i, j := range at {
		out[i] = values[j]
	}
	return out
}

// fallback is the result for a history that is constant, in units of y: the values
// ys, which are equal, were observed from start to end.
func (m Model) fallback(start, end time.Time, ys []float64) *prophet.Fitted {
	growth := m.Growth
	if growth == prophet.Logistic {
		growth = prophet.Flat // a logistic trend is never level
	}
	f := &prophet.Fitted{
		Growth: growth, Start: start.UTC(), End: end.UTC(), YScale: 1,
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

// A unit is that of scaled values: (y-floor)/scale. Of a logistic trend the floor may
// change and is a column. whole says that multiplicative effects multiply the trend with
// its floor, as the forecast does.
type unit struct {
	floor, scale float64
	whole        bool
}

// fit estimates the parameters for y, finite, not constant, one value per row of d.
func (d *design) fit(y []float64, u unit) *prophet.Fitted {
	level := u.floor
	if far(y) {
		level = y[0]
	}
	scaled := make([]float64, len(y))
	var yy float64
	for i, v := range y {
		v = (v - level) / u.scale
		scaled[i] = v
		yy += v * v
	}
	w := new(workspace)
	w.reset(d.n)
	d.products(scaled, w.b)
	f := d.mode(w, u.scale, yy, len(y), scaled[0], (level-u.floor)/u.scale,
		func() float64 { return d.residuals(scaled, 1, w.theta) },
		func() limits { return limitsOf(scaled) })
	f.Floor = u.floor
	return f
}

// farLevel is the share of the sum of squares below which that about the mean is lost to
// rounding in sums over products: the level is then taken out before they are formed.
const farLevel = 1e-8

// far reports whether the level of y is so far above what varies. Values in a range that
// is not small beside them are not.
func far(y []float64) bool {
	for _, v := range y {
		if math.Abs(v-y[0]) > 0.01*math.Abs(y[0]) {
			return false
		}
	}
	var about, squares float64
	mean := floats.Sum(y) / float64(len(y))
	for _, v := range y {
		squares += v * v
		about += (v - mean) * (v - mean)
	}
	return about < farLevel*squares
}

// mode returns the model of a history of the given number of values, of the given scale,
// with Z'y = w.b and y'y = yy and the given first value, all scaled and less the level
// that was taken out. residuals returns the sum of squared residuals at w.theta from the
// rows, and reach the limits of y, scaled.
func (d *design) mode(w *workspace, scale, yy float64, values int, first, taken float64, residuals func() float64, reach func() limits) *prophet.Fitted {
	w.least = d.leastVariance(yy, w.b, values)
	level := d.level(first, w.b[d.head()-1]/float64(values))
	sigma, sse := d.maximise(w, yy, values, level)
	for range mostFirm {
		if d.hold == nil || d.inside(w.theta, d.trendLimits(w.theta), reach()) {
			break
		}
		d = d.firmer()
		sigma, sse = d.maximise(w, yy, values, level)
	}
	if sse < 1e-4*yy {
		// The Gram matrix leaves few digits of a small remainder; the rows have them
		// all. The parameters are settled, so one better sigma is enough.
		sse = residuals()
		sigma = math.Sqrt(nextVariance(sse, values, w.least))
	}
	w.theta[d.head()-1] += taken
	return d.fitted(w.theta, scale, sigma, d.objective(w.theta, sigma*sigma, sse, values), values)
}

// level is where Prophet starts with the level, given the first value and the mean: its
// line goes through the first value, its constant is the mean.
func (d *design) level(first, mean float64) float64 {
	if d.head() == 2 {
		return first
	}
	return mean
}

// fitCurve is fit for a model that is not linear in its parameters. Only a logistic
// trend has a capacity and a floor, in units of y, one value per row.
func (d *design) fitCurve(y, capacity, floor []float64, u unit) *prophet.Fitted {
	logistic := d.growth == prophet.Logistic
	if !logistic {
		floor = slices.Repeat([]float64{u.floor}, len(y))
	}
	scaled, base := make([]float64, len(y)), make([]float64, len(y))
	for i := range y {
		scaled[i] = (y[i] - floor[i]) / u.scale
		if u.whole {
			base[i] = floor[i] / u.scale
		}
	}
	var within []float64
	if logistic {
		for i := range capacity {
			within = append(within, (capacity[i]-floor[i])/u.scale)
		}
	}
	w := new(workspace)
	w.reset(d.n)
	c := d.newCurve(scaled, within, base)
	sigma, lp := c.maximise(w)
	if d.hold != nil {
		sigma, lp = c.confine(w, sigma, lp, func(times float64) *curve { return d.heldBy(times).newCurve(scaled, within, base) })
	}
	f := d.fitted(w.theta, u.scale, sigma, lp, len(y))
	f.Floor = floor[len(y)-1]
	if logistic {
		f.Cap = capacity[len(y)-1]
	}
	return f
}

// fitted is the result with the parameters theta, for a history of so many values.
func (d *design) fitted(theta []float64, scale, sigma, lp float64, values int) *prophet.Fitted {
	f := &prophet.Fitted{
		Growth: d.growth, Start: d.start, End: d.end, YScale: scale,
		Changepoints:  d.changepoints,
		Delta:         append([]float64{}, theta[d.free:]...),
		Seasonalities: d.seasonalities,
		Holidays:      d.holidays,
		Regressors:    d.regressors,
		Beta:          append([]float64{}, theta[d.head():d.free]...),
		SigmaObs:      sigma,
		LogPosterior:  lp,
		Observations:  values,
		Gaps:          d.gaps,
	}
	if d.head() == 2 {
		f.K = theta[0]
	}
	f.M = theta[d.head()-1]
	return f
}
