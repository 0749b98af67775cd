package main

import (
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets/parquet"
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
	if text := out.String(); strings.ContainsAny(text, "\x1b\r") || strings.Count(text, "a\uFFFD[2J\uFFFDb") < 6 {
		t.Errorf("%q", text)
	}
}
