// Package compare says what differs between two bundles as an owner asks it: which
// functions came and went, whose models changed, which numbers decide otherwise, and how
// large they are. Models are told apart by the functions that they serve: the number of a
// cluster means nothing beyond its own bundle.
package compare

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/index"
	"github.com/incendio-faas/incendio/scheduler/priority"
)

// A Side is one of the two bundles, with its models.
type Side struct {
	Bundle *bundle.Bundle
	Models *scheduler.Models
}

// A Difference is what changed from bundle a to bundle b.
type Difference struct {
	A     Origin `json:"a"`
	B     Origin `json:"b"`
	Equal bool   `json:"equal"` // they are the same bundle

	// Figures of the two manifests, of each one's own validation part. They can be compared
	// only if SamePart.
	Figures  []Figure `json:"figures"`
	SamePart bool     `json:"same_part"`

	Functions     Functions       `json:"functions"`
	Models        []Served        `json:"models"`       // the largest share of the arrivals first
	Environments  []Environment   `json:"environments"` // in which something else dispatches
	Weights       []bundle.Change `json:"weights"`      // numbers that decide, sorted by key
	Sizes         []Size          `json:"sizes"`        // sorted by part, "total" last
	Configuration []bundle.Change `json:"configuration"`
	Files         Files           `json:"files"`
}

// An Origin is where a bundle comes from, and what decides in it.
type Origin struct {
	Digest         string         `json:"digest"`
	BundleVersion  string         `json:"bundle_version"`
	ProgramVersion string         `json:"program_version"`
	Seed           uint64         `json:"seed"`
	Traces         []bundle.Trace `json:"traces"`
	Window         bundle.Window  `json:"window"`  // that was learned from
	Decides        string         `json:"decides"` // "index", or "priorities, pool and agents"
	Sharing        string         `json:"sharing"` // of CPU on the invokers: "alps" or "ps"
}

// A Figure is a metric of the manifests, nil where a bundle does not have it.
type Figure struct {
	Name string   `json:"name"`
	A    *float64 `json:"a"`
	B    *float64 `json:"b"`
}

// Functions of the function info tables.
type Functions struct {
	Added []forecast.Key `json:"added"` // in b alone
	Gone  []forecast.Key `json:"gone"`  // in a alone
	Kept  int            `json:"kept"`
}

// Served is a set of functions that one model of a and one of b forecasts.
type Served struct {
	Functions []forecast.Key `json:"functions"`
	PerMinute float64        `json:"per_minute"` // their arrivals in b's training; of those that are gone, in a's
	A         *Model         `json:"a"`          // nil: a does not know them
	B         *Model         `json:"b"`
	Same      bool           `json:"same"` // the model, and what it knows of each function
}

// A Model is what forecasts a set of functions.
type Model struct {
	Class forecast.Class `json:"class"`
	Bytes int            `json:"bytes"` // of the text of its trees
	// Scores on the validation part of its bundle, by head, where the manifest has them.
	Scores map[string]float64 `json:"scores,omitempty"`
}

// An Environment is one that a bundle has learned, and that the two dispatch otherwise.
type Environment struct {
	Of     string             `json:"of"`     // "a" or "b": which has learned it
	Values map[string]float64 `json:"values"` // by column, as docs/models.md defines them
	A      string             `json:"a"`      // "rule esff" or "agent"
	B      string             `json:"b"`
}

// A Size is of the files of a part of the bundle: a folder, or a file beside them.
type Size struct {
	Part   string `json:"part"`
	AFiles int    `json:"a_files"`
	BFiles int    `json:"b_files"`
	ABytes int64  `json:"a_bytes"`
	BBytes int64  `json:"b_bytes"`
}

// Files that are in one bundle alone, or have another content.
type Files struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	Changed []string `json:"changed"`
}

// Bundles returns what changed from a to b.
func Bundles(a, b Side) (*Difference, error) {
	raw, err := bundle.Diff(a.Bundle, b.Bundle)
	if err != nil {
		return nil, err
	}
	d := &Difference{
		A: origin(a), B: origin(b), Equal: raw.Equal(),
		Functions: functions(a, b), Environments: environments(a, b), Sizes: sizes(a, b),
		Configuration: []bundle.Change{}, Files: Files{raw.Added, raw.Removed, raw.Changed},
	}
	x, y := a.Bundle.Manifest(), b.Bundle.Manifest()
	d.SamePart = slices.Equal(x.Traces, y.Traces) && x.Window == y.Window
	d.Figures = figures(a, b)
	for _, c := range raw.Values {
		if key, ok := strings.CutPrefix(c.Key, "config."); ok {
			c.Key = key
			d.Configuration = append(d.Configuration, c)
		}
	}
	if d.Models, err = served(a, b); err != nil {
		return nil, err
	}
	old, err := weights(a.Models)
	if err != nil {
		return nil, err
	}
	now, err := weights(b.Models)
	if err != nil {
		return nil, err
	}
	d.Weights = bundle.DiffValues(old, now)
	return d, nil
}

