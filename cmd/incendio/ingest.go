package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/incendio-faas/incendio/datasets/formats"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/prometheus"
)

// A layout is what the flags say of the files.
type layout struct {
	options formats.Options
	start   string
}

// flagOf is the name on the command line of an option of formats.
func flagOf(option string) string { return strings.ReplaceAll(option, "_", "-") }

// takers lists the formats that take an option.
func takers(option string) string {
	var names []string
	for _, f := range formats.All() {
		if slices.Contains(f.Takes, option) {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, ", ")
}

// addTo adds the flags of a layout.
func (l *layout) addTo(f *pflag.FlagSet) {
	o := &l.options
	*o = formats.DefaultOptions()
	f.StringToStringVar(&o.Columns, "columns", nil, "`NAME=HEADER,...`: what the files call a column; nothing after = says that they lack it ("+takers("columns")+")")
	f.IntVar(&o.DayOrigin, "day-origin", 0, "number of the first day, 0 or 1 ("+takers("day_origin")+")")
	f.IntVar(&o.MinuteOrigin, "minute-origin", 0, "number of the first minute, 0 or 1 ("+takers("minute_origin")+")")
	f.StringVar(&l.start, "start", "", "`date` from which times that are numbers count ("+takers("start")+"; default 1970-01-01)")
	f.StringVar(&o.Zone, "zone", "", "`zone` of dates and times that are written without one, as Europe/Berlin ("+takers("zone")+"; default UTC)")
	f.StringVar(&o.Values, "values", o.Values, "what series are: "+prometheus.Counter+", or "+prometheus.Increase+" since the sample before ("+takers("values")+")")
	f.DurationVar(&o.Range, "range", 0, "how long increases are of, as 1m of increase(x[1m]), where that is not the step ("+takers("range")+", with --values increase)")
	f.StringVar(&o.Region, "region", "", "`region` that is read, R1 to R5, where there are several ("+takers("region")+")")
}

// read returns the options for a format, and refuses flags that it does not take.
func (l *layout) read(format formats.Format, f *pflag.FlagSet) (formats.Options, error) {
	for _, any := range formats.All() {
		for _, option := range any.Takes {
			if flag := flagOf(option); f.Changed(flag) && !slices.Contains(format.Takes, option) {
				return l.options, usage(fmt.Errorf("--%s says nothing to format %s", flag, format.Name))
			}
		}
	}
	if l.start != "" {
		date, err := time.Parse(time.DateOnly, l.start)
		if err != nil {
			return l.options, usage(fmt.Errorf("--start must be YYYY-MM-DD, got %q", l.start))
		}
		l.options.Start = date
	}
	if err := format.Validate(l.options); err != nil {
		return l.options, usage(err)
	}
	return l.options, nil
}

// remark prints the notes of a trace: what was lost, summed and assumed. The manifest has
// them in full.
func remark(w io.Writer, notes []string) {
	const longest = 300
	if len(notes) > 0 {
		fmt.Fprintf(w, "%s:\n", count(len(notes), "note"))
	}
	for _, n := range notes {
		if short := []rune(n); len(short) > longest {
			n = string(short[:longest]) + "…"
		}
		fmt.Fprintf(w, "  %s\n", printable(n))
	}
}

func (a *app) ingestCommand() *cobra.Command {
	var name string
	var replace bool
	var files layout
	c := &cobra.Command{
		Use:   "ingest FORMAT PATH --name NAME",
		Short: "Read a trace into the store",
		Long: `Read the files of a public trace, or of your own platform, into the Parquet store.

FORMAT is one of: ` + strings.Join(formats.Names(), ", ") + `.
PATH is a file, a folder, or an archive: zip, tar, or tar within gzip, xz, zstd or bzip2.
Files may be compressed by these, too.

counts and invocations are for your own platform: CSV, JSON lines or Parquet. counts has the columns function, minute, count,
or day, minute, count; invocations has function, arrival, duration_ms and perhaps app,
owner, trigger, memory_mb, cold_ms. See docs/traces.md.

The same files again are no work; new days are appended; other content under the name
of a stored trace is refused, unless --replace. A row that cannot be used goes to
quarantine.jsonl with its file, line and reason; above --quarantine-limit of the rows
nothing is stored and the exit code is 5. What was assumed, summed or lost is printed on
standard error, and in the notes of the manifest.`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, arg []string) (err error) {
			if name == "" {
				return usage(fmt.Errorf("--name is missing: what shall the trace be called in the store?"))
			}
			format, ok := formats.Named(arg[0])
			if !ok {
				return usage(fmt.Errorf("format %q: must be one of %s", arg[0], strings.Join(formats.Names(), ", ")))
			}
			options, err := files.read(format, cmd.Flags())
			if err != nil {
				return err
			}
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			o := parquet.IngestOptions{Name: name, Replace: replace, QuarantineLimit: cfg.QuarantineLimit}
			if err := o.Validate(); err != nil {
				return usage(err)
			}
			env, err := a.env(cfg)
			if err != nil {
				return err
			}
			store, err := parquet.Open(cfg.Store)
			if err != nil {
				return err
			}
			options.Seed, options.Workers = cfg.Seed, env.Workers
			in, err := format.Open(cmd.Context(), arg[1], options)
			if err != nil {
				return err
			}
			defer func() {
				if cerr := formats.Close(in); err == nil {
					err = cerr
				}
			}()
			// What a day holds is a few large arrays without pointers: cheap to collect, and
			// much to hold twice. GOGC says otherwise.
			if os.Getenv("GOGC") == "" {
				defer debug.SetGCPercent(debug.SetGCPercent(20))
			}
			bar := env.Progress.Begin("ingest", 0)
			d, changed, err := store.Ingest(cmd.Context(), in, o)
			bar.End()
			if err != nil {
				return err
			}
			if a.json {
				return a.print(d)
			}
			if !changed {
				fmt.Fprintln(a.out, "nothing to do: the store has these files")
			}
			describe(a.out, d)
			if changed {
				remark(a.err, d.Notes)
			}
			return nil
		},
	}
	commonFlags(c.Flags(), "store", "seed", "workers", "quarantine-limit")
	files.addTo(c.Flags())
	c.Flags().StringVar(&name, "name", "", "`name` of the trace in the store")
	c.Flags().BoolVar(&replace, "replace", false, "replace a stored trace of this name")
	return c
}
