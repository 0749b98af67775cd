//go:build parity

package export_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/incendio-faas/incendio/export"
	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// judge.py runs graphs on ONNX Runtime. Arguments: the rows (float32), the number of
// columns, the graphs. Output: per graph and output of it, a number per row.
const judge = `
import json, sys
import numpy as np, onnx, onnxruntime as ort
rows = np.fromfile(sys.argv[1], np.float32).reshape(-1, int(sys.argv[2]))
options = ort.SessionOptions()
options.intra_op_num_threads = 1
results = []
for name in sys.argv[3:]:
    onnx.checker.check_model(onnx.load(name), full_check=True)
    session = ort.InferenceSession(name, options, providers=["CPUExecutionProvider"])
    results.append([[float(v) for v in o.ravel()] for o in session.run(None, {"features": rows})])
print(json.dumps(results))
`

// onnxRuntime returns the outputs of graphs for rows of the given width.
func onnxRuntime(t *testing.T, graphs []*onnx.Model, rows []float32, width int) [][][]float64 {
	t.Helper()
	python := os.Getenv("PARITY_PYTHON")
	if python == "" {
		t.Fatal("PARITY_PYTHON must name a Python with onnx and onnxruntime; make parity makes one")
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	var raw bytes.Buffer
	if err := binary.Write(&raw, binary.LittleEndian, rows); err != nil {
		t.Fatal(err)
	}
	args := []string{write("judge.py", []byte(judge)), write("rows.f32", raw.Bytes()), fmt.Sprint(width)}
	for i, g := range graphs {
		args = append(args, write(fmt.Sprintf("%d.onnx", i), onnx.Encode(g)))
	}
	cmd := exec.Command(python, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("judge: %v", err)
	}
	var results [][][]float64
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatal(err)
	}
	return results
}

// drawFeatures fills x with values that float32 holds: thresholds, their neighbours,
// categories, zeros, small numbers and missing values.
func drawFeatures(r *rand.Rand, m *gbdt.Model, x []float32) {
	thresholds := make([][]float64, len(m.Columns))
	for i := range m.Trees {
		t := &m.Trees[i]
		for n, f := range t.SplitFeature {
			if !t.DecisionType[n].Categorical() {
				thresholds[f] = append(thresholds[f], t.Threshold[n])
			}
		}
	}
	for i := range x {
		of := thresholds[i%len(m.Columns)]
		switch k := r.IntN(8); {
		case k == 0:
			x[i] = float32(math.NaN())
		case k == 1:
			x[i] = 0
		case k == 2:
			x[i] = float32(r.NormFloat64() * 1e-35)
		case len(of) == 0 || k == 3: // what a category may be, and what is none
			x[i] = float32(r.IntN(70)-5) + float32(r.IntN(3))/4
		default:
			x[i] = float32(of[r.IntN(len(of))])
			x[i] = math.Nextafter32(x[i], x[i]+float32(r.IntN(3)-1))
		}
	}
}

// leafGraphs returns graphs whose sums tell the leaf of every tree: the leaves of some
// trees are numbers of their own digits of a sum below 2^24, which float32 adds exactly.
func leafGraphs(t *testing.T, m *gbdt.Model) (graphs []*onnx.Model, perGraph, base int) {
	base = 2
	for i := range m.Trees {
		base = max(base, m.Trees[i].NumLeaves())
	}
	perGraph = int(math.Log(1<<24) / math.Log(float64(base)))
	for trees := range slices.Chunk(m.Trees, perGraph) {
		some := &gbdt.Model{Columns: m.Columns, Infos: m.Infos}
		digit := 1
		for _, t := range trees {
			t.LeafValue = slices.Clone(t.LeafValue)
			for l := range t.LeafValue {
				t.LeafValue[l] = float64(l * digit)
			}
			digit *= base
			some.Trees = append(some.Trees, t)
		}
		g, err := export.Trees(some)
		if err != nil {
			t.Fatal(err)
		}
		graphs = append(graphs, g)
	}
	return graphs, perGraph, base
}

// TestONNXRuntimeReachesTheSameLeaves exports LightGBM's own models, with missing values,
// zeros that are missing, categories and links, and compares the leaf of every tree, the
// sums and the responses on ONNX Runtime with ours on float32 rows of what decides.
func TestONNXRuntimeReachesTheSameLeaves(t *testing.T) {
	root := os.Getenv("SHARED_DATA")
	if root == "" {
		t.Fatal("SHARED_DATA must name the folder that holds golden/lightgbm")
	}
	for _, name := range []string{"l1_synth", "l1_zeromissing", "l1_nomissing", "l1_categorical", "poisson", "binary_example"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, "golden", "lightgbm", name, "model.txt"))
			if err != nil {
				t.Fatal(err)
			}
			m, err := gbdt.ReadText(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			whole, err := export.Trees(m)
			if err != nil {
				t.Fatal(err)
			}
			const rows = 1000
			width := len(m.Columns)
			x := make([]float32, rows*width)
			drawFeatures(seed.Stream(8, name), m, x)
			graphs, perGraph, base := leafGraphs(t, m)
			results := onnxRuntime(t, append([]*onnx.Model{whole}, graphs...), x, width)
			sums, responses := results[0][0], results[0][len(results[0])-1]
			worst, worstResponse := 0.0, 0.0
			row := make([]float64, width)
			for r := range rows {
				for j := range row {
					row[j] = float64(x[r*width+j])
				}
				scale := 1.0
				for i := range m.Trees {
					tree := &m.Trees[i]
					want := tree.Leaf(row)
					got := int(results[1+i/perGraph][0][r])
					for range i % perGraph {
						got /= base
					}
					if got %= base; got != want {
						t.Fatalf("row %v: tree %d: leaf %d, expected %d", row, i, got, want)
					}
					scale += math.Abs(tree.LeafValue[want])
				}
				raw, response := m.PredictRaw(row), m.Predict(row)
				worst = max(worst, math.Abs(sums[r]-raw)/scale)
				worstResponse = max(worstResponse, math.Abs(responses[r]-response)/max(math.Abs(response), 1))
			}
			t.Logf("%d trees, %d rows: the same leaves; sums differ by at most %.2g of the magnitudes added, responses by %.2g", len(m.Trees), rows, worst, worstResponse)
			if !(worst < 1e-5) || !(worstResponse < 1e-5) {
				t.Errorf("ONNX Runtime differs by %g in sums and %g in responses", worst, worstResponse)
			}
		})
	}
}
