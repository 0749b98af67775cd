package validate_test

import (
	"math"
	"reflect"
	"testing"

	"github.com/incendio-faas/incendio/internal/null"
	"github.com/incendio-faas/incendio/metric"
	"github.com/incendio-faas/incendio/pipelines/gates"
	"github.com/incendio-faas/incendio/pipelines/scenario"
	"github.com/incendio-faas/incendio/pipelines/steps/validate"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/forecast"
)

func scores(ours, naive, seasonal float64) *forecast.BacktestReport {
	r := &forecast.BacktestReport{}
	for name, v := range map[string]float64{forecast.Incendio: ours, forecast.Naive: naive, forecast.SeasonalNaive: seasonal} {
		r.Models = append(r.Models, forecast.Figures{
			Name: name, Scope: forecast.PooledScope, Scores: metric.Scores{WAPE: null.Float(v)}, DecisionCost: null.Float(v / 2),
			PinballNormalised: map[string]null.Float{"0.5": null.Float(v / 2), "0.9": null.Float(v / 4), "0.99": 0},
		})
	}
	r.Reliability = []forecast.Reliability{{Minutes: 3000, Reliable: forecast.Reliable{Coverage90: 0.91}}}
	return r
}

// played is the result of 1000 requests; without memory that is wasted the cost of one
// is its mean latency.
func played(name string, meanMS float64, dropped int64) (sim.Row, *sim.Result) {
	r := &sim.Result{Requests: 1000, LatencySum: decide.Time(1000 * meanMS * float64(decide.Millisecond))}
	r.Name, r.Dropped, r.Latency.Mean = name, dropped, meanMS
	return r.Row, r
}

func simulated(rows ...any) *sim.Report {
	rep := &sim.Report{}
	for i := 0; i < len(rows); i += 3 {
		row, res := played(rows[i].(string), rows[i+1].(float64), int64(rows[i+2].(int)))
		rep.Policies, rep.Results = append(rep.Policies, row), append(rep.Results, res)
	}
	return rep
}

// TestEvidence: the rules judge by the better of the naive forecasts, by the row of each
// bundle and by the worst network.
func TestEvidence(t *testing.T) {
	rep := simulated(sim.Native, 100.0, 10, scheduler.IncendioName, 90.0, 20, "champion", 95.0, 30)
	losses := func(wape float64) gates.Forecast {
		return gates.Forecast{WAPE: wape, Pinball: wape / 4, DecisionCost: wape / 2}
	}
	coverage := []gates.Coverage{{Minutes: 3000, Covered: 0.91}}
	checks := []validate.NetworkCheck{{MaxDiff: 1e-6}, {MaxDiff: 3e-6}, {MaxDiff: 2e-6}}
	want := gates.Evidence{
		NetworkMaxDiff: 3e-6, Naive: losses(0.6), Native: &gates.Played{MeanLatencyMS: 100, DroppedShare: 0.01, CostSPerRequest: 0.1},
		Candidate: gates.Contender{Forecast: losses(0.5), Coverage: coverage, Played: gates.Played{MeanLatencyMS: 90, DroppedShare: 0.02, CostSPerRequest: 0.09}},
	}
	got := validate.Evidence(scores(0.5, 0.8, 0.6), nil, rep, checks, []scenario.Result{{Name: "hot", Mean: 9, Native: 10, Dropped: 0.1, NativeDropped: 0.2}})
	if *got.Native != *want.Native || got.Champion != nil || !reflect.DeepEqual(got.Candidate, want.Candidate) || got.NetworkMaxDiff != want.NetworkMaxDiff || got.Naive != want.Naive {
		t.Errorf("evidence %+v, native %+v, want %+v, native %+v", got, got.Native, want, want.Native)
	}
	if want := (gates.Scenario{Name: "hot", Candidate: gates.Played{MeanLatencyMS: 9, DroppedShare: 0.1}, Native: gates.Played{MeanLatencyMS: 10, DroppedShare: 0.2}}); len(got.Scenarios) != 1 || got.Scenarios[0] != want {
		t.Errorf("scenarios %+v, want %+v", got.Scenarios, want)
	}
	got = validate.Evidence(scores(0.5, 0.8, math.NaN()), scores(0.4, 1, 1), rep, nil, nil)
	if got.Naive != losses(0.8) || got.Champion == nil || !reflect.DeepEqual(*got.Champion, gates.Contender{Forecast: losses(0.4), Coverage: coverage, Played: gates.Played{MeanLatencyMS: 95, DroppedShare: 0.03, CostSPerRequest: 0.095}}) {
		t.Errorf("evidence %+v with the champion %+v", got, got.Champion)
	}
	if got := validate.Evidence(scores(0.5, 0.8, 0.6), nil, simulated(scheduler.IncendioName, 90.0, 20), nil, nil); got.Native != nil {
		t.Errorf("native was not replayed, and has %+v", got.Native)
	}
}
