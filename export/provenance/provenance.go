// Package provenance writes beside a bundle where it comes from, in the formats that other
// tools read: an in-toto statement with SLSA provenance (what was run, on which data, by
// which program), a CycloneDX bill of materials with the model's card (modules of the
// program, data, figures, limits), and the card for people. Nothing of it enters the
// bundle, and nothing of a clock enters it: equal runs of one program write equal bytes,
// but for signatures by other keys.
package provenance

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/export/bundle"
)

// Names of the files beside a bundle, see [bundle.WriteAttestation].
const (
	StatementFile = "provenance.intoto.json" // DSSE envelope of an in-toto statement
	MaterialsFile = "sbom.cdx.json"          // CycloneDX 1.6
	CardFile      = "card.md"
)

// PredicateType is that of SLSA provenance, version 1.
const PredicateType = "https://slsa.dev/provenance/v1"

// BuildType says how parameters and dependencies of a statement are to be read:
// docs/bundle.md, "Provenance".
const BuildType = "https://github.com/incendio-faas/incendio/run/v1"

// A Run is what made a bundle and judged it.
type Run struct {
	ID       string // of inputs, configuration and program
	Program  string // version
	Platform string // operating system and architecture, "linux/amd64"
	Build    *debug.BuildInfo
	Data     []Data
	Card     Card
}

// Data is a trace that was learned from.
type Data struct {
	Name        string
	Digest      string // "sha256:" and 64 hex digits, as the manifest has it
	Format      string
	Functions   int
	Invocations int64
	Description string // one line: which minutes were fitted on and chosen on
}

// A Card says what a bundle did on minutes that it has not seen.
type Card struct {
	Judged   string // one line: on which minutes
	Verdict  string // bundle.Accepted or bundle.Refused
	Reason   string
	Champion string // digest of the bundle that it was compared with, or ""
	Rules    []bundle.Rule
	Ratios   []Ratio
	Limits   []string
}

// A Ratio compares the error of forecasts with that of another model.
type Ratio struct {
	Other     string
	Scope     string  // one line: which functions, how far ahead
	Value     float64 // error over the other's: below 1 is better
	Low, High float64 // 95 % interval
}

// Write writes the three files beside the bundle b in dir. With a key the statement is
// signed.
func Write(dir string, b *bundle.Bundle, run Run, key *bundle.PrivateKey) error {
	if run.Build == nil {
		return errors.New("provenance: the program has no build information: it was not built by the go command with modules")
	}
	card, err := run.markdown(b)
	if err != nil {
		return fmt.Errorf("provenance: %w", err)
	}
	materials, err := encode(run.materials(b))
	if err != nil {
		return fmt.Errorf("provenance: %s: %w", MaterialsFile, err)
	}
	products := []resource{
		{Name: CardFile, Digest: sha(card), MediaType: bundle.MediaTypeMarkdown},
		{Name: MaterialsFile, Digest: sha(materials), MediaType: mediaTypeCycloneDX},
	}
	predicate, err := bundle.CanonicalJSON(run.statement(b, products))
	if err != nil {
		return fmt.Errorf("provenance: %w", err)
	}
	statement, err := b.Attest(PredicateType, predicate, key)
	if err != nil {
		return fmt.Errorf("provenance: %w", err)
	}
	// The statement last: it names the others.
	for _, f := range []struct {
		name string
		data []byte
	}{{CardFile, card}, {MaterialsFile, materials}, {StatementFile, statement}} {
		if err := bundle.WriteAttestation(dir, f.name, f.data); err != nil {
			return fmt.Errorf("provenance: %w", err)
		}
	}
	return nil
}

