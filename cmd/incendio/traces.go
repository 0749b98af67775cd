package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// A portrait is what traces --json prints of a trace.
type portrait struct {
	parquet.Description
	Label     string            `json:"label,omitempty"` // of a trace that nobody observed
	ExactDays int               `json:"exact_days"`      // beside the description, where it may be left out
	Digest    string            `json:"digest"`
	Span      datasets.Window   `json:"span"`
	Gaps      []datasets.Window `json:"gaps,omitempty"` // in minutes, as the span
	datasets.Profile
}

func (a *app) tracesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "traces [NAME…]",
		Short: "What the store holds",
		Long: `Describe the traces of the store, or those named: how many functions there are and how
busy, when they are invoked in the course of a day, what was read, and what was rejected.

All counts are read for it. A trace that cannot be read is an error at the end, after the
others were described.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			if _, err := os.Stat(cfg.Store); err != nil { // no store has no traces, and no answer
				return fmt.Errorf("store: %w", err)
			}
			store, err := parquet.Open(cfg.Store)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				if names, err = store.Names(); err != nil {
					return err
				}
			}
			env, err := a.env(cfg)
			if err != nil {
				return err
			}
			all := []portrait{}
			var failed []error
			bar := env.Progress.Begin("traces", len(names))
			for i, n := range names {
				bar.Set(i, n)
				p, err := portrayed(cmd.Context(), store, n)
				if cmd.Context().Err() != nil {
					bar.End()
					return cmd.Context().Err()
				}
				if err != nil {
					failed = append(failed, err)
					continue
				}
				all = append(all, p)
			}
			bar.End()
			if a.json {
				return errors.Join(append(failed, a.print(map[string]any{"traces": all}))...)
			}
			if len(names) == 0 {
				fmt.Fprintf(a.out, "the store %s holds no traces; see incendio ingest --help\n", cfg.Store)
			}
			width := widthOf(a.out)
			for i, p := range all {
				if i > 0 {
					fmt.Fprintln(a.out)
				}
				p.write(a.out, width)
			}
			return errors.Join(failed...)
		},
	}
	commonFlags(c.Flags(), "store")
	c.AddCommand(a.tracesExportCommand(), a.tracesSampleCommand())
	return c
}

// portrayed reads a trace of the store.
func portrayed(ctx context.Context, store *parquet.Store, name string) (portrait, error) {
	d, err := store.Describe(name)
	if err != nil {
		return portrait{}, err
	}
	t, err := store.Trace(ctx, name)
	if err != nil {
		return portrait{}, err
	}
	p, err := t.Profile(ctx)
	if err != nil {
		return portrait{}, fmt.Errorf("trace %q: %w", name, err)
	}
	return portrait{d, t.Label(), d.ExactDays, d.Digest, d.Span, d.Gaps, p}, nil
}

// write prints the description and the pictures.
func (p portrait) write(w io.Writer, width width) {
	describe(w, p.Description)
	from, to := p.time(p.Span.From), p.time(p.Span.To)
	fmt.Fprintf(w, "  span         %s to %s UTC\n", from, to)
	if len(p.Gaps) > 0 {
		fmt.Fprintf(w, "  unobserved   %s\n", clipEnd(p.unobserved(), width.text-15))
	}
	exact := "counts per minute; arrivals are drawn within it"
	if p.ExactDays > 0 {
		exact = fmt.Sprintf("single ones, as observed, on %d of %s", p.ExactDays, count(p.Days, "day"))
	}
	facts := [][2]string{{"invocations", exact}, {"files", sourceNames(p.Files)}, {"digest", p.Digest}}
	if p.Label != "" && len(p.Notes) > 0 {
		facts = append([][2]string{{"not real", p.Notes[0]}}, facts...)
	}
	for _, fact := range facts {
		fmt.Fprintf(w, "  %-11s  %s\n", fact[0], clipEnd(printable(fact[1]), width.text-15))
	}
	fmt.Fprintf(w, "\n%s\n", width.fit(fmt.Sprintf("  %-25s%11s", "functions by mean rate", "functions"), fmt.Sprintf("%8s%18s", "", "invocations")))
	for _, c := range p.Classes {
		if c.Functions > 0 || c.Name != "never" {
			fmt.Fprintln(w, width.fit(
				fmt.Sprintf("    %-23s%11s", c.Name, grouped(int64(c.Functions))), percent(float64(c.Functions), float64(p.Functions)),
				fmt.Sprintf("%18s", grouped(c.Invocations)), percent(float64(c.Invocations), float64(p.Invocations))))
		}
	}
	fmt.Fprintf(w, "\n  invocations per minute by time of day (UTC), mean of %s\n", count(p.Days, "day"))
	for _, line := range skyline(p.Day[:], width.picture) {
		fmt.Fprintf(w, "  %s\n", line)
	}
}

// unobserved says how much of the span nobody observed.
func (p portrait) unobserved() string {
	minutes := 0
	for _, g := range p.Gaps {
		minutes += g.Len()
	}
	return fmt.Sprintf("%.1f of %s, in %s, the first from %s",
		float64(minutes)/datasets.MinutesPerDay, count(p.Days, "day"), count(len(p.Gaps), "gap"), p.time(p.Gaps[0].From))
}

func (p portrait) time(minute int) string {
	return p.Start.Add(time.Duration(minute) * time.Minute).Format("Mon 2006-01-02 15:04")
}

func percent(part, whole float64) string {
	if whole == 0 {
		whole = 1
	}
	return fmt.Sprintf("%6.1f %%", 100*part/whole)
}

// sourceNames names the files that a trace was read from: one, or the first and the last.
func sourceNames(all []datasets.SourceFile) string {
	switch n := len(all); n {
	case 0:
		return "none"
	case 1:
		return printable(all[0].Name)
	default:
		return fmt.Sprintf("%d: %s … %s", n, printable(all[0].Name), printable(all[n-1].Name))
	}
}

// printable replaces what would move the cursor or cannot be seen: names of files come
// from outside.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, name)
}

// printableText is printable for a text of several lines.
func printableText(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}

// describe prints what is known of a trace without reading it.
func describe(w io.Writer, d parquet.Description) {
	fmt.Fprintf(w, "%s (%s): %s, %s, %s from %s\n", printable(d.Name), printable(d.Format), count(d.Functions, "function"),
		count(d.Invocations, "invocation"), count(d.Days, "day"), d.Start.Format(time.DateOnly))
	if d.Quarantined.Rows > 0 {
		fmt.Fprintf(w, "  quarantined rows: %s\n", grouped(d.Quarantined.Rows))
		var reasons []string
		for r := range d.Quarantined.Reasons {
			reasons = append(reasons, r)
		}
		sort.Strings(reasons)
		for _, r := range reasons {
			fmt.Fprintf(w, "    %-24s %s\n", printable(r), grouped(d.Quarantined.Reasons[r]))
		}
	}
}

// labelled is the name of a trace, with what it must be called.
func labelled(name, label string) string {
	if label == "" {
		return name
	}
	return name + " (" + label + ")"
}

// count is a number of things, in words.
func count[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(int64(n)) + " " + thing + "s"
}

// grouped writes a number with a comma between thousands.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
