package missing_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/internal/missing"
)

func TestIs(t *testing.T) {
	words := missing.Words
	if !slices.IsSorted(words) {
		t.Errorf("%q: must be in order", words)
	}
	for _, w := range words {
		for _, cell := range []string{w, strings.ToUpper(w), " " + w + "\t", strings.ToUpper(w[:1]) + w[1:]} {
			if !missing.Is([]byte(cell)) {
				t.Errorf("%q is missing", cell)
			}
		}
	}
	// What pandas 2.2 takes for missing by default, and polars, Excel and kubectl write.
	for _, w := range []string{"", " ", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "-", "nil", `\N`, "NaT"} {
		if !missing.Is([]byte(w)) {
			t.Errorf("%q is missing", w)
		}
	}
	for _, w := range []string{"0", "1", "-1", "1.5", "--", "no", "inf", "Infinity", "nanana", "nul", "not a number at all", "#", "1.#", "\x00"} {
		if missing.Is([]byte(w)) {
			t.Errorf("%q is a value, or a bad one", w)
		}
	}
}

var cells = [][]byte{[]byte("12"), []byte("1609459270"), []byte("NaN"), []byte(""), []byte("0.25")}

func BenchmarkIs(b *testing.B) {
	for i := range b.N {
		missing.Is(cells[i%len(cells)])
	}
}
