package agent

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A Choice is what dispatches in an environment: exactly one of the two is set.
type Choice struct {
	Agent string `json:"agent,omitempty"` // the file of a Q-network, relative to the bundle
	Rule  string `json:"rule,omitempty"`  // the name of a policy.Rule
}

func (c Choice) validate() error {
	if (c.Agent == "") == (c.Rule == "") {
		return fmt.Errorf("agent %q and rule %q: expected exactly one of them", c.Agent, c.Rule)
	}
	return nil
}

// Clusters says which choice was best in which environment: agent/clusters.json of a
// bundle. Environment vectors are standardised before they are compared.
type Clusters struct {
	Columns   []string    `json:"columns"`   // (EnvSize): EnvColumns
	Window    decide.Time `json:"window_us"` // that the vectors sum up, TrackerOptions.Window
	Mean      []float64   `json:"mean"`      // (EnvSize)
	Std       []float64   `json:"std"`       // (EnvSize), > 0
	Centroids [][]float64 `json:"centroids"` // (clusters, EnvSize), standardised
	Radius    []float64   `json:"radius"`    // (clusters): P99 of the distances in training
	Choices   []Choice    `json:"choices"`   // (clusters)
	Global    Choice      `json:"global"`    // for an environment unlike those of training
	Encoder   Options     `json:"encoder"`   // that the agents were trained with
}

// ParseClusters decodes and validates clusters.json.
func ParseClusters(b []byte) (*Clusters, error) {
	var c Clusters
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("agent: clusters: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &c, nil
}

// Validate reports the first field that does not fit. No clusters are allowed: then the
// global choice holds everywhere.
func (c *Clusters) Validate() error {
	if !slices.Equal(c.Columns, EnvColumns()) {
		return fmt.Errorf("agent: clusters: columns %q, expected %q", c.Columns, EnvColumns())
	}
	if err := (TrackerOptions{Window: c.Window}).Validate(); err != nil {
		return fmt.Errorf("agent: clusters: %w", err)
	}
	if err := c.Encoder.Validate(); err != nil {
		return fmt.Errorf("agent: clusters: encoder: %w", err)
	}
	finite := func(name string, v []float64, n int) error {
		if len(v) != n {
			return fmt.Errorf("agent: clusters: %s has %d values, expected %d", name, len(v), n)
		}
		for i, x := range v {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Errorf("agent: clusters: %s[%d] is %v, expected a finite number", name, i, x)
			}
		}
		return nil
	}
	if err := finite("mean", c.Mean, EnvSize); err != nil {
		return err
	}
	if err := finite("std", c.Std, EnvSize); err != nil {
		return err
	}
	for i, s := range c.Std {
		if s <= 0 {
			return fmt.Errorf("agent: clusters: std[%d] must be positive, got %v", i, s)
		}
	}
	if err := finite("radius", c.Radius, len(c.Centroids)); err != nil {
		return err
	}
	if len(c.Choices) != len(c.Centroids) {
		return fmt.Errorf("agent: clusters: %d choices for %d centroids", len(c.Choices), len(c.Centroids))
	}
	for i, centroid := range c.Centroids {
		if err := finite(fmt.Sprintf("centroids[%d]", i), centroid, EnvSize); err != nil {
			return err
		}
		if c.Radius[i] < 0 {
			return fmt.Errorf("agent: clusters: radius[%d] must not be negative, got %v", i, c.Radius[i])
		}
		if err := c.Choices[i].validate(); err != nil {
			return fmt.Errorf("agent: clusters: choices[%d]: %w", i, err)
		}
	}
	if err := c.Global.validate(); err != nil {
		return fmt.Errorf("agent: clusters: global: %w", err)
	}
	return nil
}

// Distance between the environment vector v and the centroid of a cluster, in standard
// deviations of training.
func (c *Clusters) Distance(cluster int, v []float64) float64 {
	var sum float64
	for j, m := range c.Centroids[cluster] {
		d := (v[j]-c.Mean[j])/c.Std[j] - m
		sum += d * d
	}
	return math.Sqrt(sum)
}

