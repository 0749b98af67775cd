package azure2019

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/folder"
)

// Of the files of the trace.
const (
	// memoryDays is the number of days that have a file of memory: the official
	// trace has none for d13 and d14.
	memoryDays = 12

	// lastFile is the highest day that a name in the layout can hold.
	lastFile = 999

	// maxCount is the largest count that has maxDigits.
	maxCount = 999_999_999
)

// Write writes the days from day first (from 0) of a trace on into dir, in the
// official layout at full width: 1,440 columns of minutes, numbered from 1. Day d of
// the trace becomes the files d+1. Memory is that of one day, whatever the number of days.
//
// As in the official files, owners, applications and functions are keyed hashes; a
// function that was not invoked on a day has no row of that day; counts and durations
// are whole numbers; an application's memory is in MB of 2^20 bytes and there are no
// files of memory after day 12. Memory is that of a function of the application with the
// most. What the trace holds beside that, CPU and start costs, is lost.
//
// The directory is made if need be; one that is not empty is refused and left as it
// is. If anything fails, or ctx ends, the files written so far are removed.
func Write(ctx context.Context, dir string, t *datasets.Trace, first int) (_ datasets.Written, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write azure2019 trace: %w", err)
		}
	}()
	switch days := t.Days(); {
	case first < 0 || first >= days:
		return datasets.Written{}, fmt.Errorf("first day %d: must be in [0, %d)", first, days)
	case days > lastFile:
		return datasets.Written{}, fmt.Errorf("%d days: the layout has room for %d", days, lastFile)
	}
	w, err := newWriter(dir, t, hashed(t))
	if err != nil {
		return datasets.Written{}, err
	}
	w.share(t)
	return w.write(ctx, first)
}

// A writer writes the files of a trace into a directory.
type writer struct {
	out   *folder.Folder
	trace *datasets.Trace
	keys

	number int // of the files of day 0

	// mb is the memory of applications, or of functions if alone is set, as the files
	// have it; "" for those that get no row. Files of memory are there up to number
	// lastMemory.
	mb         []string
	alone      bool
	lastMemory int

	// exact writes percentiles to the nanosecond, not in whole milliseconds.
	exact bool

	// written are the functions that have had a row, where a silent one gets a row if
	// others would lose their numbers without; nil where it gets none.
	written []bool

	days []datasets.WrittenDay
}

// newWriter begins to write the days of t as those of the official files.
func newWriter(dir string, t *datasets.Trace, k keys) (*writer, error) {
	out, err := folder.Create(dir)
	if err != nil {
		return nil, err
	}
	return &writer{out: out, trace: t, keys: k, number: 1, lastMemory: memoryDays}, nil
}

// share gives every application the memory of its largest function.
func (w *writer) share(t *datasets.Trace) {
	most := make([]int64, len(w.appKey))
	for f, app := range w.app {
		most[app] = max(most[app], t.Functions[f].Memory)
	}
	for _, memory := range most {
		w.mb = append(w.mb, strconv.FormatInt(memory>>20, 10))
	}
}

// write writes the days from day first on, or nothing.
func (w *writer) write(ctx context.Context, first int) (_ datasets.Written, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, w.out.Remove())
		}
	}()
	for day := first; day < w.trace.Days(); day++ {
		c, err := w.trace.Day(ctx, day)
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = w.day(ctx, c)
		}
		if err != nil {
			return datasets.Written{}, err
		}
	}
	return datasets.Written{Days: w.days, Files: w.out.Files()}, nil
}

// keys are the names of the functions of a trace as they stand in its files.
type keys struct {
	key    [][]byte // by function: owner,app,function
	app    []int    // by function: its application, numbered by first appearance
	appKey [][]byte // by application: owner,app
}

// hashed hides the names as the official files do.
func hashed(t *datasets.Trace) keys {
	return keysOf(t, hasher("owner"), hasher("app"), hasher("function"))
}

