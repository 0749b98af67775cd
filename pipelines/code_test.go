package pipelines_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	incendio "github.com/incendio-faas/incendio"
	"github.com/incendio-faas/incendio/pipelines/stage"
)

// TestSources: the digest of the code of every stage is made of what the go command compiles
// into it. A folder deeper than the patterns of sources.go, or a kind of file that they leave
// out, fails here.
func TestSources(t *testing.T) {
	type listed struct {
		ImportPath                                  string
		GoFiles, IgnoredGoFiles, SFiles, EmbedFiles []string
		HFiles, OtherFiles                          []string
	}
	code := stage.NewCode(incendio.Module, incendio.Sources)
	steps := incendio.Module + "/pipelines/steps/"
	for _, step := range stages {
		cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,GoFiles,IgnoredGoFiles,SFiles,EmbedFiles,HFiles,OtherFiles", steps+step)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, &stderr)
		}
		packages, err := code.Packages(steps + step)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for dec := json.NewDecoder(bytes.NewReader(out)); ; {
			var p listed
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			dir, ok := strings.CutPrefix(p.ImportPath, incendio.Module+"/")
			if !ok {
				continue
			}
			n++
			if !slices.Contains(packages, p.ImportPath) {
				t.Errorf("stage %s: no digest of %s, which it imports", step, p.ImportPath)
				continue
			}
			files, err := code.Files(p.ImportPath)
			if err != nil {
				t.Error(err)
			}
			for _, f := range slices.Concat(p.GoFiles, p.SFiles, p.EmbedFiles, p.HFiles, p.OtherFiles) {
				if !slices.Contains(files, path.Join(dir, f)) {
					t.Errorf("stage %s: %s is no part of its digest: add a pattern to sources.go", step, path.Join(dir, f))
				}
			}
		}
		if n < 5 {
			t.Errorf("stage %s imports %d packages of the module", step, n)
		}
	}
}

// TestStagesApart: a change of the code of one stage leaves those alone that do not use it.
func TestStagesApart(t *testing.T) {
	code := stage.NewCode(incendio.Module, incendio.Sources)
	for _, c := range []struct{ step, without string }{
		{"features", "train/agent"}, {"forecast", "train/agent"}, {"forecast", "scheduler/sim"},
		{"slices", "train/forecast"}, {"tune", "train/agent"}, {"agents", "pipelines/report"},
	} {
		packages, err := code.Packages(incendio.Module + "/pipelines/steps/" + c.step)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(packages, incendio.Module+"/"+path.Clean(c.without)) {
			t.Errorf("stage %s imports %s: a change of that would run it again", c.step, c.without)
		}
	}
}
