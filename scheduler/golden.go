package scheduler

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/priority"
)

// Golden is the content of GoldenFile: inputs and what the models made of them when
// the bundle was exported. Open replays them, so a model that is read or computed
// otherwise on another machine or by another version is found before it decides.
type Golden struct {
	Forecast []GoldenForecast `json:"forecast"`
	Priority []GoldenPriority `json:"priority"`
	Agents   []GoldenAgent    `json:"agents"`
	Slices   []GoldenSlice    `json:"slices,omitempty"` // of a bundle with SlicesFile
}

// A GoldenForecast is the forecasts after a stretch of counts.
type GoldenForecast struct {
	Functions []forecast.Key      `json:"functions"`
	Start     time.Time           `json:"start"`  // of minute 0
	Minute    int                 `json:"minute"` // of the first row of Counts
	Counts    [][]float64         `json:"counts"` // (minutes, functions)
	Want      []forecast.Forecast `json:"want"`   // (functions): of the minute after
}

// A GoldenPriority is the score of a function's factors.
type GoldenPriority struct {
	Factors []float64 `json:"factors"` // priority.Values
	Want    float64   `json:"want"`
}

// A GoldenAgent is the Q-values of an observation.
type GoldenAgent struct {
	File       string    `json:"file"`
	N          int       `json:"n"`          // rows that hold a candidate
	Candidates []float32 `json:"candidates"` // (K, agent.Features)
	Global     []float32 `json:"global"`     // (agent.Globals)
	Want       []float32 `json:"want"`       // (2K+1)
}

// A GoldenSlice is how a machine schedules a function of which that share of the CPU was
// used.
type GoldenSlice struct {
	Function forecast.Key `json:"function"`
	Used     float64      `json:"used"`
	Rank     int32        `json:"rank"`
	Slice    decide.Time  `json:"slice_us"`
}

// Observation returns the input of the case for a network of k candidates.
func (g *GoldenAgent) Observation(k int) (*agent.Observation, error) {
	o := agent.NewObservation(k)
	if g.N < 1 || g.N > k || len(g.Candidates) != len(o.Candidates) || len(g.Global) != len(o.Global) {
		return nil, fmt.Errorf("%s: golden case of %s: %d of %d candidates with %d and %d values: the network has other shapes",
			GoldenFile, g.File, g.N, k, len(g.Candidates), len(g.Global))
	}
	o.N = g.N
	copy(o.Candidates, g.Candidates)
	copy(o.Global, g.Global)
	for i := range g.N {
		o.Mask[i] = 1 / float32(g.N)
	}
	return o, nil
}

// goldenMinutes of counts are enough for the short lags and windows to be known.
const goldenMinutes = 90

// goldenFunctions of each class are in a case.
const goldenFunctions = 3

// MakeGolden draws inputs from rnd and answers them with m. Start is the midnight UTC
// of minute 0, and minute the one at which the counts begin.
func (m *Models) MakeGolden(start time.Time, minute int, rnd uint64) (*Golden, error) {
	src := seed.Stream(rnd, "golden")
	g := &Golden{}

	f := GoldenForecast{Start: start, Minute: minute}
	perClass := map[forecast.Class]int{}
	for i := range m.Forecast.Functions {
		fn := &m.Forecast.Functions[i]
		if perClass[fn.Class]++; perClass[fn.Class] <= goldenFunctions {
			f.Functions = append(f.Functions, fn.Key)
		}
	}
	for range goldenMinutes {
		row := make([]float64, len(f.Functions))
		for i := range row {
			row[i] = float64(src.IntN(5) * src.IntN(4))
		}
		f.Counts = append(f.Counts, row)
	}
	var err error
	if f.Want, err = m.forecastGolden(&f); err != nil {
		return nil, err
	}
	g.Forecast = append(g.Forecast, f)

	for range 4 {
		var v priority.Values
		for k := range v {
			low, high := m.Settings.Model.Low[k], m.Settings.Model.High[k]
			v[k] = low + (high-low)*src.Float64()
		}
		g.Priority = append(g.Priority, GoldenPriority{slices.Clone(v[:]), m.Settings.Model.Score(&v)})
	}

	for _, name := range NetworkFiles(m.Clusters) {
		n := m.Networks[name]
		for i := range 4 {
			o := agent.NewObservation(n.Candidates)
			c := GoldenAgent{File: name, N: 1 + i*(n.Candidates-1)/3, Candidates: o.Candidates, Global: o.Global}
			for j := range c.N * agent.Features {
				c.Candidates[j] = src.Float32()
			}
			for j := range c.Global {
				c.Global[j] = src.Float32()
			}
			full, err := c.Observation(n.Candidates)
			if err != nil {
				return nil, err
			}
			c.Want = make([]float32, 2*n.Candidates+1)
			agent.NewEvaluator(n).Forward(full, c.Want)
			g.Agents = append(g.Agents, c)
		}
	}
	if m.Slices != nil {
		g.Slices = m.goldenSlices()
	}
	return g, nil
}

