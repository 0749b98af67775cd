package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// Words that stand where --policy expects names.
const (
	allPolicies  = "all"  // every policy that can run
	listPolicies = "list" // run none, and say which there are
)

// A policyEntry is a row of `simulate --policy list --json`.
type policyEntry struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	// Reconstruction tells that it was made from a description; Clairvoyant that it knows
	// the future; NeedsBundle that it runs the models of --bundle; Kind "bound" that it is
	// proved and not simulated.
	Reconstruction bool             `json:"reconstruction"`
	Clairvoyant    bool             `json:"clairvoyant"`
	NeedsBundle    bool             `json:"needs_bundle"`
	Kind           string           `json:"kind,omitempty"`
	Parameters     []parameterEntry `json:"parameters"`
}

// A parameterEntry is a parameter of a policy, with its range, both ends included.
type parameterEntry struct {
	Name    string  `json:"name"`
	Doc     string  `json:"doc"`
	Default float64 `json:"default"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
}

// policyEntries are all rows that simulate can have, in the order of its tables.
func policyEntries() []policyEntry {
	var out []policyEntry
	for _, r := range scheduler.Baselines() {
		e := policyEntry{Name: r.Name, Source: r.Source, Reconstruction: r.Reconstruction, Clairvoyant: r.Clairvoyant, Parameters: []parameterEntry{}}
		for _, p := range r.Parameters {
			e.Parameters = append(e.Parameters, parameterEntry{p.Name, p.Doc, p.Default, p.Low, p.High})
		}
		out = append(out, e)
	}
	for _, r := range scheduler.Learned() {
		out = append(out, policyEntry{Name: r.Name, Source: r.Source, NeedsBundle: true, Parameters: []parameterEntry{}})
	}
	return append(out, policyEntry{
		Name: sim.LowerBound, Kind: sim.KindBound, Parameters: []parameterEntry{},
		Source: "proved, not simulated: no policy has a smaller mean",
	})
}

// marks are what a reader should know of a policy beside its source.
func (e policyEntry) marks() string {
	var marks []string
	for _, m := range []struct {
		holds bool
		text  string
	}{{e.Reconstruction, "reconstruction"}, {e.Clairvoyant, "clairvoyant"}, {e.NeedsBundle, "needs --bundle"}} {
		if m.holds {
			marks = append(marks, m.text)
		}
	}
	if len(marks) == 0 {
		return ""
	}
	return " (" + strings.Join(marks, ", ") + ")"
}

// listOfPolicies prints what --policy knows.
func (a *app) listOfPolicies() error {
	if a.json {
		return a.print(map[string]any{"policies": policyEntries()})
	}
	_, err := fmt.Fprint(a.out, policyTable(""))
	return err
}

// policyTable has a line for each policy and one for each parameter, behind an indent.
func policyTable(indent string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, e := range policyEntries() {
		fmt.Fprintf(w, "%s%s\t%s%s\n", indent, e.Name, e.Source, e.marks())
		for _, p := range e.Parameters {
			fmt.Fprintf(w, "%s  :%s=%g\t%s, in [%g, %g]\n", indent, p.Name, p.Default, p.Doc, p.Low, p.High)
		}
	}
	_ = w.Flush() // a strings.Builder takes all
	return b.String()
}

func policyHelp() string { return "Policies:\n" + policyTable("  ") }