func origin(s Side) Origin {
	m := s.Bundle.Manifest()
	o := Origin{
		Digest: s.Bundle.Digest(), BundleVersion: m.BundleVersion, ProgramVersion: m.ProgramVersion, Seed: m.Seed,
		Traces: m.Traces, Window: m.Window, Decides: "priorities, pool and agents", Sharing: "ps",
	}
	if s.Models.Index != nil && s.Models.Index.Used {
		o.Decides = "index"
	}
	if s.Models.Slices != nil {
		o.Sharing = s.Models.Slices.Sharing
	}
	return o
}

// figures leaves out those of clusters, which served has.
func figures(a, b Side) []Figure {
	all := map[string]*Figure{}
	for _, s := range []struct {
		side Side
		at   func(*Figure) **float64
	}{{a, func(f *Figure) **float64 { return &f.A }}, {b, func(f *Figure) **float64 { return &f.B }}} {
		for name, v := range s.side.Bundle.Manifest().Metrics {
			if slices.ContainsFunc(s.side.Models.Forecast.Clusters, func(c forecast.Cluster) bool { return strings.HasPrefix(name, scorePrefix(c)) }) {
				continue
			}
			if all[name] == nil {
				all[name] = &Figure{Name: name}
			}
			*s.at(all[name]) = &v
		}
	}
	out := []Figure{}
	for _, name := range sorted(all) {
		out = append(out, *all[name])
	}
	return out
}

// scorePrefix begins the metrics of a cluster in a manifest.
func scorePrefix(c forecast.Cluster) string { return "valid/" + c.Name + "/" }

func functions(a, b Side) Functions {
	f := Functions{Added: []forecast.Key{}, Gone: []forecast.Key{}}
	old, now := rates(a.Models), rates(b.Models)
	for _, i := range a.Models.Functions {
		if _, ok := now[i.Key]; !ok {
			f.Gone = append(f.Gone, i.Key)
		}
	}
	for _, i := range b.Models.Functions {
		if _, ok := old[i.Key]; ok {
			f.Kept++
		} else {
			f.Added = append(f.Added, i.Key)
		}
	}
	return f
}

func rates(m *scheduler.Models) map[forecast.Key]float64 {
	out := make(map[forecast.Key]float64, len(m.Functions))
	for _, f := range m.Functions {
		out[f.Key] = f.PerMinute
	}
	return out
}

// weights are the numbers that decide, each by its key: of the priorities, of the pool, of
// the SLO guard, of the index, of the slices of CPU, and what forecasts look back on.
func weights(m *scheduler.Models) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	add := func(part string, v any) error {
		data, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
		flat, err := bundle.Flatten(data)
		for key, v := range flat {
			out[strings.TrimSuffix(part+"."+key, ".")] = v
		}
		return err
	}
	p := m.Settings.Model
	factors := map[string]any{"form": p.Form}
	for k := range priority.Factors {
		factors[priority.Factor(k).String()] = map[string]float64{"weight": p.Weight[k], "low": p.Low[k], "high": p.High[k]}
	}
	parts := map[string]any{"priority": factors, "pool": m.Settings.Pool, "slo": m.Settings.SLO, "features": m.Forecast.Features}
	if m.Index != nil {
		numbers := map[string]float64{}
		for _, p := range index.Parameters() {
			numbers[p.Name] = p.Get(m.Index.Options)
		}
		parts["index"], parts["index.used"], parts["envelope"] = numbers, m.Index.Used, m.Index.Envelope
	}
	if m.Slices != nil {
		parts["alps"], parts["alps.sharing"] = m.Slices.Options, m.Slices.Sharing
	}
	for _, part := range sorted(parts) {
		if err := add(part, parts[part]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func sizes(a, b Side) []Size {
	parts := map[string]*Size{}
	total := Size{Part: "total"}
	count := func(s Side, files func(*Size) *int, bytes func(*Size) *int64) {
		for _, f := range s.Bundle.Manifest().Files {
			part, _, _ := strings.Cut(f.Name, "/")
			if parts[part] == nil {
				parts[part] = &Size{Part: part}
			}
			for _, to := range []*Size{parts[part], &total} {
				*files(to)++
				*bytes(to) += f.Size
			}
		}
	}
	count(a, func(s *Size) *int { return &s.AFiles }, func(s *Size) *int64 { return &s.ABytes })
	count(b, func(s *Size) *int { return &s.BFiles }, func(s *Size) *int64 { return &s.BBytes })
	out := []Size{}
	for _, part := range sorted(parts) {
		out = append(out, *parts[part])
	}
	return append(out, total)
}
