package synthetic

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
)

// Day implements [datasets.Source]: it draws the counts of one day. Every function has a stream of its own for
// every day, so that a day does not depend on which others were drawn before.
func (p *population) Day(ctx context.Context, day int) (*datasets.Counts, error) {
	if day < 0 || day >= p.opts.Days {
		return nil, fmt.Errorf("synthetic: day %d of a trace of %d days", day, p.opts.Days)
	}
	n := len(p.functions)
	c := &datasets.Counts{Day: day, Offset: make([]int, n+1)}
	var previous, current [datasets.MinutesPerDay]int64
	for f := range n {
		if f%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		b := &p.behaviour[f]
		current = [datasets.MinutesPerDay]int64{}
		switch {
		case b.follows >= 0: // the function before this one, whose counts are in previous
			b.drawFollowing(&current, &previous, p.stream("chains", f, day))
		case b.period > 0:
			b.fire(&current, day)
		default:
			p.drawPoisson(b, &current, day, f, p.stream("counts", f, day))
		}
		if b.anchor/datasets.MinutesPerDay == day && b.period == 0 {
			current[b.anchor%datasets.MinutesPerDay]++
		}
		for m, k := range current {
			if k > 0 {
				c.Minute = append(c.Minute, int32(m))
				c.Count = append(c.Count, k)
			}
		}
		c.Offset[f+1] = len(c.Minute)
		previous = current
	}
	return c, nil
}

// stream is the generator of one purpose, function and day.
func (p *population) stream(purpose string, f, day int) *rand.Rand {
	return rand.New(rand.NewPCG(p.opts.Seed, seed.Key(uint64(f)<<16|uint64(day), "synthetic/"+purpose)))
}

// fire invokes a timer exactly every period minutes from its phase on.
func (b *behaviour) fire(counts *[datasets.MinutesPerDay]int64, day int) {
	from := day * datasets.MinutesPerDay
	next := b.phase
	if next < from {
		next += (from - next + b.period - 1) / b.period * b.period
	}
	for ; next < from+datasets.MinutesPerDay; next += b.period {
		counts[next-from] = 1
	}
}

// drawFollowing draws the next function of a chain: each invocation of the one
// before leads to one of this with a probability, mostly in the same minute, else
// in the next.
func (b *behaviour) drawFollowing(counts, before *[datasets.MinutesPerDay]int64, rnd *rand.Rand) {
	for m, k := range before {
		for range k {
			if rnd.Float64() >= b.probability {
				continue
			}
			at := m
			if rnd.Float64() < 0.25 && m+1 < datasets.MinutesPerDay {
				at++
			}
			counts[at]++
		}
	}
}

// drawPoisson draws a Poisson process whose rate follows the hours of the week,
// linear between the middles of the hours, a trend, holidays and bursts.
func (p *population) drawPoisson(b *behaviour, counts *[datasets.MinutesPerDay]int64, day, f int, rnd *rand.Rand) {
	factor := p.bursts(b, day, f)
	span := float64(p.opts.Days * datasets.MinutesPerDay)
	hours := len(b.week)
	for m := range counts {
		at := day*datasets.MinutesPerDay + m
		x := float64(at%datasets.MinutesPerDay)/60 - 0.5 + float64(day%7*24)
		h := int(math.Floor(x))
		w := x - float64(h)
		rate := b.rate * ((1-w)*b.week[(h+hours)%hours] + w*b.week[(h+1)%hours])
		rate *= 1 + b.trend*(float64(at)/span-0.5)
		if p.holiday[day] {
			rate *= b.holiday
		}
		counts[m] = poisson(rate*factor[m], rnd)
	}
}

// bursts returns the factor of the rate per minute: burstFactor * calm inside a
// burst, calm outside. A burst of the day before may reach into this one.
func (p *population) bursts(b *behaviour, day, f int) *[datasets.MinutesPerDay]float64 {
	var factor [datasets.MinutesPerDay]float64
	for m := range factor {
		factor[m] = b.calm
	}
	if b.burst == 0 {
		return &factor
	}
	for d := max(0, day-1); d <= day; d++ {
		rnd := p.stream("bursts", f, d)
		for range poisson(b.burst, rnd) {
			from := (d-day)*datasets.MinutesPerDay + rnd.IntN(datasets.MinutesPerDay)
			to := from + 1 + int(rnd.ExpFloat64()*(burstMinutes-1))
			for m := max(0, from); m < min(to, datasets.MinutesPerDay); m++ {
				factor[m] = burstFactor * b.calm
			}
		}
	}
	return &factor
}

// poisson draws a Poisson variate by inversion, the mean cut into parts whose
// exponential does not underflow.
func poisson(mean float64, rnd *rand.Rand) int64 {
	var n int64
	for ; mean > 0; mean -= 32 {
		part := min(mean, 32)
		u, q := rnd.Float64(), math.Exp(-part)
		for k := int64(0); ; k++ {
			if u < q || k > 1000 {
				n += k
				break
			}
			u -= q
			q *= part / float64(k+1)
		}
	}
	return n
}
