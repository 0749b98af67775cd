package crosscheck_test

import (
	"math/rand/v2"
	"testing"

	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/pipelines/crosscheck"
	"github.com/incendio-faas/incendio/scheduler/agent"
)

// network has random weights and cases that our evaluator answered.
func network(t *testing.T, candidates, hidden int) ([]byte, []crosscheck.Case) {
	t.Helper()
	src := rand.New(rand.NewPCG(1, 2))
	n, err := agent.NewNetwork(candidates, hidden)
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
	var cases []crosscheck.Case
	for k := 1; k <= candidates; k += 3 {
		o := agent.NewObservation(candidates)
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
		q := make([]float32, 2*candidates+1)
		agent.NewEvaluator(n).Forward(o, q)
		cases = append(cases, crosscheck.Case{Observation: o, Want: q})
	}
	return onnx.Encode(graph), cases
}

func TestTheOtherEngineAgrees(t *testing.T) {
	// Sizes at which axes coincide are those that engines take for one another.
	for _, size := range [][2]int{{1, 2}, {4, 8}, {5, 5}, {12, 12}, {16, 64}, {18, 18}} {
		file, cases := network(t, size[0], size[1])
		worst, err := crosscheck.Network(file, cases)
		if err != nil {
			t.Fatal(err)
		}
		if worst > 1e-5 {
			t.Errorf("%d candidates, %d units: largest difference %g, want at most 1e-5", size[0], size[1], worst)
		}
	}
}

func TestADifferenceIsSeen(t *testing.T) {
	file, cases := network(t, 8, 16)
	cases[1].Want[3] += 0.25
	worst, err := crosscheck.Network(file, cases)
	if err != nil {
		t.Fatal(err)
	}
	if worst < 0.2 {
		t.Errorf("largest difference %g, want about 0.25", worst)
	}
}

func TestADamagedFileIsAnError(t *testing.T) {
	file, cases := network(t, 8, 16)
	if _, err := crosscheck.Network(file[:len(file)/2], cases); err == nil {
		t.Error("half a file was accepted")
	}
}
