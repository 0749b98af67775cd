package prophet

import (
	"math"
	"time"
)

// A Gap is phases of a seasonality that no value of the history has, such as the
// weekend of a history of working days: what the model says of them is not learned
// from data.
type Gap struct {
	Seasonality string `json:"seasonality"`
	// From and To bound the phases, in days since the period began (which it did at
	// 1970-01-01 00:00 UTC and every period after it), without what lies so close to a
	// value that it belongs to that. From is in [0, period) and To is above it; beyond
	// the period it means the next one.
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// Holds reports whether the phase, in days since the period began, is in the gap.
func (g Gap) Holds(phase, period float64) bool {
	return g.From < phase && phase < g.To || phase+period < g.To
}

// An Unseen is times of a forecast in the gaps of a seasonality.
type Unseen struct {
	Seasonality Seasonality
	Times       []time.Time
}

// Unseen returns the times at phases of a seasonality that the history never saw, for
// each seasonality that has such times, with what is known of the times.
func (f *Fitted) Unseen(times []time.Time, columns Columns) []Unseen {
	var out []Unseen
	for _, s := range f.Seasonalities {
		var gaps []Gap
		for _, g := range f.Gaps {
			if g.Seasonality == s.Name {
				gaps = append(gaps, g)
			}
		}
		if len(gaps) == 0 {
			continue
		}
		u := Unseen{Seasonality: s}
		for i, t := range times {
			if s.Condition != "" && !columns.Holds(s.Condition, i, t) {
				continue
			}
			turn := Days(t) / s.Period
			phase := (turn - math.Floor(turn)) * s.Period
			for _, g := range gaps {
				if g.Holds(phase, s.Period) {
					u.Times = append(u.Times, t)
					break
				}
			}
		}
		if len(u.Times) > 0 {
			out = append(out, u)
		}
	}
	return out
}
