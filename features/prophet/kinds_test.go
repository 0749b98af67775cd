package prophet_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/features/prophet"
)

// kinds is a logistic model with a term of every kind in both modes.
func kinds() *prophet.Fitted {
	first := prophet.DayOf(start)
	return &prophet.Fitted{
		Growth: prophet.Logistic,
		Start:  start, End: start.AddDate(0, 0, 10),
		YScale: 50, Floor: 5, Cap: 65,
		K: 4, M: 0.4,
		Changepoints: []float64{0.2, 0.6},
		Delta:        []float64{1.5, -2.5},
		Seasonalities: []prophet.Seasonality{
			{Name: "weekly", Period: 7, Order: 1, PriorScale: 10, Mode: prophet.Multiplicative},
			{Name: "daily", Period: 1, Order: 1, PriorScale: 10, Condition: "weekend"},
			{Name: "open", Period: 1, Order: 1, PriorScale: 10, Condition: "open", Mode: prophet.Multiplicative},
		},
		Holidays: []prophet.Holiday{
			{Name: "launch", Dates: []prophet.Day{first + 2, first + 7}, UpperWindow: 1, Windows: [][2]int{{0, 0}, {0, 1}}, PriorScale: 10, Mode: prophet.Multiplicative},
			{Name: "outage", Dates: []prophet.Day{first + 5}, PriorScale: 10},
		},
		Regressors: []prophet.Regressor{
			{Name: "load", Mean: 100, Scale: 20, PriorScale: 10},
			{Name: "sale", Scale: 1, PriorScale: 10, Mode: prophet.Multiplicative},
		},
		Beta:     []float64{0.1, -0.05, 0.2, 0.1, 0.03, 0.02, 0.3, 0.15, -0.25, 0.07, 0.4},
		SigmaObs: 0.02, LogPosterior: 1, Observations: 200,
	}
}

