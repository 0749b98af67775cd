package sim

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
)

// The start costs that a Shape can set.
const (
	TraceCost     = "trace"     // of the trace: measured, or assumed as it says
	ConstantCost  = "constant"  // StartMS
	PerMBCost     = "per-mb"    // StartMS + StartMSPerMB * MB
	LogNormalCost = "lognormal" // that as the median, and StartSigma that of the logarithm
	EmpiricalCost = "empirical" // one of StartSamplesMS, at random
	// MementoCost is that of the trace, divided by MementoSpeedup: Memento (Wang et al., MICRO
	// 2023) manages memory in hardware, and what a function needs it for is short-lived. The
	// published speed-up is that of executions; a start is execution too, of the runtime and of
	// what the function sets up, so here it stands for starts and ends. Executions, whose
	// durations a trace has measured, stay as they are; the memory traffic and the price that
	// Memento saves are not modelled.
	MementoCost = "memento"
)

// The sizes of containers that a Shape can set.
const (
	TraceSizes = "trace"
	PaperSizes = "paper" // 128, 64 or 32 MB and 1, 0.75 or 0.5 cores at random by function (Incendio, Section VIII-A)
)

// A Shape replaces what a trace did not measure, or what a study wants otherwise.
type Shape struct {
	Sizes     string // "trace" or "paper"
	StartCost string // "trace", "constant", "per-mb", "lognormal", "empirical" or "memento"

	StartMS          float64   // >= 0
	StartMSPerMB     float64   // >= 0, MB of 2^20 bytes
	StartSigma       float64   // of the logarithm, in [0, 3]
	StartSamplesMS   []float64 // >= 0, at least one, in any order
	TerminationShare float64   // termination over initialisation, >= 0
	MementoSpeedup   float64   // in the published range [1.08, 1.28]
}

// DefaultShape changes nothing; its parameters are those of the assumed start costs of
// package datasets.
func DefaultShape() Shape {
	return Shape{Sizes: TraceSizes, StartCost: TraceCost, StartMS: 300, StartMSPerMB: 2, StartSigma: 0.4, TerminationShare: 0.6, MementoSpeedup: 1.16}
}

// Validate reports all values that are out of range.
func (s Shape) Validate() error {
	var errs []error
	check := func(name string, v, high float64) {
		if !(v >= 0 && v <= high) {
			errs = append(errs, fmt.Errorf("sim: %s must be in [0, %g], got %g", name, high, v))
		}
	}
	const day = 24 * 60 * 60 * 1000 // ms
	check("start_ms", s.StartMS, day)
	check("start_ms_per_mb", s.StartMSPerMB, day)
	check("start_sigma", s.StartSigma, 3)
	check("termination_share", s.TerminationShare, 1000)
	if s.StartCost == MementoCost && !(s.MementoSpeedup >= 1.08 && s.MementoSpeedup <= 1.28) {
		errs = append(errs, fmt.Errorf("sim: memento_speedup must be in [1.08, 1.28], what was published, got %g", s.MementoSpeedup))
	}
	for i, v := range s.StartSamplesMS {
		check(fmt.Sprintf("start_samples_ms[%d]", i), v, day)
	}
	switch s.Sizes {
	case TraceSizes, PaperSizes:
	default:
		errs = append(errs, fmt.Errorf("sim: sizes must be %s or %s, got %q", TraceSizes, PaperSizes, s.Sizes))
	}
	switch s.StartCost {
	case TraceCost, ConstantCost, PerMBCost, LogNormalCost, MementoCost:
	case EmpiricalCost:
		if len(s.StartSamplesMS) == 0 {
			errs = append(errs, errors.New("sim: start_samples_ms is empty: an empirical start cost needs samples"))
		}
	default:
		errs = append(errs, fmt.Errorf("sim: start_cost must be %s, %s, %s, %s, %s or %s, got %q",
			TraceCost, ConstantCost, PerMBCost, LogNormalCost, EmpiricalCost, MementoCost, s.StartCost))
	}
	return errors.Join(errs...)
}

// Apply returns the trace with functions of that shape; t stays as it is. Sizes that are
// drawn follow from rnd and the name of the function.
func (s Shape) Apply(t *datasets.Trace, rnd uint64) (*datasets.Trace, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.Sizes == TraceSizes && s.StartCost == TraceCost {
		return t, nil
	}
	out := *t
	out.Functions = slices.Clone(t.Functions)
	key := seed.Key(rnd, "paper sizes")
	for i := range out.Functions {
		f := &out.Functions[i]
		if s.Sizes == PaperSizes {
			h := fnv.New64a()
			for _, part := range []string{f.Owner, f.App, f.Name} {
				h.Write([]byte(part)) // a hash never returns an error
				h.Write([]byte{0})
			}
			pick := func(k uint64) int { return int(3 * seed.Uniform(key, 2*h.Sum64()+k)) }
			f.Memory = []int64{128, 64, 32}[pick(0)] << 20
			f.CPU = []float64{1, 0.75, 0.5}[pick(1)]
		}
		switch s.StartCost {
		case TraceCost:
		case MementoCost:
			f.Initialisation = stretched(f.Initialisation, 1/s.MementoSpeedup)
			f.Termination = stretched(f.Termination, 1/s.MementoSpeedup)
		default:
			f.Initialisation = s.initialisation(float64(f.Memory) / (1 << 20))
			f.Termination = stretched(f.Initialisation, s.TerminationShare)
		}
	}
	return &out, nil
}

func milliseconds(ms float64) time.Duration {
	return time.Duration(ms * float64(time.Millisecond)).Truncate(time.Microsecond)
}

func (s Shape) initialisation(mb float64) datasets.Distribution {
	switch s.StartCost {
	case ConstantCost:
		return datasets.Constant(milliseconds(s.StartMS))
	case PerMBCost:
		return datasets.Constant(milliseconds(s.StartMS + s.StartMSPerMB*mb))
	case LogNormalCost:
		// The inverse CDF at 256 steps. The first and the last, where it would be 0 and
		// infinite, stand for the middles of their steps.
		const steps = 256
		var d datasets.Distribution
		for i := 0; i <= steps; i++ {
			p := min(max(float64(i)/steps, 0.5/steps), 1-0.5/steps)
			z := math.Sqrt2 * math.Erfinv(2*p-1)
			d.Prob = append(d.Prob, float64(i)/steps)
			d.Value = append(d.Value, milliseconds((s.StartMS+s.StartMSPerMB*mb)*math.Exp(s.StartSigma*z)))
		}
		return d
	}
	// Empirical: linear between the samples in order.
	sorted := slices.Sorted(slices.Values(s.StartSamplesMS))
	if len(sorted) == 1 {
		return datasets.Constant(milliseconds(sorted[0]))
	}
	var d datasets.Distribution
	for i, ms := range sorted {
		d.Prob = append(d.Prob, float64(i)/float64(len(sorted)-1))
		d.Value = append(d.Value, milliseconds(ms))
	}
	return d
}

// stretched is the distribution of d times by.
func stretched(d datasets.Distribution, by float64) datasets.Distribution {
	out := datasets.Distribution{Prob: d.Prob, Value: make([]time.Duration, len(d.Value))}
	for i, v := range d.Value {
		out.Value[i] = time.Duration(by * float64(v)).Truncate(time.Microsecond)
	}
	return out
}
