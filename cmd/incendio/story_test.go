//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestStory runs the commands of docs/operations.md, "A rollback in production", one after the
// other in one shell, and compares what they print with the page: numbers, digests and times
// may be others, and a line … stands for any lines. So neither the page nor the program can
// change alone. Beside the page the folder has days of a synthetic trace and a
// configuration whose gates let candidates through but for their cost.
func TestStory(t *testing.T) {
	if testing.Short() {
		t.Skip("three nights")
	}
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, story, ok := strings.Cut(string(page), "\n## A rollback in production\n")
	if !ok {
		t.Fatal("docs/operations.md has no section of that name")
	}
	story, _, _ = strings.Cut(story, "\n## ")
	steps := stepsOf(story)
	if len(steps) < 20 {
		t.Fatalf("%d commands in the story, expected more", len(steps))
	}
	dir := t.TempDir()
	prepare(t, dir)

	// Marks between the commands, which keep the exit code for $?.
	const mark = "@@@"
	var script strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&script, "code=$?; echo '%s%d'; (exit $code)\n%s\n", mark, i, s.command)
	}
	sh := exec.Command("sh", "-c", script.String())
	sh.Dir = dir
	out, err := sh.CombinedOutput()
	if exit, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err, exit)
	}
	printed := strings.Split(string(out), mark)
	if len(printed) != len(steps)+1 {
		t.Fatalf("%d of %d commands ran:\n%s", len(printed)-1, len(steps), out)
	}
	for i, s := range steps {
		_, text, _ := strings.Cut(printed[i+1], "\n")
		var got []string
		for line := range strings.Lines(text) {
			if line = strings.TrimRight(line, " \n"); !strings.HasPrefix(line, "time=") { // the log
				got = append(got, line)
			}
		}
		if !fits(s.output, got) {
			t.Errorf("%s\nprints\n%s\nand the page says\n%s", s.command, strings.Join(got, "\n"), strings.Join(s.output, "\n"))
		}
	}
}

// A step of a story is a command and the lines that it prints.
type step struct {
	command string
	output  []string
}

// stepsOf are the commands of the console blocks of a text. A line that ends in a backslash
// goes on.
func stepsOf(text string) []step {
	var steps []step
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case strings.HasPrefix(line, "$ "):
			steps = append(steps, step{command: line[2:]})
		case len(steps) > 0:
			s := &steps[len(steps)-1]
			if len(s.output) == 0 && strings.HasSuffix(s.command, `\`) {
				s.command += "\n" + line
			} else {
				s.output = append(s.output, line)
			}
		}
	}
	return steps
}

// What is another one in each run: digests, times, counts and figures.
var differs = regexp.MustCompile(`[0-9a-f]{12,}|[-+]?[0-9][0-9.,:TZ-]*(e[-+]?[0-9]+)?`)

func fits(page, got []string) bool {
	same := func(a, b string) bool {
		form := func(s string) string {
			return strings.Join(strings.Fields(differs.ReplaceAllString(s, "N")), " ")
		}
		return form(a) == form(b)
	}
	if len(page) == 0 {
		return len(got) == 0
	}
	if page[0] == "…" {
		for skip := 0; skip <= len(got); skip++ {
			if fits(page[1:], got[skip:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && same(page[0], got[0]) && fits(page[1:], got[1:])
}

// prepare makes what the story begins with: nightly.yaml, and the folders of days.
func prepare(t *testing.T, dir string) {
	t.Helper()
	config, err := os.ReadFile("testdata/tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(config), "trace: synthetic", "trace: production", 1) +
		"gates: {forecast: 10, coverage: 1, latency: 10, dropped: 1, scenario: 100, champion: {forecast: 10, latency: 10, dropped: 1, max_age: 24h}}\n"
	if err := os.WriteFile(filepath.Join(dir, "nightly.yaml"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	all := filepath.Join(dir, "all")
	if code, _, stderr := incendio(t, "synth", "--layout", "azure2019", "--functions", "30", "--days", "5", "--out", all); code != 0 {
		t.Fatal(stderr)
	}
	for day, folder := range []string{"history", "history", "history", "thursday", "friday"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o777); err != nil {
			t.Fatal(err)
		}
		names, err := filepath.Glob(filepath.Join(all, fmt.Sprintf("*d%02d.csv", day+1)))
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			if err := os.Rename(name, filepath.Join(dir, folder, filepath.Base(name))); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestFits: the comparison of the story with the page can fail.
func TestFits(t *testing.T) {
	for _, c := range []struct {
		page, got string
		want      bool
	}{
		{"a 12\nb", "a 3.5\nb", true}, {"a 12", "b 12", false}, {"…\nb", "x\ny\nb", true}, {"…\nb", "x\nb\ny", false}, {"…\nb\n…", "x\nb\ny", true},
		{"champion: 0123456789abcdef", "champion: fedcba9876543210", true}, {"a", "a\nb", false}, {"verdict REFUSED", "verdict ACCEPTED", false},
	} {
		if got := fits(strings.Split(c.page, "\n"), strings.Split(c.got, "\n")); got != c.want {
			t.Errorf("%q fits %q: %t", c.got, c.page, got)
		}
	}
}
