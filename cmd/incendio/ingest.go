package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/alibaba"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/azure2021"
	"github.com/incendio-faas/incendio/datasets/counts"
	"github.com/incendio-faas/incendio/datasets/huawei2023"
	"github.com/incendio-faas/incendio/datasets/huawei2025"
	"github.com/incendio-faas/incendio/datasets/invocations"
	"github.com/incendio-faas/incendio/datasets/openwhisk"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/prometheus"
)

// A source is what ingest reads, and how.
type source struct {
	path    string
	seed    uint64
	workers int
	layout
}

// A layout is what the flags say of files in a generic layout.
type layout struct {
	columns                 map[string]string
	dayOrigin, minuteOrigin int
	start, zone, region     string
	values                  string
	span                    time.Duration // of increases
}

// A format is a layout of files that ingest knows.
type format struct {
	flags []string // of those of layout, the ones that it takes
	open  func(ctx context.Context, s source) (datasets.Input, error)
}

var readers = map[string]format{
	azure2019.Format: {nil, func(ctx context.Context, s source) (datasets.Input, error) {
		return azure2019.Open(ctx, s.path, azure2019.Options{Seed: s.seed, Workers: s.workers})
	}},
	azure2021.Format: {nil, func(ctx context.Context, s source) (datasets.Input, error) {
		return azure2021.Open(ctx, s.path, azure2021.Options{Seed: s.seed})
	}},
	alibaba.Format: {nil, func(ctx context.Context, s source) (datasets.Input, error) {
		return alibaba.Open(ctx, s.path, alibaba.Options{Seed: s.seed})
	}},
	counts.Format: {[]string{"columns", "start", "zone", "day-origin", "minute-origin"}, func(ctx context.Context, s source) (datasets.Input, error) {
		o := counts.DefaultOptions()
		if err := s.generic(&o.Columns, &o.Start, &o.Seed); err != nil {
			return nil, err
		}
		o.Zone, o.DayOrigin, o.MinuteOrigin = s.zone, s.dayOrigin, s.minuteOrigin
		if err := o.Validate(); err != nil {
			return nil, usage(err)
		}
		return counts.Open(ctx, s.path, o)
	}},
	huawei2023.Format: {[]string{"start"}, func(ctx context.Context, s source) (datasets.Input, error) {
		o := huawei2023.DefaultOptions()
		o.Workers = s.workers
		if err := s.generic(nil, &o.Start, &o.Seed); err != nil {
			return nil, err
		}
		if err := o.Validate(); err != nil {
			return nil, usage(err)
		}
		return huawei2023.Open(ctx, s.path, o)
	}},
	huawei2025.Format: {[]string{"start", "region"}, func(ctx context.Context, s source) (datasets.Input, error) {
		o := huawei2025.DefaultOptions()
		o.Workers, o.Region = s.workers, s.region
		if err := s.generic(nil, &o.Start, &o.Seed); err != nil {
			return nil, err
		}
		if err := o.Validate(); err != nil {
			return nil, usage(err)
		}
		return huawei2025.Open(ctx, s.path, o)
	}},
	invocations.Format: {[]string{"columns", "start", "zone"}, func(ctx context.Context, s source) (datasets.Input, error) {
		o := invocations.DefaultOptions()
		o.Zone = s.zone
		if err := s.generic(&o.Columns, &o.Start, &o.Seed); err != nil {
			return nil, err
		}
		if err := o.Validate(); err != nil {
			return nil, usage(err)
		}
		return invocations.Open(ctx, s.path, o)
	}},
	prometheus.Format: {[]string{"columns", "values", "range"}, func(ctx context.Context, s source) (datasets.Input, error) {
		o := prometheus.Options{Columns: s.columns, Values: s.values, Range: s.span, Seed: s.seed}
		if err := o.Validate(); err != nil {
			return nil, usage(err)
		}
		return prometheus.Open(ctx, s.path, o)
	}},
	openwhisk.Format: {nil, func(ctx context.Context, s source) (datasets.Input, error) {
		return openwhisk.Open(ctx, s.path, openwhisk.Options{Seed: s.seed})
	}},
}

// generic sets what all generic layouts have; columns is nil for a layout that has its own.
func (s source) generic(columns *map[string]string, start *time.Time, seed *uint64) error {
	*seed = s.seed
	if columns != nil {
		*columns = s.columns
	}
	if s.start == "" {
		return nil
	}
	date, err := time.Parse(time.DateOnly, s.start)
	if err != nil {
		return usage(fmt.Errorf("--start must be YYYY-MM-DD, got %q", s.start))
	}
	*start = date
	return nil
}

// addTo adds the flags of a layout.
func (l *layout) addTo(f *pflag.FlagSet) {
	f.StringToStringVar(&l.columns, "columns", nil, "`NAME=HEADER,...`: what the files call a column; nothing after = says that they lack it (counts, invocations, prometheus)")
	f.IntVar(&l.dayOrigin, "day-origin", 0, "number of the first day, 0 or 1 (counts)")
	f.IntVar(&l.minuteOrigin, "minute-origin", 0, "number of the first minute, 0 or 1 (counts)")
	f.StringVar(&l.start, "start", "", "`date` from which times that are numbers count (counts, huawei2023, huawei2025, invocations; default 1970-01-01)")
	f.StringVar(&l.zone, "zone", "", "`zone` of dates and times that are written without one, as Europe/Berlin (counts, invocations; default UTC)")
	f.StringVar(&l.values, "values", prometheus.Counter, "what series are: "+prometheus.Counter+", or "+prometheus.Increase+" since the sample before (prometheus)")
	f.DurationVar(&l.span, "range", 0, "how long increases are of, as 1m of increase(x[1m]), where that is not the step (prometheus, with --values increase)")
	f.StringVar(&l.region, "region", "", "`region` that is read, R1 to R5, where there are several (huawei2025)")
}

// check refuses flags of layouts that the format does not take.
func (l *layout) check(name string, f *pflag.FlagSet) error {
	for _, flag := range []string{"columns", "day-origin", "minute-origin", "start", "zone", "values", "range", "region"} {
		if f.Changed(flag) && !slices.Contains(readers[name].flags, flag) {
			return usage(fmt.Errorf("--%s says nothing to format %s", flag, name))
		}
	}
	return nil
}

func formats() string {
	var names []string
	for n := range readers {
		names = append(names, n)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
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

FORMAT is one of: ` + formats() + `.
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
			reader, ok := readers[arg[0]]
			if !ok {
				return usage(fmt.Errorf("format %q: must be one of %s", arg[0], formats()))
			}
			if err := files.check(arg[0], cmd.Flags()); err != nil {
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
			seen := sightings{named: arg[0]}
			in, err := reader.open(seen.watch(cmd.Context()), source{path: arg[1], seed: cfg.Seed, workers: env.Workers, layout: files})
			if err != nil {
				return seen.explain(err)
			}
			if c, ok := in.(io.Closer); ok { // what was kept aside of an archive
				defer func() {
					if cerr := c.Close(); err == nil {
						err = cerr
					}
				}()
			}
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
