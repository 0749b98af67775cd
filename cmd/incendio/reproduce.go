package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/study"
)

// studiesFolder is where studies are written, each into a folder of its name.
const studiesFolder = "incendio-studies"

func (a *app) reproduceCommand() *cobra.Command {
	var list bool
	var out string
	var seeds int
	c := &cobra.Command{
		Use:   "reproduce --list | NAME",
		Short: "Repeat a study of a paper: a table and figures, with the paper's claim beside ours",
		Long: `Repeat a study of a paper in simulation: a table, figures as SVG, and what the paper claims
beside what comes out here, with a sentence on why they differ.

Without --trace a study makes its own workload from the seed, so that it works anywhere.
Rows that run a bundle are there with --bundle, which incendio run makes.

Studies:
` + studyTable("  "),
		Example: `  incendio reproduce fig6
  incendio reproduce table2 --bundle champion
  incendio reproduce fig2 --trace production --out figures`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			switch {
			case list && len(names) > 0:
				return usage(fmt.Errorf("--list stands without the name of a study, got %q", names[0]))
			case list && a.json:
				return a.print(map[string]any{"studies": study.All()})
			case list:
				_, err := fmt.Fprint(a.out, studyTable(""))
				return err
			case len(names) == 0:
				return usage(errors.New("which study? incendio reproduce --list names them"))
			}
			s, err := study.Named(names[0])
			if err != nil {
				return usage(err)
			}
			if out == "" {
				out = filepath.Join(studiesFolder, s.Name)
			}
			return a.reproduce(cmd, s, out, seeds)
		},
	}
	c.Flags().BoolVar(&list, "list", false, "list the studies")
	c.Flags().StringVar(&out, "out", "", "`folder` for the figures, the result as JSON and a page in Markdown (default "+studiesFolder+"/NAME)")
	c.Flags().IntVar(&seeds, "seeds", 1, "how many seeds, from --seed on; figures then have 95 % intervals")
	commonFlags(c.Flags(), "store", "registry", "trace", "seed", "workers", "cluster")
	windowFlags(c.Flags(), false)
	return c
}

// studyTable has a line for each study.
func studyTable(indent string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range study.All() {
		takes := ""
		if len(s.Takes) > 0 {
			takes = " (takes --" + strings.Join(s.Takes, ", --") + ")"
		}
		fmt.Fprintf(w, "%s%s\t%s\t%s%s\n", indent, s.Name, s.Title, s.Source, takes)
	}
	_ = w.Flush() // a strings.Builder takes all
	return b.String()
}

func (a *app) reproduce(cmd *cobra.Command, s study.Study, out string, seeds int) error {
	set, err := a.studySetting(cmd, s, seeds, out)
	if err != nil {
		return err
	}
	if err := set.Validate(); err != nil {
		return usage(err)
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	env, err := a.env(set.Config)
	if err != nil {
		return err
	}
	bar := env.Progress.Begin("reproduce "+s.Name, 0)
	res, err := s.Run(cmd.Context(), set)
	bar.End()
	if err != nil {
		return err
	}
	if err := writeFigures(out, res.Figures); err != nil {
		return err
	}
	if err := writeWhole(filepath.Join(out, s.Name+".md"), res.Markdown()); err != nil {
		return err
	}
	data, err := jsonOf(res)
	if err != nil {
		return err
	}
	if err := writeWhole(filepath.Join(out, s.Name+".json"), data); err != nil {
		return err
	}
	if a.json {
		_, err := a.out.Write(data)
		return err
	}
	return a.printStudy(res, out)
}

// studySetting reads the trace and the bundle that the flags name, where the study takes
// them.
func (a *app) studySetting(cmd *cobra.Command, s study.Study, seeds int, out string) (study.Input, error) {
	f := cmd.Flags()
	takes := map[string]bool{}
	for _, t := range s.Takes {
		takes[t] = true
	}
	for _, name := range []string{"trace", "bundle"} {
		if f.Changed(name) && !takes[name] {
			return study.Input{}, usage(fmt.Errorf("study %s takes no --%s: it makes its own workload", s.Name, name))
		}
	}
	set := study.Input{Seeds: seeds, Now: time.Now, Keep: filepath.Join(out, "kept")}
	if f.Changed("trace") {
		sc, err := a.scene(cmd.Context(), f, datasets.AllWindow)
		if err != nil {
			return set, missingTrace(err, f.Lookup("trace").Value.String(), s)
		}
		set.Config, set.Trace, set.Window, set.Subject = sc.cfg, sc.trace, sc.window, sc.subject
	} else {
		cfg, err := a.config(f)
		if err != nil {
			return set, err
		}
		set.Config = cfg
		if ref, _ := f.GetString("bundle"); ref != "" {
			log, err := a.logger()
			if err != nil {
				return set, err
			}
			p, err := cfg.Trust.Policy(time.Now(), log)
			if err != nil {
				return set, err
			}
			if set.Subject, err = replay.OpenReference(bundle.NewRegistry(cfg.RegistryDir()), ref, p); err != nil {
				return set, err
			}
		}
	}
	env, err := a.env(set.Config)
	set.Seed, set.Workers = set.Config.Seed, env.Workers
	return set, err
}

// missingTrace adds to an error about a trace that the store lacks how to make one.
func missingTrace(err error, name string, s study.Study) error {
	if !errors.Is(err, parquet.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%w\nmake it, for instance with\n  incendio synth --layout azure2019 --functions 400 --days 2 --busiest 200000 --out trace-files\n  incendio ingest azure2019 trace-files --name %s\n"+
		"or leave --trace out: %s then makes its own workload", err, name, s.Name)
}

func (a *app) printStudy(r *study.Result, out string) error {
	fmt.Fprintf(a.out, "%s\n%s; seed %d", r.Title, r.Source, r.Seed)
	if r.Seeds > 1 {
		fmt.Fprintf(a.out, " to %d, [95 %% intervals]", r.Seed+uint64(r.Seeds)-1)
	}
	fmt.Fprint(a.out, "\n\n")
	for _, s := range r.Setup {
		fmt.Fprintln(a.out, s)
	}
	for _, t := range append(append([]study.Table(nil), r.Tables...), r.Timing...) {
		fmt.Fprintln(a.out)
		if err := t.Text(a.out); err != nil {
			return err
		}
	}
	for _, c := range r.Claims {
		fmt.Fprintf(a.out, "\n%s\n  paper: %s\n  here:  %s\n  why:   %s\n", c.What, c.Paper, c.Ours, c.Why)
	}
	if len(r.LeftOut) > 0 {
		fmt.Fprintln(a.out)
	}
	for _, l := range r.LeftOut {
		fmt.Fprintf(a.out, "left out: %s\n", l)
	}
	fmt.Fprintf(a.out, "\n%s with %s.md, %s.json", out, r.Study, r.Study)
	for _, name := range r.Files {
		fmt.Fprintf(a.out, ", %s", name)
	}
	_, err := fmt.Fprintln(a.out)
	return err
}
