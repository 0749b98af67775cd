package huawei2025

import (
	"fmt"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/lost"
	"github.com/incendio-faas/incendio/internal/measure"
	"github.com/incendio-faas/incendio/internal/rows"
	"github.com/incendio-faas/incendio/internal/wide"
)

// maxFunctions bounds what the names of functions can take of memory.
const maxFunctions = 1 << 18

// A cost is what the tables measured of one function.
type cost struct{ execution, initialisation measure.Quantiles }

// measured is what is known of functions beside their counts, by funcID.
type measured struct {
	costs    map[string]*cost
	series   []map[string]wide.Sample // by metric
	triggers map[string]datasets.Trigger
	lost     *lost.Values

	id []byte
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
		c = new(cost)
		m.costs[string(id)] = c
	}
	if e.duration > 0 {
		c.execution.Add(e.duration)
	}
	if e.start > 0 {
		c.initialisation.Add(e.start)
	}
	return rows.Fault{}
}

// of is the time series of a metric of a function, nil if there is none.
func (m *measured) of(metric int, id string) wide.Sample {
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
		} else if c != nil && c.execution.N() > 0 {
			f.Execution = c.execution.Distribution()
			f.Assumed &^= datasets.AssumedExecution
		}
	}
	if assumed(datasets.AssumedStartCost) {
		if c != nil && c.initialisation.N() > 0 {
			measure.SetStartCost(f, c.initialisation.Distribution())
		} else if s := m.of(initialisation, f.Name); s != nil {
			measure.SetStartCost(f, s.Distribution(time.Second))
		}
	}
}
