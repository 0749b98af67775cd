package main

import (
	"cmp"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/pipelines/health"
)

func (a *app) statusCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Where things stand: the trace, the last night, the champion, what to do next", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			s, err := health.Read(cfg, time.Now())
			if err != nil {
				return err
			}
			if a.json {
				return a.print(s)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			if t := s.Trace; t != nil {
				until := ""
				if t.Until != "" {
					until = fmt.Sprintf(", until %s (%s)", t.Until, ago(t.AgeS))
				}
				fmt.Fprintf(w, "trace\t%s: %d functions, %d days%s\n", printable(t.Name), t.Functions, t.Days, until)
			} else {
				fmt.Fprintf(w, "trace\t%s is not in the store %s\n", printable(cfg.Trace), printable(s.Store))
			}
			if n := s.Night; n != nil {
				fmt.Fprintf(w, "last night\t%.12s %s at %s (%s): %s\n", n.Bundle, n.Verdict, n.Time, ago(n.AgeS), printable(n.Reason))
			} else {
				fmt.Fprintln(w, "last night\tnone yet")
			}
			switch c := s.Champion; {
			case c == nil:
				fmt.Fprintf(w, "%s\tnone yet\n", s.Alias)
			case c.Problem != "":
				fmt.Fprintf(w, "%s\t%.12s since %s (%s): %s\n", s.Alias, c.Bundle, c.Since, ago(c.AgeS), printable(c.Problem))
			default:
				fmt.Fprintf(w, "%s\t%.12s since %s (%s), learned %s until %s\n", s.Alias, c.Bundle, c.Since, ago(c.AgeS),
					printable(c.Trace), cmp.Or(c.Until, "a minute without a date"))
				if c.NotAfter != "" {
					fmt.Fprintf(w, "release\tstatement %d, until %s\n", c.Sequence, c.NotAfter)
				}
			}
			fmt.Fprintf(w, "next\t%s\n", s.Next)
			return w.Flush()
		},
	}
	commonFlags(c.Flags(), "store", "registry", "trace", "alias")
	return c
}

func (a *app) doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "Is anything in the way of the next night? Each finding, and what to do", Args: args(cobra.NoArgs),
		Long: `Examine what the next night needs: the configuration, the store and the registry (are they
there, whole, writable, with space on the disk), the trace, the champion and its release
statement, the keys, the clock. --thorough reads every byte of the trace.

The exit code is 0 if there are no failures, else that of the worst one, as in
docs/operations.md. Nothing is changed.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			thorough, _ := cmd.Flags().GetBool("thorough")
			found := health.Examine(cmd.Context(), cfg, version, thorough, time.Now())
			if a.json {
				err = a.print(map[string]any{"findings": found})
			} else {
				w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
				for _, f := range found {
					fmt.Fprintf(w, "%s\t%s\t%s\n", f.State, f.Subject, printable(f.Found))
					if f.Do != "" {
						fmt.Fprintf(w, "\t\t-> %s\n", printable(f.Do))
					}
				}
				err = w.Flush()
			}
			var failed []error
			for _, f := range found {
				if f.Err != nil {
					failed = append(failed, fmt.Errorf("%s: %w", f.Subject, f.Err))
				}
			}
			return errors.Join(err, errors.Join(failed...))
		},
	}
	commonFlags(c.Flags(), "store", "registry", "trace", "alias", "sign-key", "trust-key", "seen")
	c.Flags().Bool("thorough", false, "read every byte of the trace and compare it with its digests")
	return c
}

// ago is a time in seconds before now, in the largest unit that it fills.
func ago(seconds int64) string {
	if seconds < 0 {
		return "to come"
	}
	for _, u := range []struct {
		name string
		of   int64
	}{{"day", 86400}, {"hour", 3600}, {"minute", 60}} {
		if n := seconds / u.of; n == 1 {
			return "1 " + u.name + " ago"
		} else if n > 1 {
			return fmt.Sprintf("%d %ss ago", n, u.name)
		}
	}
	return "just now"
}
