package onnx_test

import (
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/export/onnx"
)

// An array is a row-major float32 tensor of the evaluator below.
type array struct {
	dims []int64
	data []float32
}

// evaluate runs a graph operator by operator, as the ONNX specification words them, in
// float32 and in the most direct way. It exists to judge others.
func evaluate(g *onnx.Graph, inputs map[string]array) (map[string]array, error) {
	values := map[string]array{}
	shapes := map[string][]int64{}
	for name, a := range inputs {
		values[name] = a
	}
	for _, t := range g.Initializers {
		if t.Type == onnx.Int64 {
			shapes[t.Name] = t.Ints
			continue
		}
		values[t.Name] = array{t.Dims, t.Floats}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		in := make([]array, len(n.Inputs))
		for j, name := range n.Inputs {
			in[j] = values[name]
		}
		var out array
		switch n.Op {
		case "MatMul":
			out = matMul(in[0], in[1])
		case "Add":
			out = elementwise(func(v []float32) float32 { return v[0] + v[1] }, in...)
		case "Mul":
			out = elementwise(func(v []float32) float32 { return v[0] * v[1] }, in...)
		case "Less":
			out = elementwise(func(v []float32) float32 {
				if v[0] < v[1] {
					return 1
				}
				return 0
			}, in...)
		case "Where":
			out = elementwise(func(v []float32) float32 {
				if v[0] != 0 {
					return v[1]
				}
				return v[2]
			}, in...)
		case "Abs":
			out = elementwise(func(v []float32) float32 { return float32(math.Abs(float64(v[0]))) }, in...)
		case "Floor":
			out = elementwise(func(v []float32) float32 { return float32(math.Floor(float64(v[0]))) }, in...)
		case "Exp":
			out = elementwise(func(v []float32) float32 { return float32(math.Exp(float64(v[0]))) }, in...)
		case "Sigmoid":
			out = elementwise(func(v []float32) float32 { return float32(1 / (1 + math.Exp(-float64(v[0])))) }, in...)
		case "Identity":
			out = in[0]
		case "Relu":
			out = elementwise(func(v []float32) float32 { return max(v[0], 0) }, in...)
		case "Concat":
			axis, _ := n.Attribute("axis")
			out = concat(int(axis.Int), in...)
		case "Reshape":
			out = array{shapes[n.Inputs[1]], in[0].data}
		case "Transpose":
			perm, _ := n.Attribute("perm")
			out = transpose(in[0], perm.Ints)
		case "TreeEnsembleRegressor":
			out = runTrees(n, in[0])
		default:
			return nil, fmt.Errorf("evaluate: operator %s", n.Op)
		}
		values[n.Outputs[0]] = out
	}
	results := map[string]array{}
	for _, o := range g.Outputs {
		results[o.Name] = values[o.Name]
	}
	return results, nil
}

func matMul(a, b array) array {
	m, k, n := a.dims[0], a.dims[1], b.dims[1]
	out := array{[]int64{m, n}, make([]float32, m*n)}
	for i := range m {
		for j := range n {
			var sum float32
			for l := range k {
				sum += a.data[i*k+l] * b.data[l*n+j]
			}
			out.data[i*n+j] = sum
		}
	}
	return out
}

// elementwise applies f with broadcasting of equal ranks.
func elementwise(f func([]float32) float32, in ...array) array {
	dims := make([]int64, len(in[0].dims))
	size := int64(1)
	for i := range dims {
		for _, a := range in {
			dims[i] = max(dims[i], a.dims[i])
		}
		size *= dims[i]
	}
	out := array{dims, make([]float32, size)}
	args := make([]float32, len(in))
	for at := range size {
		for j, a := range in {
			index, rest, stride := int64(0), at, int64(1)
			for i := len(dims) - 1; i >= 0; i-- {
				c := rest % dims[i]
				rest /= dims[i]
				if a.dims[i] > 1 {
					index += c * stride
				}
				stride *= a.dims[i]
			}
			args[j] = a.data[index]
		}
		out.data[at] = f(args)
	}
	return out
}

func concat(axis int, in ...array) array {
	dims := append([]int64(nil), in[0].dims...)
	outer := int64(1)
	for _, d := range dims[:axis] {
		outer *= d
	}
	dims[axis] = 0
	for _, a := range in {
		dims[axis] += a.dims[axis]
	}
	out := array{dims: dims}
	for o := range outer {
		for _, a := range in {
			inner := int64(len(a.data)) / outer
			out.data = append(out.data, a.data[o*inner:(o+1)*inner]...)
		}
	}
	return out
}

func transpose(a array, perm []int64) array {
	if len(a.dims) != 2 || perm[0] != 1 {
		return a
	}
	r, c := a.dims[0], a.dims[1]
	out := array{[]int64{c, r}, make([]float32, len(a.data))}
	for i := range r {
		for j := range c {
			out.data[j*r+i] = a.data[i*c+j]
		}
	}
	return out
}

// runTrees follows the specification of TreeEnsembleRegressor (ai.onnx.ml 1).
func runTrees(n *onnx.Node, x array) array {
	leaves := leavesOf(n, x)
	weights, _ := n.Attribute("target_weights")
	base, _ := n.Attribute("base_values")
	out := array{[]int64{x.dims[0], 1}, make([]float32, x.dims[0])}
	targetOf := targets(n)
	for r := range out.data {
		out.data[r] = base.Floats[0]
		for t, leaf := range leaves[r] {
			out.data[r] += weights.Floats[targetOf[[2]int64{int64(t), leaf}]]
		}
	}
	return out
}

func targets(n *onnx.Node) map[[2]int64]int {
	nodes, _ := n.Attribute("target_nodeids")
	trees, _ := n.Attribute("target_treeids")
	of := map[[2]int64]int{}
	for i := range nodes.Ints {
		of[[2]int64{trees.Ints[i], nodes.Ints[i]}] = i
	}
	return of
}

// leavesOf returns the node id of the leaf of every row in every tree.
func leavesOf(n *onnx.Node, x array) [][]int64 {
	ints := func(name string) []int64 { a, _ := n.Attribute(name); return a.Ints }
	trees, ids := ints("nodes_treeids"), ints("nodes_nodeids")
	features, tracks := ints("nodes_featureids"), ints("nodes_missing_value_tracks_true")
	yes, no := ints("nodes_truenodeids"), ints("nodes_falsenodeids")
	modes, _ := n.Attribute("nodes_modes")
	values, _ := n.Attribute("nodes_values")
	at := map[[2]int64]int{}
	last := int64(0)
	for i := range trees {
		at[[2]int64{trees[i], ids[i]}] = i
		last = max(last, trees[i])
	}
	rows := make([][]int64, x.dims[0])
	for r := range rows {
		row := x.data[int64(r)*x.dims[1]:]
		for t := range last + 1 {
			id := int64(0)
			for {
				i := at[[2]int64{t, id}]
				if modes.Strings[i] == "LEAF" {
					break
				}
				v := row[features[i]]
				holds := v <= values.Floats[i]
				if modes.Strings[i] == "BRANCH_EQ" {
					holds = v == values.Floats[i]
				}
				if holds || v != v && tracks[i] == 1 {
					id = yes[i]
				} else {
					id = no[i]
				}
			}
			rows[r] = append(rows[r], id)
		}
	}
	return rows
}
