package prophet_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/features/prophet"
)

var start = time.Date(2021, 3, 1, 0, 0, 0, 0, time.UTC)

// example is a model of ten days with every kind of part.
func example() *prophet.Fitted {
	return &prophet.Fitted{
		Growth: prophet.Linear,
		Start:  start, End: start.AddDate(0, 0, 10),
		YScale: 50, Floor: 2,
		K: 0.5, M: 0.25,
		Changepoints: []float64{0.2, 0.5, 0.7},
		Delta:        []float64{0.3, 0, -1.1},
		Seasonalities: []prophet.Seasonality{
			{Name: "weekly", Period: 7, Order: 2, PriorScale: 10},
			{Name: "daily", Period: 1, Order: 3, PriorScale: 10},
		},
		Holidays: []prophet.Holiday{
			{Name: "launch", Dates: []prophet.Day{prophet.DayOf(start) + 4}, LowerWindow: -1, UpperWindow: 1, PriorScale: 10},
			{Name: "outage", Dates: []prophet.Day{prophet.DayOf(start) + 5, prophet.DayOf(start) + 8}, PriorScale: 10},
		},
		Beta:     []float64{0.1, -0.2, 0.05, 0.01, 0.3, 0.2, -0.1, 0.07, 0.03, -0.02, 0.25, 0.5, 0.125, -0.75},
		SigmaObs: 0.04, LogPosterior: 123.456, Observations: 1000,
	}
}

// TestForecast writes the model out as Prophet does.
func TestForecast(t *testing.T) {
	f := example()
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
	var times []time.Time
	for at := start.AddDate(0, 0, -2); at.Before(start.AddDate(0, 0, 15)); at = at.Add(97 * time.Minute) {
		times = append(times, at)
	}
	fc := f.Forecast(times)
	for i, at := range times {
		x := at.Sub(start).Hours() / 240
		slope, offset := f.K, f.M
		for j, s := range f.Changepoints {
			if x >= s {
				slope += f.Delta[j]
				offset -= s * f.Delta[j]
			}
		}
		near(t, at, "trend", fc.Trend[i], (slope*x+offset)*f.YScale+f.Floor)

		d := float64(at.Unix()) / 86400
		c := 0
		var sum float64
		for j, s := range f.Seasonalities {
			var want float64
			for n := 1; n <= s.Order; n++ {
				want += f.Beta[c]*math.Sin(2*math.Pi*float64(n)*d/s.Period) + f.Beta[c+1]*math.Cos(2*math.Pi*float64(n)*d/s.Period)
				c += 2
			}
			near(t, at, s.Name, fc.Seasonal[j].Value[i], want*f.YScale)
			sum += fc.Seasonal[j].Value[i]
		}
		launch := map[int]float64{3: 0.25, 4: 0.5, 5: 0.125}[int(math.Floor(x*10))] * f.YScale
		outage := map[int]float64{5: -0.75, 8: -0.75}[int(math.Floor(x*10))] * f.YScale
		near(t, at, "launch", fc.Holidays[0].Value[i], launch)
		near(t, at, "outage", fc.Holidays[1].Value[i], outage)
		near(t, at, "yhat", fc.Yhat[i], fc.Trend[i]+sum+launch+outage)

		c1 := f.Components(at)
		if c1.Trend != fc.Trend[i] || c1.Yhat != fc.Yhat[i] || c1.Yhat != c1.Trend+c1.Seasonal+c1.Holiday {
			t.Fatalf("at %v: Components %+v, Forecast has trend %v, yhat %v", at, c1, fc.Trend[i], fc.Yhat[i])
		}
	}
}

// TestTimeline: columns that are shared give the same forecast as those of one model.
func TestTimeline(t *testing.T) {
	f := example()
	var times []time.Time
	for i := range 300 {
		times = append(times, f.Start.Add(time.Duration(i)*71*time.Minute))
	}
	want := f.Forecast(times)
	for name, shared := range map[string][]prophet.Seasonality{
		"all": f.Seasonalities, "one": f.Seasonalities[1:], "others": {{Name: "daily", Period: 1, Order: 2}},
	} {
		got := f.ForecastOn(prophet.NewTimeline(times, shared))
		for i, at := range times {
			near(t, at, name+": yhat", got.Yhat[i], want.Yhat[i])
			for j := range want.Seasonal {
				near(t, at, name+": "+want.Seasonal[j].Name, got.Seasonal[j].Value[i], want.Seasonal[j].Value[i])
			}
		}
	}
}

