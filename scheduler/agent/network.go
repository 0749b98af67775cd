package agent

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/export/onnx"
)

// Bounds on the sizes of a network, so that a file cannot ask for all memory.
const (
	maxCandidates = 256
	maxHidden     = 4096
)

// A Layer is y = x W + b, with W of shape (In, Out), row-major.
type Layer struct {
	In, Out int
	Weight  []float32 // (In, Out)
	Bias    []float32 // (Out), or empty
}

// A Network gives the Q-values of an observation. With x_i the candidates, g the global
// features, m the mask and H hidden units:
//
//	phi_i = ReLU(Dense2(ReLU(Dense1(x_i))))     Features -> H -> H
//	c     = ReLU(Dense3(sum_i m_i phi_i, g))    H + Globals -> H
//	h_i   = ReLU(Own(phi_i) + Shared(c))        H
//	Q_i   = Start(h_i)                          2: warm, cold
//	Q_2K  = Defer(c)                            1
//
// It is of the deep-sets form (docs/models.md, The agent): equivariant to the order of the
// candidates, with a number of weights that depends on H alone. A Network is immutable
// in use and may be shared.
type Network struct {
	Candidates int // K
	Hidden     int // H

	Dense1, Dense2, Dense3, Own, Shared, Start, Defer Layer
}

// NewNetwork returns a network of k candidates, [1, 256], and h hidden units, [2, 4096],
// whose weights are zero.
func NewNetwork(k, h int) (*Network, error) {
	if k < 1 || k > maxCandidates {
		return nil, fmt.Errorf("agent: candidates must be in [1, %d], got %d", maxCandidates, k)
	}
	if h < 2 || h > maxHidden {
		return nil, fmt.Errorf("agent: hidden must be in [2, %d], got %d", maxHidden, h)
	}
	n := &Network{Candidates: k, Hidden: h}
	for i, s := range [...]struct {
		in, out int
		bias    bool
	}{{Features, h, true}, {h, h, true}, {h + Globals, h, true}, {h, h, true}, {h, h, false}, {h, 2, true}, {h, 1, true}} {
		l := n.Layers()[i]
		*l = Layer{In: s.in, Out: s.out, Weight: make([]float32, s.in*s.out)}
		if s.bias {
			l.Bias = make([]float32, s.out)
		}
	}
	return n, nil
}

// Layers returns the layers of n in a fixed order.
func (n *Network) Layers() []*Layer {
	return []*Layer{&n.Dense1, &n.Dense2, &n.Dense3, &n.Own, &n.Shared, &n.Start, &n.Defer}
}

// Clone returns a deep copy.
func (n *Network) Clone() *Network {
	c := *n
	for _, l := range c.Layers() {
		l.Weight, l.Bias = slices.Clone(l.Weight), slices.Clone(l.Bias)
	}
	return &c
}

// layerNames are the names of the layers in a graph, in the order of Layers.
var layerNames = [...]string{"dense1", "dense2", "dense3", "own", "shared", "start", "defer"}

// Names of the inputs and of the output of a graph.
const (
	InputCandidates = "candidates" // (K, Features)
	InputGlobal     = "global"     // (1, Globals)
	InputMask       = "mask"       // (1, K)
	OutputValues    = "values"     // (1, 2K+1)
)

// Graph returns n as a graph of MatMul, Add, Relu, Concat and Reshape, which Load reads.
// The names of the columns of the inputs, in order and joined by spaces, stand in the
// metadata "candidates" and "global". The values are Q of starting candidate i warm (2i)
// and cold (2i+1), and of deferring (2K); those of rows without a candidate mean nothing,
// because the mask does not reach them.
func (n *Network) Graph() (*onnx.Model, error) {
	k := int64(n.Candidates)
	b := onnx.NewBuilder("incendio-agent")
	x := b.Input(InputCandidates, k, Features)
	g := b.Input(InputGlobal, 1, Globals)
	mask := b.Input(InputMask, 1, k)
	dense := func(l *Layer, name string, x onnx.Value) onnx.Value { return b.Dense(name, x, l.Weight, l.Bias) }
	phi := b.Relu("relu1", dense(&n.Dense1, "dense1", x))
	phi = b.Relu("relu2", dense(&n.Dense2, "dense2", phi))
	context := b.Relu("context", dense(&n.Dense3, "dense3", b.Concat("joined", 1, b.MatMul("pooled", mask, phi), g)))
	shared := b.Linear("shared", context, n.Shared.Weight, n.Shared.Out)
	h := b.Relu("relu3", b.Add("head", dense(&n.Own, "own", phi), shared))
	starts := b.Reshape("starts", dense(&n.Start, "start", h), 1, 2*k)
	b.Output(OutputValues, b.Concat("joined_values", 1, starts, dense(&n.Defer, "defer", context)))
	m, err := b.Model()
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	m.Metadata = []onnx.Property{
		{Key: InputCandidates, Value: strings.Join(CandidateColumns(), " ")},
		{Key: InputGlobal, Value: strings.Join(GlobalColumns(), " ")},
	}
	return m, nil
}

