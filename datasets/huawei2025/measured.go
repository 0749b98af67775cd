package huawei2025

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/cost"
	"github.com/incendio-faas/incendio/datasets/internal/lost"
	"github.com/incendio-faas/incendio/datasets/internal/matrix"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// maxFunctions bounds what the names of functions can take of memory.
const maxFunctions = 1 << 18

// Times are what the tables measured of one function.
type times struct{ Execution, Initialisation cost.Quantiles }

// measured is what is known of functions beside their counts, by funcID.
type measured struct {
	costs    map[string]*times
	series   []map[string]matrix.Sample // by metric
	triggers map[string]datasets.Trigger
	lost     *lost.Values

	id []byte
}

// What the state of measured, which is stored, is of: the time series have numbers.
const (
	ofCost    = "cost "
	ofTrigger = "trigger "
)

// join takes what was measured on days that are stored, but for the time series, which it
// returns.
func (m *measured) join(before []datasets.Measured) (series []datasets.Measured, err error) {
	for _, b := range before {
		if id, ok := strings.CutPrefix(b.Of, ofCost); ok {
			m.costs[id] = new(times)
			if err := json.Unmarshal([]byte(b.State), m.costs[id]); err != nil {
				return nil, fmt.Errorf("what was measured of %.60q: %w", b.Of, err)
			}
		} else if id, ok := strings.CutPrefix(b.Of, ofTrigger); ok {
			m.triggers[id] = datasets.Trigger(b.State)
		} else {
			series = append(series, b)
		}
	}
	return series, nil
}

// all is what was measured, in order.
func (m *measured) all() ([]datasets.Measured, error) {
	all, err := matrix.MeasuredOf(m.series)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(m.costs)) {
		text, err := json.Marshal(m.costs[id])
		if err != nil {
			return nil, err
		}
		all = append(all, datasets.Measured{Of: ofCost + id, State: string(text)})
	}
	for _, id := range slices.Sorted(maps.Keys(m.triggers)) {
		all = append(all, datasets.Measured{Of: ofTrigger + id, State: string(m.triggers[id])})
	}
	return all, nil
}

// row takes what a row that is no invocation measured of its function.
func (m *measured) row(cells [][]byte, e event, fault rows.Fault) rows.Fault {
	if fault.Reason != "" {
		return fault
	}
	if m.id, fault = appendID(m.id[:0], cells[funcName], cells[userID], cells[podID]); fault.Reason != "" {
		return fault
	}
	return m.add(m.id, e)
}

// add takes what an event measured.
func (m *measured) add(id []byte, e event) rows.Fault {
	c := m.costs[string(id)]
	if c == nil {
		if len(m.costs) == maxFunctions {
			return rows.Fault{Reason: rows.BadKey, Msg: fmt.Sprintf("function %.60q: more than %d functions", id, maxFunctions)}
		}
		c = new(times)
		m.costs[string(id)] = c
	}
	if e.duration > 0 {
		c.Execution.Add(e.duration)
	}
	if e.start > 0 {
		c.Initialisation.Add(e.start)
	}
	return rows.Fault{}
}

// of is the time series of a metric of a function, nil if there is none.
func (m *measured) of(metric int, id string) matrix.Sample {
	if m.series == nil {
		return nil
	}
	if s := m.series[metric][id]; s != nil && !s.Empty() {
		return s
	}
	return nil
}

// set gives a function what was measured of it, in place of what is assumed.
func (m *measured) set(f *datasets.Function) {
	assumed := func(what datasets.Assumed) bool { return f.Assumed&what != 0 }
	if t, ok := m.triggers[f.Name]; ok && f.Trigger == datasets.Others {
		f.Trigger = t
	}
	if cores, memory, ok := resources(f.Name); ok {
		if assumed(datasets.AssumedCPU) {
			f.CPU = cores
		}
		if assumed(datasets.AssumedMemory) {
			f.Memory = memory
		}
		f.Assumed &^= datasets.AssumedCPU | datasets.AssumedMemory
	}
	c := m.costs[f.Name]
	if assumed(datasets.AssumedExecution) {
		if s := m.of(execution, f.Name); s != nil {
			f.Execution = s.Distribution(time.Second)
			f.Assumed &^= datasets.AssumedExecution
		} else if c != nil && c.Execution.N() > 0 {
			f.Execution = c.Execution.Distribution()
			f.Assumed &^= datasets.AssumedExecution
		}
	}
	if assumed(datasets.AssumedStartCost) {
		if c != nil && c.Initialisation.N() > 0 {
			cost.SetStartCost(f, c.Initialisation.Distribution())
		} else if s := m.of(initialisation, f.Name); s != nil {
			cost.SetStartCost(f, s.Distribution(time.Second))
		}
	}
}
