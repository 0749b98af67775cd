package provenance

import (
	"fmt"
	"math"
	"strings"

	"github.com/incendio-faas/incendio/export/bundle"
)

const mediaTypeCycloneDX = "application/vnd.cyclonedx+json"

// The part of CycloneDX 1.6 (ECMA-424) that is written; names are those of its JSON schema.
// There is neither a serial number nor a time stamp, both of which may be left out.
type bom struct {
	Format       string       `json:"bomFormat"`
	Version      string       `json:"specVersion"`
	Edition      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	Text       string     `json:"description,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	PURL       string     `json:"purl,omitempty"`
	Card       *modelCard `json:"modelCard,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type modelCard struct {
	Parameters struct {
		Task     string `json:"task"`
		Datasets []ref  `json:"datasets"`
	} `json:"modelParameters"`
	Analysis struct {
		Metrics []performance `json:"performanceMetrics"`
	} `json:"quantitativeAnalysis"`
	Considerations struct {
		Limits []string `json:"technicalLimitations,omitempty"`
	} `json:"considerations"`
}

type ref struct {
	Ref string `json:"ref"`
}

type performance struct {
	Type     string    `json:"type"`
	Value    string    `json:"value"`
	Slice    string    `json:"slice"`
	Interval *interval `json:"confidenceInterval,omitempty"`
}

type interval struct {
	Low  string `json:"lowerBound"`
	High string `json:"upperBound"`
}

type dependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn,omitempty"`
}

// materials is the bill of the bundle: the model with its card depends on its data and on
// the program, and the program on its modules and Go's library. The build information has
// no graph of the modules, so all hang on the program.
func (r *Run) materials(b *bundle.Bundle) *bom {
	m := b.Manifest()
	model := component{
		Type: "machine-learning-model", Ref: "bundle:" + b.Digest(), Name: "incendio bundle", Version: m.BundleVersion,
		Text:   "Forecasts of arrivals and decisions of a scheduler of serverless functions",
		Hashes: []hash{{"SHA-256", b.Digest()}}, Card: r.modelCard(),
		Properties: []property{
			{"incendio:verdict", r.Card.Verdict}, {"incendio:reason", r.Card.Reason}, {"incendio:run", r.ID},
			{"incendio:manifest", bundle.ManifestName + " has the digest of this component, and those of all files"},
		},
	}
	if r.Card.Champion != "" {
		model.Properties = append(model.Properties, property{"incendio:compared_with", r.Card.Champion})
	}
	top := dependency{Ref: model.Ref}
	out := &bom{Format: "CycloneDX", Version: "1.6", Edition: 1, Metadata: metadata{model}}
	for _, t := range r.Data {
		c := component{
			Type: "data", Ref: dataRef(t), Name: t.Name, Text: t.Description,
			Hashes: []hash{{"SHA-256", strings.TrimPrefix(t.Digest, "sha256:")}},
			Properties: []property{
				{"incendio:format", t.Format}, {"incendio:functions", fmt.Sprint(t.Functions)}, {"incendio:invocations", fmt.Sprint(t.Invocations)},
			},
		}
		out.Components = append(out.Components, c)
		out.Dependencies = append(out.Dependencies, dependency{Ref: c.Ref})
		top.On = append(top.On, c.Ref)
	}
	program := component{Type: "application", Name: r.Build.Main.Path, Version: r.Program, PURL: purl(r.Build.Main.Path, "v"+r.Program)}
	program.Ref = program.PURL
	if revision, _ := revisionOf(r.Build); revision != "" {
		program.Properties = append(program.Properties, property{"incendio:vcs.revision", revision})
	}
	top.On = append(top.On, program.Ref)
	uses := dependency{Ref: program.Ref}
	libraries := []component{{Type: "library", Name: "std", Version: strings.TrimPrefix(r.Build.GoVersion, "go"), PURL: purl("std", strings.TrimPrefix(r.Build.GoVersion, "go"))}}
	for _, module := range r.Build.Deps {
		path, version, digest := resolved(module)
		c := component{Type: "library", Name: path, Version: version, PURL: purl(path, version)}
		if digest != "" {
			c.Hashes = []hash{{"SHA-256", digest}} // of go.sum, over the module's files
		}
		libraries = append(libraries, c)
	}
	out.Components = append(out.Components, program)
	for i := range libraries {
		libraries[i].Ref = libraries[i].PURL
		uses.On = append(uses.On, libraries[i].Ref)
	}
	out.Components = append(out.Components, libraries...)
	out.Dependencies = append(out.Dependencies, top, uses)
	for _, l := range libraries {
		out.Dependencies = append(out.Dependencies, dependency{Ref: l.Ref})
	}
	return out
}

func dataRef(t Data) string { return "trace:" + t.Name }

// modelCard has the figures that the gates judged by, and the data and limits.
func (r *Run) modelCard() *modelCard {
	c := &modelCard{}
	c.Parameters.Task = "time series forecasting, scheduling"
	c.Parameters.Datasets, c.Analysis.Metrics = []ref{}, []performance{}
	for _, t := range r.Data {
		c.Parameters.Datasets = append(c.Parameters.Datasets, ref{dataRef(t)})
	}
	for _, rule := range r.Card.Rules {
		c.Analysis.Metrics = append(c.Analysis.Metrics, performance{Type: rule.Rule, Value: figure(rule.Value), Slice: r.Card.Judged})
	}
	for _, q := range r.Card.Ratios {
		if math.IsNaN(q.Value) {
			continue
		}
		c.Analysis.Metrics = append(c.Analysis.Metrics, performance{
			Type: "error over that of " + q.Other, Value: figure(q.Value), Slice: r.Card.Judged + "; " + q.Scope, Interval: &interval{figure(q.Low), figure(q.High)},
		})
	}
	c.Considerations.Limits = r.Card.Limits
	return c
}
