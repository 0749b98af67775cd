package bundle

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// SchemaVersion is the layout of the bundles that this package writes and reads.
const SchemaVersion = 1

// Names of the two files that describe the others.
const (
	ManifestName = "manifest.json"
	ChecksumName = "manifest.sha256"
)

// maxManifest bounds manifest.json, in bytes. One of 10,000 files has about 2 MB.
const maxManifest = 64 << 20

// maxFiles bounds the files of a bundle together, in bytes: they are read into memory.
const maxFiles = 4 << 30

// Media types of the files of a bundle.
const (
	MediaTypeJSON     = "application/json"
	MediaTypeMarkdown = "text/markdown"
	MediaTypeONNX     = "application/vnd.onnx"
	MediaTypeLightGBM = "text/vnd.lightgbm.model"
)

// A Manifest says what a bundle is and where it comes from. All of it follows from the
// inputs, the configuration and the seed: nothing of the clock or the machine enters.
type Manifest struct {
	SchemaVersion  int                `json:"schema_version"`
	BundleVersion  string             `json:"bundle_version"`  // the owner's name for this state of the models
	ProgramVersion string             `json:"program_version"` // of the program that trained them
	Seed           uint64             `json:"seed"`
	Window         Window             `json:"window"`
	Windows        *Windows           `json:"windows,omitempty"` // nil in bundles from before there were any
	Traces         []Trace            `json:"traces"`
	Config         json.RawMessage    `json:"config"`  // the resolved configuration, an object in canonical form
	Metrics        map[string]float64 `json:"metrics"` // finite; names as in docs/models.md
	Verdict        *Verdict           `json:"verdict,omitempty"`
	Files          []Descriptor       `json:"files"` // sorted by name
}

// A Window is the stretch of trace that the models were fitted on: minutes [From, To)
// after Start.
type Window struct {
	Start string `json:"start"` // RFC 3339, UTC; empty where the trace has no date
	From  int    `json:"from"`
	To    int    `json:"to"`
}

// Windows are what the run that made a bundle did with which minutes after the start of its window.
type Windows struct {
	Fitted Span `json:"fitted"` // parameters
	Chosen Span `json:"chosen"` // between what was fitted, and calibrated
	Judged Span `json:"judged"` // the verdict; nothing of the bundle has seen them
}

// A Span is minutes [From, To).
type Span struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// End is the time that the window ends at. It is an error if the trace has no date.
func (w Window) End() (time.Time, error) {
	start, err := time.Parse(time.RFC3339, w.Start)
	if err != nil {
		return time.Time{}, fmt.Errorf("start of the window: %w", err)
	}
	return start.Add(time.Duration(w.To) * time.Minute), nil
}

// A Trace names the data that the models come from.
type Trace struct {
	Name   string `json:"name"`
	Digest string `json:"digest"` // "sha256:" and 64 hex digits
}

// A Verdict is the summary of a validation: accepted or refused, and every rule.
type Verdict struct {
	Verdict string `json:"verdict"` // Accepted or Refused
	Rules   []Rule `json:"rules"`
}

// Values of Verdict.Verdict.
const (
	Accepted = "accepted"
	Refused  = "refused"
)

// A Rule is one gate of a validation.
type Rule struct {
	Rule     string   `json:"rule"`
	Value    float64  `json:"value"`
	Bound    float64  `json:"bound"`
	Champion *float64 `json:"champion"` // the champion's value, nil if there is no champion
	OK       bool     `json:"ok"`
}

// A Descriptor identifies one file by its content.
type Descriptor struct {
	Name      string `json:"name"` // relative, slash-separated
	MediaType string `json:"media_type"`
	Digest    string `json:"digest"` // "sha256:" and 64 hex digits
	Size      int64  `json:"size"`   // bytes
}

// Digest returns "sha256:" and the hex digits of the SHA-256 of data, as a Descriptor
// has it.
func Digest(data []byte) string { return digestPrefix + sum(data) }

