package datasets_test

import (
	"testing"

	"github.com/incendio-faas/incendio/datasets"
)

func TestLabel(t *testing.T) {
	for format, want := range map[string][2]string{
		"azure2019":      {"", ""},
		"synthetic":      {"synthetic", "synthetic: generated"},
		"semi-synthetic": {"semi-synthetic", "synthetic: generated"},
	} {
		trace := datasets.Trace{Format: format, Notes: []string{"synthetic: generated", "more"}}
		if trace.Label() != want[0] || trace.Caveat() != want[1] || datasets.Label(format) != want[0] {
			t.Errorf("%s is labelled %q, %q", format, trace.Label(), trace.Caveat())
		}
	}
	if got := (&datasets.Trace{Format: datasets.SemiSynthetic}).Caveat(); got != datasets.SemiSynthetic {
		t.Errorf("caveat %q without notes", got)
	}
}
