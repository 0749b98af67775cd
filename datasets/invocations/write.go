package invocations

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/cost"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
	"github.com/incendio-faas/incendio/internal/folder"
)

// Write writes a trace into dir, a file of CSV a day that is named after the date, so
// that reading it gives the trace back, as far as the layout can hold it:
// [datasets.Written.Lost] says what it cannot. All days are read twice; memory is that of
// one day of counts, and does not grow with the single invocations of a day.
//
// Of a day whose single invocations are not known, arrivals are drawn from rnd as a
// simulation does ([datasets.Arrivals]), and durations too, of functions whose execution
// times were measured.
//
// The first invocations of a function carry its start costs: as many values of cold_ms
// and end_ms as it takes for their quantiles to be those of the function. Which
// invocations these are says nothing.
//
// Readers number functions by their first row. Where the order of arrival would give
// them other numbers, a file begins with the first invocations of functions, perhaps of a
// later day, in the order of their numbers.
//
// The directory is made if need be; one that is not empty is refused and left as it is.
// If anything fails, or ctx ends, the files written so far are removed.
func Write(ctx context.Context, dir string, t *datasets.Trace, rnd uint64) (_ datasets.Written, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write invocations: %w", err)
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
	w := &writer{trace: t, rnd: rnd, function: make([]written, len(t.Functions))}
	if err := w.survey(ctx); err != nil {
		return datasets.Written{}, err
	}
	lost := w.plan()
	var days []datasets.WrittenDay
	for day := range t.Days() {
		d, rowsOf := w.begin(day)
		if rowsOf > 0 {
			err := out.File(w.date(day)+".csv", func(f *bufio.Writer) (int64, error) { return w.day(ctx, f, day, &d) })
			if err != nil {
				return datasets.Written{}, err
			}
		}
		days = append(days, d)
	}
	return datasets.Written{Days: days, Files: out.Files(), Lost: lost}, nil
}

// A writer writes the days of a trace.
type writer struct {
	trace *datasets.Trace
	rnd   uint64

	function []written
	days     []surveyed
	ordered  bool // functions first arrive in the order of their numbers

	line []byte
}

// A surveyed day has what is in its file.
type surveyed struct {
	invocations int64
	functions   int
	moved       int64                 // invocations that lead another file
	lead        []datasets.FunctionID // whose first invocations lead the file
}

// A written function is what its rows need.
type written struct {
	n     int64               // invocations
	first datasets.Invocation // if n > 0
	last  int                 // the latest day on which it was seen, from 1

	key       []byte  // of a row, with a comma after it
	attribute []byte  // the fields of memory and CPU, with the line end
	cold, end []int64 // microseconds, of the first invocations
	rows      int     // written
	met       bool    // its first invocation has passed
}

func (w *writer) date(day int) string { return w.trace.Start.AddDate(0, 0, day).Format(time.DateOnly) }

// invocations yields those of a day in order of arrival and then of function.
func (w *writer) invocations(ctx context.Context, day int) iter.Seq2[datasets.Invocation, error] {
	whole := datasets.Window{From: day * datasets.MinutesPerDay, To: (day + 1) * datasets.MinutesPerDay}
	if seq, ok := w.trace.DayInvocations(ctx, day, whole); ok {
		return seq
	}
	return func(yield func(datasets.Invocation, error) bool) {
		for inv, err := range datasets.Arrivals(ctx, w.trace, whole, w.rnd) {
			if err == nil && w.trace.Functions[inv.Function].Assumed&datasets.AssumedExecution != 0 {
				inv.Duration = datasets.Unknown
			}
			if !yield(inv, err) {
				return
			}
		}
	}
}

