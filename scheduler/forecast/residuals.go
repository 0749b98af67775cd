package forecast

import (
	"math"
	"slices"
	"sort"
)

// The own errors of a function.
const (
	// ownErrors of each level are kept.
	ownErrors = 120
	// priorErrors is what the quantiles of the cluster weigh, as a number of errors, at the
	// median; towards the tails, where the own errors say less, they weigh more.
	priorErrors = 4
	// adaptRate is that at which a probability follows its coverage.
	adaptRate = 0.01
)

// levelEdges part the forecasts of a function whose errors are kept apart, in counts.
var levelEdges = [...]float64{0.5, 2, 10}

// errorLevels is the number of levels.
const errorLevels = len(levelEdges) + 1

// A window has the last scaled residuals at one level of forecasts, in order of time and of
// size.
type window struct {
	Recent []float32 // ring
	Next   int
	Sorted []float32
}

func (w *window) add(r float32) {
	if w.Recent == nil {
		w.Recent, w.Sorted = make([]float32, 0, ownErrors), make([]float32, 0, ownErrors)
	}
	if len(w.Recent) < ownErrors {
		w.Recent = append(w.Recent, r)
	} else {
		at, _ := slices.BinarySearch(w.Sorted, w.Recent[w.Next])
		w.Sorted = append(w.Sorted[:at], w.Sorted[at+1:]...)
		w.Recent[w.Next] = r
		w.Next = (w.Next + 1) % ownErrors
	}
	at, _ := slices.BinarySearch(w.Sorted, r)
	w.Sorted = slices.Insert(w.Sorted, at, r)
}

// quantile of the residuals at p: the p (n+1)-th of n, so that as many new ones lie below.
func (w *window) quantile(p float64) float64 {
	n := len(w.Sorted)
	at := p*float64(n+1) - 1
	if at <= 0 {
		return float64(w.Sorted[0])
	}
	i := int(at)
	if i >= n-1 {
		return float64(w.Sorted[n-1])
	}
	a, b := float64(w.Sorted[i]), float64(w.Sorted[i+1])
	return a + (at-float64(i))*(b-a)
}

// residuals make the quantiles of a function from the calibration of its cluster and from
// its own errors: of each level of forecasts the last ones, and of each probability the
// share that it covered of late.
type residuals struct {
	Levels [errorLevels]window
	// Shift is added to the probabilities: adaptive conformal inference (Gibbs and Candes,
	// NeurIPS 2021). If intervals miss too often, it grows until they do not.
	Shift [quantiles]float64
	// Own and Prior are the mean sizes of the residuals, and those that the calibration leads
	// to expect.
	Own, Prior float64
	// Most is the largest quantile that is believed of the forecast that waits for its count.
	Most float64
}

func levelOf(mean float64) int {
	return sort.SearchFloat64s(levelEdges[:], math.Nextafter(mean, math.Inf(1)))
}

// observe takes a count that was forecast.
func (r *residuals) observe(c *Calibration, f Forecast, count float64) {
	e := ScaledResidual(f.Mean, count)
	r.Levels[levelOf(f.Mean)].add(float32(max(-math.MaxFloat32, min(e, math.MaxFloat32))))
	const rate = 0.01
	usual := c.spread(f.Mean)
	r.Own += rate * (min(math.Abs(e), 10*usual) - r.Own)
	r.Prior += rate * (usual - r.Prior)
	for q, p := range probs {
		bound := r.at(c, f.Mean, p, q)
		below := 0.0
		switch {
		case count < bound:
			below = 1
		case count == bound: // of a count on the bound, what p needs
			below = p
		}
		most := min(p, 1-p)
		r.Shift[q] = max(-most/2, min(r.Shift[q]+adaptRate*(p-below), 0.95*most))
	}
}

// scale is how much larger the errors are than the calibration says, in [1/4, 4].
func (r *residuals) scale() float64 {
	const prior = 0.3
	s := (r.Own + prior*0.5) / (r.Prior + prior*0.5)
	return max(0.25, min(s, 4))
}

// at is the quantile number q of the tracked ones of a count whose mean is forecast to be mean.
func (r *residuals) at(c *Calibration, mean, p float64, q int) float64 {
	p += r.Shift[q]
	return r.mixed(c, mean, p, p)
}

// mixed is the quantile at p, where the calibration of the cluster weighs as it does at the probability
// weight: with the same weight, quantiles ascend with p.
func (r *residuals) mixed(c *Calibration, mean, p, weight float64) float64 {
	z := c.residual(mean, p) * r.scale()
	if w := &r.Levels[levelOf(mean)]; len(w.Sorted) > 0 {
		n := float64(len(w.Sorted))
		prior := priorErrors / (2 * math.Sqrt(weight*(1-weight)))
		z = (n*w.quantile(p) + prior*z) / (n + prior)
	}
	return whole(min(r.Most, max(0, mean+z*math.Sqrt(mean+varianceFloor))))
}

// joints part the probabilities: between two of them the calibration has one weight.
var joints = [...]float64{0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1}

// quantile is that at p in (0, 1), of a forecast that was filled; larger p have no smaller quantiles.
func (r *residuals) quantile(c *Calibration, f *Forecast, p float64) float64 {
	i := 1
	for p > joints[i] {
		i++
	}
	if p == joints[i] {
		return r.joint(c, f, i)
	}
	low, high := 0.0, math.Inf(1)
	if i > 1 {
		low = r.joint(c, f, i-1)
	}
	if i < len(joints)-1 {
		high = r.joint(c, f, i)
	}
	return max(low, min(r.mixed(c, f.Mean, p, (joints[i-1]+joints[i])/2), high))
}

// joint is the quantile at joints[i]: those that are followed come first, the others lie in order
// with them.
func (r *residuals) joint(c *Calibration, f *Forecast, i int) float64 {
	p := joints[i]
	free := func() float64 { return r.mixed(c, f.Mean, p, p) }
	switch p {
	case 0.001, 0.01:
		return min(free(), r.joint(c, f, i+1))
	case probs[P05]:
		return min(r.at(c, f.Mean, p, P05), f.Median)
	case 0.25:
		return max(r.joint(c, f, i-1), min(free(), f.Median))
	case probs[P50]:
		return f.Median
	case 0.75:
		return max(f.Median, min(free(), f.Q90))
	case probs[P90]:
		return f.Q90
	case probs[P95]:
		return max(f.Q90, min(r.at(c, f.Mean, p, P95), f.Q99))
	case probs[P99]:
		return f.Q99
	}
	return max(free(), f.Q99)
}

// wholeBelow is the count below which quantiles are rounded: they are whole numbers, and
// there it matters.
const wholeBelow = 20

func whole(v float64) float64 {
	if v < wholeBelow {
		return math.Round(v)
	}
	return v
}

// boundOfQuantiles is how much larger quantiles may be than the mean and the median: four times the largest
// count of late.
const boundOfQuantiles = 2

// fill completes the quantiles of a forecast with a mean and a median, which are at most bound.
func (r *residuals) fill(c *Calibration, f *Forecast, bound float64) {
	r.Most = boundOfQuantiles * bound
	f.Q90 = max(f.Median, r.at(c, f.Mean, probs[P90], P90))
	f.Q99 = max(f.Q90, r.at(c, f.Mean, probs[P99], P99))
}
