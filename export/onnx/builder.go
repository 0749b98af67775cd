package onnx

import (
	"fmt"
	"slices"
)

// A Value is a tensor inside a graph under construction: the result of a node, an
// input or a constant. It belongs to the Builder that made it.
type Value struct {
	Name string
	Dims []Dim
}

// A Builder composes a graph, checking shapes as it goes. The first error sticks: the
// calls after it do nothing, and Model returns it. The zero Builder is not ready for
// use; see NewBuilder.
//
// Its operators are the ones that onnx-go, ONNX Runtime and a plain evaluator compute
// alike, within the shapes that onnx-go was found to run correctly and repeatedly.
type Builder struct {
	graph Graph
	names map[string]bool
	ml    bool // the graph uses DomainML
	err   error
}

// NewBuilder returns a Builder of a graph called name, which must not be empty.
func NewBuilder(name string) *Builder {
	return &Builder{graph: Graph{Name: name}, names: map[string]bool{}}
}

// Model returns the finished model, or the first error of the calls before.
func (b *Builder) Model() (*Model, error) {
	if b.err != nil {
		return nil, b.err
	}
	m := &Model{
		IRVersion: IRVersion,
		Producer:  "incendio",
		Opsets:    []OpsetID{{Version: Opset}},
		Graph:     b.graph,
	}
	if b.ml {
		m.Opsets = append(m.Opsets, OpsetID{Domain: DomainML, Version: OpsetML})
	}
	if err := Check(m); err != nil {
		return nil, err
	}
	return m, nil
}

// Input declares a float32 input of a fixed shape.
func (b *Builder) Input(name string, dims ...int64) Value { return b.input(name, Fixed(dims...)) }

// InputN declares a float32 input of shape [rows, cols] whose number of rows is known
// at run time only.
func (b *Builder) InputN(name, rows string, cols int64) Value {
	return b.input(name, []Dim{{Param: rows}, {Value: cols}})
}

func (b *Builder) input(name string, dims []Dim) Value {
	b.define(name)
	b.graph.Inputs = append(b.graph.Inputs, ValueInfo{Name: name, Type: Float32, Dims: dims})
	return Value{name, dims}
}

// Output declares v, which must be the result of a node and no node's input, as a
// float32 output called name: the node's result is renamed.
func (b *Builder) Output(name string, v Value) {
	if b.err != nil {
		return
	}
	from := slices.IndexFunc(b.graph.Nodes, func(n Node) bool { return n.Outputs[0] == v.Name })
	if from < 0 {
		b.fail("output %q: %q is not the result of a node, or an output already", name, v.Name)
		return
	}
	for _, n := range b.graph.Nodes {
		if slices.Contains(n.Inputs, v.Name) {
			b.fail("output %q: %q is also an input of %s, and onnx-go reuses its memory there", name, v.Name, n.Name)
			return
		}
	}
	delete(b.names, v.Name) // it goes by name now
	b.define(name)
	b.graph.Nodes[from].Outputs[0] = name
	b.graph.Outputs = append(b.graph.Outputs, ValueInfo{Name: name, Type: Float32, Dims: v.Dims})
}

// Const adds a float32 constant of the given shape, row-major. The Builder keeps data.
func (b *Builder) Const(name string, data []float32, dims ...int64) Value {
	b.define(name)
	t := Tensor{Name: name, Dims: dims, Type: Float32, Floats: data}
	b.constant(t)
	return Value{name, Fixed(dims...)}
}

func (b *Builder) constant(t Tensor) {
	if err := t.check(); err != nil && b.err == nil {
		b.err = err
	}
	b.graph.Initializers = append(b.graph.Initializers, t)
}

// Dense returns x·W + bias. x has shape [rows, in]; w is row-major [in, out]; bias has
// length out and is stored as [1, out], the one form that does not depend on how a
// runtime guesses the axis. The constants are called name.weight and name.bias.
func (b *Builder) Dense(name string, x Value, w, bias []float32) Value {
	if b.err != nil {
		return Value{}
	}
	if len(x.Dims) != 2 || x.Dims[1].Param != "" {
		b.fail("%s: the input has shape %v, expected [rows, in] with a fixed in", name, x.Dims)
		return Value{}
	}
	in, out := x.Dims[1].Value, int64(len(bias))
	if int64(len(w)) != in*out {
		b.fail("%s: %d weights, expected %d x %d", name, len(w), in, out)
		return Value{}
	}
	y := b.MatMul(name+".product", x, b.Const(name+".weight", w, in, out))
	return b.Add(name, y, b.Const(name+".bias", bias, 1, out))
}

