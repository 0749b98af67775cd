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
)

// readTable reads one of LightGBM's data files: the label first, then the features,
// separated by commas or tabs, without a header. Weights come from FILE.weight.
func readTable(t testing.TB, path string) *gbdt.Table {
	t.Helper()
	table := &gbdt.Table{}
	for _, line := range readLines(t, path) {
		sep := ","
		if strings.Contains(line, "\t") {
			sep = "\t"
		}
		fields := strings.Split(line, sep)
		for i, f := range fields {
			v, err := looseFloat(f)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if i == 0 {
				table.Label = append(table.Label, float32(v))
			} else {
				table.Data = append(table.Data, v)
			}
		}
		for len(table.Columns) < len(fields)-1 {
			table.Columns = append(table.Columns, "Column_"+strconv.Itoa(len(table.Columns)))
		}
		table.Rows++
	}
	if _, err := os.Stat(path + ".weight"); err == nil {
		for _, v := range readNumbers(t, path+".weight") {
			table.Weight = append(table.Weight, float32(v))
		}
	}
	return table
}

// looseFloat reads a decimal number the way LightGBM does unless precise_float_parser
// is set: it adds the integer and the fraction, which may be off by one unit in the
// last place. The thresholds of the golden models carry that error.
func looseFloat(s string) (float64, error) {
	if _, err := strconv.ParseFloat(s, 64); err != nil {
		return 0, err
	}
	digits := strings.TrimPrefix(s, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	if strings.Trim(whole+fraction, "0123456789") != "" {
		return strconv.ParseFloat(s, 64)
	}
	read := func(s string) (v float64) {
		for _, c := range s {
			v = v*10 + float64(c-'0')
		}
		return v
	}
	v := read(whole) + read(fraction)/math.Pow10(len(fraction))
	if digits != s {
		v = -v
	}
	return v, nil
}

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
	dir          string
	options      gbdt.Options
	train, valid *gbdt.Table
	model        *gbdt.Model
	raw          []float64                     // raw scores of valid by LightGBM
	metrics      map[string]map[string]float64 // by iteration/set and metric, six digits
}

func readGolden(t testing.TB, dir string) golden {
	t.Helper()
	g := golden{dir: dir, options: gbdt.DefaultOptions(), metrics: map[string]map[string]float64{}}
	o := &g.options
	for _, line := range readLines(t, filepath.Join(dir, "train.conf")) {
		key, value, _ := strings.Cut(line, "=")
		number := func() float64 {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatalf("%s: %s: %v", dir, key, err)
			}
			return v
		}
		switch key {
		case "data":
			g.train = readTable(t, filepath.Join(dir, value))
		case "valid":
			g.valid = readTable(t, filepath.Join(dir, value))
		case "objective":
			o.Objective = value
		case "metric":
			o.Metric = strings.Split(value, ",")
		case "is_training_metric":
			o.IsProvideTrainingMetric = value == "true"
		case "learning_rate":
			o.LearningRate = number()
		case "num_leaves":
			o.NumLeaves = int(number())
		case "num_trees":
			o.NumIterations = int(number())
		case "early_stopping_round":
			o.EarlyStoppingRound = int(number())
		case "bagging_fraction":
			o.BaggingFraction = number()
		case "bagging_freq":
			o.BaggingFreq = int(number())
		case "feature_fraction":
			o.FeatureFraction = number()
		case "use_missing":
			o.UseMissing = value == "true"
		case "zero_as_missing":
			o.ZeroAsMissing = value == "true"
		case "boost_from_average":
			o.BoostFromAverage = value == "true"
		case "lambda_l1":
			o.LambdaL1 = number()
		case "lambda_l2":
			o.LambdaL2 = number()
		case "max_depth":
			o.MaxDepth = int(number())
		case "min_gain_to_split":
			o.MinGainToSplit = number()
		case "min_sum_hessian_in_leaf":
			o.MinSumHessianInLeaf = number()
		case "alpha":
			o.Alpha = number()
		case "categorical_feature":
			for f := range strings.SplitSeq(value, ",") {
				c, err := strconv.Atoi(f)
				if err != nil {
					t.Fatalf("%s: %s: %v", dir, key, err)
				}
				o.CategoricalFeature = append(o.CategoricalFeature, c)
			}
		case "fair_c":
			o.FairC = number()
		case "tweedie_variance_power":
			o.TweedieVariancePower = number()
		case "sigmoid":
			o.Sigmoid = number()
		case "is_unbalance":
			o.IsUnbalance = value == "true"
		case "min_data_per_group":
			o.MinDataPerGroup = int(number())
		case "cat_smooth":
			o.CatSmooth = number()
		case "cat_l2":
			o.CatL2 = number()
		case "max_cat_to_onehot":
			o.MaxCatToOnehot = int(number())
		case "min_data_in_leaf":
			o.MinDataInLeaf = int(number())
		case "max_bin":
			o.MaxBin = int(number())
		case "task", "output_model", "boosting", "deterministic", "force_col_wise", "num_threads",
			"verbosity", "metric_freq", "header", "label_column":
		default:
			t.Fatalf("%s: unknown key %q", dir, key)
		}
	}
	g.model = readModel(t, filepath.Join(dir, "model.txt"))
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
