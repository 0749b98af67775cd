//go:build parity

package workloads_test

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/cost"
	"github.com/incendio-faas/incendio/datasets/synthetic/workloads"
)

// The quantiles of profiles.csv are those of the published measurements.
func TestProfilesAgainstTheMeasurements(t *testing.T) {
	shared := os.Getenv("SHARED_DATA")
	if shared == "" {
		t.Fatal("SHARED_DATA must name the folder that holds data, the public measurements")
	}
	var bench struct {
		Data map[string]struct {
			Execution []float64 `json:"warm_worker_duration_us"`
			Cold      []float64 `json:"cold_invoke_duration_us"`
			Warm      []float64 `json:"warm_invoke_duration_us"`
		} `json:"data"`
	}
	raw, err := os.ReadFile(filepath.Join(shared, "data", "functionbench", "worker_function_benchmarks.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &bench); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, p := range workloads.Profiles() {
		var execution, cold, warm []float64 // us
		if name, ok := strings.CutPrefix(p.Source, "FunctionBench/iluvatar "); ok {
			b := bench.Data[name]
			execution, cold, warm = b.Execution, b.Cold, b.Warm
			long := 10 * median(cold) // one run pulled an image
			cold = slices.DeleteFunc(slices.Clone(cold), func(us float64) bool { return us >= long })
		} else if name, ok := strings.CutPrefix(p.Source, "SeBS/"); ok {
			cloud, file, _ := strings.Cut(name, " ")
			execution, cold, warm = sebs(t, filepath.Join(shared, "data", "sebs", cloud, file+".csv.gz"))
		} else {
			continue
		}
		usual := median(warm)
		for i := range cold {
			cold[i] -= usual
		}
		near(t, p.Name+", execution", p.Execution, execution)
		near(t, p.Name+", initialisation", p.Initialisation, cold)
		checked++
	}
	if checked != 20 {
		t.Errorf("checked %d profiles, expected 20", checked)
	}
}

// near compares quantiles, to the microsecond of the table and of rounding.
func near(t *testing.T, what string, got datasets.Distribution, us []float64) {
	t.Helper()
	for i, want := range quantiles(us) {
		if d := float64(got.Value[i])/1e3 - want; d < -2 || d > 2 {
			t.Errorf("%s: %v at %g, measured %.3f us", what, got.Value[i], got.Prob[i], want)
		}
	}
}

// quantiles are linear between order statistics.
func quantiles(us []float64) []float64 {
	us = slices.Sorted(slices.Values(us))
	var out []float64
	for _, p := range cost.Probabilities() {
		at := p * float64(len(us)-1)
		k := int(at)
		v := us[k]
		if k+1 < len(us) {
			v += (at - float64(k)) * (us[k+1] - us[k])
		}
		out = append(out, v)
	}
	return out
}

func median(us []float64) float64 { return quantiles(us)[3] }

// sebs returns what the benchmark took, and the times that the client saw, at 128 MB.
func sebs(t *testing.T, name string) (execution, cold, warm []float64) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(r []string, name string) string { return r[slices.Index(rows[0], name)] }
	number := func(r []string, name string) float64 {
		us, err := strconv.ParseFloat(column(r, name), 64)
		if err != nil {
			t.Fatal(err)
		}
		return us
	}
	for _, r := range rows[1:] {
		if column(r, "memory") != "128" {
			continue
		}
		switch {
		case column(r, "type") == "cold" && column(r, "is_cold") == "True":
			cold = append(cold, number(r, "client_time"))
		case column(r, "type") == "warm" && column(r, "is_cold") == "False":
			warm = append(warm, number(r, "client_time"))
			execution = append(execution, number(r, "exec_time"))
		}
	}
	return execution, cold, warm
}