func near(t *testing.T, at time.Time, name string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-8 { // the phase of 18,700 days has 1e-11 of a turn
		t.Fatalf("%s at %v is %.12g, want %.12g", name, at, got, want)
	}
}

func TestJSON(t *testing.T) {
	f := example()
	f.K, f.Changepoints[1] = 1./3, math.Nextafter(0.5, 1)
	f.Start = f.Start.Add(123456789)
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	g := new(prophet.Fitted)
	if err := json.Unmarshal(b, g); err != nil {
		t.Fatal(err)
	}
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		at := start.Add(time.Duration(rapid.Int64Range(-int64(1000*time.Hour), int64(10000*time.Hour)).Draw(t, "at")))
		if a, b := f.Components(at), g.Components(at); a != b {
			t.Fatalf("at %v: %+v before, %+v after the round trip", at, a, b)
		}
	})
	a, c := f.Forecast([]time.Time{start.AddDate(0, 0, 20)}), g.Forecast([]time.Time{start.AddDate(0, 0, 20)})
	for _, pair := range []struct {
		f  *prophet.Fitted
		fc *prophet.Forecast
	}{{f, a}, {g, c}} {
		if err := pair.f.Intervals(pair.fc, prophet.DefaultIntervalOptions()); err != nil {
			t.Fatal(err)
		}
	}
	if a.Lower[0] != c.Lower[0] || a.Upper[0] != c.Upper[0] {
		t.Error("intervals differ after the round trip")
	}
}

func TestDays(t *testing.T) {
	for text, want := range map[string]prophet.Day{"1970-01-01": 0, "1969-12-31": -1, "2000-03-01": 11017} {
		var d prophet.Day
		if err := d.UnmarshalText([]byte(text)); err != nil || d != want || d.String() != text {
			t.Errorf("%s is %d (%v), %v", text, d, d, err)
		}
		if last := d.Time().Add(24*time.Hour - 1); prophet.DayOf(last) != want || prophet.DayOf(d.Time()) != want {
			t.Errorf("%v is on day %d, want %d", last, prophet.DayOf(last), want)
		}
	}
	if err := new(prophet.Day).UnmarshalText([]byte("today")); err == nil {
		t.Error(`"today" was accepted`)
	}
}

