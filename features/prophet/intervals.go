package prophet

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"github.com/incendio-faas/incendio/internal/seed"
)

// IntervalOptions say how uncertainty is computed.
type IntervalOptions struct {
	Level   float64 `json:"level"`   // probability between lower and upper, in (0, 1); default 0.8
	Samples int     `json:"samples"` // futures drawn, in [10, 1e6]; default 1000
	Seed    uint64  `json:"seed"`    // of the draws; default 1
}

// DefaultIntervalOptions returns Prophet's: 1000 samples, a level of 0.8.
func DefaultIntervalOptions() IntervalOptions {
	return IntervalOptions{Level: 0.8, Samples: 1000, Seed: 1}
}

// Validate reports an option outside its range.
func (o IntervalOptions) Validate() error {
	if !(o.Level > 0 && o.Level < 1) {
		return fmt.Errorf("prophet: level must be in (0, 1), got %g", o.Level)
	}
	if o.Samples < 10 || o.Samples > 1e6 {
		return fmt.Errorf("prophet: samples must be in [10, 1e6], got %d", o.Samples)
	}
	return nil
}

// Intervals fills the intervals of fc, which is a forecast of f.
//
// Up to the end of the history the trend is held to be known, so y is Gaussian and
// the interval is in closed form. After it, the trend may change again: in each
// sample the number of new changepoints up to the last time of fc, at scaled time
// Tmax, is Poisson with mean S*(Tmax-1), they are uniform on [1, Tmax], and their
// changes of slope are Laplace(0, mean|delta|+1e-8) (the paper, Section 3.1.4);
// noise is added, and the interval is that between quantiles of the samples. A flat
// trend has no such uncertainty.
//
// The noise of the samples at one time is not drawn one by one: it takes each of the
// quantiles (j+1/2)/Samples of its distribution once, in random order. Its share of the
// interval is then exact, as it is on the history, and only that of the trend is random.
func (f *Fitted) Intervals(fc *Forecast, o IntervalOptions) error {
	if err := o.Validate(); err != nil {
		return err
	}
	n := len(fc.Time)
	fc.Lower, fc.Upper = make([]float64, n), make([]float64, n)
	fc.TrendLower, fc.TrendUpper = slices.Clone(fc.Trend), slices.Clone(fc.Trend)

	half := math.Sqrt2 * math.Erfinv(o.Level) * f.Noise()
	scaled := make([]float64, n)
	var future []int // indexes of the times after the history, by time
	for i, t := range fc.Time {
		fc.Lower[i], fc.Upper[i] = fc.Yhat[i]-half, fc.Yhat[i]+half
		scaled[i] = f.Scale(t)
		if scaled[i] > 1 {
			future = append(future, i)
		}
	}
	if f.Growth == Flat || len(f.Changepoints) == 0 || len(future) == 0 {
		return nil
	}
	slices.SortStableFunc(future, func(a, b int) int { return cmp.Compare(scaled[a], scaled[b]) })

	when := make([]float64, len(future))
	for k, i := range future {
		when[k] = scaled[i]
	}
	paths := f.drawPaths(when, o)
	random := seed.Stream(o.Seed, "prophet/noise")
	noise := f.spreadNoise(o.Samples, random)
	trend, y := make([]float64, o.Samples), make([]float64, o.Samples)
	for k, i := range future {
		// Deviations from trend and yhat.
		paths.at(k, trend)
		f.deviate(fc, i, when[k], trend)
		factor, turn := fc.factor(i), random.IntN(o.Samples)
		for j, z := range noise[turn:] {
			y[j] = trend[j]*factor + z
		}
		for j, z := range noise[:turn] {
			j += o.Samples - turn
			y[j] = trend[j]*factor + z
		}
		lower, upper := between(trend, o.Level)
		fc.TrendLower[i], fc.TrendUpper[i] = fc.Trend[i]+lower, fc.Trend[i]+upper
		lower, upper = between(y, o.Level)
		fc.Lower[i], fc.Upper[i] = fc.Yhat[i]+lower, fc.Yhat[i]+upper
	}
	return nil
}

