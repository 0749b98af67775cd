package azure2019

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// An execution is the percentiles of one function on the day with most samples; 0 stands
// for one that is not known.
type execution struct {
	Samples float64                         `json:"samples"`
	Value   [len(percentiles)]time.Duration `json:"ns"`
}

// A memoryOf is the memory of a function or application on the day with most samples.
type memoryOf struct {
	Samples float64 `json:"samples"`
	MB      float64 `json:"mb"`
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

// readRows reads a small table. Row gets the cells in the order of the columns, nil where
// the file has no such column.
func (t *table) readRows(ctx context.Context, f *sourceFile, sink datasets.Sink, columns []rows.Column, row func(line int, cells [][]byte) rows.Fault) error {
	file := rows.FileOf(f.member)
	t.lost.In(file.Path)
	found, err := file.Scan(ctx, columns, nil, rows.Handler{
		Begin:  func([]bool) error { return nil },
		Row:    func(line int, cells [][]byte) (rows.Fault, error) { return row(line, cells), nil },
		Reject: sink.Reject,
	})
	if err != nil {
		return err
	}
	t.note(found.Extra, expectedExtra)
	return sink.Rows(f.member.Source(), found.Rows)
}

// expectedExtra are columns that the official files have and that are not used.
var expectedExtra = regexp.MustCompile(`^(Minimum|Maximum|AverageAllocatedMb_pct[0-9]+)$`)

// required are columns that must be there.
func required(names ...string) []rows.Column {
	columns := make([]rows.Column, len(names))
	for i, n := range names {
		columns[i] = rows.Column{Name: n, Required: true}
	}
	return columns
}

// joined is a key, and what is wrong with it.
func (t *table) joined(parts ...[]byte) (string, rows.Fault) {
	for i, part := range parts {
		if complaint := badKey(part); complaint != "" {
			return "", rows.Fault{Reason: rows.BadKey, Msg: fmt.Sprintf("%s %.40q: %s", keyColumns[i], part, complaint)}
		}
	}
	return string(t.key(parts...)), rows.Fault{}
}

// readDurations joins a file of durations, those of functions without counts too, which
// may have some on a later day. Of several days, the one with most samples counts.
func (t *table) readDurations(ctx context.Context, f *sourceFile, sink datasets.Sink) error {
	columns := required("HashOwner", "HashApp", "HashFunction", "Average", "Count")
	for _, p := range percentiles {
		columns = append(columns, rows.Column{Name: p.column, Required: true})
	}
	seen := map[string]int{} // lines
	return t.readRows(ctx, f, sink, columns, func(line int, cells [][]byte) rows.Fault {
		key, fault := t.joined(cells[0], cells[1], cells[2])
		if fault.Reason != "" {
			return fault
		}
		if first := seen[key]; first > 0 {
			return rows.Fault{Reason: rows.DuplicateKey, Msg: fmt.Sprintf("same owner, app and function as line %d", first)}
		}
		seen[key] = line
		number := func(column int, limit float64) (float64, bool) {
			return t.lost.Number(columns[column].Name, cells[column], line, limit)
		}
		number(3, maxMilliseconds) // an average is not needed, but one that is negative is worth a note
		var e execution
		samples, _ := number(4, maxSamples)
		e.Samples = max(samples, 1) // the row itself is one
		last, measured := time.Duration(0), false
		for i := range percentiles {
			if ms, known := number(5+i, maxMilliseconds); known {
				last = max(last, resolution, time.Duration(ms*float64(time.Millisecond))) // they are rounded one by one
				e.Value[i], measured = last, true
			}
		}
		if best := t.execution[key]; measured && (best == nil || e.Samples > best.Samples) {
			t.execution[key] = &e
		}
		return rows.Fault{}
	})
}

// distribution is that of the percentiles that are known; at the ends, where they must be,
// the nearest one stands in.
func (e *execution) distribution() datasets.Distribution {
	var d datasets.Distribution
	last := len(percentiles) - 1
	for i, p := range percentiles {
		v := e.Value[i]
		for k := i; v == 0 && i == 0; k++ {
			v = e.Value[k]
		}
		for k := i; v == 0 && i == last; k-- {
			v = e.Value[k]
		}
		if v > 0 {
			d.Prob, d.Value = append(d.Prob, p.prob), append(d.Value, v)
		}
	}
	return d
}

// readMemory joins a file of memory, of functions where it has a column for them,
// otherwise of applications.
func (t *table) readMemory(ctx context.Context, f *sourceFile, sink datasets.Sink) error {
	seen := map[string]int{}
	columns := append(required("HashOwner", "HashApp", "SampleCount", "AverageAllocatedMb"), rows.Column{Name: "HashFunction"})
	return t.readRows(ctx, f, sink, columns, func(line int, cells [][]byte) rows.Fault {
		parts, what := [][]byte{cells[0], cells[1]}, "owner and app"
		if cells[4] != nil {
			parts, what = append(parts, cells[4]), "owner, app and function"
		}
		key, fault := t.joined(parts...)
		if fault.Reason != "" {
			return fault
		}
		if first, ok := seen[key]; ok {
			return rows.Fault{Reason: rows.DuplicateKey, Msg: fmt.Sprintf("same %s as line %d", what, first)}
		}
		seen[key] = line
		var m memoryOf
		samples, _ := t.lost.Number(columns[2].Name, cells[2], line, maxSamples)
		m.Samples = max(samples, 1)
		mb, known := t.lost.Number(columns[3].Name, cells[3], line, maxMB)
		if m.MB = mb; known && mb == 0 {
			t.lost.Add(columns[3].Name, line, fmt.Sprintf("AverageAllocatedMb %.40q: must be positive", cells[3]))
		}
		if m.MB == 0 {
			return rows.Fault{}
		}
		of := t.apps
		if cells[4] != nil {
			of = t.memory
		}
		if best := of[key]; best == nil || m.Samples > best.Samples {
			of[key] = &m
		}
		return rows.Fault{}
	})
}

// join gives every function its attributes: what the files measured, else what a
// known function has already, else a default.
func (t *table) join(rnd uint64) []datasets.Function {
	key := func(parts ...string) string { return strings.Join(parts, separator) + separator }
	functions := map[string]int{} // by application
	for i := range t.functions {
		functions[key(t.functions[i].Owner, t.functions[i].App)]++
	}
	for i := range t.functions {
		f := &t.functions[i]
		if f.Assumed&datasets.AssumedExecution != 0 {
			if e := t.execution[key(f.Owner, f.App, f.Name)]; e != nil {
				f.Execution = e.distribution()
				f.Assumed &^= datasets.AssumedExecution
			} else {
				f.Execution = datasets.Constant(datasets.DefaultExecution)
			}
		}
		if f.Assumed&datasets.AssumedMemory != 0 {
			mb, app := 0.0, key(f.Owner, f.App)
			if m := t.memory[key(f.Owner, f.App, f.Name)]; m != nil {
				mb = m.MB
			} else if m := t.apps[app]; m != nil {
				mb = math.Ceil(m.MB / float64(functions[app]))
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

// What the state of a table, which is stored, is of.
const (
	ofExecution = "execution "
	ofMemory    = "memory "
	ofApp       = "app "
)

// measured is what all days measured, in order.
func (t *table) measured() ([]datasets.Measured, error) {
	var all []datasets.Measured
	var err error
	add := func(of, key string, v any) {
		text, merr := json.Marshal(v)
		err = errors.Join(err, merr)
		all = append(all, datasets.Measured{Of: of + key, State: string(text)})
	}
	for _, k := range slices.Sorted(maps.Keys(t.execution)) {
		add(ofExecution, k, t.execution[k])
	}
	for _, k := range slices.Sorted(maps.Keys(t.memory)) {
		add(ofMemory, k, t.memory[k])
	}
	for _, k := range slices.Sorted(maps.Keys(t.apps)) {
		add(ofApp, k, t.apps[k])
	}
	return all, err
}

// recall takes what earlier days measured.
func (t *table) recall(before []datasets.Measured) error {
	for _, m := range before {
		var err error
		of, key, _ := strings.Cut(m.Of, " ")
		switch of + " " {
		case ofExecution:
			e := new(execution)
			err = json.Unmarshal([]byte(m.State), e)
			t.execution[key] = e
		case ofMemory:
			v := new(memoryOf)
			err = json.Unmarshal([]byte(m.State), v)
			t.memory[key] = v
		case ofApp:
			v := new(memoryOf)
			err = json.Unmarshal([]byte(m.State), v)
			t.apps[key] = v
		default:
			err = errors.New("expected execution, memory or app")
		}
		if err != nil {
			return fmt.Errorf("what was measured of %.60q: %w", m.Of, err)
		}
	}
	return nil
}
