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
	Candidates []float32 `json:"candidates"` // (K, agent.Features)
	Global     []float32 `json:"global"`     // (agent.Globals)
	Want       []float32 `json:"want"`       // (2K+1)
}

// Observation returns the input of the case for a network of k candidates.
func (g *GoldenAgent) Observation(k int) (*agent.Observation, error) {
	o := agent.NewObservation(k)
	if g.N < 1 || g.N > k || len(g.Candidates) != len(o.Candidates) || len(g.Global) != len(o.Global) {
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

func makeAgentGolden(m *Models, in goldenInput, g *Golden) error {
	for _, name := range NetworkFiles(m.Clusters) {
		n := m.Networks[name]
		for i := range 4 {
			o := agent.NewObservation(n.Candidates)
			c := GoldenAgent{File: name, N: 1 + i*(n.Candidates-1)/3, Candidates: o.Candidates, Global: o.Global}
			for j := range c.N * agent.Features {
				c.Candidates[j] = in.src.Float32()
			}
			for j := range c.Global {
				c.Global[j] = in.src.Float32()
			}
			full, err := c.Observation(n.Candidates)
			if err != nil {
				return err
			}
			c.Want = make([]float32, 2*n.Candidates+1)
			agent.NewEvaluator(n).Forward(full, c.Want)
			g.Agents = append(g.Agents, c)
		}
	}
	return nil
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
	return nil
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
