package main

import (
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/invocations"
	"github.com/incendio-faas/incendio/datasets/synthetic/workloads"
)

// A workload is what synth --layout workloads --json prints.
type workload struct {
	Out         string `json:"out"`
	Layout      string `json:"layout"`
	Functions   int    `json:"functions"`
	Invocations int64  `json:"invocations"`
	datasets.Written
	Options  workloads.Options   `json:"options"`
	Profiles []workloads.Profile `json:"profiles"`
}

// workloadSets are the sets of profiles.
func workloadSets() []string {
	var sets []string
	for _, p := range workloads.Profiles() {
		sets = append(sets, p.Set)
	}
	return slices.Compact(sets)
}

// synthWorkloads writes invocations of functions that were measured.
func (a *app) synthWorkloads(cmd *cobra.Command, s *synthesisFlags) error {
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return err
	}
	o := s.workloads
	o.Seed = cfg.Seed
	if err := o.Validate(); err != nil {
		return usage(err)
	}
	env, err := a.env(cfg)
	if err != nil {
		return err
	}
	trace, err := workloads.Stream(o)
	if err != nil {
		return err
	}
	bar := env.Progress.Begin("synth", 0)
	written, err := invocations.Write(cmd.Context(), s.out, trace, o.Seed)
	bar.End()
	if err != nil {
		return err
	}
	w := workload{Out: s.out, Layout: s.layout, Functions: len(trace.Functions), Written: written, Options: o}
	for _, d := range written.Days {
		w.Invocations += d.Invocations
	}
	for _, p := range workloads.Profiles() {
		if slices.Contains(o.Profiles, p.Set) || slices.Contains(o.Profiles, p.Set+"/"+p.Name) {
			w.Profiles = append(w.Profiles, p)
		}
	}
	a.lost(written)
	if a.json {
		return a.print(w)
	}
	fmt.Fprintf(a.out, "%s: %s, %s, %s, in %s\n\n", s.out, count(w.Functions, "function"), count(w.Invocations, "invocation"),
		count(len(w.Days), "day"), filesOf(written))
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  profile\texecution\tinitialisation\ttermination\tmeasured by")
	assumed := false
	for _, p := range w.Profiles {
		mark := ""
		if p.AssumedTermination {
			mark, assumed = " *", true
		}
		fmt.Fprintf(t, "  %s/%s\t%s\t%s\t%s%s\t%s\n", p.Set, p.Name, milliseconds(p.Execution), milliseconds(p.Initialisation), milliseconds(p.Termination), mark, p.Source)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(a.out, "  medians in ms; execution is with a core of its own")
	if assumed {
		fmt.Fprintln(a.out, "  * assumed: 0.6 of initialisation (Incendio, Fig. 4)")
	}
	fmt.Fprintf(a.out, "next: incendio ingest %s %s --name NAME\n", invocations.Format, s.out)
	return nil
}

// milliseconds is the median of a distribution in ms.
func milliseconds(d datasets.Distribution) string {
	return fmt.Sprintf("%.4g", float64(d.Quantile(0.5))/float64(time.Millisecond))
}

// lost says what the files cannot hold.
func (a *app) lost(w datasets.Written) {
	for _, what := range w.Lost {
		fmt.Fprintf(a.err, "not in the files: %s\n", what)
	}
}
