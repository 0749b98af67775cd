package main

import (
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// What a bundle or a trace says of itself cannot move the cursor, colour a line or hide one.
func TestPrintable(t *testing.T) {
	const evil = "a\x1b[2J\rb\x00c\u202ed\u200be\u0085f ü…"
	if got, want := printable(evil+"\n"), "a\uFFFD[2J\uFFFDb\uFFFDc\uFFFDd\uFFFDe\uFFFDf ü…\uFFFD"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
	if got, want := printableText("# a\x1b]0;x\x07\n\n- b\n"), "# a\uFFFD]0;x\uFFFD\n\n- b\n"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
}

// Names of traces and policies come from manifests and reports that others may have written.
func TestTablesArePrintable(t *testing.T) {
	const evil = "a\x1b[2J\rb"
	var out strings.Builder
	describe(&out, parquet.Description{Name: evil, Format: evil})
	portrait{Description: parquet.Description{Name: evil, Notes: []string{evil}, Digest: evil}, Label: evil, Digest: evil}.write(&out, width{text: 80, picture: 40})
	a := app{out: &out}
	if err := a.printPolicies(&sim.Report{Trace: evil, Label: evil, Policies: []sim.Row{{Name: evil}, {Name: evil, Kind: sim.KindBound}}}); err != nil {
		t.Fatal(err)
	}
	if err := writeList(&out, []bundle.Record{{BundleVersion: evil, Traces: []string{evil}, Problem: evil}}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\x1b\r") || strings.Count(text, "a\uFFFD[2J\uFFFDb") < 9 {
		t.Errorf("%q", text)
	}
}

// TestBundleList: what an owner looks for stands in the table, and what is not known is a
// dash.
func TestBundleList(t *testing.T) {
	at := time.Date(2026, 3, 9, 2, 0, 0, 0, time.UTC)
	list := []bundle.Record{
		{
			Digest: strings.Repeat("a", 64), BundleVersion: "7", Verdict: bundle.Accepted, Traces: []string{"web"}, Aliases: []string{"canary", "champion"}, Imported: "2026-03-06T01:00:00Z",
			Metrics: map[string]float64{"valid/cost_s_per_request": 2.5, "valid/index_cost": 0.5, "valid/native_cost": 0.5, "valid/stack_cost": 1.5},
		},
		{Digest: strings.Repeat("b", 64), Imported: "2026-03-09T01:01:00Z", Problem: "is gone"},
	}
	var out strings.Builder
	if err := writeList(&out, list, at); err != nil {
		t.Fatal(err)
	}
	const want = `
BUNDLE        VERSION  VERDICT   TRACE  COST S  INDEX  STACK  AGE     ALIASES
aaaaaaaaaaaa  7        accepted  web    2.500   1.000  2.718  3 d     canary, champion
bbbbbbbbbbbb  -        -         -      -       -      -      59 min  - is gone
`
	if out.String() != want[1:] {
		t.Errorf("\n%s, expected\n%s", out.String(), want[1:])
	}
	for d, want := range map[time.Duration]string{-time.Hour: "0 s", 119 * time.Second: "119 s", 47 * time.Hour: "47 h", 48 * time.Hour: "2 d"} {
		if got := age(d); got != want {
			t.Errorf("%v is %q, expected %q", d, got, want)
		}
	}
}
