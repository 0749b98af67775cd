//go:build bench

package pipelines_test

import (
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/pipelines"
)

// usage is the processor time of this process so far, and the most memory it had.
func usage(t *testing.T) (cpu time.Duration, peak int64) {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), u.Maxrss << 10 // Linux counts KiB
}

// TestBenchFeatures streams fleets of two weeks from the trace store through the stage
// "features" to written components. `make bench-prophet` runs it; it prints the rates
// beside the 2000 functions per second that they are measured by, and demands memory below 2 GB.
func TestBenchFeatures(t *testing.T) {
	const aim, most = 2000, 2 << 30
	for _, functions := range []int{2_500, 10_000} {
		c := tiny(t.TempDir())
		c.Trace = "fleet"
		o := synthetic.DefaultOptions()
		o.Functions, o.Days, o.Holidays = functions, 14, nil
		in, err := synthetic.New(o)
		if err != nil {
			t.Fatal(err)
		}
		store, err := parquet.Open(c.Store)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.Ingest(t.Context(), in, parquet.DefaultIngestOptions(c.Trace)); err != nil {
			t.Fatal(err)
		}
		for _, workers := range []int{1, runtime.NumCPU()} {
			c.Out = t.TempDir()
			r, err := pipelines.Open(t.Context(), c, time.Time{}, env(workers, "bench"))
			if err != nil {
				t.Fatal(err)
			}
			runtime.GC()
			used, _ := usage(t)
			began := time.Now()
			if err := r.Until(t.Context(), "features"); err != nil {
				t.Fatal(err)
			}
			wall := time.Since(began).Seconds()
			now, peak := usage(t)
			cpu := (now - used).Seconds()
			t.Logf("%d functions of 20160 minutes from the store to components, %d workers: %.0f functions/s, %.0f per second of processor time (aim %d), peak of the process so far %d MB",
				functions, workers, float64(functions)/wall, float64(functions)/cpu, aim, peak>>20)
			if peak > most {
				t.Errorf("the process took %d MB: must stay below %d", peak>>20, most>>20)
			}
		}
	}
}
