package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/datasets/synthetic/tiled"
	"github.com/incendio-faas/incendio/datasets/synthetic/workloads"
	"github.com/incendio-faas/incendio/pipelines/stage"
)

// A synthesis is what synth --layout azure2019 --json prints.
type synthesis struct {
	Out         string `json:"out"`
	Layout      string `json:"layout"`
	Functions   int    `json:"functions"` // of the trace, on all its days
	Invocations int64  `json:"invocations"`
	datasets.Written
	Options synthetic.Options `json:"options"`
}

// synthesisFlags are what the flags of synth say, for all layouts.
type synthesisFlags struct {
	layout, out              string
	functions, days, busiest int
	start                    int
	workloads                workloads.Options
	tiles                    tiles
}

// syntheses are the layouts of synth, and the flags that each takes beside --layout.
var syntheses = []struct {
	layout string
	flags  []string
	run    func(a *app, cmd *cobra.Command, s *synthesisFlags) error
}{
	{azure2019.Format, []string{"out", "functions", "days", "busiest", "start", "seed"}, (*app).synthAzure},
	{tiled.Format, []string{"shapes", "total", "days", "name", "replace", "store", "seed"}, (*app).synthTiled},
	{workloads.Format, []string{"out", "profiles", "instances", "rate", "duration", "seed"}, (*app).synthWorkloads},
}

func synthLayouts() string {
	var names []string
	for _, s := range syntheses {
		names = append(names, s.layout)
	}
	return strings.Join(names, ", ")
}

func (a *app) synthCommand() *cobra.Command {
	s := synthesisFlags{workloads: workloads.DefaultOptions()}
	c := &cobra.Command{
		Use:   "synth --layout LAYOUT",
		Short: "Make a synthetic or semi-synthetic trace",
		Long: `Generate a trace, to try the program, or another, where no real trace is at hand.

--layout azure2019, the default, has the published statistics of a public cloud, written
as the files of the Azure Functions trace of 2019 at full width: a file of counts and one
of durations a day, and one of memory on the first 12 days. A function that is not invoked
on a day has no row on that day. The shares of invocations are those published, which makes
for a busy trace: 657 million invocations a day for 46412 functions. --busiest limits how
often the busiest application is invoked a day, and draws the others in with it. --start N
writes the days N, N+1, … as files dNN, and leaves the days before them out: the functions
are the same, so that ingest appends them to what it has of the first N-1 days. Functions,
days, holidays and the seed are those of the section synthetic of the configuration where
no flag says otherwise.

--layout workloads has functions that were measured: their execution and start costs, with
Poisson arrivals of --rate a minute, memory of 128, 64 or 32 MB and 1, 0.75 or 0.5 cores at
random, written as the single invocations that ingest takes. --profiles names sets (` + strings.Join(workloadSets(), ", ") + `)
or single profiles (paper/cifar); of each there are --instances functions.

--layout tiled makes several days where the store has one day of every function (--shapes)
and several days of the sum of all (--total): the one day repeated at the level of the
sum, which is scaled so that an average day has as many invocations as the one. It goes
into the store as --name, as a semi-synthetic trace, and is called so in every report.

Equal flags give equal bytes. DIR must be new or empty.`,
		Example: `  incendio synth --layout azure2019 --functions 46412 --days 2 --out trace
  incendio ingest azure2019 trace --name big
  incendio synth --layout workloads --rate 12 --duration 48h --out calls
  incendio ingest invocations calls --name workloads
  incendio synth --layout tiled --shapes one-day --total sum --days 9 --name nine-days`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, y := range syntheses {
				if y.layout == s.layout {
					if err := s.check(cmd.Flags(), y.flags); err != nil {
						return err
					}
					return y.run(a, cmd, &s)
				}
			}
			return usage(fmt.Errorf("--layout %q: must be one of %s", s.layout, synthLayouts()))
		},
	}
	commonFlags(c.Flags(), "seed", "store")
	f := c.Flags()
	f.StringVar(&s.layout, "layout", azure2019.Format, "`layout` of the files: "+synthLayouts())
	f.StringVar(&s.out, "out", "", "new or empty `directory` for the files")
	f.IntVar(&s.functions, "functions", synthetic.DefaultOptions().Functions, "`number` of functions in the trace (azure2019)")
	f.IntVar(&s.days, "days", synthetic.DefaultOptions().Days, "`number` of days (azure2019, tiled)")
	f.IntVar(&s.busiest, "busiest", synthetic.PublishedBusiest, "`number` of invocations a day of the busiest application (azure2019)")
	f.IntVar(&s.start, "start", 1, "first `day` to write, from 1 (azure2019)")
	o := &s.workloads
	f.StringSliceVar(&o.Profiles, "profiles", o.Profiles, "sets of profiles, or single ones (workloads)")
	f.IntVar(&o.Instances, "instances", o.Instances, "`number` of functions of each profile (workloads)")
	f.Float64Var(&o.Rate, "rate", o.Rate, "mean `number` of invocations of a function a minute (workloads)")
	f.DurationVar(&o.Duration, "duration", o.Duration, "of the trace, in whole minutes (workloads)")
	s.tiles.flags(f)
	return c
}

