//go:build parity

package parity_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/agent"
)

// TestTamperingWithoutAKey changes a bundle that a run has written, in all files and with all
// digests mended. Where no signature is asked for, at least 95 % of the changed bundles that decide otherwise in
// 1,000 situations that are no golden cases must be refused. The bundle is tried as it is, and with the
// parts that it does not use in the place of those that it does. TAMPER_BUNDLE names another one.
func TestTamperingWithoutAKey(t *testing.T) {
	dir := os.Getenv("TAMPER_BUNDLE")
	if dir == "" {
		_, run := smallRun(t)
		dir = filepath.Join(run, "bundle")
	}
	b, err := bundle.Open(dir, bundle.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	start, err := time.Parse(time.RFC3339, b.Manifest().Window.Start)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*scheduler.Models)
	}{
		{"with the index", func(m *scheduler.Models) { m.Index.Used = true }},
		{"with priorities, forecasts and agents", func(m *scheduler.Models) {
			m.Index.Used = false
			m.Clusters.Global = agent.Choice{Agent: scheduler.GlobalAgent}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tallies := modeltest.Tamper(t, modeltest.Changed(t, b, start, c.change), start, 20, 1000)
			if caught := modeltest.Report(t, tallies); caught < 0.95 {
				t.Errorf("%.3f of the bundles that decide otherwise were refused, expected 0.95", caught)
			}
		})
	}
}
