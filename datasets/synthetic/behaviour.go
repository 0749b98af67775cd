package synthetic

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
)

// A behaviour is when a function is invoked.
type behaviour struct {
	rate float64 // invocations per minute, on average over a week without holidays

	period    int   // of a timer in minutes; 0: not a timer
	perMinute int64 // invocations each time a timer fires
	phase     int   // of a timer, minutes

	follows     datasets.FunctionID // the function that invokes this one; -1: none
	probability float64             // that an invocation of it leads to one of this

	jitter float64 // of a function with a steady pace, in intervals; 0: Poisson

	week    []float64 // length 7*24: relative rate by hour from Monday 00:00, mean 1; of Poisson processes
	holiday float64   // factor of the rate on a holiday
	trend   float64   // relative growth over the whole trace

	burst float64 // expected bursts a day; 0: none
	calm  float64 // factor of the rate outside bursts, < 1 where there are any

	anchor int // a minute of the trace with one invocation more, so that the function exists
}

const (
	burstFactor   = 12   // of the rate within a burst
	burstMinutes  = 15.  // mean length of a burst
	burstShare    = 0.35 // of the functions that are neither timers nor steady
	steadyShare   = 0.5  // of the functions invoked by machines: sensors, pollers, agents
	fastestSteady = 1.0  // invocations per minute; above, minutes do not show a pace
)

// schedule makes a function a timer with the period nearest to its rate.
func (b *behaviour) schedule(rnd *rand.Rand, days int) {
	b.perMinute = 1
	best := math.Inf(1)
	for _, period := range periods {
		if d := math.Abs(math.Log(b.rate * float64(period))); d < best {
			best, b.period = d, period
		}
	}
	for _, n := range perMinute {
		if d := math.Abs(math.Log(b.rate / float64(n))); d < best {
			best, b.period, b.perMinute = d, 1, int64(n)
		}
	}
	b.phase = rnd.IntN(min(b.period, days*datasets.MinutesPerDay)) // it fires at least once
}

// shape draws the rhythm of a function that is no timer. One that follows people has a
// peak in the afternoon, quiet nights, weekends and holidays; the others are machines
// that talk to machines.
func (b *behaviour) shape(people bool, rnd *rand.Rand) {
	amplitude, weekend, peak := 0.15*rnd.Float64(), 0.9+0.1*rnd.Float64(), 24*rnd.Float64()
	if people {
		amplitude, weekend, peak = 0.35+0.35*rnd.Float64(), 0.6+0.35*rnd.Float64(), 14+1.5*rnd.NormFloat64()
		b.holiday = weekend * (0.7 + 0.3*rnd.Float64())
	}
	b.week = make([]float64, 7*24)
	var sum float64
	for h := range b.week {
		angle := 2 * math.Pi * (float64(h%24) + 0.5 - peak) / 24
		b.week[h] = max(0.03, 1+amplitude*math.Cos(angle)+0.25*amplitude*math.Cos(2*angle))
		if h >= 5*24 {
			b.week[h] *= weekend
		}
		sum += b.week[h]
	}
	for h := range b.week {
		b.week[h] *= float64(len(b.week)) / sum
	}
	b.trend = 0.1 * rnd.NormFloat64()
	if !people && b.rate <= fastestSteady && rnd.Float64() < steadyShare {
		b.week = nil
		b.jitter = 0.02 * math.Exp(3.5*rnd.Float64()) // from 2 % to two thirds of an interval
		return
	}
	if rnd.Float64() < burstShare {
		b.burst = 2 + 4*rnd.Float64()
		// The mean rate stays: calm * (1 + (burstFactor-1) * share of time in bursts) = 1.
		b.calm = 1 / (1 + (burstFactor-1)*b.burst*burstMinutes/datasets.MinutesPerDay)
	}
}

// followPeople chooses which functions follow people, of those that are neither timers nor
// later steps of a chain, so that they have their share of invocations.
func followPeople(drafts []draft) []bool {
	out := make([]bool, len(drafts))
	order := make([]int, 0, len(drafts))
	for i, x := range drafts {
		if !x.follows && x.trigger != datasets.Timer {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(drafts[b].rate, drafts[a].rate) })
	var human, all float64
	for _, i := range order {
		all += drafts[i].rate
		if human+drafts[i].rate/2 <= people*all {
			out[i] = true
			human += drafts[i].rate
		}
	}
	return out
}
