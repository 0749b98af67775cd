package azure2019

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// An execution is the percentiles of one function on the day with most samples.
type execution struct {
	samples float64 // 0: none
	value   [len(percentiles)]time.Duration
}

// A memoryOf is the memory of a function or application on the day with most samples.
type memoryOf struct{ samples, mb float64 }

// An appMemory is the memory of an application, and how many functions share it.
type appMemory struct {
	memoryOf
	functions int
}

var percentiles = [...]struct {
	column string
	prob   float64
}{
	{"percentile_Average_0", 0}, {"percentile_Average_1", 0.01}, {"percentile_Average_25", 0.25}, {"percentile_Average_50", 0.5},
	{"percentile_Average_75", 0.75}, {"percentile_Average_99", 0.99}, {"percentile_Average_100", 1},
}

// resolution is the unit of times in the files; shorter ones count as one unit.
const resolution = time.Millisecond

// Bounds beyond which a value is no observation.
const (
	maxMilliseconds = 1e9 // 11 days
	maxMB           = 1e6
	maxSamples      = 1e15
)

// readRows reads a small table: a header with at least the columns required, and
// rows as wide as the header. Row gets the fields in the order of required, then
// of optional ones (nil where the file has no such column), and returns why it
// cannot use them.
func (f *sourceFile) readRows(ctx context.Context, sink datasets.Sink, required, optional []string,
	row func(line int, fields [][]byte) (reason, msg string)) error {
	r, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	blocks, buf := &blockReader{r: r}, make([]byte, blockSize)
	head, block, err := f.firstLine(blocks, buf)
	if err != nil {
		return err
	}
	names := bytes.Split(bytes.TrimPrefix(head, byteOrderMark), []byte(","))
	column := make([]int, 0, len(required)+len(optional))
	for i, name := range slices.Concat(required, optional) {
		is := func(b []byte) bool { return string(b) == name }
		at := slices.IndexFunc(names, is)
		if at < 0 && i < len(required) {
			return &datasets.SyntaxError{File: f.path, Line: 1, Msg: fmt.Sprintf("column %s is missing: expected at least %s", name, required)}
		}
		if at >= 0 && slices.IndexFunc(names[at+1:], is) >= 0 {
			return &datasets.SyntaxError{File: f.path, Line: 1, Msg: fmt.Sprintf("column %s is there twice", name)}
		}
		column = append(column, at)
	}
	width := len(names)
	line := 1
	reject := func(reason, msg string) error {
		return sink.Reject(reason, &datasets.SyntaxError{File: f.path, Line: line, Msg: msg})
	}
	fields, picked := make([][]byte, width), make([][]byte, len(column))
	for long := false; ; {
		if long {
			line++
			if err := reject(LongLine, fmt.Sprintf("longer than %d bytes", blockSize)); err != nil {
				return err
			}
		}
		for len(block) > 0 {
			var text []byte
			text, block = cutLine(block)
			line++
			var reason, msg string
			if n := split(text, fields); n == width {
				for i, c := range column {
					if c >= 0 {
						picked[i] = fields[c]
					}
				}
				reason, msg = row(line, picked)
			} else {
				reason, msg = RaggedRow, fmt.Sprintf("%d columns, expected %d", n, width)
			}
			if reason != "" {
				if err := reject(reason, msg); err != nil {
					return err
				}
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if block, long, err = blocks.next(buf); errors.Is(err, io.EOF) {
			return sink.Rows(f.member.Source(), int64(line-1))
		} else if err != nil {
			return f.readError(err)
		}
	}
}

// split cuts a line into its fields and returns their number, which may be larger than
// that of the fields there is room for.
func split(line []byte, fields [][]byte) (n int) {
	for more := true; more; n++ {
		var field []byte
		field, line, more = cutField(line)
		if n < len(fields) {
			fields[n] = field
		}
	}
	return n
}

// whole parses a number of one to nine digits, as most of these files' are.
func whole(field []byte) (v float64, ok bool) {
	n := 0
	for _, c := range field {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return float64(n), 0 < len(field) && len(field) < 10
}

// number parses a measurement in [0, limit].
func number(column string, field []byte, limit float64) (v float64, reason, msg string) {
	if v, ok := whole(field); ok && v <= limit {
		return v, "", ""
	}
	v, err := strconv.ParseFloat(string(field), 64)
	switch {
	case err != nil || math.IsNaN(v):
		return 0, BadNumber, fmt.Sprintf("%s %.40q: must be a number", column, field)
	case v < 0:
		return 0, NegativeNumber, fmt.Sprintf("%s %.40q: must not be negative", column, field)
	case v > limit:
		return 0, HugeNumber, fmt.Sprintf("%s %.40q: must be at most %g", column, field, limit)
	}
	return v, "", ""
}

// readDurations joins a file of durations. A row of a function without counts is
// checked and left; of several days, the one with most samples counts.
func (t *table) readDurations(ctx context.Context, f *sourceFile, sink datasets.Sink) error {
	t.execution = slices.Grow(t.execution, len(t.functions))[:len(t.functions)]
	columns := []string{"HashOwner", "HashApp", "HashFunction", "Average", "Count"}
	for _, p := range percentiles {
		columns = append(columns, p.column)
	}
	seen, others := make([]int, len(t.functions)), map[string]int{} // lines, of functions without counts in others
	return f.readRows(ctx, sink, columns, nil, func(line int, fields [][]byte) (reason, msg string) {
		key := t.key(fields[0], fields[1], fields[2])
		id, counted := t.index[string(key)]
		first := 0
		if counted {
			first = seen[id]
		} else if bytes.IndexByte(key, '"') >= 0 {
			return BadKey, quoted(key)
		} else {
			first = others[string(key)]
		}
		if first > 0 {
			return DuplicateKey, fmt.Sprintf("same owner, app and function as line %d", first)
		}
		// An average is not needed, but a negative one gives a broken log away.
		if _, reason, msg = number("Average", fields[3], maxMilliseconds); reason != "" {
			return reason, msg
		}
		var e execution
		if e.samples, reason, msg = number("Count", fields[4], maxSamples); reason != "" {
			return reason, msg
		}
		for i, p := range percentiles {
			ms, reason, msg := number(p.column, fields[5+i], maxMilliseconds)
			if reason != "" {
				return reason, msg
			}
			e.value[i] = max(resolution, time.Duration(ms*float64(time.Millisecond)))
			if i > 0 {
				e.value[i] = max(e.value[i], e.value[i-1]) // they are rounded one by one
			}
		}
		if !counted {
			others[string(key)] = line
			return "", ""
		}
		seen[id] = line
		e.samples = max(e.samples, 1) // the row itself is one
		if e.samples > t.execution[id].samples {
			t.execution[id] = e
		}
		return "", ""
	})
}

// quoted is what is wrong with a key that has quotes: no official one has, and a comma
// inside them would have become part of another field.
func quoted(key []byte) string { return fmt.Sprintf("%.40q: must not have quotes", key) }

// readMemory joins a file of memory, of functions where it has a column for them,
// otherwise of applications.
func (t *table) readMemory(ctx context.Context, f *sourceFile, sink datasets.Sink) error {
	t.memory = slices.Grow(t.memory, len(t.functions))[:len(t.functions)]
	seen := map[string]int{}
	return f.readRows(ctx, sink, []string{"HashOwner", "HashApp", "SampleCount", "AverageAllocatedMb"}, []string{"HashFunction"},
		func(line int, fields [][]byte) (reason, msg string) {
			parts, what := [][]byte{fields[0], fields[1]}, "owner and app"
			if fields[4] != nil {
				parts, what = append(parts, fields[4]), "owner, app and function"
			}
			key := t.key(parts...)
			if bytes.IndexByte(key, '"') >= 0 {
				return BadKey, quoted(key)
			}
			if first, ok := seen[string(key)]; ok {
				return DuplicateKey, fmt.Sprintf("same %s as line %d", what, first)
			}
			var m memoryOf
			if m.samples, reason, msg = number("SampleCount", fields[2], maxSamples); reason != "" {
				return reason, msg
			}
			if m.mb, reason, msg = number("AverageAllocatedMb", fields[3], maxMB); reason != "" {
				return reason, msg
			}
			if m.mb == 0 {
				return BadNumber, fmt.Sprintf("AverageAllocatedMb %.40q: must be positive", fields[3])
			}
			seen[string(key)] = line
			m.samples = max(m.samples, 1)
			if fields[4] != nil {
				if id, ok := t.index[string(key)]; ok && m.samples > t.memory[id].samples {
					t.memory[id] = m
				}
				return "", ""
			}
			a := t.apps[string(key)]
			if a == nil {
				a = new(appMemory)
				t.apps[string(key)] = a
			}
			if m.samples > a.samples {
				a.memoryOf = m
			}
			return "", ""
		})
}

// join gives every function its attributes: what the files measured, else what a
// known function has already, else a default.
func (t *table) join(rnd uint64) []datasets.Function {
	app := func(f *datasets.Function) *appMemory { return t.apps[string(t.key([]byte(f.Owner), []byte(f.App)))] }
	for i := range t.functions {
		if a := app(&t.functions[i]); a != nil {
			a.functions++
		}
	}
	for i := range t.functions {
		f := &t.functions[i]
		if f.Assumed&datasets.AssumedExecution != 0 {
			if i < len(t.execution) && t.execution[i].samples > 0 {
				f.Execution = datasets.Distribution{Prob: make([]float64, len(percentiles)), Value: slices.Clone(t.execution[i].value[:])}
				for k, p := range percentiles {
					f.Execution.Prob[k] = p.prob
				}
				f.Assumed &^= datasets.AssumedExecution
			} else {
				f.Execution = datasets.Constant(datasets.DefaultExecution)
			}
		}
		if f.Assumed&datasets.AssumedMemory != 0 {
			mb := 0.0
			if i < len(t.memory) && t.memory[i].samples > 0 {
				mb = t.memory[i].mb
			} else if a := app(f); a != nil {
				mb = math.Ceil(a.mb / float64(a.functions))
			}
			if mb > 0 {
				f.Memory = max(1, int64(math.Round(mb*(1<<20))))
				f.Assumed &^= datasets.AssumedMemory
			} else {
				f.Memory = datasets.DefaultMemory
			}
			f.AssumeStartCost(rnd)
		}
	}
	return t.functions
}
