package report_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/incendio-faas/incendio/internal/null"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/metric"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// sample makes up a run, all of its sections filled. It is what testdata/sample.json holds.
func sample() *report.Data {
	rng := seed.Stream(1, "report/sample")
	start := time.Date(2026, 6, 22, 0, 0, 0, 0, time.UTC)
	d := &report.Data{
		Title: "Nightly training", Run: "20260708T030000Z", Program: "incendio 0.1.0", Seed: 1,
		AsOf: start.AddDate(0, 0, 16).Add(3 * time.Hour), Page: "incendio-data/runs/20260708T030000Z/report.html",
		Verdict: &report.Verdict{Verdict: report.Accepted, Reason: "The candidate lowers the mean latency by 9.8 % and wastes no more memory than the champion.",
			Champion: "sha256:9b1f6d0c2c1f4c3f8f4e5d6a7b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708",
			Rules: []report.Rule{
				{Rule: "forecast_wape", Value: 0.412, Bound: 0.455, Champion: 0.433, OK: true, Text: "at most 1.05 times the champion's"},
				{Rule: "interval_coverage", Value: 0.896, Bound: 0.85, Champion: 0.901, OK: true, Text: "at least the bound"},
				{Rule: "mean_latency_ms", Value: 1387, Bound: 1537, Champion: 1464, OK: true, Text: "at most 1.05 times the champion's"},
				{Rule: "cold_share", Value: 0.0241, Bound: 0.03, Champion: 0.0255, OK: true},
				{Rule: "golden_replay", Value: 0, Bound: 0, Champion: null.Missing, OK: true, Text: "outputs that differ"},
			}},
		Trace: &report.Trace{Name: "embedded", Format: "synthetic", Digest: "sha256:4a44dc15364204a80fe80e9039455cc1608281820fe2b24f1e5233ade6af1dd5",
			Functions: 240, Invocations: 1284310, Days: 16, Start: start, Quarantined: 3, Reasons: map[string]int64{"negative count": 2, "ragged row": 1},
			Windows: []report.Window{
				{Name: "train", From: start, To: start.Add(268*time.Hour + 48*time.Minute), Invocations: 897124},
				{Name: "valid", From: start.Add(268*time.Hour + 48*time.Minute), To: start.Add(326*time.Hour + 24*time.Minute), Invocations: 192880},
				{Name: "test", From: start.Add(326*time.Hour + 24*time.Minute), To: start.AddDate(0, 0, 16), Invocations: 194306},
			}, Notes: []string{"Initialisation and termination times are assumed: 300 ms + 2 ms per MB, log-normal."}},
		Stages: []report.Stage{
			{Name: "ingest", Rows: 811402, Outputs: "16 days of minute counts", Cached: true},
			{Name: "features", Rows: 5529600, Outputs: "240 decompositions, 38 columns"},
			{Name: "train", Outputs: "1 hybrid forecaster of 180 trees, 3 agents"},
			{Name: "tune", Outputs: "priority weights from 200 trials"},
			{Name: "export", Outputs: "14 files"},
			{Name: "validate", Outputs: "5 rules, 6 policies"},
		},
		Bundle: &report.Bundle{Path: "incendio-data/runs/20260708T030000Z/bundle", Digest: "sha256:0d5c1f9e7bb0a4a0c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738", Files: 14, Bytes: 5832177},
		Notes: []string{
			"The trace is semi-synthetic: its rates follow published statistics, its functions do not exist.",
			"Cluster bursty: the agent did not beat faascache, which the bundle names instead.",
		},
		Timing: &report.Timing{Started: start.AddDate(0, 0, 16).Add(3 * time.Hour), TotalS: 147.3, Workers: 2,
			StagesS:  map[string]null.Float{"ingest": 0.02, "features": 11.4, "train": 82.1, "tune": 21.9, "export": 0.7, "validate": 31.2},
			Decision: map[string]report.Delay{"native": {P50: 0.8, P99: 3.1}, "faascache": {P50: 1.4, P99: 6.2}, "incendio": {P50: 11.9, P99: 64}}},
	}
	d.Decomposition, d.Forecast = sampleSeries(rng, start)
	d.ForecastScores = &report.ForecastScores{Trace: "embedded", HorizonMin: 1, Cutoffs: 4}
	for i, scope := range []string{"pooled", "total", "median_function"} {
		for j, name := range []string{"incendio", "lightgbm", "prophet", "seasonal_naive", "naive", "exp_smoothing"} {
			w := []float64{0.412, 0.431, 0.502, 0.648, 0.571, 0.544}[j] * []float64{1, 0.31, 1.6}[i]
			m := report.ForecastScore{Name: name, Scope: scope, Scores: metric.Scores{WAPE: null.Float(w), MAE: null.Float(2.7 * w), RMSE: null.Float(6.1 * w), MASE: null.Float(1.5 * w),
				Pinball: map[string]null.Float{"0.5": null.Float(1.3 * w), "0.9": null.Float(0.71 * w), "0.99": null.Float(0.18 * w)}}, Coverage90: null.Float(0.93 - 0.03*float64(j))}
			if name == "naive" {
				m.Coverage90, m.Pinball = null.Missing, nil
			}
			d.ForecastScores.Models = append(d.ForecastScores.Models, m)
		}
	}
	d.Importance = &report.Importance{Model: "hybrid, L2"}
	for i, name := range []string{"lag_1", "rolling_mean_60", "prophet_yhat", "lag_2", "lag_1440", "prophet_weekly", "rolling_std_60", "minute_of_day", "iat_mean", "lag_10080", "prophet_daily",
		"rolling_max_15", "iat_cv", "trigger", "prophet_trend", "day_of_week", "lag_3", "lag_60", "prophet_holiday", "memory_mb", "app_rate", "owner_rate", "lag_5", "is_holiday"} {
		gain := null.Float(4.1e6 * math.Pow(0.72, float64(i)))
		if name == "is_holiday" {
			gain = 0
		}
		d.Importance.Features = append(d.Importance.Features, report.Feature{Feature: name, Gain: gain, Splits: 400 - 15*i})
	}
	d.Priority = &report.Priority{Mode: "log_linear", Trials: 200, Features: []report.Screened{
		{Feature: "execution_ms", Spearman: 0.871, Kept: true, Weight: -0.52},
		{Feature: "memory_mb", Spearman: 0.402, Kept: true, Weight: -0.21},
		{Feature: "cold_start_ms", Spearman: 0.448, Kept: true, Weight: 0.17},
		{Feature: "cpu", Spearman: 0.07, Kept: false, Weight: null.Missing},
		{Feature: "rate", Spearman: -0.352, Kept: true, Weight: 0.1},
	}}
	d.Agents = sampleAgents(rng)
	d.Policies = samplePolicies()
	return d
}

