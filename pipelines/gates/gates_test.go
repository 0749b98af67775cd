package gates_test

import (
	"math"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/gates"
)

// played is the result of 1000 requests; without memory that is wasted the cost of one
// is its mean latency.
func played(meanMS, dropped float64) gates.Played {
	return gates.Played{MeanLatencyMS: meanMS, DroppedShare: dropped / 1000, CostSPerRequest: meanMS / 1000}
}

// between compares two contenders that are alike in every minute.
func between(candidate, champion gates.Contender) *gates.Comparison {
	pair := func(a, b float64) gates.Pair {
		var p gates.Pair
		same := func(v float64) [][]float64 {
			row := make([]float64, 120)
			for i := range row {
				row[i] = v
			}
			return [][]float64{row}
		}
		p.Candidate, p.Champion = same(a), same(b)
		return p
	}
	drops := pair(candidate.Played.DroppedShare, champion.Played.DroppedShare)
	drops.Requests = pair(1, 1).Candidate
	return gates.Compare(gates.Pairs{
		Pinball:      pair(candidate.Forecast.Pinball, champion.Forecast.Pinball),
		DecisionCost: pair(candidate.Forecast.DecisionCost, champion.Forecast.DecisionCost),
		Latency:      pair(candidate.Played.MeanLatencyMS, champion.Played.MeanLatencyMS), Dropped: drops,
		Cost:  pair(candidate.Played.CostSPerRequest, champion.Played.CostSPerRequest),
		Seeds: []uint64{1},
	}, gates.DefaultMargins(), 1)
}

func TestJudge(t *testing.T) {
	native := played(100, 1)
	// naive has the losses 0.6 of everything.
	naive := gates.Forecast{WAPE: 0.6, Pinball: 0.6, DecisionCost: 0.6}
	ours := func(losses, meanMS, dropped float64) gates.Contender {
		return gates.Contender{Forecast: gates.Forecast{WAPE: losses, Pinball: losses, DecisionCost: losses}, Played: played(meanMS, dropped)}
	}
	with := func(c gates.Contender, change func(c *gates.Contender)) gates.Contender {
		change(&c)
		return c
	}
	covered := func(minutes int, share float64) gates.Contender {
		return with(ours(0.5, 90, 1), func(c *gates.Contender) {
			c.Coverage = []gates.Coverage{{Minutes: 1e6, Covered: 0.95}, {Minutes: minutes, Covered: share}}
		})
	}
	rival := func(wape, meanMS, dropped float64) *gates.Contender {
		c := ours(wape, meanMS, dropped)
		return &c
	}
	for _, c := range []struct {
		name     string
		evidence gates.Evidence
		failed   string
	}{
		{"all hold", gates.Evidence{NetworkMaxDiff: 1e-5, Naive: naive, Native: &native, Candidate: ours(0.5, 90, 1)}, ""},
		{"on every bound", gates.Evidence{NetworkMaxDiff: 1e-4, Naive: naive, Native: &native, Candidate: ours(0.6, 100, 2)}, ""},
		{"network", gates.Evidence{NetworkMaxDiff: 2e-4, Naive: naive, Native: &native, Candidate: ours(0.5, 90, 1)}, "network_max_diff"},
		{"forecast", gates.Evidence{Naive: naive, Native: &native, Candidate: ours(0.61, 90, 1)}, "forecast_pinball_normalised forecast_decision_cost"},
		{"pooled errors are for information", gates.Evidence{Naive: naive, Native: &native, Candidate: with(ours(0.5, 90, 1), func(c *gates.Contender) { c.Forecast.WAPE = 9 })}, ""},
		{"quantiles", gates.Evidence{Naive: naive, Native: &native, Candidate: with(ours(0.5, 90, 1), func(c *gates.Contender) { c.Forecast.Pinball = 0.61 })}, "forecast_pinball_normalised"},
		{"decisions", gates.Evidence{Naive: naive, Native: &native, Candidate: with(ours(0.5, 90, 1), func(c *gates.Contender) { c.Forecast.DecisionCost = 0.61 })}, "forecast_decision_cost"},
		{"one class is covered too little", gates.Evidence{Naive: naive, Native: &native, Candidate: covered(2000, 0.87)}, "forecast_coverage"},
		{"covered within the tolerance", gates.Evidence{Naive: naive, Native: &native, Candidate: covered(2000, 0.89)}, ""},
		{"a class of few minutes", gates.Evidence{Naive: naive, Native: &native, Candidate: covered(1999, 0.5)}, ""},
		{"latency, and so the cost", gates.Evidence{Naive: naive, Native: &native, Candidate: ours(0.5, 101, 1)}, "mean_latency_ms cost_s_per_request"},
		{"drops", gates.Evidence{Naive: naive, Native: &native, Candidate: ours(0.5, 90, 3)}, "dropped_share"},
		{"without native", gates.Evidence{Naive: naive, Candidate: ours(0.5, 500, 9)}, ""},
		{"better than the champion", gates.Evidence{Naive: naive, Native: &native, Candidate: ours(0.5, 90, 1), Champion: rival(0.5, 91, 1)}, ""},
		{"as good as the champion", gates.Evidence{Naive: naive, Native: &native, Candidate: ours(0.5, 90, 1), Champion: rival(0.5, 90, 1)}, "cost_s_per_request"},
		{"worse forecast than the champion", gates.Evidence{Naive: naive, Native: &native, Candidate: ours(0.53, 90, 1), Champion: rival(0.5, 91, 1)}, "forecast_pinball_normalised forecast_decision_cost"},
		{"within the tolerance", gates.Evidence{Naive: naive, Native: &native, Candidate: ours(0.52, 90, 1), Champion: rival(0.5, 91, 1)}, ""},
	} {
		if c.evidence.Champion != nil {
			c.evidence.Comparison = between(c.evidence.Candidate, *c.evidence.Champion)
		}
		rules, err := gates.Judge(c.evidence, gates.Bounds{Coverage: 0.02, Dropped: 0.001, Network: 1e-4})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var failed []string
		for _, r := range rules {
			if !r.OK {
				failed = append(failed, r.Rule)
			}
			if (r.Champion != nil) != (c.evidence.Champion != nil && r.Rule != "network_max_diff") {
				t.Errorf("%s: rule %s has the champion's value %v", c.name, r.Rule, r.Champion)
			}
			if gates.Text(r.Rule) == "" {
				t.Errorf("nothing says what %s asks", r.Rule)
			}
		}
		if got := strings.Join(failed, " "); got != c.failed || len(rules) != 8 {
			t.Errorf("%s: %q of %d rules failed, want %q of 8", c.name, got, len(rules), c.failed)
		}
		verdict, reason := gates.Verdict(rules, c.evidence.Comparison)
		if (verdict == bundle.Refused) != (c.failed != "") || c.failed != "" && !strings.Contains(reason, failed[0]) {
			t.Errorf("%s: %s: %s", c.name, verdict, reason)
		}
	}
	if gates.Text("none") != "" {
		t.Error("a rule that there is not asks something")
	}
}

