package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines"
)

func (a *app) bundleCommand() *cobra.Command {
	c := &cobra.Command{Use: "bundle", Short: "The registry of bundles", Args: known, RunE: func(*cobra.Command, []string) error {
		return usage(errors.New("bundle needs a command: list, show, verify, diff, promote, rollback or history"))
	}}
	sub := func(use, short string, n int, do func(cmd *cobra.Command, r *bundle.Registry, arg []string) error) *cobra.Command {
		s := &cobra.Command{
			Use: use, Short: short, Args: args(cobra.ExactArgs(n)),
			RunE: func(cmd *cobra.Command, arg []string) error {
				cfg, err := a.config(cmd.Flags())
				if err != nil {
					return err
				}
				return do(cmd, bundle.NewRegistry(cfg.RegistryDir()), arg)
			},
		}
		commonFlags(s.Flags(), "store", "registry")
		c.AddCommand(s)
		return s
	}
	sub("list", "The bundles of the registry", 0, a.bundleList)
	sub("show BUNDLE", "The manifest of a bundle: a directory, alias or digest", 1, a.bundleShow)
	sub("verify BUNDLE", "Check every byte of a bundle and replay its golden cases", 1, a.bundleVerify)
	sub("diff A B", "What differs between two bundles", 2, a.bundleDiff)
	promote := sub("promote BUNDLE", "Make a bundle the champion", 1, a.bundlePromote)
	promote.Flags().String("reason", "by hand", "for the journal")
	rollback := sub("rollback", "Make the previous champion the champion again", 0, a.bundleRollback)
	rollback.Flags().String("reason", "by hand", "for the journal")
	sub("history", "The journal of the registry", 0, a.bundleHistory)
	return c
}

func (a *app) bundleList(_ *cobra.Command, r *bundle.Registry, _ []string) error {
	list, err := r.List()
	if err != nil {
		return err
	}
	if a.json {
		if list == nil {
			list = []bundle.Record{}
		}
		return a.print(map[string]any{"bundles": list})
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, b := range list {
		mark := ""
		if b.Champion {
			mark = "champion"
		}
		fmt.Fprintf(w, "%.12s\t%s\t%s\n", b.Digest, b.Imported, strings.TrimSpace(mark+" "+b.Problem))
	}
	return w.Flush()
}

func (a *app) bundleShow(_ *cobra.Command, r *bundle.Registry, arg []string) error {
	b, err := r.Open(arg[0], bundle.Policy{})
	if err != nil {
		return err
	}
	if a.json {
		return a.print(map[string]any{"digest": b.Digest(), "manifest": b.Manifest()})
	}
	card, err := b.File(pipelines.CardFile)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s\n%s\n", b.Digest(), card)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, f := range b.Manifest().Files {
		fmt.Fprintf(w, "%s\t%d bytes\t%s\n", f.Name, f.Size, f.MediaType)
	}
	return w.Flush()
}

func (a *app) bundleVerify(_ *cobra.Command, r *bundle.Registry, arg []string) error {
	s, err := pipelines.OpenReference(r, arg[0])
	if err != nil {
		return err
	}
	b := s.Bundle
	if a.json {
		return a.print(map[string]any{"bundle": arg[0], "digest": b.Digest(), "files": len(b.Manifest().Files), "ok": true})
	}
	fmt.Fprintf(a.out, "%s: %d files and the golden cases are as exported\n", b.Digest(), len(b.Manifest().Files))
	return nil
}

func (a *app) bundleDiff(_ *cobra.Command, r *bundle.Registry, arg []string) error {
	var two [2]*bundle.Bundle
	for i := range two {
		var err error
		if two[i], err = r.Open(arg[i], bundle.Policy{}); err != nil {
			return err
		}
	}
	d, err := bundle.Diff(two[0], two[1])
	if err != nil {
		return err
	}
	if a.json {
		return a.print(d)
	}
	if d.Equal() {
		fmt.Fprintln(a.out, "nothing differs")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, part := range []struct {
		word  string
		names []string
	}{{"added", d.Added}, {"removed", d.Removed}, {"changed", d.Changed}} {
		for _, n := range part.names {
			fmt.Fprintf(w, "%s\t%s\n", part.word, n)
		}
	}
	for _, v := range d.Values {
		fmt.Fprintf(w, "value\t%s\t%s -> %s\n", v.Key, absent(v.Old), absent(v.New))
	}
	return w.Flush()
}

// absent shows a value of a manifest, or that there is none.
func absent(v json.RawMessage) string {
	if len(v) == 0 {
		return "(none)"
	}
	return string(v)
}

func (a *app) bundlePromote(cmd *cobra.Command, r *bundle.Registry, arg []string) error {
	reason, _ := cmd.Flags().GetString("reason")
	s, err := pipelines.OpenReference(r, arg[0])
	if err != nil {
		return err
	}
	b := s.Bundle
	now := time.Now()
	if err := r.Add(b, reason, now); err != nil {
		return err
	}
	if err := r.Promote(b.Digest(), reason, now); err != nil {
		return err
	}
	return a.champion(b.Digest())
}

func (a *app) bundleRollback(cmd *cobra.Command, r *bundle.Registry, _ []string) error {
	reason, _ := cmd.Flags().GetString("reason")
	digest, err := r.Rollback(reason, time.Now())
	if err != nil {
		return err
	}
	return a.champion(digest)
}

func (a *app) champion(digest string) error {
	if a.json {
		return a.print(map[string]string{"champion": digest})
	}
	fmt.Fprintf(a.out, "champion: %s\n", digest)
	return nil
}

func (a *app) bundleHistory(_ *cobra.Command, r *bundle.Registry, _ []string) error {
	h, err := r.History()
	if err != nil {
		return err
	}
	if a.json {
		if h == nil {
			h = []bundle.Entry{}
		}
		return a.print(map[string]any{"history": h})
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, e := range h {
		fmt.Fprintf(w, "%d\t%s\t%s\t%.12s\t%s\n", e.Seq, e.Time, e.Action, e.Digest, e.Reason)
	}
	return w.Flush()
}
