package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/export"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/replay"
)

func (a *app) bundleCommand() *cobra.Command {
	c := &cobra.Command{Use: "bundle", Short: "The registry of bundles", Args: known, RunE: func(*cobra.Command, []string) error {
		return usage(errors.New("bundle needs a command: list, show, verify, provenance, diff, promote, rollback, renew, history, keygen, sign, override or gc"))
	}}
	sub := func(use, short string, n int, do func(cmd *cobra.Command, s *shelf, arg []string) error) *cobra.Command {
		s := &cobra.Command{
			Use: use, Short: short, Args: args(cobra.ExactArgs(n)),
			RunE: func(cmd *cobra.Command, arg []string) error {
				cfg, err := a.config(cmd.Flags())
				if err != nil {
					return err
				}
				return do(cmd, &shelf{bundle.NewRegistry(cfg.RegistryDir()), cfg}, arg)
			},
		}
		commonFlags(s.Flags(), "store", "registry")
		c.AddCommand(s)
		return s
	}
	sub("list", "The bundles of the registry", 0, a.bundleList)
	show := sub("show BUNDLE", "The manifest of a bundle: a directory, alias or digest", 1, a.bundleShow)
	verify := sub("verify BUNDLE", "Check every byte of a bundle and replay its golden cases", 1, a.bundleVerify)
	verify.Flags().StringArray("key", nil, "public key `file`: demand a signature by this key, or by another one of those named")
	commonFlags(verify.Flags(), "seen")
	origin := sub("provenance BUNDLE", "Where a bundle comes from, and what it did on minutes that it has not seen", 1, a.bundleProvenance)
	origin.Flags().StringArray("key", nil, "public key `file`: demand that this key, or another one of those named, has signed it")
	diff := sub("diff A B", "What differs between two bundles: figures, functions, models, weights, sizes, configuration", 2, a.bundleDiff)
	commonFlags(diff.Flags(), "on", "seed", "workers", "cluster")
	promote := sub("promote BUNDLE", "Make a bundle the champion, or what another alias stands for", 1, a.bundlePromote)
	rollback := sub("rollback", "Make the previous champion the champion again", 0, a.bundleRollback)
	renew := sub("renew", "Write a new release statement for what an alias stands for", 0, a.bundleRenew)
	for _, c := range []*cobra.Command{promote, rollback, renew} {
		c.Flags().String("reason", "by hand", "for the journal and the release statement")
		c.Flags().String("expect", "", "do it only if the alias stands for this `digest` (or \"none\"); a second try does nothing")
		c.Flags().String("by", "", "who decided, for the release statement")
		commonFlags(c.Flags(), "alias", "sign-key", "valid-for")
	}
	for _, c := range []*cobra.Command{show, origin, diff, promote} {
		commonFlags(c.Flags(), trustFlags...)
	}
	for _, c := range []*cobra.Command{rollback, renew} {
		commonFlags(c.Flags(), "trust-key") // the release that is in force is the one to leave
	}
	history := sub("history", "The journal of the registry", 0, a.bundleHistory)
	history.Flags().Bool("anchor", false, "print the head of the journal, to be kept elsewhere")
	history.Flags().String("verify", "", "prove that nothing was cut or rewritten since this `head` was printed")
	keygen := sub("keygen --out FILE", "A new key that signs: FILE, and FILE.pub with the public half", 0, a.bundleKeygen)
	keygen.Flags().String("out", "", "`file` of the private key")
	keygen.Flags().String("curve", bundle.Curves[0], "P-256, P-384 or P-521")
	sign := sub("sign BUNDLE --key FILE", "Sign a bundle; the signature lies beside it", 1, a.bundleSign)
	sign.Flags().String("key", "", "private key `file`")
	gc := sub("gc", "Remove the bundles that no alias and no rule needs", 0, a.bundleCollect)
	gc.Flags().Int("keep-last", 7, "the most recent `n`")
	gc.Flags().Int("keep-daily", 0, "the last one of each of `n` days")
	gc.Flags().Int("keep-weekly", 0, "the last one of each of `n` weeks")
	gc.Flags().Bool("dry-run", false, "say what would go, and remove nothing")
	override := sub("override ALIAS", "Let a loader take an earlier release of an alias again; stands in its own state", 1, a.bundleOverride)
	commonFlags(override.Flags(), "seen")
	override.Flags().Int("sequence", 0, "the lowest sequence that it shall take")
	override.Flags().String("reason", "", "why, for the state")
	return c
}

