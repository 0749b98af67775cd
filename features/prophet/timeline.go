package prophet

import "time"

// A Timeline is times with the columns of seasonalities at them, computed once for the
// evaluation of many models: most of the work of a forecast. It may be used by several
// goroutines.
type Timeline struct {
	times   []time.Time
	columns map[wave][]float64 // row-major, shape (times, 2*order)
}

// A wave is what the columns of a seasonality depend on.
type wave struct {
	period float64
	order  int
}

// NewTimeline returns the timeline of times, in any order, for models with some of the
// given seasonalities; others are evaluated without it.
func NewTimeline(times []time.Time, seasonalities []Seasonality) *Timeline {
	l := &Timeline{times: times, columns: map[wave][]float64{}}
	for _, s := range seasonalities {
		w := wave{s.Period, s.Order}
		if l.columns[w] != nil {
			continue
		}
		x := make([]float64, 0, len(times)*s.Columns())
		for _, t := range times {
			x = s.Append(x, Days(t))
		}
		l.columns[w] = x
	}
	return l
}

// columnsOf returns the columns of s, nil if l has none.
func (l *Timeline) columnsOf(s Seasonality) []float64 { return l.columns[wave{s.Period, s.Order}] }

// effectOf is Seasonality.effect with columns that are known: the same sum in the same
// order.
func effectOf(columns, beta []float64) float64 {
	var sum float64
	columns = columns[:len(beta)]
	for n := 0; n+1 < len(beta); n += 2 {
		sum += beta[n]*columns[n] + beta[n+1]*columns[n+1]
	}
	return sum
}
