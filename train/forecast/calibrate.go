package forecast

import (
	"context"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
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
			z[q] = quantile(residuals, p)
		}
		c.Z = append(c.Z, z)
		if to < n {
			c.Edge = append(c.Edge, mean[order[to]])
		}
		from = to
	}
	return c
}

// quantile of sorted values, linear between them (type 7 of Hyndman and Fan).
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// calibrateTotal calibrates the sum of the means of all functions on the validation
// minutes that were drawn; means has those of each cluster's rows.
func (t *trainer) calibrateTotal(ctx context.Context, means [][]float64) error {
	valid := t.splits.Valid
	sum := make([]float64, valid.Len())
	actual := make([]float64, valid.Len())
	for c, s := range t.samples {
		for i, m := range means[c] {
			at := int(s.valid.frame.Minute[i]) - valid.From
			sum[at] += m
			actual[at] += s.valid.count[i]
		}
	}
	if err := t.addRare(ctx, sum, actual); err != nil {
		return err
	}
	var mean, count []float64
	for i, used := range t.validMinutes {
		if used {
			mean, count = append(mean, sum[i]), append(count, actual[i])
		}
	}
	t.model.Total = calibrate(mean, count)
	return nil
}

// addRare adds the forecasts and counts of the functions without trees in the
// validation window, from histograms of the training window alone.
func (t *trainer) addRare(ctx context.Context, sum, actual []float64) error {
	valid := t.splits.Valid
	from := max(t.splits.Train.From, valid.From-datasets.MinutesPerDay)
	for i := range t.trace.Functions {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		f := datasets.FunctionID(i)
		if _, ok := t.clusterOf[f]; ok && t.failed[f] == "" || len(t.series[i].minute) == 0 {
			continue
		}
		fn := online.Function{Key: online.KeyOf(&t.trace.Functions[i]), Class: online.Interarrival, IAT: t.series[i].iat(t.splits.Train)}
		m := &online.Model{Functions: []online.Function{fn}, Features: t.features, Total: gaussian()}
		if err := m.Compile(); err != nil {
			return err
		}
		rt, err := online.NewRuntime(m, t.trace.Functions[i:i+1], t.trace.Start)
		if err != nil {
			return err
		}
		counts := make([]float64, valid.To-from)
		t.series[i].dense(counts, datasets.Window{From: from, To: valid.To})
		for k, c := range counts {
			if now := from + k; now >= valid.From {
				actual[now-valid.From] += c
			}
			if next := from + k + 1 - valid.From; next < 0 || next >= len(sum) {
				rt.Prime(from+k, counts[k:k+1])
			} else {
				sum[next] += rt.Step(from+k, counts[k:k+1])[0].Mean
			}
		}
	}
	return nil
}
