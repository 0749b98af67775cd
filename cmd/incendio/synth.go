package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/pipelines"
)

// A synthesis is what synth --json prints.
type synthesis struct {
	Out         string `json:"out"`
	Layout      string `json:"layout"`
	Functions   int    `json:"functions"` // of the trace, on all its days
	Invocations int64  `json:"invocations"`
	datasets.Written
	Options synthetic.Options `json:"options"`
}

func (a *app) synthCommand() *cobra.Command {
	var layout, out string
	var functions, days, start, busiest int
	c := &cobra.Command{
		Use:   "synth --out DIR",
		Short: "Write a synthetic trace as files",
		Long: `Generate a trace with the published statistics of a public cloud and write it as the
files of a public layout, to try the program, or another, where no real trace is at hand.

With --layout azure2019, the only one, DIR gets the files of the Azure Functions trace of
2019 at full width: a file of counts and one of durations a day, and one of memory on the
first 12 days. A function that is not invoked on a day has no row on that day. Equal flags
give equal bytes.

The shares of invocations are those published, which makes for a busy trace: 657 million
invocations a day for 46412 functions. --busiest limits how often the busiest application
is invoked a day, and draws the others in with it.

--start N writes the days N, N+1, … as files dNN, and leaves the days before them out: the
functions are the same, so that ingest appends them to what it has of the first N-1 days.

Functions, days, holidays and the seed are those of the section synthetic of the
configuration where no flag says otherwise. DIR must be new or empty.`,
		Example: `  incendio synth --layout azure2019 --functions 46412 --days 2 --out trace
  incendio ingest azure2019 trace --name big`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if layout != azure2019.Format {
				return usage(fmt.Errorf("--layout %q: must be %s", layout, azure2019.Format))
			}
			if out == "" {
				return usage(fmt.Errorf("--out is missing: where shall the files go?"))
			}
			if start < 1 {
				return usage(fmt.Errorf("--start must be at least 1, got %d", start))
			}
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			o := cfg.Synthetic
			if cmd.Flags().Changed("functions") {
				o.Functions = functions
			}
			if cmd.Flags().Changed("days") {
				o.Days = days
			}
			if cmd.Flags().Changed("seed") {
				o.Seed = cfg.Seed
			}
			o.Busiest = busiest
			o.Days += start - 1
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
			bar := env.Progress.Begin("synth", o.Days-start+1)
			trace.Source = reporting{trace.Source, bar, start - 1}
			w, err := azure2019.Write(cmd.Context(), out, trace, start-1)
			bar.End()
			if err != nil {
				return err
			}
			s := synthesis{Out: out, Layout: layout, Written: w, Options: o}
			s.Functions = len(trace.Functions)
			for _, d := range w.Days {
				s.Invocations += d.Invocations
			}
			if a.json {
				return a.print(s)
			}
			a.describeSynthesis(s)
			return nil
		},
	}
	commonFlags(c.Flags(), "seed")
	c.Flags().StringVar(&layout, "layout", azure2019.Format, "`layout` of the files: azure2019")
	c.Flags().IntVar(&functions, "functions", synthetic.DefaultOptions().Functions, "`number` of functions in the trace")
	c.Flags().IntVar(&days, "days", synthetic.DefaultOptions().Days, "`number` of days to write")
	c.Flags().IntVar(&busiest, "busiest", synthetic.PublishedBusiest, "`number` of invocations a day of the busiest application")
	c.Flags().IntVar(&start, "start", 1, "first `day` to write, from 1")
	c.Flags().StringVar(&out, "out", "", "new or empty `directory` for the files")
	return c
}

// A reporting source shows on a bar which day is asked for.
type reporting struct {
	datasets.Source
	bar   pipelines.Bar
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
