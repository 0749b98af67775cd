package index

import "math"

// Factors of a function, in the units of [Exponents].
type Factors struct {
	Exec float64 `json:"exec"`
	Init float64 `json:"init"`
	Mem  float64 `json:"mem"`
	CPU  float64 `json:"cpu"`
	Freq float64 `json:"freq"`
	Term float64 `json:"term"`
}

// least is what smaller factors count as: there is no logarithm of zero.
const least = 1e-3

// power is the logarithm of x to the power of e, and takes none where e is 0.
func power(e, x float64) float64 {
	if e == 0 {
		return 0
	}
	return e * math.Log(max(least, x))
}

// standing is the part of a score that changes with a function's own measurements alone: all
// but Exec and Clock.
func (e *Exponents) standing(x *Factors) float64 {
	return power(e.Init, x.Init) + power(e.Mem, x.Mem) + power(e.CPU, x.CPU) + power(e.Freq, x.Freq) + power(e.Term, x.Term)
}

// StartScore is the score of a start, least first, of a request that has waited for so many
// seconds.
func (o *Options) StartScore(x Factors, waited float64, cold bool) float64 {
	work := max(least, x.Exec)
	if cold {
		work += o.ColdWeight * max(least, x.Init)
	}
	return o.Order.standing(&x) + power(o.Order.Clock, waited) + power(o.Order.Exec, work)
}

// Worth is the logarithm of the worth of one of so many idle containers, of which the next one
// is needed in so many seconds. The least goes first.
func (o *Options) Worth(x Factors, next float64, idle int) float64 {
	return o.Evict.standing(&x) + power(o.Evict.Exec, x.Exec) + power(o.EvictIdle, float64(max(1, idle))) + power(o.Evict.Clock, next)
}

// KeepFor is for how many seconds an idle container is kept, where gap is the mean time between
// requests in seconds and free the share of its invoker's memory that nobody claims.
func (o *Options) KeepFor(x Factors, gap, free float64) float64 {
	return o.Keep * math.Exp(o.KeepBy.standing(&x)+power(o.KeepBy.Exec, x.Exec)+power(o.KeepBy.Clock, gap)+o.KeepFree*(free-0.5))
}