func sampleSeries(rng *rand.Rand, start time.Time) (*report.Decomposition, *report.Forecast) {
	const step = 15
	dec := &report.Decomposition{Function: "checkout/f017"}
	daily := report.Component{Name: "daily"}
	weekly := report.Component{Name: "weekly"}
	holiday := report.Component{Name: "holiday"}
	fc := &report.Forecast{Function: "checkout/f017", Level: 0.9}
	for i := 0; i < 16*1440/step; i++ {
		at := start.Add(time.Duration(i*step) * time.Minute)
		x := float64(i*step) / 1440
		trend := 42 + 1.1*x
		if x > 9 {
			trend -= 2.4 * (x - 9)
		}
		day := 14*math.Sin(2*math.Pi*(x-0.35)) + 4*math.Sin(4*math.Pi*x)
		week := 7*math.Cos(2*math.Pi*(x-2)/7) + 2*math.Sin(4*math.Pi*x/7)
		off := 0.0
		if x >= 8 && x < 9 {
			off = -11.5
		}
		mu := trend + day + week + off
		y := math.Max(0, mu+3.4*rng.NormFloat64())
		if x < 11.2 {
			dec.Times = append(dec.Times, at)
			dec.Observed = append(dec.Observed, round(y))
			dec.Trend = append(dec.Trend, round(trend))
			daily.Values = append(daily.Values, round(day))
			weekly.Values = append(weekly.Values, round(week))
			holiday.Values = append(holiday.Values, off)
		}
		if x >= 14 {
			m := mu + 1.1*math.Sin(9*x)
			fc.Times = append(fc.Times, at)
			fc.Actual = append(fc.Actual, round(y))
			fc.Mean = append(fc.Mean, round(m))
			fc.Lower = append(fc.Lower, round(m-5.6))
			fc.Upper = append(fc.Upper, round(m+6.3))
		}
	}
	dec.Components = []report.Component{daily, weekly, holiday}
	return dec, fc
}

func sampleAgents(rng *rand.Rand) *report.Agents {
	a := &report.Agents{Rule: "An agent is chosen where its mean return over three seeds is above the best rule's.", Reward: "minus the mean slowdown of the requests of an episode."}
	for c, name := range []string{"steady", "diurnal", "bursty"} {
		cl := report.Cluster{Cluster: name, Agent: null.Float([]float64{-1.31, -1.74, -2.9}[c]), BestRule: null.Float([]float64{-1.42, -1.83, -2.77}[c]),
			BestRuleName: []string{"srpt", "faascache", "faascache"}[c], Random: null.Float([]float64{-3.2, -3.9, -4.4}[c]), Won: c < 2}
		for s := uint64(1); s <= 3; s++ {
			r := report.Run{Seed: s}
			for e := range 120 {
				r.Return = append(r.Return, round(float64(cl.Agent)*(1+1.6*math.Exp(-float64(e)/25))+0.25*rng.NormFloat64()))
			}
			for k := range 200 {
				r.LossStep = append(r.LossStep, float64(50*(k+1)))
				r.Loss = append(r.Loss, round((0.02+1.8*math.Exp(-float64(k)/22))*math.Exp(0.35*rng.NormFloat64())))
			}
			cl.Runs = append(cl.Runs, r)
		}
		a.Clusters = append(a.Clusters, cl)
	}
	return a
}

