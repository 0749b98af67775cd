package gbdt_test

import (
	"context"
	"fmt"
	"math"
	"os"

	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// steps has a number and a category as features: the label is 10 above 50, and 3 more
// for the categories 1 and 4.
func steps() *gbdt.Table {
	t := &gbdt.Table{Columns: []string{"load", "kind"}}
	for i := range 400 {
		load, kind := float64(i%100), float64(i%6)
		y := 0.0
		if load > 50 {
			y += 10
		}
		if kind == 1 || kind == 4 {
			y += 3
		}
		t.Data, t.Label = append(t.Data, load, kind), append(t.Label, float32(y))
		t.Rows++
	}
	return t
}

func Example() {
	o := gbdt.DefaultOptions()
	o.NumIterations, o.NumLeaves, o.LearningRate = 1, 4, 1
	o.CategoricalFeature = []int{1}
	o.MaxCatToOnehot, o.CatL2, o.MinDataPerGroup = 1, 0, 1
	m, report, err := gbdt.Train(context.Background(), steps(), nil, o, train.Discard)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Iterations, "tree")
	fmt.Printf("%.2f\n", m.Predict([]float64{80, 4}))
	fmt.Printf("%.2f\n", m.Predict([]float64{80, math.NaN()}))
	if err := m.Dump(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 tree
	// 13.00
	// 10.00
	// objective regression, columns: 2, trees: 1
	//
	// column  splits  gain
	// load    1       9985.8
	// kind    2       798.995
	//
	// tree 0
	// load <= 50.50000000000001 (gain 9985.8, 400 rows)
	// ├─ kind in {1, 4} (gain 408, 204 rows)
	// │  ├─ leaf 0: 3 (68 rows)
	// │  └─ leaf 2: -3.8147e-08 (136 rows)
	// └─ kind in {1, 4} (gain 390.995, 196 rows)
	//    ├─ leaf 1: 13 (65 rows)
	//    └─ leaf 3: 10 (131 rows)
}

// lopsided is a squared error that counts three times where the score is below the
// label: too few containers cost more than too many.
type lopsided struct{}

func (lopsided) Check(_, _ []float32) error { return nil }

func (lopsided) Start(_, _ []float32) float64 { return 0 }

func (lopsided) Gradient(score float64, label float32) (g, h float64) {
	d := score - float64(label)
	if d < 0 {
		return 3 * d, 3
	}
	return d, 1
}

func ExampleObjective() {
	// Half of the labels are 8 higher, and no feature tells which.
	t := steps()
	for i := range t.Label {
		t.Label[i] += float32(i / 200 * 8)
	}
	o := gbdt.DefaultOptions()
	o.Objective, o.CustomObjective = "custom", lopsided{}
	o.IgnoreColumn = []int{1}
	m, _, err := gbdt.Train(context.Background(), t, nil, o, train.Discard)
	if err != nil {
		fmt.Println(err)
		return
	}
	// The mean of the labels is 5 there.
	fmt.Printf("%.0f\n", m.Predict([]float64{20, 0}))
	// Output:
	// 7
}
