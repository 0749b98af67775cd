package fit_test

import (
	"math"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
)

// logPosterior is Prophet's objective at the parameters of f without constants, from the
// rows and from the formulas of the paper, slow and obvious.
func logPosterior(f *prophet.Fitted, times []time.Time, y []float64, tau float64) float64 {
	return logPosteriorColumns(f, times, y, prophet.Columns{}, tau)
}

func logPosteriorColumns(f *prophet.Fitted, times []time.Time, y []float64, c prophet.Columns, tau float64) float64 {
	lp := -f.K*f.K/50 - f.M*f.M/50 - 2*f.SigmaObs*f.SigmaObs
	for _, d := range f.Delta {
		lp -= math.Abs(d) / tau
	}
	for i, scale := range priorScales(f) {
		lp -= f.Beta[i] * f.Beta[i] / (scale * scale) / 2
	}
	var sse float64
	rows := 0
	for i, at := range times {
		if math.IsNaN(y[i]) {
			continue
		}
		rows++
		t := at.Sub(f.Start).Seconds() / f.End.Sub(f.Start).Seconds()
		capacity, floor := f.Cap, f.Floor
		if c.Cap != nil {
			capacity = c.Cap[i]
		}
		if c.Floor != nil {
			floor = c.Floor[i]
		}
		added, factor := effects(f, i, at, c)
		r := (y[i]-floor)/f.YScale - scaledTrend(f, t, (capacity-floor)/f.YScale)*(1+factor) - added
		sse += r * r
	}
	return lp - float64(rows)*math.Log(f.SigmaObs) - sse/(2*f.SigmaObs*f.SigmaObs)
}

// scaledTrend is the trend as Prophet writes it, with offsets at the changepoints.
func scaledTrend(f *prophet.Fitted, t, capacity float64) float64 {
	rate, offset := f.K, f.M
	for j, s := range f.Changepoints {
		if t < s {
			break
		}
		if f.Growth == prophet.Logistic {
			offset += (s - offset) * (1 - rate/(rate+f.Delta[j]))
		} else {
			offset -= f.Delta[j] * s
		}
		rate += f.Delta[j]
	}
	switch f.Growth {
	case prophet.Linear:
		return rate*t + offset
	case prophet.Logistic:
		return capacity / (1 + math.Exp(-rate*(t-offset)))
	}
	return f.M
}

// effects are the sums of the additive and of the multiplicative terms at row i.
func effects(f *prophet.Fitted, i int, at time.Time, c prophet.Columns) (added, factor float64) {
	beta := f.Beta
	add := func(x float64, mode prophet.Mode) {
		if mode == prophet.Multiplicative {
			factor += beta[0] * x
		} else {
			added += beta[0] * x
		}
		beta = beta[1:]
	}
	for _, s := range f.Seasonalities {
		on := 1.0
		if s.Condition != "" && !c.Holds(s.Condition, i, at) {
			on = 0
		}
		for n := 1; n <= s.Order; n++ {
			x := 2 * math.Pi * float64(n) * (float64(at.Unix()) / 86400) / s.Period
			add(on*math.Sin(x), s.Mode)
			add(on*math.Cos(x), s.Mode)
		}
	}
	day := at.UTC().Format(time.DateOnly)
	for _, h := range f.Holidays {
		for o := h.LowerWindow; o <= h.UpperWindow; o++ {
			on := 0.0
			for j, d := range h.Dates {
				inside := h.Windows == nil || h.Windows[j][0] <= o && o <= h.Windows[j][1]
				if inside && d.Time().AddDate(0, 0, o).Format(time.DateOnly) == day {
					on = 1
				}
			}
			add(on, h.Mode)
		}
	}
	for _, r := range f.Regressors {
		add((c.Regressors[r.Name][i]-r.Mean)/r.Scale, r.Mode)
	}
	return added, factor
}

// priorScales has the prior scale of each value of f.Beta.
func priorScales(f *prophet.Fitted) []float64 {
	var out []float64
	for _, s := range f.Seasonalities {
		for range s.Columns() {
			out = append(out, s.PriorScale)
		}
	}
	for _, h := range f.Holidays {
		for range h.Columns() {
			out = append(out, h.PriorScale)
		}
	}
	for _, r := range f.Regressors {
		out = append(out, r.PriorScale)
	}
	return out
}
