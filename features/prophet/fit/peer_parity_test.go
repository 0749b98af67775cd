//go:build parity

package fit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/internal/seed"
)

// A peerCase is a generated history and a model of it, for both programs. The first
// times have values, the others are forecast.
type peerCase struct {
	name    string
	model   fit.Model
	times   []time.Time
	y       []float64
	columns prophet.Columns
	options map[string]any // of Prophet's optimiser
}

// TestPeer fits the real Prophet and this package to generated series of all kinds, and
// compares the log posteriors, recomputed here for both, and yhat.
func TestPeer(t *testing.T) {
	cases := peerCases()
	answers := askPeer(t, cases)
	t.Logf("%-24s %5s %15s %15s %12s %9s", "case", "rows", "Prophet", "ours", "gain", "yhat")
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := len(c.y)
			history := make([]int, n)
			for j := range history {
				history[j] = j
			}
			f, err := c.model.FitColumns(t.Context(), c.times[:n], c.y, c.columns.At(history))
			if err != nil {
				t.Fatal(err)
			}
			theirs := answers[i].fitted(t, f)
			tau := c.model.ChangepointPriorScale
			ours, peer := logPosteriorColumns(f, c.times[:n], c.y, c.columns, tau), logPosteriorColumns(theirs, c.times[:n], c.y, c.columns, tau)
			fc, err := f.ForecastColumns(c.times, c.columns)
			if err != nil {
				t.Fatal(err)
			}
			reproduced, err := theirs.ForecastColumns(c.times, c.columns)
			if err != nil {
				t.Fatal(err)
			}
			low, high := math.Inf(1), math.Inf(-1)
			for _, v := range c.y {
				if !math.IsNaN(v) {
					low, high = min(low, v), max(high, v)
				}
			}
			var worst float64
			for j, want := range answers[i].Yhat {
				if d := math.Abs(reproduced.Yhat[j]-want) / (high - low); d > 1e-7 {
					t.Fatalf("row %d: yhat at Prophet's parameters is %.12g, Prophet's is %.12g", j, reproduced.Yhat[j], want)
				}
				if j < n {
					worst = max(worst, math.Abs(fc.Yhat[j]-want)/(high-low))
				}
			}
			t.Logf("%-24s %5d %15.6f %15.6f %12.6f %7.3f %%", c.name, f.Observations, peer, ours, ours-peer, 100*worst)
			if math.Abs(ours-f.LogPosterior) > 1e-6 {
				t.Errorf("log posterior %.9f, recomputed %.9f", f.LogPosterior, ours)
			}
			if ours < peer-1e-6 {
				t.Errorf("log posterior %.9f is below Prophet's %.9f", ours, peer)
			}
		})
	}
}

