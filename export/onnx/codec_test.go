package onnx_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/internal/seed"
	"google.golang.org/protobuf/encoding/protowire"
)

// everything is a model with each kind of attribute, dimension and tensor.
func everything() *onnx.Model {
	return &onnx.Model{
		IRVersion: 7, Producer: "p", ProducerVersion: "1",
		Opsets:   []onnx.OpsetID{{Version: 13}, {Domain: "ai.onnx.ml", Version: 1}},
		Metadata: []onnx.Property{{Key: "k", Value: "v"}, {Key: "empty"}},
		Graph: onnx.Graph{
			Name: "g",
			Nodes: []onnx.Node{{
				Name: "n", Op: "O", Domain: "d", Inputs: []string{"a", "", "b"}, Outputs: []string{"c"},
				Attributes: []onnx.Attribute{
					{Name: "f", Type: onnx.AttributeFloat, Float: -0.5},
					{Name: "i", Type: onnx.AttributeInt, Int: -3},
					{Name: "s", Type: onnx.AttributeString, String: "é"},
					{Name: "fs", Type: onnx.AttributeFloats, Floats: []float32{0, 1, float32(math.Inf(-1))}},
					{Name: "is", Type: onnx.AttributeInts, Ints: []int64{0, -1, math.MaxInt64}},
					{Name: "ss", Type: onnx.AttributeStrings, Strings: []string{"", "LEAF", "x"}},
				},
			}},
			Initializers: []onnx.Tensor{
				{Name: "w", Dims: []int64{2, 1}, Type: onnx.Float32, Floats: []float32{1, 2}},
				{Name: "shape", Dims: []int64{2}, Type: onnx.Int64, Ints: []int64{-1, 4}},
				{Name: "scalar", Type: onnx.Float32, Floats: []float32{7}},
			},
			Inputs:  []onnx.ValueInfo{{Name: "a", Type: onnx.Float32, Dims: []onnx.Dim{{Param: "N"}, {Value: 3}, {}}}},
			Outputs: []onnx.ValueInfo{{Name: "c", Type: onnx.Int64, Dims: onnx.Fixed(1)}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	models := map[string]*onnx.Model{
		"everything": everything(),
		"q":          qNetwork(t, seed.Stream(3, "round trip"), 4, 3, 2, 5),
	}
	for name, m := range models {
		b := onnx.Encode(m)
		got, err := onnx.Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%s: got\n%+v, want\n%+v", name, got, m)
		}
		if again := onnx.Encode(got); !bytes.Equal(again, b) {
			t.Errorf("%s: encodes to other bytes", name)
		}
	}
}

// field appends one length-delimited field.
func field(num protowire.Number, values ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), slices.Concat(values...))
}

