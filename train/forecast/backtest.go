package forecast

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train"
)

// BacktestOptions configure Backtest. Start from DefaultBacktestOptions.
type BacktestOptions struct {
	Train Options `json:"train"`
	// Cutoffs is the number of rolling origins, evenly spaced, the first at the start of
	// the window if enough of the trace is before it, >= 1. Default 3.
	Cutoffs int `json:"cutoffs"`
	// Refit, if not 0, puts the first origin at the start of the window, whatever is before it, and
	// the next ones so many minutes apart; NoRefit: there is no other.
	Refit int `json:"refit"`
	// Horizons are how many minutes ahead are forecast, ascending, each in [1, 1440]. Default 1.
	Horizons []int `json:"horizons"`
	// Models are some of AllModels, in the order of reports. Default UsualModels.
	Models []string `json:"models"`
	// PerFunction adds figures of every function to the report.
	PerFunction bool `json:"-"`
	// Forecasts takes all that is forecast, in order of cutoffs, functions, models and minutes, sums
	// last; nil if nobody wants them.
	Forecasts func([]ForecastRow) error `json:"-"`
}

// NoRefit is a Refit.
const NoRefit = -1

// DefaultBacktestOptions returns the defaults.
func DefaultBacktestOptions() BacktestOptions {
	return BacktestOptions{Train: DefaultOptions(), Cutoffs: 3, Horizons: []int{1}, Models: slices.Clone(UsualModels)}
}

// Validate reports every option that is out of range.
func (o BacktestOptions) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("forecast: "+format, args...)) }
	if o.Cutoffs < 1 {
		bad("cutoffs must be at least 1, got %d", o.Cutoffs)
	}
	if o.Refit < NoRefit {
		bad("refit must be a number of minutes, got %d", o.Refit)
	}
	if len(o.Horizons) == 0 {
		bad("horizons: there must be one")
	}
	for i, h := range o.Horizons {
		if h < 1 || h > online.MaxAhead || i > 0 && h <= o.Horizons[i-1] {
			bad("horizons must ascend in [1, %d], got %v", online.MaxAhead, o.Horizons)
			break
		}
	}
	if len(o.Models) == 0 {
		bad("models: there must be one")
	}
	for i, m := range o.Models {
		if !slices.Contains(AllModels(), m) || slices.Contains(o.Models[:i], m) {
			bad("models: each must be one of %s, and stand there once, got %q", strings.Join(AllModels(), ", "), m)
		}
	}
	return errors.Join(append(errs, o.Train.Validate())...)
}

// before splits what is known at a cutoff in the proportions of datasets.Split, in
// which the part for testing is what comes after.
func before(span datasets.Window, cutoff int) datasets.Splits {
	known := datasets.Window{From: span.From, To: cutoff}
	a := known.From + known.Len()*70/85
	return datasets.Splits{
		Train: datasets.Window{From: known.From, To: a},
		Valid: datasets.Window{From: a, To: cutoff},
		Test:  datasets.Window{From: cutoff, To: span.To},
	}
}

// minKnown is how many minutes before must know for a training part of minMinutes.
const minKnown = (minMinutes*85 + 69) / 70

// origins are the cutoffs in w, and its end: evenly spaced from the start of w if enough
// of the span is known there. Otherwise, in a window such as the whole trace, the minutes
// before the first cutoff are trained on only: as many as between two cutoffs, and as many
// as training takes at least.
func origins(span, w datasets.Window, o BacktestOptions) ([]int, error) {
	if o.Refit != 0 {
		if known := w.From - span.From; known < minKnown {
			return nil, fmt.Errorf("forecast: backtest: a cutoff needs %d minutes of the trace before it, minute %d has %d", minKnown, w.From, known)
		}
		if w.Len() < 1 {
			return nil, fmt.Errorf("forecast: backtest: no minute lies between the cutoff %d and %d", w.From, w.To)
		}
		out := []int{w.From}
		for at := w.From + o.Refit; o.Refit > 0 && at < w.To; at += o.Refit {
			out = append(out, at)
		}
		return append(out, w.To), nil
	}
	cutoffs := o.Cutoffs
	from := w.From
	if from-span.From < minKnown {
		from = max(w.From+w.Len()/(cutoffs+1), span.From+minKnown)
	}
	if w.To-from < cutoffs {
		return nil, fmt.Errorf("forecast: backtest: a window of %d minutes has no room for %d cutoffs, of which the first must have %d minutes of the trace before it", w.Len(), cutoffs, minKnown)
	}
	out := make([]int, cutoffs+1)
	for i := range out {
		out[i] = from + i*(w.To-from)/cutoffs
	}
	return out, nil
}

