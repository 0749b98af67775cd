package scheduler

import (
	"fmt"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/strictjson"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// GoldenFile of a bundle has the cases that Open replays.
const GoldenFile = "golden/scheduler.json"

// Models are what a bundle holds for the run time. They are immutable and safe for
// concurrent use.
type Models struct {
	Forecast  *forecast.Model
	Settings  Settings
	Functions []FunctionInfo // in order of their keys
	Clusters  *agent.Clusters
	Networks  map[string]*agent.Network // by file name
	Slices    *alps.Ranking             // of ALPS; nil in a bundle that was made without
	Index     *IndexSettings            // nil in a bundle that was made without

	rate   map[forecast.Key]float64
	digest string // of the bundle; empty: they came without one
}

// Use reads the models of b, which bundle.Registry.Open or bundle.Open has checked, and
// replays its golden cases. The error wraps bundle.ErrIntegrity where one comes out otherwise.
func Use(b *bundle.Bundle) (*Models, error) {
	m, err := Load(b.File)
	if err != nil {
		return nil, fmt.Errorf("use bundle %s: %w", b.Digest(), err)
	}
	g, err := m.Golden(b)
	if err != nil {
		return nil, fmt.Errorf("use bundle %s: %w", b.Digest(), err)
	}
	if err := m.Replay(g); err != nil {
		return nil, fmt.Errorf("use bundle %s: %w: %w", b.Digest(), bundle.ErrIntegrity, err)
	}
	m.digest = b.Digest()
	return m, nil
}

// Open is [Use] of the bundle in dir, for programs that have made the folder themselves:
// nothing says that it is the one that a registry knows.
func Open(dir string) (*Models, *bundle.Bundle, error) {
	b, err := bundle.Open(dir, bundle.Policy{})
	if err != nil {
		return nil, nil, err
	}
	m, err := Use(b)
	if err != nil {
		return nil, nil, fmt.Errorf("open bundle %s: %w", dir, err)
	}
	return m, b, nil
}

// Load reads models from files, which returns the content of a file by its name.
func Load(files func(name string) ([]byte, error)) (*Models, error) {
	m := &Models{}
	for _, c := range components {
		if c.load == nil {
			continue
		}
		if err := c.load(m, files); err != nil {
			return nil, err
		}
	}
	if err := m.Compile(); err != nil {
		return nil, err
	}
	return m, nil
}

// Golden reads the golden cases of b, the bundle of m.
func (m *Models) Golden(b *bundle.Bundle) (*Golden, error) {
	data, err := b.File(GoldenFile)
	if err != nil {
		return nil, err
	}
	var g Golden
	if err := strictjson.Decode(data, &g); err != nil {
		return nil, fmt.Errorf("%s: %w", GoldenFile, err)
	}
	return &g, nil
}

// Compile checks m and prepares it for use; Load has done so already.
func (m *Models) Compile() error {
	for _, c := range components {
		if c.check == nil {
			continue
		}
		if err := c.check(m); err != nil {
			return err
		}
	}
	return nil
}

// Files returns the content of a bundle's files by name, as Load reads them. Equal
// models have equal files.
func (m *Models) Files() (map[string][]byte, error) {
	out := make(map[string][]byte)
	for _, c := range components {
		if c.files == nil {
			continue
		}
		if err := c.files(m, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Stack composes the stack "incendio" for functions. Time 0 is a midnight UTC; the
// clock begins at start, first are the forecasts of the minute at start, and source
// knows what arrived before.
func (m *Models) Stack(functions []datasets.Function, source forecast.Source, first []forecast.Forecast, start decide.Time, seed uint64) (Stack, error) {
	return Incendio(m.parts(functions, source, first, start, seed))
}

func (m *Models) parts(functions []datasets.Function, source forecast.Source, first []forecast.Forecast, start decide.Time, seed uint64) Parts {
	var used *IndexSettings
	if m.Index != nil && m.Index.Used {
		used = m.Index
	}
	p := m.Settings.Parts(m.Dispatcher(seed, 0))
	p.Index, p.Forecast, p.First, p.Rate, p.Start = used, source, first, m.Rates(functions), start
	return p
}
