package pipelines

import (
	_ "embed"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/agent"
	"github.com/incendio-faas/incendio/train/alps"
	"github.com/incendio-faas/incendio/train/forecast"
	"github.com/incendio-faas/incendio/train/priority"
)

// Sample is the configuration of the sample run, on the embedded synthetic trace.
//
//go:embed sample.yaml
var Sample []byte

// Nightly is a configuration to start from for a nightly job.
//
//go:embed nightly.yaml
var Nightly []byte

// Config is all that a run depends on beside the trace. It is made of the options of
// the packages that do the work.
type Config struct {
	// Store is the folder of the trace store. Default "incendio-data".
	Store string `mapstructure:"store" json:"store"`
	// Registry is the folder of the bundles. Default "<store>/registry".
	Registry string `mapstructure:"registry" json:"registry"`
	// Trace is the name of the trace in the store. Default "synthetic", which is
	// made from the options below if the store does not have it.
	Trace string `mapstructure:"trace" json:"trace"`
	// Out is the run folder. Default "<store>/runs/<id>".
	Out string `mapstructure:"out" json:"out"`
	// Seed of all random draws but those of the synthetic trace; it takes the place of
	// forecast.seed and agent.seed. Default 1.
	Seed uint64 `mapstructure:"seed" json:"seed"`
	// Workers that compute at once; 0, the default, is one per core. Results do not
	// depend on it.
	Workers int `mapstructure:"workers" json:"workers"`
	// QuarantineLimit is the share of bad rows in [0, 1] above which an ingest is
	// refused. Default 0.01.
	QuarantineLimit float64 `mapstructure:"quarantine_limit" json:"quarantine_limit"`
	// BundleVersion is the owner's name for the state of the models. Default "1".
	BundleVersion string `mapstructure:"bundle_version" json:"bundle_version"`
	// Holidays are the special days of the trace.
	Holidays []Holiday `mapstructure:"holidays" json:"holidays"`

	Synthetic  synthetic.Options `mapstructure:"synthetic" json:"synthetic"`
	Forecast   forecast.Options  `mapstructure:"forecast" json:"forecast"`
	Priority   priority.Options  `mapstructure:"priority" json:"priority"`
	Agent      agent.Options     `mapstructure:"agent" json:"agent"`
	ALPS       alps.Options      `mapstructure:"alps" json:"alps"`
	Learning   Learning          `mapstructure:"learning" json:"learning"`
	SLO        scheduler.SLO     `mapstructure:"slo" json:"slo"`
	Simulation Simulation        `mapstructure:"simulation" json:"simulation"`
	Gates      Gates             `mapstructure:"gates" json:"gates"`
}

// A Holiday is a special day of the configuration.
type Holiday struct {
	Name string `mapstructure:"name" json:"name"`
	Day  string `mapstructure:"day" json:"day"` // 2006-01-02, UTC
}

// Learning says on which parts of the trace the scheduler learns.
type Learning struct {
	// Windows drawn from the training part to tune the priority model on, and as
	// many from the validation part, >= 1. Default 4.
	Windows int `mapstructure:"windows" json:"windows"`
	// WindowMinutes is the length of each, >= 1. Default 30.
	WindowMinutes int `mapstructure:"window_minutes" json:"window_minutes"`
	// WindowRequests is about how many requests each holds at most, >= 1: where the
	// trace has more in that time, a part of the invokers is simulated with its share of
	// the arrivals, and shorter windows where that is still too much. Default 200000.
	WindowRequests int `mapstructure:"window_requests" json:"window_requests"`
	// AgentWindows are the episodes that the agents learn from, and as many of the
	// validation part are judged on, >= 1. Default 24.
	AgentWindows int `mapstructure:"agent_windows" json:"agent_windows"`
	// AgentWindowMinutes is the length of each, >= 1. Default 10.
	AgentWindowMinutes int `mapstructure:"agent_window_minutes" json:"agent_window_minutes"`
	// AgentWindowRequests is the same for them. Default 3000.
	AgentWindowRequests int `mapstructure:"agent_window_requests" json:"agent_window_requests"`
}

// Simulation says how policies are compared.
type Simulation struct {
	Cluster       sim.Cluster       `mapstructure:"cluster" json:"cluster"`
	Scheduler     scheduler.Options `mapstructure:"scheduler" json:"scheduler"`
	WarmupMinutes int               `mapstructure:"warmup_minutes" json:"warmup_minutes"`
	ScaleArrivals float64           `mapstructure:"scale_arrivals" json:"scale_arrivals"`
	// Policies that a validation compares with the bundle. Default native, faascache.
	Policies []string `mapstructure:"policies" json:"policies"`
}

// Gates are the bounds that a candidate must keep. A tolerance is a share: 0.05
// allows 5 % worse.
type Gates struct {
	// Forecast: pooled WAPE over that of the best naive baseline may be at most 1
	// plus this. Default 0.
	Forecast float64 `mapstructure:"forecast" json:"forecast"`
	// Latency: mean latency over that of native may be at most 1 plus this. Default 0.
	Latency float64 `mapstructure:"latency" json:"latency"`
	// Dropped: share of requests dropped above that of native, which hides waiting in
	// executions that share the cores, where no time-out sees it. The mean latency has
	// every drop at its full price. Default 0.005.
	Dropped float64 `mapstructure:"dropped" json:"dropped"`
	// Champion: any figure may be worse than the champion's by this share, but for
	// the cost, which must be less. Default 0.05.
	Champion float64 `mapstructure:"champion" json:"champion"`
	// Network: largest absolute difference between the Q-values of our evaluator and
	// those of onnx-go, > 0. Default 1e-4.
	Network float64 `mapstructure:"network" json:"network"`
}

