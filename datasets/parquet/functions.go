package parquet

import (
	"fmt"
	"math"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

const mb = 1 << 20

// functionColumns lays out the table of functions. Memory is in MB of 2^20 bytes,
// which is exact in float64; times are in nanoseconds.
func functionColumns(functions []datasets.Function) []Column {
	n := len(functions)
	id, cpu, memory := make([]int32, n), make([]float64, n), make([]float64, n)
	owner, app, name, trigger := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i := range functions {
		f := &functions[i]
		id[i], memory[i], cpu[i] = int32(f.ID), float64(f.Memory)/mb, f.CPU
		owner[i], app[i], name[i], trigger[i] = f.Owner, f.App, f.Name, string(f.Trigger)
	}
	columns := []Column{
		{"function", id}, {"owner", owner}, {"app", app}, {"name", name}, {"trigger", trigger},
		{"memory_mb", memory}, {"cpu", cpu},
	}
	for _, d := range distributions {
		prob, value := make([][]float64, n), make([][]int64, n)
		for i := range functions {
			of := d.of(&functions[i])
			prob[i] = of.Prob
			value[i] = make([]int64, len(of.Value))
			for k, v := range of.Value {
				value[i][k] = int64(v)
			}
		}
		columns = append(columns, Column{d.name + "_prob", prob}, Column{d.name + "_ns", value})
	}
	for _, a := range assumptions {
		flag := make([]bool, n)
		for i := range functions {
			flag[i] = functions[i].Assumed&a.bit != 0
		}
		columns = append(columns, Column{"assumed_" + a.name, flag})
	}
	return columns
}

var distributions = []struct {
	name string
	of   func(*datasets.Function) *datasets.Distribution
}{
	{"execution", func(f *datasets.Function) *datasets.Distribution { return &f.Execution }},
	{"initialisation", func(f *datasets.Function) *datasets.Distribution { return &f.Initialisation }},
	{"termination", func(f *datasets.Function) *datasets.Distribution { return &f.Termination }},
}

var assumptions = []struct {
	name string
	bit  datasets.Assumed
}{
	{"memory", datasets.AssumedMemory},
	{"cpu", datasets.AssumedCPU},
	{"execution", datasets.AssumedExecution},
	{"start_cost", datasets.AssumedStartCost},
}

func readFunctions(path string, rows int) ([]datasets.Function, error) {
	columns, err := readFile(path, functionColumns(nil), int64(rows))
	if err != nil {
		return nil, err
	}
	next := func() any {
		data := columns[0].Data
		columns = columns[1:]
		return data
	}
	id := next().([]int32)
	owner, app, name, trigger := next().([]string), next().([]string), next().([]string), next().([]string)
	memory, cpu := next().([]float64), next().([]float64)
	functions := make([]datasets.Function, len(id))
	for i := range functions {
		m := memory[i] * mb
		if !(m >= 0 && m < 1<<62) {
			return nil, fmt.Errorf("%s: column \"memory_mb\": row %d: %g: must be a size", path, i, memory[i])
		}
		functions[i] = datasets.Function{
			ID: datasets.FunctionID(id[i]), Owner: owner[i], App: app[i], Name: name[i],
			Trigger: datasets.Trigger(trigger[i]), Memory: int64(math.Round(m)), CPU: cpu[i],
		}
	}
	for _, d := range distributions {
		prob, value := next().([][]float64), next().([][]int64)
		for i := range functions {
			times := make([]time.Duration, len(value[i]))
			for k, v := range value[i] {
				times[k] = time.Duration(v)
			}
			*d.of(&functions[i]) = datasets.Distribution{Prob: prob[i], Value: times}
		}
	}
	for _, a := range assumptions {
		for i, set := range next().([]bool) {
			if set {
				functions[i].Assumed |= a.bit
			}
		}
	}
	if err := validateFunctions(functions); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return functions, nil
}

// validateFunctions checks what every reader of a trace relies on.
func validateFunctions(functions []datasets.Function) error {
	type key struct{ owner, app, name string }
	seen := make(map[key]int, len(functions))
	for i := range functions {
		f := &functions[i]
		if int(f.ID) != i {
			return fmt.Errorf("column \"function\": row %d: %d: must be the number of the row", i, f.ID)
		}
		k := key{f.Owner, f.App, f.Name}
		if first, ok := seen[k]; ok {
			return fmt.Errorf("column \"name\": row %d: same owner, app and name as row %d", i, first)
		}
		seen[k] = i
		if f.Memory <= 0 {
			return fmt.Errorf("column \"memory_mb\": row %d: %d bytes: must be positive", i, f.Memory)
		}
		if !(f.CPU > 0) || math.IsInf(f.CPU, 1) {
			return fmt.Errorf("column \"cpu\": row %d: %g: must be positive and finite", i, f.CPU)
		}
		for _, d := range distributions {
			if err := d.of(f).Validate(); err != nil {
				return fmt.Errorf("column \"%s_ns\": row %d: %w", d.name, i, err)
			}
		}
	}
	return nil
}