// predicate is SLSA provenance; see slsa.dev/spec/v1.0/provenance.
type predicate struct {
	BuildDefinition struct {
		BuildType            string     `json:"buildType"`
		ExternalParameters   parameters `json:"externalParameters"`
		InternalParameters   platform   `json:"internalParameters"`
		ResolvedDependencies []resource `json:"resolvedDependencies"`
	} `json:"buildDefinition"`
	RunDetails struct {
		Builder struct {
			ID      string            `json:"id"`
			Version map[string]string `json:"version"`
		} `json:"builder"`
		Metadata struct {
			InvocationID string `json:"invocationId"`
		} `json:"metadata"`
		Byproducts []resource `json:"byproducts"`
	} `json:"runDetails"`
}

type parameters struct {
	Config json.RawMessage `json:"config"`
	Window bundle.Window   `json:"window"`
}

type platform struct {
	Platform string `json:"platform"`
}

// resource is an in-toto resource descriptor.
type resource struct {
	Name        string            `json:"name,omitempty"`
	URI         string            `json:"uri,omitempty"`
	Digest      map[string]string `json:"digest,omitempty"`
	MediaType   string            `json:"mediaType,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func (r *Run) statement(b *bundle.Bundle, products []resource) *predicate {
	m := b.Manifest()
	p := &predicate{}
	d := &p.BuildDefinition
	d.BuildType = BuildType
	d.ExternalParameters = parameters{m.Config, m.Window}
	d.InternalParameters = platform{r.Platform}
	for _, t := range r.Data {
		d.ResolvedDependencies = append(d.ResolvedDependencies, resource{
			Name: "trace/" + t.Name, Digest: map[string]string{"sha256": strings.TrimPrefix(t.Digest, "sha256:")},
			Annotations: map[string]string{"format": t.Format, "used": t.Description},
		})
	}
	program := resource{Name: "program", URI: purl(r.Build.Main.Path, "v"+r.Program)}
	if revision, whole := revisionOf(r.Build); whole {
		program.Digest = map[string]string{"gitCommit": revision}
	}
	d.ResolvedDependencies = append(d.ResolvedDependencies, program)
	for _, module := range r.Build.Deps {
		path, version, digest := resolved(module)
		dependency := resource{URI: purl(path, version)}
		if digest != "" {
			dependency.Digest = map[string]string{"dirHash": digest}
		}
		d.ResolvedDependencies = append(d.ResolvedDependencies, dependency)
	}
	p.RunDetails.Builder.ID = "https://" + r.Build.Main.Path
	p.RunDetails.Builder.Version = map[string]string{"incendio": r.Program, "go": r.Build.GoVersion}
	p.RunDetails.Metadata.InvocationID = r.ID
	p.RunDetails.Byproducts = products
	return p
}

// revisionOf is the commit that the program was built from, and whether that is all of it.
func revisionOf(b *debug.BuildInfo) (revision string, whole bool) {
	clean := false
	for _, s := range b.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			clean = s.Value == "false"
		}
	}
	return revision, revision != "" && clean
}

// resolved is what a module was built from: its replacement, if there is one, and the
// SHA-256 of go.sum in hex digits, empty for a folder.
func resolved(m *debug.Module) (path, version, digest string) {
	if m.Replace != nil {
		m = m.Replace
	}
	if sum, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
		if raw, err := base64.StdEncoding.DecodeString(sum); err == nil && len(raw) == sha256.Size {
			digest = hex.EncodeToString(raw)
		}
	}
	return m.Path, m.Version, digest
}

// purl is the package URL of a Go module, in lower case as its rules for Go want it.
func purl(path, version string) string {
	escape := func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(".-_~", c) >= 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		return b.String()
	}
	parts := strings.Split(strings.ToLower(path), "/")
	for i := range parts {
		parts[i] = escape(parts[i])
	}
	u := "pkg:golang/" + strings.Join(parts, "/")
	if version != "" {
		u += "@" + escape(version)
	}
	return u
}

func sha(data []byte) map[string]string {
	h := sha256.Sum256(data)
	return map[string]string{"sha256": hex.EncodeToString(h[:])}
}

// encode writes JSON for people too.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// markdown is the card of the bundle, and what it did on minutes that it has not seen.
func (r *Run) markdown(b *bundle.Bundle) ([]byte, error) {
	inside, err := b.File(CardFile)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.Write(bytes.TrimRight(inside, "\n"))
	c := &r.Card
	fmt.Fprintf(&out, "\n\n## What it did on minutes that it has not seen\n\nBundle %s, judged %s: %s. %s\n", b.Digest(), c.Judged, c.Verdict, c.Reason)
	if c.Champion != "" {
		fmt.Fprintf(&out, "It was compared with the champion %s.\n", c.Champion)
	}
	out.WriteString("\n| rule | value | bound | champion | holds |\n| --- | --- | --- | --- | --- |\n")
	for _, rule := range c.Rules {
		champion := ""
		if rule.Champion != nil {
			champion = figure(*rule.Champion)
		}
		holds := "no"
		if rule.OK {
			holds = "yes"
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", rule.Rule, figure(rule.Value), figure(rule.Bound), champion, holds)
	}
	if len(c.Ratios) > 0 {
		out.WriteString("\nErrors of its forecasts over those of other models, below 1 is better (95 % interval):\n\n")
		for _, q := range c.Ratios {
			fmt.Fprintf(&out, "- %s, %s: %s (%s to %s)\n", q.Other, q.Scope, figure(q.Value), figure(q.Low), figure(q.High))
		}
	}
	return out.Bytes(), nil
}

func figure(v float64) string { return fmt.Sprintf("%.5g", v) }

// A Report is what lies beside a bundle, after it was checked.
type Report struct {
	SignedBy     *bundle.PublicKey // nil if no key was asked for
	BuildType    string
	Builder      string            // of the statement
	Versions     map[string]string // of the builder
	Invocation   string            // the run
	Dependencies []Dependency
	Card         string // text
}

// A Dependency is what a bundle was made from.
type Dependency struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest,omitempty"`
}

