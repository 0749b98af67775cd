//go:build parity

package gbdt_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
)

func shared(t *testing.T) string {
	root := os.Getenv("SHARED_DATA")
	if root == "" {
		t.Fatal("SHARED_DATA must name the folder that holds golden/lightgbm")
	}
	return filepath.Join(root, "golden/lightgbm")
}

// TestParityText reads every golden model, with categorical splits and links, and
// compares its predictions with LightGBM's.
func TestParityText(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(shared(t), "*", "model.txt"))
	if err != nil || len(dirs) < 17 {
		t.Fatalf("%d models, %v", len(dirs), err)
	}
	for _, file := range dirs {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var table *gbdt.Table
			for _, line := range readLines(t, filepath.Join(dir, "train.conf")) {
				if value, ok := strings.CutPrefix(line, "valid="); ok {
					table = readTable(t, filepath.Join(dir, value))
				}
			}
			m := readModel(t, file)
			raw, want := readNumbers(t, filepath.Join(dir, "pred_raw.txt")), readNumbers(t, filepath.Join(dir, "pred.txt"))
			if len(raw) != table.Rows || len(want) != table.Rows {
				t.Fatalf("%d and %d predictions for %d rows", len(raw), len(want), table.Rows)
			}
			for i := range raw {
				if got := m.PredictRaw(table.Row(i)); got != raw[i] {
					t.Fatalf("raw score of row %d is %v, want %v", i, got, raw[i])
				}
				// exp differs in the last place between libraries.
				if got := m.Predict(table.Row(i)); relative(got, want[i]) > 1e-14 {
					t.Fatalf("prediction of row %d is %v, want %v", i, got, want[i])
				}
			}
		})
	}
}

// TestParity trains every golden case without categorical features and compares the
// trees and metrics with LightGBM's. SHARED_DATA is the folder that holds golden.
func TestParity(t *testing.T) {
	root := shared(t)
	for _, name := range []string{
		"l1_synth", "l2_synth", "l1_example", "l2_example", "l1_earlystop", "l1_noavg",
		"l1_nomissing", "l1_zeromissing", "l1_reg", "l1_weighted", "l1_bagging",
		"l1_bagging_subset", "quantile90", "poisson", "huber", "binary_example", "l1_categorical",
	} {
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, filepath.Join(root, name))
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
