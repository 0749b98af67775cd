package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// What Decode accepts at most. A file of a few bytes per item must not become
// gigabytes of items; the largest graph of a bundle stays far below each of these.
const (
	MaxBytes      = 256 << 20 // of a file
	maxNodes      = 1 << 16   // per graph; also of initializers, inputs and outputs
	maxPerNode    = 1 << 10   // inputs, outputs and attributes of a node; opsets and metadata of a model
	maxAttributed = 1 << 24   // elements of one list attribute
	maxRank       = 16        // dimensions of a tensor
	maxName       = 1 << 16   // bytes of a name or a string
)

// A SyntaxError says where a file stops being a model this package can hold.
type SyntaxError struct {
	Offset int    // bytes from the start of the file
	Path   string // the field, such as graph.node[3].attribute[0]; empty for the model itself
	Msg    string
}

func (e *SyntaxError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("onnx: offset %d: %s", e.Offset, e.Msg)
	}
	return fmt.Sprintf("onnx: offset %d: %s: %s", e.Offset, e.Path, e.Msg)
}

// Decode reads a model from protobuf. It is safe on hostile input: memory is bounded
// by a small multiple of len(b), and every length is checked against what is there.
//
// What a Model cannot hold without changing its meaning (subgraphs, functions, sparse
// or external data, element types other than float32 and int64, unknown fields) is a
// [*SyntaxError]. Documentation, inferred value types and the like are dropped. Names
// and shapes are for [Check].
func Decode(b []byte) (*Model, error) {
	if len(b) > MaxBytes {
		return nil, &SyntaxError{Msg: fmt.Sprintf("file has %d bytes, expected at most %d", len(b), MaxBytes)}
	}
	m := &Model{}
	graphs := 0
	err := message{data: b}.each(func(f field) (err error) {
		switch f.num {
		case modelIR:
			m.IRVersion, err = f.int()
		case modelProducer:
			m.Producer, err = f.text("producer_name")
		case modelProducerVersion:
			m.ProducerVersion, err = f.text("producer_version")
		case modelGraph:
			if graphs++; graphs > 1 {
				return f.errorf("a second graph, expected one")
			}
			err = f.message("graph", decodeGraph(&m.Graph))
		case modelOpset:
			err = appendItem(f, "opset_import", &m.Opsets, maxPerNode, decodeOpset)
		case modelMetadata:
			err = appendItem(f, "metadata_props", &m.Metadata, maxPerNode, decodeProperty)
		case modelDomain, modelVersion, modelDoc:
		default:
			err = f.unknown("training_info", modelTraining, "functions", modelFunctions)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if graphs == 0 {
		return nil, &SyntaxError{Offset: len(b), Msg: "no graph"}
	}
	return m, nil
}

func decodeOpset(o *OpsetID) func(field) error {
	return func(f field) (err error) {
		switch f.num {
		case opsetDomain:
			o.Domain, err = f.text("domain")
		case opsetVersion:
			o.Version, err = f.int()
		default:
			err = f.unknown()
		}
		return err
	}
}

func decodeProperty(p *Property) func(field) error {
	return func(f field) (err error) {
		switch f.num {
		case propKey:
			p.Key, err = f.text("key")
		case propValue:
			p.Value, err = f.text("value")
		default:
			err = f.unknown()
		}
		return err
	}
}

func decodeGraph(g *Graph) func(field) error {
	return func(f field) (err error) {
		switch f.num {
		case graphNode:
			err = appendItem(f, "node", &g.Nodes, maxNodes, decodeNode)
		case graphName:
			g.Name, err = f.text("name")
		case graphInit:
			err = decodeInitializer(f, g)
		case graphInput:
			err = appendItem(f, "input", &g.Inputs, maxNodes, decodeValue)
		case graphOutput:
			err = appendItem(f, "output", &g.Outputs, maxNodes, decodeValue)
		case graphDoc, graphValue, graphQuant, graphMetadata:
		default:
			err = f.unknown("sparse_initializer", graphSparse)
		}
		return err
	}
}

func decodeNode(n *Node) func(field) error {
	return func(f field) (err error) {
		switch f.num {
		case nodeInput:
			err = appendName(f, "input", &n.Inputs, maxPerNode)
		case nodeOutput:
			err = appendName(f, "output", &n.Outputs, maxPerNode)
		case nodeName:
			n.Name, err = f.text("name")
		case nodeOp:
			n.Op, err = f.text("op_type")
		case nodeDomain:
			n.Domain, err = f.text("domain")
		case nodeAttr:
			err = appendItem(f, "attribute", &n.Attributes, maxPerNode, decodeAttribute)
		case nodeDoc, nodeMetadata:
		default:
			err = f.unknown("overload", nodeOverload)
		}
		return err
	}
}

func decodeAttribute(a *Attribute) func(field) error {
	return func(f field) (err error) {
		switch f.num {
		case attrName:
			a.Name, err = f.text("name")
		case attrType:
			var v int64
			v, err = f.int()
			a.Type = AttributeType(v)
			switch {
			case err != nil:
			case int64(a.Type) != v || a.Type.String() == fmt.Sprintf("attribute(%d)", v):
				err = f.errorf("attribute type %d, expected float, int, string or a list of these", v)
			}
		case attrF:
			a.Float, err = f.float()
		case attrI:
			a.Int, err = f.int()
		case attrS:
			a.String, err = f.text("s")
		case attrFloats:
			a.Floats, err = f.floats(a.Floats)
		case attrInts:
			a.Ints, err = f.ints(a.Ints)
		case attrStrings:
			err = appendName(f, "strings", &a.Strings, maxAttributed)
		case attrDoc:
		default:
			err = f.unknown("t", attrT, "g", attrG)
		}
		return err
	}
}

func decodeInitializer(f field, g *Graph) error {
	var raw []byte // nil, if there is none
	err := appendItem(f, "initializer", &g.Initializers, maxNodes, func(t *Tensor) func(field) error { return decodeTensor(t, &raw) })
	if err != nil {
		return err
	}
	i := len(g.Initializers) - 1
	t := &g.Initializers[i]
	f.path = fmt.Sprintf("%s.initializer[%d]", f.path, i)
	if raw != nil { // only now is its type known, whatever the order in the file
		if err := t.setRaw(f, raw); err != nil {
			return err
		}
	}
	if err := t.check(); err != nil {
		return f.errorf("%v", err)
	}
	return nil
}

func decodeTensor(t *Tensor, raw *[]byte) func(field) error {
	return func(f field) (err error) {
		switch f.num {
		case tensorDims:
			if t.Dims, err = f.ints(t.Dims); err == nil && len(t.Dims) > maxRank {
				err = f.errorf("more than %d dimensions", maxRank)
			}
		case tensorType:
			var v int64
			if v, err = f.int(); err == nil && v != int64(Float32) && v != int64(Int64) {
				err = f.errorf("data type %d, expected float32 (1) or int64 (7)", v)
			}
			t.Type = DataType(v)
		case tensorName:
			t.Name, err = f.text("name")
		case tensorFloats:
			t.Floats, err = f.floats(t.Floats)
		case tensorInts:
			t.Ints, err = f.ints(t.Ints)
		case tensorRaw:
			if *raw != nil {
				return f.errorf("a second raw_data, expected one")
			}
			*raw = f.b
			err = f.want(protowire.BytesType)
		case tensorLocation:
			var v int64
			if v, err = f.int(); err == nil && v != 0 {
				err = f.errorf("external data, expected data inside the file")
			}
		case tensorDoc:
		default:
			err = f.unknown("external_data", tensorExternal)
		}
		return err
	}
}

// setRaw interprets raw_data.
func (t *Tensor) setRaw(f field, raw []byte) error {
	if len(t.Floats) > 0 || len(t.Ints) > 0 {
		return f.errorf("both raw_data and typed data, expected one")
	}
	width := 4
	if t.Type == Int64 {
		width = 8
	}
	if len(raw)%width != 0 {
		return f.errorf("raw_data has %d bytes, expected a multiple of %d", len(raw), width)
	}
	if t.Type == Int64 {
		t.Ints = make([]int64, len(raw)/8)
		for i := range t.Ints {
			t.Ints[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
		}
		return nil
	}
	t.Floats = make([]float32, len(raw)/4)
	for i := range t.Floats {
		t.Floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return nil
}

func decodeValue(v *ValueInfo) func(field) error {
	tensor := func(f field) (err error) {
		switch f.num {
		case tensorTypeElem:
			var e int64
			e, err = f.int()
			if v.Type = DataType(e); err == nil && int64(v.Type) != e {
				err = f.errorf("element type %d is out of range", e)
			}
		case tensorTypeShape:
			err = f.message("shape", func(f field) error {
				if f.num != shapeDim {
					return f.unknown()
				}
				return appendItem(f, "dim", &v.Dims, maxRank, decodeDim)
			})
		default:
			err = f.unknown()
		}
		return err
	}
	return func(f field) (err error) {
		switch f.num {
		case valueName:
			v.Name, err = f.text("name")
		case valueType:
			err = f.message("type", func(f field) error {
				switch f.num {
				case typeTensor:
					return f.message("tensor_type", tensor)
				case typeDenotation:
					return nil
				}
				return f.errorf("field %d, expected a tensor type", f.num)
			})
		case valueDoc:
		default:
			err = f.unknown()
		}
		return err
	}
}

func decodeDim(d *Dim) func(field) error {
	return func(f field) (err error) {
		switch f.num {
		case dimValue:
			d.Value, err = f.int()
			d.Param = ""
		case dimParam:
			d.Param, err = f.text("dim_param")
			d.Value = 0
		case dimDenotation:
		default:
			err = f.unknown()
		}
		return err
	}
}

// A message is a run of fields at a known place in the file.
type message struct {
	data []byte
	off  int
	path string
}

// A field is one tag and its value.
type field struct {
	num  protowire.Number
	typ  protowire.Type
	v    uint64 // varint or fixed32
	b    []byte // length-delimited
	off  int    // of the value in the file
	path string
}

// each calls do on every field in order.
func (m message) each(do func(field) error) error {
	rest := m.data
	for len(rest) > 0 {
		f := field{off: m.off + len(m.data) - len(rest), path: m.path}
		num, typ, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return f.errorf("bad tag: %v", protowire.ParseError(n))
		}
		f.num, f.typ = num, typ
		rest = rest[n:]
		f.off += n
		switch typ {
		case protowire.VarintType:
			f.v, n = protowire.ConsumeVarint(rest)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(rest)
			f.v = uint64(v)
		case protowire.Fixed64Type:
			f.v, n = protowire.ConsumeFixed64(rest)
		case protowire.BytesType:
			f.b, n = protowire.ConsumeBytes(rest)
			f.off += n - len(f.b)
		default:
			return f.errorf("field %d has wire type %d, which ONNX does not use", num, typ)
		}
		if n < 0 {
			return f.errorf("field %d: %v", num, protowire.ParseError(n))
		}
		rest = rest[n:]
		if err := do(f); err != nil {
			return err
		}
	}
	return nil
}

func (f field) errorf(format string, args ...any) error {
	return &SyntaxError{Offset: f.off, Path: f.path, Msg: fmt.Sprintf(format, args...)}
}

// unknown is the error for a field that a Model cannot hold; pairs of name and number
// name the known ones among them.
func (f field) unknown(known ...any) error {
	for i := 0; i+1 < len(known); i += 2 {
		if num, ok := known[i+1].(int); ok && protowire.Number(num) == f.num {
			return f.errorf("%v is not supported", known[i])
		}
	}
	return f.errorf("unknown field %d", f.num)
}

func (f field) want(typ protowire.Type) error {
	if f.typ != typ {
		return f.errorf("field %d has wire type %d, expected %d", f.num, f.typ, typ)
	}
	return nil
}

func (f field) int() (int64, error) { return int64(f.v), f.want(protowire.VarintType) }

func (f field) float() (float32, error) {
	return math.Float32frombits(uint32(f.v)), f.want(protowire.Fixed32Type)
}

func (f field) text(name string) (string, error) {
	switch {
	case f.typ != protowire.BytesType:
		return "", f.want(protowire.BytesType)
	case len(f.b) > maxName:
		return "", f.errorf("%s has %d bytes, expected at most %d", name, len(f.b), maxName)
	case !utf8.Valid(f.b):
		return "", f.errorf("%s is not UTF-8", name)
	}
	return intern(f.b), nil
}

// intern spares an allocation for the strings that a tree ensemble repeats per node.
func intern(b []byte) string {
	switch string(b) {
	case modeLEQ:
		return modeLEQ
	case modeLeaf:
		return modeLeaf
	}
	return string(b)
}

// message decodes a nested message with do.
func (f field) message(name string, do func(field) error) error {
	if err := f.want(protowire.BytesType); err != nil {
		return err
	}
	path := name
	if f.path != "" {
		path = f.path + "." + name
	}
	return message{data: f.b, off: f.off, path: path}.each(do)
}

// appendItem decodes one more item of a list of messages.
func appendItem[T any](f field, name string, to *[]T, limit int, decode func(*T) func(field) error) error {
	if len(*to) >= limit {
		return f.errorf("more than %d of %s", limit, name)
	}
	var item T
	*to = append(*to, item)
	i := len(*to) - 1
	return f.message(fmt.Sprintf("%s[%d]", name, i), decode(&(*to)[i]))
}

// appendName reads one more item of a list of strings.
func appendName(f field, name string, to *[]string, limit int) error {
	if len(*to) >= limit {
		return f.errorf("more than %d of %s", limit, name)
	}
	s, err := f.text(name)
	*to = append(*to, s)
	return err
}

// floats and ints read a repeated number, which writers may pack or not.
func (f field) floats(to []float32) ([]float32, error) {
	if f.typ != protowire.BytesType {
		v, err := f.float()
		return append(to, v), err
	}
	if len(f.b)%4 != 0 {
		return to, f.errorf("packed floats have %d bytes, expected a multiple of 4", len(f.b))
	}
	for b := f.b; len(b) > 0; b = b[4:] {
		to = append(to, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return to, nil
}

func (f field) ints(to []int64) ([]int64, error) {
	if f.typ != protowire.BytesType {
		v, err := f.int()
		return append(to, v), err
	}
	for b := f.b; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return to, f.errorf("packed ints: %v", protowire.ParseError(n))
		}
		to = append(to, int64(v))
		b = b[n:]
	}
	return to, nil
}