func samplePolicies() *report.Policies {
	p := &report.Policies{Trace: "embedded", Window: "test", Requests: 194306, Seed: 1, Load: 0.61, Machine: &report.Machine{Invokers: 8, Cores: 8, MemoryMB: 4096}}
	shape := []struct {
		name, kind   string
		median, cold float64
		tail, wasted float64
	}{
		{"lower-bound", report.Bound, 0, 0, 0, 0},
		{"oracle", report.Oracle, 270, 0.009, 0.9, 210_000},
		{"native", "", 340, 0.081, 1.35, 612_400},
		{"hotc", "", 322, 0.055, 1.3, 701_200},
		{"faascache", "", 311, 0.037, 1.2, 655_000},
		{"histogram", "", 318, 0.044, 1.22, 430_300},
		{"lass", "", 330, 0.061, 1.1, 588_000},
		{"incendio", "", 296, 0.024, 1.0, 402_700},
		{"incendio-wo-s", "", 305, 0.028, 1.15, 409_000},
	}
	for _, s := range shape {
		if s.kind == report.Bound {
			p.Policies = append(p.Policies, report.Policy{Name: s.name, Kind: s.kind, Summary: sim.Summary{Latency: sim.Latency{Mean: 731}, SpeedupVsNative: 1.98}})
			continue
		}
		// A log-normal latency, with the quantiles taken from it.
		at := func(z float64) float64 { return round(s.median * math.Exp(s.tail*z)) }
		cold := int64(s.cold * 194306)
		q := report.Policy{Name: s.name, Kind: s.kind, Summary: sim.Summary{Cold: cold, DelayedWarm: 2100, Dropped: 12, Warm: 194306 - cold - 2112,
			Latency:         sim.Latency{Mean: s.median * math.Exp(s.tail*s.tail), P25: at(-0.674), P50: at(0), P75: at(0.674), P95: at(1.645), P99: at(2.326)},
			SpeedupVsNative: 340 * math.Exp(1.35*1.35) / (s.median * math.Exp(s.tail*s.tail)), LatencyBenefitS: 81000 * (1 - s.cold),
			WastedGBS: s.wasted, RUM: 0.808*float64(cold) + s.wasted/100,
			SLODispatch: sim.SLO{Within100: 0.96 - s.cold, Within500: 0.985 - s.cold/2, Within1000: 0.995},
			SLOStart:    sim.SLO{Within100: 0.95 - s.cold, Within500: 0.97 - s.cold, Within1000: 0.985},
			AppColdPct:  sim.AppColdPct{P50: 40 * s.cold, P75: 250 * s.cold, P90: 800 * s.cold}}}
		for i := 0; i <= 80; i++ {
			z := -3 + 6*float64(i)/80
			q.CDF = append(q.CDF, report.CDFPoint{LatencyMS: null.Float(at(z)), Share: null.Float(round(math.Erfc(-z/math.Sqrt2) / 2))})
		}
		for i, limit := range []float64{1, 10, 100, 500, 1000, 10000, 60000} {
			share := null.Float(round(1 - s.cold*math.Exp(-float64(i)/2)))
			q.SLOCurve = append(q.SLOCurve, report.SLOPoint{WaitMS: null.Float(limit), Dispatched: share, Executing: share - 0.001})
		}
		for i := range 48 {
			q.LiveGB = append(q.LiveGB, round(s.wasted/40000*(1+0.3*math.Sin(float64(i)/8))))
		}
		p.Policies = append(p.Policies, q)
	}
	p.FirstMinute, p.StepMinutes = 4320, 5
	return p
}

// round keeps the file small, and equal on machines whose sines differ in the last bit.
func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// short is the run of a trace of eight hours, refused, with sections left out.
func short() *report.Data {
	d := sample()
	d.Title, d.Run = "Training on s500", "s500"
	d.Verdict.Verdict, d.Verdict.Reason = report.Refused, "The candidate's forecast is worse than the champion's by more than 5 %."
	d.Verdict.Rules[0].OK, d.Verdict.Rules[0].Value = false, 0.52
	d.Agents, d.Importance = nil, nil
	d.Absent = map[string]string{"agents": "the agent needs three days of counts, the trace has eight hours"}
	d.Decomposition.Components = nil
	d.Decomposition.Missing = fmt.Sprintf("The daily, weekly and holiday terms are absent: the span of %d h covers fewer than two periods.", 8)
	for _, v := range []*report.Values{&d.Decomposition.Observed, &d.Decomposition.Trend} {
		*v = (*v)[:49]
	}
	d.Decomposition.Times = d.Decomposition.Times[:49]
	return d
}