// survey counts the invocations of functions, finds their first ones, and decides which
// file these go to.
func (w *writer) survey(ctx context.Context) error {
	w.days, w.ordered = make([]surveyed, w.trace.Days()), true
	latest := datasets.FunctionID(-1)
	for day := range w.days {
		d := &w.days[day]
		for inv, err := range w.invocations(ctx, day) {
			if err != nil {
				return err
			}
			f := &w.function[inv.Function]
			if f.n == 0 {
				f.first = inv
				w.ordered = w.ordered && inv.Function > latest
				latest = inv.Function
			}
			if f.last <= day {
				f.last = day + 1
				d.functions++
			}
			f.n++
			d.invocations++
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if w.ordered {
		return nil
	}
	due := len(w.days) // the day on which a function with a higher number is written first
	for f, of := range slices.Backward(w.function) {
		if of.n == 0 {
			continue
		}
		day := int(of.first.Arrival / (datasets.MinutesPerDay * time.Minute))
		due = min(due, day)
		w.days[day].moved++
		w.days[due].lead = append(w.days[due].lead, datasets.FunctionID(f))
	}
	for day := range w.days {
		slices.Reverse(w.days[day].lead)
	}
	return nil
}

// plan prepares what rows have of their functions, and says what is lost.
func (w *writer) plan() []string {
	var silent, near, shapes int
	for i := range w.function {
		f, of := &w.trace.Functions[i], &w.function[i]
		of.key = append(rows.AppendKey(nil, f), ',')
		if f.Assumed&datasets.AssumedMemory == 0 {
			of.attribute = strconv.AppendFloat(of.attribute, float64(f.Memory)/(1<<20), 'f', -1, 64)
		}
		of.attribute = append(of.attribute, ',')
		if f.Assumed&datasets.AssumedCPU == 0 {
			of.attribute = strconv.AppendFloat(of.attribute, f.CPU, 'f', -1, 64)
		}
		of.attribute = append(of.attribute, '\n')
		if of.n == 0 {
			silent++
			continue
		}
		if f.Assumed&datasets.AssumedStartCost != 0 {
			continue
		}
		var exact bool
		of.cold, exact = samples(f.Initialisation, of.n)
		if !same(f.Termination, cost.AssumedTermination(atOurs(f.Initialisation))) {
			var ended bool
			of.end, ended = samples(f.Termination, of.n)
			exact = exact && ended
		}
		switch {
		case !tells(f.Initialisation) || !tells(f.Termination):
			shapes++
		case !exact:
			near++
		}
	}
	var lost []string
	add := func(n int, format string) {
		if n > 0 {
			lost = append(lost, fmt.Sprintf(format, n, len(w.function)))
		}
	}
	add(silent, "functions that are never invoked: %d of %d")
	add(shapes, "start costs other than at 7 probabilities, which %d of %d functions have: they are cut to these")
	add(near, "the exact start costs of %d of %d functions, which have too few invocations to tell them")
	if n := w.trace.Days() - w.trace.ExactDays(); n > 0 {
		lost = append(lost, fmt.Sprintf("how the invocations of %d of %d days lay within their minutes, which the trace does not know: they are drawn, and so are their durations", n, w.trace.Days()))
	}
	if whole := (datasets.Window{To: w.trace.Days() * datasets.MinutesPerDay}); w.trace.Span != whole || len(w.days) > 0 && (w.days[0].invocations == 0 || w.days[len(w.days)-1].invocations == 0) {
		lost = append(lost, "the span: it is read as whole days, from that of the first invocation to that of the last")
	}
	return datasets.LostGaps(w.trace, lost)
}

// atOurs is d at our probabilities.
func atOurs(d datasets.Distribution) datasets.Distribution {
	out := datasets.Distribution{Prob: probabilities}
	for _, p := range probabilities {
		out.Value = append(out.Value, d.Quantile(p))
	}
	return out
}

// tells reports whether our probabilities tell all of d.
func tells(d datasets.Distribution) bool {
	ours := atOurs(d)
	for i, p := range d.Prob {
		if ours.Quantile(p) != d.Value[i] {
			return false
		}
	}
	return true
}

// same reports whether a is b at our probabilities.
func same(a, b datasets.Distribution) bool { return slices.Equal(atOurs(a).Value, atOurs(b).Value) }

// begin returns what is known of a day, and the number of rows of its file.
func (w *writer) begin(day int) (datasets.WrittenDay, int64) {
	d := &w.days[day]
	return datasets.WrittenDay{Day: day + 1, Functions: d.functions, Invocations: d.invocations},
		d.invocations - d.moved + int64(len(d.lead))
}

const header = rows.KeyHeader + ",arrival,duration_ms,cold_ms,end_ms,memory_mb,cpu\n"

// day writes the rows of a day and returns their number.
func (w *writer) day(ctx context.Context, f *bufio.Writer, day int, d *datasets.WrittenDay) (n int64, err error) {
	if _, err := f.WriteString(header); err != nil {
		return 0, err
	}
	for _, id := range w.days[day].lead {
		if err := w.row(f, w.function[id].first); err != nil {
			return 0, err
		}
		n++
	}
	for inv, err := range w.invocations(ctx, day) {
		if err != nil {
			return 0, err
		}
		if met := &w.function[inv.Function].met; !w.ordered && !*met {
			*met = true
			continue
		}
		if err := w.row(f, inv); err != nil {
			return 0, err
		}
		n++
	}
	return n, ctx.Err()
}

// row writes one invocation.
func (w *writer) row(f *bufio.Writer, inv datasets.Invocation) error {
	of := &w.function[inv.Function]
	b := append(w.line[:0], of.key...)
	b = w.appendTime(b, inv.Arrival)
	b = append(b, ',')
	if inv.Duration != datasets.Unknown {
		b = appendMillis(b, max(1, int64(inv.Duration/time.Microsecond)))
	}
	for _, costs := range [][]int64{of.cold, of.end} {
		b = append(b, ',')
		if of.rows < len(costs) {
			b = appendMillis(b, costs[of.rows])
		}
	}
	of.rows++
	w.line = append(append(b, ','), of.attribute...)
	_, err := f.Write(w.line)
	return err
}

// appendTime appends an arrival after RFC 3339, to the microsecond.
func (w *writer) appendTime(b []byte, arrival time.Duration) []byte {
	return w.trace.Start.Add(arrival).AppendFormat(b, "2006-01-02T15:04:05.000000Z")
}

// appendMillis appends microseconds as milliseconds.
func appendMillis(b []byte, micros int64) []byte {
	b = strconv.AppendInt(b, micros/1000, 10)
	r := micros % 1000
	return append(b, '.', byte('0'+r/100), byte('0'+r/10%10), byte('0'+r%10))
}
