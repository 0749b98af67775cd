package sim

import (
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// apps is a trace seen by its applications, which take the place of functions.
type apps struct {
	base  *datasets.Trace
	trace datasets.Trace      // without a source: requests are drawn from base
	of    []decide.FunctionID // the application of a function
}

func newApps(t *datasets.Trace) *apps {
	type key struct{ owner, app string }
	rows := make(map[key]decide.FunctionID)
	a := &apps{base: t, trace: *t, of: make([]decide.FunctionID, len(t.Functions))}
	a.trace.Functions, a.trace.Source = nil, nil
	members := []int{}
	for i := range t.Functions {
		f := &t.Functions[i]
		k := key{f.Owner, f.App}
		row, ok := rows[k]
		if !ok {
			row = decide.FunctionID(len(a.trace.Functions))
			rows[k] = row
			unit := *f
			unit.ID, unit.Name = row, ""
			a.trace.Functions, members = append(a.trace.Functions, unit), append(members, 0)
		} else {
			unit := &a.trace.Functions[row]
			unit.Memory += f.Memory
			unit.CPU = max(unit.CPU, f.CPU)
			unit.Initialisation = slower(unit.Initialisation, f.Initialisation)
			unit.Termination = slower(unit.Termination, f.Termination)
			unit.Execution = datasets.Constant(unit.Execution.Mean() + f.Execution.Mean())
			unit.Assumed |= f.Assumed
		}
		a.of[i] = row
		members[row]++
	}
	// What a scheduler is told of an execution before it has seen one is the mean over
	// the functions; how often each is invoked it is not told.
	for row, n := range members {
		if unit := &a.trace.Functions[row]; n > 1 {
			unit.Execution = datasets.Constant(unit.Execution.Mean() / time.Duration(n))
		}
	}
	return a
}

func slower(a, b datasets.Distribution) datasets.Distribution {
	if b.Mean() > a.Mean() {
		return b
	}
	return a
}

// scheduled is the trace as the scheduler sees it: of functions or of applications.
func (w *Workload) scheduled(t *datasets.Trace) *datasets.Trace {
	if w.apps == nil {
		return t
	}
	return &w.apps.trace
}
