// Package gates decides whether a candidate may replace the champion: a rule a row, on
// figures of minutes that neither has seen. It measures nothing itself.
package gates

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/option"
)

// Bounds are what a candidate must keep. A tolerance is a share: 0.05 allows 5 % worse.
type Bounds struct {
	// Forecast: the pinball loss, and the cost of decisions, over those of the best naive baseline may
	// be at most 1 plus this. Default 0.
	Forecast float64 `json:"forecast"`
	// Coverage: the intervals of 90 % may cover less than that by this share of the minutes, in every
	// class of demand. Default 0.02.
	Coverage float64 `json:"coverage"`
	// Latency: mean latency over that of native may be at most 1 plus this. Default 0.
	Latency float64 `json:"latency"`
	// Dropped: share of requests dropped above that of native, which hides waiting in
	// executions that share the cores, where no time-out sees it. The mean latency has
	// every drop at its full price. Default 0.005.
	Dropped float64 `json:"dropped"`
	// Champion: how candidate and champion are compared.
	Champion Margins `json:"champion"`
	// Scenario: mean latency over that of native in a scenario that the trace does not contain
	// may be at most 1 plus this; drops are bounded as by Dropped. Default 0.05.
	Scenario float64 `json:"scenario"`
	// Network: largest absolute difference between the Q-values of our evaluator and
	// those of onnx-go, > 0. Default 1e-4.
	Network float64 `json:"network"`
}

// Default returns the default bounds.
func Default() Bounds {
	return Bounds{Coverage: 0.02, Dropped: 0.005, Champion: DefaultMargins(), Scenario: 0.05, Network: 1e-4}
}

// Validate reports all bounds that are out of range, each with its key.
func (b Bounds) Validate() error {
	var c option.Check
	for _, k := range []struct {
		key   string
		value float64
	}{{"forecast", b.Forecast}, {"coverage", b.Coverage}, {"latency", b.Latency}, {"dropped", b.Dropped}, {"scenario", b.Scenario}} {
		c.That(k.value >= 0 && !math.IsInf(k.value, 0), k.key, "must be a number that is not negative, got %g", k.value)
	}
	c.Within("champion", b.Champion.Validate())
	c.That(b.Network > 0, "network", "must be positive, got %g", b.Network)
	return c.Err()
}

// Played are the figures of one row of a simulation.
type Played struct {
	MeanLatencyMS   float64 `json:"mean_latency_ms"`
	DroppedShare    float64 `json:"dropped_share"`      // of the requests, in [0, 1]
	CostSPerRequest float64 `json:"cost_s_per_request"` // latency, and idle memory at the price of RUM
}

// A Contender is a bundle as the rules see it.
type Contender struct {
	Forecast Forecast
	Coverage []Coverage // of its intervals of 90 %
	Played   Played
}

// A Forecast has the figures of a model's forecasts of the next minute.
type Forecast struct {
	WAPE         float64 // pooled over functions and minutes
	Pinball      float64 // mean over functions, and over quantiles, of the loss over the mean count
	DecisionCost float64 // of being ready for the critical quantile of each function, per arrival
}

// A Coverage is that of one class of demand.
type Coverage struct {
	Minutes int     // of all its functions
	Covered float64 // share of them inside of the interval of 90 %
}

// coveredMinutes are those that a class of demand must have: in fewer, a coverage that is 0.02 below 0.9 may
// be chance.
const coveredMinutes = 2000

// uncovered is the largest share by which a class that has enough minutes is covered less than
// the intervals promise.
func (c *Contender) uncovered() float64 {
	worst := 0.0
	for _, k := range c.Coverage {
		if k.Minutes >= coveredMinutes {
			worst = max(worst, 0.9-k.Covered) // of what is no number, that
		}
	}
	return worst
}

// Evidence is what there is to judge by.
type Evidence struct {
	// NetworkMaxDiff is the largest absolute difference of a Q-value between two engines.
	NetworkMaxDiff float64
	// Naive has the best naive baseline's figures, each by itself.
	Naive Forecast
	// Native is what requests met without any scheduler; nil where it was not replayed:
	// the rules then compare with the champion alone.
	Native    *Played
	Candidate Contender
	Champion  *Contender // nil where there is none
	// Comparison of the two; it is there where there is a champion.
	Comparison *Comparison
	// Scenarios that the trace does not contain, each a rule of its own.
	Scenarios []Scenario
}

