// Package matrix reads tables with a column for every function and a row for every minute
// or second, as Huawei publishes its traces: a file for a day and a metric,
//
//	day,time,0,1,2,…
//	0,0,816,,14.0,…
//	0,60,960,,,…
//
// where time is seconds since the start of the trace, over all days, and an empty cell
// says that there was no measurement.
//
// There are only a few types. [Survey] reads the header and the times of a file, and
// returns its [Outline]: which day it holds, in which steps, and which minutes it
// observes. [Outline.Scan] reads the cells. [Days] puts the files of several metrics
// together by day, several days at once: one metric counts invocations, and others are
// measured, each measurement weighted by the invocations of its minute.
//
// The file's day is the one on which most of its rows lie; the column day is not used,
// and neither is the name of the file. Rows may stand in any order.
//
// A row that cannot be used is rejected with its line. Where only some cells of a row
// are bad, the row is rejected once, with the first of them and the number of the
// others, and its good cells are used: a row holds thousands of functions.
package matrix

const (
	secondsPerDay = 24 * 60 * 60

	// MaxColumns is the largest number of functions in a file, thirteen times those of
	// the largest published one.
	MaxColumns = 1 << 16

	// maxKey bounds the bytes of the name of a function.
	maxKey = 256

	// maxDay bounds times: ten years.
	maxDay = 3660
)
