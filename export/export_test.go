package export_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/export"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
)

func candidate(t *testing.T) *export.Candidate {
	t.Helper()
	return &export.Candidate{
		Models:  modeltest.Models(t),
		Metrics: map[string]float64{"valid/cost": 0.5},
		Start:   modeltest.Start, Minute: 1440, Seed: 3,
		Manifest: bundle.Manifest{
			BundleVersion: "7", ProgramVersion: "test", Seed: 3, Window: bundle.Window{Start: "2026-03-02T00:00:00Z", To: 1440},
			Traces: []bundle.Trace{{Name: "tiny", Digest: bundle.Digest(nil)}}, Config: json.RawMessage(`{"trace":"tiny"}`),
		},
		Card: export.Card{
			Title: "Incendio bundle 7", Trace: "Learned from the trace tiny.", Window: "Fitted on a day.",
			Results: []string{"Cost 0.5 s per request."}, Limits: []string{"It is a toy."},
		},
	}
}

func byName(t *testing.T, c *export.Candidate) map[string]bundle.File {
	t.Helper()
	files, err := c.Files()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(files, func(a, b bundle.File) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("files are not in order of their names")
	}
	out := map[string]bundle.File{}
	for _, f := range files {
		out[f.Name] = f
	}
	return out
}

// TestFiles: a bundle has the files of its format, each tree as ONNX too, and equal
// candidates have equal bytes.
func TestFiles(t *testing.T) {
	files := byName(t, candidate(t))
	for _, name := range []string{
		"forecast/model.json", "forecast/functions.json", "forecast/prophet.json", "forecast/c00-mean.txt", "forecast/c00-mean.onnx",
		"agent/global.onnx", "agent/cluster-0.onnx", "agent/clusters.json", "priority.json", "functions.json",
		"golden/scheduler.json", "metrics.json", "card.md",
	} {
		if len(files[name].Data) == 0 {
			t.Errorf("no file %s, or an empty one", name)
		}
	}
	types := map[string]string{".txt": bundle.MediaTypeLightGBM, ".onnx": bundle.MediaTypeONNX, ".md": bundle.MediaTypeMarkdown, ".json": bundle.MediaTypeJSON}
	for name, f := range files {
		if f.MediaType != types[path.Ext(name)] {
			t.Errorf("%s has media type %q", name, f.MediaType)
		}
		if path.Ext(name) == ".onnx" {
			graph, err := onnx.Decode(f.Data)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if err := onnx.Check(graph); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	again := byName(t, candidate(t))
	if !maps.EqualFunc(files, again, func(a, b bundle.File) bool { return bytes.Equal(a.Data, b.Data) }) {
		t.Error("equal candidates have different files")
	}
	other := candidate(t)
	other.Seed++
	if bytes.Equal(byName(t, other)[scheduler.GoldenFile].Data, files[scheduler.GoldenFile].Data) {
		t.Error("the golden cases do not depend on the seed")
	}
}

func TestCard(t *testing.T) {
	got := string(byName(t, candidate(t))[export.CardFile].Data)
	want := "# Incendio bundle 7\n\nLearned from the trace tiny.\n\nFitted on a day.\n\n" +
		"## What it scored on the validation part\n\n- Cost 0.5 s per request.\n\n## Limits\n\n- It is a toy.\n"
	if got != want {
		t.Errorf("card is\n%s\nwant\n%s", got, want)
	}
}

// TestWriteOpens: what is written is what the run time opens, and replaces an older one.
func TestWriteOpens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bundle")
	c := candidate(t)
	first, err := c.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, b, err := scheduler.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b.Digest() != first.Digest() || b.Manifest().BundleVersion != "7" || m.Rates(nil) == nil {
		t.Errorf("opened %s version %s, wrote %s", b.Digest(), b.Manifest().BundleVersion, first.Digest())
	}
	c.Card.Title = "Another"
	second, err := c.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, b, err = scheduler.Open(dir); err != nil || b.Digest() != second.Digest() || second.Digest() == first.Digest() {
		t.Errorf("opened %v, %v after it was replaced by %s", b, err, second.Digest())
	}
}

// TestFilesRefuse what JSON cannot hold, naming the file.
func TestFilesRefuse(t *testing.T) {
	c := candidate(t)
	c.Metrics = map[string]float64{"cost": math.NaN()}
	if _, err := c.Files(); err == nil || !strings.Contains(err.Error(), export.MetricsFile) {
		t.Errorf("error is %v, want one about %s", err, export.MetricsFile)
	}
}
