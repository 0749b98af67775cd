package onnx_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/internal/seed"
	onnxgo "github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend/x/gorgonnx"
	"gorgonia.org/tensor"
)

// normals draws n weights of the scale that keeps activations of a layer with in
// inputs near one.
func normals(r *rand.Rand, n, in int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64() / math.Sqrt(float64(in)))
	}
	return v
}

// qNetwork builds the network of the scheduling agent in the forms that its exporter
// uses: k candidates of f features, g global features, h hidden units.
func qNetwork(t testing.TB, r *rand.Rand, k, f, g, h int) *onnx.Model {
	b := onnx.NewBuilder("q")
	candidates := b.Input("candidates", int64(k), int64(f))
	global := b.Input("global", 1, int64(g))
	mask := b.Input("mask", 1, int64(k))
	phi := b.Relu("phi1", b.Dense("dense1", candidates, normals(r, f*h, f), normals(r, h, 1)))
	phi = b.Relu("phi2", b.Dense("dense2", phi, normals(r, h*h, h), normals(r, h, 1)))
	pooled := b.MatMul("pooled", mask, phi)
	joined := b.Concat("joined", 1, pooled, global)
	context := b.Relu("context", b.Dense("dense3", joined, normals(r, (h+g)*h, h+g), normals(r, h, 1)))
	own := b.Dense("own", phi, normals(r, h*h, h), normals(r, h, 1))
	shared := b.Linear("shared", context, normals(r, h*h, h), h)
	hidden := b.Relu("hidden", b.Add("head", own, shared))
	q := b.Reshape("starts", b.Dense("q", hidden, normals(r, 2*h, h), normals(r, 2, 1)), 1, int64(2*k))
	deferred := b.Dense("defer", context, normals(r, h, h), normals(r, 1, 1))
	b.Output("values", b.Concat("joined_values", 1, q, deferred))
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// runBoth runs a model times over on one onnx-go graph with fresh inputs each time and
// compares every run with the evaluator.
func runBoth(t *testing.T, m *onnx.Model, times int, r *rand.Rand) {
	t.Helper()
	backend := gorgonnx.NewGraph()
	model := onnxgo.NewModel(backend)
	if err := model.UnmarshalBinary(onnx.Encode(m)); err != nil {
		t.Fatalf("onnx-go decode: %v", err)
	}
	for run := range times {
		inputs := map[string]array{}
		for i, v := range m.Graph.Inputs {
			a := array{data: nil}
			size, shape := 1, []int{}
			for _, d := range v.Dims {
				a.dims = append(a.dims, d.Value)
				shape = append(shape, int(d.Value))
				size *= int(d.Value)
			}
			a.data = make([]float32, size)
			for j := range a.data {
				a.data[j] = float32(r.NormFloat64())
			}
			inputs[v.Name] = a
			in := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(append([]float32(nil), a.data...)))
			if err := model.SetInput(i, in); err != nil {
				t.Fatalf("set input %s: %v", v.Name, err)
			}
		}
		if err := backend.Run(); err != nil {
			t.Fatalf("run %d: %v", run, err)
		}
		outs, err := model.GetOutputTensors()
		if err != nil {
			t.Fatal(err)
		}
		want, err := evaluate(&m.Graph, inputs)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range m.Graph.Outputs {
			var got []float32
			switch d := outs[i].Data().(type) {
			case []float32:
				got = d
			case float32:
				got = []float32{d}
			}
			w := want[o.Name].data
			if len(got) != len(w) {
				t.Fatalf("run %d: output %s has %d elements, want %d", run, o.Name, len(got), len(w))
			}
			for j := range w {
				// Sums of up to 100 float32 products of order one, in another order.
				if d := math.Abs(float64(got[j] - w[j])); !(d <= 1e-4) {
					t.Fatalf("run %d: %s[%d] = %v, want %v", run, o.Name, j, got[j], w[j])
				}
			}
		}
	}
}

func TestOnnxGoRunsQNetworkRepeatedly(t *testing.T) {
	for _, s := range []struct{ k, f, g, h int }{
		{32, 18, 12, 64}, {8, 18, 12, 16}, {16, 16, 16, 16}, {2, 3, 4, 5}, {1, 18, 12, 16}, {4, 1, 1, 2},
	} {
		t.Run(fmt.Sprintf("k=%d/f=%d/g=%d/h=%d", s.k, s.f, s.g, s.h), func(t *testing.T) {
			r := seed.Stream(1, t.Name())
			runBoth(t, qNetwork(t, r, s.k, s.f, s.g, s.h), 40, r)
		})
	}
}

