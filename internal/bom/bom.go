// Package bom knows the byte order marks that some programs begin a text with.
package bom

import "bytes"

// UTF8 marks a text in UTF-8, and is none of it.
const UTF8 = "\xef\xbb\xbf"

// Trim is a text in UTF-8 behind its mark, if it has one.
func Trim(text []byte) []byte { return bytes.TrimPrefix(text, []byte(UTF8)) }

// Has reports whether a text begins with the mark of UTF-8.
func Has(text []byte) bool { return bytes.HasPrefix(text, []byte(UTF8)) }

// UTF16 reports whether a text begins with a mark of UTF-16.
func UTF16(text []byte) bool {
	return bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))
}