// deviate turns deviations in scaled units, of a logistic trend in its logit, into those
// of the trend at time i of fc, at scaled time t, in units of y.
func (f *Fitted) deviate(fc *Forecast, i int, t float64, dev []float64) {
	if f.Growth != Logistic {
		for j := range dev {
			dev[j] *= f.YScale
		}
		return
	}
	capacity, floor := f.bounds(fc.columns, i)
	logit := f.hinges(-f.K*f.M, t)
	for j := range dev {
		dev[j] = saturated(logit+dev[j], capacity, floor) - fc.Trend[i]
	}
}

// spreadNoise returns n evenly spread quantiles of the noise in random order.
func (f *Fitted) spreadNoise(n int, random *rand.Rand) []float64 {
	z := make([]float64, n)
	for j := range z {
		z[j] = math.Sqrt2 * math.Erfinv(float64(2*j+1)/float64(n)-1) * f.Noise()
	}
	random.Shuffle(n, func(a, b int) { z[a], z[b] = z[b], z[a] })
	return z
}

// paths are sampled futures of the trend: deviations from it that are sums of hinges,
// walked forward in time together.
type paths struct {
	when        []float64  // scaled times of the steps, ascending
	slope, base []float64  // the deviation of each path is slope*t + base
	changes     [][]change // up to each step from the one before
}

// A change of slope of one path.
type change struct {
	when, delta float64 // scaled time
	path        int
}

// at puts the deviations at step k into dev. Steps are taken in order.
func (p *paths) at(k int, dev []float64) {
	for _, c := range p.changes[k] {
		p.slope[c.path] += c.delta
		p.base[c.path] -= c.delta * c.when
	}
	t, base := p.when[k], p.base[:len(dev)]
	for j, slope := range p.slope[:len(dev)] {
		dev[j] = slope*t + base[j]
	}
}

// drawPaths draws the futures at the scaled times when, which ascend and are after 1.
func (f *Fitted) drawPaths(when []float64, o IntervalOptions) *paths {
	var scale float64
	for _, d := range f.Delta {
		scale += math.Abs(d)
	}
	scale = scale/float64(len(f.Delta)) + 1e-8 // the constant is Prophet's
	rate, last := float64(len(f.Changepoints)), when[len(when)-1]
	rnd := seed.Stream(o.Seed, "prophet/trend")
	p := &paths{when: when, slope: make([]float64, o.Samples), base: make([]float64, o.Samples), changes: make([][]change, len(when))}
	for i := range o.Samples {
		// A Poisson process by its exponential gaps: the changepoints come out in
		// order, and their number is Poisson with mean rate*(last-1).
		k := 0
		for t := 1 + rnd.ExpFloat64()/rate; t < last; t += rnd.ExpFloat64() / rate {
			d := rnd.ExpFloat64() * scale // Laplace: an exponential with a random sign
			if rnd.Uint64()&1 == 0 {
				d = -d
			}
			k += sort.SearchFloat64s(when[k:], t)
			p.changes[k] = append(p.changes[k], change{t, d, i})
		}
	}
	return p
}

// between returns the quantiles of x that leave the probability level between them,
// linear between values (type 7 of Hyndman and Fan), and reorders x.
func between(x []float64, level float64) (lower, upper float64) {
	quantile := func(p float64, from int) (float64, int) {
		at := p * float64(len(x)-1)
		i := min(int(at), len(x)-2)
		if i >= from {
			choose(x[from:], i-from)
		}
		next := x[i+1]
		for _, v := range x[i+2:] {
			if v < next {
				next = v
			}
		}
		return x[i] + (at-float64(i))*(next-x[i]), i + 1
	}
	lower, from := quantile((1-level)/2, 0)
	upper, _ = quantile((1+level)/2, from)
	return lower, upper
}

// choose reorders x so that x[k] is what it would be if x were sorted, with no larger
// values before and no smaller ones after it (Hoare's selection).
func choose(x []float64, k int) {
	for low, high := 0, len(x)-1; low < high; {
		// The median of three as pivot keeps ordered input from being the worst.
		a, b, c := x[low], x[low+(high-low)/2], x[high]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := low, high
		for i <= j {
			for x[i] < pivot {
				i++
			}
			for x[j] > pivot {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			high = j
		case k >= i:
			low = i
		default:
			return
		}
	}
}