// Linear returns x·W, as Dense without a bias.
func (b *Builder) Linear(name string, x Value, w []float32, out int) Value {
	if b.err != nil {
		return Value{}
	}
	if len(x.Dims) != 2 || x.Dims[1].Param != "" || int64(len(w)) != x.Dims[1].Value*int64(out) {
		b.fail("%s: %d weights do not fit an input of shape %v and %d columns", name, len(w), x.Dims, out)
		return Value{}
	}
	return b.MatMul(name, x, b.Const(name+".weight", w, x.Dims[1].Value, int64(out)))
}

// MatMul returns the product of the matrices x [m, k] and y [k, n].
func (b *Builder) MatMul(name string, x, y Value) Value {
	if b.err == nil && (len(x.Dims) != 2 || len(y.Dims) != 2 || x.Dims[1] != y.Dims[0]) {
		b.fail("%s: MatMul of shapes %v and %v", name, x.Dims, y.Dims)
	}
	if b.err != nil {
		return Value{}
	}
	return b.node(name, "MatMul", []Dim{x.Dims[0], y.Dims[1]}, nil, x, y)
}

// Add returns x + y, element by element. The shapes are equal, or those of matrices of
// which a dimension of size 1 is repeated to fit the other's.
func (b *Builder) Add(name string, x, y Value) Value { return b.broadcast(name, "Add", x, y) }

// Mul returns x * y, element by element, with the shapes of Add.
func (b *Builder) Mul(name string, x, y Value) Value { return b.broadcast(name, "Mul", x, y) }

func (b *Builder) broadcast(name, op string, x, y Value) Value {
	dims, ok := broadcastDims(x.Dims, y.Dims)
	if !ok {
		b.fail("%s: %s of shapes %v and %v", name, op, x.Dims, y.Dims)
	}
	return b.node(name, op, dims, nil, x, y)
}

// broadcastDims is the shape of an element-wise operation.
func broadcastDims(x, y []Dim) ([]Dim, bool) {
	if len(x) != len(y) || len(x) != 2 && !slices.Equal(x, y) {
		return nil, false
	}
	one := Dim{Value: 1}
	dims := slices.Clone(x)
	for i := range dims {
		switch {
		case x[i] == y[i] || y[i] == one:
		case x[i] == one:
			dims[i] = y[i]
		default:
			return nil, false
		}
	}
	return dims, true
}

// Relu returns max(x, 0).
func (b *Builder) Relu(name string, x Value) Value { return b.node(name, "Relu", x.Dims, nil, x) }

// Concat joins vs, which must agree in all other dimensions, along axis (0 is the
// first). Only the last may have a single element: onnx-go fills the place of an
// earlier one with its neighbour.
func (b *Builder) Concat(name string, axis int, vs ...Value) Value {
	if b.err != nil {
		return Value{}
	}
	if len(vs) < 2 || axis < 0 || axis >= len(vs[0].Dims) {
		b.fail("%s: Concat of %d values along axis %d, expected at least two with that axis", name, len(vs), axis)
		return Value{}
	}
	dims := slices.Clone(vs[0].Dims)
	dims[axis].Value = 0
	for i, v := range vs {
		if i < len(vs)-1 && !slices.ContainsFunc(v.Dims, func(d Dim) bool { return d != Dim{Value: 1} }) {
			b.fail("%s: Concat of the single element %q before others, expected it last", name, v.Name)
			return Value{}
		}
		same := len(v.Dims) == len(dims)
		for i := 0; same && i < len(dims); i++ {
			same = i == axis && v.Dims[i].Param == "" || i != axis && v.Dims[i] == dims[i]
		}
		if !same {
			b.fail("%s: Concat along axis %d of shapes %v and %v", name, axis, vs[0].Dims, v.Dims)
			return Value{}
		}
		dims[axis].Value += v.Dims[axis].Value
	}
	return b.node(name, "Concat", dims, []Attribute{{Name: "axis", Type: AttributeInt, Int: int64(axis)}}, vs...)
}

