package forecast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train"
)

// BacktestOptions configure Backtest.
type BacktestOptions struct {
	Train Options `json:"train"`
	// Cutoffs is the number of rolling origins, evenly spaced, the first at the start of
	// the window if enough of the trace is before it, >= 1. Default 3.
	Cutoffs int `json:"cutoffs"`
}

// DefaultBacktestOptions returns the defaults.
func DefaultBacktestOptions() BacktestOptions {
	return BacktestOptions{Train: DefaultOptions(), Cutoffs: 3}
}

// Validate reports every option that is out of range.
func (o BacktestOptions) Validate() error {
	var err error
	if o.Cutoffs < 1 {
		err = fmt.Errorf("forecast: cutoffs must be at least 1, got %d", o.Cutoffs)
	}
	return errors.Join(err, o.Train.Validate())
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
func origins(span, w datasets.Window, cutoffs int) ([]int, error) {
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
// origin the hybrid, and plain boosted trees without Prophet's components, are trained
// on what came before, and forecast one minute ahead up to the next cutoff or the end
// of w. Errors are gathered over all cutoffs. If w begins where too little of the trace is
// known, its first part is trained on only: a quarter of it with three cutoffs.
func Backtest(ctx context.Context, t *datasets.Trace, w datasets.Window, holidays []datasets.Holiday, o BacktestOptions, rec train.Recorder) (*BacktestReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	at, err := origins(t.Span, w, o.Cutoffs)
	if err != nil {
		return nil, err
	}
	w.From = at[0]
	e := newEvaluation(t, EvaluateOptions{LightGBM: &online.Model{}, Seed: o.Train.Seed, Workers: o.Train.Workers})
	var cutoffs []int
	for i := range o.Cutoffs {
		cutoff, until := at[i], at[i+1]
		cutoffs = append(cutoffs, cutoff)
		models := map[string]*online.Model{}
		for _, name := range []string{Incendio, LightGBM} {
			options := o.Train
			options.Components, options.Ahead = name == Incendio, nil // judged on the next minute alone
			began := time.Now()
			m, rep, err := Train(ctx, t, before(t.Span, cutoff), holidays, options, prefixed{rec, fmt.Sprintf("backtest/%d/%s/", cutoff, name)})
			if err != nil {
				return nil, fmt.Errorf("backtest: cutoff %d: %w", cutoff, err)
			}
			models[name] = m
			e.tally(name).fit += time.Since(began)
			if name == Incendio {
				e.tally(Prophet).fit += time.Duration(rep.Timing.Decompose * float64(time.Second))
			}
			if n := len(rep.Fallbacks); n > 0 {
				e.notes = append(e.notes, fmt.Sprintf("cutoff %d: %d functions of %s fell back to a simple forecast", cutoff, n, name))
			}
		}
		if err := e.window(ctx, models[Incendio], models[LightGBM], datasets.Window{From: cutoff, To: until}); err != nil {
			return nil, fmt.Errorf("forecast: backtest: cutoff %d: %w", cutoff, err)
		}
	}
	return e.report(w, cutoffs), nil
}
