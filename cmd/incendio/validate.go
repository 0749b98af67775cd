package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/forecast"
)

// scene is what the commands that judge have in common: a trace, a window of it and,
// if one was asked for, a bundle.
type scene struct {
	cfg      pipelines.Config
	env      pipelines.Env
	trace    *datasets.Trace
	splits   datasets.Splits
	window   datasets.Window
	registry *bundle.Registry
	subject  *pipelines.Subject // nil without a bundle
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
	if ref, _ := f.GetString("bundle"); ref != "" {
		if s.subject, err = pipelines.OpenReference(s.registry, ref); err != nil {
			return nil, err
		}
		fallback = datasets.TestWindow
	}
	name, _ := f.GetString("window")
	if name == "" {
		name = fallback
	}
	s.splits = datasets.Split(s.trace.Span)
	if s.window, err = s.splits.Named(name); err != nil {
		return nil, usage(err)
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
			champion, err := pipelines.OpenReference(s.registry, bundle.ChampionRef)
			if err != nil && !errors.Is(err, bundle.ErrNotFound) {
				return err
			}
			v := pipelines.Validator{Trace: s.trace, Window: s.window, Config: s.cfg, Env: s.env}
			if v.Baseline, err = pipelines.TrainBaseline(cmd.Context(), s.trace, s.splits, s.cfg, s.env); err != nil {
				return err
			}
			out, err := v.Validate(cmd.Context(), s.subject, champion)
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
	commonFlags(c.Flags(), "store", "registry", "trace", "seed", "workers", "cluster")
	windowFlags(c.Flags(), true)
	return c
}

func (a *app) printValidation(v *pipelines.Validation) error {
	if err := a.printScores(v.BacktestReport); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	if err := a.printPolicies(v.Simulation); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "rule\tvalue\tbound\tchampion\tholds")
	for _, r := range v.Rules {
		champion := "-"
		if r.Champion != nil {
			champion = fmt.Sprintf("%.5g", *r.Champion)
		}
		fmt.Fprintf(w, "%s\t%.5g\t%.5g\t%s\t%v\n", r.Rule, r.Value, r.Bound, champion, r.OK)
	}
	fmt.Fprintf(w, "\n%s: %s\n", v.Verdict, v.Reason)
	return w.Flush()
}

func (a *app) printScores(r *forecast.BacktestReport) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "forecast\tscope\tWAPE\tMASE\tpinball 0.9\tcoverage 90 %\t")
	for _, m := range r.Models {
		fmt.Fprintf(w, "%s\t%s\t%.4f\t%.4f\t%.4f\t%.3f\t\n", m.Name, m.Scope, m.WAPE, m.MASE, m.Pinball["0.9"], m.Coverage90)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, n := range r.Notes {
		fmt.Fprintf(a.out, "- %s\n", n)
	}
	return nil
}

func (a *app) printPolicies(r *sim.Report) error {
	fmt.Fprintf(a.out, "%s in minutes %v of %s,\non %s x %g cores x %d MB, load %.2f\n", count(r.Requests, "request"), r.Window, r.Trace,
		count(r.Cluster.Invokers, "invoker"), r.Cluster.Cores, r.Cluster.MemoryMB, r.Load)
	w := tabwriter.NewWriter(a.out, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "policy\twarm\tcold\tdelayed\tdrop\tmean ms\tp50\tp99\tspeed\tidle GBh\tRUM\t")
	for _, p := range r.Policies {
		if p.Kind == sim.KindBound {
			fmt.Fprintf(w, "%s\t\t\t\t\t%s\t\t\t%.3f\t\t\t\n", p.Name, ms(p.Latency.Mean), p.SpeedupVsNative)
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%.3f\t%.4g\t%.0f\t\n", p.Name, p.Warm, p.Cold, p.DelayedWarm, p.Dropped,
			ms(p.Latency.Mean), ms(p.Latency.P50), ms(p.Latency.P99), p.SpeedupVsNative, p.WastedGBS/3600, p.RUM)
	}
	return w.Flush()
}

