package datasets

import "time"

// What stands in where a trace has no measurement, marked as [Assumed]: medians of the
// Azure Functions trace of 2019 (Shahrad et al., "Serverless in the Wild", USENIX ATC
// 2020).
const (
	// DefaultExecution is the median of the average execution times of functions:
	// exp(-0.38) s, from the log-normal fit of Fig. 7.
	DefaultExecution = 684 * time.Millisecond

	// DefaultMemory is the median of the memory of applications, 170 MB (Fig. 8), in bytes.
	DefaultMemory = 170 << 20

	// DefaultCPU is one core: the trace says nothing about CPU.
	DefaultCPU = 1.0
)
