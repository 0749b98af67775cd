// Package missing knows the words that programs write where a number or a time is
// missing. All readers of tables take the same ones, in upper and lower case: what pandas
// takes for missing by default, and what Go, SQL, Hive and Julia write. They are never
// looked for in names: a function may well be called null.
//
// LightGBM has a list of its own for its files, which is in train/gbdt/lightgbm.
package missing

import (
	"bytes"
	"slices"
)

// words in lower case and in order. An empty cell is missing too.
var words = []string{
	`#n/a`, `#n/a n/a`, `#na`, `-`, `-1.#ind`, `-1.#qnan`, `-nan`, `1.#ind`, `1.#qnan`, `<na>`, `<nil>`, `\n`,
	`missing`, `n/a`, `na`, `nan`, `nat`, `nil`, `none`, `null`,
}

// longest is the length of the longest word.
const longest = len(`#n/a n/a`)

// Is reports whether a cell, with or without space around it, says that there is no value.
func Is(cell []byte) bool {
	cell = bytes.TrimSpace(cell)
	if len(cell) == 0 {
		return true
	}
	if c := cell[0]; '2' <= c && c <= '9' || c == '0' || len(cell) > longest { // as nearly all cells begin
		return false
	}
	var lower [longest]byte
	for i, c := range cell {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	_, ok := slices.BinarySearchFunc(words, lower[:len(cell)], func(w string, cell []byte) int {
		return bytes.Compare([]byte(w), cell)
	})
	return ok
}
