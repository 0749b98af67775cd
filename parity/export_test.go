//go:build parity

package parity_test

import (
	"path/filepath"
	"testing"
	"time"
)

// TestExport takes real traces out of the store and in again, in the layout that holds
// all of each: the content must be the same.
func TestExport(t *testing.T) {
	store, out, ok := t.TempDir(), t.TempDir(), []int{0}
	for _, c := range []struct {
		name, format, path string // below data
		flags              []string
	}{
		{"sample", "azure2019", "azure2019/sample500", nil},
		{"shapes", "azure2019", "azure2019/shapes", nil},
		{"total", "counts", "azure2019/total/per_minute.csv", []string{"--columns", "count=invocations", "--day-origin", "1", "--minute-origin", "1", "--start", "2019-07-15"}},
		{"cold", "counts", "huawei2025/coldstarts/R1.csv", []string{"--columns", "count=cold_starts"}},
	} {
		incendio(t, time.Minute, ok, append([]string{"ingest", c.format, shared(t, "data", c.path), "--name", c.name, "--store", store}, c.flags...)...)
		dir := filepath.Join(out, c.name)
		got := decode[struct{ Lost []string }](t, incendio(t, time.Minute, ok, "traces", "export", "--trace", c.name, "--layout", c.format, "--out", dir, "--store", store, "--json").stdout)
		if len(got.Lost) > 0 {
			t.Errorf("%s: lost %q", c.name, got.Lost)
		}
		incendio(t, time.Minute, ok, "ingest", c.format, dir, "--name", c.name+"-again", "--store", store)
		before, after := readManifest(t, store, c.name), readManifest(t, store, c.name+"-again")
		if before.Digest != after.Digest {
			t.Errorf("%s: %d functions, %d invocations from %s; came back as %d, %d from %s", c.name,
				before.Functions, before.Invocations, before.Start, after.Functions, after.Invocations, after.Start)
		}
		t.Logf("%s: %d functions and %d invocations came back as they were", c.name, after.Functions, after.Invocations)
	}
}
