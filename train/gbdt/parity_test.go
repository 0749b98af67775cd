//go:build parity

package gbdt_test

import (
	"context"
	"fmt"
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
	for _, dir := range goldenDirs(t) {
		file := filepath.Join(dir, "model.txt")
		t.Run(filepath.Base(dir), func(t *testing.T) {
			table, m := readGolden(t, dir).valid, readModel(t, file)
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

// goldenDirs lists the folders of the golden cases.
func goldenDirs(t *testing.T) []string {
	confs, err := filepath.Glob(filepath.Join(shared(t), "*", "train.conf"))
	if err != nil || len(confs) < 17 {
		t.Fatalf("%d cases, %v", len(confs), err)
	}
	for i, c := range confs {
		confs[i] = filepath.Dir(c)
	}
	return confs
}

// TestParity trains every golden case and compares the model with LightGBM's, byte for
// byte, and the metrics with what LightGBM printed. It prints the table of docs/models.md.
func TestParity(t *testing.T) {
	var table strings.Builder
	table.WriteString("| case | trees | metric | LightGBM | ours | first differing tree |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, dir := range goldenDirs(t) {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, dir)
			m, report, err := gbdt.Train(context.Background(), g.train, g.valid, g.options, train.Discard)
			if err != nil {
				t.Fatal(err)
			}
			difference := "none"
			if first, how := firstDifference(m, g.model); first >= 0 {
				t.Errorf("tree %d differs: %s", first, how)
				difference = strconv.Itoa(first) + ": " + how
			} else if strings.TrimSpace(text(t, m)) != strings.TrimSpace(g.text) {
				t.Error("the trees are the same, but the texts differ")
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
			metric, want, got := "", "none measured", "none measured"
			for _, e := range report.History {
				if e.Set == gbdt.ValidationSet && e.Iteration == len(m.Trees) && e.Metric == g.options.Metric[0] {
					metric = e.Metric
					want = strconv.FormatFloat(g.metrics[strconv.Itoa(e.Iteration)+"/"+e.Set][e.Metric], 'g', -1, 64)
					got = strconv.FormatFloat(e.Value, 'g', 6, 64)
				}
			}
			fmt.Fprintf(&table, "| %s | %d of %d | %s | %s | %s | %s |\n", name, len(m.Trees), len(g.model.Trees), metric, want, got, difference)
		})
	}
	t.Logf("the last tree's metric on valid_1:\n%s", table.String())
}
