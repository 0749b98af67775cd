//go:build parity

package onnx_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/internal/seed"
)

// judge.py checks a model with the onnx package, runs it on ONNX Runtime and prints the
// outputs. Figures below were made with onnx 1.23.2 and onnxruntime 1.31.1.
const judge = `
import json, sys
import numpy as np, onnx, onnxruntime as ort
onnx.checker.check_model(onnx.load(sys.argv[1]), full_check=True)
options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
feeds = {k: np.fromfile(v["file"], np.float32).reshape(v["dims"]) for k, v in json.load(open(sys.argv[2])).items()}
for _ in range(3):
    out = session.run(None, feeds)
print(json.dumps([[float(x) for x in o.ravel()] for o in out]))
`

// onnxRuntime runs m on ONNX Runtime, with the Python that PARITY_PYTHON names, which
// must have onnx and onnxruntime.
func onnxRuntime(t *testing.T, m *onnx.Model, inputs map[string]array) [][]float64 {
	t.Helper()
	python := os.Getenv("PARITY_PYTHON")
	if python == "" {
		t.Fatal("PARITY_PYTHON must name a Python with onnx and onnxruntime; make parity makes one")
	}
	dir := t.TempDir()
	type feed struct {
		File string  `json:"file"`
		Dims []int64 `json:"dims"`
	}
	feeds := map[string]feed{}
	for name, a := range inputs {
		file := filepath.Join(dir, name+".f32")
		raw := make([]byte, 0, 4*len(a.data))
		for _, v := range a.data {
			b := math.Float32bits(v)
			raw = append(raw, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
		}
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		feeds[name] = feed{file, a.dims}
	}
	spec, err := json.Marshal(feeds)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"judge.py": []byte(judge), "feeds.json": spec, "model.onnx": onnx.Encode(m)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(python, filepath.Join(dir, "judge.py"), filepath.Join(dir, "model.onnx"), filepath.Join(dir, "feeds.json"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("judge: %v", err)
	}
	var results [][]float64
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatal(err)
	}
	return results
}

func TestONNXRuntimeRunsQNetwork(t *testing.T) {
	r := seed.Stream(5, "ort")
	m := qNetwork(t, r, 32, 18, 12, 64)
	inputs := map[string]array{
		"candidates": {[]int64{32, 18}, normals(r, 32*18, 1)},
		"global":     {[]int64{1, 12}, normals(r, 12, 1)},
		"mask":       {[]int64{1, 32}, normals(r, 32, 32)},
	}
	want, err := evaluate(&m.Graph, inputs)
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for i, v := range onnxRuntime(t, m, inputs)[0] {
		worst = max(worst, math.Abs(v-float64(want["values"].data[i])))
	}
	t.Logf("largest difference %.2g", worst)
	if !(worst < 1e-5) {
		t.Errorf("ONNX Runtime differs by %g", worst)
	}
}

// TestONNXRuntimeRunsLightGBMTrees exports LightGBM's models and compares ONNX Runtime
// with LightGBM's rule in float64 on the rows of the test data rounded to float32, and on
// rows with NaN and with thresholds as values.
func TestONNXRuntimeRunsLightGBMTrees(t *testing.T) {
	shared := os.Getenv("SHARED_DATA")
	if shared == "" {
		t.Fatal("SHARED_DATA must name the folder that holds golden/lightgbm")
	}
	for _, c := range []string{"l1_synth", "l1_zeromissing", "l1_nomissing", "l2_example", "l1_bagging"} {
		t.Run(c, func(t *testing.T) {
			e := readLightGBM(t, filepath.Join(shared, "golden", "lightgbm", c, "model.txt"))
			r := seed.Stream(6, c)
			const rows = 2000
			x := array{[]int64{rows, int64(e.Features)}, make([]float32, rows*e.Features)}
			for i := range x.data {
				tr := &e.Trees[r.IntN(len(e.Trees))]
				switch r.IntN(6) {
				case 0:
					x.data[i] = float32(math.NaN())
				case 1:
					x.data[i] = 0
				case 2:
					x.data[i] = float32(r.NormFloat64() * 1e-35)
				case 3:
					x.data[i] = float32(r.NormFloat64() * 100)
				default: // at, or one step from, a threshold of this feature
					for range 50 {
						s := r.IntN(len(tr.Feature))
						if tr.Feature[s] == i%e.Features {
							x.data[i] = float32(tr.Threshold[s])
							x.data[i] = math.Nextafter32(x.data[i], x.data[i]+float32(r.IntN(3)-1))
							break
						}
					}
				}
			}
			m, err := e.Model("trees")
			if err != nil {
				t.Fatal(err)
			}
			got := onnxRuntime(t, m, map[string]array{"features": x})[0]
			worst := 0.0
			for row := range rows {
				want, scale := e.Base, 1.0
				for i := range e.Trees {
					v := e.Trees[i].Leaf[leafOf(&e.Trees[i], x.data[row*e.Features:(row+1)*e.Features])]
					want += v
					scale += math.Abs(v)
				}
				worst = max(worst, math.Abs(got[row]-want)/scale)
			}
			t.Logf("%d trees: largest difference relative to the sum of magnitudes %.2g", len(e.Trees), worst)
			if !(worst < 1e-6) { // float32 sums; one wrong leaf is some 1e-3
				t.Errorf("ONNX Runtime differs by %g", worst)
			}
		})
	}
}

// readLightGBM reads the numerical trees of a LightGBM text model.
func readLightGBM(t *testing.T, name string) *onnx.TreeEnsemble {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e := &onnx.TreeEnsemble{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	numbers := func(list string) []float64 {
		var vs []float64
		for _, w := range strings.Fields(list) {
			v, err := strconv.ParseFloat(w, 64)
			if err != nil {
				t.Fatal(err)
			}
			vs = append(vs, v)
		}
		return vs
	}
	ints := func(list string) []int {
		var vs []int
		for _, v := range numbers(list) {
			vs = append(vs, int(v))
		}
		return vs
	}
	for s.Scan() {
		key, value, ok := strings.Cut(s.Text(), "=")
		if s.Text() == "end of trees" {
			break
		}
		if !ok {
			continue
		}
		if key == "max_feature_idx" {
			e.Features = ints(value)[0] + 1
		}
		if key == "Tree" {
			e.Trees = append(e.Trees, onnx.Tree{})
		}
		if len(e.Trees) == 0 {
			continue
		}
		tr := &e.Trees[len(e.Trees)-1]
		switch key {
		case "num_cat":
			if value != "0" {
				t.Fatal("categorical splits")
			}
		case "split_feature":
			tr.Feature = ints(value)
		case "threshold":
			tr.Threshold = numbers(value)
		case "decision_type":
			for _, d := range ints(value) {
				tr.DefaultLeft = append(tr.DefaultLeft, d&2 != 0)
				tr.Missing = append(tr.Missing, onnx.Missing(d>>2&3))
			}
		case "left_child":
			tr.Left = ints(value)
		case "right_child":
			tr.Right = ints(value)
		case "leaf_value":
			tr.Leaf = numbers(value)
		}
	}
	if len(e.Trees) == 0 {
		t.Fatal(fmt.Errorf("%s: no trees", name))
	}
	return e
}
