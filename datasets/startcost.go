package datasets

import (
	"hash/fnv"
	"math"
	"time"

	"github.com/incendio-faas/incendio/internal/seed"
)

// The assumed cost of starting a container where a trace measured none: a fixed
// part for the sandbox and the runtime, and a part that grows with the memory that
// has to be loaded, so that a function of 128 MB
// typically takes 0.56 s and one of 1 GB 2.3 s. They are assumptions, not measurements.
const (
	startCostFixed     = 300 * time.Millisecond
	startCostPerMB     = 2 * time.Millisecond // MB of 2^20 bytes
	startCostSigma     = 0.4                  // of the logarithm, between functions
	terminationPerInit = 0.6                  // Incendio, Fig. 4: ending a container against creating one
)

// AssumeStartCost sets the initialisation and termination times of a function whose
// trace did not measure them, and marks them as assumed:
//
//	initialisation = (300 ms + 2 ms * MB) * exp(0.4 z),  termination = 0.6 * initialisation
//
// z is standard normal, drawn once per function from rnd and from the function's
// key (owner, app, name) rather than from its row, so that it stays the same when
// the trace grows. Memory must be set before.
func (f *Function) AssumeStartCost(rnd uint64) {
	h := fnv.New64a()
	for _, s := range []string{f.Owner, f.App, f.Name} {
		h.Write([]byte(s)) // a hash never returns an error
		h.Write([]byte{0})
	}
	z := seed.Normal(seed.Key(rnd, "start cost"), h.Sum64())
	typical := float64(startCostFixed) + float64(startCostPerMB)*float64(f.Memory)/(1<<20)
	d := time.Duration(typical * math.Exp(startCostSigma*z)).Truncate(time.Microsecond)
	f.Initialisation = Constant(d)
	f.Termination = Constant(time.Duration(terminationPerInit * float64(d)).Truncate(time.Microsecond))
	f.Assumed |= AssumedStartCost
}