const digestPrefix = "sha256:"

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// CanonicalJSON marshals v with sorted keys, without insignificant white space and
// without escapes for HTML, so that equal values have equal bytes. Numbers keep the
// spelling that v's own encoding gives them.
func CanonicalJSON(v any) (json.RawMessage, error) {
	b, err := marshal(v, "")
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	b, err = marshal(tree, "") // a map is marshalled in the order of its keys
	return bytes.TrimSuffix(b, []byte("\n")), err
}

func marshal(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	err := e.Encode(v)
	return b.Bytes(), err
}

// Validate reports the first rule that m breaks, naming the key.
func (m *Manifest) Validate() error {
	if m.SchemaVersion != SchemaVersion {
		return fmt.Errorf("manifest: schema_version is %d, expected %d: %w", m.SchemaVersion, SchemaVersion, ErrSchemaVersion)
	}
	for _, f := range []struct{ key, value string }{
		{"bundle_version", m.BundleVersion}, {"program_version", m.ProgramVersion},
	} {
		if f.value == "" {
			return fmt.Errorf("manifest: %s is empty", f.key)
		}
	}
	if s := m.Window.Start; s != "" {
		if t, err := time.Parse(time.RFC3339, s); err != nil || t.UTC().Format(time.RFC3339Nano) != s {
			return fmt.Errorf("manifest: window.start is %q, expected RFC 3339 in UTC", s)
		}
	}
	if m.Window.From < 0 || m.Window.To < m.Window.From {
		return fmt.Errorf("manifest: window is [%d, %d), expected 0 <= from <= to", m.Window.From, m.Window.To)
	}
	if w := m.Windows; w != nil {
		for _, s := range []struct {
			key  string
			span Span
		}{{"fitted", w.Fitted}, {"chosen", w.Chosen}, {"judged", w.Judged}} {
			if s.span.From < 0 || s.span.To < s.span.From {
				return fmt.Errorf("manifest: windows.%s is [%d, %d), expected 0 <= from <= to", s.key, s.span.From, s.span.To)
			}
		}
	}
	for i, t := range m.Traces {
		if t.Name == "" || !isDigest(t.Digest) {
			return fmt.Errorf("manifest: traces[%d] is %q with digest %q, expected a name and sha256:<64 hex digits>", i, t.Name, t.Digest)
		}
	}
	if canonical, err := CanonicalJSON(m.Config); err != nil || canonical[0] != '{' {
		return fmt.Errorf("manifest: config is not a JSON object: %w", cmp.Or(err, errors.New("it has another type")))
	}
	for name, v := range m.Metrics {
		if !finite(v) {
			return fmt.Errorf("manifest: metrics.%s is %v, expected a finite number", name, v)
		}
	}
	if err := m.Verdict.validate(); err != nil {
		return err
	}
	return validateFiles(m.Files)
}

