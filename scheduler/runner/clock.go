package runner

import "time"

// A Clock tells the time and waits. It is safe for concurrent use.
type Clock interface {
	// Now is the time. It may go back, which the runner takes as standing still.
	Now() time.Time
	// After returns a channel that receives once the time is d later, and a function that
	// gives the wait up.
	After(d time.Duration) (<-chan time.Time, func())
}

// System is the clock of the machine: a step of the wall clock moves nothing, as times are
// told by the monotonic one.
type System struct{}

// Now implements Clock.
func (System) Now() time.Time { return time.Now() }

// After implements Clock.
func (System) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
