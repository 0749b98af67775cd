package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/export/provenance"
)

// bundleProvenance prints what lies beside a bundle, after it was checked.
func (a *app) bundleProvenance(cmd *cobra.Command, r *shelf, arg []string) error {
	keys, _ := cmd.Flags().GetStringArray("key")
	p, err := a.policy(r, keys...)
	if err != nil {
		return err
	}
	dir, err := r.Resolve(arg[0])
	if err != nil {
		return err
	}
	b, err := r.Open(arg[0], p)
	if err != nil {
		return err
	}
	report, err := provenance.Read(dir, b, p.Keys...)
	if err != nil {
		return err
	}
	folder := bundle.AttestationFile(dir, "")
	if a.json {
		out := map[string]any{
			"digest": b.Digest(), "folder": folder, "build_type": report.BuildType, "builder": report.Builder, "versions": report.Versions,
			"run": report.Invocation, "dependencies": report.Dependencies, "card": report.Card,
		}
		if report.SignedBy != nil {
			out["signed_by"] = report.SignedBy.Hint()
		}
		return a.print(out)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(w, "%s\t%s\n", name, printable(value)) }
	row("bundle", b.Digest())
	row("files", folder)
	row("builder", report.Builder)
	for _, name := range slices.Sorted(maps.Keys(report.Versions)) {
		row(name, report.Versions[name])
	}
	row("run", report.Invocation)
	modules := 0
	for _, d := range report.Dependencies {
		if strings.HasPrefix(d.Name, "pkg:") {
			modules++
			continue
		}
		row("from", strings.TrimSpace(d.Name+" "+d.Digest["sha256"]+d.Digest["gitCommit"]))
	}
	row("", count(modules, "module")+", in "+provenance.MaterialsFile)
	signed := "not checked: name a --key"
	if report.SignedBy != nil {
		signed = "by the key " + report.SignedBy.Hint()
	}
	row("signed", signed)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\n%s", printableText(report.Card))
	return nil
}
