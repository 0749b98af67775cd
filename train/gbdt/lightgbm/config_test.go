package lightgbm_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/train/gbdt"
	"github.com/incendio-faas/incendio/train/gbdt/lightgbm"
)

func parse(t *testing.T, conf string, args ...string) *lightgbm.Config {
	t.Helper()
	c, err := lightgbm.Parse(strings.NewReader(conf), "train.conf", args)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParse(t *testing.T) {
	c := parse(t, `# a comment
task = train
objective="regression_l1"   # another
metric=l1, mse ,rmse,mean_absolute_error
data=../data/a.train
valid=../data/a.test
num_trees=7
eta=0.2
boosting=gbdt
tree_learner=serial
bagging_by_query=false
path_smooth=0.0
early_stopping=-1
is_training_metric=true
header=+
label=name:y
weight=name:w
ignore_column=name:a,b
cat_feature=2,3
verbosity=-1
deterministic=true
force_row_wise=true
monotone_constraints=
num_threads=2
`, "num_leaves=5", "output_model=m.txt", "learning_rate=0.5")
	o := gbdt.DefaultOptions()
	o.Objective, o.Metric = "regression_l1", []string{"l1", "l2", "rmse"}
	o.NumIterations, o.LearningRate, o.NumLeaves, o.Workers = 7, 0.5, 5, 2
	o.IsProvideTrainingMetric = true
	want := &lightgbm.Config{
		Options: o, Task: "train", Data: "../data/a.train", Valid: "../data/a.test", OutputModel: "m.txt",
		Layout: lightgbm.Layout{Header: true, Label: "name:y", Weight: "name:w", Ignore: "name:a,b", Categorical: "2,3"},
		Recorded: map[string]string{
			"boosting": "gbdt", "tree_learner": "serial", "bagging_by_query": "false", "path_smooth": "0.0",
			"verbosity": "-1", "deterministic": "true", "force_row_wise": "true", "monotone_constraints": "",
		},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v\nwant\n%+v", c, want)
	}
}

// As in LightGBM: the first value of a name, the main name before an alias, a short alias
// before a long one; and an argument before them all.
func TestPrecedence(t *testing.T) {
	for _, tt := range []struct {
		conf string
		args []string
		want int
	}{
		{"num_iterations=1\nnum_iterations=2", nil, 1},
		{"num_trees=1\nnum_iterations=2", nil, 2},
		{"num_iterations=1\nn_iter=2", nil, 1},
		{"num_trees=1\nn_iter=2", nil, 2},
		{"num_trees=1\nmax_iter=2", nil, 2},
		{"max_iter=1\nnum_tree=2", nil, 1},
		{"num_iterations=1", []string{"n_estimators=2"}, 2},
		{"", []string{"n_estimators=2", "n_estimators=3"}, 2},
	} {
		c := parse(t, tt.conf, tt.args...)
		if c.Options.NumIterations != tt.want {
			t.Errorf("%q %q: %d iterations, want %d", tt.conf, tt.args, c.Options.NumIterations, tt.want)
		}
		if over := strings.Count(tt.conf, "=") > 1 || len(tt.args) > 1; over != (len(c.Warnings) == 1) {
			t.Errorf("%q %q: warnings %q", tt.conf, tt.args, c.Warnings)
		}
	}
}

// Seeds as LightGBM 4.6 prints them in its models.
func TestSeed(t *testing.T) {
	for _, tt := range []struct {
		conf                   string
		data, bagging, feature int
	}{
		{"seed=0", 38, 7719, 2437},
		{"seed=1", 41, 18467, 26500},
		{"random_state=12345", 7584, 19164, 22125},
		{"bagging_seed=5\nseed=1", 41, 5, 26500},
		{"data_random_seed=8", 8, 3, 2},
	} {
		o := parse(t, tt.conf).Options
		if o.DataRandomSeed != tt.data || o.BaggingSeed != tt.bagging || o.FeatureFractionSeed != tt.feature {
			t.Errorf("%q: seeds %d, %d, %d", tt.conf, o.DataRandomSeed, o.BaggingSeed, o.FeatureFractionSeed)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		conf string
		args []string
		want string
	}{
		{"\nboosting=dart", nil, "train.conf:2: boosting=dart is not supported: only gbdt is"},
		{"linear_tree=true", nil, "train.conf:1: linear_tree=true is not supported"},
		{"", []string{"extra_trees=true"}, `argument "extra_trees=true": extra_trees=true is not supported`},
		{"monotone_constraints=1,0", nil, "monotone_constraints=1,0 is not supported"},
		{"monotone_constraints=0,x", nil, "monotone_constraints=0,x is not supported"},
		{"feature_contri=1,-1", nil, "feature_contri=1,-1 is not supported"},
		{"\xff\xfea", nil, "train.conf:1: the file is in UTF-16"},
		{"path_smooth=0.5", nil, "path_smooth=0.5 is not supported"},
		{"num_class=3", nil, "num_class=3"},
		{"num_leafs=3", nil, `train.conf:1: unknown key "num_leafs"; did you mean num_leaf?`},
		{"zzz=3", nil, `unknown key "zzz"`},
		{"num_leaves=x", nil, `train.conf:1: num_leaves must be an integer, got "x"`},
		{"eta=x", nil, `train.conf:1: eta must be a number, got "x"`},
		{"header=1", nil, `header must be true or false, got "1"`},
		{"objective=lambdarank", nil, "objective must be one of binary, fair, gamma, huber, mape, poisson"},
		{"metric=ndcg", nil, `metric must be of auc`},
		{"valid=a,b", nil, "valid must be one file"},
		{"task=refit", nil, "task must be train or predict"},
		{"num_leaves", nil, "train.conf:1: must be key=value"},
		{"=3", nil, "train.conf:1: must be key=value"},
		{"", []string{"num_leaves"}, `argument "num_leaves" must be key=value`},
	} {
		_, err := lightgbm.Parse(strings.NewReader(tt.conf), "train.conf", tt.args)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q %q: error %v, want %q in it", tt.conf, tt.args, err, tt.want)
		}
	}
	c := parse(t, "metric=None")
	if !reflect.DeepEqual(c.Options.Metric, []string{gbdt.NoMetric}) {
		t.Errorf("metrics %q", c.Options.Metric)
	}
}

// Lists of values per feature that ask for nothing are accepted, if they are as many as
// the features; LightGBM 4.7 refuses others.
func TestLists(t *testing.T) {
	d := &lightgbm.Data{Table: &gbdt.Table{Columns: []string{"a", "b", "c"}, Rows: 1}}
	for conf, want := range map[string]string{
		"monotone_constraints=0,0,0":           "",
		"mc=0, -0 ,+0":                         "",
		"monotone_constraints=":                "",
		"monotone_constraints=0":               "a value for each of the 3 features, as LightGBM demands, got 1",
		"monotone_constraints=0,0,0,0":         "got 4",
		"feature_contri=1,1.0,1":               "",
		"cegb_penalty_feature_lazy=0,0,0":      "",
		"cegb_penalty_feature_coupled=0,0":     "got 2",
		"max_bin_by_feature=255,255,255":       "",
		"max_bin_by_feature=255,63,255":        "max_bin=255 holds for all features",
		"max_bin=63\nmax_bin_by_feature=63,63": "got 2",
	} {
		_, err := parse(t, conf).Resolve(d)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q in it", conf, err, want)
		}
	}
}

func TestByteOrderMark(t *testing.T) {
	c := parse(t, "\ufeffnum_trees=7\n")
	if c.Options.NumIterations != 7 || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "byte order mark") {
		t.Errorf("%d trees, warnings %q", c.Options.NumIterations, c.Warnings)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("num_trees=3\n# x\nmetric = l1,l2 # y\n")
	f.Add("a=\"b\"\n=\n")
	f.Fuzz(func(t *testing.T, conf string) {
		c, err := lightgbm.Parse(strings.NewReader(conf), "f", nil)
		if err == nil && c == nil {
			t.Fatal("neither a configuration nor an error")
		}
	})
}
