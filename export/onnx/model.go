package onnx

import (
	"fmt"
	"math"
	"slices"
)

// Versions written by this package. IR version 7 and operator set 13 are the oldest
// pair in which initializers need not be inputs and Reshape takes its shape as an input.
const (
	IRVersion   = 7
	Opset       = 13
	OpsetML     = 1
	DomainML    = "ai.onnx.ml"
	elementsMax = math.MaxInt32 // of one tensor: an index must fit a 32-bit int
)

// A DataType is the type of a tensor's elements, numbered as TensorProto.DataType.
type DataType int32

// The types that a bundle's graphs hold.
const (
	Float32 DataType = 1
	Int64   DataType = 7
	Bool    DataType = 9 // only between nodes; never an initializer
)

func (t DataType) String() string {
	switch t {
	case Float32:
		return "float32"
	case Int64:
		return "int64"
	case Bool:
		return "bool"
	}
	return fmt.Sprintf("type(%d)", int32(t))
}

// An AttributeType says which field of an Attribute holds its value, numbered as
// AttributeProto.AttributeType.
type AttributeType int32

// The attribute types that a bundle's graphs hold.
const (
	AttributeFloat   AttributeType = 1
	AttributeInt     AttributeType = 2
	AttributeString  AttributeType = 3
	AttributeFloats  AttributeType = 6
	AttributeInts    AttributeType = 7
	AttributeStrings AttributeType = 8
)

func (t AttributeType) String() string {
	switch t {
	case AttributeFloat:
		return "float"
	case AttributeInt:
		return "int"
	case AttributeString:
		return "string"
	case AttributeFloats:
		return "floats"
	case AttributeInts:
		return "ints"
	case AttributeStrings:
		return "strings"
	}
	return fmt.Sprintf("attribute(%d)", int32(t))
}

// A Model is a graph with the versions it is written in (ModelProto).
type Model struct {
	IRVersion       int64
	Producer        string
	ProducerVersion string
	Opsets          []OpsetID
	Metadata        []Property // in the order of the file
	Graph           Graph
}

// An OpsetID names one version of one domain of operators (OperatorSetIdProto). The
// empty domain is ONNX itself.
type OpsetID struct {
	Domain  string
	Version int64
}

// A Property is one pair of a model's metadata (StringStringEntryProto).
type Property struct{ Key, Value string }

// A Graph is a list of nodes in an order in which they can be run (GraphProto).
type Graph struct {
	Name         string
	Nodes        []Node
	Initializers []Tensor // constants: weights, biases, shapes
	Inputs       []ValueInfo
	Outputs      []ValueInfo
}

// A Node applies one operator (NodeProto).
type Node struct {
	Name       string
	Op         string
	Domain     string // "" or DomainML
	Inputs     []string
	Outputs    []string
	Attributes []Attribute
}

// An Attribute is a named constant of a node (AttributeProto). Type says which one
// of the other fields is meant.
type Attribute struct {
	Name    string
	Type    AttributeType
	Float   float32
	Int     int64
	String  string
	Floats  []float32
	Ints    []int64
	Strings []string
}

// A Tensor is a named constant (TensorProto), row-major. No dimensions mean a scalar.
type Tensor struct {
	Name   string
	Dims   []int64
	Type   DataType  // Float32 or Int64
	Floats []float32 // the elements, if Type is Float32
	Ints   []int64   // the elements, if Type is Int64
}

// A ValueInfo declares an input or output (ValueInfoProto with a tensor type).
type ValueInfo struct {
	Name string
	Type DataType
	Dims []Dim
}

// A Dim is one dimension of a declared shape: a number, or a name such as "N" for one
// that is known at run time only.
type Dim struct {
	Value int64  // >= 0, if Param is empty
	Param string // the name, or ""
}

// Fixed returns the dimensions of a shape known in full.
func Fixed(dims ...int64) []Dim {
	ds := make([]Dim, len(dims))
	for i, d := range dims {
		ds[i].Value = d
	}
	return ds
}

// Initializer returns the constant called name, and whether there is one.
func (g *Graph) Initializer(name string) (*Tensor, bool) {
	i := slices.IndexFunc(g.Initializers, func(t Tensor) bool { return t.Name == name })
	if i < 0 {
		return nil, false
	}
	return &g.Initializers[i], true
}

// Input returns the declaration of the input called name, and whether there is one.
func (g *Graph) Input(name string) (ValueInfo, bool) { return find(g.Inputs, name) }

// Output returns the declaration of the output called name, and whether there is one.
func (g *Graph) Output(name string) (ValueInfo, bool) { return find(g.Outputs, name) }

func find(vs []ValueInfo, name string) (ValueInfo, bool) {
	i := slices.IndexFunc(vs, func(v ValueInfo) bool { return v.Name == name })
	if i < 0 {
		return ValueInfo{}, false
	}
	return vs[i], true
}

// Attribute returns the attribute called name, and whether there is one.
func (n *Node) Attribute(name string) (*Attribute, bool) {
	i := slices.IndexFunc(n.Attributes, func(a Attribute) bool { return a.Name == name })
	if i < 0 {
		return nil, false
	}
	return &n.Attributes[i], true
}

// Matrix returns the rows, columns and elements of a float32 tensor of two dimensions.
// It is an error if t is anything else or holds too few or too many elements.
func (t *Tensor) Matrix() (rows, cols int, data []float32, err error) {
	if t.Type != Float32 || len(t.Dims) != 2 {
		return 0, 0, nil, fmt.Errorf("onnx: initializer %q is %v of shape %v, expected a float32 matrix", t.Name, t.Type, t.Dims)
	}
	if err := t.check(); err != nil {
		return 0, 0, nil, err
	}
	return int(t.Dims[0]), int(t.Dims[1]), t.Floats, nil
}

// elements is the number of elements of a shape, or an error if a dimension is
// negative or the product leaves the range of an index.
func elements(dims []int64) (int, error) {
	n := int64(1)
	for i, d := range dims {
		if d < 0 {
			return 0, fmt.Errorf("dimension %d is %d, expected >= 0", i, d)
		}
		if d > 0 && n > elementsMax/d {
			return 0, fmt.Errorf("shape %v has more than %d elements", dims, elementsMax)
		}
		n *= d
	}
	return int(n), nil
}
