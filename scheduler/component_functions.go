package scheduler

import (
	"fmt"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// FunctionsFile of a bundle.
const FunctionsFile = "functions.json"

// functionsComponent is the function info table.
var functionsComponent = component{
	name:  "functions",
	load:  func(m *Models, files readFile) error { return decodeFile(files, FunctionsFile, &m.Functions) },
	files: func(m *Models, out map[string][]byte) error { return encodeFile(out, FunctionsFile, m.Functions) },
	check: func(m *Models) error {
		slices.SortFunc(m.Functions, func(a, b FunctionInfo) int { return a.Key.Compare(b.Key) })
		m.rate = make(map[forecast.Key]float64, len(m.Functions))
		for i, f := range m.Functions {
			if i > 0 && f.Key == m.Functions[i-1].Key {
				return fmt.Errorf("%s: function %v is named twice", FunctionsFile, f.Key)
			}
			if !(f.PerMinute >= 0) || math.IsInf(f.PerMinute, 0) {
				return fmt.Errorf("%s: function %v: per_minute must not be negative, got %g", FunctionsFile, f.Key, f.PerMinute)
			}
			m.rate[f.Key] = f.PerMinute
		}
		return nil
	},
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