// TestKinds writes the model out with the formulas of the paper.
func TestKinds(t *testing.T) {
	f := kinds()
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
	var times []time.Time
	c := prophet.Columns{Conditions: map[string][]bool{}, Regressors: map[string][]float64{}}
	for i := range 60 {
		times = append(times, start.Add(time.Duration(7*i-20)*time.Hour))
		c.Cap, c.Floor = append(c.Cap, 60+float64(i)), append(c.Floor, float64(i)/10)
		c.Conditions["open"] = append(c.Conditions["open"], i%3 == 0)
		c.Regressors["load"] = append(c.Regressors["load"], 100+float64(i))
		c.Regressors["sale"] = append(c.Regressors["sale"], float64(i%2))
	}
	fc, err := f.ForecastColumns(times, c)
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range times {
		x := at.Sub(start).Hours() / 240
		rate, offset := f.K, f.M
		for j, s := range f.Changepoints {
			if x >= s {
				offset += (s - offset) * (1 - rate/(rate+f.Delta[j]))
				rate += f.Delta[j]
			}
		}
		trend := (c.Cap[i]-c.Floor[i])/(1+math.Exp(-rate*(x-offset))) + c.Floor[i]
		near(t, at, "trend", fc.Trend[i], trend)

		d := 2 * math.Pi * float64(at.Unix()) / 86400
		factor := 1 + 0.1*math.Sin(d/7) - 0.05*math.Cos(d/7)
		added := 0.0
		if w := at.Weekday(); w == time.Saturday || w == time.Sunday {
			added += 50 * (0.2*math.Sin(d) + 0.1*math.Cos(d))
		}
		if i%3 == 0 {
			factor += 0.03*math.Sin(d) + 0.02*math.Cos(d)
		}
		switch math.Floor(x * 10) {
		case 2, 7:
			factor += 0.3
		case 8:
			factor += 0.15
		case 5:
			added -= 0.25 * 50
		}
		added += 50 * 0.07 * (c.Regressors["load"][i] - 100) / 20
		factor += 0.4 * c.Regressors["sale"][i]
		near(t, at, "yhat", fc.Yhat[i], trend*factor+added)

		sum := fc.Trend[i]
		for _, term := range fc.Terms() {
			sum += term.Value[i]
		}
		near(t, at, "sum of the terms", sum, fc.Yhat[i])
	}
	// Without columns, what is not known is left out.
	plain := f.Forecast(times)
	for i, at := range times {
		if got := f.Components(at); got.Yhat != plain.Yhat[i] || got.Trend != plain.Trend[i] {
			t.Fatalf("at %v: Components %+v, Forecast has %v", at, got, plain.Yhat[i])
		}
		if plain.Seasonal[2].Value[i] != 0 || plain.Regressors[0].Value[i] != 0 {
			t.Fatalf("at %v an effect of something unknown", at)
		}
	}
	if n := testing.AllocsPerRun(100, func() { f.Components(start) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// TestKindsInJSON: all kinds evaluate identically after a round trip.
func TestKindsInJSON(t *testing.T) {
	f := kinds()
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
}

// TestOldJSON reads a model as it was written before there were modes, conditions,
// capacities and regressors, and writes it as it was.
func TestOldJSON(t *testing.T) {
	const old = `{"growth":"linear","start":"2021-03-01T00:00:00Z","end":"2021-03-11T00:00:00Z","y_scale":50,"floor":2,` +
		`"k":0.5,"m":0.25,"changepoints":[0.5],"delta":[-1],` +
		`"seasonalities":[{"name":"daily","period":1,"order":1,"prior_scale":10}],` +
		`"holidays":[{"name":"launch","dates":["2021-03-05"],"lower_window":0,"upper_window":0,"prior_scale":10}],` +
		`"beta":[0.25,0.125,0.5],"sigma_obs":0.04,"log_posterior":123,"observations":1000}`
	f := new(prophet.Fitted)
	if err := json.Unmarshal([]byte(old), f); err != nil {
		t.Fatal(err)
	}
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
	got := f.Components(start.AddDate(0, 0, 4).Add(6 * time.Hour)) // 0.425 of the history, a quarter of the day
	for name, pair := range map[string][2]float64{
		"trend": {got.Trend, (0.25+0.5*0.425)*50 + 2}, "seasonal": {got.Seasonal, 12.5}, "holiday": {got.Holiday, 25},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-8 {
			t.Errorf("%s is %.12g, want %g", name, pair[0], pair[1])
		}
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != old {
		t.Errorf("written again:\n%s\nwas:\n%s", b, old)
	}
}

// TestUncertaintyOfKinds: after the history, the interval is that of the trend times the
// multiplicative terms plus the additive ones, if there is no noise.
func TestUncertaintyOfKinds(t *testing.T) {
	f := kinds()
	f.SigmaObs = 0
	var times []time.Time
	for i := range 30 {
		times = append(times, start.AddDate(0, 0, 9).Add(time.Duration(i)*19*time.Hour))
	}
	fc := f.Forecast(times)
	if err := f.Intervals(fc, prophet.DefaultIntervalOptions()); err != nil {
		t.Fatal(err)
	}
	for i, at := range times {
		factor, added := 1.0, 0.0
		for _, c := range fc.Components() {
			if c.Mode == prophet.Multiplicative {
				factor += c.Value[i]
			} else {
				added += c.Value[i]
			}
		}
		near(t, at, "lower", fc.Lower[i], fc.TrendLower[i]*factor+added)
		near(t, at, "upper", fc.Upper[i], fc.TrendUpper[i]*factor+added)
		if after := at.After(f.End); after != (fc.TrendUpper[i] > fc.TrendLower[i]) && at.Sub(f.End) > 40*time.Hour {
			t.Errorf("at %v the trend lies in [%g, %g]", at, fc.TrendLower[i], fc.TrendUpper[i])
		}
		if fc.TrendUpper[i] > f.Cap || fc.TrendLower[i] < f.Floor {
			t.Errorf("at %v the trend lies in [%g, %g], beyond its bounds", at, fc.TrendLower[i], fc.TrendUpper[i])
		}
	}
}

func TestUnknownColumns(t *testing.T) {
	at := []time.Time{start}
	whole := prophet.Columns{Conditions: map[string][]bool{"open": {true}}, Regressors: map[string][]float64{"load": {1}, "sale": {0}}}
	if _, err := kinds().ForecastColumns(at, whole); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*prophet.Columns){
		`condition "open" is not known`: func(c *prophet.Columns) { c.Conditions = nil },
		`regressor "load" is not known`: func(c *prophet.Columns) { c.Regressors = nil },
		`regressor "sale" is NaN`: func(c *prophet.Columns) {
			c.Regressors = map[string][]float64{"load": {1}, "sale": {math.NaN()}}
		},
		"cap must be above floor, got 5 and 5":  func(c *prophet.Columns) { c.Cap = []float64{5} },
		"cap has 2 values for 1 times":          func(c *prophet.Columns) { c.Cap = []float64{5, 6} },
		"floor has 0 values for 1 times":        func(c *prophet.Columns) { c.Floor = []float64{} },
		`condition "x" has 0 values for 1`:      func(c *prophet.Columns) { c.Conditions = map[string][]bool{"x": {}} },
		`regressor "load" has 0 values for 1 t`: func(c *prophet.Columns) { c.Regressors = map[string][]float64{"load": {}} },
	} {
		c := whole
		change(&c)
		if _, err := kinds().ForecastColumns(at, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestCalendarConditions(t *testing.T) {
	for name, want := range map[string]string{"weekday": "-MTWTF-", "weekend": "S-----S", "monday": "-M-----", "sunday": "S------", "easter": "-------"} {
		got := ""
		for i := range 7 {
			at := start.AddDate(0, 0, i-1) // 2021-02-28 was a Sunday
			if (prophet.Columns{}).Holds(name, 0, at) {
				got += at.Weekday().String()[:1]
			} else {
				got += "-"
			}
		}
		if got != want || prophet.CalendarCondition(name) != (name != "easter") {
			t.Errorf("%s holds on %s, want %s", name, got, want)
		}
	}
	opposite := prophet.Columns{Conditions: map[string][]bool{"sunday": {false}}}
	if opposite.Holds("sunday", 0, start.AddDate(0, 0, -1)) {
		t.Error("a column must come before the calendar")
	}
}