// A shelf is what the commands of bundles work on.
type shelf struct {
	*bundle.Registry
	cfg pipelines.Config
}

// policy is what the configuration demands of what is opened, and keys, if there are any,
// in place of its own.
func (a *app) policy(s *shelf, keys ...string) (bundle.Policy, error) {
	log, err := a.logger()
	if err != nil {
		return bundle.Policy{}, err
	}
	t := s.cfg.Trust
	if len(keys) > 0 {
		t.Keys = keys
	}
	return t.Policy(time.Now(), log)
}

func (a *app) bundleList(_ *cobra.Command, r *shelf, _ []string) error {
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
	return writeList(a.out, list, time.Now())
}

// writeList prints a table of bundles, with their age at a time.
func writeList(out io.Writer, list []bundle.Record, at time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BUNDLE\tVERSION\tVERDICT\tTRACE\tCOST S\tINDEX\tSTACK\tAGE\tALIASES")
	for _, b := range list {
		fmt.Fprintf(w, "%.12s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.Digest, printable(orDash(b.BundleVersion)), orDash(b.Verdict), printable(orDash(strings.Join(b.Traces, ", "))),
			metric(b, func(m func(string) float64) float64 { return m("valid/cost_s_per_request") }),
			metric(b, func(m func(string) float64) float64 { return math.Exp(m("valid/index_cost") - m("valid/native_cost")) }),
			metric(b, func(m func(string) float64) float64 { return math.Exp(m("valid/stack_cost") - m("valid/native_cost")) }),
			age(b.Age(at)), printable(strings.TrimSpace(orDash(strings.Join(b.Aliases, ", "))+" "+b.Problem)))
	}
	return w.Flush()
}

// metric is what of comes to with the figures of a manifest, a dash where one is missing.
func metric(b bundle.Record, of func(func(string) float64) float64) string {
	v := of(func(name string) float64 {
		if x, ok := b.Metrics[name]; ok {
			return x
		}
		return math.NaN()
	})
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	return fmt.Sprintf("%.3f", v)
}

// age is a duration in its largest unit.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", max(0, d)/time.Second)
}

// orDash shows a cell of a table that may be empty.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (a *app) bundleShow(_ *cobra.Command, r *shelf, arg []string) error {
	p, err := a.policy(r)
	if err != nil {
		return err
	}
	b, err := r.Open(arg[0], p)
	if err != nil {
		return err
	}
	if a.json {
		return a.print(map[string]any{"digest": b.Digest(), "manifest": b.Manifest()})
	}
	card, err := b.File(export.CardFile)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s\n%s\n", b.Digest(), printableText(string(card)))
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, f := range b.Manifest().Files {
		fmt.Fprintf(w, "%s\t%d bytes\t%s\n", printable(f.Name), f.Size, printable(f.MediaType))
	}
	return w.Flush()
}

func (a *app) bundleVerify(cmd *cobra.Command, r *shelf, arg []string) error {
	keys, _ := cmd.Flags().GetStringArray("key")
	p, err := a.policy(r, keys...)
	if err != nil {
		return err
	}
	p.Accept = export.CheckONNX
	s, err := replay.OpenReference(r.Registry, arg[0], p)
	if err != nil {
		return err
	}
	b := s.Bundle
	files := len(b.Manifest().Files)
	if a.json {
		out := map[string]any{"bundle": arg[0], "digest": b.Digest(), "files": files, "ok": true}
		if k := b.Signer(); k != nil {
			out["signed_by"] = k.Hint()
		}
		return a.print(out)
	}
	fmt.Fprintf(a.out, "%s: %d files and the golden cases are as exported\n", b.Digest(), files)
	if k := b.Signer(); k != nil {
		fmt.Fprintf(a.out, "signed by the key %s\n", k.Hint())
	}
	return nil
}

func (a *app) bundlePromote(cmd *cobra.Command, r *shelf, arg []string) error {
	d, p, err := a.decision(cmd, r)
	if err != nil {
		return err
	}
	s, err := replay.OpenReference(r.Registry, arg[0], p)
	if err != nil {
		return err
	}
	if err := r.Add(s.Bundle, d.Reason, d.At); err != nil {
		return err
	}
	if d.Key != nil { // else loaders that ask for its signature refuse what its statement names
		dir, err := r.Resolve(s.Bundle.Digest())
		if err != nil {
			return err
		}
		if _, err := s.Bundle.WriteSignature(dir, d.Key); err != nil {
			return err
		}
	}
	o, err := r.Promote(s.Bundle.Digest(), d)
	return a.outcome(o, err)
}

