// Package crosscheck runs exported Q-networks on another engine than our own: onnx-go with
// its Gorgonia backend. A network whose Q-values come out otherwise there was exported
// wrong, or is evaluated wrong here; either way its bundle must not be promoted.
package crosscheck

import (
	"fmt"
	"math"

	"github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend/x/gorgonnx"
	"gorgonia.org/tensor"

	"github.com/incendio-faas/incendio/scheduler/agent"
)

// A Case is an observation and the Q-values that our evaluator gave it, length 2K+1.
type Case struct {
	Observation *agent.Observation
	Want        []float32
}

// rounds is how often every case is run on one instance: onnx-go has operators that
// are right once and wrong when they are run again.
const rounds = 3

// Network decodes the ONNX file of a Q-network, runs all cases several times over on
// one instance, and returns the largest absolute difference to what was wanted.
func Network(file []byte, cases []Case) (worst float64, err error) {
	defer func() { // the backend panics on what it does not like
		if r := recover(); r != nil {
			err = fmt.Errorf("onnx-go: %v", r)
		}
	}()
	graph := gorgonnx.NewGraph()
	model := onnx.NewModel(graph)
	if err := model.UnmarshalBinary(file); err != nil {
		return 0, fmt.Errorf("onnx-go: decode: %w", err)
	}
	for range rounds {
		for i, c := range cases {
			got, err := run(model, graph, c.Observation)
			if err != nil {
				return 0, fmt.Errorf("onnx-go: case %d: %w", i, err)
			}
			if len(got) != len(c.Want) {
				return 0, fmt.Errorf("onnx-go: case %d: %d values, expected %d", i, len(got), len(c.Want))
			}
			for j, v := range got {
				if j >= 2*c.Observation.N && j < c.Observation.Defer() {
					continue // a row without a candidate, which our evaluator passes over
				}
				d := math.Abs(float64(v) - float64(c.Want[j]))
				if math.IsNaN(d) {
					d = math.Inf(1)
				}
				worst = max(worst, d)
			}
		}
	}
	return worst, nil
}

func run(model *onnx.Model, graph *gorgonnx.Graph, o *agent.Observation) ([]float32, error) {
	inputs := []tensor.Tensor{ // in the order of the graph's inputs
		dense(o.Candidates, o.K, agent.Features),
		dense(o.Global, 1, agent.Globals),
		dense(o.Mask, 1, o.K),
	}
	for i, in := range inputs {
		if err := model.SetInput(i, in); err != nil {
			return nil, fmt.Errorf("input %d: %w", i, err)
		}
	}
	if err := graph.Run(); err != nil {
		return nil, err
	}
	outputs, err := model.GetOutputTensors()
	if err != nil {
		return nil, err
	}
	if len(outputs) != 1 {
		return nil, fmt.Errorf("%d outputs, expected 1", len(outputs))
	}
	values, ok := outputs[0].Data().([]float32)
	if !ok {
		return nil, fmt.Errorf("output of type %v, expected float32", outputs[0].Dtype())
	}
	return values, nil
}

// dense copies data: the backend may write to what it is given.
func dense(data []float32, rows, cols int) tensor.Tensor {
	return tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(append([]float32(nil), data...)))
}
