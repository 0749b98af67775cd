package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/train/forecast"
)

// backtestFlags are the flags of backtest.
type backtestFlags struct {
	cutoffs                int
	cutoff, until, refit   string
	horizons               []int
	models                 []string
	perFunction, forecasts string
}

// everyModel stands for all models.
const everyModel = "all"

func (a *app) backtestCommand() *cobra.Command {
	o := forecast.DefaultBacktestOptions()
	f := backtestFlags{cutoffs: o.Cutoffs, refit: "none", horizons: o.Horizons, models: o.Models}
	c := &cobra.Command{
		Use:   "backtest",
		Short: "Train and judge forecasters at rolling origins, ours beside the baselines",
		Long: `Train forecasters on what came before a cutoff, forecast what comes after it, and compare.

Without --cutoff there are --cutoffs origins in a --window of the trace. With it there is one,
or one every --refit, up to --until. A cutoff is day:7, the midnight after seven days of the trace, or a time.
Forecasts --horizon minutes ahead are those of minutes that lie so far behind the first cutoff, so that
every model is judged on the same and none has seen what it forecasts.

Models: ` + strings.Join(forecast.AllModels(), ", ") + `; or ` + everyModel + `.

--per-function writes the figures of every function, --forecasts every forecast beside what came: as Parquet
where the name ends in .parquet, else as CSV.`,
		Example: `  incendio backtest --trace real --cutoff day:7 --until day:9 --horizon 1,10,60 --models all
  incendio backtest --trace real --cutoff 2026-03-09T00:00:00Z --refit 24h --forecasts f.parquet --json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.backtest(cmd, f) },
	}
	commonFlags(c.Flags(), "store", "trace", "seed", "workers")
	fs := c.Flags()
	fs.String("window", "", "part of the trace to forecast: train, valid, test or all (default: test); train and all are trained on up to the first origin")
	fs.IntVar(&f.cutoffs, "cutoffs", f.cutoffs, "rolling origins")
	fs.StringVar(&f.cutoff, "cutoff", "", "the first origin, day:N or a `time`")
	fs.StringVar(&f.until, "until", "", "end of what is forecast, day:N or a `time` (default: that of the trace)")
	fs.StringVar(&f.refit, "refit", f.refit, "`duration` between origins from the first on, or none")
	fs.IntSliceVar(&f.horizons, "horizon", f.horizons, "`minutes` ahead, ascending")
	fs.StringSliceVar(&f.models, "models", f.models, "`names` of models")
	fs.StringVar(&f.perFunction, "per-function", "", "write the figures of each function to this `file`")
	fs.StringVar(&f.forecasts, "forecasts", "", "write all forecasts to this `file`")
	return c
}

func (a *app) backtest(cmd *cobra.Command, f backtestFlags) error {
	s, err := a.scene(cmd.Context(), cmd.Flags(), datasets.TestWindow)
	if err != nil {
		return err
	}
	o, w, err := f.options(s)
	if err != nil {
		return usage(err)
	}
	o.Train.Seed, o.Train.Workers = s.cfg.Seed, s.env.Workers
	if err := o.Validate(); err != nil {
		return usage(err)
	}
	holidays, err := s.cfg.Calendar()
	if err != nil {
		return usage(err)
	}
	var rows *frame
	if f.forecasts != "" {
		if rows, err = newFrame(nil, f.forecasts, formatOf(f.forecasts), nil, "", "function", "model", "minute", "horizon_min", "actual", "mean", "q50", "q90", "q99"); err != nil {
			return err
		}
		defer rows.abandon()
		o.Forecasts = func(block []forecast.ForecastRow) error {
			for _, r := range block {
				if err := rows.row(r.Function, r.Model, r.Minute, r.Horizon, r.Actual, r.Mean, r.Median, r.Q90, r.Q99); err != nil {
					return err
				}
			}
			return nil
		}
	}
	bar := s.env.Progress.Begin("backtest", 0)
	rep, err := forecast.Backtest(cmd.Context(), s.trace, w, holidays, o, stage.Recorder{Bar: bar})
	bar.End()
	if err != nil {
		return err
	}
	if rows != nil {
		if err := rows.close(); err != nil {
			return err
		}
	}
	if f.perFunction != "" {
		if err := writeFunctions(f.perFunction, rep.Functions); err != nil {
			return err
		}
	}
	if a.json {
		return a.print(rep)
	}
	return a.printScores(rep)
}

// options are those of the backtest, and its window.
func (f backtestFlags) options(s *scene) (forecast.BacktestOptions, datasets.Window, error) {
	o := forecast.DefaultBacktestOptions()
	o.Train, o.Cutoffs, o.Horizons, o.Models = s.cfg.Forecast, f.cutoffs, f.horizons, f.models
	o.PerFunction = f.perFunction != ""
	if slices.Equal(f.models, []string{everyModel}) {
		o.Models = forecast.AllModels()
	}
	w := s.window
	var err error
	if f.refit != "none" {
		d, err := time.ParseDuration(f.refit)
		if err != nil || d < time.Minute || d%time.Minute != 0 {
			return o, w, fmt.Errorf("--refit must be none or whole minutes such as 24h, got %q", f.refit)
		}
		o.Refit = int(d / time.Minute)
	}
	if f.cutoff != "" {
		if o.Refit == 0 {
			o.Refit = forecast.NoRefit
		}
		w.To = s.trace.Span.To
		if w.From, err = minuteOf(s.trace, f.cutoff); err != nil {
			return o, w, fmt.Errorf("--cutoff: %w", err)
		}
	}
	if f.until != "" {
		if w.To, err = minuteOf(s.trace, f.until); err != nil {
			return o, w, fmt.Errorf("--until: %w", err)
		}
	}
	if w.Len() < 1 {
		return o, w, fmt.Errorf("--until %s must be after the cutoff", f.until)
	}
	return o, w, nil
}

// minuteOf is the minute of a trace that day:N or a time names, in its span or at its end.
func minuteOf(t *datasets.Trace, text string) (int, error) {
	minute := 0
	if day, ok := strings.CutPrefix(text, "day:"); ok {
		n, err := strconv.Atoi(day)
		if err != nil || n < 0 || n > math.MaxInt32/datasets.MinutesPerDay {
			return 0, fmt.Errorf("must be day:N with the number of a day from 0 on, got %q", text)
		}
		minute = n * datasets.MinutesPerDay
	} else {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return 0, fmt.Errorf("must be day:7 or a time like 2026-03-09T00:00:00Z, got %q", text)
		}
		since := at.Sub(t.Start)
		if since%time.Minute != 0 {
			return 0, fmt.Errorf("must be a whole minute, got %q", text)
		}
		minute = int(since / time.Minute)
	}
	if minute < t.Span.From || minute > t.Span.To {
		return 0, fmt.Errorf("%s lies outside of trace %q, which is known from %s to %s", text, t.Name, t.Time(t.Span.From).Format(time.RFC3339), t.Time(t.Span.To).Format(time.RFC3339))
	}
	return minute, nil
}

// functionColumns are those of --per-function.
var functionColumns = []string{
	"function", "model", "horizon_min", "minutes", "count", "wape", "mae", "rmse", "mase", "pinball_0.5", "pinball_0.9", "pinball_0.99",
	"pinball_normalised_0.5", "pinball_normalised_0.9", "pinball_normalised_0.99", "coverage_90", "decision_cost",
}

func writeFunctions(path string, all []forecast.FunctionFigures) error {
	to, err := newFrame(nil, path, formatOf(path), nil, "", functionColumns...)
	if err != nil {
		return err
	}
	defer to.abandon()
	for _, f := range all {
		row := []any{f.Function.String(), f.Name, f.Horizon, f.Minutes, f.Count, float64(f.WAPE), float64(f.MAE), float64(f.RMSE), float64(f.MASE)}
		for _, pinball := range []string{"0.5", "0.9", "0.99"} {
			row = append(row, float64(f.Pinball[pinball]))
		}
		for _, pinball := range []string{"0.5", "0.9", "0.99"} {
			row = append(row, float64(f.PinballNormalised[pinball]))
		}
		if err := to.row(append(row, float64(f.Coverage90), float64(f.DecisionCost))...); err != nil {
			return err
		}
	}
	return to.close()
}