// TestIntervals compares with what is known of the distribution.
func TestIntervals(t *testing.T) {
	f := example()
	f.Changepoints, f.Delta = nil, nil
	for j := range 300 {
		f.Changepoints = append(f.Changepoints, float64(j+1)/400)
		f.Delta = append(f.Delta, 0.04*float64(1-2*(j%2)))
	}
	times := []time.Time{start, start.AddDate(0, 0, 16), start.AddDate(0, 0, 12), start.AddDate(0, 0, 10)}
	fc := f.Forecast(times)
	o := prophet.IntervalOptions{Level: 0.9, Samples: 15000, Seed: 3}
	if err := f.Intervals(fc, o); err != nil {
		t.Fatal(err)
	}
	const z = 1.6448536269514722 // 95th percentile of the standard normal distribution
	noise := f.SigmaObs * f.YScale
	for _, i := range []int{0, 3} { // the history, its end included
		near(t, times[i], "lower", fc.Lower[i], fc.Yhat[i]-z*noise)
		near(t, times[i], "upper", fc.Upper[i], fc.Yhat[i]+z*noise)
		near(t, times[i], "trend_lower", fc.TrendLower[i], fc.Trend[i])
	}
	// After it, the trend deviates by a compound Poisson sum of hinges: rate S, jumps
	// with the variance 2 b^2, b = mean|delta|, hinges over u = t-1, so its variance is
	// S 2 b^2 u^3/3. With S = 300 it is nearly Gaussian.
	const b = 0.04
	for _, i := range []int{1, 2} {
		u := f.Scale(times[i]) - 1
		want := math.Sqrt(300*2*b*b*u*u*u/3) * f.YScale
		if got := (fc.TrendUpper[i] - fc.TrendLower[i]) / (2 * z); math.Abs(got/want-1) > 0.03 {
			t.Errorf("u = %g: deviation of the trend %.4f, want about %.4f", u, got, want)
		}
		want = math.Hypot(want, noise)
		if got := (fc.Upper[i] - fc.Lower[i]) / (2 * z); math.Abs(got/want-1) > 0.03 {
			t.Errorf("u = %g: deviation of y %.4f, want about %.4f", u, got, want)
		}
		if math.Abs((fc.Upper[i]+fc.Lower[i])/2-fc.Yhat[i]) > 0.05*(fc.Upper[i]-fc.Lower[i]) {
			t.Errorf("u = %g: the interval is not around yhat", u)
		}
	}

	// The same seed gives the same interval, another seed another.
	again, other := f.Forecast(times), f.Forecast(times)
	if err := f.Intervals(again, o); err != nil {
		t.Fatal(err)
	}
	o.Seed++
	if err := f.Intervals(other, o); err != nil {
		t.Fatal(err)
	}
	if again.Lower[1] != fc.Lower[1] || other.Lower[1] == fc.Lower[1] {
		t.Errorf("lower %v, again %v, other seed %v", fc.Lower[1], again.Lower[1], other.Lower[1])
	}
	for _, bad := range []prophet.IntervalOptions{{Level: 1, Samples: 100}, {Level: 0.5, Samples: 1}} {
		if err := f.Intervals(fc, bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

func TestFlat(t *testing.T) {
	f := example()
	f.Growth, f.K, f.Changepoints, f.Delta = prophet.Flat, 0, nil, nil
	fc := f.Forecast([]time.Time{start.AddDate(-1, 0, 0), start.AddDate(1, 0, 0)})
	if err := f.Intervals(fc, prophet.DefaultIntervalOptions()); err != nil {
		t.Fatal(err)
	}
	for i, g := range fc.Trend {
		if g != 14.5 || fc.TrendLower[i] != g || fc.TrendUpper[i] != g {
			t.Errorf("trend %g in [%g, %g], want 14.5", g, fc.TrendLower[i], fc.TrendUpper[i])
		}
	}
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*prophet.Fitted){
		"growth":  func(f *prophet.Fitted) { f.Growth = "cubic" },
		"cap":     func(f *prophet.Fitted) { f.Growth, f.Cap = prophet.Logistic, f.Floor },
		"mode":    func(f *prophet.Fitted) { f.Seasonalities[0].Mode = "both" },
		"windows": func(f *prophet.Fitted) { f.Holidays[1].Windows = [][2]int{{0, 0}} },
		"scale": func(f *prophet.Fitted) {
			f.Regressors, f.Beta = []prophet.Regressor{{Name: "x"}}, append(f.Beta, 1)
		},
		"y_scale":      func(f *prophet.Fitted) { f.YScale = 0 },
		"sigma":        func(f *prophet.Fitted) { f.SigmaObs = math.NaN() },
		"end":          func(f *prophet.Fitted) { f.End = f.Start.Add(-1) },
		"delta":        func(f *prophet.Fitted) { f.Delta = f.Delta[1:] },
		"changepoints": func(f *prophet.Fitted) { f.Changepoints[2] = 0 },
		"beta":         func(f *prophet.Fitted) { f.Beta = append(f.Beta, 1) },
		"infinite":     func(f *prophet.Fitted) { f.Beta[0] = math.Inf(1) },
		"order":        func(f *prophet.Fitted) { f.Seasonalities[0].Order = 0 },
		"window":       func(f *prophet.Fitted) { f.Holidays[0].LowerWindow = 1 },
	} {
		f := example()
		change(f)
		if f.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestComponentsDoesNotAllocate(t *testing.T) {
	f := example()
	if n := testing.AllocsPerRun(100, func() { f.Components(start) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func FuzzFitted(f *testing.F) {
	for _, m := range []*prophet.Fitted{example(), kinds()} {
		b, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(prophet.Fitted)
		if json.Unmarshal(b, m) != nil || m.Validate() != nil {
			return
		}
		m.Components(start) // what is valid can be evaluated
	})
}

func BenchmarkComponents(b *testing.B) {
	f := example()
	for b.Loop() {
		f.Components(start)
	}
}

// BenchmarkIntervals forecasts one day of minutes with 1000 samples.
func BenchmarkIntervals(b *testing.B) {
	f := example()
	times := make([]time.Time, 1440)
	for i := range times {
		times[i] = f.End.Add(time.Duration(i+1) * time.Minute)
	}
	for b.Loop() {
		if err := f.Intervals(f.Forecast(times), prophet.DefaultIntervalOptions()); err != nil {
			b.Fatal(err)
		}
	}
}
