package export_test

import (
	"math"
	"math/rand/v2"
	"testing"

	onnxgo "github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend/x/gorgonnx"
	"gorgonia.org/tensor"

	"github.com/incendio-faas/incendio/export"
	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/agent"
)

// network returns a Q-network with weights that keep activations near one.
func network(t testing.TB, k, h int, rng *rand.Rand) *agent.Network {
	t.Helper()
	n, err := agent.NewNetwork(k, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range n.Layers() {
		for i := range l.Weight {
			l.Weight[i] = float32(rng.NormFloat64() / math.Sqrt(float64(l.In)))
		}
		for i := range l.Bias {
			l.Bias[i] = float32(rng.NormFloat64())
		}
	}
	return n
}

// TestNetworkIsTheSameInOnnxGo runs one instance of onnx-go many times: what it computes
// wrongly, it computes wrongly from the second run on.
func TestNetworkIsTheSameInOnnxGo(t *testing.T) {
	for _, size := range []struct{ k, h int }{{1, 2}, {4, 8}, {5, 5}, {12, 12}, {16, 64}, {18, 18}} {
		rng := seed.Stream(uint64(size.k), "onnx-go")
		n := network(t, size.k, size.h, rng)
		m, err := export.Network(n)
		if err != nil {
			t.Fatal(err)
		}
		encoded := onnx.Encode(m)
		decoded, err := onnx.Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if n, err = agent.Load(decoded); err != nil {
			t.Fatal(err)
		}
		backend := gorgonnx.NewGraph()
		model := onnxgo.NewModel(backend)
		if err := model.UnmarshalBinary(encoded); err != nil {
			t.Fatalf("K=%d, H=%d: onnx-go: %v", size.k, size.h, err)
		}
		evaluator := agent.NewEvaluator(n)
		o := agent.NewObservation(size.k)
		want := make([]float32, 2*size.k+1)
		for run := range 12 {
			clear(o.Candidates)
			clear(o.Mask)
			o.N = 1 + run%size.k
			for i := range o.N * agent.Features {
				o.Candidates[i] = rng.Float32()
			}
			for i := range o.N {
				o.Mask[i] = 1 / float32(o.N)
			}
			for i := range o.Global {
				o.Global[i] = rng.Float32()
			}
			evaluator.Forward(o, want)
			for i, in := range []struct {
				data  []float32
				shape []int
			}{{o.Candidates, []int{size.k, agent.Features}}, {o.Global, []int{1, agent.Globals}}, {o.Mask, []int{1, size.k}}} {
				backing := append([]float32(nil), in.data...)
				if err := model.SetInput(i, tensor.New(tensor.WithShape(in.shape...), tensor.WithBacking(backing))); err != nil {
					t.Fatal(err)
				}
			}
			if err := backend.Run(); err != nil {
				t.Fatalf("K=%d, H=%d, run %d: onnx-go: %v", size.k, size.h, run, err)
			}
			out, err := model.GetOutputTensors()
			if err != nil {
				t.Fatal(err)
			}
			got := out[0].Data().([]float32)
			if len(got) != len(want) {
				t.Fatalf("K=%d, H=%d: %d values, want %d", size.k, size.h, len(got), len(want))
			}
			for a, v := range want {
				if a >= 2*o.N && a != o.Defer() {
					continue // of an empty row
				}
				if math.Abs(float64(got[a]-v)) > 1e-5*max(1, math.Abs(float64(v))) {
					t.Fatalf("K=%d, H=%d, run %d: Q[%d] is %v in onnx-go, want %v", size.k, size.h, run, a, got[a], v)
				}
			}
		}
	}
}
