package provenance_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/export/provenance"
)

func made(t *testing.T) (dir string, b *bundle.Bundle, key *bundle.PrivateKey, public *bundle.PublicKey) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "b")
	b, err := bundle.Create(dir, bundle.Manifest{
		BundleVersion: "7", ProgramVersion: "0.1.0", Window: bundle.Window{To: 1440}, Config: json.RawMessage(`{"seed":3}`),
		Traces: []bundle.Trace{{Name: "web", Digest: bundle.Digest([]byte("web"))}},
	}, []bundle.File{{Name: provenance.CardFile, MediaType: bundle.MediaTypeMarkdown, Data: []byte("# A card\n\n## Limits\n\n- one\n")}})
	must(t, err)
	key, err = bundle.GenerateKey("P-256", rand.Reader)
	must(t, err)
	public, err = key.Public()
	must(t, err)
	return dir, b, key, public
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func aRun() provenance.Run {
	champion := 0.75
	return provenance.Run{
		ID: "0123456789ab", Program: "0.1.0", Platform: "linux/amd64",
		Build: &debug.BuildInfo{
			GoVersion: "go1.26.1", Main: debug.Module{Path: "github.com/incendio-faas/incendio", Version: "(devel)"},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: strings.Repeat("ab", 20)}, {Key: "vcs.modified", Value: "false"}},
			Deps: []*debug.Module{
				{Path: "github.com/Foo/bar/v2", Version: "v2.0.0+incompatible", Sum: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
				{Path: "example.com/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/new", Version: "v1.2.0"}},
			},
		},
		Data: []provenance.Data{{Name: "web", Digest: bundle.Digest([]byte("web")), Format: "counts", Functions: 3, Invocations: 12, Description: "fitted on a day"}},
		Card: provenance.Card{
			Judged: "on the next day", Verdict: bundle.Accepted, Reason: "All rules hold.", Champion: strings.Repeat("c", 64),
			Rules:  []bundle.Rule{{Rule: "cost", Value: 0.5, Bound: 0.8, Champion: &champion, OK: true}, {Rule: "late", Value: 2, Bound: 1}},
			Ratios: []provenance.Ratio{{Other: "naive", Scope: "pooled", Value: 0.9, Low: 0.8, High: 0.95}},
			Limits: []string{"one"},
		},
	}
}

// at returns the value at a path of decoded JSON.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(map[string]any)[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v
}

func TestWriteAndRead(t *testing.T) {
	dir, b, key, public := made(t)
	if _, err := provenance.Read(dir, b); !errors.Is(err, bundle.ErrNotFound) {
		t.Errorf("without any: %v", err)
	}
	must(t, provenance.Write(dir, b, aRun(), key))
	r, err := provenance.Read(dir, b, public)
	must(t, err)
	if r.SignedBy.Hint() != public.Hint() || r.Invocation != "0123456789ab" || r.BuildType != provenance.BuildType || r.Versions["go"] != "go1.26.1" {
		t.Errorf("%+v", r)
	}
	want := []provenance.Dependency{
		{"trace/web", map[string]string{"sha256": strings.TrimPrefix(bundle.Digest([]byte("web")), "sha256:")}},
		{"program pkg:golang/github.com/incendio-faas/incendio@v0.1.0", map[string]string{"gitCommit": strings.Repeat("ab", 20)}},
		{"pkg:golang/github.com/foo/bar/v2@v2.0.0%2Bincompatible", map[string]string{"dirHash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}},
		{"pkg:golang/example.com/new@v1.2.0", nil},
	}
	got, err := json.Marshal(r.Dependencies)
	must(t, err)
	if text, err := json.Marshal(want); err != nil || string(text) != string(got) {
		t.Errorf("made from %s, expected %s, %v", got, text, err)
	}
	for _, line := range []string{"# A card", "- one\n\n## What it did", b.Digest() + ", judged on the next day: accepted. All rules hold.", "| cost | 0.5 | 0.8 | 0.75 | yes |", "| late | 2 | 1 |  | no |", "- naive, pooled: 0.9 (0.8 to 0.95)"} {
		if !strings.Contains(r.Card, line) {
			t.Errorf("the card has no %q:\n%s", line, r.Card)
		}
	}
	data, err := os.ReadFile(bundle.AttestationFile(dir, provenance.MaterialsFile))
	must(t, err)
	var bom any
	must(t, json.Unmarshal(data, &bom))
	if v := at(t, bom, "metadata", "component", "hashes", 0, "content"); v != b.Digest() {
		t.Errorf("the bill is of %v", v)
	}
	if v := at(t, bom, "metadata", "component", "modelCard", "quantitativeAnalysis", "performanceMetrics").([]any); len(v) != 3 {
		t.Errorf("%d metrics", len(v))
	}
	if v := at(t, bom, "components").([]any); len(v) != 5 { // trace, program, Go's library, two modules
		t.Errorf("%d components", len(v))
	}
	// The bundle itself is what it was, and the same run writes the same bytes.
	again, err := bundle.Open(dir, bundle.Policy{})
	must(t, err)
	before, err := bundle.Attestations(dir)
	must(t, err)
	must(t, provenance.Write(dir, again, aRun(), key))
	after, err := bundle.Attestations(dir)
	must(t, err)
	for name := range after {
		if string(before[name]) != string(after[name]) {
			t.Errorf("%s is another one the second time", name)
		}
	}
	run := aRun()
	run.Build = nil
	if err := provenance.Write(dir, b, run, nil); err == nil {
		t.Error("without build information")
	}
}

// Whatever lies beside a bundle and is not what its statement names is refused.
func TestReadRefuses(t *testing.T) {
	dir, b, key, public := made(t)
	must(t, provenance.Write(dir, b, aRun(), key))
	stranger, err := bundle.GenerateKey("P-256", rand.Reader)
	must(t, err)
	other, err := stranger.Public()
	must(t, err)
	if _, err := provenance.Read(dir, b, other); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("another key: %v", err)
	}
	for _, name := range []string{provenance.CardFile, provenance.MaterialsFile, provenance.StatementFile} {
		file := bundle.AttestationFile(dir, name)
		data, err := os.ReadFile(file)
		must(t, err)
		must(t, os.WriteFile(file, []byte(strings.Replace(string(data), "a", "b", 1)), 0o666))
		if _, err := provenance.Read(dir, b, public); !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("%s was changed: %v", name, err)
		}
		must(t, os.Remove(file))
		if _, err := provenance.Read(dir, b, public); err == nil {
			t.Errorf("%s is gone", name)
		}
		must(t, os.WriteFile(file, data, 0o666))
	}
	foreign, err := b.Attest("https://example.com/other", []byte(`{}`), key)
	must(t, err)
	must(t, bundle.WriteAttestation(dir, provenance.StatementFile, foreign))
	if _, err := provenance.Read(dir, b, public); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("another predicate: %v", err)
	}
	elsewhere, another, _, _ := made(t)
	must(t, provenance.Write(elsewhere, another, aRun(), nil))
	if _, err := provenance.Read(elsewhere, another, public); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("unsigned: %v", err)
	}
	if _, err := provenance.Read(elsewhere, another); err != nil {
		t.Errorf("unsigned, and nobody asked: %v", err)
	}
	// Figures that are no numbers do not keep it from being written.
	run := aRun()
	run.Card.Ratios[0].Value, run.Card.Rules[0].Value = math.NaN(), math.Inf(1)
	must(t, provenance.Write(elsewhere, another, run, nil))
}