// Load reads a network from a graph as Graph writes it. It is an error if the graph is
// another one, if a shape is wrong or a weight is not finite: what is accepted computes
// what the file says.
func Load(m *onnx.Model) (*Network, error) {
	if m == nil {
		return nil, errors.New("agent: no model")
	}
	if err := onnx.Check(m); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	in, ok := m.Graph.Input(InputCandidates)
	if !ok || len(in.Dims) != 2 || in.Dims[1].Value != Features {
		return nil, fmt.Errorf("agent: graph %q: input %q has shape %v, expected [K, %d]", m.Graph.Name, InputCandidates, in.Dims, Features)
	}
	first, ok := m.Graph.Initializer("dense2.weight")
	if !ok || len(first.Dims) != 2 || first.Dims[0] != first.Dims[1] {
		return nil, fmt.Errorf("agent: graph %q has no square matrix dense2.weight", m.Graph.Name)
	}
	if k, h := in.Dims[0].Value, first.Dims[0]; k > maxCandidates || h > maxHidden {
		return nil, fmt.Errorf("agent: graph %q: %d candidates and %d hidden units, expected at most %d and %d", m.Graph.Name, k, h, maxCandidates, maxHidden)
	}
	n, err := NewNetwork(int(in.Dims[0].Value), int(first.Dims[0]))
	if err != nil {
		return nil, fmt.Errorf("graph %q: %w", m.Graph.Name, err)
	}
	for i, l := range n.Layers() {
		if err := load(&m.Graph, layerNames[i]+".weight", l.Weight, l.In, l.Out); err != nil {
			return nil, err
		}
		if len(l.Bias) > 0 {
			if err := load(&m.Graph, layerNames[i]+".bias", l.Bias, 1, l.Out); err != nil {
				return nil, err
			}
		}
	}
	want, err := n.Graph()
	if err != nil {
		return nil, err
	}
	// A network that was trained on other columns has the right shape and is wrong.
	if !slices.Equal(m.Metadata, want.Metadata) {
		return nil, fmt.Errorf("agent: graph %q was made for columns %q, expected %q", m.Graph.Name, m.Metadata, want.Metadata)
	}
	if err := same(&m.Graph, &want.Graph); err != nil {
		return nil, fmt.Errorf("agent: graph %q is not that of an agent: %w", m.Graph.Name, err)
	}
	return n, nil
}

func load(g *onnx.Graph, name string, to []float32, rows, cols int) error {
	t, ok := g.Initializer(name)
	if !ok {
		return fmt.Errorf("agent: graph %q has no initializer %q", g.Name, name)
	}
	r, c, data, err := t.Matrix()
	if err != nil {
		return fmt.Errorf("agent: graph %q: %w", g.Name, err)
	}
	if r != rows || c != cols {
		return fmt.Errorf("agent: graph %q: %q has shape [%d, %d], expected [%d, %d]", g.Name, name, r, c, rows, cols)
	}
	for i, v := range data {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("agent: graph %q: %q[%d] is %v, expected a finite number", g.Name, name, i, v)
		}
	}
	copy(to, data)
	return nil
}

// same reports the first difference between two graphs but for float32 constants.
func same(got, want *onnx.Graph) error {
	if len(got.Nodes) != len(want.Nodes) {
		return fmt.Errorf("%d nodes, expected %d", len(got.Nodes), len(want.Nodes))
	}
	for i := range want.Nodes {
		a, b := &got.Nodes[i], &want.Nodes[i]
		if a.Op != b.Op || a.Domain != b.Domain || !slices.Equal(a.Inputs, b.Inputs) || !slices.Equal(a.Outputs, b.Outputs) ||
			!slices.EqualFunc(a.Attributes, b.Attributes, func(x, y onnx.Attribute) bool { return x.Name == y.Name && x.Type == y.Type && x.Int == y.Int }) {
			return fmt.Errorf("node %d is %s%v -> %v, expected %s%v -> %v", i, a.Op, a.Inputs, a.Outputs, b.Op, b.Inputs, b.Outputs)
		}
	}
	if len(got.Initializers) != len(want.Initializers) {
		return fmt.Errorf("%d initializers, expected %d", len(got.Initializers), len(want.Initializers))
	}
	for _, b := range want.Initializers {
		a, ok := got.Initializer(b.Name)
		if !ok || a.Type != b.Type || !slices.Equal(a.Dims, b.Dims) || !slices.Equal(a.Ints, b.Ints) {
			return fmt.Errorf("initializer %q is missing or differs", b.Name)
		}
	}
	values := func(a, b onnx.ValueInfo) bool {
		return a.Name == b.Name && a.Type == b.Type && slices.Equal(a.Dims, b.Dims)
	}
	if !slices.EqualFunc(got.Inputs, want.Inputs, values) {
		return fmt.Errorf("inputs %v, expected %v", got.Inputs, want.Inputs)
	}
	if !slices.EqualFunc(got.Outputs, want.Outputs, values) {
		return fmt.Errorf("outputs %v, expected %v", got.Outputs, want.Outputs)
	}
	return nil
}