func (a *app) bundleRollback(cmd *cobra.Command, r *shelf, _ []string) error {
	d, _, err := a.decision(cmd, r)
	if err != nil {
		return err
	}
	o, err := r.Rollback(d)
	return a.outcome(o, err)
}

func (a *app) bundleRenew(cmd *cobra.Command, r *shelf, _ []string) error {
	d, _, err := a.decision(cmd, r)
	if err != nil {
		return err
	}
	o, err := r.Renew(d)
	return a.outcome(o, err)
}

// decision reads the flags of promote, rollback and renew, and what the configuration
// demands of the bundle.
func (a *app) decision(cmd *cobra.Command, r *shelf) (bundle.Decision, bundle.Policy, error) {
	reason, _ := cmd.Flags().GetString("reason")
	by, _ := cmd.Flags().GetString("by")
	key, err := r.cfg.Release.Key()
	if err != nil {
		return bundle.Decision{}, bundle.Policy{}, err
	}
	d := r.cfg.Release.Decision(reason, by, key, time.Now())
	if d.Expect, _ = cmd.Flags().GetString("expect"); d.Expect != "" && d.Expect != bundle.NoChampion {
		// An alias would be what it is now: whatever it is, and another thing at the second try.
		if strings.Trim(strings.TrimPrefix(d.Expect, "sha256:"), "0123456789abcdef") != "" {
			return d, bundle.Policy{}, usage(fmt.Errorf("--expect %q: expected a digest, its first 8 digits or more, or %s", d.Expect, bundle.NoChampion))
		}
		dir, err := r.Resolve(d.Expect)
		if d.Expect = filepath.Base(dir); err != nil {
			return d, bundle.Policy{}, fmt.Errorf("--expect: %w", err)
		}
	}
	p, err := a.policy(r)
	d.Trusted = p.Keys
	return d, p, err
}

// outcome prints what a decision led to, also where an error says that it holds all the
// same.
func (a *app) outcome(o bundle.Outcome, err error) error {
	if err != nil && !o.Changed {
		return err
	}
	holds := fmt.Sprintf("%s stands for %s", o.Alias, o.Digest)
	return errors.Join(err, a.written(holds, func() (err error) {
		switch {
		case a.json:
			return a.print(map[string]any{"champion": o.Digest, "alias": o.Alias, "before": o.Before, "sequence": o.Sequence, "changed": o.Changed})
		case !o.Changed && o.Before != o.Digest:
			_, err = fmt.Fprintf(a.out, "%s: %s, nothing to do: it was %.12s before and was changed already\n", o.Alias, o.Digest, orDash(o.Before))
		case !o.Changed:
			_, err = fmt.Fprintf(a.out, "%s: %s, nothing to do\n", o.Alias, o.Digest)
		default:
			_, err = fmt.Fprintf(a.out, "%s: %s (before: %.12s; release %d)\n", o.Alias, o.Digest, orDash(o.Before), o.Sequence)
		}
		return err
	}))
}

func (a *app) bundleKeygen(cmd *cobra.Command, _ *shelf, _ []string) error {
	out, _ := cmd.Flags().GetString("out")
	if out == "" {
		return usage(errors.New("keygen needs --out FILE"))
	}
	curve, _ := cmd.Flags().GetString("curve")
	if !slices.Contains(bundle.Curves, curve) {
		return usage(fmt.Errorf("--curve is %q, expected one of %s", curve, strings.Join(bundle.Curves, ", ")))
	}
	k, err := bundle.GenerateKey(curve, rand.Reader)
	if err != nil {
		return err
	}
	p, err := k.Public()
	if err != nil {
		return err
	}
	private, err := k.Encode()
	if err != nil {
		return err
	}
	public, err := p.Encode()
	if err != nil {
		return err
	}
	// The public half first: a private key is never there without it, and no file is
	// written over, since what was signed by a lost key cannot be signed again.
	if err := writeNew(out+".pub", public, 0o666); err != nil {
		return err
	}
	if err := writeNew(out, private, 0o600); err != nil {
		return errors.Join(err, os.Remove(out+".pub"))
	}
	return a.written("the key "+out+" is made", func() error {
		if a.json {
			return a.print(map[string]string{"private": out, "public": out + ".pub", "hint": p.Hint()})
		}
		_, err := fmt.Fprintf(a.out, "%s: private key, for its owner alone\n%s.pub: public key %s\n", out, out, p.Hint())
		return err
	})
}