// peerCases are what is compared.
func peerCases() []peerCase {
	start := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	var out []peerCase
	add := func(name string, n int, step func(i int) time.Time, change func(*fit.Model, *peerCase), y func(rnd *rand.Rand, i int, d float64) float64) {
		rnd := seed.Stream(1, "peer/"+name)
		c := peerCase{name: name, model: fit.DefaultModel()}
		for i := range n + n/10 {
			c.times = append(c.times, step(i))
		}
		if change != nil {
			change(&c.model, &c)
		}
		for i := range n {
			c.y = append(c.y, y(rnd, i, prophet.Days(c.times[i])))
		}
		out = append(out, c)
	}
	every := func(d time.Duration) func(int) time.Time {
		return func(i int) time.Time { return start.Add(time.Duration(i) * d) }
	}
	daily, hourly, minutely := every(day), every(time.Hour), every(time.Minute)
	monthly := func(i int) time.Time { return start.AddDate(0, i, 0) }
	wave := func(d, period float64) float64 { return math.Sin(2 * math.Pi * d / period) }
	auto := func(span, step time.Duration) func(*fit.Model, *peerCase) {
		return func(m *fit.Model, _ *peerCase) { m.Seasonalities = fit.ProphetSeasonalities(span, step) }
	}
	yearly := prophet.Seasonality{Name: "yearly", Period: 365.25, Order: 10}
	weekly := prophet.Seasonality{Name: "weekly", Period: 7, Order: 3}
	perDay := prophet.Seasonality{Name: "daily", Period: 1, Order: 4}

	add("linear_daily", 1100, daily, auto(1100*day, day), func(r *rand.Rand, i int, d float64) float64 {
		return 50 + 0.02*float64(i) + 8*wave(d, 365.25) + 3*wave(d, 7) + 2*r.NormFloat64()
	})
	add("linear_bend_gaps", 900, daily, auto(900*day, day), func(r *rand.Rand, i int, d float64) float64 {
		if i%13 == 5 || i > 300 && i < 360 {
			return math.NaN()
		}
		return 20 + 0.05*float64(i) - 0.12*max(0, float64(i-400)) + 4*wave(d, 7) + 1.5*r.NormFloat64()
	})
	add("linear_hourly", 24*30, hourly, auto(30*day, time.Hour), func(r *rand.Rand, i int, d float64) float64 {
		return 100 + 20*wave(d, 1) + 10*wave(d, 7) + 5*r.NormFloat64()
	})
	add("linear_minute_counts", 2*1440+1, minutely, auto(2*day, time.Minute), func(r *rand.Rand, i int, d float64) float64 {
		return float64(poisson(r, 6*(1.2+wave(d, 1))))
	})
	add("linear_weekly_steps", 220, every(7*day), auto(219*7*day, 7*day), func(r *rand.Rand, i int, d float64) float64 {
		return -30 + 0.3*float64(i) + 10*wave(d, 365.25) + 3*r.NormFloat64()
	})
	add("linear_irregular", 400, func(i int) time.Time { return start.Add(time.Duration(i*i%33+36*i) * time.Hour) },
		auto(600*day, time.Hour), func(r *rand.Rand, i int, d float64) float64 { return 9 + wave(d, 7) + wave(d, 1) + r.NormFloat64() })
	add("linear_few_rows", 40, daily, auto(39*day, day), func(r *rand.Rand, i int, d float64) float64 {
		return 5 + 0.1*float64(i) + wave(d, 7) + 0.5*r.NormFloat64()
	})
	add("linear_fewer_than_params", 30, monthly, func(m *fit.Model, _ *peerCase) { m.Seasonalities = []prophet.Seasonality{yearly} },
		func(r *rand.Rand, i int, d float64) float64 {
			return 100 + float64(i) + 10*wave(d, 365.25) + 4*r.NormFloat64()
		})
	add("linear_sparse_counts", 24*28, hourly, auto(28*day, time.Hour), func(r *rand.Rand, i int, d float64) float64 {
		return float64(poisson(r, 0.1*(1+wave(d, 1))))
	})
	add("linear_given_changepoints", 500, daily, func(m *fit.Model, c *peerCase) {
		m.Seasonalities = []prophet.Seasonality{weekly}
		m.ChangepointTimes = []time.Time{c.times[120], c.times[250], c.times[300]}
	}, func(r *rand.Rand, i int, d float64) float64 {
		return 10 + 0.03*float64(i) + 0.1*max(0, float64(i-250)) + 2*wave(d, 7) + r.NormFloat64()
	})
	add("linear_no_changepoints", 300, daily, func(m *fit.Model, _ *peerCase) {
		m.Seasonalities, m.Changepoints = []prophet.Seasonality{weekly}, 0
	}, func(r *rand.Rand, i int, d float64) float64 {
		return 3 + 0.01*float64(i) + wave(d, 7) + r.NormFloat64()
	})
	add("linear_loose_prior", 700, daily, func(m *fit.Model, _ *peerCase) {
		m.Seasonalities, m.ChangepointPriorScale, m.ChangepointRange, m.Changepoints = []prophet.Seasonality{weekly}, 0.5, 0.95, 40
	}, func(r *rand.Rand, i int, d float64) float64 {
		return 30 + 10*wave(float64(i), 500) + 2*wave(d, 7) + r.NormFloat64()
	})
	add("linear_tight_prior", 700, daily, func(m *fit.Model, _ *peerCase) {
		m.Seasonalities, m.ChangepointPriorScale = []prophet.Seasonality{weekly, yearly}, 0.001
	}, func(r *rand.Rand, i int, d float64) float64 {
		return 30 + 10*wave(float64(i), 900) + 2*wave(d, 7) + r.NormFloat64()
	})
	add("flat_hourly", 24*21, hourly, func(m *fit.Model, _ *peerCase) {
		m.Growth, m.Seasonalities = prophet.Flat, []prophet.Seasonality{weekly, perDay}
	}, func(r *rand.Rand, i int, d float64) float64 {
		return 12 + 5*wave(d, 1) + 2*wave(d, 7) + r.NormFloat64()
	})
	add("flat_multiplicative", 24*21, hourly, func(m *fit.Model, _ *peerCase) {
		m.Growth, m.SeasonalityMode, m.Seasonalities = prophet.Flat, prophet.Multiplicative, []prophet.Seasonality{weekly, perDay}
	}, func(r *rand.Rand, i int, d float64) float64 {
		return 12 + 5*wave(d, 1) + 2*wave(d, 7) + r.NormFloat64()
	})

	limit := func(at float64) func(*fit.Model, *peerCase) {
		return func(m *fit.Model, c *peerCase) {
			m.Growth = prophet.Logistic
			m.Seasonalities = []prophet.Seasonality{weekly}
			c.columns.Cap = slices.Repeat([]float64{at}, len(c.times))
		}
	}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	add("logistic_daily", 600, daily, limit(100), func(r *rand.Rand, i int, d float64) float64 {
		return 95*sigmoid(float64(i-250)/60) + 3*wave(d, 7) + 2*r.NormFloat64()
	})
	add("logistic_decline", 400, daily, limit(60), func(r *rand.Rand, i int, d float64) float64 {
		return 50*sigmoid(float64(150-i)/80) + 2*wave(d, 7) + r.NormFloat64()
	})
	add("logistic_far_capacity", 500, daily, limit(500), func(r *rand.Rand, i int, d float64) float64 {
		return 20 + 0.05*float64(i) + 2*wave(d, 7) + r.NormFloat64()
	})
	add("logistic_above_capacity", 500, daily, limit(30), func(r *rand.Rand, i int, d float64) float64 {
		return 31*sigmoid(float64(i-100)/40) + wave(d, 7) + 2*r.NormFloat64()
	})
	add("logistic_cap_floor_column", 500, daily, func(m *fit.Model, c *peerCase) {
		limit(0)(m, c)
		for i := range c.times {
			c.columns.Cap[i] = 80 + 0.05*float64(i)
			c.columns.Floor = append(c.columns.Floor, 10)
		}
	}, func(r *rand.Rand, i int, d float64) float64 {
		return 10 + (70+0.05*float64(i))*sigmoid(float64(i-200)/50) + 3*wave(d, 7) + 2*r.NormFloat64()
	})
	add("logistic_multiplicative", 600, daily, func(m *fit.Model, c *peerCase) {
		limit(100)(m, c)
		m.SeasonalityMode = prophet.Multiplicative
	}, func(r *rand.Rand, i int, d float64) float64 {
		return 80*sigmoid(float64(i-300)/70)*(1+0.15*wave(d, 7)) + r.NormFloat64()
	})
	add("logistic_hourly_bends", 24*40, hourly, func(m *fit.Model, c *peerCase) {
		limit(50)(m, c)
		m.Seasonalities = []prophet.Seasonality{weekly, perDay}
		m.ChangepointPriorScale = 0.5
	}, func(r *rand.Rand, i int, d float64) float64 {
		x := float64(i) / (24 * 40)
		return 45*sigmoid(6*x-12*max(0, x-0.5)-2) + 4*wave(d, 1) + 1.5*r.NormFloat64()
	})

	growing := func(r *rand.Rand, i int, d float64) float64 {
		return (100+2*float64(i))*(1+0.2*wave(d, 365.25)+0.1*wave(d, 365.25/2)) + 5*r.NormFloat64()
	}
	add("multiplicative_monthly", 144, monthly, func(m *fit.Model, _ *peerCase) {
		m.SeasonalityMode, m.Seasonalities = prophet.Multiplicative, []prophet.Seasonality{yearly}
	}, growing)
	add("multiplicative_daily", 1000, daily, func(m *fit.Model, _ *peerCase) {
		m.SeasonalityMode, m.Seasonalities = prophet.Multiplicative, []prophet.Seasonality{yearly, weekly}
	}, func(r *rand.Rand, i int, d float64) float64 {
		return (10+0.05*float64(i)-0.08*max(0, float64(i-500)))*(1+0.3*wave(d, 7)) + r.NormFloat64()
	})
	add("multiplicative_through_zero", 500, daily, func(m *fit.Model, _ *peerCase) {
		m.SeasonalityMode, m.Seasonalities = prophet.Multiplicative, []prophet.Seasonality{weekly}
	}, func(r *rand.Rand, i int, d float64) float64 {
		return (20-0.08*float64(i))*(1+0.5*wave(d, 7)) + r.NormFloat64()
	})
	add("mixed_modes", 800, daily, func(m *fit.Model, _ *peerCase) {
		additive := weekly
		additive.Mode = prophet.Additive
		m.SeasonalityMode, m.Seasonalities = prophet.Multiplicative, []prophet.Seasonality{additive, yearly, {Name: "month", Period: 30.5, Order: 5, PriorScale: 0.1}}
	}, func(r *rand.Rand, i int, d float64) float64 {
		return (30+0.03*float64(i))*(1+0.2*wave(d, 365.25)) + 4*wave(d, 7) + 1.5*r.NormFloat64()
	})

	events := func(mode prophet.Mode) func(*fit.Model, *peerCase) {
		return func(m *fit.Model, c *peerCase) {
			m.SeasonalityMode, m.Seasonalities = mode, []prophet.Seasonality{weekly}
			first := prophet.DayOf(start)
			m.Holidays = []prophet.Holiday{
				{Name: "launch", Dates: []prophet.Day{first + 40, first + 200, first + 330}, LowerWindow: -1, UpperWindow: 2, PriorScale: 2},
				{Name: "outage", Dates: []prophet.Day{first + 90, first + 345}, PriorScale: 0.3},
				{Name: "varied", Dates: []prophet.Day{first + 120, first + 160}, UpperWindow: 1, Windows: [][2]int{{0, 1}, {0, 0}}},
				{Name: "later", Dates: []prophet.Day{first + 5000}},
			}
		}
	}
	eventful := func(r *rand.Rand, i int, d float64) float64 {
		y := 40 + 0.05*float64(i) + 3*wave(d, 7) + r.NormFloat64()
		switch i {
		case 40, 41, 200, 201:
			y += 20
		case 90:
			y -= 25
		case 120, 121, 160:
			y += 9
		}
		return y
	}
	add("holidays_additive", 340, daily, events(prophet.Additive), eventful)
	add("holidays_multiplicative", 340, daily, events(prophet.Multiplicative), eventful)

	add("conditional", 24*42, hourly, func(m *fit.Model, c *peerCase) {
		m.Seasonalities = []prophet.Seasonality{
			{Name: "work", Period: 1, Order: 4, Condition: "weekday"}, {Name: "rest", Period: 1, Order: 2, Condition: "weekend", PriorScale: 1}, weekly}
		work, rest := make([]bool, len(c.times)), make([]bool, len(c.times))
		for i, at := range c.times {
			rest[i] = at.Weekday() == time.Saturday || at.Weekday() == time.Sunday
			work[i] = !rest[i]
		}
		c.columns.Conditions = map[string][]bool{"weekday": work, "weekend": rest}
	}, func(r *rand.Rand, i int, d float64) float64 {
		if at := start.Add(time.Duration(i) * time.Hour); at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			return 10 + wave(d, 1) + r.NormFloat64()
		}
		return 30 + 10*wave(d, 1) + r.NormFloat64()
	})
	add("holidays_mode", 340, daily, func(m *fit.Model, c *peerCase) {
		events(prophet.Additive)(m, c)
		m.HolidaysMode = prophet.Multiplicative
	}, eventful)
	scaled := func(change func(*fit.Model, *peerCase)) func(*fit.Model, *peerCase) {
		return func(m *fit.Model, c *peerCase) {
			change(m, c)
			m.Scaling = fit.MinMax
		}
	}
	add("minmax_linear", 600, daily, scaled(auto(600*day, day)), func(r *rand.Rand, i int, d float64) float64 {
		return 1e6 + 0.05*float64(i) - 0.1*max(0, float64(i-300)) + 3*wave(d, 7) + 2*r.NormFloat64()
	})
	add("minmax_flat", 24*21, hourly, scaled(func(m *fit.Model, _ *peerCase) {
		m.Growth, m.Seasonalities = prophet.Flat, []prophet.Seasonality{weekly, perDay}
	}), func(r *rand.Rand, i int, d float64) float64 {
		return -1e5 + 5*wave(d, 1) + 2*wave(d, 7) + r.NormFloat64()
	})
	add("minmax_logistic", 600, daily, scaled(limit(1100)), func(r *rand.Rand, i int, d float64) float64 {
		return 1000 + 95*sigmoid(float64(i-250)/60) + 3*wave(d, 7) + 2*r.NormFloat64()
	})
	add("minmax_logistic_floor", 600, daily, scaled(func(m *fit.Model, c *peerCase) {
		limit(1110)(m, c)
		c.columns.Floor = slices.Repeat([]float64{990}, len(c.times))
	}), func(r *rand.Rand, i int, d float64) float64 {
		return 1000 + 95*sigmoid(float64(i-250)/60) + 3*wave(d, 7) + 2*r.NormFloat64()
	})
	var load, open []float64
	regress := func(mode prophet.Mode) func(*fit.Model, *peerCase) {
		return func(m *fit.Model, c *peerCase) {
			m.SeasonalityMode, m.Seasonalities = mode, []prophet.Seasonality{weekly}
			m.Regressors = []fit.Regressor{{Name: "load"}, {Name: "open", PriorScale: 0.5}, {Name: "level", Mode: prophet.Additive}}
			rnd := seed.Stream(1, "peer/regressors")
			load, open = nil, nil
			for i := range c.times {
				load, open = append(load, 300+40*rnd.NormFloat64()), append(open, float64(i/5%2))
			}
			c.columns.Regressors = map[string][]float64{"load": load, "open": open, "level": slices.Repeat([]float64{3}, len(c.times))}
		}
	}
	add("regressors_additive", 400, daily, regress(prophet.Additive), func(r *rand.Rand, i int, d float64) float64 {
		return 20 + 0.1*load[i] + 6*open[i] + 3*wave(d, 7) + r.NormFloat64()
	})
	add("regressors_multiplicative", 400, daily, regress(prophet.Multiplicative), func(r *rand.Rand, i int, d float64) float64 {
		return (20+0.05*float64(i))*(1+0.002*(load[i]-300)+0.3*open[i]+0.1*wave(d, 7)) + r.NormFloat64()
	})
	return out
}

