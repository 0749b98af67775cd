package forecast

import (
	"context"
	"fmt"
	"math"
	"sort"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/interarrival"
)

// A sparse has the counts of one function in a window without the zeros, which are
// nine out of ten: the whole fleet is held in memory, its dense form never is.
type sparse struct {
	minute []int32 // of the trace, ascending
	count  []float32
}

// scan reads the counts of every function in w, one day at a time.
func scan(ctx context.Context, t *datasets.Trace, w datasets.Window) ([]sparse, error) {
	out := make([]sparse, len(t.Functions))
	for day := w.From / datasets.MinutesPerDay; day*datasets.MinutesPerDay < w.To; day++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := t.Day(ctx, day)
		if err != nil {
			return nil, fmt.Errorf("read day %d: %w", day, err)
		}
		for f := range min(len(out), len(c.Offset)-1) {
			minute, count := c.Function(datasets.FunctionID(f))
			for i, m := range minute {
				if at := day*datasets.MinutesPerDay + int(m); at >= w.From && at < w.To {
					out[f].minute = append(out[f].minute, int32(at))
					out[f].count = append(out[f].count, float32(count[i]))
				}
			}
		}
	}
	return out, nil
}

// before is the number of entries before minute.
func (s sparse) before(minute int) int {
	return sort.Search(len(s.minute), func(i int) bool { return int(s.minute[i]) >= minute })
}

// in returns the part of s inside w.
func (s sparse) in(w datasets.Window) sparse {
	a, b := s.before(w.From), s.before(w.To)
	return sparse{s.minute[a:b], s.count[a:b]}
}

func (s sparse) sum() float64 {
	var v float64
	for _, c := range s.count {
		v += float64(c)
	}
	return v
}

// dense writes the counts of w to row, of length w.Len().
func (s sparse) dense(row []float64, w datasets.Window) {
	clear(row)
	p := s.in(w)
	for i, m := range p.minute {
		row[int(m)-w.From] = float64(p.count[i])
	}
}

// iat is the histogram of the inter-arrival times in w.
func (s sparse) iat(w datasets.Window) *interarrival.Histogram {
	p := s.in(w)
	return interarrival.New(p.minute, p.count, w.Len())
}

// shapeColumns names the numbers by which functions are clustered.
var shapeColumns = []string{"log_rate", "idle_share", "cv_active", "lag1_correlation", "hour_variation", "gap_cv"}

// shape describes the pattern of arrivals in w of a function of t that has some, in the minutes
// that were observed:
//
//	log_rate          ln(1 + invocations per minute)
//	idle_share        share of minutes without arrivals
//	cv_active         coefficient of variation of the other minutes' counts
//	lag1_correlation  correlation of a minute with the next
//	hour_variation    coefficient of variation of the counts of an hour
//	gap_cv            coefficient of variation of the gaps: 0 of a timer, about 1 at random
func (s sparse) shape(t *datasets.Trace, w datasets.Window) []float64 {
	p := s.in(w)
	n := float64(t.Observed(w))
	var sum, squares, product float64
	hours := make([]float64, (w.Len()+59)/60)
	var active moments
	for i, c := range p.count {
		v := float64(c)
		sum += v
		squares += v * v
		active.add(v)
		hours[(int(p.minute[i])-w.From)/60] += v
		if i > 0 && p.minute[i] == p.minute[i-1]+1 {
			product += v * float64(p.count[i-1])
		}
	}
	mean := sum / n
	variance := squares/n - mean*mean
	correlation := 0.0
	if variance > 0 {
		correlation = (product/n - mean*mean) / variance
	}
	var hourly moments
	for i, v := range hours[:max(1, w.Len()/60)] { // an hour in part would look quiet
		hour := datasets.Window{From: w.From + 60*i, To: min(w.From+60*(i+1), w.To)}
		if t.Observed(hour) == hour.Len() {
			hourly.add(v)
		}
	}
	return []float64{
		math.Log1p(mean),
		1 - float64(len(p.minute))/n,
		min(active.cv(), 5),
		correlation,
		min(hourly.cv(), 5),
		min(s.iat(w).Moments().CV(), 5), // beyond, a function is simply bursty
	}
}

// moments are the running sums of values.
type moments struct{ n, sum, squares float64 }

func (m *moments) add(v float64) {
	m.n++
	m.sum += v
	m.squares += v * v
}

// cv is the coefficient of variation; 0 without values or of zeros.
func (m *moments) cv() float64 {
	if m.sum == 0 {
		return 0
	}
	mean := m.sum / m.n
	return math.Sqrt(max(0, m.squares/m.n-mean*mean)) / mean
}
