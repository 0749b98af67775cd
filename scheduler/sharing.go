package scheduler

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
	Slices *alps.Policy
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
