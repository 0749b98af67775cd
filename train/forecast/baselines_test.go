package forecast_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/forecast"
)

// series of n counts.
func series(n int, f func(t int) float64) []float64 {
	out := make([]float64, n)
	for t := range out {
		out[t] = f(t)
	}
	return out
}

// Every baseline forecasts what can be told by hand.
func TestBaselines(t *testing.T) {
	const day = 1440
	line := series(100, func(t int) float64 { return 2 * float64(t) })
	hourly := func(t int) float64 { return 10 + 6*math.Sin(2*math.Pi*float64(t)/60) }
	demand := series(300, func(t int) float64 { // 6 every third minute, the last one just now
		if t%3 == 2 {
			return 6
		}
		return 0
	})
	timer := func(n int) []float64 {
		return series(n, func(t int) float64 {
			if t%7 == 0 {
				return 3
			}
			return 0
		})
	}
	level := 0.0 // of exponential smoothing by 0.8, which errs least on a line
	for _, y := range line {
		level += 0.8 * (y - level)
	}
	thetaOf := func(h int) float64 { return level + float64(h-1) + (1-math.Pow(0.2, 100))/0.8 }
	for _, c := range []struct {
		name      string
		counts    []float64
		h         int
		want      float64
		tolerance float64
	}{
		{forecast.Naive, line, 1, 198, 0}, {forecast.Naive, line, 60, 198, 0},
		{forecast.SeasonalNaive, series(2*day, func(t int) float64 { return float64(t) }), 5, day + 4, 0},
		{forecast.SeasonalNaiveWeek, series(8*day, func(t int) float64 { return float64(t) }), 1, day, 0},
		{forecast.SeasonalNaiveWeek, series(8*day, func(t int) float64 { return float64(t) }), 1440, 2*day - 1, 0},
		{forecast.SeasonalNaiveWeek, series(2*day, func(t int) float64 { return float64(t) }), 5, day + 4, 0}, // too short
		{forecast.Drift, line, 1, 200, 1e-9}, {forecast.Drift, line, 10, 218, 1e-9},
		{forecast.Drift, series(50, func(t int) float64 { return 49 - float64(t) }), 9, 0, 0},
		{forecast.MovingAverage, series(500, func(t int) float64 { return 10 * float64(t%2) }), 7, 5, 1e-9},
		{forecast.MovingAverage, line, 1, 196, 1e-9}, // of the last three
		{forecast.ExpSmoothing, series(50, func(int) float64 { return 7 }), 3, 7, 0},
		{forecast.ExpSmoothing, line, 1, level, 1e-9},
		{forecast.HoltWinters, series(3*day, hourly), 1, hourly(3 * day), 0.05},
		{forecast.HoltWinters, series(3*day, hourly), 75, hourly(3*day + 74), 0.05},
		{forecast.HoltWinters, series(200, func(int) float64 { return 4 }), 1000, 4, 1e-9},
		{forecast.Theta, line, 1, thetaOf(1), 1e-9}, {forecast.Theta, line, 20, thetaOf(20), 1e-9},
		{forecast.Theta, series(50, func(int) float64 { return 7 }), 30, 7, 1e-9},
		{forecast.Croston, demand, 1, 2, 1e-9}, {forecast.Croston, series(9, func(int) float64 { return 0 }), 1, 0, 0},
		{forecast.TSB, series(99, func(int) float64 { return 4 }), 60, 4, 1e-9},
		{forecast.TSB, slices.Concat(demand, make([]float64, 1000)), 1, 0, 1e-9}, // it died
		{forecast.FFT, series(2*day, hourly), 1, hourly(2 * day), 0.3},           // the trend of a sine is not quite flat
		{forecast.FFT, series(2*day, hourly), 1440, hourly(3*day - 1), 0.3},
		{forecast.FFT, []float64{3, 3}, 5, 3, 0},
		{forecast.AR, series(200, func(int) float64 { return 5 }), 60, 5, 1e-9},
		{forecast.Histogram, timer(701), 7, 3. * 101 / 701, 1e-9}, // the mean
		{forecast.Histogram, timer(707), 1, 3, 0.1},               // due
		{forecast.Histogram, timer(705), 1, 0, 0.1},               // not due
		{forecast.Prophet, line, 60, 99, 1e-9},                    // without a decomposition the mean
	} {
		const from = 0
		season := day
		if len(c.counts) < 2*day {
			season = 1
		}
		got := forecast.Baseline(c.name, c.counts, from, season, []int{c.h})(c.h)
		if math.Abs(got-c.want) > c.tolerance {
			t.Errorf("%s after %d counts, %d minutes ahead: %v, expected %v", c.name, len(c.counts), c.h, got, c.want)
		}
	}
}

