package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/incendio-faas/incendio/pipelines"
)

// runFlags are those of the commands that work in a run folder.
func runFlags(f *pflag.FlagSet) {
	commonFlags(f, "store", "registry", "trace", "out", "seed", "workers", "cluster")
	f.String("as-of", "", "use only what happened before this `time` (RFC 3339)")
	f.Duration("deadline", 0, "give up after this `duration`; 0: no limit")
}

// asOfFlag is the time of --as-of, zero without one.
func asOfFlag(f *pflag.FlagSet) (time.Time, error) {
	s, _ := f.GetString("as-of")
	if s == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return at, usage(fmt.Errorf("--as-of must be a time like 2026-03-09T00:00:00Z, got %q", s))
	}
	return at, nil
}

// open prepares the run that the flags and the configuration describe.
func (a *app) open(ctx context.Context, f *pflag.FlagSet) (*pipelines.Run, context.Context, context.CancelFunc, error) {
	cancel := context.CancelFunc(func() {})
	cfg, err := a.config(f)
	if err != nil {
		return nil, ctx, cancel, err
	}
	asOf, err := asOfFlag(f)
	if err != nil {
		return nil, ctx, cancel, err
	}
	limit, _ := f.GetDuration("deadline")
	switch {
	case limit < 0:
		return nil, ctx, cancel, usage(fmt.Errorf("--deadline must not be negative, got %v", limit))
	case limit > 0:
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	env, err := a.env(cfg)
	if err != nil {
		return nil, ctx, cancel, err
	}
	r, err := pipelines.Open(ctx, cfg, asOf, env)
	return r, ctx, cancel, err
}

func (a *app) runCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "The nightly job: ingest, features, train, tune, export, validate, promote or refuse",
		Long: `Run all stages on a trace of the store and write the report. Stages whose inputs,
options and code are those of an earlier run in the same folder are not run again.
Without configuration and --trace it uses the embedded synthetic trace.

Exit code 0: the candidate is the champion. 4: a gate refused it, the champion stays.
3: it is the champion, but an error or a time limit forced some functions to a
simpler model.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkSuccesses(cmd); err != nil {
				return err
			}
			return a.forgiven(cmd, a.night(cmd))
		},
	}
	runFlags(c.Flags())
	c.Flags().IntSlice("ok", nil, "of the exit `codes` 3 and 4, those for which to exit 0, as cron and Kubernetes want it")
	commonFlags(c.Flags(), "alias", "sign-key", "valid-for")
	commonFlags(c.Flags(), trustFlags...)
	return c
}

// night runs all stages and prints the summary.
func (a *app) night(cmd *cobra.Command) error {
	r, ctx, cancel, err := a.open(cmd.Context(), cmd.Flags())
	defer cancel()
	if err != nil {
		return err
	}
	s, err := r.All(ctx)
	if s == nil {
		return err
	}
	perr := a.written(s.Holds, func() error {
		if a.json {
			return a.print(s)
		}
		_, err := fmt.Fprint(a.out, s.Text)
		return err
	})
	return errors.Join(err, perr)
}

// stageCommand runs the stages up to and including those named last.
func (a *app) stageCommand(use, short string, last string) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short,
		Long: short + `.

Stages before it that are not up to date in the run folder are run first. Commands that
are called one by one share the folder through --out.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, ctx, cancel, err := a.open(cmd.Context(), cmd.Flags())
			defer cancel()
			if err != nil {
				return err
			}
			if err := r.Until(ctx, last); err != nil {
				return err
			}
			if a.json {
				return a.print(r.Progress())
			}
			for _, d := range r.Done {
				state := "done"
				if d.Cached {
					state = "up to date"
				}
				fmt.Fprintf(a.out, "%-10s %-11s %s\n", d.Name, state, d.Summary)
				for _, w := range d.Warnings {
					fmt.Fprintf(a.out, "%22s - %s\n", "", w)
				}
			}
			fmt.Fprintf(a.out, "run folder: %s\n", r.Dir)
			return nil
		},
	}
	runFlags(c.Flags())
	return c
}

func (a *app) featuresCommand() *cobra.Command {
	return a.stageCommand("features", "Decompose every function's arrivals and write the components as Parquet", "features")
}

func (a *app) trainCommand() *cobra.Command {
	return a.stageCommand("train", "Train the forecasters, the agents on the priorities tuned between, and the index", "index")
}

func (a *app) exportCommand() *cobra.Command {
	return a.stageCommand("export", "Write the bundle of a run", "export")
}