// goldenSlices are of some functions that were learned and of one that was not, on an idle
// machine and on a busy one.
func (m *Models) goldenSlices() []GoldenSlice {
	keys := []forecast.Key{{Owner: "golden", App: "golden", Name: "never seen"}}
	n := len(m.Slices.Classes)
	for i := range min(n, 2*goldenFunctions) {
		keys = append(keys, m.Slices.Classes[i*n/min(n, 2*goldenFunctions)].Key)
	}
	var out []GoldenSlice
	for _, used := range []float64{0, 1} {
		for _, k := range keys {
			c := GoldenSlice{Function: k, Used: used}
			c.Rank, c.Slice = m.sliceOf(&c)
			out = append(out, c)
		}
	}
	return out
}

func (m *Models) sliceOf(c *GoldenSlice) (int32, decide.Time) {
	t := m.Slices.Table([]datasets.Function{{Owner: c.Function.Owner, App: c.Function.App, Name: c.Function.Name}})
	t.Use(c.Used)
	return t.Rank(0), t.Slice(0)
}

func (m *Models) forecastGolden(f *GoldenForecast) ([]forecast.Forecast, error) {
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
		if i < len(f.Counts)-1 {
			rt.Prime(f.Minute+i, row)
		} else {
			out = slices.Clone(rt.Step(f.Minute+i, row))
		}
	}
	return out, nil
}

// goldenTolerance is relative: machines differ in whether they round between a
// product and a sum.
const goldenTolerance = 1e-5

func near(got, want float64) bool {
	return math.Abs(got-want) <= goldenTolerance*max(1, math.Abs(want))
}

// Replay reports the first case of g that m answers otherwise, or a Q-network of m
// that has no case.
func (m *Models) Replay(g *Golden) error {
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
	for _, p := range g.Priority {
		var v priority.Values
		if len(p.Factors) != len(v) {
			return fmt.Errorf("%s: %d priority factors, expected %d", GoldenFile, len(p.Factors), len(v))
		}
		copy(v[:], p.Factors)
		if got := m.Settings.Model.Score(&v); !near(got, p.Want) {
			return fmt.Errorf("%s: priority of %v is %g, expected %g", GoldenFile, v, got, p.Want)
		}
	}
	for _, name := range NetworkFiles(m.Clusters) {
		if !slices.ContainsFunc(g.Agents, func(c GoldenAgent) bool { return c.File == name }) {
			return fmt.Errorf("%s: no golden case of %s", GoldenFile, name)
		}
	}
	for i := range g.Agents {
		c := &g.Agents[i]
		n := m.Networks[c.File]
		if n == nil {
			return fmt.Errorf("%s: no Q-network %q", GoldenFile, c.File)
		}
		o, err := c.Observation(n.Candidates)
		if err != nil {
			return err
		}
		got := make([]float32, 2*n.Candidates+1)
		if len(c.Want) != len(got) {
			return fmt.Errorf("%s: %d Q-values, expected %d", GoldenFile, len(c.Want), len(got))
		}
		agent.NewEvaluator(n).Forward(o, got)
		for j := range got {
			if !near(float64(got[j]), float64(c.Want[j])) {
				return fmt.Errorf("%s: Q-value %d of %s is %g, expected %g", GoldenFile, j, c.File, got[j], c.Want[j])
			}
		}
	}
	if (m.Slices == nil) != (len(g.Slices) == 0) {
		return fmt.Errorf("%s: %d golden cases of %s, which is there: %t", GoldenFile, len(g.Slices), SlicesFile, m.Slices != nil)
	}
	for i := range g.Slices {
		c := &g.Slices[i]
		if rank, slice := m.sliceOf(c); rank != c.Rank || slice != c.Slice {
			return fmt.Errorf("%s: %v has rank %d and slice %d us, expected %d and %d", GoldenFile, c.Function, rank, slice, c.Rank, c.Slice)
		}
	}
	return nil
}
