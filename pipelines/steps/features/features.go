// Package features is the stage that decomposes every function over the whole observed
// span. This describes the trace, for the report and for analysis: nothing is trained on
// it. What a model sees is decomposed again in train/forecast, at rolling origins, so that
// no feature has seen the future.
package features

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/train/forecast"
)

// Files that the stage writes.
const (
	Decomposition = "frames/decomposition.parquet" // parameters and largest effects of every function
	Components    = "frames/components.parquet"    // trend, seasonalities and holidays over time
	Example       = "models/decomposition.json"    // of one function, for the report
)

// Given is what the stage depends on.
type Given struct {
	Trace                 stage.Named[*datasets.Trace]
	Growth                prophet.Growth
	ChangepointPriorScale float64
	Holidays              []datasets.Holiday
}

// Stage returns the stage.
func Stage(given Given) stage.Stage {
	return stage.New("features", nil, []string{Decomposition, Components, Example}, stage.Always(given), decompose)
}

// Read reads the example, nil where no function has any invocation.
func Read(from stage.Reader) (*report.Decomposition, error) {
	var d *report.Decomposition
	err := stage.ReadJSON(from, Example, &d)
	return d, err
}

// componentPoints is about how many times of each function the table of components has.
const componentPoints = 400

// batchBytes bounds the memory for the counts of a batch of functions: that of the stage
// does not grow with the length of the trace. Batches of three times the size were no
// faster: what they save in reading they lose in fresh memory.
const batchBytes = 64 << 20

func decompose(ctx context.Context, at *stage.Place, given Given) (stage.Outcome, error) {
	trace := given.Trace.Value
	span := trace.Span
	grid := fit.Minutes(trace, span)
	m := fit.DefaultModel()
	m.Growth = given.Growth
	m.ChangepointPriorScale = given.ChangepointPriorScale
	m.Seasonalities = fit.AutoSeasonalities(time.Duration(span.Len())*time.Minute, time.Minute)
	m.Holidays = forecast.Calendar(given.Holidays, trace, span)

	bar := at.Progress.Begin("features", len(trace.Functions))
	defer bar.End()
	every := max(1, span.Len()/componentPoints)
	var times []time.Time
	for minute := 0; minute < span.Len(); minute += every {
		times = append(times, grid.At(minute))
	}
	fleet, err := m.NewFleet(grid, span.Len())
	if err != nil {
		return stage.Outcome{}, err
	}
	timeline := prophet.NewTimeline(times, m.Seasonalities)
	var params paramTable
	parts := newComponentTable(len(trace.Functions) * len(times))
	var best example
	batch := max(1, batchBytes/(8*span.Len()))
	for from := 0; from < len(trace.Functions); from += batch {
		to := min(from+batch, len(trace.Functions))
		series, err := trace.DenseRange(ctx, span, datasets.FunctionID(from), datasets.FunctionID(to))
		if err != nil {
			return stage.Outcome{}, err
		}
		fitted, err := fleet.Fit(ctx, series, at.Workers)
		if err != nil {
			return stage.Outcome{}, err
		}
		forecasts := evaluate(fitted, timeline, at.Workers)
		for i, f := range fitted {
			id, fc := datasets.FunctionID(from+i), forecasts[i]
			params.add(id, f, fc)
			parts.add(id, times, fc)
			if e := (example{f.Salience(fc), total(series[i]), id, f, series[i]}); e.tellsMore(best) {
				best = e
			}
		}
		best.series = slices.Clone(best.series) // not the whole batch with it
		bar.Set(to, "")
	}
	for _, t := range []struct {
		name    string
		columns []parquet.Column
	}{{Decomposition, params.columns()}, {Components, parts.columns()}} {
		to, err := at.Out(t.name)
		if err != nil {
			return stage.Outcome{}, err
		}
		if err := parquet.WriteTable(to, t.columns); err != nil {
			return stage.Outcome{}, err
		}
	}
	out := stage.Outcome{Rows: int64(len(parts.function)), Summary: terms(m)}
	missing := absentTerms(m, span, len(given.Holidays))
	if missing != "" {
		out.Warnings = append(out.Warnings, missing)
	}
	return out, stage.WriteJSON(at, Example, best.section(trace, grid, missing))
}

// evaluate evaluates every model on l.
func evaluate(fitted []*prophet.Fitted, l *prophet.Timeline, workers int) []*prophet.Forecast {
	out := make([]*prophet.Forecast, len(fitted))
	var g parallel.Group
	share := (len(fitted) + workers - 1) / workers
	for from := 0; from < len(fitted); from += share {
		g.Go(func() error {
			for i := from; i < min(from+share, len(fitted)); i++ {
				out[i] = fitted[i].ForecastOn(l)
			}
			return nil
		})
	}
	_ = g.Wait() // nothing fails
	return out
}

// terms names what a model has.
func terms(m fit.Model) string {
	s := "trend"
	for _, c := range m.Seasonalities {
		s += ", " + c.Name
	}
	if len(m.Holidays) > 0 {
		s += ", holidays"
	}
	return s
}

// absentTerms says which of the usual terms a span is too short for, or returns "".
func absentTerms(m fit.Model, span datasets.Window, holidays int) string {
	has := map[string]bool{}
	for _, c := range m.Seasonalities {
		has[c.Name] = true
	}
	var absent []string
	for _, name := range []string{"daily", "weekly"} {
		if !has[name] {
			absent = append(absent, name)
		}
	}
	if holidays == 0 {
		absent = append(absent, "holiday")
	}
	if len(absent) == 0 {
		return ""
	}
	s := absent[0]
	for i, a := range absent[1:] {
		if i == len(absent)-2 {
			s += " and " + a
		} else {
			s += ", " + a
		}
	}
	hours := float64(span.Len()) / 60
	why := fmt.Sprintf("a seasonality needs two periods and the trace spans %.3g hours", hours)
	if holidays == 0 {
		why += "; no holiday is configured"
	}
	return fmt.Sprintf("The terms %s are absent from the decomposition: %s.", s, why)
}
