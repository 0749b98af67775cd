//go:build parity

package parity_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
)

// TestProvenance has a night that signs, and what it writes beside its bundle read by
// securesystemslib (the envelope), in-toto-attestation (statement and SLSA predicate) and
// cyclonedx-python-lib (the strict schema of CycloneDX 1.6, references, package URLs).
func TestProvenance(t *testing.T) {
	dir := t.TempDir()
	config, err := filepath.Abs("../cmd/incendio/testdata/tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "k")
	incendioIn(t, dir, time.Minute, []int{0}, "bundle", "keygen", "--out", key)
	incendioIn(t, dir, 10*time.Minute, []int{0}, "run", "--config", config, "--store", "s", "--out", "r", "--sign-key", key)
	b, err := bundle.Open(filepath.Join(dir, "r", "bundle"), bundle.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	public, err := bundle.ParsePublicKey(must(os.ReadFile(key + ".pub")))
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		Envelope   string            `json:"envelope"`
		Statement  string            `json:"statement"`
		Provenance string            `json:"provenance"`
		SBOM       string            `json:"sbom"`
		Subjects   map[string]string `json:"subjects"`
		Components []string          `json:"components"`
		Byproducts map[string]string `json:"byproducts"`
	}
	folder := filepath.Join(dir, "r", "bundle.attestations")
	ask := func() (a answer) {
		peer(t, "provenance.py", map[string]string{"folder": folder, "public": key + ".pub", "hint": public.Hint()}, &a)
		return a
	}
	a := ask()
	for name, why := range map[string]string{"envelope": a.Envelope, "statement": a.Statement, "provenance": a.Provenance, "sbom": a.SBOM} {
		if why != "" {
			t.Errorf("the %s is refused: %s", name, why)
		}
	}
	if a.Subjects[bundle.ManifestName] != b.Digest() || len(a.Subjects) != len(b.Manifest().Files)+2 {
		t.Errorf("%d subjects of %d files, the manifest %s", len(a.Subjects), len(b.Manifest().Files), a.Subjects[bundle.ManifestName])
	}
	for name, want := range a.Byproducts {
		sum := sha256.Sum256(must(os.ReadFile(filepath.Join(folder, name))))
		if hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has another digest than the statement says", name)
		}
	}
	text := strings.Join(a.Components, "\n")
	for _, want := range []string{"pkg:golang/github.com/incendio-faas/incendio@v", "pkg:golang/std@1.", "pkg:golang/github.com/spf13/cobra@v1."} {
		if !strings.Contains(text, want) {
			t.Errorf("no component %s among\n%s", want, text)
		}
	}
	t.Logf("%d subjects, %d components with a package URL", len(a.Subjects), len(a.Components))

	// What is wrong they refuse.
	for name, change := range map[string][2]string{
		"sbom.cdx.json": {`"type": "machine-learning-model"`, `"type": "machine"`}, "provenance.intoto.json": {`"sig":"ME`, `"sig":"MF`},
	} {
		file := filepath.Join(folder, name)
		data := must(os.ReadFile(file))
		changed := bytes.Replace(data, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(data, changed) {
			t.Fatalf("%s has no %s", name, change[0])
		}
		if err := os.WriteFile(file, changed, 0o666); err != nil {
			t.Fatal(err)
		}
		if a := ask(); (a.Envelope == "") == (name == "provenance.intoto.json") || (a.SBOM == "") == (name == "sbom.cdx.json") {
			t.Errorf("%s changed: %+v", name, a)
		}
		if err := os.WriteFile(file, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