// keysOf writes names by a function for each of their parts.
func keysOf(t *datasets.Trace, owner, app, function func(string) []byte) keys {
	var k keys
	index := map[string]int{}
	for i := range t.Functions {
		f := &t.Functions[i]
		appKey := append(append(owner(f.Owner), ','), app(f.App)...)
		id, ok := index[string(appKey)]
		if !ok {
			id = len(k.appKey)
			index[string(appKey)] = id
			k.appKey = append(k.appKey, appKey)
		}
		k.app = append(k.app, id)
		k.key = append(k.key, append(append(append([]byte(nil), appKey...), ','), function(f.Name)...))
	}
	return k
}

// hasher returns the function that hides the names of one column: HMAC-SHA256 with a
// key for the column, in hex, as in the official files.
func hasher(column string) func(string) []byte {
	h := hmac.New(sha256.New, []byte(column))
	return func(name string) []byte {
		h.Reset()
		h.Write([]byte(name)) // a hash never returns an error
		return hex.AppendEncode(nil, h.Sum(nil))
	}
}

// day writes the files of one day.
func (w *writer) day(ctx context.Context, c *datasets.Counts) error {
	d := datasets.WrittenDay{Day: w.number + c.Day, Invocations: c.Total()}
	columns := datasets.Window{From: 0, To: datasets.MinutesPerDay}
	if c.Day == 0 {
		columns.From = w.trace.Span.From
	}
	columns.To = min(columns.To, w.trace.Span.To-c.Day*datasets.MinutesPerDay)
	var rows []datasets.FunctionID // of functions that get one
	last := w.lastRow(c)
	for f := range datasets.FunctionID(len(w.trace.Functions)) {
		minute, _ := c.Function(f)
		if len(minute) > 0 {
			d.Functions++
		}
		if len(minute) > 0 || f <= last && !w.written[f] {
			rows = append(rows, f)
		}
		if f <= last {
			w.written[f] = true
		}
	}
	err := w.file(counts, d.Day, countsHeader(columns), func(out *lines) error {
		for i, f := range rows {
			if i%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			minute, count := c.Function(f)
			if k := slices.IndexFunc(count, func(n int64) bool { return n > maxCount }); k >= 0 {
				return fmt.Errorf("day %d: %d invocations of function %d in minute %d: the layout has room for %d", c.Day, count[k], f, minute[k], maxCount)
			}
			out.bytes(w.key[f])
			out.text("," + string(w.trace.Functions[f].Trigger))
			out.minutes(minute, count, columns)
			out.end()
		}
		return nil
	})
	if err != nil {
		return err
	}
	samples := make([]int64, len(w.appKey)) // by application: invocations of the day
	listed := make([]bool, len(w.appKey))   // by application: one of its functions has a row
	err = w.file(durations, d.Day, durationsHeader, func(out *lines) error {
		for _, f := range rows {
			var n int64
			_, count := c.Function(f)
			for _, k := range count {
				n += k
			}
			samples[w.app[f]] += n
			listed[w.app[f]] = true
			if w.trace.Functions[f].Assumed&datasets.AssumedExecution != 0 {
				continue
			}
			e := w.trace.Functions[f].Execution
			out.bytes(w.key[f])
			out.number(milliseconds(e.Mean()))
			out.number(n)
			out.number(milliseconds(e.Quantile(0)))
			out.number(milliseconds(e.Quantile(1)))
			for _, p := range percentiles {
				out.bytes([]byte{','})
				out.text(w.percentile(e.Quantile(p.prob)))
			}
			out.end()
		}
		return nil
	})
	if err == nil && d.Day <= w.lastMemory {
		err = w.memoryFile(d.Day, rows, samples, listed)
	}
	w.days = append(w.days, d)
	return err
}

// memoryFile writes the memory of the applications of a day, or of their functions. The
// memory of a container does not vary here, so all its percentiles are alike.
func (w *writer) memoryFile(day int, rows []datasets.FunctionID, samples []int64, listed []bool) error {
	row := func(out *lines, key []byte, n int64, mb string) {
		out.bytes(key)
		out.number(n)
		for range 1 + memoryPercentiles {
			out.text("," + mb)
		}
		out.end()
	}
	if w.alone {
		return w.file(memory, day, functionMemoryHeader, func(out *lines) error {
			for _, f := range rows {
				if w.mb[f] != "" {
					row(out, w.key[f], samples[w.app[f]], w.mb[f])
				}
			}
			return nil
		})
	}
	return w.file(memory, day, memoryHeader, func(out *lines) error {
		for app, n := range samples {
			if listed[app] && w.mb[app] != "" {
				row(out, w.appKey[app], n, w.mb[app])
			}
		}
		return nil
	})
}