// Reshape returns the elements of x, in order, with other dimensions. The shape is the
// constant name.shape, without the special values 0 and -1.
func (b *Builder) Reshape(name string, x Value, dims ...int64) Value {
	if b.err != nil {
		return Value{}
	}
	n, err := elements(dims)
	size := int64(1)
	for _, d := range x.Dims {
		if d.Param != "" {
			size = -1
			break
		}
		size *= d.Value
	}
	if err != nil || int64(n) != size {
		b.fail("%s: Reshape of shape %v to %v", name, x.Dims, dims)
		return Value{}
	}
	shape := name + ".shape"
	b.define(shape)
	b.constant(Tensor{Name: shape, Dims: []int64{int64(len(dims))}, Type: Int64, Ints: dims})
	return b.node(name, "Reshape", Fixed(dims...), nil, x, Value{Name: shape})
}

// Transpose returns x with its dimensions permuted: dimension i of the result is
// dimension perm[i] of x.
func (b *Builder) Transpose(name string, x Value, perm ...int) Value {
	if b.err != nil {
		return Value{}
	}
	dims := make([]Dim, len(x.Dims))
	order := make([]int64, len(perm))
	seen := make([]bool, len(x.Dims))
	for i, p := range perm {
		if len(perm) != len(x.Dims) || p < 0 || p >= len(seen) || seen[p] {
			b.fail("%s: Transpose of shape %v by %v", name, x.Dims, perm)
			return Value{}
		}
		seen[p] = true
		dims[i], order[i] = x.Dims[p], int64(p)
	}
	return b.node(name, "Transpose", dims, []Attribute{{Name: "perm", Type: AttributeInts, Ints: order}}, x)
}

// unary applies an operator to each element of x.
func (b *Builder) unary(name, op string, x Value) Value { return b.node(name, op, x.Dims, nil, x) }

func (b *Builder) abs(name string, x Value) Value { return b.unary(name, "Abs", x) }

func (b *Builder) less(name string, x, y Value) Value { return b.broadcast(name, "Less", x, y) }

func (b *Builder) where(name string, cond, x, y Value) Value {
	return b.node(name, "Where", y.Dims, nil, cond, x, y)
}

func (b *Builder) trees(name string, x Value, e *TreeEnsemble) Value {
	if b.err != nil {
		return Value{}
	}
	b.ml = true
	v := b.node(name, "TreeEnsembleRegressor", []Dim{x.Dims[0], {Value: 1}}, treesNode(e), x)
	b.graph.Nodes[len(b.graph.Nodes)-1].Domain = DomainML
	return v
}

// node adds one node, whose only result has its name.
func (b *Builder) node(name, op string, dims []Dim, attrs []Attribute, in ...Value) Value {
	if b.err != nil {
		return Value{}
	}
	n := Node{Name: name, Op: op, Outputs: []string{name}, Attributes: attrs}
	for _, v := range in {
		if slices.Contains(n.Inputs, v.Name) {
			b.fail("%s: %s of %q with itself, which onnx-go computes wrongly", name, op, v.Name)
			return Value{}
		}
		if !b.names[v.Name] {
			b.fail("%s: the input %q is not a value of this graph", name, v.Name)
			return Value{}
		}
		if _, ok := b.graph.Output(v.Name); ok {
			b.fail("%s: the input %q is an output, whose memory onnx-go would reuse", name, v.Name)
			return Value{}
		}
		n.Inputs = append(n.Inputs, v.Name)
	}
	b.define(name)
	b.graph.Nodes = append(b.graph.Nodes, n)
	return Value{name, dims}
}

func (b *Builder) define(name string) {
	switch {
	case name == "":
		b.fail("a value has no name")
	case b.names[name]:
		b.fail("two values are called %q", name)
	}
	b.names[name] = true
}

func (b *Builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("onnx: graph %q: "+format, append([]any{b.graph.Name}, args...)...)
	}
}
