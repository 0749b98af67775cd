package scheduler

import (
	"fmt"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// FunctionsFile of a bundle.
const FunctionsFile = "functions.json"

// functionsComponent is the function info table.
var functionsComponent = component{
	name:  "functions",
	since: goldenVersion,
	load:  func(m *Models, files readFile) error { return decodeFile(files, FunctionsFile, &m.Functions) },
	files: func(m *Models, out map[string][]byte) error { return encodeFile(out, FunctionsFile, m.Functions) },
	check: func(m *Models) error {
		slices.SortFunc(m.Functions, func(a, b FunctionInfo) int { return a.Key.Compare(b.Key) })
		m.rate = make(map[forecast.Key]float64, len(m.Functions))
		for i, f := range m.Functions {
			if i > 0 && f.Key == m.Functions[i-1].Key {
				return fmt.Errorf("%s: function %v is named twice", FunctionsFile, f.Key)
			}
			for _, v := range []struct {
				name  string
				value float64
			}{{"per_minute", f.PerMinute}, {"memory_mb", f.MemoryMB}, {"cpu", f.CPU}, {"execution_ms", f.Execution}, {"initialisation_ms", f.Init}, {"termination_ms", f.Term}} {
				if !(v.value >= 0 && v.value <= largestInfo) {
					return fmt.Errorf("%s: function %v: %s must be in [0, %g], got %g", FunctionsFile, f.Key, v.name, largestInfo, v.value)
				}
			}
			m.rate[f.Key] = f.PerMinute
		}
		return nil
	},
	golden: func(m *Models, _ goldenInput, g *Golden) error {
		for i := range m.Functions {
			g.Functions = append(g.Functions, m.goldenFunction(&m.Functions[i]))
		}
		return nil
	},
	replay: func(m *Models, g *Golden) error {
		if len(g.Functions) != len(m.Functions) {
			return fmt.Errorf("%s: %d golden cases of %s, expected %d", GoldenFile, len(g.Functions), FunctionsFile, len(m.Functions))
		}
		for i := range m.Functions {
			got, want := m.goldenFunction(&m.Functions[i]), &g.Functions[i]
			if got.Key != want.Key || !same(got.Priority, want.Priority) || !same(got.PerHour, want.PerHour) || !same(got.Held, want.Held) || !same(got.Cores, want.Cores) {
				return fmt.Errorf("%s: function %v: priority %g, %g requests in an hour, %g MB·s and %g core·s for one, expected %v: %g, %g, %g and %g",
					GoldenFile, got.Key, got.Priority, got.PerHour, got.Held, got.Cores, want.Key, want.Priority, want.PerHour, want.Held, want.Cores)
			}
		}
		return nil
	},
}

// largestInfo is above what a function can have: a petabyte, eleven days, or sixteen million
// requests in a second.
const largestInfo = 1e9

// A GoldenFunction is what the rows of FunctionsFile come to.
type GoldenFunction struct {
	Key      forecast.Key `json:"key"`
	Priority float64      `json:"priority"` // a minute after the arrival before
	PerHour  float64      `json:"per_hour"` // requests
	Held     float64      `json:"mb_s"`     // memory that a cold start and its execution hold
	Cores    float64      `json:"core_s"`   // that an execution takes
}

func (m *Models) goldenFunction(f *FunctionInfo) GoldenFunction {
	v := Factors(f.profile(), m.rate[f.Key], decide.Minute)
	return GoldenFunction{f.Key, m.Settings.Model.Score(&v), 60 * m.rate[f.Key], f.MemoryMB * (f.Execution + f.Init + f.Term) / 1e3, f.CPU * f.Execution / 1e3}
}

// profile is what a platform would know of the function before it has run.
func (f *FunctionInfo) profile() decide.Profile {
	ms := func(v float64) decide.Time { return decide.Time(math.Round(v * float64(decide.Millisecond))) }
	return decide.Profile{
		Memory: int64(f.MemoryMB * (1 << 20)), CPU: f.CPU, Execution: ms(f.Execution), Initialise: ms(f.Init), Termination: ms(f.Term),
	}
}

// A FunctionInfo is a row of FunctionsFile, the function info table (Incendio,
// Fig. 7) as training saw it.
type FunctionInfo struct {
	Key       forecast.Key `json:"key"`
	PerMinute float64      `json:"per_minute"` // mean rate of arrivals
	MemoryMB  float64      `json:"memory_mb"`  // units of 2^20 bytes
	CPU       float64      `json:"cpu"`        // cores
	Execution float64      `json:"execution_ms"`
	Init      float64      `json:"initialisation_ms"`
	Term      float64      `json:"termination_ms"`
	Assumed   []string     `json:"assumed,omitempty"` // of memory, cpu, execution, start_cost: not measured by the trace
}

// info is the row of a function, if training saw it.
func (m *Models) info(key forecast.Key) (*FunctionInfo, bool) {
	i, ok := slices.BinarySearchFunc(m.Functions, key, func(f FunctionInfo, k forecast.Key) int { return f.Key.Compare(k) })
	if !ok {
		return nil, false
	}
	return &m.Functions[i], true
}

// Rates returns the arrivals per minute in training of each function; 0 for one that
// training did not see.
func (m *Models) Rates(functions []datasets.Function) []float64 {
	rate := make([]float64, len(functions))
	for i := range functions {
		rate[i] = m.rate[forecast.KeyOf(&functions[i])]
	}
	return rate
}
