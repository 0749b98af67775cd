package onnx_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/export/onnx"
	"pgregory.net/rapid"
)

func stump() *onnx.TreeEnsemble {
	return &onnx.TreeEnsemble{Features: 1, Base: 0.5, Trees: []onnx.Tree{{
		Feature: []int{0}, Threshold: []float64{0.1}, DefaultLeft: []bool{true}, Missing: []onnx.Missing{onnx.MissingNaN},
		Left: []int{^0}, Right: []int{^1}, Leaf: []float64{-1, 2},
	}}}
}

// zeroTrees has a feature whose zeros are missing, and one whose are not.
func zeroTrees() *onnx.TreeEnsemble {
	return &onnx.TreeEnsemble{Features: 2, Trees: []onnx.Tree{
		{
			Feature: []int{0, 1}, Threshold: []float64{3, 0}, DefaultLeft: []bool{false, true}, Missing: []onnx.Missing{onnx.MissingZero, onnx.MissingNone},
			Left: []int{1, ^0}, Right: []int{^2, ^1}, Leaf: []float64{1, 2, 3},
		},
		{Leaf: []float64{10}},
	}}
}

// leafOf is the leaf that LightGBM 4.6 chooses, in float64 (its NumericalDecision).
func leafOf(t *onnx.Tree, row []float32) int {
	if len(t.Feature) == 0 {
		return 0
	}
	at := 0
	for {
		v := float64(row[t.Feature[at]])
		if t.Categories != nil && t.Categories[at] != nil {
			next := t.Right[at]
			if v > -1 && slices.Contains(t.Categories[at], int(v)) {
				next = t.Left[at]
			}
			if next < 0 {
				return ^next
			}
			at = next
			continue
		}
		if math.IsNaN(v) && t.Missing[at] != onnx.MissingNaN {
			v = 0
		}
		left := v <= t.Threshold[at]
		if t.Missing[at] == onnx.MissingZero && math.Abs(v) <= float64(float32(1e-35)) || math.IsNaN(v) {
			left = t.DefaultLeft[at]
		}
		next := t.Right[at]
		if left {
			next = t.Left[at]
		}
		if next < 0 {
			return ^next
		}
		at = next
	}
}

// values that lie on, just below and just above what float32 can tell apart.
func drawValue(t *rapid.T) float64 {
	v := rapid.OneOf(
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1e-35, -1e-35, 0.1, 1, 1.0000000180025095e-35, 3.4028235e38, math.SmallestNonzeroFloat32}),
		rapid.Float64Range(-2, 2),
		rapid.Map(rapid.IntRange(-20, 20), func(i int) float64 { return float64(i) / 10 }),
	).Draw(t, "value")
	switch rapid.IntRange(0, 5).Draw(t, "beside") {
	case 0:
		return math.Nextafter(float64(float32(v)), math.Inf(1))
	case 1:
		return math.Nextafter(float64(float32(v)), math.Inf(-1))
	case 2:
		return float64(math.Nextafter32(float32(v), float32(math.Inf(1))))
	}
	return v
}

