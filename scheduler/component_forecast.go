package scheduler

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// forecastComponent is the forecaster: trees as LightGBM text and what stands around them.
var forecastComponent = component{
	name: "forecast",
	load: func(m *Models, files readFile) (err error) {
		m.Forecast, err = forecast.Load(files)
		return err
	},
	files: func(m *Models, out map[string][]byte) error {
		files, err := m.Forecast.Files()
		maps.Copy(out, files)
		return err
	},
	check: func(m *Models) error {
		if m.Forecast == nil {
			return errors.New("scheduler: models need a forecaster")
		}
		return nil
	},
	golden: makeForecastGolden,
	replay: replayForecastGolden,
}

// A GoldenModel is what the forecaster is asked beside that: on rows that reach every leaf and
// threshold, of every function, and at every level of a calibration.
type GoldenModel struct {
	Start time.Time            `json:"start"` // of minute 0 of Probe
	Trees []forecast.TreeProbe `json:"trees"` // a file each, in order of their names
	Probe *forecast.Probe      `json:"probe"`
}

// A GoldenForecast is the forecasts after a stretch of counts.
type GoldenForecast struct {
	Functions []forecast.Key      `json:"functions"`
	Start     time.Time           `json:"start"`  // of minute 0
	Minute    int                 `json:"minute"` // of the first row of Counts
	Counts    [][]float64         `json:"counts"` // (minutes, functions)
	Want      []forecast.Forecast `json:"want"`   // (functions): of the minute after
}

// goldenMinutes of counts are enough for the short lags and windows to be known.
const goldenMinutes = 90

// goldenSteps of them are forecast, so that the case has mixtures and errors in it.
const goldenSteps = 60

// goldenFunctions of each class and cluster are in a case.
const goldenFunctions = 3

func makeForecastGolden(m *Models, in goldenInput, g *Golden) error {
	f := GoldenForecast{Start: in.start, Minute: in.minute}
	type kind struct {
		class   forecast.Class
		cluster int
	}
	of := map[kind]int{}
	for i := range m.Forecast.Functions {
		fn := &m.Forecast.Functions[i]
		k := kind{fn.Class, fn.Cluster}
		if of[k]++; of[k] <= goldenFunctions {
			f.Functions = append(f.Functions, fn.Key)
		}
	}
	for range goldenMinutes {
		row := make([]float64, len(f.Functions))
		for i := range row {
			row[i] = float64(in.src.IntN(5) * in.src.IntN(4))
		}
		f.Counts = append(f.Counts, row)
	}
	var err error
	if f.Want, err = m.forecastGolden(&f); err != nil {
		return err
	}
	g.Forecast = append(g.Forecast, f)
	g.Model = &GoldenModel{Start: in.start, Probe: m.Forecast.Probe(in.start, in.minute, in.src.Float64)}
	heads := m.Forecast.Heads()
	for _, name := range slices.Sorted(maps.Keys(heads)) {
		p, err := forecast.NewTreeProbe(name, heads[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		g.Model.Trees = append(g.Model.Trees, *p)
	}
	return nil
}

func replayForecastGolden(m *Models, g *Golden) error {
	for i := range g.Forecast {
		f := &g.Forecast[i]
		got, err := m.forecastGolden(f)
		if err != nil {
			return err
		}
		if len(f.Want) != len(got) {
			return fmt.Errorf("%s: %d forecasts of %d functions", GoldenFile, len(f.Want), len(got))
		}
		for j, w := range f.Want {
			if v := got[j]; !near(v.Mean, w.Mean) || !near(v.Median, w.Median) || !near(v.Q90, w.Q90) || !near(v.Q99, w.Q99) {
				return fmt.Errorf("%s: forecast of %v is %+v, expected %+v", GoldenFile, f.Functions[j], v, w)
			}
		}
	}
	if g.Version < goldenVersion {
		return nil
	}
	if g.Model == nil || g.Model.Probe == nil {
		return fmt.Errorf("%s: no golden cases of the forecaster", GoldenFile)
	}
	heads := m.Forecast.Heads()
	if len(heads) != len(g.Model.Trees) {
		return fmt.Errorf("%s: golden cases of %d files of trees, expected %d", GoldenFile, len(g.Model.Trees), len(heads))
	}
	for i, name := range slices.Sorted(maps.Keys(heads)) {
		p := &g.Model.Trees[i]
		if p.File != name {
			return fmt.Errorf("%s: golden case of %s, expected %s", GoldenFile, p.File, name)
		}
		if err := p.Check(heads[name]); err != nil {
			return fmt.Errorf("%s: %w", GoldenFile, err)
		}
	}
	if err := m.Forecast.Check(g.Model.Probe, g.Model.Start); err != nil {
		return fmt.Errorf("%s: %w", GoldenFile, err)
	}
	return nil
}

func (m *Models) forecastGolden(f *GoldenForecast) ([]forecast.Forecast, error) {
	if f.Minute < 0 || f.Minute > maxWorldMinutes {
		return nil, fmt.Errorf("%s: minute must be in [0, %d], got %d", GoldenFile, maxWorldMinutes, f.Minute)
	}
	functions := make([]datasets.Function, len(f.Functions))
	for i, k := range f.Functions {
		functions[i] = datasets.Function{ID: datasets.FunctionID(i), Owner: k.Owner, App: k.App, Name: k.Name}
	}
	rt, err := forecast.NewRuntime(m.Forecast, functions, f.Start)
	if err != nil {
		return nil, err
	}
	var out []forecast.Forecast
	for i, row := range f.Counts {
		if len(row) != len(functions) {
			return nil, fmt.Errorf("%s: %d counts of %d functions", GoldenFile, len(row), len(functions))
		}
		if i < len(f.Counts)-goldenSteps {
			rt.Prime(f.Minute+i, row)
		} else {
			out = slices.Clone(rt.Step(f.Minute+i, row))
		}
	}
	return out, nil
}