// A peerAnswer is what Prophet fitted.
type peerAnswer struct {
	K, M         float64
	Delta, Beta  []float64
	SigmaObs     float64   `json:"sigma_obs"`
	Columns      []string  // of beta
	Changepoints []float64 `json:"changepoints_t"`
	YScale       float64   `json:"y_scale"`
	Yhat         []float64
	Parts        map[string][]float64 // trend, seasonalities and all holidays, of all times
}

// fitted is f with Prophet's parameters.
func (a peerAnswer) fitted(t *testing.T, f *prophet.Fitted) *prophet.Fitted {
	t.Helper()
	g := *f
	if math.Abs(a.YScale/f.YScale-1) > 1e-12 {
		t.Fatalf("y_scale is %g, Prophet's is %g", f.YScale, a.YScale)
	}
	g.K, g.M, g.SigmaObs = a.K, a.M, a.SigmaObs
	switch {
	case f.Growth == prophet.Flat:
		g.K = 0 // it has a prior and no effect
	case len(f.Changepoints) == 0:
		g.Changepoints, g.Delta = []float64{0}, a.Delta // Prophet has one that does nothing
	default:
		for i, s := range f.Changepoints {
			if math.Abs(s-a.Changepoints[i]) > 1e-12 {
				t.Fatalf("changepoint %d at %.15g, Prophet's at %.15g", i, s, a.Changepoints[i])
			}
		}
		g.Delta = a.Delta
	}
	g.Beta = nil
	beta := func(name string) {
		i := slices.Index(a.Columns, name)
		if i < 0 {
			t.Fatalf("Prophet has no column %q, but %q", name, a.Columns)
		}
		g.Beta = append(g.Beta, a.Beta[i])
	}
	for _, s := range f.Seasonalities {
		for i := range s.Columns() {
			beta(fmt.Sprintf("%s_delim_%d", s.Name, i+1))
		}
	}
	for _, h := range f.Holidays {
		for o := h.LowerWindow; o <= h.UpperWindow; o++ {
			sign := "+"
			if o < 0 {
				sign = "-"
			}
			beta(fmt.Sprintf("%s_delim_%s%d", h.Name, sign, max(o, -o)))
		}
	}
	for _, r := range f.Regressors {
		beta(r.Name)
	}
	return &g
}