// A Scenario is how a candidate does beside native on traffic or a platform that the trace does
// not contain.
type Scenario struct {
	Name              string // package pipelines/scenario
	Candidate, Native Played
}

// scenarioPrefix is before the name of a scenario in that of its rule.
const scenarioPrefix = "scenario_"

// Judge is the rule of the scenario: its value is the mean latency over native's.
func (s Scenario) Judge(b Bounds) bundle.Rule {
	j := bundle.Rule{Rule: scenarioPrefix + s.Name, Value: s.Candidate.MeanLatencyMS / s.Native.MeanLatencyMS, Bound: 1 + b.Scenario}
	j.OK = j.Value <= j.Bound && s.Candidate.DroppedShare <= s.Native.DroppedShare+b.Dropped
	return j
}

// A rule bounds one figure of the candidate.
type rule struct {
	name string
	text string // what it asks, for the report
	// value of the figure that the bundle c has.
	value func(e Evidence, c Contender) float64
	// bound that it must not exceed.
	bound  func(e Evidence, b Bounds) float64
	native bool // the bound is of native's row
	rival  rivalry
}

// A rivalry says how a figure must compare with the champion's.
type rivalry int

const (
	alone    rivalry = iota // not at all
	shown                   // its own is told, and decides nothing
	compared                // it must be non-inferior, the cost better
)

// rules, in the order in which they are listed.
var rules = []rule{
	{
		name:  "network_max_diff",
		text:  "onnx-go computes the Q-values of every exported network as we do",
		value: func(e Evidence, _ Contender) float64 { return e.NetworkMaxDiff },
		bound: func(_ Evidence, b Bounds) float64 { return b.Network },
	},
	{
		name:  "forecast_pinball_normalised",
		text:  "the quantiles of the hybrid are better than those of the best naive baseline, every function counting alike, and not worse than the champion's by what matters",
		value: func(_ Evidence, c Contender) float64 { return c.Forecast.Pinball },
		bound: func(e Evidence, b Bounds) float64 { return e.Naive.Pinball * (1 + b.Forecast) },
		rival: compared,
	},
	{
		name:  "forecast_coverage",
		text:  "the intervals of 90 % cover it in every class of demand, but for the tolerance gates.coverage",
		value: func(_ Evidence, c Contender) float64 { return c.uncovered() },
		bound: func(_ Evidence, b Bounds) float64 { return b.Coverage },
		rival: shown,
	},
	{
		name:  "forecast_decision_cost",
		text:  "being ready for what the hybrid forecasts costs less than with the best naive baseline, and not more, by what matters, than with the champion",
		value: func(_ Evidence, c Contender) float64 { return c.Forecast.DecisionCost },
		bound: func(e Evidence, b Bounds) float64 { return e.Naive.DecisionCost * (1 + b.Forecast) },
		rival: compared,
	},
	{
		name:  "forecast_wape_pooled",
		text:  "for information: a few large functions decide this error, and it tells little of the cost; its bound is itself",
		value: func(_ Evidence, c Contender) float64 { return c.Forecast.WAPE },
		bound: func(e Evidence, _ Bounds) float64 { return e.Candidate.Forecast.WAPE },
		rival: shown,
	},
	{
		name:   "mean_latency_ms",
		text:   "requests complete sooner than under native, and not later, by what matters, than under the champion",
		value:  func(_ Evidence, c Contender) float64 { return c.Played.MeanLatencyMS },
		bound:  func(e Evidence, b Bounds) float64 { return e.Native.MeanLatencyMS * (1 + b.Latency) },
		native: true,
		rival:  compared,
	},
	{
		name:   "dropped_share",
		text:   "no more requests are dropped than under native, but for the tolerance gates.dropped, nor under the champion, but for what matters",
		value:  func(_ Evidence, c Contender) float64 { return c.Played.DroppedShare },
		bound:  func(e Evidence, b Bounds) float64 { return e.Native.DroppedShare + b.Dropped },
		native: true,
		rival:  compared,
	},
	{
		name:   "cost_s_per_request",
		text:   "latency, and idle memory at the price of RUM, cost less than under native, and less by what matters than under the champion",
		value:  func(_ Evidence, c Contender) float64 { return c.Played.CostSPerRequest },
		bound:  func(e Evidence, _ Bounds) float64 { return e.Native.CostSPerRequest },
		native: true,
		rival:  compared,
	},
}

