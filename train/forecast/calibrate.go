package forecast

import (
	"slices"

	"github.com/incendio-faas/incendio/metric"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
)

// Levels of a calibration: as many as leave each enough rows for its 0.99 quantile.
const (
	maxLevels = 12
	levelRows = 400
)

// gaussian is the calibration of Poisson arrivals whose mean is known and large, for
// where there is nothing to calibrate on.
func gaussian() online.Calibration {
	return online.Calibration{Edge: []float64{}, Z: [][5]float64{{-1.644854, 0, 1.281552, 1.644854, 2.326348}}}
}

// calibrate measures the scaled residuals by level: levels hold about equally many rows.
func calibrate(mean, count []float64) online.Calibration {
	n := len(mean)
	if n == 0 {
		return gaussian()
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case mean[a] < mean[b]:
			return -1
		case mean[a] > mean[b]:
			return 1
		}
		return 0
	})
	levels := max(1, min(maxLevels, n/levelRows))
	c := online.Calibration{Edge: []float64{}}
	for from := 0; from < n; {
		to := n
		if len(c.Z)+1 < levels {
			to = max(from+1, (len(c.Z)+1)*n/levels)
		}
		for to < n && mean[order[to]] == mean[order[to-1]] { // equal forecasts are of one level
			to++
		}
		if n-to < levelRows/2 { // do not leave a few behind
			to = n
		}
		residuals := make([]float64, 0, to-from)
		for _, i := range order[from:to] {
			residuals = append(residuals, online.ScaledResidual(mean[i], count[i]))
		}
		slices.Sort(residuals)
		var z [5]float64
		for q, p := range online.Probabilities() {
			z[q] = metric.Linear(residuals, p)
		}
		c.Z = append(c.Z, z)
		if to < n {
			c.Edge = append(c.Edge, mean[order[to]])
		}
		from = to
	}
	return c
}