// writeNew writes a file that must not be there.
func writeNew(name string, data []byte, mode os.FileMode) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

func (a *app) bundleSign(cmd *cobra.Command, r *shelf, arg []string) error {
	name, _ := cmd.Flags().GetString("key")
	if name == "" {
		return usage(errors.New("sign needs --key FILE, a private key"))
	}
	k, err := pipelines.Release{SignKey: name}.Key()
	if err != nil {
		return err
	}
	dir, err := r.Resolve(arg[0])
	if err != nil {
		return err
	}
	b, err := r.Open(arg[0], bundle.Policy{})
	if err != nil {
		return err
	}
	file, err := b.WriteSignature(dir, k)
	if err != nil {
		return err
	}
	return a.written("the bundle "+b.Digest()+" is signed", func() error {
		if a.json {
			return a.print(map[string]string{"digest": b.Digest(), "signature": file})
		}
		_, err := fmt.Fprintf(a.out, "%s: signed, %s\n", b.Digest(), file)
		return err
	})
}

func (a *app) bundleCollect(cmd *cobra.Command, r *shelf, _ []string) error {
	var keep bundle.Retention
	keep.Last, _ = cmd.Flags().GetInt("keep-last")
	keep.Daily, _ = cmd.Flags().GetInt("keep-daily")
	keep.Weekly, _ = cmd.Flags().GetInt("keep-weekly")
	if err := keep.Validate(); err != nil {
		return usage(err)
	}
	dry, _ := cmd.Flags().GetBool("dry-run")
	c, err := r.Collect(keep, dry, time.Now())
	if err != nil {
		return err
	}
	holds := fmt.Sprintf("%d bundles are removed", len(c.Removed))
	if dry {
		holds = "nothing was to be removed"
	}
	return a.written(holds, func() error { return a.printCollection(c) })
}

func (a *app) printCollection(c *bundle.Collection) error {
	if a.json {
		return a.print(c)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, k := range c.Kept {
		fmt.Fprintf(w, "kept\t%.12s\t%s\n", k.Digest, strings.Join(k.Why, ", "))
	}
	word := "removed"
	if c.DryRun {
		word = "would go"
	}
	for _, d := range c.Removed {
		fmt.Fprintf(w, "%s\t%.12s\t\n", word, d)
	}
	return w.Flush()
}

func (a *app) bundleOverride(cmd *cobra.Command, r *shelf, arg []string) error {
	log, err := a.logger()
	if err != nil {
		return err
	}
	file := r.cfg.Trust.Seen
	sequence, _ := cmd.Flags().GetInt("sequence")
	reason, _ := cmd.Flags().GetString("reason")
	if file == "" || sequence < 1 || reason == "" {
		return usage(errors.New("override needs --seen FILE, --sequence N (1 or more) and --reason TEXT"))
	}
	s, err := bundle.OpenSeen(file)
	if err != nil {
		return err
	}
	if err := s.Override(arg[0], sequence, reason, time.Now()); err != nil {
		return err
	}
	log.Warn("release override", "state", file, "alias", arg[0], "sequence", sequence, "reason", reason)
	return a.written("the override stands in "+file, func() error {
		if a.json {
			return a.print(map[string]any{"alias": arg[0], "overrides": s.Overrides()})
		}
		_, err := fmt.Fprintf(a.out, "the loader of %s takes %s from release %d on\n", file, arg[0], sequence)
		return err
	})
}

func (a *app) bundleHistory(cmd *cobra.Command, r *shelf, _ []string) error {
	print, _ := cmd.Flags().GetBool("anchor")
	if head, _ := cmd.Flags().GetString("verify"); head != "" {
		if print {
			return usage(errors.New("--anchor and --verify are two commands"))
		}
		since, err := r.VerifyAnchor(head)
		if err != nil {
			return err
		}
		if a.json {
			return a.print(map[string]any{"anchor": head, "since": since, "ok": true})
		}
		fmt.Fprintf(a.out, "the journal goes on from %.20s…, with %d entries since\n", head, since)
		return nil
	}
	if print {
		head, err := r.Anchor()
		if err != nil {
			return err
		}
		if a.json {
			return a.print(map[string]string{"anchor": head})
		}
		fmt.Fprintln(a.out, head)
		return nil
	}
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
		what := string(e.Action)
		if e.Alias != "" {
			what += " " + e.Alias
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%.12s\t%s\n", e.Seq, e.Time, what, e.Digest, printable(e.Reason))
	}
	return w.Flush()
}
