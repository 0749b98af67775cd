//go:build parity

package parity_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// The real sample: what other programs counted in it.
const (
	sampleFunctions   = 419
	sampleInvocations = 2863547
)

// ingested is a store with the real sample as the trace s500.
var ingested = struct {
	sync.Once
	dir string
}{}

func sampleStore(t *testing.T) string {
	t.Helper()
	source := shared(t, "data", "azure2019", "sample500")
	ingested.Do(func() {
		dir := scratch(t, "store")
		o := incendio(t, time.Minute, []int{0}, "ingest", "azure2019", source, "--name", "s500", "--store", dir, "--json")
		ingested.dir = dir
		d := decode[struct{ Functions, Invocations int }](t, o.stdout)
		t.Logf("ingest of %d functions and %d invocations took %v", d.Functions, d.Invocations, o.took.Round(time.Millisecond))
		if d.Functions != sampleFunctions || d.Invocations != sampleInvocations {
			t.Errorf("ingest says %d functions and %d invocations, expected %d and %d", d.Functions, d.Invocations, sampleFunctions, sampleInvocations)
		}
	})
	if ingested.dir == "" {
		t.Fatal("there is no store: the ingest of another test failed")
	}
	return ingested.dir
}

// scratch returns a path beside the program, for what several tests share.
func scratch(t *testing.T, elem ...string) string {
	t.Helper()
	name, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(append([]string{filepath.Dir(name)}, elem...)...)
}

// TestStoreOpens reads the store of the real sample with DuckDB, pyarrow and pandas:
// every minute of every function must be the one of the CSV file.
func TestStoreOpens(t *testing.T) {
	dir := sampleStore(t)
	openTables(t, dir)

	trace := filepath.Join(dir, "traces", "s500")
	var got struct {
		CSV, DuckDB, PyArrow, Pandas int64
		Functions, Cells             int
		OtherFunctions               []string `json:"other_functions"`
		OtherSums                    []string `json:"other_sums"`
		OtherCells                   []string `json:"other_cells"`
	}
	peer(t, "counts.py", map[string]string{
		"trace": trace,
		"csv":   shared(t, "data", "azure2019", "sample500", "invocations.csv"),
	}, &got)
	t.Logf("%d functions, %d minutes with invocations; sums: CSV %d, DuckDB %d, pyarrow %d, pandas %d",
		got.Functions, got.Cells, got.CSV, got.DuckDB, got.PyArrow, got.Pandas)
	for reader, sum := range map[string]int64{"the CSV reader": got.CSV, "DuckDB": got.DuckDB, "pyarrow": got.PyArrow, "pandas": got.Pandas} {
		if sum != sampleInvocations {
			t.Errorf("%s counts %d invocations, expected %d", reader, sum, sampleInvocations)
		}
	}
	if got.Functions != sampleFunctions {
		t.Errorf("functions.parquet has %d functions, expected %d", got.Functions, sampleFunctions)
	}
	for what, names := range map[string][]string{
		"functions of one side only": got.OtherFunctions, "functions with another sum": got.OtherSums, "minutes with another count": got.OtherCells,
	} {
		if len(names) > 0 {
			t.Errorf("%d %s, the first %s", len(names), what, names[0])
		}
	}
}

// TestFramesOpen does so with the tables of a run and of a store with several days.
func TestFramesOpen(t *testing.T) {
	store, run := smallRun(t)
	names := openTables(t, store)
	if n := len(names); n != 5 {
		t.Errorf("the store of four days has %d tables, expected one a day and the functions: %v", n, names)
	}
	names = openTables(t, filepath.Join(run, "frames"))
	for _, want := range []string{"components.parquet", "decomposition.parquet"} {
		if _, ok := names[want]; !ok {
			t.Errorf("frames has no %s: %v", want, names)
		}
	}
}

// openTables reads every Parquet file under root with the three readers, which must see
// the same rows, and returns the numbers of rows by name.
func openTables(t *testing.T, root string) map[string]int64 {
	t.Helper()
	var got struct {
		Files []struct {
			Name    string
			Rows    int64
			Columns int
		}
	}
	peer(t, "tables.py", map[string]string{"root": root}, &got)
	out := map[string]int64{}
	for _, f := range got.Files {
		t.Logf("%s: %d rows, %d columns", f.Name, f.Rows, f.Columns)
		out[f.Name] = f.Rows
		if f.Rows == 0 {
			t.Errorf("%s: no rows", f.Name)
		}
	}
	if len(out) == 0 {
		t.Errorf("%s has no Parquet files", root)
	}
	return out
}

var small sync.Once

// smallRun returns the store and the folder of the run that testdata/small.yaml
// describes.
func smallRun(t *testing.T) (store, run string) {
	t.Helper()
	store, run = scratch(t, "small-store"), scratch(t, "small-run")
	small.Do(func() {
		// Refused or not: a run so small may well lose to the rules.
		o := incendio(t, 3*time.Minute, []int{0, 4}, "run", "--config", "testdata/small.yaml", "--store", store, "--out", run, "--json")
		t.Logf("the small run took %v, %v of processor time; exit code %d", o.took.Round(time.Millisecond), o.cpu.Round(time.Millisecond), o.code)
	})
	if _, err := os.Stat(filepath.Join(run, "run.json")); err != nil {
		t.Fatalf("there is no small run: %v", err)
	}
	return store, run
}
