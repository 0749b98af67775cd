package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic/tiled"
)

// tiles is what the flags of synth --layout tiled say.
type tiles struct {
	shapes, total, name string
	replace             bool
}

func (t *tiles) flags(f *pflag.FlagSet) {
	f.StringVar(&t.shapes, "shapes", "", "`trace` of the store with a whole day of every function (tiled)")
	f.StringVar(&t.total, "total", "", "`trace` of the store whose sum over functions the days follow (tiled)")
	f.StringVar(&t.name, "name", "", "`name` of the new trace in the store (tiled)")
	f.BoolVar(&t.replace, "replace", false, "replace a stored trace of this name (tiled)")
}

// A tiling is what synth --layout tiled --json prints.
type tiling struct {
	parquet.Description
	Label   string        `json:"label"`
	Shapes  string        `json:"shapes"`
	Total   string        `json:"total"`
	Scale   float64       `json:"scale"` // of the total
	Options tiled.Options `json:"options"`
	Notes   []string      `json:"notes"`
}

// synthTiled stores a semi-synthetic trace.
func (a *app) synthTiled(cmd *cobra.Command, s *synthesisFlags) error {
	for _, flag := range []string{"shapes", "total", "days", "name"} {
		if !cmd.Flags().Changed(flag) {
			return usage(fmt.Errorf("--%s is missing: layout %s needs --shapes, --total, --days and --name", flag, s.layout))
		}
	}
	if s.tiles.name == s.tiles.shapes || s.tiles.name == s.tiles.total {
		return usage(fmt.Errorf("--name %q: must not be one of the traces it is made of", s.tiles.name))
	}
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return err
	}
	o := tiled.Options{Days: s.days, Seed: cfg.Seed}
	into := parquet.IngestOptions{Name: s.tiles.name, Replace: s.tiles.replace, QuarantineLimit: cfg.QuarantineLimit}
	if err := errors.Join(o.Validate(), into.Validate()); err != nil {
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
	shapes, err := store.Trace(cmd.Context(), s.tiles.shapes)
	if err != nil {
		return fmt.Errorf("--shapes: %w", err)
	}
	total, err := store.Trace(cmd.Context(), s.tiles.total)
	if err != nil {
		return fmt.Errorf("--total: %w", err)
	}
	bar := env.Progress.Begin("synth", 0)
	in, err := tiled.New(cmd.Context(), shapes, total, o)
	if err != nil {
		bar.End()
		return err
	}
	d, changed, err := store.Ingest(cmd.Context(), in, into)
	bar.End()
	if err != nil {
		return err
	}
	if a.json {
		return a.print(tiling{
			Description: d, Label: datasets.Label(d.Format), Shapes: shapes.Name, Total: total.Name,
			Scale: in.Scale(), Options: o, Notes: d.Notes,
		})
	}
	if !changed {
		fmt.Fprintln(a.out, "nothing to do: the store has this trace")
	}
	describe(a.out, d)
	fmt.Fprintf(a.out, "  %s\n", d.Notes[0])
	return nil
}
