package azure2019

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// Of the files of the trace.
const (
	// memoryDays is the number of days that have a file of memory: the official
	// trace has none for d13 and d14.
	memoryDays = 12

	// lastFile is the highest day that a name in the layout can hold.
	lastFile = 999
)

// A Written is what [Write] wrote.
type Written struct {
	Days  []WrittenDay  `json:"days"`
	Files []WrittenFile `json:"files"` // in the order of their names
}

// A WrittenDay is one day of counts.
type WrittenDay struct {
	Day         int   `json:"day"`       // as in the name of its files, from 1
	Functions   int   `json:"functions"` // that were invoked on the day: the rows of its counts
	Invocations int64 `json:"invocations"`
}

// A WrittenFile is one file.
type WrittenFile struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"` // of data, without the header
	Bytes int64  `json:"bytes"`
}

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
func Write(ctx context.Context, dir string, t *datasets.Trace, first int) (_ Written, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write azure2019 trace: %w", err)
		}
	}()
	switch days := t.Days(); {
	case first < 0 || first >= days:
		return Written{}, fmt.Errorf("first day %d: must be in [0, %d)", first, days)
	case days > lastFile:
		return Written{}, fmt.Errorf("%d days: the layout has room for %d", days, lastFile)
	}
	w, err := newWriter(dir, t)
	if err != nil {
		return Written{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.remove())
		}
	}()
	for day := first; day < t.Days(); day++ {
		c, err := t.Day(ctx, day)
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = w.day(ctx, c)
		}
		if err != nil {
			return Written{}, err
		}
	}
	return w.finish(), nil
}

// A writer writes the files of a trace into a directory.
type writer struct {
	dir     string
	made    bool // the directory was not there
	trace   *datasets.Trace
	key     [][]byte // by function: "owner,app,function" as hashes
	app     []int    // by function: its application, numbered by first appearance
	appKey  [][]byte // by application: "owner,app" as hashes
	memory  []int64  // by application, bytes
	written [3]([]WrittenFile)
	days    []WrittenDay
}

func newWriter(dir string, t *datasets.Trace) (*writer, error) {
	w := &writer{dir: dir, trace: t}
	_, err := os.Stat(dir)
	w.made = errors.Is(err, os.ErrNotExist)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty (it holds %s): nothing is overwritten, choose another directory", dir, entries[0].Name())
	}
	owner, app, function := hasher("owner"), hasher("app"), hasher("function")
	index := map[string]int{}
	for i := range t.Functions {
		f := &t.Functions[i]
		appKey := append(append(owner(f.Owner), ','), app(f.App)...)
		id, ok := index[string(appKey)]
		if !ok {
			id = len(w.appKey)
			index[string(appKey)] = id
			w.appKey, w.memory = append(w.appKey, appKey), append(w.memory, 0)
		}
		w.memory[id] = max(w.memory[id], f.Memory)
		w.app = append(w.app, id)
		w.key = append(w.key, append(append(append([]byte(nil), appKey...), ','), function(f.Name)...))
	}
	return w, nil
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
	d := WrittenDay{Day: c.Day + 1, Invocations: c.Total()}
	err := w.file(counts, d.Day, countsHeader(), func(out *lines) error {
		for f := range w.trace.Functions {
			minute, count := c.Function(datasets.FunctionID(f))
			if len(minute) == 0 {
				continue
			}
			if f%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			d.Functions++
			out.bytes(w.key[f])
			out.text("," + string(w.trace.Functions[f].Trigger))
			out.minutes(minute, count)
			out.end()
		}
		return nil
	})
	if err != nil {
		return err
	}
	samples := make([]int64, len(w.appKey)) // by application: invocations of the day
	err = w.file(durations, d.Day, durationsHeader, func(out *lines) error {
		for f := range w.trace.Functions {
			var n int64
			_, count := c.Function(datasets.FunctionID(f))
			for _, k := range count {
				n += k
			}
			if n == 0 {
				continue
			}
			samples[w.app[f]] += n
			e := w.trace.Functions[f].Execution
			out.bytes(w.key[f])
			out.number(milliseconds(e.Mean()))
			out.number(n)
			out.number(milliseconds(e.Quantile(0)))
			out.number(milliseconds(e.Quantile(1)))
			for _, p := range percentiles {
				out.number(milliseconds(e.Quantile(p.prob)))
			}
			out.end()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if d.Day <= memoryDays {
		err = w.file(memory, d.Day, memoryHeader, func(out *lines) error {
			for app, n := range samples {
				if n == 0 {
					continue
				}
				out.bytes(w.appKey[app])
				out.number(n)
				for range 1 + memoryPercentiles { // a container's memory does not vary here
					out.number(w.memory[app] >> 20)
				}
				out.end()
			}
			return nil
		})
	}
	w.days = append(w.days, d)
	return err
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

func countsHeader() string {
	head := []byte("HashOwner,HashApp,HashFunction,Trigger")
	for m := range datasets.MinutesPerDay {
		head = strconv.AppendInt(append(head, ','), int64(m+1), 10)
	}
	return string(head)
}

var officialName = [...]string{
	counts:    "invocations_per_function_md.anon.d%02d.csv",
	durations: "function_durations_percentiles.anon.d%02d.csv",
	memory:    "app_memory_percentiles.anon.d%02d.csv",
}

// file writes one file, on the disk when it returns.
func (w *writer) file(k kind, day int, header string, rows func(*lines) error) (err error) {
	name := fmt.Sprintf(officialName[k], day)
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	w.written[k] = append(w.written[k], WrittenFile{Name: name})
	defer func() { err = errors.Join(err, f.Close()) }()
	out := &lines{w: bufio.NewWriterSize(f, 1<<20)}
	out.text(header)
	out.end()
	if err := rows(out); err != nil {
		return err
	}
	if err := out.flush(); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	last := &w.written[k][len(w.written[k])-1]
	last.Rows, last.Bytes = out.n-1, info.Size()
	return f.Sync()
}

// remove takes away what was written.
func (w *writer) remove() error {
	var errs []error
	for _, files := range w.written {
		for _, f := range files {
			errs = append(errs, os.Remove(filepath.Join(w.dir, f.Name)))
		}
	}
	if w.made {
		errs = append(errs, os.Remove(w.dir))
	}
	return errors.Join(errs...)
}

func (w *writer) finish() Written {
	out := Written{Days: w.days}
	for _, k := range []kind{memory, durations, counts} { // the order of their names
		out.Files = append(out.Files, w.written[k]...)
	}
	return out
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

// minutes adds a column for every minute of the day.
func (l *lines) minutes(minute []int32, count []int64) {
	next := int32(0)
	for i, m := range minute {
		l.zeros(int(m - next))
		l.number(count[i])
		next = m + 1
	}
	l.zeros(datasets.MinutesPerDay - int(next))
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

func (l *lines) flush() error {
	if l.err == nil {
		l.err = l.w.Flush()
	}
	return l.err
}
