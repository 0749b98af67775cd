package onnx

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// An operator is what Check knows about one operator of the versions it accepts.
type operator struct {
	domain     string
	min, max   int // number of inputs
	attributes map[string]attribute
	check      func(*Node) error // of the attributes together, or nil
}

type attribute struct {
	typ      AttributeType
	required bool
}

// The operators of opset 13 and ai.onnx.ml 1 that the graphs of a bundle may use.
var operators = map[string]operator{
	"MatMul":    {min: 2, max: 2},
	"Add":       {min: 2, max: 2},
	"Mul":       {min: 2, max: 2},
	"Relu":      {min: 1, max: 1},
	"Concat":    {min: 1, max: maxPerNode, attributes: map[string]attribute{"axis": {AttributeInt, true}}},
	"Reshape":   {min: 2, max: 2},
	"Transpose": {min: 1, max: 1, attributes: map[string]attribute{"perm": {AttributeInts, false}}, check: checkTranspose},
	"Abs":       {min: 1, max: 1},
	"Floor":     {min: 1, max: 1},
	"Exp":       {min: 1, max: 1},
	"Sigmoid":   {min: 1, max: 1},
	"Identity":  {min: 1, max: 1},
	"Less":      {min: 2, max: 2},
	"Where":     {min: 3, max: 3},
	"TreeEnsembleRegressor": {domain: DomainML, min: 1, max: 1, check: checkTrees, attributes: map[string]attribute{
		"aggregate_function":              {AttributeString, false},
		"base_values":                     {AttributeFloats, false},
		"n_targets":                       {AttributeInt, true},
		"nodes_falsenodeids":              {AttributeInts, true},
		"nodes_featureids":                {AttributeInts, true},
		"nodes_hitrates":                  {AttributeFloats, false},
		"nodes_missing_value_tracks_true": {AttributeInts, false},
		"nodes_modes":                     {AttributeStrings, true},
		"nodes_nodeids":                   {AttributeInts, true},
		"nodes_treeids":                   {AttributeInts, true},
		"nodes_truenodeids":               {AttributeInts, true},
		"nodes_values":                    {AttributeFloats, true},
		"post_transform":                  {AttributeString, false},
		"target_ids":                      {AttributeInts, true},
		"target_nodeids":                  {AttributeInts, true},
		"target_treeids":                  {AttributeInts, true},
		"target_weights":                  {AttributeFloats, true},
	}},
}

// Check reports whether m is a model that the readers of a bundle can run: versions,
// names defined exactly once and before their use, constants whose data fits their
// shape, known operators with the right inputs and attributes, trees that are trees.
// It returns the first thing that is wrong. Shapes between nodes are the evaluator's.
func Check(m *Model) error {
	if err := check(m); err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	return nil
}

func check(m *Model) error {
	if m.IRVersion != IRVersion {
		return fmt.Errorf("IR version %d, expected %d", m.IRVersion, IRVersion)
	}
	domains := map[string]bool{}
	for _, o := range m.Opsets {
		want := int64(Opset)
		switch o.Domain {
		case "":
		case DomainML:
			want = OpsetML
		default:
			return fmt.Errorf("operator domain %q, expected %q or the empty one", o.Domain, DomainML)
		}
		if o.Version != want {
			return fmt.Errorf("operator set %d of domain %q, expected %d", o.Version, o.Domain, want)
		}
		if domains[o.Domain] {
			return fmt.Errorf("operator domain %q is imported twice", o.Domain)
		}
		domains[o.Domain] = true
	}
	g := &m.Graph
	if g.Name == "" {
		return errors.New("the graph has no name")
	}
	defined := map[string]bool{}
	define := func(what, name string) error {
		if name == "" {
			return fmt.Errorf("%s has no name", what)
		}
		if defined[name] {
			return fmt.Errorf("%s %q: the name is defined twice", what, name)
		}
		defined[name] = true
		return nil
	}
	for i := range g.Inputs {
		if err := define("input", g.Inputs[i].Name); err != nil {
			return err
		}
		if err := g.Inputs[i].check("input"); err != nil {
			return err
		}
	}
	for i := range g.Initializers {
		if err := define("initializer", g.Initializers[i].Name); err != nil {
			return err
		}
		if err := g.Initializers[i].check(); err != nil {
			return err
		}
	}
	if len(g.Nodes) == 0 {
		return errors.New("the graph has no nodes")
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if err := n.check(domains, defined); err != nil {
			return fmt.Errorf("node %d (%s %q): %w", i, n.Op, n.Name, err)
		}
		if err := define("output of node", n.Outputs[0]); err != nil {
			return fmt.Errorf("node %d (%s %q): %w", i, n.Op, n.Name, err)
		}
	}
	if len(g.Outputs) == 0 {
		return errors.New("the graph has no outputs")
	}
	seen := map[string]bool{}
	for i := range g.Outputs {
		o := &g.Outputs[i]
		if !defined[o.Name] || seen[o.Name] {
			return fmt.Errorf("output %q is not defined in the graph, or listed twice", o.Name)
		}
		seen[o.Name] = true
		if err := o.check("output"); err != nil {
			return err
		}
	}
	return nil
}

