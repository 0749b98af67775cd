package fit_test

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
)

// logPosterior recomputes the density of f from its parameters and the rows, with
// columns written as Prophet writes them.
func logPosterior(f *prophet.Fitted, times []time.Time, y []float64, tau float64) float64 {
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
		slope, offset := f.K, f.M
		for j, s := range f.Changepoints {
			if t >= s {
				slope += f.Delta[j]
				offset -= f.Delta[j] * s
			}
		}
		yhat := slope*t + offset
		c := 0
		for _, s := range f.Seasonalities {
			for n := 1; n <= s.Order; n++ {
				x := 2 * math.Pi * float64(n) * (float64(at.Unix()) / 86400) / s.Period
				yhat += f.Beta[c]*math.Sin(x) + f.Beta[c+1]*math.Cos(x)
				c += 2
			}
		}
		day := at.UTC().Format(time.DateOnly)
		for _, h := range f.Holidays {
			for o := h.LowerWindow; o <= h.UpperWindow; o++ {
				for _, d := range h.Dates {
					if d.Time().AddDate(0, 0, o).Format(time.DateOnly) == day {
						yhat += f.Beta[c]
					}
				}
				c++
			}
		}
		r := (y[i]-f.Floor)/f.YScale - yhat
		sse += r * r
	}
	return lp - float64(rows)*math.Log(f.SigmaObs) - sse/(2*f.SigmaObs*f.SigmaObs)
}

func priorScales(f *prophet.Fitted) []float64 {
	var out []float64
	for _, s := range f.Seasonalities {
		for range 2 * s.Order {
			out = append(out, s.PriorScale)
		}
	}
	for _, h := range f.Holidays {
		for o := h.LowerWindow; o <= h.UpperWindow; o++ {
			out = append(out, h.PriorScale)
		}
	}
	return out
}

// readSeries reads a file of ds,y.
func readSeries(t *testing.T, path string) (times []time.Time, y []float64) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		times = append(times, parseTime(t, row[0]))
		v, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			v = math.NaN() // "NA" or empty
		}
		y = append(y, v)
	}
	return times, y
}

func parseTime(t *testing.T, s string) time.Time {
	t.Helper()
	for _, layout := range []string{time.DateTime, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	t.Fatalf("time %q", s)
	return time.Time{}
}
