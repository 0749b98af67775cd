package policy

import (
	"math/rand/v2"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Random starts a request drawn uniformly from those that can start: the floor
// that a rule should be above.
type Random struct{ rnd *rand.Rand }

// NewRandom returns a Random with draws of its own.
func NewRandom(seed uint64) *Random {
	// The second word only keeps apart streams that share a seed.
	return &Random{rand.New(rand.NewPCG(seed, 0x72616e646f6d))}
}

// Next implements decide.Dispatcher.
func (p *Random) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	d := survey(s)
	// A reservoir of one: every function that can start takes the place of those
	// before it with the share that its requests have in all of them.
	total := 0
	var chosen decide.Start
	for _, f := range s.Backlog() {
		st, ok := d.start(f)
		if !ok {
			continue
		}
		// Requests of a function are alike but for their age: the oldest stands for them.
		n := s.Waiting(f)
		total += n
		if p.rnd.IntN(total) < n {
			chosen = st
		}
	}
	return chosen, total > 0
}