// Judge applies the rules. Every rule is in the result, whether it holds or not. A figure
// that is not finite is an error: neither a verdict nor JSON can be made of it.
func Judge(e Evidence, b Bounds) ([]bundle.Rule, error) {
	out := make([]bundle.Rule, 0, len(rules))
	for _, r := range rules {
		j, err := r.judge(e, b)
		if err == nil {
			err = measured(j)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	for _, s := range e.Scenarios {
		j := s.Judge(b)
		if err := measured(j); err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	return out, nil
}

func (r rule) judge(e Evidence, b Bounds) (bundle.Rule, error) {
	j := bundle.Rule{Rule: r.name, Value: r.value(e, e.Candidate)}
	j.Bound = j.Value
	if e.Native != nil || !r.native {
		j.Bound = r.bound(e, b)
	}
	j.OK = j.Value <= j.Bound
	if e.Champion == nil || r.rival == alone {
		return j, nil
	}
	theirs := r.value(e, *e.Champion)
	j.Champion = &theirs
	if r.rival != compared {
		return j, nil
	}
	holds, err := e.Comparison.holds(r.name)
	j.OK = j.OK && holds
	return j, err
}

// measured reports a rule without figures.
func measured(r bundle.Rule) error {
	figures := []float64{r.Value, r.Bound}
	if r.Champion != nil {
		figures = append(figures, *r.Champion)
	}
	for _, x := range figures {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("there is nothing to judge %s by: its value, bound and champion's value are %v", r.Rule, figures)
		}
	}
	return nil
}

// Verdict sums rules up: bundle.Accepted or bundle.Refused, and why, with the figures of what
// decided. The comparison is nil where there was no champion to beat.
func Verdict(rules []bundle.Rule, c *Comparison) (verdict, reason string) {
	var failed []string
	var first bundle.Rule
	for _, r := range rules {
		if !r.OK {
			if failed == nil {
				first = r
			}
			failed = append(failed, r.Rule)
		}
	}
	switch {
	case len(failed) > 0 && c != nil && c.Result == Tie && within(first):
		return bundle.Refused, fmt.Sprintf("A tie with the champion, which stays, by %s: %s.", strings.Join(failed, ", "), figures(first, c))
	case len(failed) > 0:
		return bundle.Refused, fmt.Sprintf("Refused by %s: %s.", strings.Join(failed, ", "), figures(first, c))
	case c == nil:
		return bundle.Accepted, "All rules hold; there is no other champion to beat."
	}
	at := slices.IndexFunc(rules, func(r bundle.Rule) bool { return r.Rule == c.Decided })
	if c.Result == Tie {
		return bundle.Accepted, fmt.Sprintf("All rules hold; a tie with a champion that learned on minutes of %.1f days earlier: %s %s.", c.AgeDays, c.Decided, figures(rules[at], c))
	}
	return bundle.Accepted, fmt.Sprintf("All rules hold, and it costs less than the champion: %s.", figures(rules[at], c))
}

// within reports whether a rule that does not hold keeps its bound: the champion decided.
func within(r bundle.Rule) bool { return r.Champion != nil && r.Value <= r.Bound }

// figures of a rule in words.
func figures(r bundle.Rule, c *Comparison) string {
	text := fmt.Sprintf("value %.4g, bound %.4g", r.Value, r.Bound)
	if r.Champion == nil {
		return text
	}
	text += fmt.Sprintf(", champion %.4g", *r.Champion)
	if f := c.Figure(r.Rule); f != nil {
		text += ": " + f.text()
	}
	return text
}

// Text says what a rule asks, or "" of one that is not known.
func Text(name string) string {
	for _, r := range rules {
		if r.name == name {
			return r.text
		}
	}
	if strings.HasPrefix(name, scenarioPrefix) {
		return "mean latency over native's in a scenario that the trace does not contain, and no more drops"
	}
	return ""
}
