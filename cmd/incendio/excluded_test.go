package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Flags that another flag or mode makes idle are refused; each exclusion is met at least
// once, and each flag of a row.
func TestExclusions(t *testing.T) {
	file := "decompose none.csv "
	met := map[string]bool{}
	for _, tt := range []struct{ args, flag string }{
		{file + "--cap 3", "cap"}, {file + "--floor 3", "floor"}, {file + "--cap 3 --growth flat", "cap"},
		{file + "--growth flat --changepoint 2024-01-01", "changepoint"}, {file + "--growth flat --changepoints 3", "changepoints"},
		{file + "--growth flat --changepoint-range 0.5", "changepoint-range"}, {file + "--growth flat --changepoint-prior-scale 0.5", "changepoint-prior-scale"},
		{file + "--changepoint 2024-01-01 --changepoints 3", "changepoints"}, {file + "--changepoint 2024-01-01 --changepoint-range 0.5", "changepoint-range"},
		{file + "--changepoints 0 --changepoint-range 0.5", "changepoint-range"}, {file + "--changepoints 0 --changepoint-prior-scale 0.5", "changepoint-prior-scale"},
		{file + "--samples 0 --interval-width 0.9", "interval-width"}, {file + "--samples 0 --seed 3", "seed"},
		{file + "--no-yearly --no-weekly --no-daily --seasonality-prior-scale 3", "seasonality-prior-scale"},
		{file + "--holidays-prior-scale 3", "holidays-prior-scale"},
		{file + "--no-yearly --no-weekly --no-daily --mode multiplicative", "mode"},
		{file + "--seasonality yearly:365:3 --no-yearly", "no-yearly"}, {file + "--seasonality weekly:7:3 --no-weekly", "no-weekly"}, {file + "--seasonality daily:1:3 --no-daily", "no-daily"},
		{"simulate --policy list --window all", "window"}, {"simulate --policy list --trace x", "trace"},
		{"simulate --start-ms 3", "start-ms"}, {"simulate --start-cost memento --start-ms 3", "start-ms"}, {"simulate --start-cost constant --start-ms-per-mb 3", "start-ms-per-mb"},
		{"simulate --start-cost per-mb --start-sigma 1", "start-sigma"}, {"simulate --memento-speedup 2", "memento-speedup"}, {"simulate --termination-share 1", "termination-share"},
		{"simulate --tables", "tables"}, {"simulate --allow-seen", "allow-seen"}, {"reproduce fig6 --allow-seen", "allow-seen"},
		{"simulate --sweep invokers=1,2 --invokers 3", "invokers"}, {"simulate --sweep cores=1,2 --cores 3", "cores"}, {"simulate --sweep memory=1000,2000 --memory-mb 3000", "memory-mb"},
		{"simulate --sweep start-limit=1,2 --start-limit 3", "start-limit"}, {"simulate --sweep concurrency=1,2 --concurrency 3", "concurrency"},
		{"simulate --sweep timeout=1,2 --timeout 3s", "timeout"}, {"simulate --sweep scale=1,2 --scale-arrivals 3", "scale-arrivals"}, {"simulate --sweep load=1,2 --scale-arrivals 3", "scale-arrivals"},
		{"simulate --chain-cold 0.5", "chain-cold"}, {"simulate --fuse", "fuse"}, {"simulate --bundle-stages", "bundle-stages"},
		{"bundle diff a b --seed 3", "seed"}, {"bundle diff a b --invokers 3", "invokers"}, {"bundle diff a b --cores 3", "cores"}, {"bundle diff a b --memory-mb 3", "memory-mb"},
		{"bundle diff a b --start-limit 3", "start-limit"}, {"bundle diff a b --start-cpu 3", "start-cpu"}, {"bundle diff a b --sharing sfs", "sharing"},
		{"bundle diff a b --scale-arrivals 3", "scale-arrivals"}, {"bundle diff a b --warmup 3", "warmup"},
		{"plan --json --explain", "explain"},
		{"backtest --cutoff day:2 --window test", "window"}, {"backtest --cutoff day:2 --cutoffs 2", "cutoffs"}, {"backtest --refit 24h --cutoffs 2", "cutoffs"},
		{"reproduce --list --seeds 3", "seeds"}, {"reproduce fig6 --window all", "window"},
		{"tune --trials 3", "trials"}, {"tune --policy native --out x", "out"}, {"tune --policy native --as-of 2024-01-01T00:00:00Z", "as-of"}, {"tune --policy native --deadline 1h", "deadline"},
		{"traces export --layout counts --out x --seed 3", "seed"},
	} {
		var stderr strings.Builder
		t.Chdir(t.TempDir())
		if code := run(strings.Fields(tt.args), io.Discard, &stderr); code != codeUsage || !strings.Contains(stderr.String(), "--"+tt.flag+" has no effect") {
			t.Errorf("%s: exit code %d: %s", tt.args, code, stderr.String())
		}
		met[strings.TrimPrefix(strings.TrimSpace(tt.args[:strings.Index(tt.args+" -", " -")]), "incendio ")+" "+tt.flag] = true
	}
	for _, e := range exclusions {
		for _, flag := range e.flags {
			if !slices.ContainsFunc(slices.Collect(keysOf(met)), func(k string) bool { return strings.HasPrefix(k, e.command) && strings.HasSuffix(k, " "+flag) }) {
				t.Errorf("nothing tests --%s of %s", flag, e.command)
			}
		}
	}
}

func keysOf(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// The same flags are taken where they do something: the file is looked for.
func TestNotExcluded(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range []string{
		"--cap 3 --growth logistic", "--floor 1 --cap 3 --growth logistic", "--changepoint 2024-01-01 --changepoint-prior-scale 1", "--samples 10 --seed 3 --interval-width 0.9",
		"--no-yearly --no-weekly --mode multiplicative", "--no-yearly --no-weekly --no-daily --mode multiplicative --regressor x", "--regressor x --holidays-prior-scale 3",
		"--no-yearly --no-weekly --no-daily --seasonality a:3:2 --seasonality-prior-scale 3", "--freq W", "--changepoint 2024-01-01 --changepoint-prior-scale 1",
	} {
		var stderr strings.Builder
		if code := run(append([]string{"decompose", "none.csv"}, strings.Fields(args)...), io.Discard, &stderr); code != codeNotFound {
			t.Errorf("%s: exit code %d: %s", args, code, stderr.String())
		}
	}
}

// Every flag that an exclusion names, or that is general, is one of some command.
func TestExclusionsName(t *testing.T) {
	root := (&app{out: io.Discard, err: io.Discard}).command()
	known := map[string]*pflag.FlagSet{}
	anywhere := map[string]bool{"help": true, "version": true}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		_, name, _ := strings.Cut(c.CommandPath(), " ")
		known[name] = c.Flags()
		c.Flags().VisitAll(func(f *pflag.Flag) { anywhere[f.Name] = true })
		c.PersistentFlags().VisitAll(func(f *pflag.Flag) { anywhere[f.Name] = true })
		for _, s := range c.Commands() {
			walk(s)
		}
	}
	walk(root)
	for _, e := range exclusions {
		for _, flag := range e.flags {
			if known[e.command] == nil || known[e.command].Lookup(flag) == nil {
				t.Errorf("there is no --%s of %q", flag, e.command)
			}
		}
	}
	for _, flag := range general {
		if !anywhere[flag] {
			t.Errorf("there is no --%s", flag)
		}
	}
}
