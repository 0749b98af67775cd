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
		if content[asONNX(name)], err = encodeTrees(content[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	golden, err := c.Models.MakeGolden(c.Start, c.Minute, c.Seed)
	if err != nil {
		return nil, fmt.Errorf("golden cases: %w", err)
	}
	for _, f := range []struct {
		name string
		v    any
	}{{scheduler.GoldenFile, golden}, {MetricsFile, c.Metrics}} {
		if content[f.name], err = bundle.CanonicalJSON(f.v); err != nil {
			return nil, fmt.Errorf("encode %s: %w", f.name, err)
		}
	}
	content[CardFile] = c.Card.markdown()
	files := make([]bundle.File, 0, len(content))
	for _, name := range slices.Sorted(maps.Keys(content)) {
		files = append(files, bundle.File{Name: name, MediaType: mediaType(name), Data: content[name]})
	}
	return files, nil
}

// asONNX is the name of the file that has the trees of the text file name for other run times.
func asONNX(name string) string { return strings.TrimSuffix(name, ".txt") + ".onnx" }

func encodeTrees(text []byte) ([]byte, error) {
	trees, err := gbdt.ReadText(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	graph, err := Trees(trees)
	if err != nil {
		return nil, err
	}
	return onnx.Encode(graph), nil
}

// CheckONNX reports a file of trees for other run times in b that does not hold the trees of the
// text beside it, which is what golden cases prove. The error wraps bundle.ErrIntegrity.
func CheckONNX(b *bundle.Bundle) error {
	for _, d := range b.Manifest().Files {
		if path.Ext(d.Name) != ".txt" {
			continue
		}
		text, err := b.File(d.Name)
		if err != nil {
			return err
		}
		got, err := b.File(asONNX(d.Name))
		if err != nil {
			return fmt.Errorf("%w: %w", bundle.ErrIntegrity, err)
		}
		want, err := encodeTrees(text)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", bundle.ErrIntegrity, d.Name, err)
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%w: %s does not have the trees of %s", bundle.ErrIntegrity, asONNX(d.Name), d.Name)
		}
	}
	return nil
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