// Nearest returns the cluster whose centroid is nearest to v, of equals the first, and
// the distance; None without clusters.
func (c *Clusters) Nearest(v []float64) (int, float64) {
	at, least := decide.None, math.Inf(1)
	for i := range c.Centroids {
		if d := c.Distance(i, v); d < least {
			at, least = i, d
		}
	}
	return at, least
}

// The hysteresis of docs/models.md, decision 25: another cluster must have been nearer,
// by a tenth, for three windows.
const (
	switchWindows = 3
	switchMargin  = 0.1
)

// A Selector follows the environment from cluster to cluster. It begins at None, the
// global choice.
type Selector struct {
	clusters *Clusters
	current  int
	rival    int // that was nearest in the last windows
	streak   int // how many
}

// NewSelector returns a selector at None.
func NewSelector(c *Clusters) *Selector {
	return &Selector{clusters: c, current: decide.None, rival: decide.None}
}

// Current is the cluster of the environment, or None for the global choice.
func (s *Selector) Current() int { return s.current }

// Update takes in the vector of a further window and returns the cluster, or None. An
// environment farther from the nearest centroid than the cluster's Radius is unlike
// those of training: it is None at once. Else the cluster changes when another one
// was nearest, by a margin of 10 % of the distance to the current one, for 3 windows in
// a row; None has no distance, so that only the windows count.
func (s *Selector) Update(v []float64) int {
	nearest, d := s.clusters.Nearest(v)
	if nearest == decide.None || !(d <= s.clusters.Radius[nearest]) { // NaN is outside
		s.current, s.rival, s.streak = decide.None, decide.None, 0
		return s.current
	}
	if nearest == s.current || s.current != decide.None && d > (1-switchMargin)*s.clusters.Distance(s.current, v) {
		s.rival, s.streak = decide.None, 0
		return s.current
	}
	if nearest != s.rival {
		s.rival, s.streak = nearest, 0
	}
	if s.streak++; s.streak >= switchWindows {
		s.current, s.rival, s.streak = nearest, decide.None, 0
	}
	return s.current
}

// A Clustered dispatcher follows the environment and lets the dispatcher of its cluster
// choose.
type Clustered struct {
	tracker     *Tracker
	selector    *Selector
	dispatchers []decide.Dispatcher // per cluster
	global      decide.Dispatcher
	windows     int
}

// NewClustered returns a dispatcher for the environments of c. open makes the
// dispatcher of a choice; it is called once per distinct choice. o.Window is that of c.
func NewClustered(c *Clusters, o TrackerOptions, open func(Choice) (decide.Dispatcher, error)) (*Clustered, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	o.Window = c.Window
	tracker, err := NewTracker(o)
	if err != nil {
		return nil, err
	}
	made := map[Choice]decide.Dispatcher{}
	dispatcher := func(choice Choice) (decide.Dispatcher, error) {
		if d, ok := made[choice]; ok {
			return d, nil
		}
		d, err := open(choice)
		if err != nil {
			return nil, fmt.Errorf("agent: open %+v: %w", choice, err)
		}
		made[choice] = d
		return d, nil
	}
	d := &Clustered{tracker: tracker, selector: NewSelector(c)}
	if d.global, err = dispatcher(c.Global); err != nil {
		return nil, err
	}
	for _, choice := range c.Choices {
		one, err := dispatcher(choice)
		if err != nil {
			return nil, err
		}
		d.dispatchers = append(d.dispatchers, one)
	}
	return d, nil
}

// Observe must be called with every event, after the state has taken it in and before
// anything is decided.
func (d *Clustered) Observe(s decide.Snapshot, ev decide.Event) {
	d.tracker.Observe(s, ev)
	if v, n := d.tracker.Vector(); n > d.windows {
		d.windows = n
		d.selector.Update(v)
	}
}

// Cluster is the cluster of the environment, or None for the global choice.
func (d *Clustered) Cluster() int { return d.selector.Current() }

// Next implements decide.Dispatcher.
func (d *Clustered) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if c := d.selector.Current(); c != decide.None {
		return d.dispatchers[c].Next(s, ev)
	}
	return d.global.Next(s, ev)
}
