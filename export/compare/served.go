package compare

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// served groups the functions of both bundles by who forecasts them in each.
func served(a, b Side) ([]Served, error) {
	old, now := rates(a.Models), rates(b.Models)
	x, err := newModels(a)
	if err != nil {
		return nil, err
	}
	y, err := newModels(b)
	if err != nil {
		return nil, err
	}
	keys := map[forecast.Key]bool{}
	for _, m := range []*forecast.Model{a.Models.Forecast, b.Models.Forecast} {
		for _, f := range m.Functions {
			keys[f.Key] = true
		}
	}
	type group struct {
		a, b string
		same bool
	}
	groups := map[group]*Served{}
	for _, k := range slices.SortedFunc(maps.Keys(keys), forecast.Key.Compare) {
		g := group{a: x.id(k), b: y.id(k)}
		was, err := x.content(k)
		if err != nil {
			return nil, err
		}
		is, err := y.content(k)
		if err != nil {
			return nil, err
		}
		g.same = bytes.Equal(was, is)
		if groups[g] == nil {
			groups[g] = &Served{A: x.model(k), B: y.model(k), Same: g.same}
		}
		s := groups[g]
		s.Functions = append(s.Functions, k)
		if rate, ok := now[k]; ok {
			s.PerMinute += rate
		} else {
			s.PerMinute += old[k]
		}
	}
	out := []Served{}
	for _, s := range groups {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(s, t Served) int {
		return cmp.Or(cmp.Compare(t.PerMinute, s.PerMinute), s.Functions[0].Compare(t.Functions[0]))
	})
	return out, nil
}

// models are those of a side, each with its content.
type models struct {
	side     Side
	clusters [][]byte
}

func newModels(s Side) (*models, error) {
	m := &models{side: s}
	for _, c := range s.Models.Forecast.Clusters {
		c.Later = slices.Clone(c.Later)
		text := trees(&c)
		// Names are those of a number.
		c.Name, c.Mean.File, c.Median.File = "", "", ""
		for i := range c.Later {
			c.Later[i].Median.File = ""
		}
		head, err := json.Marshal(&c)
		if err != nil {
			return nil, err
		}
		m.clusters = append(m.clusters, append(head, text...))
	}
	return m, nil
}

// trees are the texts of all trees of a cluster.
func trees(c *forecast.Cluster) []byte {
	var text []byte
	add := func(h *forecast.Head) {
		if h.Trees != nil {
			text = append(text, h.Trees.Text()...)
		}
	}
	add(&c.Mean)
	add(&c.Median)
	for i := range c.Later {
		add(&c.Later[i].Median)
	}
	return text
}

// id tells the models of a side apart; "" is none.
func (m *models) id(k forecast.Key) string {
	f, ok := m.side.Models.Forecast.Function(k)
	switch {
	case !ok:
		return ""
	case f.Class == forecast.Trees:
		return fmt.Sprintf("%s %d", f.Class, f.Cluster)
	}
	return string(f.Class)
}

// content is all that forecasts a function, nil where it is not known.
func (m *models) content(k forecast.Key) ([]byte, error) {
	f, ok := m.side.Models.Forecast.Function(k)
	if !ok {
		return nil, nil
	}
	var model []byte
	if f.Class == forecast.Trees {
		model = m.clusters[f.Cluster]
	}
	f.Cluster = 0
	of := struct {
		Function  forecast.Function
		Component any
	}{f, m.side.Models.Forecast.Prophet[k]}
	own, err := json.Marshal(of)
	return append(own, model...), err
}

func (m *models) model(k forecast.Key) *Model {
	f, ok := m.side.Models.Forecast.Function(k)
	if !ok {
		return nil
	}
	out := &Model{Class: f.Class}
	if f.Class != forecast.Trees {
		return out
	}
	c := m.side.Models.Forecast.Clusters[f.Cluster]
	out.Bytes = len(trees(&c))
	for name, v := range m.side.Bundle.Manifest().Metrics {
		if head, ok := strings.CutPrefix(name, scorePrefix(c)); ok {
			if out.Scores == nil {
				out.Scores = map[string]float64{}
			}
			out.Scores[head] = v
		}
	}
	return out
}

// environments asks both bundles what dispatches at the centre of every environment that
// either has learned.
func environments(a, b Side) []Environment {
	out := []Environment{}
	for _, of := range []struct {
		name string
		side Side
	}{{"a", a}, {"b", b}} {
		c := of.side.Models.Clusters
		for _, centroid := range c.Centroids {
			v := make([]float64, len(centroid))
			e := Environment{Of: of.name, Values: map[string]float64{}}
			for j := range v {
				v[j] = c.Mean[j] + centroid[j]*c.Std[j]
				e.Values[c.Columns[j]] = v[j]
			}
			x, y := at(a.Models.Clusters, v), at(b.Models.Clusters, v)
			e.A, e.B = word(x), word(y)
			if e.A != e.B || x.Agent != "" && !sameNetwork(a, x.Agent, b, y.Agent) {
				out = append(out, e)
			}
		}
	}
	return out
}

// at is what c dispatches with in an environment that stays.
func at(c *agent.Clusters, v []float64) agent.Choice {
	if k, d := c.Nearest(v); k != decide.None && d <= c.Radius[k] {
		return c.Choices[k]
	}
	return c.Global
}

func word(c agent.Choice) string {
	if c.Agent != "" {
		return "agent"
	}
	return "rule " + c.Rule
}

func sameNetwork(a Side, x string, b Side, y string) bool {
	old, err := a.Bundle.File(x)
	now, err2 := b.Bundle.File(y)
	return err == nil && err2 == nil && bytes.Equal(old, now)
}