// drawEnsemble makes random trees whose features have one missing type each.
func drawEnsemble(t *rapid.T) *onnx.TreeEnsemble {
	e := &onnx.TreeEnsemble{Features: rapid.IntRange(1, 3).Draw(t, "features"), Base: 1}
	kinds, categorical := make([]onnx.Missing, e.Features), make([]bool, e.Features)
	for f := range kinds {
		kinds[f] = onnx.Missing(rapid.IntRange(0, 2).Draw(t, "missing"))
		categorical[f] = rapid.IntRange(0, 2).Draw(t, "categorical") == 0
	}
	for range rapid.IntRange(1, 3).Draw(t, "trees") {
		var tr onnx.Tree
		tr.Leaf = []float64{0}
		// Grow as LightGBM does: a split takes the place of a leaf, which becomes its left
		// child; its right child is a new leaf.
		for i := range rapid.IntRange(0, 6).Draw(t, "splits") {
			leaf := rapid.IntRange(0, i).Draw(t, "leaf")
			for j := range i {
				if tr.Left[j] == ^leaf {
					tr.Left[j] = i
				}
				if tr.Right[j] == ^leaf {
					tr.Right[j] = i
				}
			}
			f := rapid.IntRange(0, e.Features-1).Draw(t, "feature")
			tr.Feature = append(tr.Feature, f)
			tr.Missing = append(tr.Missing, kinds[f])
			tr.Threshold = append(tr.Threshold, drawValue(t))
			tr.DefaultLeft = append(tr.DefaultLeft, rapid.Bool().Draw(t, "default left"))
			var set []int
			if categorical[f] {
				set = rapid.SliceOfNDistinct(rapid.IntRange(0, 5), 1, 4, rapid.ID).Draw(t, "set")
				slices.Sort(set)
			}
			tr.Categories = append(tr.Categories, set)
			tr.Left = append(tr.Left, ^leaf)
			tr.Right = append(tr.Right, ^(i + 1))
			tr.Leaf = append(tr.Leaf, float64(i+1))
		}
		e.Trees = append(e.Trees, tr)
	}
	return e
}

func TestTreesChooseTheLeafOfFloat64(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEnsemble(t)
		m, err := e.Model("trees")
		if err != nil {
			t.Fatal(err)
		}
		if m, err = onnx.Decode(onnx.Encode(m)); err != nil {
			t.Fatal(err)
		}
		if err := onnx.Check(m); err != nil {
			t.Fatal(err)
		}
		const rows = 20
		x := array{[]int64{rows, int64(e.Features)}, nil}
		for range rows * e.Features {
			v := float32(drawValue(t))
			switch rapid.IntRange(0, 9).Draw(t, "special") {
			case 0:
				v = float32(math.NaN())
			case 1:
				v = float32(math.Inf(1))
			case 2:
				v = float32(math.Inf(-1))
			case 4, 5: // a category, or near one
				v = float32(rapid.IntRange(-4, 14).Draw(t, "category")) / 2
			case 3: // a threshold itself, rounded
				if th := e.Trees[0].Threshold; len(th) > 0 {
					v = float32(th[0])
				}
			}
			x.data = append(x.data, v)
		}
		got, err := evaluate(&m.Graph, map[string]array{"features": x})
		if err != nil {
			t.Fatal(err)
		}
		for r := range rows {
			row := x.data[r*e.Features : (r+1)*e.Features]
			want := float32(e.Base)
			for i := range e.Trees {
				want += float32(e.Trees[i].Leaf[leafOf(&e.Trees[i], row)])
			}
			if p := got["prediction"].data[r]; p != want { // small integers: exact
				t.Fatalf("row %v: %v, want %v", row, p, want)
			}
		}
	})
}

func TestTreesByHand(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		e    *onnx.TreeEnsemble
		rows [][]float32
		want []float32
	}{
		// float32(0.1) is above 0.1: it must go right although both print as 0.1.
		{stump(), [][]float32{{0}, {0.1}, {math.Nextafter32(0.1, 0)}, {nan}}, []float32{-0.5, 2.5, -0.5, -0.5}},
		{zeroTrees(), [][]float32{{0, 0}, {nan, 0}, {1, nan}, {-1e-34, 1}, {1e-36, 1}, {4, 0}}, []float32{13, 13, 11, 12, 13, 13}},
	} {
		m, err := c.e.Model("trees")
		if err != nil {
			t.Fatal(err)
		}
		x := array{[]int64{int64(len(c.rows)), int64(c.e.Features)}, slices.Concat(c.rows...)}
		got, err := evaluate(&m.Graph, map[string]array{"features": x})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got["prediction"].data, c.want) {
			t.Errorf("got %v, want %v", got["prediction"].data, c.want)
		}
	}
}

