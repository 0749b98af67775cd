package gbdt_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// halfSquare is the objective regression, written outside the package.
type halfSquare struct{ refuse error }

func (o halfSquare) Check(_, _ []float32) error { return o.refuse }

func (halfSquare) Start(label, _ []float32) float64 {
	sum := 0.0
	for _, v := range label {
		sum += float64(v)
	}
	return sum / float64(len(label))
}

func (halfSquare) Gradient(score float64, label float32) (g, h float64) {
	return score - float64(label), 1
}

// medianOf is the absolute error, written outside the package.
type medianOf struct{}

func (medianOf) Check(_, _ []float32) error   { return nil }
func (medianOf) Start(_, _ []float32) float64 { return 0 }
func (medianOf) Renewal() float64             { return 0.5 }
func (medianOf) Gradient(score float64, label float32) (g, h float64) {
	switch d := score - float64(label); {
	case d > 0:
		return 1, 1
	case d < 0:
		return -1, 1
	}
	return 0, 1
}

// broken has a derivative that is no number.
type broken struct{ halfSquare }

func (broken) Gradient(float64, float32) (g, h float64) { return math.NaN(), 1 }

func TestCustomObjective(t *testing.T) {
	table := synthetic(1500, 11)
	for _, tt := range []struct {
		name   string
		custom gbdt.Objective
	}{{"regression", halfSquare{}}, {"regression_l1", medianOf{}}} {
		o := gbdt.DefaultOptions()
		o.Objective, o.NumIterations = tt.name, 10
		// A custom objective has no percentile of the labels to start from.
		o.BoostFromAverage = tt.name == "regression"
		for i := range table.Label {
			table.Label[i] += 20 * float32(i%2) // signs differ at score 0
			table.Label[i] -= 10
		}
		want, _ := fit(t, table, nil, o)
		o.Objective, o.CustomObjective = "custom", tt.custom
		got, report := fit(t, table, table, o)
		if i, how := firstDifference(got, want); i >= 0 {
			t.Errorf("%s: tree %d differs: %s", tt.name, i, how)
		}
		if got.Objective != "" || len(report.History) != 0 {
			t.Errorf("%s: objective line %q, %d measured, want none", tt.name, got.Objective, len(report.History))
		}
		if len(want.Trees) != 10 {
			t.Errorf("%s: %d trees, want 10", tt.name, len(want.Trees))
		}
	}

	o := gbdt.DefaultOptions()
	o.CustomObjective = halfSquare{}
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "objective must be custom") {
		t.Errorf("error %v, want that the objective is named custom", err)
	}
	o.Objective = "custom"
	refused := errors.New("no such labels")
	o.CustomObjective = halfSquare{refuse: refused}
	if _, _, err := gbdt.Train(context.Background(), table, nil, o, train.Discard); !errors.Is(err, refused) {
		t.Errorf("error %v, want that of the objective", err)
	}
	o.CustomObjective = broken{}
	if _, _, err := gbdt.Train(context.Background(), table, nil, o, train.Discard); err == nil || !strings.Contains(err.Error(), "iteration 1") {
		t.Errorf("error %v, want the iteration of the derivatives that are no numbers", err)
	}
}

// Metrics of a known model: one constant tree predicts the mean or median of the labels.
func TestMetrics(t *testing.T) {
	base := gbdt.Table{Columns: []string{"x"}, Rows: 4, Data: []float64{1, 1, 1, 1}, Label: []float32{1, 2, 3, 6}}
	classes := base
	classes.Label = []float32{0, 1, 1, 0}
	heavy := classes
	heavy.Weight = []float32{1, 1, 1, 5}
	split := gbdt.Table{Columns: []string{"x"}, Rows: 6, Data: []float64{1, 1, 2, 2, 3, 3}, Label: []float32{0, 0, 1, 0, 1, 1}}
	log := math.Log
	tests := []struct {
		name, objective, metric string
		table                   gbdt.Table
		change                  func(o *gbdt.Options)
		want                    float64
	}{
		{"l1", "regression", "l1", base, nil, (2 + 1 + 0 + 3) / 4.}, // around the mean, 3
		{"l2", "regression", "l2", base, nil, (4 + 1 + 0 + 9) / 4.},
		{"rmse", "regression", "rmse", base, nil, math.Sqrt(14. / 4)},
		{"mape", "regression", "mape", base, nil, (2./1 + 1./2 + 0 + 3./6) / 4},
		{"huber", "huber", "", base, func(o *gbdt.Options) { o.Alpha = 2 }, (2 + 0.5 + 0 + 2*(3-1)) / 4.},
		{"fair", "fair", "", base, func(o *gbdt.Options) { o.FairC = 2 },
			(2*2 - 4*log(2) + 2*1 - 4*log(1.5) + 2*3 - 4*log(2.5)) / 4},
		{"quantile", "regression", "quantile", base, func(o *gbdt.Options) { o.Alpha = 0.75 }, (0.25*2 + 0.25*1 + 0.75*3) / 4},
		{"poisson", "poisson", "", base, nil, 3 - 3*log(3)},
		{"gamma", "gamma", "", base, nil, 1 + log(3)},
		{"gamma deviance", "gamma", "gamma_deviance", base, nil, 2 * (4*log(3) - log(1*2*3*6) + 4 - 4)},
		{"tweedie", "tweedie", "", base, nil, 2*math.Sqrt(3) + 2*3/math.Sqrt(3)},
		{"logloss", "binary", "", classes, nil, log(2)},
		{"weighted logloss", "binary", "", heavy, nil, -(6*log(0.75) + 2*log(0.25)) / 8},
		{"error", "binary", "binary_error", heavy, nil, 2. / 8},
		{"error at one half", "binary", "binary_error", classes, nil, 0.5},
		{"auc of a constant", "binary", "auc", classes, nil, 0.5},
		{"precision of a constant", "binary", "average_precision", heavy, nil, 2. / 8},
		// Scores order the groups 3 > 2 > 1: of 9 pairs, 3+3+2 are won and one is a tie.
		{"auc", "binary", "auc", split, nil, 8.5 / 9},
		{"precision", "binary", "average_precision", split, nil, (1 + 1 + 3./4) / 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := gbdt.DefaultOptions()
			o.Objective, o.NumIterations, o.MinDataInLeaf, o.MinDataInBin = tt.objective, 1, 1, 1
			if tt.metric != "" {
				o.Metric = []string{tt.metric}
			}
			if tt.change != nil {
				tt.change(&o)
			}
			// What is measured is the validation table; training sees one more column, so
			// that there is a tree even where the feature is constant.
			table, valid := tt.table, tt.table
			table.Columns, valid.Columns = []string{"x", "y"}, []string{"x", "y"}
			table.Data, valid.Data = nil, nil
			for i, v := range tt.table.Data {
				table.Data = append(table.Data, v, float64(i))
				valid.Data = append(valid.Data, v, 0)
			}
			o.LearningRate = 1e-9 // the start score decides
			_, report := fit(t, &table, &valid, o)
			if len(report.History) != 1 {
				t.Fatalf("%d values measured", len(report.History))
			}
			if got := report.History[0].Value; math.Abs(got-tt.want) > 1e-6 {
				t.Errorf("%s is %v, want %v", report.History[0].Metric, got, tt.want)
			}
		})
	}
}