// percentile is a duration in the files' milliseconds.
func (w *writer) percentile(d time.Duration) string {
	if !w.exact {
		return strconv.FormatInt(milliseconds(d), 10)
	}
	ms := float64(d) / float64(time.Millisecond)
	if time.Duration(ms*float64(time.Millisecond)) < d { // as it is read; the product may be rounded down
		ms = math.Nextafter(ms, math.Inf(1))
	}
	return strconv.FormatFloat(ms, 'f', -1, 64)
}

// milliseconds is a duration in the files' whole milliseconds.
func milliseconds(d time.Duration) int64 { return d.Round(time.Millisecond).Milliseconds() }

// The headers of the official files.
const (
	durationsHeader = "HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum," +
		"percentile_Average_0,percentile_Average_1,percentile_Average_25,percentile_Average_50," +
		"percentile_Average_75,percentile_Average_99,percentile_Average_100"
	memoryHeader = "HashOwner,HashApp,SampleCount,AverageAllocatedMb,AverageAllocatedMb_pct1,AverageAllocatedMb_pct5," +
		"AverageAllocatedMb_pct25,AverageAllocatedMb_pct50,AverageAllocatedMb_pct75,AverageAllocatedMb_pct95," +
		"AverageAllocatedMb_pct99,AverageAllocatedMb_pct100"
	memoryPercentiles = 8
)

// functionMemoryHeader is that of the samples whose memory is of functions.
var functionMemoryHeader = strings.Replace(memoryHeader, "HashApp,", "HashApp,HashFunction,", 1)

func countsHeader(minutes datasets.Window) string {
	head := []byte("HashOwner,HashApp,HashFunction,Trigger")
	for m := minutes.From; m < minutes.To; m++ {
		head = strconv.AppendInt(append(head, ','), int64(m+1), 10)
	}
	return string(head)
}

var officialName = [...]string{
	counts:    "invocations_per_function_md.anon.d%02d.csv",
	durations: "function_durations_percentiles.anon.d%02d.csv",
	memory:    "app_memory_percentiles.anon.d%02d.csv",
}

// file writes one file.
func (w *writer) file(k kind, day int, header string, rows func(*lines) error) error {
	return w.out.File(fmt.Sprintf(officialName[k], day), func(f *bufio.Writer) (int64, error) {
		out := &lines{w: f}
		out.text(header)
		out.end()
		if err := rows(out); err != nil {
			return 0, err
		}
		return out.n - 1, out.err
	})
}

// lines writes rows of comma-separated text. After an error it writes nothing more.
type lines struct {
	w   *bufio.Writer
	row []byte
	n   int64 // rows
	err error
}

func (l *lines) bytes(b []byte) { l.row = append(l.row, b...) }
func (l *lines) text(s string)  { l.row = append(l.row, s...) }

// number adds a column.
func (l *lines) number(n int64) { l.row = strconv.AppendInt(append(l.row, ','), n, 10) }

// minutes adds a column for every minute of the day inside w.
func (l *lines) minutes(minute []int32, count []int64, w datasets.Window) {
	next := int32(w.From)
	for i, m := range minute {
		l.zeros(int(m - next))
		l.number(count[i])
		next = m + 1
	}
	l.zeros(w.To - int(next))
}

// zeros adds n columns of 0.
func (l *lines) zeros(n int) {
	for ; n > 0; n -= len(zeroColumns) / 2 {
		l.row = append(l.row, zeroColumns[:2*min(n, len(zeroColumns)/2)]...)
	}
}

const zeroColumns = ",0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"

// end ends the row.
func (l *lines) end() {
	if l.err == nil {
		_, l.err = l.w.Write(append(l.row, '\n'))
	}
	l.row = l.row[:0]
	l.n++
}