func TestTreesRefuse(t *testing.T) {
	for want, change := range map[string]func(*onnx.TreeEnsemble){
		"Features must be >= 1":              func(e *onnx.TreeEnsemble) { e.Features = 0 },
		"no trees":                           func(e *onnx.TreeEnsemble) { e.Trees = nil },
		"Base is NaN":                        func(e *onnx.TreeEnsemble) { e.Base = math.NaN() },
		"leaf 0 is 1e+300":                   func(e *onnx.TreeEnsemble) { e.Trees[0].Leaf[0] = 1e300 },
		"feature 7":                          func(e *onnx.TreeEnsemble) { e.Trees[0].Feature[0] = 7 },
		"threshold is NaN":                   func(e *onnx.TreeEnsemble) { e.Trees[0].Threshold[0] = math.NaN() },
		"missing(9)":                         func(e *onnx.TreeEnsemble) { e.Trees[0].Missing[0] = 9 },
		"Threshold does not fit 2 splits":    func(e *onnx.TreeEnsemble) { e.Trees[0].Threshold = e.Trees[0].Threshold[:1] },
		"Leaf does not fit 2 splits":         func(e *onnx.TreeEnsemble) { e.Trees[0].Leaf = append(e.Trees[0].Leaf, 1) },
		"tree 0: split 1: child 0":           func(e *onnx.TreeEnsemble) { e.Trees[0].Left[1] = 0 },
		"tree 0: split 1: child -3":          func(e *onnx.TreeEnsemble) { e.Trees[0].Left[1] = ^2 },
		"feature 0 is split with zeros both": func(e *onnx.TreeEnsemble) { e.Trees[0].Feature[1] = 0 },
		"Categories does not fit 2 splits":   func(e *onnx.TreeEnsemble) { e.Trees[0].Categories = [][]int{nil} },
		"categories are empty":               func(e *onnx.TreeEnsemble) { e.Trees[0].Categories = [][]int{nil, {}} },
		"categories must ascend":             func(e *onnx.TreeEnsemble) { e.Trees[0].Categories = [][]int{nil, {3, 2}} },
		"got [-1]":                           func(e *onnx.TreeEnsemble) { e.Trees[0].Categories = [][]int{nil, {-1}} },
		"Transform is 9":                     func(e *onnx.TreeEnsemble) { e.Transform = 9 },
		"Slope is 0":                         func(e *onnx.TreeEnsemble) { e.Transform = onnx.Sigmoid },
		"feature 1 is split both by categories": func(e *onnx.TreeEnsemble) {
			e.Trees[0].Feature[0], e.Trees[0].Missing[0] = 1, onnx.MissingNone
			e.Trees[0].Categories = [][]int{nil, {1}}
		},
		"split 0: child 2 is out of range, used":  func(e *onnx.TreeEnsemble) { e.Trees[0].Left[0] = 2 },
		"split 0: child -99 is out of range, use": func(e *onnx.TreeEnsemble) { e.Trees[0].Left[0] = -99 },
	} {
		e := zeroTrees()
		change(e)
		if _, err := e.Model("trees"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestTransforms(t *testing.T) {
	for transform, want := range map[onnx.Transform]func(v float64) float64{
		onnx.Exp:          math.Exp,
		onnx.Sigmoid:      func(v float64) float64 { return 1 / (1 + math.Exp(-2*v)) },
		onnx.SignedSquare: func(v float64) float64 { return v * math.Abs(v) },
	} {
		e := stump()
		e.Transform, e.Slope = transform, 2
		m, err := e.Model("trees")
		if err != nil {
			t.Fatal(err)
		}
		if m, err = onnx.Decode(onnx.Encode(m)); err != nil {
			t.Fatal(err)
		}
		if err := onnx.Check(m); err != nil {
			t.Fatal(err)
		}
		got, err := evaluate(&m.Graph, map[string]array{"features": {[]int64{2, 1}, []float32{0, 1}}})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range []float64{-0.5, 2.5} {
			if p, r := got["prediction"].data[i], got["response"].data[i]; p != float32(v) || math.Abs(float64(r)-want(v)) > 1e-6*math.Abs(want(v)) {
				t.Errorf("transform %d: prediction %v and response %v, expected %v and %v", transform, p, r, v, want(v))
			}
		}
	}
}
