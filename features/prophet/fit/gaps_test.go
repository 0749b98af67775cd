package fit_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/internal/seed"
)

func workday(at time.Time) bool { return at.Weekday() != time.Saturday && at.Weekday() != time.Sunday }

func openHours(from, to int) func(time.Time) bool {
	return func(at time.Time) bool { return from <= at.Hour() && at.Hour() <= to }
}

var (
	yearTerm = prophet.Seasonality{Name: "yearly", Period: 365.25, Order: 10}
	weekTerm = prophet.Seasonality{Name: "weekly", Period: 7, Order: 3}
	dayTerm  = prophet.Seasonality{Name: "daily", Period: 1, Order: 4}
)

// TestGaps says which phases of which histories were never seen.
func TestGaps(t *testing.T) {
	always := func(time.Time) bool { return true }
	monthly := func(i int) time.Time { return time.Date(2010, time.Month(1+i), 1, 0, 0, 0, 0, time.UTC) }
	every := func(step time.Duration) func(int) time.Time {
		return func(i int) time.Time { return monday.Add(time.Duration(i) * step) }
	}
	for name, c := range map[string]struct {
		at   func(int) time.Time
		n    int
		open func(time.Time) bool
		term prophet.Seasonality
		want []float64 // from and to of each gap, days
	}{
		"every day":              {every(day), 100, always, weekTerm, nil},
		"a month missing":        {every(day), 800, func(at time.Time) bool { return at.Month() != time.July || at.Year() != 2020 }, weekTerm, nil},
		"working days":           {every(day), 100, workday, weekTerm, []float64{1.3, 3.7}}, // the epoch was a Thursday
		"working days, sparsely": {every(day), 300, func(at time.Time) bool { return workday(at) && prophet.DayOf(at)%5 != 2 }, weekTerm, []float64{1.3, 3.7}},
		"six days":               {every(day), 100, func(at time.Time) bool { return at.Weekday() != time.Sunday }, weekTerm, []float64{2.2, 3.8}},
		"a clock around":         {every(time.Hour), 300, always, dayTerm, nil},
		"opening hours":          {every(time.Hour), 300, openHours(9, 17), dayTerm, []float64{17.5 / 24, 24./24 + 8.5/24}},
		"two hours missing":      {every(time.Hour), 300, func(at time.Time) bool { return at.Hour() < 22 }, dayTerm, []float64{21.3 / 24, 23.7 / 24}},
		"minutes":                {every(time.Minute), 3000, openHours(8, 17), dayTerm, []float64{(17*60 + 59.5) / 1440, 1 + (8*60-0.5)/1440}},
		"every six hours":        {every(6 * time.Hour), 200, always, dayTerm, []float64{.025, .225, .275, .475, .525, .725, .775, .975}},
		"less than a year":       {every(day), 100, always, yearTerm, nil}, // asked for below
	} {
		m := fit.DefaultModel()
		m.Seasonalities = []prophet.Seasonality{c.term}
		var times []time.Time
		var y []float64
		for i := range c.n {
			if at := c.at(i); c.open(at) {
				times, y = append(times, at), append(y, float64(i%11))
			}
		}
		f, err := m.FitTimes(t.Context(), times, y)
		if err != nil {
			t.Fatal(err)
		}
		if name == "less than a year" {
			if len(f.Gaps) != 1 || math.Abs(f.Gaps[0].To-f.Gaps[0].From-(365.25-99-1)) > 1e-6 {
				t.Errorf("%s: gaps %v", name, f.Gaps)
			}
			continue
		}
		var got []float64
		for _, g := range f.Gaps {
			got = append(got, g.From, g.To)
		}
		if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }) {
			t.Errorf("%s: gaps %v, want %v", name, got, c.want)
		}
		if u := f.Unseen(times, prophet.Columns{}); len(u) > 0 {
			t.Errorf("%s: %v were never seen, but have values", name, u)
		}
	}

	// By the month, the days between are in the gaps, and the months to come are not.
	m := fit.DefaultModel()
	m.Seasonalities = []prophet.Seasonality{yearTerm}
	var times, days, months []time.Time
	var y []float64
	for i := range 60 {
		times, y = append(times, monthly(i)), append(y, float64(i%7))
		months, days = append(months, monthly(60+i)), append(days, monthly(i).AddDate(0, 0, 14))
	}
	f, err := m.FitTimes(t.Context(), times, y)
	if err != nil {
		t.Fatal(err)
	}
	if u := f.Unseen(months, prophet.Columns{}); len(f.Gaps) != 12 || len(u) > 0 {
		t.Errorf("%d gaps of months, of which later months are in %v", len(f.Gaps), u)
	}
	if u := f.Unseen(days, prophet.Columns{}); len(u) != 1 || len(u[0].Times) != len(days) {
		t.Errorf("the middle of months is not in the gaps: %v", u)
	}
	// Only where the condition holds has a seasonality phases.
	hours := dayTerm
	hours.Condition = "weekend"
	m.Seasonalities = []prophet.Seasonality{hours}
	times, y = nil, nil
	for i := range 24 * 30 {
		if at := monday.Add(time.Duration(i) * time.Hour); workday(at) || at.Hour() < 12 {
			times, y = append(times, at), append(y, float64(i%13))
		}
	}
	if f, err = m.FitTimes(t.Context(), times, y); err != nil {
		t.Fatal(err)
	}
	afternoons := []time.Time{monday.Add(15 * time.Hour), monday.Add(5*day + 15*time.Hour)}
	if u := f.Unseen(afternoons, prophet.Columns{}); len(u) != 1 || len(u[0].Times) != 1 || u[0].Times[0] != afternoons[1] {
		t.Errorf("of a weekend's and a working day's afternoon %v were never seen", u)
	}
}

