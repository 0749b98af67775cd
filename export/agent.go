package export

import (
	"fmt"

	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/scheduler/agent"
)

// Network returns the graph of the Q-network n, with the float32 inputs
//
//	candidates  [K, agent.Features]  one function a row, zero beyond the last
//	global      [1, agent.Globals]
//	mask        [1, K]               1/N for the N rows that hold a function, else 0
//
// and the output values [1, 2K+1]: Q of starting candidate i warm (2i) and cold (2i+1),
// and of deferring (2K). The columns are named in the metadata. Values of rows that
// hold no function mean nothing, as those of actions that are not legal: the mask does
// not reach them.
//
// It uses MatMul, Add, Relu, Concat and Reshape alone, in the forms that onnx-go, ONNX
// Runtime and agent.Evaluator compute alike (package onnx).
func Network(n *agent.Network) (*onnx.Model, error) {
	m, err := n.Graph()
	if err != nil {
		return nil, fmt.Errorf("export: Q-network: %w", err)
	}
	return m, nil
}
