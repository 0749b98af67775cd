package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/pipelines"
)

// deployed is the folder of what operators copy.
const deployed = "../../deploy"

// commandsOf returns the command lines of the program in a file of deploy.
func commandsOf(t *testing.T, name string) [][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(deployed, name))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for _, m := range regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/incendio (.*)$`).FindAllSubmatch(data, -1) {
		out = append(out, strings.Fields(string(m[1])))
	}
	for _, m := range regexp.MustCompile(`(?m)^(?:exec )?incendio (.*)$`).FindAllSubmatch(data, -1) {
		out = append(out, strings.Fields(strings.ReplaceAll(string(m[1]), `"$store"`, "/var/lib/incendio")))
	}
	for _, m := range regexp.MustCompile(`(?m)^ +args: \[(.*)\]$`).FindAllSubmatch(data, -1) {
		var line []string
		for _, a := range regexp.MustCompile(`"([^"]*)"|([^ ,"]+)`).FindAllStringSubmatch(string(m[1]), -1) {
			line = append(line, a[1]+a[2])
		}
		out = append(out, line)
	}
	return out
}

// Every command that is deployed is one that the program knows, with flags that it has.
func TestDeployedCommands(t *testing.T) {
	for _, name := range []string{"incendio.service", "incendio-nightly", "kubernetes/cronjob.yaml"} {
		lines := commandsOf(t, name)
		if len(lines) != 2 || lines[0][0] != "ingest" || lines[1][0] != "run" {
			t.Errorf("%s: commands %q, want an ingest and a run", name, lines)
		}
		for _, line := range lines {
			if code, _, stderr := incendio(t, append(line, "--help")...); code != 0 {
				t.Errorf("%s: %q: exit code %d\n%s", name, line, code, stderr)
			}
		}
	}
}

// A pod is not tried again for an exit code that a second try cannot mend, and is for the others.
func TestDeployedExitCodes(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(deployed, "kubernetes/cronjob.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`values: \[([0-9, ]+)\]`).FindSubmatch(data)
	if m == nil {
		t.Fatal("no exit codes in the cron job")
	}
	var got []int
	for _, text := range strings.Split(string(m[1]), ", ") {
		code, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, code)
	}
	if want := []int{codeError, codeUsage, codeInput, codeIntegrity, codeNotFound}; !slices.Equal(got, want) {
		t.Errorf("the job fails at once for %v, want %v", got, want)
	}
}

func TestDeployedConfiguration(t *testing.T) {
	cfg := pipelines.DefaultConfig()
	if _, err := readConfig(filepath.Join(deployed, "kubernetes/nightly.yaml"), schemaOf(&cfg).open()); err != nil {
		t.Error(err)
	}
}
