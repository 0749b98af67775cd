package azure2019

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/incendio-faas/incendio/datasets"
)

// Export writes a trace into dir so that reading it gives the trace back, as far as the
// layout can hold it: [Written.Lost] says what it cannot. Memory is that of one day.
//
// It differs from [Write], which makes what an official file looks like, where that
// would lose something. Names stay as they are unless one cannot stand in the layout;
// the minutes outside the span have no columns; percentiles are as fine as the trace's;
// memory has a column HashFunction unless all functions of an application need the same
// whole number of MB, and then an application has the sum; what is assumed has no row. A
// function that is silent on a day gets a row where its number would be lost otherwise:
// readers number functions by their first row. Days of a trace of this format keep the
// numbers of their files.
//
// [Written.Lost]: https://pkg.go.dev/github.com/incendio-faas/incendio/datasets#Written
func Export(ctx context.Context, dir string, t *datasets.Trace) (_ datasets.Written, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("export azure2019 trace: %w", err)
		}
	}()
	number, lost := firstNumber(t), losses(t)
	if last := number + t.Days() - 1; last > lastFile {
		return datasets.Written{}, fmt.Errorf("day %d: the layout has room for %d", last, lastFile)
	}
	k, kept := keysOf(t, plain, plain, plain), true
	for i := range t.Functions {
		f := &t.Functions[i]
		kept = kept && nameable(f.Owner) && nameable(f.App) && nameable(f.Name)
	}
	if !kept {
		k = hashed(t)
		lost = append(lost, "names: some are empty or have commas, quotes or line ends, so all are written as hashes")
	}
	w, err := newWriter(dir, t, k)
	if err != nil {
		return datasets.Written{}, err
	}
	w.number, w.exact, w.lastMemory = number, true, lastFile
	w.divide(t)
	w.written = make([]bool, len(t.Functions))
	out, err := w.write(ctx, 0)
	out.Lost = lost
	return out, err
}

func plain(name string) []byte { return []byte(name) }

// nameable reports whether a name can stand in the files, which have no quotes.
func nameable(name string) bool {
	return name != "" && len(name) <= maxKey && utf8.ValidString(name) && !strings.ContainsAny(name, ",\"\r\n")
}

// firstNumber is the number of the first day in the names of the files.
func firstNumber(t *datasets.Trace) int {
	if days := int(t.Start.Sub(dayOne) / (24 * time.Hour)); t.Format == Format && days >= 0 {
		return 1 + days
	}
	return 1
}

// divide sets memory so that readers, who divide that of an application by the number of
// its functions, find what the trace has.
func (w *writer) divide(t *datasets.Trace) {
	of := func(f *datasets.Function) int64 {
		if f.Assumed&datasets.AssumedMemory != 0 {
			return 0
		}
		return f.Memory
	}
	first, number := make([]int64, len(w.appKey)), make([]int64, len(w.appKey))
	for i, app := range w.app {
		m := of(&t.Functions[i])
		if number[app] == 0 {
			first[app] = m
		}
		number[app]++
		w.alone = w.alone || m != first[app] || m%(1<<20) != 0
	}
	if !w.alone {
		for app := range w.appKey {
			w.mb = append(w.mb, megabytes(first[app]*number[app]))
		}
		return
	}
	for i := range t.Functions {
		w.mb = append(w.mb, megabytes(of(&t.Functions[i])))
	}
}

// megabytes is a memory in the files' MB of 2^20 bytes; "" for none.
func megabytes(memory int64) string {
	if memory == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(memory)/(1<<20), 'f', -1, 64)
}

// lastRow is the last function that needs a row on a day, if it had none before, for all
// to keep their numbers: the last that is invoked, and on the last day the last of all.
func (w *writer) lastRow(c *datasets.Counts) datasets.FunctionID {
	last := datasets.FunctionID(len(w.written)) - 1
	if c.Day == w.trace.Days()-1 {
		return last
	}
	for ; last >= 0; last-- {
		if minute, _ := c.Function(last); len(minute) > 0 {
			break
		}
	}
	return last
}

// losses are what the layout cannot hold of a trace.
func losses(t *datasets.Trace) []string {
	var starts, cpu, shapes, short int
	for i := range t.Functions {
		f := &t.Functions[i]
		if f.Assumed&datasets.AssumedStartCost == 0 {
			starts++
		}
		if f.Assumed&datasets.AssumedCPU == 0 {
			cpu++
		}
		if f.Assumed&datasets.AssumedExecution != 0 {
			continue
		}
		if !slices.EqualFunc(f.Execution.Prob, percentiles[:], func(p float64, q struct {
			column string
			prob   float64
		}) bool {
			return p == q.prob
		}) {
			shapes++
		} else if f.Execution.Value[0] < resolution {
			short++
		}
	}
	var lost []string
	of := func(n int, format string) {
		if n > 0 {
			lost = append(lost, fmt.Sprintf(format, n, len(t.Functions)))
		}
	}
	of(starts, "start costs, which %d of %d functions have measured: ingest assumes some")
	of(cpu, "CPU, which %d of %d functions have: ingest assumes 1 core")
	of(shapes, "execution times other than at 7 probabilities, which %d of %d functions have")
	of(short, "execution times below 1 ms, which %d of %d functions have: they are read as 1 ms")
	if t.ExactDays() > 0 {
		lost = append(lost, "single invocations: the layout counts them by minute")
	}
	if start := dayOne.AddDate(0, 0, firstNumber(t)-1); !t.Start.Equal(start) {
		lost = append(lost, fmt.Sprintf("the date: days are numbered, and day 1, %s, is read as %s", t.Start.Format(time.DateOnly), start.Format(time.DateOnly)))
	}
	return datasets.LostGaps(t, lost)
}
