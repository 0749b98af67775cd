package scheduler

// What tests outside the package try alone.
var (
	Worthwhile = worthwhile
	NewGuard   = newGuard
)
