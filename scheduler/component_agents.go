package scheduler

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// Files of a bundle. The Q-networks stand beside ClustersFile, which names them.
const (
	ClustersFile = "agent/clusters.json"
	GlobalAgent  = "agent/global.onnx" // trained on all environments; used only where ClustersFile names it
)

// agentsComponent is the clusters of environments and their Q-networks.
var agentsComponent = component{
	name: "agents",
	load: func(m *Models, files readFile) error {
		data, err := files(ClustersFile)
		if err != nil {
			return err
		}
		if m.Clusters, err = agent.ParseClusters(data); err != nil {
			return fmt.Errorf("%s: %w", ClustersFile, err)
		}
		m.Networks, err = LoadNetworks(m.Clusters, files)
		return err
	},
	files: func(m *Models, out map[string][]byte) error {
		if err := encodeFile(out, ClustersFile, m.Clusters); err != nil {
			return err
		}
		for name, n := range m.Networks {
			graph, err := n.Graph()
			if err != nil {
				return fmt.Errorf("encode %s: %w", name, err)
			}
			out[name] = onnx.Encode(graph)
		}
		return nil
	},
	check: func(m *Models) error {
		if m.Clusters == nil {
			return errors.New("scheduler: models need clusters")
		}
		if err := m.Clusters.Validate(); err != nil {
			return err
		}
		for _, name := range NetworkFiles(m.Clusters) {
			if m.Networks[name] == nil {
				return fmt.Errorf("scheduler: no Q-network %s", name)
			}
		}
		return nil
	},
	golden: makeAgentGolden,
	replay: replayAgentGolden,
}

// A GoldenAgent is the Q-values of an observation.
type GoldenAgent struct {
	File       string    `json:"file"`
	N          int       `json:"n"`          // rows that hold a candidate
	Candidates []float32 `json:"candidates"` // (N, agent.Features); of version 0 (K, agent.Features)
	Global     []float32 `json:"global"`     // (agent.Globals)
	Want       []float32 `json:"want"`       // (2K+1)
}

// Observation returns the input of the case for a network of k candidates.
func (g *GoldenAgent) Observation(k int) (*agent.Observation, error) {
	o := agent.NewObservation(k)
	if n := len(g.Candidates); g.N < 1 || g.N > k || n != g.N*agent.Features && n != len(o.Candidates) || len(g.Global) != len(o.Global) {
		return nil, fmt.Errorf("%s: golden case of %s: %d of %d candidates with %d and %d values: the network has other shapes",
			GoldenFile, g.File, g.N, k, len(g.Candidates), len(g.Global))
	}
	o.N = g.N
	copy(o.Candidates, g.Candidates)
	copy(o.Global, g.Global)
	for i := range g.N {
		o.Mask[i] = 1 / float32(g.N)
	}
	return o, nil
}

// goldenObservations of each network.
const goldenObservations = 16

// makeAgentGolden draws observations like those that agents see: most of what is
// observed is 0, or 1, or a share of a few parts.
func makeAgentGolden(m *Models, in goldenInput, g *Golden) error {
	draw := func(out []float32, zero float64) {
		for i := range out {
			if u := in.src.Float64(); u >= zero {
				out[i] = float32(in.src.IntN(257)) / 256
			}
		}
	}
	for _, name := range NetworkFiles(m.Clusters) {
		n := m.Networks[name]
		for i := range goldenObservations {
			c := GoldenAgent{File: name, N: min(n.Candidates, 1+i%4), Global: make([]float32, agent.Globals)}
			c.Candidates = make([]float32, c.N*agent.Features)
			draw(c.Candidates, float64(i%5)/6)
			draw(c.Global, float64(i%3)/3)
			full, err := c.Observation(n.Candidates)
			if err != nil {
				return err
			}
			c.Want = make([]float32, 2*n.Candidates+1)
			agent.NewEvaluator(n).Forward(full, c.Want)
			g.Agents = append(g.Agents, c)
		}
	}
	g.Clusters = m.goldenClusters(in)
	return nil
}

// GoldenClusters is which environments ClustersFile takes for which, and what dispatches there.
type GoldenClusters struct {
	Vectors [][]float64   `json:"vectors"` // of environments
	Want    [][]float64   `json:"want"`    // of each: distance from each centroid, and that as a share of the radius
	Choices []string      `json:"choices"` // what dispatches: everywhere else, then in each cluster
	Values  []GoldenValue `json:"values"`
}

// goldenVectors is the number of environments.
const goldenVectors = 8

func (m *Models) goldenClusters(in goldenInput) *GoldenClusters {
	c := m.Clusters
	g := &GoldenClusters{Choices: clusterChoices(c), Values: clusterValues(c)}
	for i := range goldenVectors {
		v := make([]float64, agent.EnvSize)
		for j := range v {
			v[j] = c.Mean[j] + c.Std[j]*in.src.NormFloat64()
			if k := i - 1; k >= 0 && k < len(c.Centroids) { // near a cluster
				v[j] = c.Mean[j] + c.Std[j]*(c.Centroids[k][j]+in.src.NormFloat64()/4)
			}
		}
		g.Vectors = append(g.Vectors, v)
		g.Want = append(g.Want, distances(c, v))
	}
	return g
}