func (v *Verdict) validate() error {
	if v == nil {
		return nil
	}
	if v.Verdict != Accepted && v.Verdict != Refused {
		return fmt.Errorf("manifest: verdict is %q, expected %s or %s", v.Verdict, Accepted, Refused)
	}
	for i, r := range v.Rules {
		if r.Rule == "" || !finite(r.Value) || !finite(r.Bound) || r.Champion != nil && !finite(*r.Champion) {
			return fmt.Errorf("manifest: verdict.rules[%d] (%q) has no name or a number that is not finite", i, r.Rule)
		}
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func validateFiles(files []Descriptor) error {
	names := make(map[string]bool, len(files))
	total := int64(0)
	for i, f := range files {
		if err := validName(f.Name); err != nil {
			return fmt.Errorf("manifest: files[%d]: %w", i, err)
		}
		if i > 0 && f.Name <= files[i-1].Name {
			return fmt.Errorf("manifest: files[%d]: %q does not come after %q", i, f.Name, files[i-1].Name)
		}
		if f.MediaType == "" || !isDigest(f.Digest) || f.Size < 0 {
			return fmt.Errorf("manifest: files[%d] (%s): media_type %q, digest %q, size %d: expected a type, sha256:<64 hex digits> and a size >= 0",
				i, f.Name, f.MediaType, f.Digest, f.Size)
		}
		names[f.Name] = true
		if total += f.Size; f.Size > maxFiles || total > maxFiles {
			return fmt.Errorf("manifest: files[%d] (%s): size %d: expected at most %d bytes of all files together", i, f.Name, f.Size, int64(maxFiles))
		}
	}
	for _, f := range files {
		for dir := range folders(f.Name) {
			if names[dir] {
				return fmt.Errorf("manifest: %q is both a file and the folder of %q", dir, f.Name)
			}
		}
	}
	return nil
}

// folders yields the folders that name lies in, the outermost first.
func folders(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i, c := range name {
			if c == '/' && !yield(name[:i]) {
				return
			}
		}
	}
}

// validName accepts names that mean the same file inside the bundle on every system.
func validName(name string) error {
	switch {
	case !fs.ValidPath(name) || name == "." || !utf8.ValidString(name):
		return fmt.Errorf("file name %q, expected a relative slash-separated path without dot segments", name)
	case strings.ContainsAny(name, `\:`) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("file name %q holds a backslash, a colon or a control character", name)
	case name == ManifestName || name == ChecksumName:
		return fmt.Errorf("file name %q is reserved", name)
	}
	return nil
}

func isDigest(s string) bool {
	rest, ok := strings.CutPrefix(s, digestPrefix)
	return ok && isHex(rest) && len(rest) == 2*sha256.Size
}

// isHex reports whether s is lower-case hex digits only.
func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

// EncodeManifest returns the one way to write m: indented JSON with sorted maps and
// files and a final newline. It sorts nothing of m itself.
func EncodeManifest(m *Manifest) ([]byte, error) {
	c := *m
	var err error
	if c.Config, err = CanonicalJSON(m.Config); err != nil {
		return nil, fmt.Errorf("manifest: config: %w", err)
	}
	// An absent list or map and an empty one are the same manifest.
	c.Traces = append([]Trace{}, m.Traces...)
	c.Files = slices.SortedFunc(slices.Values(m.Files), func(a, b Descriptor) int { return strings.Compare(a.Name, b.Name) })
	c.Files = append([]Descriptor{}, c.Files...)
	if c.Metrics == nil {
		c.Metrics = map[string]float64{}
	}
	if m.Verdict != nil {
		v := *m.Verdict
		v.Rules = append([]Rule{}, v.Rules...)
		c.Verdict = &v
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return marshal(&c, "  ")
}

// DecodeManifest reads a manifest. The error wraps ErrSchemaVersion for another schema
// version, whatever else is in the file, and ErrIntegrity for anything that
// EncodeManifest would not have written, byte for byte: an unknown, repeated or missing
// key, another order, an invalid value.
func DecodeManifest(b []byte) (*Manifest, error) {
	if len(b) > maxManifest {
		return nil, fmt.Errorf("%s has %d bytes, expected at most %d: %w", ManifestName, len(b), maxManifest, ErrIntegrity)
	}
	var version struct {
		SchemaVersion *int `json:"schema_version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", ManifestName, ErrIntegrity, err)
	}
	if version.SchemaVersion == nil {
		return nil, fmt.Errorf("%s: schema_version is missing: %w", ManifestName, ErrIntegrity)
	}
	if v := *version.SchemaVersion; v != SchemaVersion {
		return nil, fmt.Errorf("%s: schema_version is %d, expected %d: %w", ManifestName, v, SchemaVersion, ErrSchemaVersion)
	}
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", ManifestName, ErrIntegrity, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: data after the manifest: %w", ManifestName, ErrIntegrity)
	}
	again, err := EncodeManifest(&m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", ManifestName, ErrIntegrity, err)
	}
	if !bytes.Equal(again, b) {
		at := 0
		for at < len(b) && at < len(again) && b[at] == again[at] {
			at++
		}
		return nil, fmt.Errorf("%s: not in canonical form from byte %d on: %w", ManifestName, at, ErrIntegrity)
	}
	m.Config, err = CanonicalJSON(m.Config) // without the manifest's indentation
	return &m, err
}
