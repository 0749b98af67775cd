package forecast

import (
	"fmt"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// A Replay forecasts one series after another over counts that are known: what a Runtime
// would say that met them minute by minute, bit for bit. It is faster, because the rows of
// many minutes are evaluated at once. It is not safe for concurrent use; several can share
// a Model.
type Replay struct {
	model *Model
	start time.Time
	p     predictor
	s     scratch
	later []scratch // one for each distance ahead
	next  int
}

// NewReplay returns a Replay of series of which start is minute 0, a midnight UTC.
func NewReplay(m *Model, start time.Time) (*Replay, error) {
	if m.byKey == nil {
		return nil, fmt.Errorf("forecast: the model must be compiled before it runs")
	}
	if start.Unix()%(datasets.MinutesPerDay*60) != 0 {
		return nil, fmt.Errorf("forecast: start must be a midnight UTC, got %v", start)
	}
	return &Replay{model: m, start: start}, nil
}

// Function begins with a function, of which from is the first minute that will be known.
func (r *Replay) Function(f *datasets.Function, from int) {
	var known *Function
	if k, ok := r.model.byKey[KeyOf(f)]; ok {
		known = &r.model.Functions[k]
	}
	r.begin(known, from)
}

// Total begins with the sum of functions that scope names, see Totals. It reports false, and
// forecasts nothing, if the model has no trees for it.
func (r *Replay) Total(scope string, from int) bool {
	for i := range r.model.Totals {
		if f := &r.model.Totals[i]; f.Key.Name == scope {
			r.begin(f, from)
			return true
		}
	}
	return false
}

func (r *Replay) begin(f *Function, from int) {
	r.p = newPredictor(r.model, f, r.start)
	r.p.reset(from)
	r.next = from
}

// Prime takes the counts of the next minutes without forecasting.
func (r *Replay) Prime(counts []float64) {
	r.p.prime(r.next, counts)
	r.next += len(counts)
}

// Step forecasts each of the next minutes from those before it, and calls visit with it, if
// that is not nil, before the count of the minute is looked at.
func (r *Replay) Step(counts []float64, visit func(minute int, f Forecast)) {
	from := r.next
	r.p.step(from, counts, &r.s, func(minute int, f Forecast) {
		r.next = minute
		if visit != nil {
			visit(minute, f)
		}
	})
	r.next = from + len(counts)
}

// A Distant is the forecast of a minute that lies some minutes ahead, with its central interval of
// 90 %.
type Distant struct {
	Forecast
	Lower, Upper float64
}

// StepAhead goes through the next minutes like Step, and calls visit, before the count of minute
// now is looked at, with the forecast of minute now+ahead[k]-1 for every k. Each is what
// Runtime.Path says at that time.
func (r *Replay) StepAhead(counts []float64, ahead []int, visit func(now, k int, d Distant)) error {
	for _, h := range ahead {
		if h < 1 || h > MaxAhead {
			return fmt.Errorf("forecast: a distance must be 1 to %d minutes ahead, got %d", MaxAhead, h)
		}
	}
	for len(r.later) < len(ahead) {
		r.later = append(r.later, scratch{})
	}
	p, s := &r.p, &r.s
	if p.cluster == nil {
		for i, c := range counts {
			now, batch := r.next+i, p.arrivals.Batch()
			if slices.Max(ahead) > 1 {
				s.chance = p.arrivals.AppendPath(s.chance[:0], now, slices.Max(ahead))
			} else {
				s.chance = append(s.chance[:0], p.arrivals.PArrival(now))
			}
			for k, h := range ahead {
				chance := s.chance[h-1]
				visit(now, k, Distant{occasional(chance, batch), occasionalQuantile(chance, batch, probs[P05]), occasionalQuantile(chance, batch, probs[P95])})
			}
			p.observe(now, c)
		}
		r.next += len(counts)
		return nil
	}
	for len(counts) > 0 {
		n := min(len(counts), replayRows)
		s.clear()
		for k := range ahead {
			r.later[k].clear()
		}
		for _, c := range counts[:n] {
			p.prepare(s)
			for k, h := range ahead {
				if h > 1 {
					p.prepareLater(&r.later[k], h)
				}
			}
			p.follow.Observe(c)
		}
		s.evaluate(p.cluster)
		for k, h := range ahead {
			if h > 1 {
				p.cluster.evaluateLater(&r.later[k], h)
			}
		}
		for i, c := range counts[:n] {
			now := r.next + i
			f := p.finish(s, i)
			for k, h := range ahead {
				if h == 1 {
					visit(now, k, Distant{f, p.quantile(now, probs[P05]), p.quantile(now, probs[P95])})
					continue
				}
				l := p.later(&r.later[k], i, h)
				d := Distant{Forecast: l.forecast()}
				d.Lower, d.Upper = d.ordered(probs[P05], l.at(probs[P05])), d.ordered(probs[P95], l.at(probs[P95]))
				visit(now, k, d)
			}
			p.judge(believed(c))
		}
		r.next, counts = r.next+n, counts[n:]
	}
	return nil
}

// Ahead forecasts the next minutes, in [1, MaxAhead], from those before them, see Runtime.Ahead.
// Nothing advances.
func (r *Replay) Ahead(minutes int, probs []float64, visit func(ahead int, f Forecast, q []float64)) error {
	var first Forecast
	if r.p.cluster != nil {
		r.s.clear()
		r.p.prepare(&r.s)
		r.s.evaluate(r.p.cluster)
		first = r.p.finish(&r.s, 0)
	}
	return r.p.path(r.next, minutes, first, probs, &r.s, visit)
}

// Interval is the central interval of 90 % of the forecast that visit was called with; see
// Runtime.Interval.
func (r *Replay) Interval() (lower, upper float64) {
	return r.p.quantile(r.next, probs[P05]), r.p.quantile(r.next, probs[P95])
}

// Quantile is the quantile at p in (0, 1) of the forecast that visit was called with.
func (r *Replay) Quantile(p float64) float64 { return r.p.quantile(r.next, p) }

// prime takes counts of the minutes from from on.
func (p *predictor) prime(from int, counts []float64) {
	for i, c := range counts {
		p.observe(from+i, c)
	}
}

// step forecasts the minutes from from on, each from the counts before it.
func (p *predictor) step(from int, counts []float64, s *scratch, visit func(minute int, f Forecast)) {
	if p.cluster == nil {
		for i, c := range counts {
			visit(from+i, occasional(p.arrivals.PArrival(from+i), p.arrivals.Batch()))
			p.observe(from+i, c)
		}
		return
	}
	// Rows do not depend on forecasts: those of many minutes are evaluated at once.
	for len(counts) > 0 {
		n := min(len(counts), replayRows)
		s.clear()
		for _, c := range counts[:n] {
			p.prepare(s)
			p.follow.Observe(c)
		}
		s.evaluate(p.cluster)
		for i, c := range counts[:n] {
			visit(from+i, p.finish(s, i))
			p.judge(believed(c))
		}
		from, counts = from+n, counts[n:]
	}
}

// replayRows are evaluated at once: they fill the ranks' cache, and no more.
const replayRows = 256
