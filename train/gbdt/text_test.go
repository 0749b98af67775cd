package gbdt_test

import (
	"bufio"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/train/gbdt"
)

func newReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

// categorical is a tree that LightGBM could write: column b in {1, 3, 33}, or else
// column a.
const categorical = `tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:2
feature_names=a b
feature_infos=[0:1] 1:3:33:7
tree_sizes=307

Tree=0
num_leaves=3
num_cat=1
split_feature=1 0
split_gain=3 2
threshold=0 0.5
decision_type=1 10
left_child=-1 -2
right_child=1 -3
leaf_value=1 2 -3
leaf_weight=1 1 1
leaf_count=1 1 1
internal_value=0 0
internal_weight=3 2
internal_count=3 2
cat_boundaries=0 2
cat_threshold=10 2
is_linear=0
shrinkage=1


end of trees

parameters:
[objective: binary]
`

func TestReadCategorical(t *testing.T) {
	m, err := gbdt.ReadText(strings.NewReader(categorical))
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	for _, tt := range []struct{ a, b, want float64 }{
		{0, 1, 1}, {0, 3.9, 1}, {0, 33, 1}, {0, 2, 2}, {1, 0, -3}, {nan, nan, 2}, {1, -1, -3}, {0, 64, 2}, {0, 1e18, 2}, {1, nan, -3}, {0, math.Inf(1), 2},
	} {
		if got := m.PredictRaw([]float64{tt.a, tt.b}); got != tt.want {
			t.Errorf("PredictRaw(%v, %v) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
	if got, want := m.Predict([]float64{0, 1}), 1/(1+math.Exp(-2)); got != want {
		t.Errorf("Predict = %v, want %v", got, want)
	}
	again, err := gbdt.ReadText(strings.NewReader(text(t, m)))
	if err != nil {
		t.Fatal(err)
	}
	if got := again.PredictRaw([]float64{0, 33}); got != 1 {
		t.Errorf("PredictRaw = %v after a round trip, want 1", got)
	}
}

func TestReadErrors(t *testing.T) {
	replace := func(old, new string) string {
		if !strings.Contains(categorical, old) {
			t.Fatalf("the model has no %q", old)
		}
		return strings.Replace(categorical, old, new, 1)
	}
	tests := []struct {
		name, text, want string
		line             int
	}{
		{"empty", "", `must be "tree"`, 1},
		{"truncated", categorical[:strings.Index(categorical, "cat_threshold")], "ends before", 29},
		{"no end", strings.Split(categorical, "end of trees")[0], "ends before", 34},
		{"version", replace("version=v4", "version=v5"), `must be v2, v3 or v4, got "v5"`, 2},
		{"multiclass", replace("num_class=1", "num_class=3"), "num_class must be 1", 3},
		{"forest", replace("label_index=0", "average_output"), "random forests", 5},
		{"columns", replace("max_feature_idx=1", "max_feature_idx=2"), "must have max_feature_idx+1 = 3 names, got 2", 8},
		{"duplicate column", replace("feature_names=a b", "feature_names=a a"), "both named", 8},
		{"objective", replace("binary sigmoid:2", "lambdarank"), "not supported", 7},
		{"sigmoid", replace("sigmoid:2", "sigmoid:x"), "sigmoid must be a number", 7},
		{"info", replace("[0:1]", "[0;1]"), "must be [min:max]", 9},
		{"tree sizes", replace("tree_sizes=307", "tree_sizes=307 307"), "2 values, but there are 1 trees", 10},
		{"lost digit", replace("leaf_value=1 2 -3", "leaf_value=1 2 3"), "tree 0 has 306 bytes, but 307 by tree_sizes", 12},
		{"size", replace("tree_sizes=307", "tree_sizes=x"), "tree_sizes, value 1: must be an integer", 10},
		{"label", replace("label_index=0", "label_index=3"), "label_index must be in [0, 2], got 3", 5},
		{"tree number", replace("Tree=0", "Tree=1"), `must be "Tree=0"`, 12},
		{"leaves", replace("num_leaves=3", "num_leaves=0"), "at least 1, got 0", 13},
		{"many leaves", replace("num_leaves=3", "num_leaves=2000000000"), "must have 2000000000 values, got 3", 21},
		{"feature", replace("split_feature=1 0", "split_feature=1 2"), "value 2: must be in [0, 2), got 2", 15},
		{"threshold", replace("threshold=0 0.5", "threshold=0 nan"), "value 2: must be a finite number", 17},
		{"category set", replace("threshold=0 0.5", "threshold=1 0.5"), "must be in [0, num_cat = 1)", 17},
		{"decision", replace("decision_type=1 10", "decision_type=1 12"), "decision type in [0, 11]", 18},
		{"no decision", replace("decision_type=1 10\n", ""), `must have the key "decision_type"`, 13},
		{"child", replace("left_child=-1 -2", "left_child=-1 -4"), "no such node or leaf: -4", 19},
		{"cycle", replace("right_child=1 -3", "right_child=1 0"), "has another parent or is the root", 20},
		{"two parents", replace("left_child=-1 -2", "left_child=-1 -1"), "has another parent", 19},
		{"boundaries", replace("cat_boundaries=0 2", "cat_boundaries=0 3"), "cat_boundaries must ascend", 27},
		{"linear", replace("is_linear=0", "is_linear=1"), "linear trees are not supported", 29},
		{"key twice", replace("is_linear=0", "shrinkage=0"), "appears twice, first on line 29", 30},
		{"minimum", replace("leaf_value=1 2 -3", "leaf_value=1 -3"), "leaf_value must have 3 values, got 2", 21},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := gbdt.ReadText(strings.NewReader(tt.text))
			var s *gbdt.SyntaxError
			if !errors.As(err, &s) {
				t.Fatalf("error %v, want a SyntaxError", err)
			}
			if s.Line != tt.line || !strings.Contains(s.Msg, tt.want) {
				t.Errorf("error %q, want line %d and %q", err, tt.line, tt.want)
			}
		})
	}
}

// A model that is read predicts without a panic, and what is written of it is read
// back as the same.
func FuzzReadText(f *testing.F) {
	f.Add(categorical)
	b, err := os.ReadFile("testdata/golden/l2/model.txt")
	if err != nil {
		f.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(b), "tree_sizes=")
	_, rest, _ = strings.Cut(rest, "\n")
	f.Add(head + rest[:2000] + "end of trees\n")
	f.Add("tree\nnum_class=1\nmax_feature_idx=0\nfeature_names=a\n\nTree=0\nnum_leaves=1\nleaf_value=3\n\nend of trees")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := gbdt.ReadText(strings.NewReader(s))
		if err != nil {
			var e *gbdt.SyntaxError
			if !errors.As(err, &e) || e.Line < 1 {
				t.Fatalf("error %v is not a SyntaxError with a line", err)
			}
			return
		}
		row := make([]float64, len(m.Columns))
		for i := range row {
			row[i] = []float64{0, math.NaN(), 1.5, -1, math.Inf(1)}[i%5]
		}
		want := m.PredictRaw(row)
		again, err := gbdt.ReadText(strings.NewReader(text(t, m)))
		if err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
		if got := again.PredictRaw(row); got != want && (got == got || want == want) {
			t.Fatalf("PredictRaw = %v after a round trip, want %v", got, want)
		}
	})
}
