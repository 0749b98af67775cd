//go:build parity

package gbdt_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// TestParity trains every golden case without categorical features and compares the
// trees and metrics with LightGBM's. SHARED_DATA is the folder that holds golden.
func TestParity(t *testing.T) {
	root := os.Getenv("SHARED_DATA")
	if root == "" {
		t.Fatal("SHARED_DATA must name the folder that holds golden/lightgbm")
	}
	for _, name := range []string{
		"l1_synth", "l2_synth", "l1_example", "l2_example", "l1_earlystop", "l1_noavg",
		"l1_nomissing", "l1_zeromissing", "l1_reg", "l1_weighted", "l1_bagging",
		"l1_bagging_subset", "quantile90", "poisson",
	} {
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, filepath.Join(root, "golden/lightgbm", name))
			m, report, err := gbdt.Train(context.Background(), g.train, g.valid, g.options, train.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Trees) != len(g.model.Trees) {
				t.Errorf("%d trees, want %d", len(m.Trees), len(g.model.Trees))
			}
			if first, how := firstDifference(m, g.model); first >= 0 {
				t.Errorf("tree %d differs: %s", first, how)
			}
			worst := 0.0 // relative difference of a metric
			for _, e := range report.History {
				want, ok := g.metrics[strconv.Itoa(e.Iteration)+"/"+e.Set][e.Metric]
				if !ok {
					t.Fatalf("iteration %d: LightGBM has no %s/%s", e.Iteration, e.Set, e.Metric)
				}
				// LightGBM printed six digits.
				worst = max(worst, relative(e.Value, want))
			}
			if worst > 6e-6 {
				t.Errorf("a metric differs by %.2g of its value", worst)
			}
			t.Logf("%d trees are the same, metrics within %.2g", len(m.Trees), worst)
		})
	}
}
