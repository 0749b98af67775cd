package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/sample"
)

// A sampled trace is what traces sample --json prints.
type sampled struct {
	parquet.Description
	Label     string          `json:"label,omitempty"`
	Of        sampledOf       `json:"of"`
	Strata    int             `json:"strata"`
	Distances []sample.Figure `json:"distances"`
	Distance  float64         `json:"distance"` // that was minimised
	Options   sample.Options  `json:"options"`
}

// A sampledOf is the trace that a sample was taken from.
type sampledOf struct {
	Name        string `json:"name"`
	Digest      string `json:"digest"`
	Functions   int    `json:"functions"`
	Invocations int64  `json:"invocations"`
}

func (a *app) tracesSampleCommand() *cobra.Command {
	o := sample.DefaultOptions(0)
	var name string
	var replace bool
	c := &cobra.Command{
		Use:   "sample --trace NAME --functions K --name SAMPLE",
		Short: "Store a few functions that stand for all of a trace",
		Long: `Draw K functions of a trace and store them as a trace of their own, with the days and the
span of the whole.

Functions are drawn in strata, by the class of their mean rate and by their trigger. Of
--candidates such draws the one is taken whose distributions of invocations, execution
time and memory over the functions are nearest to those of the whole. The table has their
Wasserstein distances, in the units of the figures and on a logarithmic scale; both count.`,
		Example: `  incendio traces sample --trace production --functions 200 --name small
  incendio simulate --trace small --policy native,faascache --window all`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case name == "":
				return usage(fmt.Errorf("--name is missing: what shall the sample be called in the store?"))
			case !cmd.Flags().Changed("functions"):
				return usage(fmt.Errorf("--functions is missing: how many shall the sample have?"))
			}
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			o.Seed = cfg.Seed
			into := parquet.IngestOptions{Name: name, Replace: replace, QuarantineLimit: cfg.QuarantineLimit}
			if err := errors.Join(o.Validate(), into.Validate()); err != nil {
				return usage(err)
			}
			if name == cfg.Trace {
				return usage(fmt.Errorf("--name %q: must not be the trace that is sampled", name))
			}
			env, err := a.env(cfg)
			if err != nil {
				return err
			}
			store, err := parquet.Open(cfg.Store)
			if err != nil {
				return err
			}
			whole, err := store.Trace(cmd.Context(), cfg.Trace)
			if err != nil {
				return err
			}
			if n := len(whole.Functions); o.Functions > n {
				return usage(fmt.Errorf("--functions must be at most the %d of trace %q, got %d", n, whole.Name, o.Functions))
			}
			bar := env.Progress.Begin("sample", 0)
			choice, err := sample.Choose(cmd.Context(), whole, o)
			if err != nil {
				bar.End()
				return err
			}
			d, changed, err := store.Ingest(cmd.Context(), choice.Input(), into)
			bar.End()
			if err != nil {
				return err
			}
			s := sampled{
				Description: d, Label: datasets.Label(d.Format), Strata: choice.Strata, Distances: choice.Figures, Distance: choice.Distance(), Options: o,
				Of: sampledOf{Name: whole.Name, Digest: whole.Digest, Functions: len(whole.Functions), Invocations: choice.Whole},
			}
			if a.json {
				return a.print(s)
			}
			if !changed {
				fmt.Fprintln(a.out, "nothing to do: the store has this sample")
			}
			return a.describeSample(s)
		},
	}
	commonFlags(c.Flags(), "store", "trace", "seed")
	c.Flags().IntVar(&o.Functions, "functions", 0, "`number` of functions in the sample")
	c.Flags().IntVar(&o.Candidates, "candidates", o.Candidates, "`number` of draws from which the nearest is taken")
	c.Flags().StringVar(&name, "name", "", "`name` of the sample in the store")
	c.Flags().BoolVar(&replace, "replace", false, "replace a stored trace of this name")
	return c
}

// describeSample prints what was stored and how far it is from the whole.
func (a *app) describeSample(s sampled) error {
	describe(a.out, s.Description)
	fmt.Fprintf(a.out, "  of %s: %s of %s, %s of %s, by rate and trigger in %s\n\n", labelled(s.Of.Name, s.Label),
		grouped(int64(s.Functions)), count(s.Of.Functions, "function"), grouped(s.Invocations), count(s.Of.Invocations, "invocation"), strata(s.Strata))
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "by function\tmean of all\tof the sample\tdistance\tin powers of ten\t")
	for _, f := range s.Distances {
		fmt.Fprintf(w, "%s %s\t%.4g\t%.4g\t%.4g\t%.4f\t\n", f.Name, f.Unit, f.Whole, f.Sample, f.Wasserstein, f.Log10)
	}
	return w.Flush()
}

func strata(n int) string {
	if n == 1 {
		return "1 stratum"
	}
	return fmt.Sprintf("%d strata", n)
}