// The second minute of x(t+1) = 0.5 x(t) + 0.2 x(t-1) is 0.45 x(t) + 0.1 x(t-1).
func TestAutoregression(t *testing.T) {
	if w := forecast.Distant([]float64{0.5, 0.2}, 2); math.Abs(w[0]-0.45) > 1e-15 || math.Abs(w[1]-0.1) > 1e-15 {
		t.Errorf("weights two minutes ahead are %v", w)
	}
	key := seed.Key(1, "test")
	x := 0.0
	counts := series(20000, func(t int) float64 {
		sum := 0.0 // of twelve uniform numbers: about normal
		for k := range 12 {
			sum += seed.Uniform(key, uint64(12*t+k))
		}
		x = 0.8*x + sum - 6
		return 100 + x
	})
	counts[len(counts)-1] = 110
	for h, want := range map[int]float64{1: 108, 5: 100 + 10*math.Pow(0.8, 5), 200: 100} {
		if got := forecast.Baseline(forecast.AR, counts, 0, 1, []int{h})(h); math.Abs(got-want) > 0.5 {
			t.Errorf("%d minutes ahead %v, expected about %v", h, got, want)
		}
	}
}

// Rows of lags hold what their columns say, and nothing that comes later.
func TestLagRow(t *testing.T) {
	tr := handmade(1)
	counts := series(3*1440, func(t int) float64 { return float64(t) })
	const from, now, h = 100, 100 + 2*1440, 70
	row := forecast.LagRow(tr, counts, from, now, h)
	at := float64(2*1440 + h - 1) // in counts
	for name, want := range map[string]float64{
		"lag_1": 2*1440 - 1, "lag_120": 2*1440 - 120, "mean_5": 2*1440 - 3, "mean_1440": 2*1440 - 720.5,
		"hour_1": at - 120, "day_1": at - 1440, "minute_of_hour": float64((now + h - 1) % 60), "minute_of_day": float64((now + h - 1) % 1440),
	} {
		if row[name] != want {
			t.Errorf("%s is %v, expected %v", name, row[name], want)
		}
	}
	if !math.IsNaN(row["day_7"]) {
		t.Error("a day before the history is known")
	}
	for i := now - from; i < len(counts); i++ {
		counts[i] = 1e6
	}
	for name, v := range forecast.LagRow(tr, counts, from, now, h) {
		if v != row[name] && !(math.IsNaN(v) && math.IsNaN(row[name])) {
			t.Errorf("%s knows the future", name)
		}
	}
}

// All models at two horizons from one cutoff: rows, files and figures agree with each other, and do not
// depend on the number of workers.
func TestBacktestOfAllModels(t *testing.T) {
	long(t)
	tr, holidays, s := smallTrace(t)
	w := s.Test
	w.To = w.From + 90
	once := func(workers int) (*forecast.BacktestReport, []forecast.ForecastRow) {
		o := forecast.DefaultBacktestOptions()
		o.Train = options()
		o.Train.Trees.NumIterations, o.Train.MaxRows, o.Train.Workers = 3, 1000, workers
		o.Refit, o.Horizons, o.PerFunction = 60, []int{1, 10}, true
		o.Models = forecast.AllModels()
		slices.Reverse(o.Models)
		var rows []forecast.ForecastRow
		o.Forecasts = func(r []forecast.ForecastRow) error {
			rows = append(rows, r...)
			return nil
		}
		r, err := forecast.Backtest(t.Context(), tr, w, holidays, o, train.Discard)
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Models {
			r.Models[i].Timing = forecast.FigureTiming{}
		}
		return r, rows
	}
	r, rows := once(1)
	if other, again := once(3); fmt.Sprint(other.Models, other.Comparisons) != fmt.Sprint(r.Models, r.Comparisons) || !reflect.DeepEqual(again, rows) {
		t.Error("what comes out depends on the number of workers")
	}
	if !slices.Equal(r.Cutoffs, []int{w.From, w.From + 60}) {
		t.Errorf("cutoffs are %v", r.Cutoffs)
	}
	type key struct {
		model string
		h     int
	}
	errs, actual, n := map[key]float64{}, map[key]float64{}, map[key]int{}
	for _, row := range rows {
		if row.Function == forecast.TotalScope || len(row.Function) == 0 {
			continue
		}
		if row.Minute < w.From+row.Horizon-1 || row.Minute >= w.To {
			t.Fatalf("%+v lies outside", row)
		}
		if !(row.Mean >= 0) || row.Q99 < row.Q90 || row.Model == forecast.Incendio && row.Q90 < row.Median {
			t.Fatalf("%+v", row)
		}
		if !slices.ContainsFunc(r.Functions, func(f forecast.FunctionFigures) bool { return f.Function.String() == row.Function }) {
			continue // a sum
		}
		k := key{row.Model, row.Horizon}
		errs[k] += math.Abs(row.Actual - row.Median)
		actual[k] += row.Actual
		n[k]++
	}
	for _, name := range forecast.AllModels() {
		for _, h := range []int{1, 10} {
			k := key{name, h}
			i := slices.IndexFunc(r.Models, func(f forecast.Figures) bool {
				return f.Name == name && f.Horizon == h && f.Scope == forecast.PooledScope
			})
			if i < 0 {
				t.Errorf("no row of %s at %d minutes", name, h)
				continue
			}
			if want := errs[k] / actual[k]; math.Abs(float64(r.Models[i].WAPE)-want) > 1e-9*want {
				t.Errorf("%s at %d minutes: WAPE %v, of the forecasts %v", name, h, r.Models[i].WAPE, want)
			}
			if want := len(tr.Functions) * (w.Len() - h + 1); n[k] != want {
				t.Errorf("%s at %d minutes: %d forecasts, expected %d", name, h, n[k], want)
			}
		}
	}
	var sum float64
	for _, f := range r.Functions {
		if f.Name == forecast.Naive && f.Horizon == 1 {
			sum += f.Count
		}
	}
	if sum != actual[key{forecast.Naive, 1}] {
		t.Errorf("functions have %v counts, rows %v", sum, actual[key{forecast.Naive, 1}])
	}
	if len(r.Comparisons) == 0 {
		t.Error("nothing is compared")
	}
	for _, c := range r.Comparisons {
		if c.Other == forecast.Incendio || c.Other == "" {
			t.Errorf("%+v", c)
		}
		if better := c.CI95[1] < 1; better != (c.Result == forecast.Better) {
			t.Errorf("%+v", c)
		}
	}
}

