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
	room := p.cells() // growing step by step would take several times the memory
	c := &datasets.Counts{Day: day, Offset: make([]int, n+1), Minute: make([]int32, 0, room), Count: make([]int64, 0, room)}
	var previous, current [datasets.MinutesPerDay]int64
	var factor [datasets.MinutesPerDay]float64
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
		case b.jitter > 0:
			b.pace(&current, day, seed.Key(p.opts.Seed^uint64(f), "synthetic/pace"))
		default:
			p.bursts(b, &factor, day, f)
			p.drawPoisson(b, &current, &factor, day, p.stream("counts", f, day))
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

// cells is about how many minutes of a day have invocations, over all functions, and
// rarely less: 1 - exp(-rate) of the minutes with Poisson arrivals of a steady rate, and
// fewer with any other.
func (p *population) cells() int {
	var n float64
	for i := range p.behaviour {
		n += datasets.MinutesPerDay * -math.Expm1(-p.behaviour[i].rate)
	}
	return int(1.05*n) + len(p.behaviour)
}

// stream is the generator of one purpose, function and day.
func (p *population) stream(purpose string, f, day int) *rand.Rand {
	return rand.New(rand.NewPCG(p.opts.Seed, seed.Key(uint64(f)<<16|uint64(day), "synthetic/"+purpose)))
}

// fire invokes a timer exactly every period minutes from its phase on, or several times
// every minute.
func (b *behaviour) fire(counts *[datasets.MinutesPerDay]int64, day int) {
	from := day * datasets.MinutesPerDay
	next := b.phase
	if next < from {
		next += (from - next + b.period - 1) / b.period * b.period
	}
	for ; next < from+datasets.MinutesPerDay; next += b.period {
		counts[next-from] = b.perMinute
	}
}

// pace invokes a function at equal intervals, each time early or late by up to half of
// the jitter. The n-th invocation of the trace is drawn for itself, because an interval
// may be longer than a day.
func (b *behaviour) pace(counts *[datasets.MinutesPerDay]int64, day int, key uint64) {
	from := float64(day * datasets.MinutesPerDay)
	last := int64((from + datasets.MinutesPerDay) * b.rate)
	for n := max(0, int64(from*b.rate)-1); n <= last+1; n++ {
		at := (float64(n) + b.jitter*(seed.Uniform(key, uint64(n))-0.5)) / b.rate
		if m := math.Floor(at) - from; m >= 0 && m < datasets.MinutesPerDay {
			counts[int(m)]++
		}
	}
}

// drawFollowing draws the next function of a chain: each invocation of the one
// before leads to one of this with a probability, mostly in the same minute, else
// in the next.
func (b *behaviour) drawFollowing(counts, before *[datasets.MinutesPerDay]int64, rnd *rand.Rand) {
	for m, k := range before {
		if k == 0 {
			continue
		}
		n := binomial(k, b.probability, rnd)
		late := int64(0)
		if m+1 < datasets.MinutesPerDay {
			late = binomial(n, 0.25, rnd)
			counts[m+1] += late
		}
		counts[m] += n - late
	}
}

// binomial draws how many of n invocations do what each does with probability p. Where
// there are many, the normal distribution stands in: a tenth of a percent is not seen in
// a minute's count.
func binomial(n int64, p float64, rnd *rand.Rand) int64 {
	if n > 256 {
		x := math.Round(float64(n)*p + math.Sqrt(float64(n)*p*(1-p))*rnd.NormFloat64())
		return int64(min(max(x, 0), float64(n)))
	}
	var k int64
	for range n {
		if rnd.Float64() < p {
			k++
		}
	}
	return k
}

// drawPoisson draws a Poisson process whose rate follows the hours of the week,
// linear between the middles of the hours, a trend, holidays and bursts.
func (p *population) drawPoisson(b *behaviour, counts *[datasets.MinutesPerDay]int64, factor *[datasets.MinutesPerDay]float64, day int, rnd *rand.Rand) {
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

// bursts fills in the factor of the rate per minute: burstFactor * calm inside a burst,
// calm outside. A burst of the day before may reach into this one.
func (p *population) bursts(b *behaviour, factor *[datasets.MinutesPerDay]float64, day, f int) {
	for m := range factor {
		factor[m] = b.calm
	}
	if b.burst == 0 {
		return
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
}

// poisson draws a Poisson variate: by inversion where the mean is small, else by
// transformed rejection, PTRS of Hormann, "The transformed rejection method for
// generating Poisson random variables" (Insurance: Mathematics and Economics, 1993).
func poisson(mean float64, rnd *rand.Rand) int64 {
	if mean <= 0 {
		return 0
	}
	if mean < 10 {
		u := rnd.Float64()
		if u < 1-mean { // and so below exp(-mean), which takes most of the time to compute
			return 0
		}
		q := math.Exp(-mean)
		for k := int64(0); ; k++ {
			if u < q || k > 100 { // 100 where the sum of all q falls short of u by rounding
				return k
			}
			u -= q
			q *= mean / float64(k+1)
		}
	}
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	accept := 0.9277 - 3.6224/(b-2)
	logAlpha := math.Log(1.1239 + 1.1328/(b-3.4))
	logMean := math.Log(mean)
	for {
		u, v := rnd.Float64()-0.5, rnd.Float64()
		s := 0.5 - math.Abs(u)
		k := math.Floor((2*a/s+b)*u + mean + 0.43)
		if s >= 0.07 && v <= accept {
			return int64(k)
		}
		if k < 0 || s < 0.013 && v > s {
			continue
		}
		factorial, _ := math.Lgamma(k + 1)
		if math.Log(v)+logAlpha-math.Log(a/(s*s)+b) <= k*logMean-mean-factorial {
			return int64(k)
		}
	}
}
