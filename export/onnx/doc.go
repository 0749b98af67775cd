// Package onnx writes, reads and checks graphs in the Open Neural Network Exchange
// format (ONNX IR version 7, operator set 13, ai.onnx.ml 1; github.com/onnx/onnx,
// docs/IR.md and onnx.proto). It knows graphs only: it neither trains nor schedules.
//
// There are only a few types:
//
//   - [Model], [Graph], [Node], [Tensor], [Attribute] and [ValueInfo] mirror the
//     messages of onnx.proto that a bundle needs. [Encode] and [Decode] move them to
//     and from bytes, [Check] says whether they make sense.
//   - [Builder] composes a network from the operators that onnx-go, ONNX Runtime and
//     the evaluator of the scheduler all compute alike, in the forms proven by this
//     package's tests.
//   - [TreeEnsemble] becomes a TreeEnsembleRegressor whose float32 thresholds send
//     every float32 input to the leaf that the float64 thresholds choose, with what stands
//     before and after it: missing zeros, categories, and the transform of the sum.
//
// What onnx-go v0.5.0 with its gorgonnx backend computes wrongly, found by running one
// decoded graph many times against a plain evaluator; the Builder refuses all of it, and
// the tests of this package run the forms that are right:
//
//   - Gemm with one row accumulates into its bias from run to run: write MatMul, then Add.
//   - A bias of shape [n] is given the axis of that size, which fails for a matrix
//     [n, n] as both fit: write biases as [1, n]. Any broadcasting of two matrices is right.
//   - Element-wise operations broadcast nothing beyond matrices.
//   - Concat of a single element with others after it repeats the neighbour in its place.
//   - An operator of a value with itself loses an input: its graph has one edge per pair of nodes.
//   - An output that other nodes read too is overwritten.
package onnx
