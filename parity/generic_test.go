//go:build parity

package parity_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A manifest is what the store says of a trace.
type manifest struct {
	Digest, Start string
	Functions     int
	Invocations   int64
	Days          []struct{ Rows, Invocations int64 }
	Notes         []string
}

func readManifest(t *testing.T, store, name string) manifest {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(store, "traces", name, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	return decode[manifest](t, raw)
}

// Every file of counts among the real traces, with the flags that docs/traces.md tells.
var countsFiles = []struct {
	name, format, path string // below data
	flags              []string
	count              string // the column; "": the layout of the Azure trace of 2019
	start              string
}{
	{"total", "counts", "azure2019/total/per_minute.csv", []string{"--columns", "count=invocations", "--day-origin", "1", "--minute-origin", "1", "--start", "2019-07-15"}, "invocations", "2019-07-15T00:00:00Z"},
	{"r1", "counts", "huawei2025/coldstarts/R1.csv", []string{"--columns", "count=cold_starts"}, "cold_starts", "1970-01-01T00:00:00Z"},
	{"r2", "counts", "huawei2025/coldstarts/R2.csv", []string{"--columns", "count=cold_starts"}, "cold_starts", "1970-01-01T00:00:00Z"},
	{"r4", "counts", "huawei2025/coldstarts/R4.csv", []string{"--columns", "count=cold_starts"}, "cold_starts", "1970-01-01T00:00:00Z"},
	{"sample", "azure2019", "azure2019/sample500/invocations.csv", nil, "", "2019-07-15T00:00:00Z"},
	{"shapes", "azure2019", "azure2019/shapes/invocations_per_function_md.anon.d01.csv.gz", nil, "", "2019-07-15T00:00:00Z"},
}

// TestCountsFiles ingests all of them: sums, by day too, must be those that Python
// counts. It then ingests one of them as written down in other ways by pandas, pyarrow
// and DuckDB, which must not change the content.
func TestCountsFiles(t *testing.T) {
	store, out := t.TempDir(), t.TempDir()
	type question struct {
		Path   string `json:"path"`
		Kind   string `json:"kind,omitempty"`
		Day    string `json:"day"`
		Minute string `json:"minute"`
		Count  string `json:"count"`
	}
	var job struct {
		Files   []question `json:"files"`
		Rewrite string     `json:"rewrite"`
		Out     string     `json:"out"`
	}
	for _, f := range countsFiles {
		q := question{Path: shared(t, "data", f.path), Day: "day", Minute: "minute", Count: f.count}
		if f.count == "" {
			q.Kind = "wide"
		}
		job.Files = append(job.Files, q)
	}
	job.Rewrite, job.Out = shared(t, "data", countsFiles[0].path), out
	var answer struct {
		Files []struct {
			Total, Cells int64
			Series       int
			Days         []int64
		}
		Written []string
	}
	peer(t, "generic.py", job, &answer)
	for i, f := range countsFiles {
		path := shared(t, "data", f.path)
		if f.count == "" {
			path = filepath.Dir(path)
		}
		incendio(t, time.Minute, []int{0}, append([]string{"ingest", f.format, path, "--name", f.name, "--store", store}, f.flags...)...)
		got, want := readManifest(t, store, f.name), answer.Files[i]
		var days []int64
		cells := int64(0)
		for _, d := range got.Days {
			days = append(days, d.Invocations)
			cells += d.Rows
		}
		if got.Invocations != want.Total || cells != want.Cells || got.Functions != want.Series || got.Start != f.start || !slices.Equal(days, want.Days) {
			t.Errorf("%s: %d in %d cells of %d functions from %s, by day %v; Python has %d in %d of %d, %v", f.path,
				got.Invocations, cells, got.Functions, got.Start, days, want.Total, want.Cells, want.Series, want.Days)
		}
		t.Logf("%s: %d invocations in %d cells of %d functions, %d days", f.path, want.Total, want.Cells, want.Series, len(want.Days))
	}
	if len(answer.Written) != 9 {
		t.Errorf("%d files were written: %v", len(answer.Written), answer.Written)
	}
	digest := readManifest(t, store, "total").Digest
	for _, name := range answer.Written {
		incendio(t, time.Minute, []int{0}, "ingest", "counts", filepath.Join(out, name), "--name", "again-"+name, "--store", store)
		if got := readManifest(t, store, "again-"+name); got.Digest != digest {
			t.Errorf("%s: %d invocations from %s, digest %s; expected %s", name, got.Invocations, got.Start, got.Digest, digest)
		}
	}
	t.Logf("written by pandas, pyarrow and DuckDB with the same content: %v", answer.Written)
}
