package alps

import (
	"math"

	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Options of the front end. Defaults are the authors', where nothing else is said.
type Options struct {
	// Every is the time from one round of learning to the next, > 0. Default 10 s.
	Every decide.Time `json:"every_us"`
	// Recent is how many invocations, those that completed last, a round simulates,
	// in [1, 1e6]. Default 100.
	Recent int `json:"recent"`
	// Check is how long the simulation runs a job before it looks whether a
	// shorter one waits, > 0. Default 8 ms.
	Check decide.Time `json:"check_us"`
	// Alpha bounds a slice to that multiple of the mean stretch, > 0. Default 1.
	Alpha float64 `json:"alpha"`
	// Beta takes that multiple of the standard deviation off a slice, so that classes
	// that cannot be predicted get shorter ones, >= 0. It scales the penalty too. Default 1.
	Beta float64 `json:"beta"`
	// Gamma divides the penalty of a busy machine, > 0. Default 1.
	Gamma float64 `json:"gamma"`
	// Theta is the use of the CPU in percent from which on slices are shortened, in
	// [0, 100]. Default 50.
	Theta float64 `json:"theta"`
	// Smooth is the weight of what was learned last beside what was learned before,
	// in (0, 1]. Default 0.7.
	Smooth float64 `json:"smooth"`
	// MinSlice is the floor of slices, > 0. Default 3 ms: the granularity of CFS on
	// eight or more processors (the kernel's 0.75 ms, times 1 + log2(8)).
	MinSlice decide.Time `json:"min_slice_us"`
	// MaxSlice is their ceiling, >= MinSlice. Default 200 ms.
	MaxSlice decide.Time `json:"max_slice_us"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{
		Every: 10 * decide.Second, Recent: 100, Check: 8 * decide.Millisecond,
		Alpha: 1, Beta: 1, Gamma: 1, Theta: 50, Smooth: 0.7,
		MinSlice: 3 * decide.Millisecond, MaxSlice: 200 * decide.Millisecond,
	}
}

// Validate reports all options that are out of range.
func (o Options) Validate() error {
	out := option.Check{Package: "alps"}
	positive := func(x float64) bool { return x > 0 && !math.IsInf(x, 0) }
	out.That(o.Every > 0, "every_us", "must be positive, got %d", o.Every)
	out.That(o.Recent >= 1 && o.Recent <= 1e6, "recent", "must be in [1, 1000000], got %d", o.Recent)
	out.That(o.Check > 0, "check_us", "must be positive, got %d", o.Check)
	out.That(positive(o.Alpha), "alpha", "must be positive, got %g", o.Alpha)
	out.That(o.Beta >= 0 && !math.IsInf(o.Beta, 0), "beta", "must not be negative, got %g", o.Beta)
	out.That(positive(o.Gamma), "gamma", "must be positive, got %g", o.Gamma)
	out.That(o.Theta >= 0 && o.Theta <= 100, "theta", "must be in [0, 100], got %g", o.Theta)
	out.That(o.Smooth > 0 && o.Smooth <= 1, "smooth", "must be in (0, 1], got %g", o.Smooth)
	out.That(o.MinSlice > 0, "min_slice_us", "must be positive, got %d", o.MinSlice)
	out.That(o.MaxSlice >= o.MinSlice && o.MaxSlice <= longest, "max_slice_us", "must be in [min_slice_us, %d], got %d", longest, o.MaxSlice)
	return out.Err()
}

// longest slice that makes sense: longer than any function may run.
const longest = 24 * 60 * decide.Minute

// penalty is what slices are multiplied with on a machine of which that share of the
// CPU was used: 1 while there is room, and beta (100 + theta - use) / (100 gamma) from theta on, in
// percent. It is never above 1.
func (o Options) penalty(used float64) float64 {
	percent := 100 * used
	if percent < o.Theta {
		return 1
	}
	return max(0, min(1, o.Beta*(100+o.Theta-percent)/(100*o.Gamma)))
}