func (v *ValueInfo) check(what string) error {
	if v.Type != Float32 && v.Type != Int64 {
		return fmt.Errorf("%s %q: element type %v, expected float32 or int64", what, v.Name, v.Type)
	}
	for i, d := range v.Dims {
		if d.Value < 0 || d.Param != "" && d.Value != 0 {
			return fmt.Errorf("%s %q: dimension %d is %d %q, expected a number >= 0 or a name", what, v.Name, i, d.Value, d.Param)
		}
	}
	return nil
}

func (t *Tensor) check() error {
	n, err := elements(t.Dims)
	if err != nil {
		return fmt.Errorf("initializer %q: %w", t.Name, err)
	}
	floats, ints := n, 0
	switch t.Type {
	case Float32:
	case Int64:
		floats, ints = 0, n
	default:
		return fmt.Errorf("initializer %q: element type %v, expected float32 or int64", t.Name, t.Type)
	}
	if len(t.Floats) != floats || len(t.Ints) != ints {
		return fmt.Errorf("initializer %q: shape %v holds %d %v elements, got %d float32 and %d int64",
			t.Name, t.Dims, n, t.Type, len(t.Floats), len(t.Ints))
	}
	return nil
}

func (n *Node) check(domains, defined map[string]bool) error {
	op, ok := operators[n.Op]
	if !ok || op.domain != n.Domain {
		return fmt.Errorf("unknown operator in domain %q", n.Domain)
	}
	if !domains[n.Domain] {
		return fmt.Errorf("domain %q is not imported", n.Domain)
	}
	if len(n.Inputs) < op.min || len(n.Inputs) > op.max {
		return fmt.Errorf("%d inputs, expected %d to %d", len(n.Inputs), op.min, op.max)
	}
	if len(n.Outputs) != 1 {
		return fmt.Errorf("%d outputs, expected 1", len(n.Outputs))
	}
	for _, in := range n.Inputs {
		if !defined[in] {
			return fmt.Errorf("input %q is not defined before its use", in)
		}
	}
	seen := map[string]bool{}
	for i := range n.Attributes {
		a := &n.Attributes[i]
		want, ok := op.attributes[a.Name]
		switch {
		case !ok:
			return fmt.Errorf("unknown attribute %q", a.Name)
		case seen[a.Name]:
			return fmt.Errorf("attribute %q is given twice", a.Name)
		case a.Type != want.typ:
			return fmt.Errorf("attribute %q is %v, expected %v", a.Name, a.Type, want.typ)
		}
		seen[a.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(op.attributes)) {
		if op.attributes[name].required && !seen[name] {
			return fmt.Errorf("attribute %q is missing", name)
		}
	}
	if op.check != nil {
		return op.check(n)
	}
	return nil
}

func checkTranspose(n *Node) error {
	perm, ok := n.Attribute("perm")
	if !ok {
		return nil
	}
	seen := make([]bool, len(perm.Ints))
	for _, p := range perm.Ints {
		if p < 0 || p >= int64(len(seen)) || seen[p] {
			return fmt.Errorf("perm %v is not a permutation", perm.Ints)
		}
		seen[p] = true
	}
	return nil
}

// checkTrees checks that the flat lists of a TreeEnsembleRegressor describe trees: each
// tree's nodes are numbered from 0 in order, a branch's children come after it, and each
// node but the first is the child of exactly one branch, or of a chain of equalities of
// one feature that lead to it, each the other child of the one before.
func checkTrees(n *Node) error {
	ints := func(name string) []int64 { a, _ := n.Attribute(name); return a.Ints }
	trees, ids := ints("nodes_treeids"), ints("nodes_nodeids")
	features, yes, no := ints("nodes_featureids"), ints("nodes_truenodeids"), ints("nodes_falsenodeids")
	modes, _ := n.Attribute("nodes_modes")
	values, _ := n.Attribute("nodes_values")
	count := len(trees)
	for _, l := range []struct {
		name   string
		length int
	}{
		{"nodes_nodeids", len(ids)}, {"nodes_featureids", len(features)}, {"nodes_truenodeids", len(yes)},
		{"nodes_falsenodeids", len(no)}, {"nodes_modes", len(modes.Strings)}, {"nodes_values", len(values.Floats)},
	} {
		if l.length != count {
			return fmt.Errorf("%s has %d elements, expected %d as nodes_treeids", l.name, l.length, count)
		}
	}
	if a, ok := n.Attribute("nodes_missing_value_tracks_true"); ok && len(a.Ints) != count {
		return fmt.Errorf("nodes_missing_value_tracks_true has %d elements, expected %d", len(a.Ints), count)
	}
	if a, ok := n.Attribute("aggregate_function"); ok && a.String != "SUM" {
		return fmt.Errorf("aggregate_function %q, expected SUM", a.String)
	}
	if a, ok := n.Attribute("post_transform"); ok && a.String != "NONE" {
		return fmt.Errorf("post_transform %q, expected NONE", a.String)
	}
	targets, _ := n.Attribute("n_targets")
	if targets.Int != 1 {
		return fmt.Errorf("n_targets %d, expected 1", targets.Int)
	}
	if a, ok := n.Attribute("base_values"); ok && len(a.Floats) > 1 {
		return fmt.Errorf("base_values has %d elements, expected 1", len(a.Floats))
	}
	if count == 0 {
		return errors.New("no tree nodes")
	}
	place := map[[2]int64]int{} // (tree, node) of each leaf
	for start := 0; start < count; {
		end := start + 1
		for end < count && trees[end] == trees[start] {
			end++
		}
		if start > 0 && trees[start] <= trees[start-1] || trees[start] < 0 {
			return fmt.Errorf("nodes_treeids[%d] is %d, expected increasing tree numbers", start, trees[start])
		}
		size := int64(end - start)
		parents := make([]int, size) // the last branch, counted from 1
		// chained reports whether branch i is an equality that goes on with the test of the
		// branch before it.
		chained := func(i int64) bool {
			before, at := start+parents[i]-1, start+int(i)
			return parents[i] > 0 && modes.Strings[at] == modeEQ && modes.Strings[before] == modeEQ &&
				no[before] == i && yes[before] == yes[at] && features[before] == features[at]
		}
		for i := range size {
			at := start + int(i)
			if ids[at] != i {
				return fmt.Errorf("nodes_nodeids[%d] is %d, expected %d", at, ids[at], i)
			}
			switch modes.Strings[at] {
			case modeLeaf:
				place[[2]int64{trees[at], i}] = at
				continue
			case modeLEQ, modeEQ:
			default:
				return fmt.Errorf("nodes_modes[%d] is %q, expected %s, %s or %s", at, modes.Strings[at], modeLEQ, modeEQ, modeLeaf)
			}
			if features[at] < 0 || features[at] > math.MaxInt32 || math.IsNaN(float64(values.Floats[at])) {
				return fmt.Errorf("tree node %d: feature %d, threshold %v", at, features[at], values.Floats[at])
			}
			for k, c := range []int64{yes[at], no[at]} {
				if c <= i || c >= size || parents[c] != 0 && !(k == 0 && chained(i)) {
					return fmt.Errorf("tree node %d: child %d is out of range, used twice or not after its parent", at, c)
				}
				parents[c] = int(i) + 1
			}
		}
		for i := int64(1); i < size; i++ {
			if parents[i] == 0 {
				return fmt.Errorf("tree node %d has no parent", start+int(i))
			}
		}
		start = end
	}
	return checkTargets(n, place)
}

// checkTargets checks that every leaf has exactly one weight.
func checkTargets(n *Node, leaves map[[2]int64]int) error {
	ids, _ := n.Attribute("target_ids")
	nodes, _ := n.Attribute("target_nodeids")
	trees, _ := n.Attribute("target_treeids")
	weights, _ := n.Attribute("target_weights")
	count := len(leaves)
	if len(ids.Ints) != count || len(nodes.Ints) != count || len(trees.Ints) != count || len(weights.Floats) != count {
		return fmt.Errorf("target_ids, target_nodeids, target_treeids and target_weights have %d, %d, %d and %d elements, expected one per leaf, %d",
			len(ids.Ints), len(nodes.Ints), len(trees.Ints), len(weights.Floats), count)
	}
	for i := range count {
		key := [2]int64{trees.Ints[i], nodes.Ints[i]}
		if _, ok := leaves[key]; !ok || ids.Ints[i] != 0 {
			return fmt.Errorf("target %d: node %d of tree %d is not a leaf without a weight, or its target is not 0", i, key[1], key[0])
		}
		delete(leaves, key)
	}
	return nil
}
