package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines"
)

func (a *app) runsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "runs",
		Short: "The run folders of the store: list, show, compare, prune",
		Long: `Look at what nights left in <store>/runs: verdicts, figures, times. A RUN is the name of a
folder there, or the path of any run folder.`,
	}
	sub := func(use, short string, n int, do func(cmd *cobra.Command, names []string) error) *cobra.Command {
		s := &cobra.Command{Use: use, Short: short, Args: args(cobra.ExactArgs(n)), RunE: do}
		commonFlags(s.Flags(), "store")
		c.AddCommand(s)
		return s
	}
	sub("list", "All runs, the oldest first", 0, a.runsList)
	sub("show RUN", "Every time that a run came to a verdict, and its figures", 1, a.runsShow)
	sub("compare A B", "The figures of two runs, each on its own test part", 2, a.runsCompare)
	prune := sub("prune", "Remove all run folders but the newest; bundles of the registry stay", 0, a.runsPrune)
	prune.Flags().Int("keep", 0, "how many to keep, at least 1; there is no default")
	return c
}

// runsFolder is where the runs of the configuration are.
func (a *app) runsFolder(cmd *cobra.Command) (string, error) {
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(cfg.Store); err != nil {
		return "", fmt.Errorf("store: %w", err)
	}
	return filepath.Join(cfg.Store, "runs"), nil
}

// night is the run that a name stands for.
func night(dir, name string) (*pipelines.Night, error) {
	if filepath.Base(name) == name {
		n, err := pipelines.OpenNight(filepath.Join(dir, name))
		if !errors.Is(err, fs.ErrNotExist) {
			return n, err
		}
	}
	n, err := pipelines.OpenNight(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("run %q came to no verdict, in %s or here: %w", name, dir, fs.ErrNotExist)
	}
	return n, err
}

// A runRow is a run in a list.
type runRow struct {
	Run     string  `json:"run"`
	At      string  `json:"at"`    // of the last record
	Times   int     `json:"times"` // that it came to a verdict
	Trace   string  `json:"trace"`
	Verdict string  `json:"verdict"`
	Result  string  `json:"result,omitempty"` // of the comparison with the champion
	CostS   float64 `json:"cost_s_per_request"`
	MeanMS  float64 `json:"mean_latency_ms"`
	WorkS   float64 `json:"work_s"` // of the stages, each when it ran
	Bytes   int64   `json:"bytes"`
	Bundle  string  `json:"bundle"`
}

func rowOf(n *pipelines.Night) runRow {
	last := n.Last()
	r := runRow{Run: n.Name, At: last.At, Times: len(n.Records), Trace: n.Validation.Trace, Verdict: last.Verdict, WorkS: n.WorkS(), Bytes: n.Bytes, Bundle: last.Bundle}
	if c := n.Validation.Comparison; c != nil {
		r.Result = c.Result
	}
	for _, rule := range n.Validation.Rules {
		switch rule.Rule {
		case "cost_s_per_request":
			r.CostS = rule.Value
		case "mean_latency_ms":
			r.MeanMS = rule.Value
		}
	}
	return r
}

func (a *app) runsList(cmd *cobra.Command, _ []string) error {
	dir, err := a.runsFolder(cmd)
	if err != nil {
		return err
	}
	nights, err := pipelines.Nights(dir)
	if err != nil {
		return err
	}
	rows := []runRow{}
	for _, n := range nights {
		rows = append(rows, rowOf(n))
	}
	if a.json {
		return a.print(map[string]any{"runs": rows})
	}
	return a.printRuns(rows)
}

func (a *app) printRuns(rows []runRow) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "run\tat\ttrace\tverdict\tchampion\tcost s\tmean ms\twork s\tMB\tbundle")
	for _, r := range rows {
		result := r.Result
		if result == "" {
			result = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.4g\t%s\t%.1f\t%.1f\t%.12s\n", printable(r.Run), r.At, printable(r.Trace), r.Verdict, result, r.CostS, ms(r.MeanMS), r.WorkS, float64(r.Bytes)/1e6, r.Bundle)
	}
	return w.Flush()
}