// TestLevelStaysInTheTrend fits histories with gaps of all kinds at several levels and
// asks that the trend has the level of the data, and that what is forecast in the gaps is
// in the range of the data or not far from it.
func TestLevelStaysInTheTrend(t *testing.T) {
	type kind struct {
		step  time.Duration
		n     int
		open  func(time.Time) bool
		terms []prophet.Seasonality
	}
	minutes := fit.AutoSeasonalities(8*day, time.Minute)
	kinds := map[string]kind{
		"working days":  {day, 300, workday, []prophet.Seasonality{weekTerm}},
		"six days":      {day, 300, func(at time.Time) bool { return at.Weekday() != time.Sunday }, []prophet.Seasonality{weekTerm}},
		"opening hours": {time.Hour, 24 * 50, openHours(9, 17), []prophet.Seasonality{weekTerm, dayTerm}},
		"mornings":      {time.Hour, 24 * 50, openHours(6, 9), []prophet.Seasonality{weekTerm, dayTerm}},
		"office hours":  {time.Hour, 24 * 50, func(at time.Time) bool { return workday(at) && openHours(8, 18)(at) }, []prophet.Seasonality{weekTerm, dayTerm}},
		"half years":    {day, 1460, func(at time.Time) bool { return at.Month() >= 4 && at.Month() <= 9 }, []prophet.Seasonality{yearTerm, weekTerm}},
		"nights":        {time.Minute, 1440 * 8, openHours(8, 17), minutes},
		"own cycle":     {day, 200, func(at time.Time) bool { return prophet.DayOf(at)%10 < 6 }, []prophet.Seasonality{{Name: "shift", Period: 10, Order: 4}}},
		"conditions": {time.Hour, 24 * 50, openHours(9, 17), []prophet.Seasonality{
			{Name: "work", Period: 1, Order: 4, Condition: "weekday"}, {Name: "rest", Period: 1, Order: 4, Condition: "weekend"}}},
		"every six hours": {6 * time.Hour, 400, func(time.Time) bool { return true }, []prophet.Seasonality{weekTerm, dayTerm}},
	}
	for name, k := range kinds {
		for _, shape := range []string{"smooth", "sudden"} {
			var times []time.Time
			for i := range k.n {
				times = append(times, monday.Add(time.Duration(i)*k.step))
			}
			for _, level := range []float64{113, 1113, -113, 0} {
				y, open := make([]float64, k.n), []int{}
				noise := seed.Key(1, "gaps/"+name+shape)
				for i, at := range times {
					d := prophet.Days(at)
					y[i] = math.NaN()
					if k.open(at) {
						open = append(open, i)
						rhythm := 10 * math.Sin(2*math.Pi*d/k.terms[0].Period+1)
						if shape == "sudden" {
							rhythm = 10 * math.Copysign(1, rhythm+4)
						}
						y[i] = level + rhythm + 5*float64(i)/float64(k.n) + seed.Normal(noise, uint64(i))
					}
				}
				for _, growth := range []prophet.Growth{prophet.Linear, prophet.Flat, prophet.Logistic} {
					for _, mode := range []prophet.Mode{prophet.Additive, prophet.Multiplicative} {
						if (growth == prophet.Logistic || mode == prophet.Multiplicative) && (level <= 0 || k.n > 5000 || level > 1000) {
							continue // no such model, or more of the same
						}
						m := fit.DefaultModel()
						m.Growth, m.SeasonalityMode, m.Seasonalities, m.Cap = growth, mode, k.terms, 2*level
						label := fmt.Sprintf("%s, %s, level %g, %s, %s", name, shape, level, growth, mode)
						fitted, err := m.Fleet(t.Context(), fit.Grid{Start: monday, Step: k.step}, [][]float64{y}, 1)
						if err != nil {
							t.Fatal(label, err)
						}
						checkGaps(t, label, fitted[0], times, y)
						if level == 113 && shape == "smooth" && k.n < 5000 {
							single, err := m.FitTimes(t.Context(), at(times, open), at(y, open))
							if err != nil {
								t.Fatal(label, err)
							}
							a, b := fitted[0].Forecast(times), single.Forecast(times)
							for i := range times {
								if math.Abs(a.Yhat[i]-b.Yhat[i]) > 1e-3 || math.Abs(a.Trend[i]-b.Trend[i]) > 1e-3 {
									t.Fatalf("%s: at %v a fleet says %g (trend %g), a single fit %g (%g)", label, times[i], a.Yhat[i], a.Trend[i], b.Yhat[i], b.Trend[i])
								}
							}
						}
					}
				}
			}
		}
	}
}

