package policy

import (
	"math/rand/v2"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Random starts a request drawn uniformly from those that can start: the floor
// that a rule should be above.
type Random struct {
	candidates
	rnd    *rand.Rand
	source *rand.PCG // of rnd
	starts []decide.Start
}

// NewRandom returns a Random with draws of its own.
func NewRandom(seed uint64) *Random {
	// The second word only keeps apart streams that share a seed.
	source := rand.NewPCG(seed, 0x72616e646f6d)
	return &Random{rnd: rand.New(source), source: source}
}

// Next implements decide.Dispatcher.
func (p *Random) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	p.starts = p.starts[:0]
	p.each(s, always, func(_ decide.FunctionID, st decide.Start) { p.starts = append(p.starts, st) })
	function := func(st decide.Start) decide.FunctionID {
		f, _ := s.Request(st.Request)
		return f
	}
	slices.SortFunc(p.starts, func(a, b decide.Start) int { return s.BacklogAt(function(a)) - s.BacklogAt(function(b)) })
	// A reservoir of one: every function that can start takes the place of those
	// before it with the share that its requests have in all of them.
	total := 0
	var chosen decide.Start
	for _, st := range p.starts {
		// Requests of a function are alike but for their age: the oldest stands for them.
		n := s.Waiting(function(st))
		total += n
		if p.rnd.IntN(total) < n {
			chosen = st
		}
	}
	return chosen, total > 0
}

var randomRule = rule{
	name: "random", source: "a request drawn at random",
	make: func(_ decide.Signals, rnd uint64) decide.Dispatcher { return NewRandom(rnd) },
}
