// Package cost collects what the rows of a trace tell of the costs of a function, in
// bounded memory, and makes attributes of it.
package cost

import (
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// A Cost is what was measured of one function. The zero value is of nothing.
type Cost struct {
	Execution, Initialisation, Termination Quantiles

	// Memory is the largest that was seen, in 2^20 bytes, because a container must
	// hold that, and Cores the largest CPU; 0: none was.
	Memory, Cores float64
}

// Set gives the function what was measured, in place of what is assumed. What another
// trace has measured stays. Termination counts beside initialisation; where only that
// was measured, it is [AssumedTermination].
func (c *Cost) Set(f *datasets.Function) {
	if f.Assumed&datasets.AssumedExecution != 0 && c.Execution.n > 0 {
		f.Execution = c.Execution.Distribution()
		f.Assumed &^= datasets.AssumedExecution
	}
	if f.Assumed&datasets.AssumedMemory != 0 && c.Memory > 0 {
		f.Memory = max(1, int64(math.Round(c.Memory*(1<<20))))
		f.Assumed &^= datasets.AssumedMemory
	}
	if f.Assumed&datasets.AssumedStartCost != 0 && c.Initialisation.n > 0 {
		SetStartCost(f, c.Initialisation.Distribution())
		if c.Termination.n > 0 {
			f.Termination = c.Termination.Distribution()
		}
	}
	if f.Assumed&datasets.AssumedCPU != 0 && c.Cores > 0 {
		f.CPU = c.Cores
		f.Assumed &^= datasets.AssumedCPU
	}
}

// SetStartCost gives the function a measured initialisation, and the termination that
// goes with it.
func SetStartCost(f *datasets.Function, initialisation datasets.Distribution) {
	f.Initialisation, f.Termination = initialisation, AssumedTermination(initialisation)
	f.Assumed &^= datasets.AssumedStartCost
}

// AssumedTermination is what ending a container takes if only its initialisation was
// measured: [datasets.TerminationPerInit] of that.
func AssumedTermination(initialisation datasets.Distribution) datasets.Distribution {
	d := datasets.Distribution{Prob: slices.Clone(initialisation.Prob), Value: make([]time.Duration, len(initialisation.Value))}
	for i, v := range initialisation.Value {
		d.Value[i] = time.Duration(datasets.TerminationPerInit * float64(v)).Truncate(time.Microsecond)
	}
	return d
}
