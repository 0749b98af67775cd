package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/incendio-faas/incendio/datasets/invocations"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// An exclusion says beside what flags have no effect. A flag that somebody gave and that
// does nothing is an error: what comes out would not be what was asked for. Not meant
// are flags that only say where things lie, how many workers there are or how messages
// look, keys of the configuration and variables, all of which hold for many commands.
type exclusion struct {
	command string // without the name of the program
	flags   []string
	unless  string // what the flags need, or what makes them idle
	idle    func(f *pflag.FlagSet) bool
}

// general are the flags that are never excluded.
var general = []string{"config", "json", "log-level", "log-format", "progress", "memory-limit", "help", "version", "store", "registry", "workers"}

var exclusions = []exclusion{
	{"decompose", []string{"cap", "floor"}, "without --growth logistic", not("growth", string(prophet.Logistic))},
	{"decompose", []string{"changepoint", "changepoints", "changepoint-range", "changepoint-prior-scale"}, "with --growth flat", is("growth", string(prophet.Flat))},
	{"decompose", []string{"changepoints", "changepoint-range"}, "beside --changepoint", changed("changepoint")},
	{"decompose", []string{"changepoint-range", "changepoint-prior-scale"}, "with --changepoints 0", both(is("changepoints", "0"), unchanged("changepoint"))},
	{"decompose", []string{"interval-width", "seed"}, "with --samples 0", is("samples", "0")},
	{"decompose", []string{"seasonality-prior-scale"}, "with --no-yearly, --no-weekly and --no-daily, and no --seasonality", noSeasonality},
	{"decompose", []string{"holidays-prior-scale"}, "without --holidays, --country or --regressor", unchanged("holidays", "country", "regressor")},
	{"decompose", []string{"mode"}, "where no seasonality, holiday or regressor is asked for", both(noSeasonality, unchanged("holidays", "country", "regressor"))},
	{"decompose", []string{"no-yearly"}, "beside a --seasonality of that name", ownSeasonality("yearly")},
	{"decompose", []string{"no-weekly"}, "beside a --seasonality of that name", ownSeasonality("weekly")},
	{"decompose", []string{"no-daily"}, "beside a --seasonality of that name", ownSeasonality("daily")},

	{"simulate", nil, "with --policy " + listPolicies, is("policy", "["+listPolicies+"]")},
	{"simulate", []string{"start-ms"}, "without --start-cost constant, per-mb or lognormal", not("start-cost", sim.ConstantCost, sim.PerMBCost, sim.LogNormalCost)},
	{"simulate", []string{"start-ms-per-mb"}, "without --start-cost per-mb or lognormal", not("start-cost", sim.PerMBCost, sim.LogNormalCost)},
	{"simulate", []string{"start-sigma"}, "without --start-cost lognormal", not("start-cost", sim.LogNormalCost)},
	{"simulate", []string{"memento-speedup"}, "without --start-cost memento", not("start-cost", sim.MementoCost)},
	{"simulate", []string{"termination-share"}, "with --start-cost trace or memento", is("start-cost", sim.TraceCost, sim.MementoCost)},
	{"simulate", []string{"allow-seen"}, "without --bundle", unchanged("bundle")},
	{"simulate", []string{"tables"}, "without --json", unchanged("json")},
	{"simulate", []string{"invokers"}, "beside --sweep invokers", sweeps("invokers")},
	{"simulate", []string{"cores"}, "beside --sweep cores", sweeps("cores")},
	{"simulate", []string{"memory-mb"}, "beside --sweep memory", sweeps("memory")},
	{"simulate", []string{"start-limit"}, "beside --sweep start-limit", sweeps("start-limit")},
	{"simulate", []string{"concurrency"}, "beside --sweep concurrency", sweeps("concurrency")},
	{"simulate", []string{"timeout"}, "beside --sweep timeout", sweeps("timeout")},
	{"simulate", []string{"scale-arrivals"}, "beside --sweep scale or load", sweeps("scale", "load")},
	{"simulate", []string{"chain-cold", "fuse", "bundle-stages"}, "without --chains", unchanged("chains")},

	{"bundle diff", append([]string{"seed"}, clusterFlags...), "without --on", unchanged("on")},

	{"plan", []string{"explain"}, "with --json, which says it anyway", changed("json")},

	{"backtest", []string{"window"}, "beside --cutoff", changed("cutoff")},
	{"backtest", []string{"cutoffs"}, "beside --cutoff or --refit", func(f *pflag.FlagSet) bool { return f.Changed("cutoff") || f.Changed("refit") }},

	{"reproduce", nil, "with --list", changed("list")},
	{"reproduce", []string{"window", "allow-seen"}, "without --trace", unchanged("trace")},

	{"tune", []string{"trials"}, "without --policy", unchanged("policy")},
	{"tune", []string{"out", "as-of", "deadline"}, "with --policy, which writes nothing", changed("policy")},

	{"traces export", []string{"seed"}, "without --layout " + invocations.Format, not("layout", invocations.Format)},
}

// checkExclusions refuses the first flag of the command that does nothing.
func checkExclusions(cmd *cobra.Command) error {
	_, name, _ := strings.Cut(cmd.CommandPath(), " ")
	f := cmd.Flags()
	var err error
	f.Visit(func(given *pflag.Flag) {
		for _, e := range exclusions {
			if err != nil || e.command != name || slices.Contains(general, given.Name) || !e.idle(f) {
				continue
			}
			if e.flags == nil && !strings.Contains(e.unless, "--"+given.Name) || slices.Contains(e.flags, given.Name) {
				err = usage(fmt.Errorf("--%s has no effect %s", given.Name, e.unless))
			}
		}
	})
	return err
}

// is reports whether a flag has one of these values.
func is(name string, values ...string) func(*pflag.FlagSet) bool {
	return func(f *pflag.FlagSet) bool { return slices.Contains(values, f.Lookup(name).Value.String()) }
}

// not reports whether a flag has none of these values.
func not(name string, values ...string) func(*pflag.FlagSet) bool {
	return func(f *pflag.FlagSet) bool { return !is(name, values...)(f) }
}

// changed reports whether a flag was given.
func changed(name string) func(*pflag.FlagSet) bool {
	return func(f *pflag.FlagSet) bool { return f.Changed(name) }
}

// unchanged reports whether none of the flags was given.
func unchanged(names ...string) func(*pflag.FlagSet) bool {
	return func(f *pflag.FlagSet) bool { return !slices.ContainsFunc(names, f.Changed) }
}

func both(a, b func(*pflag.FlagSet) bool) func(*pflag.FlagSet) bool {
	return func(f *pflag.FlagSet) bool { return a(f) && b(f) }
}

// noSeasonality reports whether decompose has no seasonality, whatever the file holds.
func noSeasonality(f *pflag.FlagSet) bool {
	return is("no-yearly", "true")(f) && is("no-weekly", "true")(f) && is("no-daily", "true")(f) && !f.Changed("seasonality")
}

// ownSeasonality reports whether one's own stands in for a seasonality.
func ownSeasonality(name string) func(*pflag.FlagSet) bool {
	return func(f *pflag.FlagSet) bool {
		all, _ := f.GetStringArray("seasonality")
		return slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, name+":") })
	}
}

// sweeps reports whether simulate compares at several values of one of the parameters.
func sweeps(parameters ...string) func(*pflag.FlagSet) bool {
	return func(f *pflag.FlagSet) bool {
		text, _ := f.GetString("sweep")
		name, _, _ := strings.Cut(text, "=")
		return slices.Contains(parameters, name)
	}
}