func (a *app) runsShow(cmd *cobra.Command, names []string) error {
	dir, err := a.runsFolder(cmd)
	if err != nil {
		return err
	}
	n, err := night(dir, names[0])
	if err != nil {
		return err
	}
	if a.json {
		return a.print(n)
	}
	if err := a.printRuns([]runRow{rowOf(n)}); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\n%s\n\n", n.Folder)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "at\ttook s\tstages run\tverdict")
	for _, r := range n.Records {
		ran := 0
		for _, s := range r.Stages {
			if !s.Cached {
				ran++
			}
		}
		fmt.Fprintf(w, "%s\t%.1f\t%d of %d\t%s\n", r.At, r.TookS, ran, len(r.Stages), printable(r.Reason))
	}
	fmt.Fprintln(w, "\nstage\tlast took s")
	for _, s := range n.Last().Stages {
		fmt.Fprintf(w, "%s\t%.1f\n", s.Name, s.TookS)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	return printRules(a.out, n.Validation.Rules)
}

// printRules is the table of a verdict.
func printRules(out io.Writer, rules []bundle.Rule) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "rule\tvalue\tbound\tchampion\tholds")
	for _, r := range rules {
		champion := "-"
		if r.Champion != nil {
			champion = fmt.Sprintf("%.5g", *r.Champion)
		}
		fmt.Fprintf(w, "%s\t%.5g\t%.5g\t%s\t%v\n", r.Rule, r.Value, r.Bound, champion, r.OK)
	}
	return w.Flush()
}

// A runFigure is one figure of two runs; null in JSON where one has it not.
type runFigure struct {
	Figure string   `json:"figure"`
	A      *float64 `json:"a"`
	B      *float64 `json:"b"`
}

func (a *app) runsCompare(cmd *cobra.Command, names []string) error {
	dir, err := a.runsFolder(cmd)
	if err != nil {
		return err
	}
	var two [2]*pipelines.Night
	for i, name := range names {
		if two[i], err = night(dir, name); err != nil {
			return err
		}
	}
	var figures []runFigure
	add := func(name string, side int, v float64) {
		i := slices.IndexFunc(figures, func(f runFigure) bool { return f.Figure == name })
		if i < 0 {
			i = len(figures)
			figures = append(figures, runFigure{Figure: name})
		}
		if side == 0 {
			figures[i].A = &v
		} else {
			figures[i].B = &v
		}
	}
	for side, n := range two {
		for _, r := range n.Validation.Rules {
			add(r.Rule, side, r.Value)
		}
	}
	for side, n := range two {
		for _, s := range n.Last().Stages {
			add("took_s."+s.Name, side, s.TookS)
		}
	}
	rows := []runRow{rowOf(two[0]), rowOf(two[1])}
	if a.json {
		return a.print(map[string]any{"a": rows[0], "b": rows[1], "figures": figures})
	}
	if err := a.printRuns(rows); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tA\tB\tB over A")
	for _, f := range figures {
		value := func(v *float64) string {
			if v == nil {
				return "-"
			}
			return fmt.Sprintf("%.5g", *v)
		}
		ratio := "-"
		if f.A != nil && f.B != nil && *f.A != 0 && !math.IsInf(*f.B / *f.A, 0) {
			ratio = fmt.Sprintf("%.3f", *f.B / *f.A)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Figure, value(f.A), value(f.B), ratio)
	}
	return w.Flush()
}

func (a *app) runsPrune(cmd *cobra.Command, _ []string) error {
	keep, err := cmd.Flags().GetInt("keep")
	if err == nil && keep < 1 {
		err = fmt.Errorf("--keep must be at least 1, got %d", keep)
	}
	if err != nil {
		return usage(err)
	}
	dir, err := a.runsFolder(cmd)
	if err != nil {
		return err
	}
	gone, err := pipelines.Prune(dir, keep)
	if err != nil {
		return err
	}
	names, bytes := []string{}, int64(0)
	for _, n := range gone {
		names = append(names, n.Name)
		bytes += n.Bytes
	}
	if a.json {
		return a.print(map[string]any{"removed": names, "bytes": bytes})
	}
	for _, n := range names {
		fmt.Fprintln(a.out, printable(n))
	}
	fmt.Fprintf(a.out, "%s removed, %.1f MB\n", count(int64(len(names)), "run folder"), float64(bytes)/1e6)
	return nil
}
