package scheduler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/priority"
)

// Names of the files of a bundle that this package reads, beside those of
// scheduler/forecast. The Q-networks stand beside ClustersFile, which names them.
const (
	PriorityFile  = "priority.json"
	FunctionsFile = "functions.json"
	ClustersFile  = "agent/clusters.json"
	GlobalAgent   = "agent/global.onnx" // trained on all environments; used only where ClustersFile names it
	SlicesFile    = "alps.json"         // ranks and slices of functions, for invokers that share their CPU by ALPS
	GoldenFile    = "golden/scheduler.json"
)

// TrainedALPSName is the stack "alps-trained", see [Models.TrainedALPS].
const TrainedALPSName = "alps-trained"

// Settings is the content of PriorityFile: the priority model, and the parameters of
// the pool and of the SLO guard that were tuned with it.
type Settings struct {
	Model  *priority.Model `json:"model"`
	Policy Policy          `json:"policy"`
	SLO    SLO             `json:"slo"`
}

// A FunctionInfo is a row of FunctionsFile, the function info table (Incendio,
// Fig. 7) as training saw it.
type FunctionInfo struct {
	Key       forecast.Key `json:"key"`
	PerMinute float64      `json:"per_minute"` // mean rate of arrivals
	MemoryMB  float64      `json:"memory_mb"`  // units of 2^20 bytes
	CPU       float64      `json:"cpu"`        // cores
	Execution float64      `json:"execution_ms"`
	Init      float64      `json:"initialisation_ms"`
	Term      float64      `json:"termination_ms"`
	Assumed   []string     `json:"assumed,omitempty"` // of memory, cpu, execution, start_cost: not measured by the trace
}

// Models are what a bundle holds for the run time. They are immutable and safe for
// concurrent use.
type Models struct {
	Forecast  *forecast.Model
	Settings  Settings
	Functions []FunctionInfo // in order of their keys
	Clusters  *agent.Clusters
	Networks  map[string]*agent.Network // by file name
	Slices    *alps.Policy              // of ALPS; nil in a bundle that was made without

	rate map[forecast.Key]float64
}

// Open opens the bundle in dir, checks every digest and replays its golden cases.
// The error wraps those of bundle.Open, or bundle.ErrIntegrity where a golden case
// comes out otherwise.
func Open(dir string) (*Models, *bundle.Bundle, error) {
	b, err := bundle.Open(dir, bundle.Policy{})
	if err != nil {
		return nil, nil, err
	}
	m, err := Load(b.File)
	if err != nil {
		return nil, nil, fmt.Errorf("open bundle %s: %w", dir, err)
	}
	g, err := m.Golden(b)
	if err != nil {
		return nil, nil, fmt.Errorf("open bundle %s: %w", dir, err)
	}
	if err := m.Replay(g); err != nil {
		return nil, nil, fmt.Errorf("open bundle %s: %w: %w", dir, bundle.ErrIntegrity, err)
	}
	return m, b, nil
}