// If forecasts are true, the transforms lie below each level as often as it says, also where all counts
// lie on a quantile; if they are too low, less often.
func TestTransformed(t *testing.T) {
	chance := []float64{0.55, 0.4, 0.05} // of 0, 1 and 2
	quantile := func(p float64) float64 {
		switch {
		case p <= 0.55:
			return 0
		case p <= 0.95:
			return 1
		}
		return 2
	}
	for i, level := range []float64{0.5, 0.9, 0.99} {
		below, low := 0.0, 0.0
		for count, p := range chance {
			below += p * forecast.Transformed(quantile, float64(count))[i]
			low += p * forecast.Transformed(func(float64) float64 { return 0 }, float64(count))[i]
		}
		if math.Abs(below-level) > 0.001 {
			t.Errorf("%v of the transforms lie below %v", below, level)
		}
		if low > 0.56 {
			t.Errorf("of forecasts of 0, %v lie below %v", low, level)
		}
	}
	if got := forecast.Transformed(func(p float64) float64 { return 100 + p }, 100.7); got != [3]float64{0, 1, 1} {
		t.Errorf("between the quantiles: %v", got)
	}
}

func TestBacktestOptions(t *testing.T) {
	for name, change := range map[string]func(*forecast.BacktestOptions){
		"no model":            func(o *forecast.BacktestOptions) { o.Models = nil },
		"a model twice":       func(o *forecast.BacktestOptions) { o.Models = []string{"naive", "naive"} },
		"an unknown model":    func(o *forecast.BacktestOptions) { o.Models = []string{"oracle"} },
		"no horizon":          func(o *forecast.BacktestOptions) { o.Horizons = nil },
		"horizons descending": func(o *forecast.BacktestOptions) { o.Horizons = []int{10, 1} },
		"a horizon too far":   func(o *forecast.BacktestOptions) { o.Horizons = []int{1441} },
		"no cutoff":           func(o *forecast.BacktestOptions) { o.Cutoffs = 0 },
		"a refit before":      func(o *forecast.BacktestOptions) { o.Refit = -5 },
	} {
		o := forecast.DefaultBacktestOptions()
		change(&o)
		if o.Validate() == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := forecast.DefaultBacktestOptions().Validate(); err != nil {
		t.Error(err)
	}
	tr, _, _ := smallTrace(t)
	o := forecast.DefaultBacktestOptions()
	o.Refit = forecast.NoRefit
	if _, err := forecast.Backtest(t.Context(), tr, tr.Span, nil, o, train.Discard); err == nil {
		t.Error("a cutoff at the start of the trace was taken")
	}
}
