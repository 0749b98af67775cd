package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets/formats"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/study"
)

// values says what a flag or an argument can be. The shell shows what is below one that it
// knows nothing of, files, where it returns nil.
type values func(cmd *cobra.Command) []string

// completeValues has the shell know what flags and arguments can be: what the store and the
// registry hold, and the names of what is built in.
func (a *app) completeValues(root *cobra.Command) {
	flags := map[string]values{
		"trace": a.storedTraces, "on": a.storedTraces, "alias": a.aliases, "bundle": a.bundleNames, "policy": policyNames,
		"sharing":    list("ps", "fifo", "srpt", "sfs", "alps"),
		"log-level":  list("debug", "info", "warn", "error"),
		"log-format": list("text", "json"),
	}
	arguments := map[string][]values{
		"ingest": {list(formats.Names()...)}, "traces": {a.storedTraces}, "reproduce": {studyNames},
		"config show": {configKeys},
		"bundle show": {a.bundleNames}, "bundle verify": {a.bundleNames}, "bundle promote": {a.bundleNames},
		"bundle sign": {a.bundleNames}, "bundle provenance": {a.bundleNames}, "bundle diff": {a.bundleNames, a.bundleNames}, "bundle override": {a.aliases},
	}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for name, v := range flags {
			// Those of the root are registered once, with it.
			if c.Flags().Lookup(name) != nil && (c == root || c.LocalNonPersistentFlags().Lookup(name) != nil) {
				_ = c.RegisterFlagCompletionFunc(name, v.flag) // it fails for a flag that is not there
			}
		}
		if v, ok := arguments[strings.TrimPrefix(c.CommandPath(), root.Name()+" ")]; ok {
			c.ValidArgsFunction = func(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
				if len(given) >= len(v) {
					return nil, cobra.ShellCompDirectiveDefault
				}
				return v[len(given)].flag(cmd, given, begun)
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(root)
}

// flag is what cobra calls.
func (v values) flag(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, name := range v(cmd) {
		if strings.HasPrefix(name, begun) && !strings.ContainsAny(name, " \t\n") {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return nil, cobra.ShellCompDirectiveDefault // a file, perhaps
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

func list(names ...string) values { return func(*cobra.Command) []string { return names } }

// storedTraces are the names of the traces of the store.
func (a *app) storedTraces(cmd *cobra.Command) []string {
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return nil // the command itself says what is wrong
	}
	store, err := parquet.Open(cfg.Store)
	if err != nil {
		return nil
	}
	names, err := store.Names()
	if err != nil {
		return nil
	}
	return names
}

// aliases are those of the registry.
func (a *app) aliases(cmd *cobra.Command) []string {
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return nil
	}
	all, err := bundle.NewRegistry(cfg.RegistryDir()).Aliases()
	if err != nil {
		return nil
	}
	var out []string
	for name := range all {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// bundleNames are the aliases and the first digits of the digests of the registry.
func (a *app) bundleNames(cmd *cobra.Command) []string {
	out := a.aliases(cmd)
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return out
	}
	all, err := bundle.NewRegistry(cfg.RegistryDir()).List()
	if err != nil {
		return out
	}
	for _, b := range all {
		out = append(out, b.Digest[:12])
	}
	return out
}

func policyNames(*cobra.Command) []string {
	out := []string{allPolicies, listPolicies}
	for _, p := range policyEntries() {
		if p.Kind == "" {
			out = append(out, p.Name)
		}
	}
	return out
}

func studyNames(*cobra.Command) []string {
	var out []string
	for _, s := range study.All() {
		out = append(out, s.Name)
	}
	return out
}

func configKeys(*cobra.Command) []string { return keysInOrder() }
