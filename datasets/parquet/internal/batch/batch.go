// Package batch decodes the values of a column of a Parquet file some at a time, with the errors that Arrow
// leaves out: of a chunk that ends before its footer says so, and of what makes Arrow panic.
package batch

import (
	"errors"
	"fmt"
)

// Size is the number of values that are decoded at a time where they are converted on the way.
const Size = 1024

// A Reader is one of Arrow's readers of a column chunk, of values of type T.
type Reader[T any] interface {
	ReadBatch(n int64, values []T, def, rep []int16) (total int64, valuesRead int, err error)
	Err() error
}

// Next reads a batch into values, with their definition and repetition levels where def and rep are not
// nil. Levels is the number of those, n that of the values. A chunk that ends early is an error, so that a
// footer that promises too much neither loops nor goes unnoticed.
func Next[T any](c Reader[T], values []T, def, rep []int16) (levels int64, n int, err error) {
	levels, n, err = c.ReadBatch(int64(len(values)), values, def, rep)
	switch {
	case err != nil:
		return 0, 0, err
	case c.Err() != nil:
		return 0, 0, c.Err()
	case levels <= 0 || levels > int64(len(values)) || n < 0 || int64(n) > levels:
		return 0, 0, errors.New("fewer values than the footer says")
	}
	return levels, n, nil
}

// Recover, deferred, turns a panic into an error: Arrow v15 panics on much malformed input.
func Recover(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("malformed Parquet: %v", r)
	}
}
