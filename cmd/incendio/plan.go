package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/pipelines"
)

func (a *app) planCommand() *cobra.Command {
	var explain bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "What a run would do, and what it would take, without running it",
		Long: `Say which stages a run would go through: "run" where an input, an option or the code is
not what it was, "perhaps" where a stage before it will run and may make what it made,
"up to date" else. In a folder that is new the reasons compare with the newest run beside
it. Times are those of the last time.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			asOf, err := asOfFlag(cmd.Flags())
			if err != nil {
				return err
			}
			env, err := a.env(cfg)
			if err != nil {
				return err
			}
			p, err := pipelines.MakePlan(cmd.Context(), cfg, asOf, env)
			if err != nil {
				return err
			}
			if a.json {
				return a.print(p)
			}
			for _, s := range p.Stages {
				took := ""
				if s.TookS > 0 {
					took = fmt.Sprintf("%.1f s", s.TookS)
				}
				fmt.Fprintf(a.out, "%-10s %-10s %9s\n", s.Name, s.State, took)
				if explain {
					for _, w := range s.Why {
						fmt.Fprintf(a.out, "%10s - %s\n", "", printable(w))
					}
				}
			}
			if p.CostS > 0 {
				fmt.Fprintf(a.out, "at most about %.0f s by last time's figures\n", p.CostS)
			}
			if p.Folder != "" {
				fmt.Fprintf(a.out, "run folder: %s\n", p.Folder)
			}
			return nil
		},
	}
	commonFlags(c.Flags(), "store", "registry", "trace", "out", "seed", "workers", "cluster", "alias")
	c.Flags().String("as-of", "", "use only what happened before this `time` (RFC 3339)")
	c.Flags().BoolVar(&explain, "explain", false, "say why: which input, option or code is not what it was")
	return c
}
