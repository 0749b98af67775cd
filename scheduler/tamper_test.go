package scheduler_test

import (
	"testing"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/agent"
)

// TestTamperingWithoutAKey is a small part of the test of that name in package parity: of bundles
// that were changed with all digests mended, and that decide otherwise, nearly all are refused by
// their golden cases.
func TestTamperingWithoutAKey(t *testing.T) {
	for _, used := range []bool{false, true} {
		m := modeltest.Models(t)
		m.Index = indexSettings()
		m.Index.Used = used
		m.Clusters.Global = agent.Choice{Agent: scheduler.GlobalAgent}
		b, err := bundle.Open(write(t, m, golden(t, m)), bundle.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		tallies := modeltest.Tamper(t, b, modeltest.Start, 6, 200)
		if caught := modeltest.Report(t, tallies); caught < 0.95 {
			t.Errorf("index used: %t: %.3f of the bundles that decide otherwise were refused, expected 0.95", used, caught)
		}
	}
}
