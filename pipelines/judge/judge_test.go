package judge_test

import (
	"math/rand/v2"
	"testing"

	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/pipelines/judge"
	"github.com/incendio-faas/incendio/scheduler/agent"
)

// network has random weights and cases that our evaluator answered.
func network(t *testing.T) ([]byte, []judge.Case) {
	t.Helper()
	src := rand.New(rand.NewPCG(1, 2))
	n, err := agent.NewNetwork(8, 16)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range n.Layers() {
		for i := range l.Weight {
			l.Weight[i] = float32(src.NormFloat64()) / 4
		}
		for i := range l.Bias {
			l.Bias[i] = float32(src.NormFloat64()) / 4
		}
	}
	graph, err := n.Graph()
	if err != nil {
		t.Fatal(err)
	}
	var cases []judge.Case
	for k := 1; k <= 8; k += 3 {
		o := agent.NewObservation(8)
		o.N = k
		for i := range k * agent.Features {
			o.Candidates[i] = src.Float32()
		}
		for i := range o.Global {
			o.Global[i] = src.Float32()
		}
		for i := range k {
			o.Mask[i] = 1 / float32(k)
		}
		q := make([]float32, 17)
		agent.NewEvaluator(n).Forward(o, q)
		cases = append(cases, judge.Case{Observation: o, Want: q})
	}
	return onnx.Encode(graph), cases
}

func TestTheOtherEngineAgrees(t *testing.T) {
	file, cases := network(t)
	worst, err := judge.Network(file, cases)
	if err != nil {
		t.Fatal(err)
	}
	if worst > 1e-5 {
		t.Errorf("largest difference %g, want at most 1e-5", worst)
	}
}

func TestADifferenceIsSeen(t *testing.T) {
	file, cases := network(t)
	cases[1].Want[3] += 0.25
	worst, err := judge.Network(file, cases)
	if err != nil {
		t.Fatal(err)
	}
	if worst < 0.2 {
		t.Errorf("largest difference %g, want about 0.25", worst)
	}
}

func TestADamagedFileIsAnError(t *testing.T) {
	file, cases := network(t)
	if _, err := judge.Network(file[:len(file)/2], cases); err == nil {
		t.Error("half a file was accepted")
	}
}
