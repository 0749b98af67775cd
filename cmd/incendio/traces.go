package main

import (
	"fmt"
	"io"
	"sort"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets/parquet"
)

func (a *app) tracesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "traces",
		Short: "What the store holds",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			store, err := parquet.Open(cfg.Store)
			if err != nil {
				return err
			}
			names, err := store.Names()
			if err != nil {
				return err
			}
			all := []parquet.Description{}
			for _, n := range names {
				d, err := store.Describe(n)
				if err != nil {
					return err
				}
				all = append(all, d)
			}
			if a.json {
				return a.print(map[string]any{"traces": all})
			}
			if len(all) == 0 {
				fmt.Fprintf(a.out, "the store %s holds no traces; see incendio ingest --help\n", cfg.Store)
			}
			for _, d := range all {
				describe(a.out, d)
			}
			return nil
		},
	}
	commonFlags(c.Flags(), "store")
	return c
}

func describe(w io.Writer, d parquet.Description) {
	fmt.Fprintf(w, "%s (%s): %s, %s, %s from %s\n", d.Name, d.Format, count(d.Functions, "function"),
		count(d.Invocations, "invocation"), count(d.Days, "day"), d.Start.Format(time.DateOnly))
	if d.Quarantined.Rows > 0 {
		fmt.Fprintf(w, "  quarantined rows: %d\n", d.Quarantined.Rows)
		var reasons []string
		for r := range d.Quarantined.Reasons {
			reasons = append(reasons, r)
		}
		sort.Strings(reasons)
		for _, r := range reasons {
			fmt.Fprintf(w, "    %-24s %d\n", r, d.Quarantined.Reasons[r])
		}
	}
}

// count is a number of things, in words.
func count[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
