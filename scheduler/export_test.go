package scheduler

import "github.com/incendio-faas/incendio/scheduler/decide"

// What tests outside the package try alone.
var (
	Worthwhile = worthwhile
	NewGuard   = newGuard
)

// Expected are the arrivals that the pool of c expects in this minute, by function.
func Expected(c *Control) []float64 {
	var out []float64
	for f := range c.known {
		out = append(out, c.s.stack.Pool.(*pool).signals.Expected(decide.FunctionID(f)))
	}
	return out
}

// StartLimits is how many limits of starts s holds, those that are kept included.
func StartLimits(s *Scheduler) int { return len(s.starts) }
