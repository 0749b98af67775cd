package export_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/export"
	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// randomRow has values that float32 holds, some missing and some zero.
func randomRow(rnd *rand.Rand) []float64 {
	row := make([]float64, 5)
	for i := range row {
		switch v := float32(rnd.NormFloat64()); {
		case i == 1 && rnd.IntN(4) == 0:
			row[i] = math.NaN()
		case i == 2 && rnd.IntN(3) == 0:
			row[i] = 0
		case i == 3:
			row[i] = float64(rnd.IntN(6))
		default:
			row[i] = float64(v)
		}
	}
	return row
}

func trained(t *testing.T, o gbdt.Options) *gbdt.Model {
	t.Helper()
	rnd := seed.Stream(1, "export/trees")
	table := &gbdt.Table{Columns: []string{"a", "b", "c", "d", "e"}, Rows: 3000}
	for range table.Rows {
		row := randomRow(rnd)
		y := math.Abs(row[0]) + row[3]
		if math.IsNaN(row[1]) {
			y += 3
		}
		if row[2] > 0 {
			y *= 2
		}
		table.Data = append(table.Data, row...)
		table.Label = append(table.Label, float32(y))
	}
	o.NumIterations = 30
	m, _, err := gbdt.Train(context.Background(), table, nil, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// walk evaluates the trees of a graph as the specification of their operator words it, in
// float32. Features that are compared with categories are cut to integers before.
func walk(t *testing.T, g *onnx.Graph, row []float32) float32 {
	t.Helper()
	n := &g.Nodes[slices.IndexFunc(g.Nodes, func(n onnx.Node) bool { return n.Op == "TreeEnsembleRegressor" })]
	attribute := func(name string) *onnx.Attribute {
		a, ok := n.Attribute(name)
		if !ok {
			t.Fatalf("no attribute %s", name)
		}
		return a
	}
	trees, ids := attribute("nodes_treeids").Ints, attribute("nodes_nodeids").Ints
	at := map[[2]int64]int{}
	for i := range trees {
		at[[2]int64{trees[i], ids[i]}] = i
	}
	leaf := map[[2]int64]float32{}
	weights, leafTree, leafNode := attribute("target_weights").Floats, attribute("target_treeids").Ints, attribute("target_nodeids").Ints
	for i := range weights {
		leaf[[2]int64{leafTree[i], leafNode[i]}] = weights[i]
	}
	modes, features, values := attribute("nodes_modes").Strings, attribute("nodes_featureids").Ints, attribute("nodes_values").Floats
	yes, no, missing := attribute("nodes_truenodeids").Ints, attribute("nodes_falsenodeids").Ints, attribute("nodes_missing_value_tracks_true").Ints
	categories := map[int64]bool{}
	for i, mode := range modes {
		if mode == "BRANCH_EQ" {
			categories[features[i]] = true
		}
	}
	sum := attribute("base_values").Floats[0]
	for tree := range trees[len(trees)-1] + 1 {
		node := int64(0)
		for modes[at[[2]int64{tree, node}]] != "LEAF" {
			i := at[[2]int64{tree, node}]
			v := row[features[i]]
			if categories[features[i]] && v > -1 {
				v = float32(int(v))
			}
			holds := v <= values[i]
			if modes[i] == "BRANCH_EQ" {
				holds = v == values[i]
			}
			if holds || v != v && missing[i] != 0 {
				node = yes[i]
			} else {
				node = no[i]
			}
		}
		sum += leaf[[2]int64{tree, node}]
	}
	return sum
}

func TestTreesPredictAlike(t *testing.T) {
	for _, objective := range []string{"regression", "regression_l1", "poisson", "categorical"} {
		t.Run(objective, func(t *testing.T) {
			o := gbdt.DefaultOptions()
			o.Objective = objective
			if objective == "categorical" {
				o.Objective, o.CategoricalFeature = "regression", []int{3}
			}
			m := trained(t, o)
			graph, err := export.Trees(m)
			if err != nil {
				t.Fatal(err)
			}
			graph, err = onnx.Decode(onnx.Encode(graph))
			if err != nil {
				t.Fatal(err)
			}
			if err := onnx.Check(graph); err != nil {
				t.Fatal(err)
			}
			rnd := seed.Stream(2, "export/rows")
			for range 500 {
				row := randomRow(rnd)
				narrow := make([]float32, len(row))
				for i, v := range row {
					narrow[i] = float32(v)
				}
				got, want := float64(walk(t, &graph.Graph, narrow)), m.PredictRaw(row)
				// 30 leaves of magnitude up to 10 are added in float32.
				if math.Abs(got-want) > 30*10*0x1p-23 {
					t.Fatalf("row %v: graph predicts %v, model %v", row, got, want)
				}
			}
			if p := graph.Metadata[len(graph.Metadata)-2]; p.Key != "columns" || p.Value != "a b c d e" {
				t.Errorf("metadata is %v, expected the columns", p)
			}
		})
	}
}

func TestTreesOfOneLeaf(t *testing.T) {
	m := &gbdt.Model{Objective: "regression", Columns: []string{"a", "b"}, Infos: make([]gbdt.ColumnInfo, 2), Trees: []gbdt.Tree{{LeafValue: []float64{1.5}}}}
	graph, err := export.Trees(m)
	if err != nil {
		t.Fatal(err)
	}
	if got := walk(t, &graph.Graph, []float32{1, 2}); got != 1.5 {
		t.Errorf("prediction is %v, expected 1.5", got)
	}
}

func TestTreesRefusesLargeCategories(t *testing.T) {
	words := make([]uint32, 1<<19+1)
	words[len(words)-1] = 2
	m := &gbdt.Model{Objective: "regression", Columns: []string{"a", "b"}, Trees: []gbdt.Tree{{
		SplitFeature: []int32{0}, Threshold: []float64{0}, DecisionType: []gbdt.DecisionType{1},
		Left: []int32{-1}, Right: []int32{-2}, LeafValue: []float64{1, 2},
		CatBoundaries: []int32{0, int32(len(words))}, CatThreshold: words,
	}}}
	if _, err := export.Trees(m); err == nil || !strings.Contains(err.Error(), "categories must ascend and be in [0, 16777216]") {
		t.Errorf("error is %v, expected one about large categories", err)
	}
}