// ms is a latency with as many digits as say something.
func ms(x float64) string {
	if x >= 1000 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

func (a *app) simulateCommand() *cobra.Command {
	var policies []string
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Replay a trace under policies",
		Long:  "Replay a trace under policies.\n\n" + policyHelp(),
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.scene(cmd.Context(), cmd.Flags(), datasets.AllWindow)
			if err != nil {
				return err
			}
			if err := distinct(policies); err != nil {
				return usage(err)
			}
			rows, err := pipelines.Policies(cmd.Context(), policies, s.cfg, s.window, s.subject)
			if err != nil {
				return usage(err)
			}
			bar := s.env.Progress.Begin("simulate", 0)
			rep, err := sim.Compare(cmd.Context(), s.trace, rows, pipelines.SimulationOptions(s.cfg, s.window), s.env.Workers)
			bar.End()
			if err != nil {
				return err
			}
			if a.json {
				return a.print(rep)
			}
			return a.printPolicies(rep)
		},
	}
	commonFlags(c.Flags(), "store", "registry", "trace", "seed", "workers", "cluster")
	windowFlags(c.Flags(), false)
	c.Flags().StringSliceVar(&policies, "policy", []string{allPolicies}, "policies to replay under, with parameters as in native:keep_alive_s=60; or all")
	return c
}

// distinct refuses a list of policies that is empty or names one twice.
func distinct(policies []string) error {
	if len(policies) == 0 {
		return errors.New("--policy names no policy")
	}
	for i, p := range policies {
		switch {
		case p == allPolicies && len(policies) > 1:
			return fmt.Errorf("--policy %s: %s stands alone", strings.Join(policies, ","), p)
		case slices.Contains(policies[:i], p):
			return fmt.Errorf("--policy %s: %s stands there twice", strings.Join(policies, ","), p)
		}
	}
	return nil
}

// allPolicies stands for every policy that can run.
const allPolicies = "all"

func policyHelp() string {
	var b strings.Builder
	b.WriteString("Policies:\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range scheduler.Baselines() {
		source := r.Source
		if r.Reconstruction {
			source += " (reconstruction)"
		}
		fmt.Fprintf(w, "  %s\t%s\n", r.Name, source)
		for _, p := range r.Parameters {
			fmt.Fprintf(w, "    :%s=%g\t%s\n", p.Name, p.Default, p.Doc)
		}
	}
	fmt.Fprintf(w, "  %s\tthe models of --bundle\n", scheduler.IncendioName)
	fmt.Fprintf(w, "  %s\tproved, not simulated: no policy has a smaller mean\n", sim.LowerBound)
	_ = w.Flush() // a strings.Builder takes all
	return b.String()
}

func (a *app) backtestCommand() *cobra.Command {
	cutoffs := 3
	c := &cobra.Command{
		Use:   "backtest",
		Short: "Train and judge forecasters at rolling origins, ours beside the baselines",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.scene(cmd.Context(), cmd.Flags(), datasets.TestWindow)
			if err != nil {
				return err
			}
			o := forecast.BacktestOptions{Train: s.cfg.Forecast, Cutoffs: cutoffs}
			o.Train.Seed, o.Train.Workers = s.cfg.Seed, s.env.Workers
			if err := o.Validate(); err != nil {
				return usage(err)
			}
			holidays, err := s.cfg.Calendar()
			if err != nil {
				return usage(err)
			}
			bar := s.env.Progress.Begin("backtest", 0)
			rep, err := forecast.Backtest(cmd.Context(), s.trace, s.window, holidays, o, recorder{bar})
			bar.End()
			if err != nil {
				return err
			}
			if a.json {
				return a.print(rep)
			}
			return a.printScores(rep)
		},
	}
	commonFlags(c.Flags(), "store", "trace", "seed", "workers")
	c.Flags().String("window", "", "part of the trace to forecast: train, valid, test or all (default: test)")
	c.Flags().IntVar(&cutoffs, "cutoffs", cutoffs, "rolling origins")
	return c
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
