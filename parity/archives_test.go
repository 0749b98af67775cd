//go:build parity

package parity_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// TestArchives ingests real traces as Python packs them, in every form: the content must be
// that of the plain files. Of Azure 2021, it is compared with a count of Python's, function
// by function and minute by minute.
func TestArchives(t *testing.T) {
	out, stores := t.TempDir(), t.TempDir()
	single := shared(t, "data", "azure2021", "AzureFunctionsInvocationTraceForTwoWeeksJan2021.csv")
	several := shared(t, "data", "azure2019", "sample500")
	var answer struct {
		Packed    map[string]string
		Rows      int64
		Functions int
		Minutes   [][4]any
		TookUs    int64 `json:"took_us"`
	}
	peer(t, "archives.py", map[string]any{"out": out, "pack": []string{single, several}, "azure2021": single}, &answer)

	format := map[string]string{single: "azure2021", several: "azure2019"}
	digest := map[string]string{}
	for path, f := range format {
		incendio(t, time.Minute, []int{0}, "ingest", f, path, "--name", f, "--store", stores)
		digest[path] = readManifest(t, stores, f).Digest
	}
	if len(answer.Packed) < 25 {
		t.Errorf("%d archives", len(answer.Packed))
	}
	for name, path := range answer.Packed {
		incendio(t, time.Minute, []int{0}, "ingest", format[path], filepath.Join(out, name), "--name", "packed", "--replace", "--store", stores)
		if got := readManifest(t, stores, "packed"); got.Digest != digest[path] {
			t.Errorf("%s: %d invocations, digest %s; the plain files have %s", name, got.Invocations, got.Digest, digest[path])
		}
	}
	t.Logf("%d archives and compressed files of Python's have the content of the plain ones", len(answer.Packed))

	s, err := parquet.Open(stores)
	if err != nil {
		t.Fatal(err)
	}
	trace, err := s.Trace(t.Context(), "azure2021")
	if err != nil {
		t.Fatal(err)
	}
	minutes, took, rows := map[string]int64{}, int64(0), int64(0)
	for day := range trace.Days() {
		seq, ok := trace.DayInvocations(t.Context(), day, datasets.Window{From: 0, To: trace.Days() * datasets.MinutesPerDay})
		if !ok {
			t.Fatalf("day %d: counts alone", day)
		}
		for inv, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			f := trace.Functions[inv.Function]
			minutes[fmt.Sprint(f.App, f.Name, int(inv.Arrival/time.Minute))]++
			took += inv.Duration.Microseconds()
			rows++
		}
	}
	want := map[string]int64{}
	for _, m := range answer.Minutes {
		want[fmt.Sprint(m[0].(string), m[1].(string), int(m[2].(float64)))] = int64(m[3].(float64))
	}
	if rows != answer.Rows || took != answer.TookUs || len(trace.Functions) != answer.Functions || len(minutes) != len(want) {
		t.Errorf("%d invocations of %d functions, %d µs, %d cells; Python has %d of %d, %d µs, %d cells",
			rows, len(trace.Functions), took, len(minutes), answer.Rows, answer.Functions, answer.TookUs, len(want))
	}
	var differ []string
	for k, n := range want {
		if minutes[k] != n {
			differ = append(differ, fmt.Sprintf("%s: %d, Python %d", k, minutes[k], n))
		}
	}
	slices.Sort(differ)
	for _, d := range differ[:min(5, len(differ))] {
		t.Error(d)
	}
	t.Logf("azure2021: %d invocations of %d functions, %.1f s of execution, %d cells as Python counts them", rows, len(trace.Functions), float64(took)/1e6, len(want))
}
