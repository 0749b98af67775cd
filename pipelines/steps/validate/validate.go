// Package validate judges a bundle on minutes that nothing of it has seen: its forecasts
// beside the baselines', its scheduling beside other policies', its networks on a second
// engine; and applies the gates. [Stage] is the stage of a run, [Validator] does the work
// for it and for the command.
package validate

import (
	"context"
	"fmt"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines/gates"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/export"
	"github.com/incendio-faas/incendio/train/forecast"
)

// Files that the stage writes.
const (
	Metrics = "metrics.json"                 // a Validation, as `incendio validate --json` prints it
	Curves  = "models/simulation.json"       // replay.Curves, for the report
	Example = "models/forecast-example.json" // of one function, for the report
)

// Given is what the stage depends on.
type Given struct {
	Trace      stage.Named[*datasets.Trace]
	Splits     datasets.Splits // of which the test part is judged on
	Forecast   forecast.Options
	Simulation replay.Simulation
	Gates      gates.Bounds
	Seed       uint64
	// Champion opens the bundle that the candidate is compared with, nil where there is
	// none; its name is the digest of the bundle, or "".
	Champion stage.Named[func() (*replay.Subject, error)]
}

// Stage returns the stage. What it is given is looked up when it is due: the champion may
// have changed while the stages before ran.
func Stage(given func() (Given, error)) stage.Stage {
	return stage.New("validate", []string{export.Folder}, []string{Metrics, Curves, Example}, given, run)
}

func run(ctx context.Context, at *stage.Place, given Given) (stage.Outcome, error) {
	dir, err := at.In(export.Folder)
	if err != nil {
		return stage.Outcome{}, err
	}
	candidate, err := replay.Open(dir)
	if err != nil {
		return stage.Outcome{}, err
	}
	champion, err := given.Champion.Value()
	if err != nil {
		return stage.Outcome{}, fmt.Errorf("champion: %w", err)
	}
	judge := Validator{
		Trace: given.Trace.Value, Splits: given.Splits, Window: given.Splits.Test,
		Forecast: given.Forecast, Simulation: given.Simulation, Gates: given.Gates, Seed: given.Seed,
		Workers: at.Workers, Progress: at.Progress,
	}
	v, err := judge.Validate(ctx, candidate, champion)
	if err != nil {
		return stage.Outcome{}, err
	}
	if err := stage.WriteJSON(at, Curves, replay.CurvesOf(v.Simulation)); err != nil {
		return stage.Outcome{}, err
	}
	if err := stage.WriteJSON(at, Example, v.Example); err != nil {
		return stage.Outcome{}, err
	}
	return stage.Outcome{Summary: v.Verdict, Warnings: v.Notes}, stage.WriteJSON(at, Metrics, v)
}

// Read reads what the stage wrote.
func Read(from stage.Reader) (*Validation, error) {
	var v Validation
	return &v, stage.ReadJSON(from, Metrics, &v)
}

// ReadCurves reads the curves of the simulation.
func ReadCurves(from stage.Reader) (replay.Curves, error) {
	var c replay.Curves
	err := stage.ReadJSON(from, Curves, &c)
	return c, err
}

// ReadExample reads the forecast of one function, nil where none is forecast by trees.
func ReadExample(from stage.Reader) (*forecast.Example, error) {
	var e *forecast.Example
	err := stage.ReadJSON(from, Example, &e)
	return e, err
}