// Read reads what lies beside the bundle b in dir and checks that the statement is about
// exactly the files of b, signed by one of keys if there are any, and that the other files
// are those that it names. The error wraps bundle.ErrNotFound where there is no statement,
// and bundle.ErrIntegrity where something is another one.
func Read(dir string, b *bundle.Bundle, keys ...*bundle.PublicKey) (*Report, error) {
	all, err := bundle.Attestations(dir)
	if err != nil {
		return nil, err
	}
	data, ok := all[StatementFile]
	if !ok {
		return nil, fmt.Errorf("%s: %w", bundle.AttestationFile(dir, StatementFile), bundle.ErrNotFound)
	}
	kind, content, by, err := b.VerifyAttestation(data, keys...)
	if err != nil {
		return nil, err
	}
	if kind != PredicateType {
		return nil, fmt.Errorf("%s holds a %.80q, expected %s: %w", StatementFile, kind, PredicateType, bundle.ErrIntegrity)
	}
	var p predicate
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", StatementFile, bundle.ErrIntegrity, err)
	}
	for _, name := range []string{CardFile, MaterialsFile} {
		i := slices.IndexFunc(p.RunDetails.Byproducts, func(r resource) bool { return r.Name == name })
		if i < 0 || p.RunDetails.Byproducts[i].Digest["sha256"] != sha(all[name])["sha256"] {
			return nil, fmt.Errorf("%s is not the file that %s names: %w", bundle.AttestationFile(dir, name), StatementFile, bundle.ErrIntegrity)
		}
	}
	r := &Report{
		SignedBy: by, BuildType: p.BuildDefinition.BuildType, Builder: p.RunDetails.Builder.ID, Versions: p.RunDetails.Builder.Version,
		Invocation: p.RunDetails.Metadata.InvocationID, Card: string(all[CardFile]),
	}
	for _, d := range p.BuildDefinition.ResolvedDependencies {
		name := d.URI
		if d.Name != "" {
			name = strings.TrimSpace(d.Name + " " + d.URI)
		}
		r.Dependencies = append(r.Dependencies, Dependency{name, d.Digest})
	}
	return r, nil
}
