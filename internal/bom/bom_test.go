package bom_test

import (
	"testing"

	"github.com/incendio-faas/incendio/internal/bom"
)

func TestMarks(t *testing.T) {
	for _, c := range []struct {
		text, rest string
		utf16      bool
	}{
		{"\xef\xbb\xbfa", "a", false},
		{"\xef\xbb\xbf\xef\xbb\xbfa", "\xef\xbb\xbfa", false},
		{"\xef\xbb", "\xef\xbb", false},
		{"a\xef\xbb\xbf", "a\xef\xbb\xbf", false},
		{"", "", false},
		{"\xff\xfea\x00", "\xff\xfea\x00", true},
		{"\xfe\xff\x00a", "\xfe\xff\x00a", true},
	} {
		text := []byte(c.text)
		if rest := string(bom.Trim(text)); rest != c.rest || bom.Has(text) != (c.rest != c.text) || bom.UTF16(text) != c.utf16 {
			t.Errorf("%q: rest %q, expected %q; mark %t, UTF-16 %t", c.text, rest, c.rest, bom.Has(text), bom.UTF16(text))
		}
	}
}
