//go:build parity

package parity_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFourTraces runs the lines of docs/traces.md that take the four traces of the paper
// from files to tables, in a folder beside the real ones.
func TestFourTraces(t *testing.T) {
	doc, err := os.ReadFile("../docs/traces.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(doc), "\n## The four traces of the paper\n")
	lines, _, fenced := strings.Cut(section[strings.Index(section, "```sh\n")+6:], "```\n")
	if !found || !fenced {
		t.Fatal("docs/traces.md has no lines for the four traces of the paper")
	}
	name, err := program()
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	work := filepath.Join(parent, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(shared(t, "data")), filepath.Join(parent, "shared")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", lines)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(name)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, problems.String())
	}
	for _, want := range []string{
		`(?m)^2,863,547 requests in minutes \[479, 959\) of azure2019,$`,
		`(?m)^998 requests in minutes .* of azure2021,$`,
		`(?m)^11 requests in minutes .* of huawei,$`,
		`(?m)^3 requests in minutes .* of alibaba,$`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no line %s", want)
		}
	}
	if n := strings.Count(string(out), "\n      native "); n != 4 {
		t.Errorf("%d tables, expected 4", n)
	}
	t.Logf("%s", out)
}
