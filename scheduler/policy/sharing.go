package policy

import (
	"errors"
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Disciplines by which an invoker can share its cores among the invocations that it executes.
const (
	SharingPS   = "ps"
	SharingFIFO = "fifo"
	SharingSRPT = "srpt"
	SharingSFS  = "sfs"
	SharingALPS = "alps"
)

// Sharing is how the invokers of a stack share their cores, where that is part of what
// the stack is. It is an order to the machines: the Scheduler itself asks no
// more of it than that they follow it.
type Sharing struct {
	Name string // one of the disciplines; "": the platform's own
	SFS  SFSOptions
	ALPS alps.Options

	// Slices, of ALPS: what was learned offline; nil learns as it runs.
	Slices *alps.Ranking
}

// SFSOptions are the parameters of [SharingSFS].
type SFSOptions struct {
	// Initial slice, until there are Window arrivals, > 0. Default 20 ms.
	Initial decide.Time
	// Floor of the slice, > 0. Default 6 ms.
	Floor decide.Time
	// Window is how many inter-arrival times the slice is the mean of, times the cores,
	// and after how many arrivals it is computed anew, >= 1. Default 200.
	Window int
	// Overload sends a job that waited for longer than that multiple of the slice
	// straight to CFS, >= 0. Default 3.
	Overload float64
}

// DefaultSFSOptions returns the authors' parameters.
func DefaultSFSOptions() SFSOptions {
	return SFSOptions{Initial: 20 * decide.Millisecond, Floor: 6 * decide.Millisecond, Window: 200, Overload: 3}
}

// Validate reports all options that are out of range.
func (o SFSOptions) Validate() error {
	var errs []error
	if o.Initial <= 0 {
		errs = append(errs, fmt.Errorf("sfs: initial slice must be positive, got %d us", o.Initial))
	}
	if o.Floor <= 0 {
		errs = append(errs, fmt.Errorf("sfs: floor of the slice must be positive, got %d us", o.Floor))
	}
	if o.Window < 1 {
		errs = append(errs, fmt.Errorf("sfs: window must be at least 1 arrival, got %d", o.Window))
	}
	if !(o.Overload >= 0) || math.IsInf(o.Overload, 0) {
		errs = append(errs, fmt.Errorf("sfs: overload must not be negative, got %g", o.Overload))
	}
	return errors.Join(errs...)
}

// DefaultSharing returns the discipline of that name with its default parameters.
func DefaultSharing(name string) Sharing {
	return Sharing{Name: name, SFS: DefaultSFSOptions(), ALPS: alps.DefaultOptions()}
}

// Validate reports a discipline that is unknown, or its parameters that are out of range.
func (s Sharing) Validate() error {
	switch s.Name {
	case SharingPS, SharingFIFO, SharingSRPT:
		return nil
	case SharingSFS:
		return s.SFS.Validate()
	case SharingALPS:
		return s.ALPS.Validate()
	}
	return fmt.Errorf("sharing must be %s, %s, %s, %s or %s, got %q", SharingPS, SharingFIFO, SharingSRPT, SharingSFS, SharingALPS, s.Name)
}

var (
	fifoRow = shared(Row{Name: SharingFIFO, Source: "native, and invokers run to completion in the order of starts"}, nil)
	srptRow = shared(Row{Name: SharingSRPT, Source: "native, and invokers serve the shortest remaining time first: they know the durations, a reference"}, nil)
	sfsRow  = shared(Row{Name: SharingSFS, Source: "Fu et al., SFS, SC 2022: native, and invokers give a slice to every request in FILTER, then CFS"}, []field[sharedOptions]{
		timed("initial_ms", "slice until window arrivals were seen, in ms", decide.Millisecond, 1, 60000, func(o *sharedOptions) *decide.Time { return &o.SFS.Initial }),
		timed("floor_ms", "least slice, in ms", decide.Millisecond, 0.1, 60000, func(o *sharedOptions) *decide.Time { return &o.SFS.Floor }),
		whole("window", "arrivals whose mean gap, times the cores, is the slice", 1, 1e6, func(o *sharedOptions) *int { return &o.SFS.Window }),
		number("overload", "slices after which a request that waits goes straight to CFS", 0, 1e6, func(o *sharedOptions) *float64 { return &o.SFS.Overload }),
	})
	alpsRow = shared(Row{Name: SharingALPS, Source: "Fu et al., ALPS, ATC 2024: native, and invokers learn ranks and slices of functions from SRPT"}, []field[sharedOptions]{
		timed("every_s", "from one round of learning to the next, in seconds", decide.Second, 0.1, 86400, func(o *sharedOptions) *decide.Time { return &o.ALPS.Every }),
		whole("recent", "invocations that a round simulates", 1, 1e6, func(o *sharedOptions) *int { return &o.ALPS.Recent }),
		timed("check_ms", "how often the simulation looks whether a shorter job waits, in ms", decide.Millisecond, 0.1, 60000, func(o *sharedOptions) *decide.Time { return &o.ALPS.Check }),
		number("alpha", "a slice is at most that many mean stretches", 0.01, 100, func(o *sharedOptions) *float64 { return &o.ALPS.Alpha }),
		number("beta", "standard deviations taken off a slice", 0, 100, func(o *sharedOptions) *float64 { return &o.ALPS.Beta }),
		number("gamma", "divides the penalty of a busy machine", 0.01, 100, func(o *sharedOptions) *float64 { return &o.ALPS.Gamma }),
		number("theta", "use of the CPU in percent from which on slices are shortened", 0, 100, func(o *sharedOptions) *float64 { return &o.ALPS.Theta }),
		number("smooth", "weight of the last round beside those before", 0.01, 1, func(o *sharedOptions) *float64 { return &o.ALPS.Smooth }),
		timed("min_slice_ms", "floor of slices, in ms", decide.Millisecond, 0.1, 200, func(o *sharedOptions) *decide.Time { return &o.ALPS.MinSlice }),
		timed("max_slice_ms", "ceiling of slices, in ms", decide.Millisecond, 200, 60000, func(o *sharedOptions) *decide.Time { return &o.ALPS.MaxSlice }),
	})
)

// sharedOptions are those of native on invokers with a discipline of their own.
type sharedOptions struct {
	KeepAlive
	SFS  SFSOptions
	ALPS alps.Options
}

// shared is the row of native on invokers with the discipline r.Name.
func shared(r Row, fields []field[sharedOptions]) Row {
	r.Sharing = r.Name
	fields = append([]field[sharedOptions]{keepFor(func(o *sharedOptions) *decide.Time { return &o.Keep })}, fields...)
	return row(r, sharedOptions{KeepAlive{NativeKeepAlive}, DefaultSFSOptions(), alps.DefaultOptions()}, fields, func(_ Site, o sharedOptions) Stack {
		s := Native(o.Keep)
		s.Sharing = Sharing{Name: r.Name, SFS: o.SFS, ALPS: o.ALPS}
		return s
	})
}