// TestMeasured: a figure that is not one makes no verdict.
func TestMeasured(t *testing.T) {
	losses := func(v float64) gates.Forecast { return gates.Forecast{WAPE: v, Pinball: v, DecisionCost: v} }
	good := gates.Evidence{Naive: losses(0.6), Candidate: gates.Contender{Forecast: losses(0.5), Played: played(1, 1)}}
	if _, err := gates.Judge(good, gates.Default()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*gates.Evidence)
		rule   string
	}{
		{func(e *gates.Evidence) { e.Candidate.Forecast.WAPE = math.NaN() }, "forecast_wape_pooled"},
		{func(e *gates.Evidence) { e.Candidate.Forecast.DecisionCost = math.NaN() }, "forecast_decision_cost"},
		{func(e *gates.Evidence) { e.Candidate.Coverage = []gates.Coverage{{1e5, math.NaN()}} }, "forecast_coverage"},
		{func(e *gates.Evidence) { e.Naive.Pinball = math.Inf(1) }, "forecast_pinball_normalised"},
		{func(e *gates.Evidence) {
			e.Champion = &gates.Contender{Forecast: losses(0.5), Played: played(math.Inf(1), 1)}
		}, "mean_latency_ms"},
	} {
		e := good
		c.change(&e)
		if e.Champion != nil {
			e.Comparison = between(e.Candidate, e.Candidate)
		}
		if _, err := gates.Judge(e, gates.Default()); err == nil || !strings.Contains(err.Error(), "judge "+c.rule+" by") {
			t.Errorf("error is %v, want one about the rule %s", err, c.rule)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := gates.Default().Validate(); err != nil {
		t.Fatal(err)
	}
	bad := gates.Bounds{Forecast: -1, Coverage: -1, Latency: math.NaN(), Dropped: math.Inf(1)}
	err := bad.Validate()
	for _, key := range []string{"forecast", "coverage", "latency", "dropped", "network"} {
		if err == nil || !strings.Contains(err.Error(), key+" must") {
			t.Errorf("error is %v, want one about %s", err, key)
		}
	}
}

// TestScenario: a scenario is lost by its mean or by its drops, each beyond its tolerance.
func TestScenario(t *testing.T) {
	b := gates.Default()
	native := gates.Played{MeanLatencyMS: 100, DroppedShare: 0.01}
	for _, c := range []struct {
		mean, dropped float64
		want          bool
	}{{90, 0, true}, {105, 0.015, true}, {105.1, 0, false}, {90, 0.0151, false}} {
		s := gates.Scenario{Name: "one_hot", Native: native, Candidate: gates.Played{MeanLatencyMS: c.mean, DroppedShare: c.dropped}}
		if r := s.Judge(b); r.OK != c.want || r.Rule != "scenario_one_hot" || r.Value != c.mean/100 || r.Bound != 1.05 {
			t.Errorf("%+v: %+v", c, r)
		}
	}
	if gates.Text("scenario_one_hot") == "" {
		t.Error("the rule says nothing")
	}
}
