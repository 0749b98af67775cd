package main

import "testing"

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