func varint(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

// TestDecodeReadsWhatOthersWrite checks the forms of onnx.proto that Encode does not use.
func TestDecodeReadsWhatOthersWrite(t *testing.T) {
	one := protowire.AppendFixed32(protowire.AppendTag(nil, 4, protowire.Fixed32Type), math.Float32bits(1.5))
	b := field(7,
		field(5, varint(1, 2), varint(1, 1), varint(2, 1), field(8, []byte("unpacked")), one, one),
		field(5, field(1, []byte{2}), varint(2, 1), field(4, make([]byte, 8))),
		field(5, varint(2, 7), varint(7, 5), field(12, []byte("a doc string"))),
		field(5, field(9, make([]byte, 8)), varint(2, 7)), // data before its type
		field(10, []byte("doc")), field(13, []byte("inferred")),
	)
	m, err := onnx.Decode(append(b, field(6, []byte("doc"))...))
	if err != nil {
		t.Fatal(err)
	}
	want := []onnx.Tensor{
		{Name: "unpacked", Dims: []int64{2, 1}, Type: onnx.Float32, Floats: []float32{1.5, 1.5}},
		{Dims: []int64{2}, Type: onnx.Float32, Floats: []float32{0, 0}},
		{Type: onnx.Int64, Ints: []int64{5}},
		{Type: onnx.Int64, Ints: []int64{0}},
	}
	if !reflect.DeepEqual(m.Graph.Initializers, want) {
		t.Errorf("got %+v, want %+v", m.Graph.Initializers, want)
	}
}

func TestDecodeErrorsHaveAPosition(t *testing.T) {
	tensor := func(fields ...[]byte) []byte { return field(7, field(5, fields...)) }
	for _, c := range []struct {
		name string
		data []byte
		want string // of the message
	}{
		{"empty", nil, "no graph"},
		{"cut", onnx.Encode(everything())[:100], "unexpected EOF"},
		{"two graphs", slices.Concat(field(7), field(7)), "second graph"},
		{"functions", slices.Concat(field(7), field(25)), "functions is not supported"},
		{"unknown", slices.Concat(field(7), field(99)), "unknown field 99"},
		{"group", []byte{0x0b, 0x0c}, "wire type 3"},
		{"wrong wire type", field(1), "wire type 2, expected 0"},
		{"external", tensor(varint(2, 1), field(13)), "graph.initializer[0]: external_data is not supported"},
		{"external location", tensor(varint(2, 1), varint(14, 1)), "external data"},
		{"double", tensor(varint(2, 11)), "data type 11"},
		{"too few", tensor(varint(1, 3), varint(2, 1), field(9, make([]byte, 8))), "holds 3 float32 elements, got 2"},
		{"huge", tensor(varint(1, 1<<40), varint(1, 1<<40), varint(2, 1)), "more than"},
		{"negative", tensor(varint(1, math.MaxUint64), varint(2, 1)), "expected >= 0"},
		{"odd raw", tensor(varint(2, 1), field(9, make([]byte, 3))), "multiple of 4"},
		{"both kinds", tensor(varint(2, 1), field(4, make([]byte, 4)), field(9, make([]byte, 4))), "both raw_data"},
		{"rank", tensor(field(1, bytes.Repeat([]byte{1}, 17)), varint(2, 1)), "more than 16 dimensions"},
		{"subgraph", field(7, field(1, field(5, field(6)))), "graph.node[0].attribute[0]: g is not supported"},
		{"attribute type", field(7, field(1, field(5, varint(20, 5)))), "attribute type 5"},
		{"not UTF-8", field(7, field(2, []byte{0xff})), "not UTF-8"},
		{"not a tensor", field(7, field(11, field(2, field(4)))), "expected a tensor type"},
		{"sparse", field(7, field(15)), "sparse_initializer is not supported"},
	} {
		_, err := onnx.Decode(c.data)
		var se *onnx.SyntaxError
		if !errors.As(err, &se) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		} else if se.Offset < 0 || se.Offset > len(c.data) {
			t.Errorf("%s: offset %d of %d bytes", c.name, se.Offset, len(c.data))
		}
	}
	_, err := onnx.Decode(slices.Concat(varint(1, 7), field(7, field(2, []byte("name")), field(2, []byte{0xff}))))
	var se *onnx.SyntaxError
	if !errors.As(err, &se) || se.Offset != 12 || se.Path != "graph" {
		t.Errorf("offset of the bad name: %+v", se)
	}
}

