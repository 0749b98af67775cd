// Package layering_test keeps the direction of imports that docs/architecture.md
// promises: its picture, row by row, and four facts about what comes with a package.
package layering_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/incendio-faas/incendio"

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// packages lists the module's packages by their path below the module.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", module+"/...")
	cmd.Env = append(cmd.Environ(), "GOWORK=off") // of this module alone, not of examples/embed
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")] = p
	}
	for _, name := range []string{"cmd/incendio", "pipelines", "scheduler", "scheduler/sim", "features", "datasets/parquet"} {
		if _, ok := all[name]; !ok {
			t.Fatalf("no package %s: the layering cannot be checked", name)
		}
	}
	return all
}

func below(name, root string) bool { return name == root || strings.HasPrefix(name, root+"/") }

func isAny(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return below(path, p) })
}

// Fact 1: a control plane that imports scheduler gets no storage library and no tool of
// the command line; and by the picture, in which all that stands above it, no training.
func TestSchedulerStandsAlone(t *testing.T) {
	banned := []string{
		module + "/datasets/parquet",
		"github.com/apache/arrow", "github.com/owulveryck/onnx-go", "gorgonia.org",
		"gonum.org/v1/plot", "github.com/spf13/viper", "github.com/spf13/cobra", "github.com/schollz/progressbar",
	}
	for name, p := range packages(t) {
		if !below(name, "scheduler") {
			continue
		}
		for _, d := range p.Deps {
			if isAny(d, banned) {
				t.Errorf("%s depends on %s", name, d)
			}
		}
	}
}

// Fact 2: training and run time share the code of the features, which by the picture
// knows neither.
func TestFeaturesAreSharedByTrainingAndRunTime(t *testing.T) {
	all := packages(t)
	for _, user := range []string{"scheduler/forecast", "train/forecast"} {
		if !slices.Contains(all[user].Imports, module+"/features") {
			t.Errorf("%s does not import features", user)
		}
	}
	for _, d := range all["features/prophet"].Deps {
		if d == module+"/features/prophet/fit" || below(d, "gonum.org/v1/gonum/optimize") || below(d, "github.com/rickar/cal") {
			t.Errorf("features/prophet, which evaluates, depends on %s, which fits", d)
		}
	}
}

// Fact 3: the simulator drives the real scheduler and the real policies.
func TestSimulatorRunsTheRealScheduler(t *testing.T) {
	all := packages(t)
	if !slices.Contains(all["scheduler/sim"].Imports, module+"/scheduler") {
		t.Error("scheduler/sim does not import scheduler")
	}
}

// Fact 4: configuration, commands, progress bars and exits stay in cmd/incendio.
func TestTerminalStaysInCommand(t *testing.T) {
	for name, p := range packages(t) {
		if below(name, "cmd") {
			continue
		}
		for _, i := range p.Imports {
			if isAny(i, []string{"github.com/spf13/viper", "github.com/spf13/cobra", "github.com/schollz/progressbar", "flag", "golang.org/x/term"}) {
				t.Errorf("%s imports %s", name, i)
			}
		}
	}
	cmd := exec.Command("git", "grep", "-n", "-w", "-F", "os.Exit", "--", "*.go", ":(exclude)*_test.go")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		t.Fatalf("git grep: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "cmd/incendio/") {
			t.Errorf("os.Exit outside cmd/incendio: %s", line)
		}
	}
}

// Arrow and Prometheus are behind one package each, and the formats need the standard library alone.
func TestDependenciesHaveOneDoor(t *testing.T) {
	all := packages(t)
	for name, p := range all {
		for _, i := range p.Imports {
			if below(i, "github.com/apache/arrow") && !below(name, "datasets/parquet") {
				t.Errorf("%s imports %s: only datasets/parquet may", name, i)
			}
		}
	}
	for name, p := range all {
		for _, d := range p.Deps {
			if below(d, "github.com/prometheus") && name != "scheduler/runner/prometheus" {
				t.Errorf("%s depends on %s: only scheduler/runner/prometheus may", name, d)
			}
		}
	}
	for _, name := range []string{"datasets", "export/bundle"} {
		for _, d := range all[name].Deps {
			if first, _, _ := strings.Cut(d, "/"); strings.Contains(first, ".") && !below(d, module) && !below(d, "golang.org/x/sys") {
				t.Errorf("%s depends on %s, not on the standard library alone", name, d)
			}
		}
	}
}
