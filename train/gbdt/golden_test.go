package gbdt_test

import (
	"bufio"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/train/gbdt"
	"github.com/incendio-faas/incendio/train/gbdt/lightgbm"
)

func readLines(t testing.TB, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		lines = append(lines, s.Text())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func readNumbers(t testing.TB, path string) []float64 {
	t.Helper()
	var out []float64
	for _, line := range readLines(t, path) {
		v, err := strconv.ParseFloat(line, 64)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out = append(out, v)
	}
	return out
}

func readModel(t testing.TB, path string) *gbdt.Model {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := gbdt.ReadText(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return m
}

// A golden case is a model that LightGBM 4.6 trained.
type golden struct {
	options      gbdt.Options
	train, valid *gbdt.Table
	model        *gbdt.Model
	text         string                        // of model
	raw          []float64                     // raw scores of valid by LightGBM
	metrics      map[string]map[string]float64 // by iteration/set and metric, six digits
}

func readGolden(t testing.TB, dir string) golden {
	t.Helper()
	conf, err := os.Open(filepath.Join(dir, "train.conf"))
	if err != nil {
		t.Fatal(err)
	}
	defer conf.Close()
	c, err := lightgbm.Parse(conf, conf.Name(), nil)
	if err != nil {
		t.Fatal(err)
	}
	read := func(file string) *lightgbm.Data {
		d, err := lightgbm.ReadTable(filepath.Join(dir, file), c.Layout)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	data := read(c.Data)
	options, err := c.Resolve(data)
	if err != nil {
		t.Fatal(err)
	}
	g := golden{
		options: options, train: data.Table, valid: read(c.Valid).Table,
		metrics: map[string]map[string]float64{},
	}
	g.model = readModel(t, filepath.Join(dir, "model.txt"))
	g.text = written(strings.Join(readLines(t, filepath.Join(dir, "model.txt")), "\n"))
	g.raw = readNumbers(t, filepath.Join(dir, "pred_raw.txt"))
	lines := readLines(t, filepath.Join(dir, "metrics.csv"))
	for i, line := range lines {
		f := strings.Split(line, ",")
		if i == 0 || len(f) != 4 {
			continue
		}
		v, err := strconv.ParseFloat(f[3], 64)
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		key := f[0] + "/" + f[1]
		if g.metrics[key] == nil {
			g.metrics[key] = map[string]float64{}
		}
		g.metrics[key][f[2]] = v
	}
	return g
}

// written returns the text of a model by LightGBM 4 as we would write it: the version is
// v3 and there are no parameters.
func written(model string) string {
	model, _, _ = strings.Cut(model, "\nparameters:")
	return strings.TrimSpace(strings.Replace(model, "version=v4", "version=v3", 1)) + "\n"
}

// relative returns the difference of a and b relative to the larger of them.
func relative(a, b float64) float64 {
	if a == b {
		return 0
	}
	return math.Abs(a-b) / max(math.Abs(a), math.Abs(b))
}

// differs says how tree a differs from b in structure, thresholds or leaf values, "" if
// it does not. Leaf values may differ by 1e-9 relative to the larger of them and 1: the
// sums of floating-point gradients are not always added in the same order.
func differs(a, b *gbdt.Tree) string {
	if a.NumLeaves() != b.NumLeaves() {
		return "leaves " + strconv.Itoa(a.NumLeaves()) + ", want " + strconv.Itoa(b.NumLeaves())
	}
	for n := range a.SplitFeature {
		switch {
		case a.SplitFeature[n] != b.SplitFeature[n]:
			return "feature of node " + strconv.Itoa(n)
		case a.Threshold[n] != b.Threshold[n]:
			return "threshold of node " + strconv.Itoa(n)
		case a.DecisionType[n] != b.DecisionType[n]:
			return "decision type of node " + strconv.Itoa(n)
		case a.Left[n] != b.Left[n] || a.Right[n] != b.Right[n]:
			return "children of node " + strconv.Itoa(n)
		}
	}
	for l, v := range a.LeafValue {
		if relative(v, b.LeafValue[l]) > 1e-9 {
			return "value of leaf " + strconv.Itoa(l)
		}
	}
	return ""
}

// firstDifference returns the first tree of a that differs from that of b, and how.
func firstDifference(a, b *gbdt.Model) (tree int, how string) {
	for i := range a.Trees {
		if i == len(b.Trees) {
			return i, "there are more trees than " + strconv.Itoa(i)
		}
		if how := differs(&a.Trees[i], &b.Trees[i]); how != "" {
			return i, how
		}
	}
	if len(a.Trees) < len(b.Trees) {
		return len(a.Trees), "there are fewer trees than " + strconv.Itoa(len(b.Trees))
	}
	return -1, ""
}
