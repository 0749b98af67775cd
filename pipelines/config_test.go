package pipelines_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/pipelines"
)

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
		{func(c *pipelines.Config) { c.Gates.Coverage = -0.1 }, "gates.coverage"},
		{func(c *pipelines.Config) { c.Gates.Latency = math.NaN() }, "gates.latency"},
		{func(c *pipelines.Config) { c.Gates.Dropped = math.Inf(1) }, "gates.dropped"},
		{func(c *pipelines.Config) { c.Gates.Champion.Seeds = 0 }, "gates.champion.seeds"},
		{func(c *pipelines.Config) { c.Windows.Test = time.Second }, "windows.test"},
		{func(c *pipelines.Config) { c.Windows.Valid = -time.Minute }, "windows.valid"},
		{func(c *pipelines.Config) { c.Windows.History = time.Hour }, "windows.history"},
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
