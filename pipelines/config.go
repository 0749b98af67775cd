package pipelines

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/pipelines/gates"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/train/agent"
	"github.com/incendio-faas/incendio/train/alps"
	"github.com/incendio-faas/incendio/train/forecast"
	"github.com/incendio-faas/incendio/train/index"
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
	Store string `json:"store"`
	// Registry is the folder of the bundles. Default "<store>/registry".
	Registry string `json:"registry"`
	// Trace is the name of the trace in the store. Default "synthetic", which is
	// made from the options below if the store does not have it.
	Trace string `json:"trace"`
	// Out is the run folder. Default "<store>/runs/<id>".
	Out string `json:"out"`
	// Seed of all random draws but those of the synthetic trace; it takes the place of
	// forecast.seed and agent.seed. Default 1.
	Seed uint64 `json:"seed"`
	// Workers that compute at once; 0, the default, is one per core. Results do not
	// depend on it.
	Workers int `json:"workers"`
	// QuarantineLimit is the share of bad rows in [0, 1] above which an ingest is
	// refused. Default 0.01.
	QuarantineLimit float64 `json:"quarantine_limit"`
	// BundleVersion is the owner's name for the state of the models. Default "1".
	BundleVersion string `json:"bundle_version"`
	// Holidays are the special days of the trace.
	Holidays []Holiday `json:"holidays"`

	Windows Windows `json:"windows,omitzero"`

	Synthetic  synthetic.Options `json:"synthetic"`
	Forecast   forecast.Options  `json:"forecast"`
	Priority   priority.Options  `json:"priority"`
	Agent      agent.Options     `json:"agent"`
	ALPS       alps.Options      `json:"alps"`
	Index      index.Options     `json:"index"`
	Learning   replay.Learning   `json:"learning"`
	SLO        scheduler.SLO     `json:"slo"`
	Simulation replay.Simulation `json:"simulation"`
	Gates      gates.Bounds      `json:"gates"`

	Release Release `json:"release,omitzero"`
	Trust   Trust   `json:"trust,omitzero"`
}

// A Holiday is a special day of the configuration.
type Holiday struct {
	Name string `json:"name"`
	Day  string `json:"day"` // 2006-01-02, UTC
}

// DefaultConfig returns the defaults. The sample run (sample.yaml) has smaller machines
// and learns for a shorter time.
func DefaultConfig() Config {
	a := agent.DefaultOptions()
	a.TotalTimesteps = 60000 // a night is long enough
	return Config{
		Store: "incendio-data", Trace: synthetic.Format, Seed: 1, QuarantineLimit: 0.01, BundleVersion: "1",
		Holidays:   []Holiday{},
		Synthetic:  synthetic.DefaultOptions(),
		Forecast:   forecast.DefaultOptions(),
		Priority:   priority.DefaultOptions(),
		Agent:      a,
		ALPS:       alps.DefaultOptions(),
		Index:      index.DefaultOptions(),
		Learning:   replay.DefaultLearning(),
		SLO:        scheduler.DefaultSLO(),
		Simulation: replay.DefaultSimulation(),
		Gates:      gates.Default(),
		Release:    Release{Alias: bundle.ChampionRef},
	}
}

// Validate reports all values that are out of range, each under its key, as
// option.Error of internal/option.
func (c Config) Validate() error {
	var k option.Check
	k.That(c.Store != "", "store", "must name a folder")
	k.That(c.Workers >= 0, "workers", "must not be negative, got %d", c.Workers)
	k.That(c.QuarantineLimit >= 0 && c.QuarantineLimit <= 1, "quarantine_limit", "must be in [0, 1], got %g", c.QuarantineLimit)
	k.That(c.BundleVersion != "", "bundle_version", "must not be empty")
	k.Note("trace", parquet.DefaultIngestOptions(c.Trace).Validate())
	_, err := c.Calendar()
	k.Note("holidays", err)
	k.Within("windows", c.Windows.Validate())
	k.Within("synthetic", c.Synthetic.Validate())
	k.Within("forecast", c.Forecast.Validate())
	k.Within("priority", c.Priority.Validate())
	k.Within("agent", c.Agent.Validate())
	k.Within("alps", c.ALPS.Validate())
	k.Within("index", c.Index.Validate())
	k.Within("learning", c.Learning.Validate())
	k.Within("slo", c.SLO.Validate())
	k.Within("simulation", c.Simulation.Validate())
	k.Within("gates", c.Gates.Validate())
	k.Within("release", c.Release.Validate())
	k.Within("trust", c.Trust.Validate())
	return k.Err()
}

// recorded is the configuration that results depend on: not where things lie, nor who
// signs, nor how many workers there are. The seed of a run is that of all its parts.
func (c Config) recorded() Config {
	c.Store, c.Registry, c.Out, c.Workers = "", "", "", 0
	c.Release, c.Trust = Release{}, Trust{}
	c.Forecast.Workers, c.Forecast.Trees.Workers = 0, 0
	c.Agent.Workers, c.Agent.Cluster.Workers = 0, 0
	c.Forecast.Seed, c.Agent.Seed = c.Seed, c.Seed
	return c
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
