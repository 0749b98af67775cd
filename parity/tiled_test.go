//go:build parity

package parity_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTiled puts nine days together from the real one-day series and the real total of
// the Azure trace of 2019. Python takes three of them apart again: every minute must have
// the platform's scaled count, and every function its share of it to less than one.
func TestTiled(t *testing.T) {
	const days = 3
	store, total := t.TempDir(), shared(t, "data", "azure2019", "total", "per_minute.csv")
	ok := []int{0}
	incendio(t, time.Minute, ok, "ingest", "azure2019", shared(t, "data", "azure2019", "shapes"), "--name", "shapes", "--store", store)
	incendio(t, time.Minute, ok, "ingest", "counts", total, "--name", "total", "--store", store,
		"--columns", "count=invocations", "--day-origin", "1", "--minute-origin", "1", "--start", "2019-07-15")
	for name, n := range map[string]string{"three": "3", "nine": "9"} {
		incendio(t, 2*time.Minute, ok, "synth", "--layout", "tiled", "--shapes", "shapes", "--total", "total", "--days", n, "--name", name, "--store", store)
	}
	var got struct {
		One, Total, Minute int64
		Share              float64
	}
	trace := func(name string) string { return filepath.Join(store, "traces", name) }
	peer(t, "tiled.py", map[string]any{"shapes": trace("shapes"), "trace": trace("three"), "total": total, "days": days}, &got)
	if got.Total != days*got.One || got.Minute != 0 || got.Share > 1+1e-6 {
		t.Errorf("%d invocations of %d a day, minutes off by %d, functions by %g", got.Total, got.One, got.Minute, got.Share)
	}
	t.Logf("%d invocations a day; functions are within %.3f of their shares", got.One, got.Share)
	nine := readManifest(t, store, "nine")
	if nine.Invocations != 9*got.One || len(nine.Days) != 9 || !strings.HasPrefix(nine.Notes[0], "semi-synthetic: ") {
		t.Errorf("%d invocations on %d days, notes %q", nine.Invocations, len(nine.Days), nine.Notes)
	}
}
