//go:build bench

package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// TestBenchSimPy replays one workload under native with SimPy and with this package, on
// one invoker with CPU for all, and compares what came of it and how long it took. The
// two may order what happens in the same microsecond otherwise.
func TestBenchSimPy(t *testing.T) {
	python := os.Getenv("PARITY_PYTHON")
	if python == "" {
		t.Fatal("PARITY_PYTHON must name the Python of the environment that make bench-sim makes")
	}
	const minutes = 5
	tr := mixed(500, minutes, 20_000, 7)
	for i := range tr.Functions {
		f := &tr.Functions[i]
		f.Initialisation = datasets.Constant(f.Initialisation.Mean())
	}
	o := sim.DefaultOptions()
	o.Cluster.Invokers, o.Cluster.Cores = 1, 1<<16
	var invocations []datasets.Invocation
	for inv, err := range datasets.Arrivals(t.Context(), tr, tr.Span, 1) {
		if err != nil {
			t.Fatal(err)
		}
		inv.Duration = max(inv.Duration, time.Microsecond)
		invocations = append(invocations, inv)
	}
	for _, memoryMB := range []int{32 << 10, 128 << 10} {
		o.Cluster.MemoryMB = memoryMB
		w, err := sim.Single(tr, invocations, o.Draw)
		if err != nil {
			t.Fatal(err)
		}
		began, cpu := time.Now(), cpuTime()
		r, err := sim.Run(context.Background(), tr, w, baseline(t, "native").New, o)
		if err != nil {
			t.Fatal(err)
		}
		wall, used := time.Since(began).Seconds(), (cpuTime() - cpu).Seconds()

		peer := simpy(t, python, tr, invocations, memoryMB)
		n := float64(r.Requests)
		t.Logf("%d requests of %d functions, native, %d GB: %.1f %% cold, %.2f %% dropped", r.Requests, len(tr.Functions), memoryMB>>10, 100*float64(r.Cold)/n, 100*float64(r.Dropped)/n)
		t.Logf("  here        %8.0f k requests/s, %8.0f k per CPU second", n/wall/1000, n/used/1000)
		t.Logf("  SimPy %s %8.0f k requests/s, %8.0f k per CPU second: %.0f times slower by CPU", peer.Version, n/peer.Wall/1000, n/peer.CPU/1000, peer.CPU/used)
		near := func(what string, got, want float64) {
			if math.Abs(got-want) > 1e-4*n {
				t.Errorf("%s: %g here, %g in SimPy", what, got, want)
			}
		}
		near("warm", float64(r.Warm), float64(peer.Warm))
		near("cold", float64(r.Cold), float64(peer.Cold))
		near("delayed", float64(r.DelayedWarm), float64(peer.Delayed))
		near("dropped", float64(r.Dropped), float64(peer.Dropped))
		if mean := peer.Latency / 1000 / n; math.Abs(mean-r.Latency.Mean) > 1e-3*mean {
			t.Errorf("mean latency: %g ms here, %g in SimPy", r.Latency.Mean, mean)
		}
	}
}

type simpyResult struct {
	Warm    int64   `json:"warm"`
	Cold    int64   `json:"cold"`
	Delayed int64   `json:"delayed_warm"`
	Dropped int64   `json:"dropped"`
	Latency float64 `json:"latency_us"`
	Wall    float64 `json:"wall_s"`
	CPU     float64 `json:"cpu_s"`
	Version string  `json:"simpy"`
}

func simpy(t *testing.T, python string, tr *datasets.Trace, invocations []datasets.Invocation, memoryMB int) simpyResult {
	t.Helper()
	dir := t.TempDir()
	var functions, requests bytes.Buffer
	for i := range tr.Functions {
		f := &tr.Functions[i]
		fmt.Fprintf(&functions, "%d,%d,%d\n", f.Memory, f.Initialisation.Value[0].Microseconds(), f.Termination.Value[0].Microseconds())
	}
	for _, inv := range invocations {
		fmt.Fprintf(&requests, "%d,%d,%d\n", inv.Arrival.Microseconds(), inv.Function, inv.Duration.Microseconds())
	}
	for name, data := range map[string][]byte{"functions.csv": functions.Bytes(), "requests.csv": requests.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/native_simpy.py", dir, strconv.Itoa(memoryMB<<20))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("SimPy: %v", err)
	}
	var r simpyResult
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("SimPy printed %q: %v", out, err)
	}
	return r
}
