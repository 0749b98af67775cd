//go:build parity

package parity_test

import (
	"math"
	"path/filepath"
	"testing"
	"time"
)

// TestSample samples the real trace; SciPy must find the distances that the program
// reports, and the sample must be nearer than the first draw alone.
func TestSample(t *testing.T) {
	store, ok := t.TempDir(), []int{0}
	incendio(t, time.Minute, ok, "ingest", "azure2019", shared(t, "data", "azure2019", "sample500"), "--name", "whole", "--store", store)
	type figure struct {
		Figure string
		Whole  float64 `json:"whole_mean"`
		Sample float64 `json:"sample_mean"`
		Plain  float64 `json:"wasserstein"`
		Log10  float64 `json:"wasserstein_log10"`
	}
	off := map[string]float64{}
	for _, candidates := range []string{"1", "64"} {
		name := "of" + candidates
		out := incendio(t, time.Minute, ok, "traces", "sample", "--trace", "whole", "--functions", "100", "--name", name, "--candidates", candidates, "--store", store, "--json")
		got := decode[struct{ Distances []figure }](t, out.stdout)
		var want map[string]figure
		peer(t, "sample.py", map[string]any{"whole": filepath.Join(store, "traces", "whole"), "sample": filepath.Join(store, "traces", name), "minutes": 480}, &want)
		if len(got.Distances) != 3 || len(want) != 3 {
			t.Fatalf("%d figures, of SciPy %d", len(got.Distances), len(want))
		}
		for _, g := range got.Distances {
			w := want[g.Figure]
			for what, pair := range map[string][2]float64{
				"mean of the whole": {g.Whole, w.Whole}, "mean of the sample": {g.Sample, w.Sample},
				"distance": {g.Plain, w.Plain}, "distance of logarithms": {g.Log10, w.Log10},
			} {
				// Means of execution are cut to whole nanoseconds by the one and not by the other.
				if math.Abs(pair[0]-pair[1]) > 1e-6*(1+math.Abs(pair[1])) {
					t.Errorf("%s: %s %g, SciPy has %g", g.Figure, what, pair[0], pair[1])
				}
			}
			off[name] += g.Log10 + g.Plain/g.Whole
			t.Logf("%s: %s %.4g of %.4g on average, %.4g off, %.4f in powers of ten", name, g.Figure, g.Sample, g.Whole, g.Plain, g.Log10)
		}
	}
	if off["of64"] > off["of1"] {
		t.Errorf("of 64 candidates the nearest is %g off, the first %g", off["of64"], off["of1"])
	}
}