// Load reads models from files, which returns the content of a file by its name.
func Load(files func(name string) ([]byte, error)) (*Models, error) {
	m := &Models{}
	var err error
	if m.Forecast, err = forecast.Load(files); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		to   any
	}{{PriorityFile, &m.Settings}, {FunctionsFile, &m.Functions}} {
		data, err := files(f.name)
		if err != nil {
			return nil, err
		}
		if err := decodeStrict(data, f.to); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	data, err := files(ClustersFile)
	if err != nil {
		return nil, err
	}
	if m.Clusters, err = agent.ParseClusters(data); err != nil {
		return nil, fmt.Errorf("%s: %w", ClustersFile, err)
	}
	if m.Networks, err = LoadNetworks(m.Clusters, files); err != nil {
		return nil, err
	}
	switch data, err := files(SlicesFile); {
	case errors.Is(err, bundle.ErrNotFound), errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if m.Slices, err = alps.Parse(data); err != nil {
			return nil, fmt.Errorf("%s: %w", SlicesFile, err)
		}
	}
	return m, m.Compile()
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

// Golden reads the golden cases of b, the bundle of m.
func (m *Models) Golden(b *bundle.Bundle) (*Golden, error) {
	data, err := b.File(GoldenFile)
	if err != nil {
		return nil, err
	}
	var g Golden
	if err := decodeStrict(data, &g); err != nil {
		return nil, fmt.Errorf("%s: %w", GoldenFile, err)
	}
	return &g, nil
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

// Compile checks m and prepares it for use; Load has done so already.
func (m *Models) Compile() error {
	if m.Forecast == nil || m.Clusters == nil || m.Settings.Model == nil {
		return errors.New("scheduler: models need a forecaster, clusters and a priority model")
	}
	for _, err := range []error{m.Settings.Model.Validate(), m.Settings.Policy.Validate(), m.Settings.SLO.Validate(), m.Clusters.Validate()} {
		if err != nil {
			return err
		}
	}
	for _, name := range NetworkFiles(m.Clusters) {
		if m.Networks[name] == nil {
			return fmt.Errorf("scheduler: no Q-network %s", name)
		}
	}
	slices.SortFunc(m.Functions, func(a, b FunctionInfo) int { return a.Key.Compare(b.Key) })
	m.rate = make(map[forecast.Key]float64, len(m.Functions))
	for i, f := range m.Functions {
		if i > 0 && f.Key == m.Functions[i-1].Key {
			return fmt.Errorf("%s: function %v is named twice", FunctionsFile, f.Key)
		}
		if !(f.PerMinute >= 0) || math.IsInf(f.PerMinute, 0) {
			return fmt.Errorf("%s: function %v: per_minute must not be negative, got %g", FunctionsFile, f.Key, f.PerMinute)
		}
		m.rate[f.Key] = f.PerMinute
	}
	return nil
}

// Files returns the content of a bundle's files by name, as Load reads them. Equal
// models have equal files.
func (m *Models) Files() (map[string][]byte, error) {
	out, err := m.Forecast.Files()
	if err != nil {
		return nil, err
	}
	for name, v := range map[string]any{PriorityFile: m.Settings, FunctionsFile: m.Functions, ClustersFile: m.Clusters} {
		if out[name], err = encodeJSON(v); err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
	}
	if m.Slices != nil {
		if out[SlicesFile], err = encodeJSON(m.Slices); err != nil {
			return nil, fmt.Errorf("encode %s: %w", SlicesFile, err)
		}
	}
	for name, n := range m.Networks {
		graph, err := n.Graph()
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
		out[name] = onnx.Encode(graph)
	}
	return out, nil
}

// Rates returns the arrivals per minute in training of each function; 0 for one that
// training did not see.
func (m *Models) Rates(functions []datasets.Function) []float64 {
	rate := make([]float64, len(functions))
	for i := range functions {
		rate[i] = m.rate[forecast.KeyOf(&functions[i])]
	}
	return rate
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

// Stack composes the stack "incendio" for functions. Time 0 is a midnight UTC; the
// clock begins at start, first are the forecasts of the minute at start, and source
// knows what arrived before.
func (m *Models) Stack(functions []datasets.Function, source forecast.Source, first []forecast.Forecast, start decide.Time, seed uint64) (Stack, error) {
	return Incendio(m.parts(functions, source, first, start, seed))
}

func (m *Models) parts(functions []datasets.Function, source forecast.Source, first []forecast.Forecast, start decide.Time, seed uint64) Parts {
	return Parts{
		Priority: m.Settings.Model, Policy: m.Settings.Policy, SLO: m.Settings.SLO,
		Forecast: source, First: first, Rate: m.Rates(functions), Start: start,
		Dispatcher: m.Dispatcher(seed, 0),
	}
}

// TrainedALPS composes the stack "alps-trained": native, on invokers that serve functions by
// the slices of the bundle. The error says so if it has none.
func (m *Models) TrainedALPS() (Stack, error) {
	if m.Slices == nil {
		return Stack{}, fmt.Errorf("scheduler: policy %q: the bundle has no %s", TrainedALPSName, SlicesFile)
	}
	s := policy.Native(policy.NativeKeepAlive)
	s.Name, s.Sharing = TrainedALPSName, policy.DefaultSharing(policy.SharingALPS)
	s.Sharing.ALPS, s.Sharing.Slices = m.Slices.Options, m.Slices
	return s, nil
}

func decodeStrict(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more after the first value, expected the end")
	}
	return nil
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(v)
	return b.Bytes(), err
}
