package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/counts"
	"github.com/incendio-faas/incendio/datasets/invocations"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// writers are the layouts in which a trace leaves the store.
var writers = []struct {
	layout string
	write  func(ctx context.Context, dir string, t *datasets.Trace, seed uint64) (datasets.Written, error)
}{
	{azure2019.Format, func(ctx context.Context, dir string, t *datasets.Trace, _ uint64) (datasets.Written, error) {
		return azure2019.Export(ctx, dir, t)
	}},
	{counts.Format, func(ctx context.Context, dir string, t *datasets.Trace, _ uint64) (datasets.Written, error) {
		return counts.Write(ctx, dir, t)
	}},
	{invocations.Format, invocations.Write},
}

func layouts() string {
	var names []string
	for _, w := range writers {
		names = append(names, w.layout)
	}
	return strings.Join(names, ", ")
}

// An exported trace is what traces export --json prints.
type exported struct {
	Trace       string `json:"trace"`
	Digest      string `json:"digest"`
	Layout      string `json:"layout"`
	Out         string `json:"out"`
	Functions   int    `json:"functions"`
	Invocations int64  `json:"invocations"`
	datasets.Written
}

func (a *app) tracesExportCommand() *cobra.Command {
	var layout, out string
	c := &cobra.Command{
		Use:   "export --trace NAME --layout LAYOUT --out DIR",
		Short: "Write a trace of the store as files",
		Long: `Write a trace of the store as files that other programs read, and that ingest reads back.

LAYOUT is one of: ` + layouts() + `.
azure2019 are the files of the Azure Functions trace of 2019; counts and invocations are
those that ingest takes from your own platform, a file of CSV a day.

Where the layout can hold all of the trace, ingest of the files gives a trace of the same
digest. What it cannot hold is said on standard error, and in "lost" of --json. Of days
whose single invocations are not known, invocations are drawn as a simulation with this
--seed does. Memory is that of a day. DIR must be new or empty.`,
		Example: `  incendio traces export --trace real --layout counts --out files
  incendio ingest counts files --name again`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			i := slices.IndexFunc(writers, func(w struct {
				layout string
				write  func(context.Context, string, *datasets.Trace, uint64) (datasets.Written, error)
			}) bool {
				return w.layout == layout
			})
			if i < 0 {
				return usage(fmt.Errorf("--layout %q: must be one of %s", layout, layouts()))
			}
			if out == "" {
				return usage(fmt.Errorf("--out is missing: where shall the files go?"))
			}
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			env, err := a.env(cfg)
			if err != nil {
				return err
			}
			store, err := parquet.Open(cfg.Store)
			if err != nil {
				return err
			}
			trace, err := store.Trace(cmd.Context(), cfg.Trace)
			if err != nil {
				return err
			}
			e := exported{Trace: trace.Name, Digest: trace.Digest, Layout: layout, Out: out, Functions: len(trace.Functions)}
			bar := env.Progress.Begin("export", 0)
			e.Written, err = writers[i].write(cmd.Context(), out, trace, cfg.Seed)
			bar.End()
			if err != nil {
				return err
			}
			for _, d := range e.Days {
				e.Invocations += d.Invocations
			}
			a.lost(e.Written)
			if a.json {
				return a.print(e)
			}
			fmt.Fprintf(a.out, "%s: %s, %s, %s of %s, in %s\n", out, count(e.Functions, "function"), count(e.Invocations, "invocation"),
				count(len(e.Days), "day"), trace.Name, filesOf(e.Written))
			fmt.Fprintf(a.out, "next: incendio ingest %s %s --name NAME\n", layout, out)
			return nil
		},
	}
	commonFlags(c.Flags(), "store", "trace", "seed")
	c.Flags().StringVar(&layout, "layout", "", "`layout` of the files: "+layouts())
	c.Flags().StringVar(&out, "out", "", "new or empty `directory` for the files")
	return c
}

// filesOf is the number of files that were written and their size.
func filesOf(w datasets.Written) string {
	var size int64
	for _, f := range w.Files {
		size += f.Bytes
	}
	return fmt.Sprintf("%s of %.1f MB", count(len(w.Files), "file"), float64(size)/1e6)
}
