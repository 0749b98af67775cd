// Package forecast is the stage that trains the hybrid forecaster on the training part; the
// validation part chooses between its models.
package forecast

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/pipelines/stage"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train/forecast"
)

// Files that the stage writes.
const (
	Models = "models/forecast"               // the forecaster
	Report = "models/forecast-training.json" // how it was trained
	Frames = "frames/forecast"               // rows that trees were fitted to and judged on
)

// Given is what the stage depends on. The workers of the options are those of the place.
type Given struct {
	Trace    stage.Named[*datasets.Trace]
	Splits   datasets.Splits
	Holidays []datasets.Holiday
	Options  forecast.Options
}

// Stage returns the stage.
func Stage(given Given) stage.Stage {
	return stage.New("forecast", nil, []string{Models, Report, Frames}, stage.Always(given), train)
}

// Read reads the forecaster.
func Read(from stage.Reader) (*online.Model, error) {
	return online.Load(func(name string) ([]byte, error) { return from.Read("models/" + name) })
}

// ReadReport reads how it was trained.
func ReadReport(from stage.Reader) (*forecast.Report, error) {
	var r forecast.Report
	return &r, stage.ReadJSON(from, Report, &r)
}

func train(ctx context.Context, at *stage.Place, given Given) (stage.Outcome, error) {
	trace, o := given.Trace.Value, given.Options
	bar := at.Progress.Begin("forecast", 0)
	defer bar.End()
	o.Workers = at.Workers
	model, rep, err := forecast.Train(ctx, trace, given.Splits, given.Holidays, o, stage.Recorder{Bar: bar})
	if err != nil {
		return stage.Outcome{}, err
	}
	files, err := model.Files()
	if err != nil {
		return stage.Outcome{}, err
	}
	for _, folder := range []string{Models, Frames} {
		if err := at.Clear(folder); err != nil {
			return stage.Outcome{}, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := at.Write("models/"+name, files[name]); err != nil {
			return stage.Outcome{}, err
		}
	}
	out := stage.Outcome{Fallbacks: len(rep.Fallbacks), Warnings: rep.Notes}
	for _, f := range rep.Frames {
		to, err := at.Out(Frames + "/" + f.Cluster + "-" + f.Window + ".parquet")
		if err != nil {
			return stage.Outcome{}, err
		}
		if err := writeFrame(to, f); err != nil {
			return stage.Outcome{}, err
		}
		out.Rows += int64(len(f.Count))
	}
	for _, f := range rep.Fallbacks {
		out.Warnings = append(out.Warnings, fmt.Sprintf("Function %v fell back to %s: %s.", f.Function, f.Class, f.Reason))
	}
	for _, err := range rep.Warnings {
		out.Warnings = append(out.Warnings, err.Error())
	}
	trees := rep.Classes[online.Trees]
	out.Summary = fmt.Sprintf("trees for %d of %d functions", trees, len(trace.Functions))
	rep.Timing = forecast.Timing{} // an input of later stages must not depend on the clock
	return out, stage.WriteJSON(at, Report, rep)
}

// writeFrame stores the rows that trees were fitted to or judged on.
func writeFrame(name string, f forecast.Frame) error {
	n := f.Rows.Rows()
	function, minute := make([]int32, n), make([]int32, n)
	for i := range n {
		function[i], minute[i] = int32(f.Rows.Function[i]), f.Rows.Minute[i]
	}
	columns := []parquet.Column{{Name: "function", Data: function}, {Name: "minute", Data: minute}, {Name: "count", Data: f.Count}}
	for j, c := range f.Rows.Columns {
		v := make([]float64, n)
		for i := range v {
			v[i] = f.Rows.Row(i)[j]
		}
		columns = append(columns, parquet.Column{Name: c, Data: v})
	}
	return parquet.WriteTable(name, columns)
}
