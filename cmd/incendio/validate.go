package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/steps/validate"
	"github.com/incendio-faas/incendio/train/forecast"
)

// scene is what the commands that judge have in common: a trace, a window of it and,
// if one was asked for, a bundle.
type scene struct {
	cfg        pipelines.Config
	env        pipelines.Env
	trace      *datasets.Trace
	splits     datasets.Splits
	window     datasets.Window
	windowName string
	registry   *bundle.Registry
	policy     bundle.Policy   // for what is opened of it
	subject    *replay.Subject // nil without a bundle
	flattered  string          // says that it has seen minutes of the window; "" if not
}

// scene reads the trace and the bundle that the flags name.
func (a *app) scene(ctx context.Context, f *pflag.FlagSet, fallback string) (*scene, error) {
	cfg, err := a.config(f)
	if err != nil {
		return nil, err
	}
	s := &scene{cfg: cfg}
	if s.env, err = a.env(cfg); err != nil {
		return nil, err
	}
	if s.trace, err = pipelines.Trace(ctx, cfg); err != nil {
		return nil, err
	}
	s.registry = bundle.NewRegistry(cfg.RegistryDir())
	if s.policy, err = cfg.Trust.Policy(time.Now(), s.env.Log); err != nil {
		return nil, err
	}
	if ref, _ := f.GetString("bundle"); ref != "" {
		if s.subject, err = replay.OpenReference(s.registry, ref, s.policy); err != nil {
			return nil, err
		}
		fallback = datasets.TestWindow
	}
	name, _ := f.GetString("window")
	if name == "" {
		name = fallback
	}
	s.windowName = name
	if s.splits, err = cfg.Windows.Cut(s.trace, time.Time{}); err != nil {
		return nil, err
	}
	if s.window, err = s.splits.Named(name); err != nil {
		return nil, usage(err)
	}
	if s.subject == nil {
		return s, nil
	}
	if s.flattered = s.subject.Flattered(s.trace, s.window); s.flattered != "" {
		if ok, _ := f.GetBool("allow-seen"); !ok {
			return nil, usage(fmt.Errorf("%s; --allow-seen goes on all the same", s.flattered))
		}
		s.env.Log.Warn(s.flattered)
	}
	return s, nil
}

func windowFlags(f *pflag.FlagSet, needed bool) {
	word := "`directory`, alias or digest of a bundle"
	if needed {
		word += " (default: the champion)"
		f.String("bundle", "champion", word)
	} else {
		f.String("bundle", "", word)
	}
	commonFlags(f, trustFlags...)
	f.Bool("allow-seen", false, "judge a bundle also on minutes that it was learned on, and say so")
	f.String("window", "", "part of the trace: train, valid, test or all (default: test with a bundle, else all)")
}

func (a *app) validateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "validate",
		Short: "Judge a bundle on minutes that it has not seen: forecasts, scheduling, gates, verdict",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.scene(cmd.Context(), cmd.Flags(), datasets.TestWindow)
			if err != nil {
				return err
			}
			champion, err := replay.OpenReference(s.registry, s.cfg.Release.Alias, s.policy)
			if err != nil && !errors.Is(err, bundle.ErrNotFound) {
				return err
			}
			judge := validate.Validator{
				Trace: s.trace, Splits: s.splits, Window: s.window,
				Forecast: s.cfg.Forecast, Simulation: s.cfg.Simulation, Gates: s.cfg.Gates, Seed: s.cfg.Seed,
				Workers: s.env.Workers, Progress: s.env.Progress,
			}
			out, err := judge.Validate(cmd.Context(), s.subject, champion)
			if err != nil {
				return err
			}
			if a.json {
				err = a.print(out)
			} else {
				err = a.printValidation(out)
			}
			if err == nil && out.Verdict == bundle.Refused {
				err = fmt.Errorf("%w: %s", pipelines.ErrRefused, out.Reason)
			}
			return err
		},
	}
	commonFlags(c.Flags(), "store", "registry", "trace", "seed", "workers", "cluster", "alias")
	windowFlags(c.Flags(), true)
	return c
}

func (a *app) printValidation(v *validate.Validation) error {
	if err := a.printScores(v.BacktestReport); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	if err := a.printPolicies(v.Simulation); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	if err := printRules(a.out, v.Rules); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.out, "\n%s: %s\n", v.Verdict, v.Reason)
	return err
}

func (a *app) printScores(r *forecast.BacktestReport) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "forecast\tscope\tahead\tWAPE\tMASE\tpinball 0.9\tcoverage 90 %\t")
	for _, m := range r.Models {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.4f\t%.4f\t%.4f\t%.3f\t\n", m.Name, m.Scope, m.Horizon, m.WAPE, m.MASE, m.Pinball["0.9"], m.Coverage90)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range r.Comparisons {
		fmt.Fprintf(a.out, "- %s, %d ahead: %s has %.3f times the error of %s (95 %%: %.3f to %.3f): %s\n", c.Scope, c.Horizon, forecast.Incendio, float64(c.Ratio), c.Other, float64(c.CI95[0]), float64(c.CI95[1]), c.Result)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(a.out, "- %s\n", n)
	}
	return nil
}

func (a *app) reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report RUN",
		Short: "Make the HTML report of a run folder again",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, arg []string) error {
			if _, err := os.Stat(arg[0]); err != nil {
				return err
			}
			page, err := pipelines.WriteReport(arg[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.print(map[string]string{"report": page})
			}
			fmt.Fprintln(a.out, filepath.Clean(page))
			return nil
		},
	}
}
