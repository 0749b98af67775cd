package pipelines

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train/forecast"
)

// Files of the stage "forecast".
const (
	forecastFolder = "models/forecast"
	forecastReport = "models/forecast-training.json"
	frameFolder    = "frames/forecast"
)

// forecastStage trains the hybrid forecaster on the training part; the validation part
// chooses between its models.
func forecastStage(r *Run) Stage {
	o := r.recorded().Forecast
	return Stage{
		Name:    "forecast",
		Outputs: []string{forecastFolder, forecastReport, frameFolder},
		Options: struct {
			Forecast forecast.Options
			Splits   datasets.Splits
			Holidays []datasets.Holiday
		}{o, r.splits, r.holidays},
		Run: func(ctx context.Context, r *Run) (Outcome, error) { return r.trainForecast(ctx, o) },
	}
}

func (r *Run) trainForecast(ctx context.Context, o forecast.Options) (Outcome, error) {
	bar := r.env.Progress.Begin("forecast", 0)
	defer bar.End()
	o.Workers = r.env.Workers
	model, rep, err := forecast.Train(ctx, r.trace, r.splits, r.holidays, o, progress{bar: bar})
	if err != nil {
		return Outcome{}, err
	}
	files, err := model.Files()
	if err != nil {
		return Outcome{}, err
	}
	for _, folder := range []string{forecastFolder, frameFolder} {
		if err := os.RemoveAll(r.Path(folder)); err != nil {
			return Outcome{}, err
		}
		if err := os.MkdirAll(r.Path(folder), 0o755); err != nil {
			return Outcome{}, err
		}
	}
	for _, name := range sortedKeys(files) {
		if err := writeFile(r.Path("models", name), files[name]); err != nil {
			return Outcome{}, err
		}
	}
	out := Outcome{Fallbacks: len(rep.Fallbacks), Warnings: rep.Notes}
	for _, f := range rep.Frames {
		if err := writeFrame(r.Path(frameFolder, f.Cluster+"-"+f.Window+".parquet"), f); err != nil {
			return Outcome{}, err
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
	out.Summary = fmt.Sprintf("trees for %d of %d functions", trees, len(r.trace.Functions))
	rep.Timing = forecast.Timing{} // an input of later stages must not depend on the clock
	return out, writeJSON(r.Path(forecastReport), rep)
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
	return writeTable(name, columns)
}

// writeTable makes the folder of a table and writes it.
func writeTable(name string, columns []parquet.Column) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return parquet.WriteTable(name, columns)
}

// forecaster reads what the stage "forecast" wrote.
func (r *Run) forecaster() (*online.Model, error) {
	return online.Load(func(name string) ([]byte, error) { return os.ReadFile(r.Path("models", name)) })
}

// progress is a train.Recorder that shows what it is told on a bar.
type progress struct {
	bar    Bar
	metric string // whose steps the bar counts; empty: every record is a step
}

// Record implements train.Recorder.
func (p progress) Record(metric string, step int, value float64) {
	if p.metric == "" || metric == p.metric {
		p.bar.Set(step+1, fmt.Sprintf("%s %.4g", metric, value))
	}
}
