package counts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
	"github.com/incendio-faas/incendio/internal/folder"
)

// Write writes a trace into dir, a file of CSV a day that is named after the date, so
// that reading it gives the trace back, as far as the layout can hold it:
// [datasets.Written.Lost] says what it cannot. Rows stand in order of function and
// minute, and memory is that of one day.
//
// Rows with the count 0 say what those of invocations cannot: the first and the last
// minute of the span, that there is no more of the day, a day without any, and a silent function that others would lose
// their numbers without, since readers number functions by their first row.
//
// The directory is made if need be; one that is not empty is refused and left as it is.
// If anything fails, or ctx ends, the files written so far are removed.
func Write(ctx context.Context, dir string, t *datasets.Trace) (_ datasets.Written, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write counts: %w", err)
		}
	}()
	out, err := folder.Create(dir)
	if err != nil {
		return datasets.Written{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.Remove())
		}
	}()
	w := writer{trace: t}
	for i := range t.Functions {
		w.key = append(w.key, rows.AppendKey(nil, &t.Functions[i]))
	}
	var days []datasets.WrittenDay
	for day := range t.Days() {
		c, err := t.Day(ctx, day)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return datasets.Written{}, err
		}
		d := datasets.WrittenDay{Day: day + 1, Invocations: c.Total()}
		err = out.File(w.date(day)+".csv", func(f *bufio.Writer) (int64, error) { return w.day(f, c, &d) })
		if err != nil {
			return datasets.Written{}, err
		}
		days = append(days, d)
	}
	lost := losses(t)
	if w.cut() && !w.zeros {
		lost = append(lost, "the span: it is read as whole days, because no function is silent in any of its minutes")
	}
	return datasets.Written{Days: days, Files: out.Files(), Lost: lost}, nil
}

// A writer writes the days of a trace.
type writer struct {
	trace *datasets.Trace
	key   [][]byte // by function

	written datasets.FunctionID // all before it have had a row
	zeros   bool                // a row with the count 0 was written
}

// cut reports whether days were observed in part: files without a 0 are read as whole days.
func (w *writer) cut() bool {
	return w.trace.Span.From%datasets.MinutesPerDay != 0 || w.trace.Span.To%datasets.MinutesPerDay != 0
}

func (w *writer) date(day int) string { return w.trace.Start.AddDate(0, 0, day).Format(time.DateOnly) }

// day writes the rows of a day and returns their number.
func (w *writer) day(f *bufio.Writer, c *datasets.Counts, d *datasets.WrittenDay) (n int64, err error) {
	if _, err := f.WriteString(rows.KeyHeader + ",day,minute,count\n"); err != nil {
		return 0, err
	}
	date, line := w.date(c.Day), []byte(nil)
	row := func(function datasets.FunctionID, minute int, count int64) error {
		if count > rows.MaxCount {
			return fmt.Errorf("day %d: %d invocations of function %d in minute %d: the layout has room for %d", c.Day, count, function, minute, rows.MaxCount)
		}
		line = append(append(line[:0], w.key[function]...), ',')
		line = append(append(line, date...), ',')
		line = append(strconv.AppendInt(line, int64(minute), 10), ',')
		line = append(strconv.AppendInt(line, count, 10), '\n')
		n++
		w.zeros = w.zeros || count == 0
		_, err := f.Write(line)
		return err
	}
	first, last := w.edges(c.Day)
	needed := w.lastRow(c)
	seen := map[int]bool{} // which of the edges has a row
	for function := range datasets.FunctionID(len(w.key)) {
		minutes, counts := c.Function(function)
		if len(minutes) > 0 {
			d.Functions++
		}
		for i, m := range minutes {
			if err := row(function, int(m), counts[i]); err != nil {
				return 0, err
			}
			seen[int(m)] = seen[int(m)] || int(m) == first || int(m) == last
		}
		if len(minutes) == 0 && w.written <= function && function <= needed {
			if err := row(function, first, 0); err != nil {
				return 0, err
			}
			seen[first] = true
		}
	}
	w.written = max(w.written, needed+1)
	if len(w.key) == 0 {
		return n, nil
	}
	edges := []int{}
	if c.Day == 0 || n == 0 {
		edges = append(edges, first)
	}
	if c.Day == w.trace.Days()-1 && last != first {
		edges = append(edges, last)
	}
	for _, m := range edges {
		// Of function 0, which has no count there: an edge with a row needs none.
		if !seen[m] {
			if err := row(0, m, 0); err != nil {
				return 0, err
			}
		}
	}
	if c.Day == w.trace.Days()-1 && w.cut() && !w.zeros {
		if function, minute, ok := silent(c, len(w.key), first, last); ok {
			err = row(function, minute, 0)
		}
	}
	return n, err
}

// silent finds a function that is not invoked in a minute from first to last of the day.
func silent(c *datasets.Counts, functions, first, last int) (f datasets.FunctionID, minute int, ok bool) {
	for f := range datasets.FunctionID(functions) {
		minutes, _ := c.Function(f)
		for m := first; m <= last; m++ {
			if i := m - first; i >= len(minutes) || int(minutes[i]) != m {
				return f, m, true
			}
		}
	}
	return 0, 0, false
}

// edges are the first and the last minute of a day that were observed.
func (w *writer) edges(day int) (first, last int) {
	from := day * datasets.MinutesPerDay
	return max(w.trace.Span.From-from, 0), min(w.trace.Span.To-from, datasets.MinutesPerDay) - 1
}

// lastRow is the last function that needs a row on a day, if it had none before, for all
// to keep their numbers: the last that is invoked, and on the last day the last of all.
func (w *writer) lastRow(c *datasets.Counts) datasets.FunctionID {
	last := datasets.FunctionID(len(w.key)) - 1
	if c.Day == w.trace.Days()-1 {
		return last
	}
	for ; last >= 0; last-- {
		if minutes, _ := c.Function(last); len(minutes) > 0 {
			break
		}
	}
	return last
}

// losses are what the layout cannot hold of a trace.
func losses(t *datasets.Trace) []string {
	var lost []string
	for _, a := range []struct {
		assumed datasets.Assumed
		what    string
	}{
		{datasets.AssumedExecution, "execution times"}, {datasets.AssumedMemory, "memory"},
		{datasets.AssumedCPU, "CPU"}, {datasets.AssumedStartCost, "start costs"},
	} {
		n := 0
		for i := range t.Functions {
			if t.Functions[i].Assumed&a.assumed == 0 {
				n++
			}
		}
		if n > 0 {
			lost = append(lost, fmt.Sprintf("%s, which %d of %d functions have measured: ingest assumes some", a.what, n, len(t.Functions)))
		}
	}
	if t.ExactDays() > 0 {
		lost = append(lost, "single invocations: the layout counts them by minute")
	}
	return datasets.LostGaps(t, lost)
}
