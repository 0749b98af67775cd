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
	err := rt.Ahead(i, minutes, nil, func(_ int, f Forecast, _ []float64) { out = append(out, f) })
	return out, err
}

// Ahead is Path with further quantiles: visit is called for each minute in order, with how far
// ahead it is, and with the counts that are not exceeded with the probabilities probs, each in
// (0, 1). They lie in order with the forecast's own, and are valid until the next call.
func (rt *Runtime) Ahead(i, minutes int, probs []float64, visit func(ahead int, f Forecast, q []float64)) error {
	if rt.next < 0 {
		return fmt.Errorf("forecast: a path needs a Step before")
	}
	return rt.functions[i].path(rt.next, minutes, rt.out[i], probs, &rt.scratch, visit)
}

// path forecasts the minutes from now on, of which first is the first.
func (p *predictor) path(now, minutes int, first Forecast, probs []float64, s *scratch, visit func(ahead int, f Forecast, q []float64)) error {
	if minutes < 1 || minutes > MaxAhead {
		return fmt.Errorf("forecast: a path must have 1 to %d minutes, got %d", MaxAhead, minutes)
	}
	for _, q := range probs {
		if !(q > 0 && q < 1) {
			return fmt.Errorf("forecast: the probability of a quantile must be in (0, 1), got %g", q)
		}
	}
	s.asked = resize(s.asked, len(probs))
	if p.cluster == nil {
		s.chance = p.arrivals.AppendPath(s.chance[:0], now, minutes)
		batch := p.arrivals.Batch()
		for k, c := range s.chance {
			for j, q := range probs {
				s.asked[j] = occasionalQuantile(c, batch, q)
			}
			visit(k+1, occasional(c, batch), s.asked)
		}
		return nil
	}
	for j, q := range probs {
		s.asked[j] = p.quantile(now, q)
	}
	visit(1, first, s.asked)
	for from := 2; from <= minutes; {
		n := min(batchRows, minutes-from+1)
		if _, upper := p.cluster.around(from); upper.minutes > 0 { // as far as two knots say
			n = min(n, upper.minutes-from+1)
		}
		s.clear()
		for k := range n {
			p.prepareLater(s, from+k)
		}
		p.cluster.evaluateLater(s, from)
		for k := range n {
			l := p.later(s, k, from+k)
			f := l.forecast()
			for j, q := range probs {
				s.asked[j] = f.ordered(q, l.at(q))
			}
			visit(from+k, f, s.asked)
		}
		from += n
	}
	return nil
}

// prepareLater appends the row of the minute that lies so far ahead.
func (p *predictor) prepareLater(s *scratch, ahead int) {
	s.rows = p.follow.Append(s.rows, ahead)
	s.bound = append(s.bound, p.follow.Bound())
}

// evaluateLater runs the trees about a distance ahead > 1 on the rows.
func (c *Cluster) evaluateLater(s *scratch, ahead int) {
	lower, upper := c.around(ahead)
	s.median, s.mean = resize(s.median, len(s.bound)), resize(s.mean, len(s.bound))
	if upper.minutes == ahead { // it speaks alone
		clear(s.median)
	} else {
		lower.outputs(s, s.median)
	}
	upper.outputs(s, s.mean)
}

// later is the forecast of row i of s, which was prepared and evaluated, so far ahead.
func (p *predictor) later(s *scratch, i, ahead int) later {
	lower, upper := p.cluster.around(ahead)
	l := later{lower: lower, upper: upper, bound: s.bound[i], scale: p.errors.scale()}
	switch {
	case upper.minutes == ahead:
		l.share = 1
	case upper.minutes > 0:
		l.share = math.Log(float64(ahead)/float64(lower.minutes)) / math.Log(float64(upper.minutes)/float64(lower.minutes))
	}
	width := len(s.rows) / len(s.bound)
	l.median = min(features.Count(s.rows[i*width]+(1-l.share)*s.median[i]+l.share*s.mean[i]), l.bound)
	return l
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

// A later is the forecast of a minute that lies a share of the way from one knot to the next, of
// which median is expected.
type later struct {
	lower, upper  knot
	share, median float64
	scale, bound  float64 // of the errors of the function, and of what is believed
}

// at is the quantile at p.
func (l *later) at(p float64) float64 {
	v := l.lower.calibration.residual(l.median, p)
	if l.upper.calibration != nil {
		v += l.share * (l.upper.calibration.residual(l.median, p) - v)
	}
	return whole(min(boundOfQuantiles*l.bound, max(0, l.median+v*l.scale*math.Sqrt(l.median+varianceFloor))))
}

func (l *later) forecast() Forecast {
	bias := l.lower.biasOf(l.median)
	if l.upper.calibration != nil {
		bias += l.share * (l.upper.biasOf(l.median) - bias)
	}
	f := Forecast{Mean: min(max(0, l.median+bias*math.Sqrt(l.median+varianceFloor)), l.bound), Median: whole(l.median)}
	f.Q90 = max(f.Median, l.at(probs[P90]))
	f.Q99 = max(f.Q90, l.at(probs[P99]))
	return f
}

func (k knot) biasOf(median float64) float64 {
	if k.bias == nil {
		return 0
	}
	return k.bias[k.calibration.level(median)]
}
