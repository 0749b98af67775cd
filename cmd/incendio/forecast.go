package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// aheadFlags are the flags of forecast.
type aheadFlags struct {
	bundle, asOf, format, out string
	functions                 []string
	horizon                   time.Duration
	quantiles                 []float64
}

func (a *app) forecastCommand() *cobra.Command {
	f := aheadFlags{horizon: time.Hour, quantiles: []float64{0.5, 0.9, 0.99}, format: csvFormat}
	c := &cobra.Command{
		Use:   "forecast",
		Short: "Forecast the arrivals of functions minute by minute, up to a day ahead",
		Long: `Forecast the arrivals of functions of a trace with a bundle, each minute of the horizon
directly from what was known before --as-of. A scheduler that runs the bundle, and saw the same
minutes, forecasts the same.

Columns: function (owner/app/name), minute of the trace (from its first midnight UTC on),
horizon_min (how far ahead the minute is, from 1), mean, and a column for each quantile, such as
q50, q90 and q99: the count that is not exceeded with that probability. Rows are in order of the functions
as they are named, or as in the trace, then of minutes. JSON has them in "forecasts".`,
		Example: `  incendio forecast --trace real --horizon 24h --format parquet --out tomorrow.parquet
  incendio forecast --trace real --functions shop/web/checkout --quantiles 0.5,0.95
  incendio forecast --bundle champion --as-of 2026-03-09T00:00:00Z --horizon 30m --json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.forecast(cmd, f) },
	}
	fs := c.Flags()
	commonFlags(fs, "store", "registry", "trace", "workers")
	commonFlags(fs, trustFlags...)
	fs.StringVar(&f.bundle, "bundle", bundle.ChampionRef, "`directory`, alias or digest of a bundle")
	fs.StringSliceVar(&f.functions, "functions", nil, "`names`, owner/app/name or a name that only one has, separated by commas (default: all)")
	fs.StringVar(&f.asOf, "as-of", "", "use only what happened before this `time` (RFC 3339; default: the end of the trace)")
	fs.DurationVar(&f.horizon, "horizon", f.horizon, "how far to forecast, whole minutes up to 24h")
	fs.Float64SliceVar(&f.quantiles, "quantiles", f.quantiles, "`probabilities`, each between 0 and 1")
	fs.StringVar(&f.format, "format", f.format, csvFormat+", "+jsonFormat+" or "+parquetFormat)
	fs.StringVar(&f.out, "out", "", "`file` to write (default: standard output)")
	return c
}

func (a *app) forecast(cmd *cobra.Command, f aheadFlags) error {
	if a.json {
		if cmd.Flags().Changed("format") && f.format != jsonFormat {
			return usage(fmt.Errorf("--format %s beside --json: name one format", f.format))
		}
		f.format = jsonFormat
	}
	minutes, err := f.check()
	if err != nil {
		return usage(err)
	}
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return err
	}
	env, err := a.env(cfg)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	trace, err := pipelines.Trace(ctx, cfg)
	if err != nil {
		return err
	}
	from := trace.Span.To
	if f.asOf != "" {
		at, err := time.Parse(time.RFC3339, f.asOf)
		if err != nil {
			return usage(fmt.Errorf("--as-of must be a time like 2026-03-09T00:00:00Z, got %q", f.asOf))
		}
		from = int(at.Sub(trace.Start) / time.Minute)
		if at.Before(trace.Time(trace.Span.From+1)) || from > trace.Span.To {
			return usage(fmt.Errorf("--as-of %s must be in the trace %q, of which minutes from %s to %s are known", f.asOf, trace.Name, trace.Time(trace.Span.From).Format(time.RFC3339), trace.Time(trace.Span.To).Format(time.RFC3339)))
		}
	}
	ids, err := forecast.Find(trace, f.functions)
	if err != nil {
		return err
	}
	p, err := cfg.Trust.Policy(time.Now(), env.Log)
	if err != nil {
		return err
	}
	s, err := replay.OpenReference(bundle.NewRegistry(cfg.RegistryDir()), f.bundle, p)
	if err != nil {
		return err
	}
	columns := []string{"function", "minute", "horizon_min", "mean"}
	for _, p := range f.quantiles {
		columns = append(columns, quantileName(p))
	}
	head := aheadHead{Trace: trace.Name, Bundle: s.Bundle.Digest(), Start: trace.Start, AsOf: trace.Time(from)}
	to, err := newFrame(a.out, f.out, f.format, head, "forecasts", columns...)
	if err != nil {
		return err
	}
	defer to.abandon()
	err = forecast.Ahead(ctx, s.Models.Forecast, trace, ids, from, minutes, f.quantiles, env.Workers, func(id datasets.FunctionID, rows []forecast.AheadRow) error {
		values := make([]any, len(columns))
		values[0] = forecast.KeyOf(&trace.Functions[id]).String()
		for k, r := range rows {
			values[1], values[2], values[3] = from+k, k+1, r.Mean
			for i, q := range r.Quantiles {
				values[i+4] = q
			}
			if err := to.row(values...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return to.close()
}

// An aheadHead is what JSON says beside the rows.
type aheadHead struct {
	Trace  string    `json:"trace"`
	Bundle string    `json:"bundle"` // digest
	Start  time.Time `json:"start"`  // of minute 0
	AsOf   time.Time `json:"as_of"`
}

// check returns the minutes of the horizon.
func (f aheadFlags) check() (int, error) {
	const most = forecast.MaxAhead * time.Minute
	if f.horizon < time.Minute || f.horizon > most || f.horizon%time.Minute != 0 {
		return 0, fmt.Errorf("--horizon must be whole minutes from 1m to 24h, got %v", f.horizon)
	}
	for i, p := range f.quantiles {
		if !(p > 0 && p < 1) {
			return 0, fmt.Errorf("--quantiles must lie between 0 and 1, got %g", p)
		}
		for _, q := range f.quantiles[:i] {
			if p == q {
				return 0, fmt.Errorf("--quantiles names %g twice", p)
			}
		}
	}
	switch f.format {
	case csvFormat, jsonFormat:
	case parquetFormat:
		if f.out == "" {
			return 0, errors.New("--format parquet needs a file: name it with --out")
		}
	default:
		return 0, fmt.Errorf("--format must be %s, %s or %s, got %q", csvFormat, jsonFormat, parquetFormat, f.format)
	}
	return int(f.horizon / time.Minute), nil
}

// quantileName is the column of a probability, in percent: 0.999 is q99.9. It is made from the digits,
// because a product would round.
func quantileName(p float64) string {
	digits := strings.TrimPrefix(strconv.FormatFloat(p, 'f', -1, 64), "0.")
	if len(digits) < 2 {
		digits += "0"
	}
	out := strings.TrimPrefix(digits[:2], "0")
	if out == "" {
		out = "0"
	}
	if len(digits) > 2 {
		out += "." + digits[2:]
	}
	return "q" + out
}