// DefaultConfig returns the defaults. The sample run (sample.yaml) has smaller machines
// and learns for a shorter time.
func DefaultConfig() Config {
	s := sim.DefaultOptions()
	a := agent.DefaultOptions()
	a.TotalTimesteps = 60000 // a night is long enough
	return Config{
		Store: "incendio-data", Trace: synthetic.Format, Seed: 1, QuarantineLimit: 0.01, BundleVersion: "1",
		Holidays:  []Holiday{},
		Synthetic: synthetic.DefaultOptions(),
		Forecast:  forecast.DefaultOptions(),
		Priority:  priority.DefaultOptions(),
		Agent:     a,
		ALPS:      alps.DefaultOptions(),
		Learning:  Learning{Windows: 4, WindowMinutes: 30, WindowRequests: 200000, AgentWindows: 24, AgentWindowMinutes: 10, AgentWindowRequests: 3000},
		SLO:       scheduler.DefaultSLO(),
		Simulation: Simulation{
			Cluster: s.Cluster, Scheduler: s.Scheduler, WarmupMinutes: s.WarmupMinutes, ScaleArrivals: s.ScaleArrivals,
			Policies: []string{"native", "faascache"},
		},
		Gates: Gates{Dropped: 0.005, Champion: 0.05, Network: 1e-4},
	}
}

// Validate reports all values that are out of range, each with its key.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	share := func(key string, v float64) {
		check(v >= 0 && !math.IsInf(v, 0), "%s must be a number that is not negative, got %g", key, v)
	}
	check(c.Store != "", "store must name a folder")
	check(c.Workers >= 0, "workers must not be negative, got %d", c.Workers)
	check(c.QuarantineLimit >= 0 && c.QuarantineLimit <= 1, "quarantine_limit must be in [0, 1], got %g", c.QuarantineLimit)
	check(c.BundleVersion != "", "bundle_version must not be empty")
	check(c.Learning.Windows >= 1, "learning.windows must be at least 1, got %d", c.Learning.Windows)
	check(c.Learning.WindowMinutes >= 1, "learning.window_minutes must be at least 1, got %d", c.Learning.WindowMinutes)
	check(c.Learning.WindowRequests >= 1, "learning.window_requests must be at least 1, got %d", c.Learning.WindowRequests)
	check(c.Learning.AgentWindows >= 1, "learning.agent_windows must be at least 1, got %d", c.Learning.AgentWindows)
	check(c.Learning.AgentWindowMinutes >= 1, "learning.agent_window_minutes must be at least 1, got %d", c.Learning.AgentWindowMinutes)
	check(c.Learning.AgentWindowRequests >= 1, "learning.agent_window_requests must be at least 1, got %d", c.Learning.AgentWindowRequests)
	check(c.Simulation.WarmupMinutes >= 0, "simulation.warmup_minutes must not be negative, got %d", c.Simulation.WarmupMinutes)
	check(c.Simulation.ScaleArrivals > 0 && !math.IsInf(c.Simulation.ScaleArrivals, 0), "simulation.scale_arrivals must be positive, got %g", c.Simulation.ScaleArrivals)
	share("gates.forecast", c.Gates.Forecast)
	share("gates.latency", c.Gates.Latency)
	share("gates.dropped", c.Gates.Dropped)
	share("gates.champion", c.Gates.Champion)
	check(c.Gates.Network > 0, "gates.network must be positive, got %g", c.Gates.Network)
	if err := parquet.DefaultIngestOptions(c.Trace).Validate(); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.Calendar(); err != nil {
		errs = append(errs, err)
	}
	for i, p := range c.Simulation.Policies {
		check(!slices.Contains(c.Simulation.Policies[:i], p), "simulation.policies must not name %q twice", p)
		if _, err := scheduler.Baseline(p, c.Seed); err != nil {
			errs = append(errs, fmt.Errorf("simulation.policies: %w", err))
		}
	}
	for _, part := range []struct {
		key string
		err error
	}{
		{"synthetic", c.Synthetic.Validate()}, {"forecast", c.Forecast.Validate()}, {"priority", c.Priority.Validate()},
		{"agent", c.Agent.Validate()}, {"alps", c.ALPS.Validate()}, {"slo", c.SLO.Validate()}, {"simulation.cluster", c.Simulation.Cluster.Validate()},
		{"simulation.scheduler", c.Simulation.Scheduler.Validate()},
	} {
		if part.err != nil {
			errs = append(errs, within(part.key, part.err))
		}
	}
	return errors.Join(errs...)
}

// within says which part of the configuration every error of err is about, once.
func within(key string, err error) error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var errs []error
		for _, e := range joined.Unwrap() {
			errs = append(errs, within(key, e))
		}
		return errors.Join(errs...)
	}
	if strings.HasPrefix(err.Error(), key+": ") {
		return err
	}
	return fmt.Errorf("%s: %w", key, err)
}

// RegistryDir is the folder of the registry.
func (c Config) RegistryDir() string {
	if c.Registry != "" {
		return c.Registry
	}
	return filepath.Join(c.Store, "registry")
}

// Calendar returns the special days: those of the configuration and, of the embedded
// trace, its own.
func (c Config) Calendar() ([]datasets.Holiday, error) {
	var out []datasets.Holiday
	for i, h := range c.Holidays {
		day, err := time.Parse(time.DateOnly, h.Day)
		if err != nil || h.Name == "" {
			return nil, fmt.Errorf("holidays[%d]: must have a name and a day like 2026-12-24, got %+v", i, h)
		}
		out = append(out, datasets.Holiday{Name: h.Name, Day: day})
	}
	if c.Trace == synthetic.Format {
		out = append(out, synthetic.Holidays(c.Synthetic)...)
	}
	return out, nil
}