// askPeer has Prophet fit the cases.
func askPeer(t *testing.T, cases []peerCase) []peerAnswer {
	t.Helper()
	python := os.Getenv("PARITY_PYTHON")
	if python == "" {
		t.Fatal("PARITY_PYTHON must name a Python with the packages of parity/requirements.txt; make parity makes one")
	}
	const layout = "2006-01-02 15:04:05"
	type row = map[string]any
	var question []row
	for _, c := range cases {
		m := c.model
		q := row{
			"growth": m.Growth, "n_changepoints": m.Changepoints, "changepoint_range": m.ChangepointRange,
			"changepoint_prior_scale": m.ChangepointPriorScale, "seasonality_mode": m.SeasonalityMode, "holidays_mode": m.HolidaysMode, "scaling": m.Scaling,
			"seasonalities": m.Seasonalities, "terms": m.Regressors,
			"cap": c.columns.Cap, "floor": c.columns.Floor, "conditions": c.columns.Conditions, "regressors": c.columns.Regressors, "options": c.options,
		}
		format := func(times []time.Time) (out []string) {
			for _, at := range times {
				out = append(out, at.Format(layout))
			}
			return out
		}
		q["ds"] = format(c.times)
		if len(m.ChangepointTimes) > 0 {
			q["changepoints"] = format(m.ChangepointTimes)
		}
		var y []any
		for _, v := range c.y {
			if math.IsNaN(v) {
				y = append(y, nil)
			} else {
				y = append(y, v)
			}
		}
		q["y"] = y
		var holidays []row
		for _, h := range m.Holidays {
			for i, d := range h.Dates {
				window := [2]int{h.LowerWindow, h.UpperWindow}
				if h.Windows != nil {
					window = h.Windows[i]
				}
				scale := h.PriorScale
				if scale == 0 {
					scale = m.HolidaysPriorScale
				}
				holidays = append(holidays, row{"holiday": h.Name, "ds": d.String(), "lower_window": window[0], "upper_window": window[1], "prior_scale": scale})
			}
		}
		q["holidays"] = holidays
		question = append(question, q)
	}
	in, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	var answer, complaint bytes.Buffer
	cmd := exec.CommandContext(t.Context(), python, "testdata/prophet_peer.py")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &answer, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s testdata/prophet_peer.py: %v\n%s", python, err, complaint.Bytes())
	}
	var out []peerAnswer
	if err := json.Unmarshal(answer.Bytes(), &out); err != nil {
		t.Fatalf("the peer answers %q: %v", answer.Bytes(), err)
	}
	return out
}

// poisson draws a count with the given mean: as many exponential gaps as fit.
func poisson(r *rand.Rand, mean float64) int {
	n := 0
	for at := r.ExpFloat64(); at < mean; at += r.ExpFloat64() {
		n++
	}
	return n
}