func TestCheck(t *testing.T) {
	build := func() *onnx.Model {
		b := onnx.NewBuilder("g")
		x := b.Input("x", 1, 2)
		h := b.Relu("h", b.Dense("d", x, []float32{1, 2, 3, 4}, []float32{5, 6}))
		b.Output("y", b.Transpose("t", b.Concat("c", 1, h, x), 1, 0))
		m, err := b.Model()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	trees := func() *onnx.Model {
		m, err := stump().Model("trees")
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	attr := func(m *onnx.Model, name string) *onnx.Attribute {
		a, ok := m.Graph.Nodes[len(m.Graph.Nodes)-1].Attribute(name)
		if !ok {
			t.Fatalf("no attribute %s", name)
		}
		return a
	}
	for _, c := range []struct {
		want   string
		model  *onnx.Model
		change func(*onnx.Model)
	}{
		{"", build(), func(*onnx.Model) {}},
		{"", trees(), func(*onnx.Model) {}},
		{"IR version 8", build(), func(m *onnx.Model) { m.IRVersion = 8 }},
		{"operator set 12", build(), func(m *onnx.Model) { m.Opsets[0].Version = 12 }},
		{"imported twice", build(), func(m *onnx.Model) { m.Opsets = append(m.Opsets, m.Opsets[0]) }},
		{`operator domain "x"`, build(), func(m *onnx.Model) { m.Opsets[0].Domain = "x" }},
		{"not imported", build(), func(m *onnx.Model) { m.Opsets = nil }},
		{"not imported", trees(), func(m *onnx.Model) { m.Opsets = m.Opsets[:1] }},
		{"no name", build(), func(m *onnx.Model) { m.Graph.Name = "" }},
		{"no nodes", build(), func(m *onnx.Model) { m.Graph.Nodes = nil }},
		{"no outputs", build(), func(m *onnx.Model) { m.Graph.Outputs = nil }},
		{"not defined before its use", build(), func(m *onnx.Model) { slices.Reverse(m.Graph.Nodes) }},
		{"not defined before its use", build(), func(m *onnx.Model) { m.Graph.Inputs = nil }},
		{"defined twice", build(), func(m *onnx.Model) { m.Graph.Nodes[1].Outputs[0] = "x" }},
		{"defined twice", build(), func(m *onnx.Model) { m.Graph.Initializers[0].Name = "x" }},
		{`"z" is not defined`, build(), func(m *onnx.Model) { m.Graph.Outputs[0].Name = "z" }},
		{"listed twice", build(), func(m *onnx.Model) { m.Graph.Outputs = append(m.Graph.Outputs, m.Graph.Outputs[0]) }},
		{"element type bool", build(), func(m *onnx.Model) { m.Graph.Inputs[0].Type = onnx.Bool }},
		{"holds 4 float32", build(), func(m *onnx.Model) { m.Graph.Initializers[0].Floats = nil }},
		{"unknown operator", build(), func(m *onnx.Model) { m.Graph.Nodes[0].Op = "Gemm" }},
		{"unknown operator", build(), func(m *onnx.Model) { m.Graph.Nodes[0].Domain = "ai.onnx.ml" }},
		{"1 inputs", build(), func(m *onnx.Model) { m.Graph.Nodes[0].Inputs = []string{"x"} }},
		{"2 outputs", build(), func(m *onnx.Model) { m.Graph.Nodes[0].Outputs = []string{"p", "q"} }},
		{"not a permutation", build(), func(m *onnx.Model) { attr(m, "perm").Ints[0] = 0 }},
		{"is ints, expected", build(), func(m *onnx.Model) { m.Graph.Nodes[3].Attributes[0].Type = onnx.AttributeInts }},
		{`"axis" is missing`, build(), func(m *onnx.Model) { m.Graph.Nodes[3].Attributes = nil }},
		{"unknown attribute", build(), func(m *onnx.Model) { m.Graph.Nodes[3].Attributes[0].Name = "axes" }},
		{"given twice", build(), func(m *onnx.Model) {
			n := &m.Graph.Nodes[3]
			n.Attributes = append(n.Attributes, n.Attributes[0])
		}},
		{"nodes_values has 2", trees(), func(m *onnx.Model) { a := attr(m, "nodes_values"); a.Floats = a.Floats[:2] }},
		{"child 0 is out of range", trees(), func(m *onnx.Model) { attr(m, "nodes_truenodeids").Ints[0] = 0 }},
		{"used twice", trees(), func(m *onnx.Model) { attr(m, "nodes_truenodeids").Ints[0] = 2 }},
		{"child 3 is out of range", trees(), func(m *onnx.Model) { attr(m, "nodes_truenodeids").Ints[0] = 3 }},
		{"BRANCH_GT", trees(), func(m *onnx.Model) { attr(m, "nodes_modes").Strings[0] = "BRANCH_GT" }},
		{"nodes_nodeids[1]", trees(), func(m *onnx.Model) { attr(m, "nodes_nodeids").Ints[1] = 5 }},
		{"is not a leaf without a weight", trees(), func(m *onnx.Model) { attr(m, "target_nodeids").Ints[1] = 1 }},
		{"one per leaf", trees(), func(m *onnx.Model) { a := attr(m, "target_ids"); a.Ints = a.Ints[:1] }},
		{"aggregate_function", trees(), func(m *onnx.Model) { attr(m, "aggregate_function").String = "MIN" }},
		{"threshold NaN", trees(), func(m *onnx.Model) { attr(m, "nodes_values").Floats[0] = float32(math.NaN()) }},
	} {
		c.change(c.model)
		err := onnx.Check(c.model)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestBuilderRefuses(t *testing.T) {
	for want, build := range map[string]func(b *onnx.Builder, x, y onnx.Value) onnx.Value{
		"MatMul of shapes": func(b *onnx.Builder, x, _ onnx.Value) onnx.Value { return b.MatMul("m", x, x) },
		"with itself":      func(b *onnx.Builder, x, _ onnx.Value) onnx.Value { return b.Add("m", x, x) },
		"Add of shapes":    func(b *onnx.Builder, x, y onnx.Value) onnx.Value { return b.Add("m", x, y) },
		"4 weights": func(b *onnx.Builder, x, _ onnx.Value) onnx.Value {
			return b.Dense("m", x, make([]float32, 4), []float32{1})
		},
		"do not fit an input": func(b *onnx.Builder, x, _ onnx.Value) onnx.Value { return b.Linear("m", x, make([]float32, 4), 1) },
		"Concat of 1":         func(b *onnx.Builder, x, _ onnx.Value) onnx.Value { return b.Concat("m", 0, x) },
		"along axis 0 of": func(b *onnx.Builder, x, y onnx.Value) onnx.Value {
			return b.Concat("m", 0, x, b.Reshape("r", y, 3, 3, 1))
		},
		"expected it last": func(b *onnx.Builder, x, _ onnx.Value) onnx.Value {
			return b.Concat("m", 1, b.Input("one", 1, 1), b.Input("two", 1, 2))
		},
		"Reshape of shape":          func(b *onnx.Builder, x, _ onnx.Value) onnx.Value { return b.Reshape("m", x, 7) },
		"Transpose of shape":        func(b *onnx.Builder, x, _ onnx.Value) onnx.Value { return b.Transpose("m", x, 0, 0) },
		`two values are called "x"`: func(b *onnx.Builder, x, _ onnx.Value) onnx.Value { return b.Relu("x", x) },
		"not a value of this graph": func(b *onnx.Builder, _, _ onnx.Value) onnx.Value { return b.Relu("m", onnx.Value{Name: "q"}) },
		"not the result of a node":  func(_ *onnx.Builder, x, _ onnx.Value) onnx.Value { return x },
		"is also an input of": func(b *onnx.Builder, x, _ onnx.Value) onnx.Value {
			v := b.Relu("m", x)
			b.Output("other", b.Relu("n", v))
			return v
		},
		"is an output": func(b *onnx.Builder, x, _ onnx.Value) onnx.Value {
			v := b.Relu("m", x)
			b.Output("m", v)
			return b.Relu("n", v)
		},
		"shape [2 3] holds 6": func(b *onnx.Builder, x, _ onnx.Value) onnx.Value {
			return b.Add("m", x, b.Const("c", []float32{1}, 2, 3))
		},
	} {
		b := onnx.NewBuilder("g")
		b.Output("out", build(b, b.Input("x", 2, 3), b.Input("y", 3, 3)))
		if _, err := b.Model(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestInitializer(t *testing.T) {
	m := everything()
	w, ok := m.Graph.Initializer("w")
	if !ok {
		t.Fatal("w is missing")
	}
	rows, cols, data, err := w.Matrix()
	if err != nil || rows != 2 || cols != 1 || !slices.Equal(data, []float32{1, 2}) {
		t.Errorf("%d x %d %v, %v", rows, cols, data, err)
	}
	for _, name := range []string{"shape", "scalar"} {
		v, _ := m.Graph.Initializer(name)
		if _, _, _, err := v.Matrix(); err == nil {
			t.Errorf("%s is a matrix", name)
		}
	}
	if _, ok := m.Graph.Initializer("a"); ok {
		t.Error("an input is an initializer")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(onnx.Encode(everything()))
	f.Add(onnx.Encode(qNetwork(f, seed.Stream(4, "fuzz"), 2, 2, 2, 2)))
	trees, err := zeroTrees().Model("trees")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(onnx.Encode(trees))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := onnx.Decode(data)
		if err != nil {
			var se *onnx.SyntaxError
			if !errors.As(err, &se) || se.Offset < 0 || se.Offset > len(data) {
				t.Errorf("error without a position: %v", err)
			}
			return
		}
		_ = onnx.Check(m) // must not panic, whatever it says
		b := onnx.Encode(m)
		again, err := onnx.Decode(b)
		if err != nil {
			t.Fatalf("decode of what was encoded: %v", err)
		}
		if !bytes.Equal(onnx.Encode(again), b) {
			t.Error("encodes to other bytes the second time")
		}
	})
}
