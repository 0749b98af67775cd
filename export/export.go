// Package export maps models to the files of a bundle: what the run time reads, the
// same trees and Q-networks as ONNX for other runtimes, the golden cases that prove a
// reader right, and a card for people.
package export

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// Names of the files that the run time does not read.
const (
	MetricsFile = "metrics.json"
	CardFile    = "card.md"
)

// A Candidate is what becomes a bundle.
type Candidate struct {
	Models   *scheduler.Models
	Manifest bundle.Manifest // without files
	Metrics  any             // of training and validation, for MetricsFile

	Start  time.Time // the midnight UTC of minute 0 of the trace
	Minute int       // at which golden counts begin
	Seed   uint64

	Card Card
}

// Files returns the files of the bundle, in order of their names. Equal candidates have
// equal files.
func (c *Candidate) Files() ([]bundle.File, error) {
	content, err := c.Models.Files()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(content)) { // content grows meanwhile
		if path.Ext(name) != ".txt" {
			continue
		}
		trees, err := gbdt.ReadText(bytes.NewReader(content[name]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		graph, err := Trees(trees)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		content[strings.TrimSuffix(name, ".txt")+".onnx"] = onnx.Encode(graph)
	}
	golden, err := c.Models.MakeGolden(c.Start, c.Minute, c.Seed)
	if err != nil {
		return nil, fmt.Errorf("golden cases: %w", err)
	}
	for name, v := range map[string]any{scheduler.GoldenFile: golden, MetricsFile: c.Metrics} {
		if content[name], err = bundle.CanonicalJSON(v); err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
	}
	content[CardFile] = c.Card.markdown()
	files := make([]bundle.File, 0, len(content))
	for _, name := range slices.Sorted(maps.Keys(content)) {
		files = append(files, bundle.File{Name: name, MediaType: mediaType(name), Data: content[name]})
	}
	return files, nil
}

func mediaType(name string) string {
	switch path.Ext(name) {
	case ".onnx":
		return bundle.MediaTypeONNX
	case ".txt":
		return bundle.MediaTypeLightGBM
	case ".md":
		return bundle.MediaTypeMarkdown
	}
	return bundle.MediaTypeJSON
}

// Write writes the candidate as the bundle dir, in place of an older one.
func (c *Candidate) Write(dir string) (*bundle.Bundle, error) {
	files, err := c.Files()
	if err != nil {
		return nil, err
	}
	return bundle.Replace(dir, c.Manifest, files)
}

// A Card tells people what a bundle is, how it was made and where it should not be
// trusted.
type Card struct {
	Title    string
	Trace    string   // one line
	Window   string   // one line
	Made     []string // how, a line each
	Results  []string // on the validation part, a line each
	Limits   []string // a line each
	Includes []string // files that want a word, "name: word"
}

func (c Card) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s\n\n%s\n", c.Title, c.Trace, c.Window)
	for _, s := range []struct {
		head  string
		lines []string
	}{{"How it was made", c.Made}, {"What it scored on the validation part", c.Results}, {"Limits", c.Limits}, {"Files", c.Includes}} {
		if len(s.lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n", s.head)
		for _, l := range s.lines {
			fmt.Fprintf(&b, "- %s\n", l)
		}
	}
	return b.Bytes()
}
