//go:build parity

package parity_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSample500 takes the real sample all the way: the nightly run, the check of its
// bundle, a replay under it and two baselines, and the figures of both, which a script
// checks from their definitions. The run may take six minutes, or PARITY_LIMIT.
func TestSample500(t *testing.T) {
	dir := sampleStore(t)
	run := filepath.Join(t.TempDir(), "run")
	limit := 6 * time.Minute
	if text := os.Getenv("PARITY_LIMIT"); text != "" {
		var err error
		if limit, err = time.ParseDuration(text); err != nil {
			t.Fatalf("PARITY_LIMIT must be a duration such as 6m: %v", err)
		}
	}
	o := incendio(t, limit, []int{0, 4}, "run", "--config", "testdata/sample500.yaml", "--store", dir, "--trace", "s500", "--out", run, "--json")
	t.Logf("the run took %v, %v of processor time; exit code %d", o.took.Round(time.Second), o.cpu.Round(time.Second), o.code)
	s := decode[struct{ Run, Bundle, Digest, Report, Verdict string }](t, o.stdout)
	if want := map[int]string{0: "accepted", 4: "refused"}[o.code]; s.Verdict != want {
		t.Errorf("the verdict is %q, expected %q with exit code %d", s.Verdict, want, o.code)
	}
	page, err := os.ReadFile(s.Report)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "<svg") {
		t.Errorf("%s has no figure", s.Report)
	}
	openTables(t, filepath.Join(run, "frames"))

	bundle := filepath.Join(run, "bundle")
	checkTrees(t, bundle)
	checkNetworks(t, bundle)
	verified := decode[struct {
		Digest string
		Files  int
		OK     bool
	}](t, incendio(t, time.Minute, []int{0}, "bundle", "verify", bundle, "--store", dir, "--json").stdout)
	if !verified.OK || verified.Digest != s.Digest {
		t.Errorf("bundle verify says %+v, expected the digest %s", verified, s.Digest)
	}

	policies := []string{"native", "faascache", "incendio"}
	o = incendio(t, 3*time.Minute, []int{0}, "simulate", "--store", dir, "--trace", "s500", "--policy", strings.Join(policies, ","), "--bundle", bundle, "--json")
	metrics, err := os.ReadFile(filepath.Join(run, "metrics.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Faults  []string
		Figures map[string]float64
	}
	peer(t, "simulation.py", map[string]any{"simulate": json.RawMessage(o.stdout), "metrics": json.RawMessage(metrics), "policies": policies}, &got)
	for _, f := range got.Faults {
		t.Error(f)
	}
	t.Logf("simulate took %v; mean latency in ms: %v", o.took.Round(time.Millisecond), got.Figures)
}