// distances are those of an environment from each centroid, and as shares of the radius.
func distances(c *agent.Clusters, v []float64) []float64 {
	var out []float64
	for k := range c.Centroids {
		d := c.Distance(k, v)
		out = append(out, d, d/(1+c.Radius[k]))
	}
	return out
}

func (m *Models) replayClusters(g *GoldenClusters) error {
	if g == nil || len(g.Vectors) < goldenVectors || len(g.Want) != len(g.Vectors) {
		return fmt.Errorf("%s: golden cases of %s are missing", GoldenFile, ClustersFile)
	}
	if got := clusterChoices(m.Clusters); !slices.Equal(got, g.Choices) {
		return fmt.Errorf("%s: environments are dispatched by %v, expected %v", GoldenFile, got, g.Choices)
	}
	for i, v := range g.Vectors {
		if len(v) != agent.EnvSize {
			return fmt.Errorf("%s: environment %d has %d values, expected %d", GoldenFile, i, len(v), agent.EnvSize)
		}
		if got := distances(m.Clusters, v); !slices.EqualFunc(got, g.Want[i], same) {
			return fmt.Errorf("%s: environment %d is %v from the clusters, expected %v", GoldenFile, i, got, g.Want[i])
		}
	}
	return sameValues(ClustersFile, clusterValues(m.Clusters), g.Values)
}

// clusterChoices is what dispatches everywhere else, and in each cluster.
func clusterChoices(c *agent.Clusters) []string {
	var out []string
	for _, choice := range append([]agent.Choice{c.Global}, c.Choices...) {
		out = append(out, choice.Agent+choice.Rule)
	}
	return out
}

func clusterValues(c *agent.Clusters) []GoldenValue {
	return []GoldenValue{
		{"seconds over which an environment is measured", c.Window.Seconds()},
		{"lateness of a request that has waited for a second", 1 / c.Encoder.SLO.Seconds()},
		{"functions that agents compare", float64(c.Encoder.Candidates)},
	}
}

func replayAgentGolden(m *Models, g *Golden) error {
	for _, name := range NetworkFiles(m.Clusters) {
		if !slices.ContainsFunc(g.Agents, func(c GoldenAgent) bool { return c.File == name }) {
			return fmt.Errorf("%s: no golden case of %s", GoldenFile, name)
		}
	}
	for i := range g.Agents {
		c := &g.Agents[i]
		n := m.Networks[c.File]
		if n == nil {
			return fmt.Errorf("%s: no Q-network %q", GoldenFile, c.File)
		}
		o, err := c.Observation(n.Candidates)
		if err != nil {
			return err
		}
		got := make([]float32, 2*n.Candidates+1)
		if len(c.Want) != len(got) {
			return fmt.Errorf("%s: %d Q-values, expected %d", GoldenFile, len(c.Want), len(got))
		}
		agent.NewEvaluator(n).Forward(o, got)
		for j := range got {
			if !near(float64(got[j]), float64(c.Want[j])) {
				return fmt.Errorf("%s: Q-value %d of %s is %g, expected %g", GoldenFile, j, c.File, got[j], c.Want[j])
			}
		}
	}
	if g.Version < goldenVersion {
		return nil
	}
	return m.replayClusters(g.Clusters)
}

// LoadNetworks reads the Q-networks of a bundle with these clusters, by file name.
func LoadNetworks(c *agent.Clusters, files func(name string) ([]byte, error)) (map[string]*agent.Network, error) {
	out := map[string]*agent.Network{}
	for _, name := range NetworkFiles(c) {
		data, err := files(name)
		if err != nil {
			return nil, err
		}
		graph, err := onnx.Decode(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if out[name], err = agent.Load(graph); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// Uses reports whether some environment is dispatched by the Q-network in the file.
func (m *Models) Uses(file string) bool {
	named := func(c agent.Choice) bool { return c.Agent == file }
	return named(m.Clusters.Global) || slices.ContainsFunc(m.Clusters.Choices, named)
}

// NetworkFiles are the Q-networks of a bundle with these clusters: the global one
// and those that the choices name, in order.
func NetworkFiles(c *agent.Clusters) []string {
	names := []string{GlobalAgent}
	for _, choice := range append([]agent.Choice{c.Global}, c.Choices...) {
		if choice.Agent != "" && !slices.Contains(names, choice.Agent) {
			names = append(names, choice.Agent)
		}
	}
	slices.Sort(names)
	return names
}

// Dispatcher builds the dispatcher that follows the environment from cluster to
// cluster, for Parts. The seed is for rules that draw at random; origin is the time of
// day of Time 0.
func (m *Models) Dispatcher(seed uint64, origin decide.Time) func(decide.Signals) (decide.Dispatcher, error) {
	return func(g decide.Signals) (decide.Dispatcher, error) {
		o := agent.DefaultTrackerOptions()
		o.Origin = origin
		return agent.NewClustered(m.Clusters, o, func(c agent.Choice) (decide.Dispatcher, error) {
			if c.Rule != "" {
				return policy.Rule(c.Rule, g, seed)
			}
			return agent.Open(m.Networks[c.Agent], g, m.Clusters.Encoder)
		})
	}
}
