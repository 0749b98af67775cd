package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/pipelines"
)

// readers are the formats that ingest knows.
var readers = map[string]func(path string, cfg pipelines.Config, workers int) (datasets.Input, error){
	azure2019.Format: func(path string, cfg pipelines.Config, workers int) (datasets.Input, error) {
		return azure2019.Open(path, azure2019.Options{Seed: cfg.Seed, Workers: workers})
	},
}

func formats() string {
	var names []string
	for n := range readers {
		names = append(names, n)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

func (a *app) ingestCommand() *cobra.Command {
	var name string
	var replace bool
	c := &cobra.Command{
		Use:   "ingest FORMAT PATH --name NAME",
		Short: "Read a trace into the store",
		Long: `Read the files of a public trace into the Parquet store.

FORMAT is one of: ` + formats() + `.
The same files again are no work; new days are appended; other content under the name
of a stored trace is refused, unless --replace. A row that cannot be used goes to
quarantine.jsonl with its file, line and reason; above --quarantine-limit of the rows
nothing is stored and the exit code is 5.`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			if name == "" {
				return usage(fmt.Errorf("--name is missing: what shall the trace be called in the store?"))
			}
			open, ok := readers[arg[0]]
			if !ok {
				return usage(fmt.Errorf("format %q: must be one of %s", arg[0], formats()))
			}
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			o := parquet.IngestOptions{Name: name, Replace: replace, QuarantineLimit: cfg.QuarantineLimit}
			if err := o.Validate(); err != nil {
				return usage(err)
			}
			env, err := a.env(cfg)
			if err != nil {
				return err
			}
			store, err := parquet.Open(cfg.Store)
			if err != nil {
				return err
			}
			in, err := open(arg[1], cfg, env.Workers)
			if err != nil {
				return err
			}
			bar := env.Progress.Begin("ingest", 0)
			d, changed, err := store.Ingest(cmd.Context(), in, o)
			bar.End()
			if err != nil {
				return err
			}
			if a.json {
				return a.print(d)
			}
			if !changed {
				fmt.Fprintln(a.out, "nothing to do: the store has these files")
			}
			describe(a.out, d)
			return nil
		},
	}
	commonFlags(c.Flags(), "store", "seed", "workers")
	c.Flags().StringVar(&name, "name", "", "`name` of the trace in the store")
	c.Flags().BoolVar(&replace, "replace", false, "replace a stored trace of this name")
	c.Flags().Float64("quarantine-limit", 0.01, "share of rows that may be rejected")
	return c
}