func at[T any](x []T, rows []int) []T {
	var out []T
	for _, i := range rows {
		out = append(out, x[i])
	}
	return out
}

// checkGaps checks a decomposition of y, NaN in the gaps.
func checkGaps(t *testing.T, label string, f *prophet.Fitted, times []time.Time, y []float64) {
	t.Helper()
	low, high, level, trend, rows := math.Inf(1), math.Inf(-1), 0., 0., 0.
	fc := f.Forecast(times)
	for i, v := range y {
		if !math.IsNaN(v) {
			low, high, level, trend, rows = min(low, v), max(high, v), level+v, trend+fc.Trend[i], rows+1
		}
	}
	if level, trend = level/rows, trend/rows; math.Abs(level-trend) > 0.4*(high-low) {
		t.Errorf("%s: the trend is %.5g on average, the data %.5g, in [%.5g, %.5g]", label, trend, level, low, high)
	}
	for i, v := range fc.Yhat {
		if math.IsNaN(y[i]) && (v < low-0.2*(high-low) || v > high+0.2*(high-low)) {
			t.Errorf("%s: %.5g at %v, which has no data; they are in [%.5g, %.5g]", label, v, times[i], low, high)
			return
		}
	}
}

// TestRollingOriginsInGaps fits a trace without nights at rolling origins.
func TestRollingOriginsInGaps(t *testing.T) {
	const n = 1440 * 6
	noise := seed.Key(1, "gaps/rolling")
	grid := fit.Grid{Start: monday, Step: time.Minute}
	var times []time.Time
	y := make([]float64, n)
	for i := range y {
		at := grid.At(i)
		times = append(times, at)
		if y[i] = math.NaN(); openHours(8, 17)(at) {
			y[i] = 100 + 10*math.Sin(2*math.Pi*prophet.Days(at)) + 10*seed.Normal(noise, uint64(i))
		}
	}
	m := fit.DefaultModel()
	m.Growth = prophet.Flat
	m.Seasonalities = fit.AutoSeasonalities(6*day, time.Minute)
	origins, err := m.RollingOrigin(t.Context(), grid, [][]float64{y}, []int{1440*2 + 800, 1440 * 4, n}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range origins {
		f := o.Fitted[0]
		checkGaps(t, fmt.Sprintf("up to minute %d", o.Cutoff), f, times, y)
		if level := f.M * f.YScale; math.Abs(level-100) > 5 {
			t.Errorf("up to minute %d: the level is %g, not near 100", o.Cutoff, level)
		}
		for _, c := range f.Forecast(times).Seasonal {
			if c.MaxAbs() > 30 {
				t.Errorf("up to minute %d: %s goes to %g, the season has an amplitude of 10", o.Cutoff, c.Name, c.MaxAbs())
			}
		}
	}
}

// TestCurvesStayNearTheirMode fits a logistic trend to working days, of which Prophet's optimisers
// agree that the weekend is beyond the range of the data by 22 % (measured): ours has to stay
// near that range, and goes no further from there than it must.
func TestCurvesStayNearTheirMode(t *testing.T) {
	m := fit.DefaultModel()
	m.Growth, m.SeasonalityMode, m.Cap, m.Seasonalities = prophet.Logistic, prophet.Multiplicative, 200, []prophet.Seasonality{weekTerm}
	var times, closed []time.Time
	var y []float64
	const n = 600
	random := seed.Stream(1, "gaps/logistic_multiplicative")
	first := time.Date(2020, 1, 3, 0, 0, 0, 0, time.UTC)
	for i := range n {
		at := first.Add(time.Duration(i) * day)
		if !workday(at) {
			closed = append(closed, at)
			continue
		}
		rhythm := 1 + 0.1*math.Sin(2*math.Pi*prophet.Days(at)/7+1)
		times, y = append(times, at), append(y, rhythm*180/(1+math.Exp(-8*(float64(i)/n-0.4)))+3*random.NormFloat64())
	}
	f, err := m.FitTimes(t.Context(), times, y)
	if err != nil {
		t.Fatal(err)
	}
	low, high := slices.Min(y), slices.Max(y)
	most := (slices.Max(f.Forecast(closed).Yhat) - low) / (high - low)
	if most < 1.15 || most > 1.2 {
		t.Errorf("the weekends go to %.3f of the range of the data, expected 1.15 to 1.2", most)
	}
}
