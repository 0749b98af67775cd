package forecast

import (
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/features"
)

// Path forecasts function i in the next minutes, in [1, MaxAhead], after the last Step, each
// directly from what is known now, and appends them to out. The first is that of Step.
//
// The model has trees for some distances ahead. For a minute between two of them both look at the row of
// that minute, and what they say is weighed by the logarithm of the distance; beyond the last,
// the last speaks. The errors of Step tell how wide the quantiles of a function
// are; how they widen with the distance is that of its cluster.
//
// A function without trees is expected to arrive as its inter-arrival times say, one after another
// (the renewal equation).
func (rt *Runtime) Path(i, minutes int, out []Forecast) ([]Forecast, error) {
	if minutes < 1 || minutes > MaxAhead {
		return out, fmt.Errorf("forecast: a path must have 1 to %d minutes, got %d", MaxAhead, minutes)
	}
	if rt.next < 0 {
		return out, fmt.Errorf("forecast: a path needs a Step before")
	}
	p := &rt.functions[i]
	if p.cluster == nil {
		rt.scratch.chance = p.arrivals.AppendPath(rt.scratch.chance[:0], rt.next, minutes)
		for _, c := range rt.scratch.chance {
			out = append(out, occasional(c, p.arrivals.Batch()))
		}
		return out, nil
	}
	out = append(out, rt.out[i])
	s := &rt.scratch
	for from := 2; from <= minutes; {
		lower, upper := p.cluster.around(from)
		to := minutes
		if upper.minutes > 0 {
			to = min(to, upper.minutes)
		}
		for from <= to {
			n := min(batchRows, to-from+1)
			s.clear()
			for k := range n {
				s.rows = p.follow.Append(s.rows, from+k)
				s.bound = append(s.bound, p.follow.Bound())
			}
			s.median, s.mean = resize(s.median, n), resize(s.mean, n)
			lower.outputs(s, s.median)
			upper.outputs(s, s.mean)
			width := len(s.rows) / n
			for k := range n {
				share := 0.0
				if upper.minutes > 0 {
					share = math.Log(float64(from+k)/float64(lower.minutes)) / math.Log(float64(upper.minutes)/float64(lower.minutes))
				}
				z := s.rows[k*width] + (1-share)*s.median[k] + share*s.mean[k]
				out = append(out, p.later(z, s.bound[k], share, lower, upper))
			}
			from += n
		}
	}
	return out, nil
}

func resize(v []float64, n int) []float64 {
	if cap(v) < n {
		return make([]float64, n)
	}
	return v[:n]
}

// A knot is a distance ahead that the model has trees for; the zero value is none.
type knot struct {
	minutes     int
	head        *Head
	calibration *Calibration
	bias        []float64 // nil of the next minute, which has trees for the mean
}

// around returns the knots about a distance ahead > 1: the last one before it and the first
// one at or after it, if there is one.
func (c *Cluster) around(ahead int) (lower, upper knot) {
	lower = knot{1, &c.Median, &c.Calibration, nil}
	for i := range c.Later {
		l := &c.Later[i]
		k := knot{l.Minutes, &l.Median, &l.Calibration, l.Bias}
		if l.Minutes >= ahead {
			return lower, k
		}
		lower = k
	}
	return lower, knot{}
}

// outputs writes to out what the trees of k add to the base of the rows, in units of z.
func (k knot) outputs(s *scratch, out []float64) {
	if k.head == nil || k.head.Trees == nil {
		clear(out)
		return
	}
	k.head.Trees.PredictRows(s.rows, out, &s.trees)
}

// later makes a forecast of a median in units of z; share is how far between two knots it is.
func (p *predictor) later(z, bound, share float64, lower, upper knot) Forecast {
	median := min(features.Count(z), bound)
	sd := math.Sqrt(median + varianceFloor)
	scale := p.errors.scale()
	at := func(q float64) float64 {
		v := lower.calibration.residual(median, q)
		if upper.calibration != nil {
			v += share * (upper.calibration.residual(median, q) - v)
		}
		return min(2*bound, max(0, median+v*scale*sd))
	}
	bias := lower.biasOf(median)
	if upper.calibration != nil {
		bias += share * (upper.biasOf(median) - bias)
	}
	f := Forecast{Mean: min(max(0, median+bias*sd), bound), Median: whole(median)}
	f.Q90 = max(f.Median, whole(at(probs[P90])))
	f.Q99 = max(f.Q90, whole(at(probs[P99])))
	return f
}

func (k knot) biasOf(median float64) float64 {
	if k.bias == nil {
		return 0
	}
	return k.bias[k.calibration.level(median)]
}
