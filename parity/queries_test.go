//go:build parity

package parity_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestQueries runs the queries of docs/traces.md on the store of a trace of three days, with
// the programs that they are for.
func TestQueries(t *testing.T) {
	doc, err := os.ReadFile("../docs/traces.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(doc), "\n## The store\n")
	section, _, ended := strings.Cut(section, "\n## ")
	if !found || !ended {
		t.Fatal("docs/traces.md has no section on the store")
	}
	var queries []string
	for _, block := range strings.Split(section, "```python\n")[1:] {
		code, _, fenced := strings.Cut(block, "```\n")
		if !fenced {
			t.Fatalf("a block of code that does not end: %.80q", block)
		}
		queries = append(queries, code)
	}
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls.csv")
	// By hand: 2, 1 and 3 invocations a day, the longest of 9 s on day 2.
	text := "function,arrival,duration_ms\n" +
		"pay,2026-03-02T00:00:01Z,5\npay,2026-03-02T00:00:02Z,\nlist,2026-03-03T23:59:59Z,1500\n" +
		"pay,2026-03-04T12:00:00Z,9000\npay,2026-03-04T12:00:01Z,20\nlist,2026-03-04T13:00:00Z,7\n"
	if err := os.WriteFile(calls, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "store")
	incendio(t, time.Minute, []int{0}, "ingest", "invocations", calls, "--name", "t", "--store", store)
	var got struct {
		Days             map[string][][]int64
		Busiest, Longest [][]any
	}
	peer(t, "queries.py", map[string]any{"trace": filepath.Join(store, "traces", "t"), "queries": queries}, &got)
	if len(got.Days) != 8 {
		t.Errorf("%d answers, expected those of four programs, each by the document and by the names of the files", len(got.Days))
	}
	for name, days := range got.Days {
		if fmt.Sprint(days) != "[[0 2] [1 1] [2 3]]" {
			t.Errorf("%s: %v", name, days)
		}
	}
	if want := "[[pay 0 2 0] [pay 2 2 720] [list 1 1 1439] [list 2 1 780]]"; fmt.Sprint(got.Busiest) != want {
		t.Errorf("busiest %v, expected %s", got.Busiest, want)
	}
	if want := "[[pay 2 9] [list 1 1.5] [list 2 0.007] [pay 0 0.005]]"; fmt.Sprint(got.Longest) != want {
		t.Errorf("longest %v, expected %s", got.Longest, want)
	}
	t.Logf("%v", got)
}
