package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
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

// Formats of forecasts.
const (
	csvFormat     = "csv"
	jsonFormat    = "json"
	parquetFormat = "parquet"
)

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
	s, err := replay.OpenReference(bundle.NewRegistry(cfg.RegistryDir()), f.bundle)
	if err != nil {
		return err
	}
	return f.write(a.out, func(w io.Writer, path string) error {
		to, err := f.table(w, path, tableHead{Trace: trace.Name, Bundle: s.Bundle.Digest(), Start: trace.Start, AsOf: trace.Time(from)})
		if err != nil {
			return err
		}
		return errors.Join(f.rows(ctx, s.Models.Forecast, trace, ids, from, minutes, env.Workers, to), to.end())
	})
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

func (f aheadFlags) rows(ctx context.Context, m *forecast.Model, t *datasets.Trace, ids []datasets.FunctionID, from, minutes, workers int, to aheadTable) error {
	return forecast.Ahead(ctx, m, t, ids, from, minutes, f.quantiles, workers, func(id datasets.FunctionID, rows []forecast.AheadRow) error {
		name := forecast.KeyOf(&t.Functions[id]).String()
		for k, r := range rows {
			if err := to.row(name, from+k, k+1, r.Mean, r.Quantiles); err != nil {
				return err
			}
		}
		return nil
	})
}

// write gives do standard output, or a file beside the one that is asked for, which takes its
// place if all went well.
func (f aheadFlags) write(stdout io.Writer, do func(w io.Writer, path string) error) error {
	if f.out == "" {
		w := bufio.NewWriter(stdout)
		return errors.Join(do(w, ""), w.Flush())
	}
	if f.format == parquetFormat { // which does the same by itself
		return do(io.Discard, f.out)
	}
	dir, err := os.MkdirTemp(filepath.Dir(f.out), ".write-")
	if err != nil {
		return fmt.Errorf("write %s: %w", f.out, err)
	}
	defer os.RemoveAll(dir)
	file, err := os.Create(filepath.Join(dir, filepath.Base(f.out)))
	if err != nil {
		return fmt.Errorf("write %s: %w", f.out, err)
	}
	w := bufio.NewWriter(file)
	if err := errors.Join(do(w, file.Name()), w.Flush(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", f.out, err)
	}
	return os.Rename(file.Name(), f.out)
}

// An aheadTable takes forecasts row by row.
type aheadTable interface {
	row(function string, minute, ahead int, mean float64, quantiles []float64) error
	end() error
}

// A tableHead is what JSON says beside the rows.
type tableHead struct {
	Trace  string    `json:"trace"`
	Bundle string    `json:"bundle"` // digest
	Start  time.Time `json:"start"`  // of minute 0
	AsOf   time.Time `json:"as_of"`
}

// table begins one in the format that is asked for.
func (f aheadFlags) table(w io.Writer, path string, head tableHead) (aheadTable, error) {
	columns := []string{"function", "minute", "horizon_min", "mean"}
	for _, p := range f.quantiles {
		columns = append(columns, quantileName(p))
	}
	switch f.format {
	case parquetFormat:
		return &parquetRows{path: path, names: columns, quantiles: make([][]float64, len(f.quantiles))}, nil
	case jsonFormat:
		b, err := json.MarshalIndent(head, "", "  ")
		if err != nil {
			return nil, err
		}
		_, err = fmt.Fprintf(w, "%s,\n  \"forecasts\": [", strings.TrimSuffix(string(b), "\n}"))
		return &jsonRows{w: w, names: columns}, err
	}
	_, err := fmt.Fprintln(w, strings.Join(columns, ","))
	return csvRows{w}, err
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

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

type csvRows struct{ w io.Writer }

func (c csvRows) row(function string, minute, ahead int, mean float64, quantiles []float64) error {
	b := append([]byte(function), ',')
	b = strconv.AppendInt(b, int64(minute), 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, int64(ahead), 10)
	b = append(append(b, ','), number(mean)...)
	for _, q := range quantiles {
		b = append(append(b, ','), number(q)...)
	}
	_, err := c.w.Write(append(b, '\n'))
	return err
}

func (csvRows) end() error { return nil }

type jsonRows struct {
	w     io.Writer
	names []string
	any   bool
}

func (j *jsonRows) row(function string, minute, ahead int, mean float64, quantiles []float64) error {
	name, err := json.Marshal(function)
	if err != nil {
		return err
	}
	b := []byte(",\n    ")
	if !j.any {
		b = b[1:]
	}
	j.any = true
	b = fmt.Appendf(b, `{"function": %s, "minute": %d, "horizon_min": %d, "mean": %s`, name, minute, ahead, number(mean))
	for i, q := range quantiles {
		b = fmt.Appendf(b, `, %q: %s`, j.names[i+4], number(q))
	}
	_, err = j.w.Write(append(b, '}'))
	return err
}

func (j *jsonRows) end() error {
	_, err := fmt.Fprint(j.w, "\n  ]\n}\n")
	return err
}

// parquetRows are written at the end.
type parquetRows struct {
	path          string
	names         []string
	function      []string
	minute, ahead []int32
	mean          []float64
	quantiles     [][]float64
}

func (p *parquetRows) row(function string, minute, ahead int, mean float64, quantiles []float64) error {
	p.function = append(p.function, function)
	p.minute, p.ahead = append(p.minute, int32(minute)), append(p.ahead, int32(ahead))
	p.mean = append(p.mean, mean)
	for i, q := range quantiles {
		p.quantiles[i] = append(p.quantiles[i], q)
	}
	return nil
}

func (p *parquetRows) end() error {
	columns := []parquet.Column{{Name: p.names[0], Data: p.function}, {Name: p.names[1], Data: p.minute}, {Name: p.names[2], Data: p.ahead}, {Name: p.names[3], Data: p.mean}}
	for i, q := range p.quantiles {
		columns = append(columns, parquet.Column{Name: p.names[i+4], Data: q})
	}
	return parquet.WriteTable(p.path, columns)
}
