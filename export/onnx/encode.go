package onnx

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of onnx.proto, by message.
const (
	modelIR, modelProducer, modelProducerVersion                 = 1, 2, 3
	modelDomain, modelVersion, modelDoc, modelGraph, modelOpset  = 4, 5, 6, 7, 8
	modelMetadata, modelTraining, modelFunctions                 = 14, 20, 25
	opsetDomain, opsetVersion                                    = 1, 2
	propKey, propValue                                           = 1, 2
	graphNode, graphName, graphInit, graphDoc                    = 1, 2, 5, 10
	graphInput, graphOutput, graphValue, graphQuant              = 11, 12, 13, 14
	graphSparse, graphMetadata                                   = 15, 16
	nodeInput, nodeOutput, nodeName, nodeOp                      = 1, 2, 3, 4
	nodeAttr, nodeDoc, nodeDomain, nodeOverload, nodeMetadata    = 5, 6, 7, 8, 9
	attrName, attrF, attrI, attrS, attrT, attrG                  = 1, 2, 3, 4, 5, 6
	attrFloats, attrInts, attrStrings, attrDoc, attrType         = 7, 8, 9, 13, 20
	tensorDims, tensorType, tensorFloats, tensorInts, tensorName = 1, 2, 4, 7, 8
	tensorRaw, tensorDoc, tensorExternal, tensorLocation         = 9, 12, 13, 14
	valueName, valueType, valueDoc                               = 1, 2, 3
	typeTensor, typeDenotation, tensorTypeElem, tensorTypeShape  = 1, 6, 1, 2
	shapeDim, dimValue, dimParam, dimDenotation                  = 1, 1, 2, 3
)

// Encode returns m as protobuf. Equal models give equal bytes: fields are written in
// the order of their numbers, lists in their own order, and tensors as raw
// little-endian data. It writes what it is given; see [Check].
func Encode(m *Model) []byte {
	var b []byte
	b = appendInt(b, modelIR, m.IRVersion)
	b = appendText(b, modelProducer, m.Producer)
	b = appendText(b, modelProducerVersion, m.ProducerVersion)
	b = appendMessage(b, modelGraph, encodeGraph(&m.Graph))
	for _, o := range m.Opsets {
		b = appendMessage(b, modelOpset, appendInt(appendText(nil, opsetDomain, o.Domain), opsetVersion, o.Version))
	}
	for _, p := range m.Metadata {
		b = appendMessage(b, modelMetadata, appendText(appendText(nil, propKey, p.Key), propValue, p.Value))
	}
	return b
}

func encodeGraph(g *Graph) []byte {
	var b []byte
	for i := range g.Nodes {
		b = appendMessage(b, graphNode, encodeNode(&g.Nodes[i]))
	}
	b = appendText(b, graphName, g.Name)
	for i := range g.Initializers {
		b = appendMessage(b, graphInit, encodeTensor(&g.Initializers[i]))
	}
	for i := range g.Inputs {
		b = appendMessage(b, graphInput, encodeValue(&g.Inputs[i]))
	}
	for i := range g.Outputs {
		b = appendMessage(b, graphOutput, encodeValue(&g.Outputs[i]))
	}
	return b
}

func encodeNode(n *Node) []byte {
	var b []byte
	for _, s := range n.Inputs {
		b = appendString(b, nodeInput, s) // an empty name is an input left out: it holds its place
	}
	for _, s := range n.Outputs {
		b = appendString(b, nodeOutput, s)
	}
	b = appendText(b, nodeName, n.Name)
	b = appendText(b, nodeOp, n.Op)
	for i := range n.Attributes {
		b = appendMessage(b, nodeAttr, encodeAttribute(&n.Attributes[i]))
	}
	return appendText(b, nodeDomain, n.Domain)
}

func encodeAttribute(a *Attribute) []byte {
	b := appendText(nil, attrName, a.Name)
	switch a.Type {
	case AttributeFloat:
		b = protowire.AppendTag(b, attrF, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, math.Float32bits(a.Float))
	case AttributeInt:
		b = protowire.AppendTag(b, attrI, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(a.Int))
	case AttributeString:
		b = appendString(b, attrS, a.String)
	case AttributeFloats:
		b = appendMessage(b, attrFloats, rawFloats(a.Floats))
	case AttributeInts:
		b = appendMessage(b, attrInts, varints(a.Ints))
	case AttributeStrings:
		for _, s := range a.Strings {
			b = appendString(b, attrStrings, s)
		}
	}
	return appendInt(b, attrType, int64(a.Type))
}

func encodeTensor(t *Tensor) []byte {
	var b []byte
	if len(t.Dims) > 0 {
		b = appendMessage(b, tensorDims, varints(t.Dims))
	}
	b = appendInt(b, tensorType, int64(t.Type))
	b = appendText(b, tensorName, t.Name)
	raw := rawFloats(t.Floats)
	if t.Type == Int64 {
		raw = make([]byte, 0, 8*len(t.Ints))
		for _, v := range t.Ints {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
		}
	}
	return appendMessage(b, tensorRaw, raw)
}

func encodeValue(v *ValueInfo) []byte {
	var shape []byte
	for _, d := range v.Dims {
		var dim []byte
		if d.Param != "" {
			dim = appendString(dim, dimParam, d.Param)
		} else {
			dim = protowire.AppendTag(dim, dimValue, protowire.VarintType)
			dim = protowire.AppendVarint(dim, uint64(d.Value))
		}
		shape = appendMessage(shape, shapeDim, dim)
	}
	tensor := appendMessage(appendInt(nil, tensorTypeElem, int64(v.Type)), tensorTypeShape, shape)
	return appendMessage(appendText(nil, valueName, v.Name), valueType, appendMessage(nil, typeTensor, tensor))
}

// appendInt and appendText leave out the default value, as protobuf does.
func appendInt(b []byte, num protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), uint64(v))
}

func appendText(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(b, num, s)
}

func appendString(b []byte, num protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func appendMessage(b []byte, num protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), m)
}

func rawFloats(fs []float32) []byte {
	raw := make([]byte, 0, 4*len(fs))
	for _, f := range fs {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return raw
}

func varints(vs []int64) []byte {
	var b []byte
	for _, v := range vs {
		b = protowire.AppendVarint(b, uint64(v))
	}
	return b
}