// TestOnnxGoRunsFormsRepeatedly runs each form that the Builder offers, alone, on the
// smallest shapes that tell its axes apart and on those where they coincide.
func TestOnnxGoRunsFormsRepeatedly(t *testing.T) {
	r := seed.Stream(2, "forms")
	try := func(build func(b *onnx.Builder), format string, args ...any) {
		t.Run(fmt.Sprintf(format, args...), func(t *testing.T) {
			b := onnx.NewBuilder("g")
			build(b)
			m, err := b.Model()
			if err != nil {
				t.Fatal(err)
			}
			runBoth(t, m, 20, r)
		})
	}
	weights := func(dims ...int64) []float32 {
		n := int64(1)
		for _, d := range dims {
			n *= d
		}
		return normals(r, int(n), 1)
	}
	for _, s := range [][3]int64{{1, 1, 1}, {1, 1, 3}, {3, 1, 1}, {1, 3, 1}, {3, 3, 1}, {3, 1, 3}, {1, 3, 3}, {3, 3, 3}, {4, 3, 2}} {
		rows, in, out := s[0], s[1], s[2]
		try(func(b *onnx.Builder) {
			b.Output("y", b.MatMul("m", b.Input("x", rows, in), b.Input("w", in, out)))
		}, "op=MatMul/of=inputs/shape=%v", s)
		try(func(b *onnx.Builder) {
			b.Output("y", b.Relu("r", b.Dense("d", b.Input("x", rows, in), weights(in, out), weights(out))))
		}, "op=Dense/shape=%v", s)
	}
	type shape = []int64
	for _, s := range [][2]shape{
		{{3, 4}, {3, 4}}, {{3, 4}, {1, 4}}, {{1, 4}, {3, 4}}, {{3, 4}, {3, 1}}, {{3, 1}, {3, 4}}, {{3, 4}, {1, 1}}, {{1, 1}, {3, 4}},
		{{3, 1}, {1, 4}}, {{4, 4}, {1, 4}}, {{4, 4}, {4, 1}}, {{1, 1}, {1, 1}}, {{4, 1}, {1, 1}}, {{1, 1}, {1, 4}}, {{2, 3, 4}, {2, 3, 4}}, {{5}, {5}},
	} {
		try(func(b *onnx.Builder) {
			x := b.Relu("r", b.Input("x", s[0]...)) // a result is overwritten where an input is not
			b.Output("z", b.Relu("s", b.Add("a", x, b.Const("c", weights(s[1]...), s[1]...))))
		}, "op=Add/of=constant/shape=%v", s)
		try(func(b *onnx.Builder) {
			x, y := b.Relu("r", b.Input("x", s[0]...)), b.Relu("q", b.Input("y", s[1]...))
			b.Output("z", b.Mul("p", b.Add("a", x, y), x)) // x is read twice
		}, "op=Mul/of=results/shape=%v", s)
	}
	for _, s := range []struct {
		axis  int
		parts []shape
	}{
		{0, []shape{{3, 4}, {3, 4}}}, {1, []shape{{3, 4}, {3, 4}}}, {1, []shape{{1, 4}, {1, 2}, {1, 2}}}, {1, []shape{{1, 4}, {1, 1}}},
		{1, []shape{{3, 1}, {3, 2}, {3, 1}}}, {0, []shape{{1, 4}, {2, 4}}}, {1, []shape{{1, 2}, {1, 2}, {1, 1}}},
	} {
		for _, of := range []string{"inputs", "results"} {
			try(func(b *onnx.Builder) {
				var vs []onnx.Value
				for i, p := range s.parts {
					v := b.Input(fmt.Sprint("x", i), p...)
					if of == "results" {
						v = b.Relu(fmt.Sprint("r", i), v)
					}
					vs = append(vs, v)
				}
				b.Output("z", b.Concat("c", s.axis, vs...))
			}, "op=Concat/of=%s/axis=%d/shape=%v", of, s.axis, s.parts)
		}
	}
	for _, s := range [][2]shape{{{3, 4}, {1, 12}}, {{3, 4}, {12, 1}}, {{3, 4}, {12}}, {{3, 4}, {4, 3}}, {{12}, {3, 4}}, {{1, 1}, {1}}, {{3, 4}, {2, 3, 2}}, {{1, 4}, {4, 1}}} {
		try(func(b *onnx.Builder) {
			x := b.Relu("r", b.Input("x", s[0]...))
			b.Output("z", b.Relu("s", b.Reshape("y", x, s[1]...)))
			b.Output("w", b.Relu("q", x))
		}, "op=Reshape/shape=%v", s)
	}
	for _, s := range []shape{{3, 4}, {4, 4}, {1, 4}, {4, 1}, {1, 1}} {
		try(func(b *onnx.Builder) {
			x := b.Relu("r", b.Input("x", s...))
			y := b.Transpose("y", x, 1, 0)
			b.Output("z", b.Reshape("flat", y, 1, s[0]*s[1]))
			b.Output("w", b.MatMul("m", y, x))
		}, "op=Transpose/shape=%v", s)
	}
}
