package pipelines_test

import (
	"math"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/forecast"
)

func scores(ours, naive, seasonal float64) *forecast.BacktestReport {
	r := &forecast.BacktestReport{}
	for name, v := range map[string]float64{forecast.Incendio: ours, forecast.Naive: naive, forecast.SeasonalNaive: seasonal} {
		r.Models = append(r.Models, forecast.Figures{Name: name, Scope: forecast.PooledScope, WAPE: forecast.Number(v)})
	}
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

func TestGates(t *testing.T) {
	const ours, native, champion = scheduler.IncendioName, sim.Native, "champion"
	good := scores(0.5, 0.8, 0.6)
	for _, c := range []struct {
		name     string
		scores   *forecast.BacktestReport
		champion *forecast.BacktestReport
		rep      *sim.Report
		diff     float64
		failed   string
	}{
		{"all hold", good, nil, simulated(ours, 90.0, 1, native, 100.0, 1), 1e-5, ""},
		{"on every bound", scores(0.6, 0.8, 0.6), nil, simulated(ours, 100.0, 2, native, 100.0, 1), 1e-4, ""},
		{"network", good, nil, simulated(ours, 90.0, 1, native, 100.0, 1), 2e-4, "network_max_diff"},
		{"forecast", scores(0.61, 0.8, 0.6), nil, simulated(ours, 90.0, 1, native, 100.0, 1), 0, "forecast_wape_pooled"},
		{"no season to repeat", scores(0.7, 0.8, math.NaN()), nil, simulated(ours, 90.0, 1, native, 100.0, 1), 0, ""},
		{"latency, and so the cost", good, nil, simulated(ours, 101.0, 1, native, 100.0, 1), 0, "mean_latency_ms cost_s_per_request"},
		{"drops", good, nil, simulated(ours, 90.0, 3, native, 100.0, 1), 0, "dropped_share"},
		{"without native", good, nil, simulated(ours, 500.0, 9), 0, ""},
		{"better than the champion", good, scores(0.5, 0.8, 0.6), simulated(ours, 90.0, 1, native, 100.0, 1, champion, 91.0, 1), 0, ""},
		{"as good as the champion", good, scores(0.5, 0.8, 0.6), simulated(ours, 90.0, 1, native, 100.0, 1, champion, 90.0, 1), 0, "cost_s_per_request"},
		{"worse forecast than the champion", scores(0.53, 0.8, 0.6), scores(0.5, 0.8, 0.6), simulated(ours, 90.0, 1, native, 100.0, 1, champion, 91.0, 1), 0, "forecast_wape_pooled"},
		{"within the tolerance", scores(0.52, 0.8, 0.6), scores(0.5, 0.8, 0.6), simulated(ours, 90.0, 1, native, 100.0, 1, champion, 91.0, 1), 0, ""},
	} {
		v := pipelines.Validator{}
		v.Config.Gates = pipelines.Gates{Dropped: 0.001, Champion: 0.05, Network: 1e-4}
		rules := v.Gates(c.scores, c.champion, c.rep, []pipelines.NetworkCheck{{MaxDiff: c.diff}})
		var failed []string
		for _, r := range rules {
			if !r.OK {
				failed = append(failed, r.Rule)
			}
			if (r.Champion != nil) != (c.champion != nil && r.Rule != "network_max_diff") {
				t.Errorf("%s: rule %s has the champion's value %v", c.name, r.Rule, r.Champion)
			}
		}
		if got := strings.Join(failed, " "); got != c.failed || len(rules) != 5 {
			t.Errorf("%s: %q of %d rules failed, want %q of 5", c.name, got, len(rules), c.failed)
		}
		if err := pipelines.Measured(rules); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestMeasured(t *testing.T) {
	inf := math.Inf(1)
	for _, r := range []bundle.Rule{{Rule: "r", Value: math.NaN()}, {Rule: "r", Bound: inf}, {Rule: "r", Champion: &inf}} {
		if err := pipelines.Measured([]bundle.Rule{{}, r}); err == nil || !strings.Contains(err.Error(), "judge r by") {
			t.Errorf("error is %v, want one about the rule r", err)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	if err := pipelines.DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*pipelines.Config)
		key    string
	}{
		{func(c *pipelines.Config) { c.Store = "" }, "store"},
		{func(c *pipelines.Config) { c.Trace = "" }, "trace"},
		{func(c *pipelines.Config) { c.Workers = -1 }, "workers"},
		{func(c *pipelines.Config) { c.QuarantineLimit = math.NaN() }, "quarantine_limit"},
		{func(c *pipelines.Config) { c.BundleVersion = "" }, "bundle_version"},
		{func(c *pipelines.Config) { c.Learning.Windows = 0 }, "learning.windows"},
		{func(c *pipelines.Config) { c.Learning.WindowMinutes = 0 }, "learning.window_minutes"},
		{func(c *pipelines.Config) { c.Learning.AgentWindows = 0 }, "learning.agent_windows"},
		{func(c *pipelines.Config) { c.Learning.AgentWindowMinutes = 0 }, "learning.agent_window_minutes"},
		{func(c *pipelines.Config) { c.Simulation.WarmupMinutes = -1 }, "simulation.warmup_minutes"},
		{func(c *pipelines.Config) { c.Simulation.ScaleArrivals = math.NaN() }, "simulation.scale_arrivals"},
		{func(c *pipelines.Config) { c.Simulation.Policies = []string{"natve"} }, "simulation.policies"},
		{func(c *pipelines.Config) { c.Simulation.Policies = []string{"native", "native"} }, "simulation.policies"},
		{func(c *pipelines.Config) { c.Simulation.Cluster.Invokers = 0 }, "simulation.cluster"},
		{func(c *pipelines.Config) { c.Simulation.Scheduler.Timeout = 0 }, "simulation.scheduler"},
		{func(c *pipelines.Config) { c.Gates.Forecast = -1 }, "gates.forecast"},
		{func(c *pipelines.Config) { c.Gates.Latency = math.NaN() }, "gates.latency"},
		{func(c *pipelines.Config) { c.Gates.Dropped = math.Inf(1) }, "gates.dropped"},
		{func(c *pipelines.Config) { c.Gates.Champion = -1 }, "gates.champion"},
		{func(c *pipelines.Config) { c.Gates.Network = 0 }, "gates.network"},
		{func(c *pipelines.Config) { c.Holidays = []pipelines.Holiday{{Name: "x", Day: "24.12.2026"}} }, "holidays[0]"},
		{func(c *pipelines.Config) { c.Synthetic.Functions = 0 }, "synthetic"},
		{func(c *pipelines.Config) { c.Forecast.MaxRows = 0 }, "forecast"},
		{func(c *pipelines.Config) { c.Priority.Finalists = 0 }, "priority"},
		{func(c *pipelines.Config) { c.Agent.Hidden = 0 }, "agent"},
		{func(c *pipelines.Config) { c.SLO.Urgent = 2 }, "slo"},
	} {
		cfg := pipelines.DefaultConfig()
		c.change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.key) {
			t.Errorf("error is %v, want one about %s", err, c.key)
		}
	}
	// All at once, not only the first.
	cfg := pipelines.DefaultConfig()
	cfg.Workers, cfg.Agent.Hidden = -1, 0
	if err := cfg.Validate(); !strings.Contains(err.Error(), "workers") || !strings.Contains(err.Error(), "hidden") {
		t.Errorf("error is %v, want one about workers and hidden", err)
	}
}

func TestCalendar(t *testing.T) {
	cfg := pipelines.DefaultConfig()
	cfg.Holidays = []pipelines.Holiday{{Name: "founders", Day: "2026-03-05"}}
	days, err := cfg.Calendar()
	if err != nil || len(days) != 2 { // and the trace's own
		t.Errorf("calendar is %v, %v, want two days", days, err)
	}
	cfg.Trace = "azure"
	if days, err = cfg.Calendar(); err != nil || len(days) != 1 || days[0].Name != "founders" {
		t.Errorf("calendar of another trace is %v, %v", days, err)
	}
}
