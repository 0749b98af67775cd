package replay

import (
	"math"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// Learning says on which parts of the trace the scheduler learns.
type Learning struct {
	// Windows drawn from the training part to tune the priority model on, and as
	// many from the validation part, >= 1. Default 4.
	Windows int `json:"windows"`
	// WindowMinutes is the length of each, >= 1. Default 30.
	WindowMinutes int `json:"window_minutes"`
	// WindowRequests is about how many requests each holds at most, >= 1: where the
	// trace has more in that time, a part of the invokers is simulated with its share of
	// the arrivals, and shorter windows where that is still too much. Default 200000.
	WindowRequests int `json:"window_requests"`
	// AgentWindows are the episodes that the agents learn from, and as many of the
	// validation part are judged on, >= 1. Default 24.
	AgentWindows int `json:"agent_windows"`
	// AgentWindowMinutes is the length of each, >= 1. Default 10.
	AgentWindowMinutes int `json:"agent_window_minutes"`
	// AgentWindowRequests is the same for them. Default 3000.
	AgentWindowRequests int `json:"agent_window_requests"`
}

// DefaultLearning returns the defaults.
func DefaultLearning() Learning {
	return Learning{Windows: 4, WindowMinutes: 30, WindowRequests: 200000, AgentWindows: 24, AgentWindowMinutes: 10, AgentWindowRequests: 3000}
}

// Validate reports all values that are out of range, each with its key.
func (l Learning) Validate() error {
	var c option.Check
	for _, k := range []struct {
		key   string
		value int
	}{
		{"windows", l.Windows}, {"window_minutes", l.WindowMinutes}, {"window_requests", l.WindowRequests},
		{"agent_windows", l.AgentWindows}, {"agent_window_minutes", l.AgentWindowMinutes}, {"agent_window_requests", l.AgentWindowRequests},
	} {
		c.That(k.value >= 1, k.key, "must be at least 1, got %d", k.value)
	}
	return c.Err()
}

// Simulation says how policies are compared.
type Simulation struct {
	Cluster       sim.Cluster       `json:"cluster"`
	Scheduler     scheduler.Options `json:"scheduler"`
	WarmupMinutes int               `json:"warmup_minutes"` // that are replayed before those that count, >= 0
	ScaleArrivals float64           `json:"scale_arrivals"` // factor of the arrivals, > 0
	// Policies that a validation compares with the bundle. Default native, faascache.
	Policies []string `json:"policies"`
}

// DefaultSimulation returns the defaults, those of the simulator.
func DefaultSimulation() Simulation {
	s := sim.DefaultOptions()
	return Simulation{
		Cluster: s.Cluster, Scheduler: s.Scheduler, WarmupMinutes: s.WarmupMinutes, ScaleArrivals: s.ScaleArrivals,
		Policies: []string{"native", "faascache"},
	}
}

// Validate reports all values that are out of range, each with its key.
func (s Simulation) Validate() error {
	var c option.Check
	c.Within("cluster", s.Cluster.Validate())
	c.Within("scheduler", s.Scheduler.Validate())
	c.That(s.WarmupMinutes >= 0, "warmup_minutes", "must not be negative, got %d", s.WarmupMinutes)
	c.That(s.ScaleArrivals > 0 && !math.IsInf(s.ScaleArrivals, 0), "scale_arrivals", "must be positive, got %g", s.ScaleArrivals)
	for i, p := range s.Policies {
		c.That(!slices.Contains(s.Policies[:i], p), "policies", "must not name %q twice", p)
		_, err := scheduler.Baseline(p, 1)
		c.Note("policies", err)
	}
	return c.Err()
}

// Options are those of a simulation of w.
func (s Simulation) Options(w datasets.Window, seed uint64) sim.Options {
	o := sim.DefaultOptions()
	o.Cluster, o.Scheduler = s.Cluster, s.Scheduler
	o.WarmupMinutes, o.ScaleArrivals = s.WarmupMinutes, s.ScaleArrivals
	o.Seed, o.Window = seed, w
	return o
}