// Backtest judges the method rather than one model of it: at each cutoff of a rolling
// origin the models are trained on what came before, and forecast up to the next cutoff or
// the end of w. Errors are gathered over all cutoffs. If w begins where too little of the trace is
// known, its first part is trained on only: a quarter of it with three cutoffs.
//
// Of a horizon h the minutes from h-1 minutes after the first cutoff on are forecast, so that none
// was made before its model was trained; all models are judged on the same.
func Backtest(ctx context.Context, t *datasets.Trace, w datasets.Window, holidays []datasets.Holiday, o BacktestOptions, rec train.Recorder) (*BacktestReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	at, err := origins(t.Span, w, o)
	if err != nil {
		return nil, err
	}
	w.From = at[0]
	if last := o.Horizons[len(o.Horizons)-1]; last > w.Len() {
		return nil, fmt.Errorf("forecast: backtest: nothing in a window of %d minutes lies %d minutes ahead of its start", w.Len(), last)
	}
	models := slices.Clone(o.Models)
	slices.SortFunc(models, func(a, b string) int { return slices.Index(AllModels(), a) - slices.Index(AllModels(), b) })
	e := newEvaluation(t, w, models, o.Horizons, o.Train.Seed, o.Train.Workers)
	e.forecasts = o.Forecasts
	for i, cutoff := range at[:len(at)-1] {
		l, err := e.learn(ctx, cutoff, holidays, o.Train, rec)
		if err == nil {
			err = e.window(ctx, l, datasets.Window{From: cutoff, To: at[i+1]})
		}
		if err != nil {
			return nil, fmt.Errorf("forecast: backtest: cutoff %d: %w", cutoff, err)
		}
	}
	r := e.report(w, at[:len(at)-1])
	if o.PerFunction {
		r.Functions = e.functions()
	}
	return r, nil
}

// learn trains the models that are judged and need it.
func (e *evaluation) learn(ctx context.Context, cutoff int, holidays []datasets.Holiday, o Options, rec train.Recorder) (learned, error) {
	var out learned
	splits := before(e.trace.Span, cutoff)
	o.Ahead = slices.DeleteFunc(slices.Clone(e.horizons), func(h int) bool { return h == 1 })
	for _, name := range []string{Incendio, LightGBM, LightGBMLags} {
		needed := slices.Contains(e.models, name) || name == Incendio && slices.Contains(e.models, Prophet)
		if !needed {
			continue
		}
		began, rec := time.Now(), prefixed{rec, fmt.Sprintf("backtest/%d/%s/", cutoff, name)}
		if name == LightGBMLags {
			var err error
			if out.lags, err = trainLags(ctx, e.trace, splits, e.horizons, o, rec); err != nil {
				return out, err
			}
			e.took(name, time.Since(began))
			continue
		}
		options := o
		options.Components = name == Incendio
		m, rep, err := Train(ctx, e.trace, splits, holidays, options, rec)
		if err != nil {
			return out, err
		}
		if e.took(name, time.Since(began)); name == Incendio {
			out.hybrid = m
			e.took(Prophet, time.Duration(rep.Timing.Decompose*float64(time.Second)))
		} else {
			out.light = m
		}
		if n := len(rep.Fallbacks); n > 0 {
			e.notes = append(e.notes, fmt.Sprintf("cutoff %d: %d functions of %s fell back to a simple forecast", cutoff, n, name))
		}
	}
	return out, nil
}