// check refuses flags that say nothing to the layout, and a missing one.
func (s *synthesisFlags) check(f *pflag.FlagSet, known []string) error {
	var err error
	f.Visit(func(set *pflag.Flag) {
		general := []string{"layout", "config", "json", "log-level", "log-format", "progress", "memory-limit"}
		if err == nil && !slices.Contains(known, set.Name) && !slices.Contains(general, set.Name) {
			err = usage(fmt.Errorf("--%s says nothing to layout %s", set.Name, s.layout))
		}
	})
	if err == nil && s.out == "" && slices.Contains(known, "out") {
		err = usage(fmt.Errorf("--out is missing: where shall the files go?"))
	}
	return err
}

// synthAzure writes the synthetic trace in the layout of the Azure trace of 2019.
func (a *app) synthAzure(cmd *cobra.Command, s *synthesisFlags) error {
	if s.start < 1 {
		return usage(fmt.Errorf("--start must be at least 1, got %d", s.start))
	}
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return err
	}
	o := cfg.Synthetic
	if cmd.Flags().Changed("functions") {
		o.Functions = s.functions
	}
	if cmd.Flags().Changed("days") {
		o.Days = s.days
	}
	if cmd.Flags().Changed("seed") {
		o.Seed = cfg.Seed
	}
	o.Busiest = s.busiest
	o.Days += s.start - 1
	if err := o.Validate(); err != nil {
		return usage(err)
	}
	env, err := a.env(cfg)
	if err != nil {
		return err
	}
	trace, err := synthetic.Stream(o)
	if err != nil {
		return err
	}
	bar := env.Progress.Begin("synth", o.Days-s.start+1)
	trace.Source = reporting{trace.Source, bar, s.start - 1}
	w, err := azure2019.Write(cmd.Context(), s.out, trace, s.start-1)
	bar.End()
	if err != nil {
		return err
	}
	y := synthesis{Out: s.out, Layout: s.layout, Written: w, Options: o}
	y.Functions = len(trace.Functions)
	for _, d := range w.Days {
		y.Invocations += d.Invocations
	}
	if a.json {
		return a.print(y)
	}
	a.describeSynthesis(y)
	return nil
}

// A reporting source shows on a bar which day is asked for.
type reporting struct {
	datasets.Source
	bar   stage.Bar
	first int
}

// Day implements [datasets.Source].
func (r reporting) Day(ctx context.Context, day int) (*datasets.Counts, error) {
	r.bar.Set(day-r.first, fmt.Sprintf("d%02d", day+1))
	return r.Source.Day(ctx, day)
}

// describeSynthesis prints what was written, and how it is taken in.
func (a *app) describeSynthesis(s synthesis) {
	fmt.Fprintf(a.out, "%s: %s, %s, %s from day %d, in %s\n", s.Out, count(s.Functions, "function"),
		count(s.Invocations, "invocation"), count(len(s.Days), "day"), s.Days[0].Day, filesOf(s.Written))
	for _, d := range s.Days {
		weekday := synthetic.Start().AddDate(0, 0, d.Day-1).Format("Mon")
		fmt.Fprintf(a.out, "  d%02d %s %8d functions invoked %12d times\n", d.Day, weekday, d.Functions, d.Invocations)
	}
	fmt.Fprintf(a.out, "next: incendio ingest %s %s --name NAME\n", s.Layout, s.Out)
}
