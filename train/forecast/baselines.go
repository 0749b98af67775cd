package forecast

import (
	"math"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
)

// A baseline forecasts one function: point is the forecast of the minute after the
// last that was observed. Baselines know the past of one function only.
type baseline interface {
	observe(minute int, count float64)
	point(now int) float64
}

// lagged is the naive forecast of a season.
type lagged struct{ ring []float64 }

func newLagged(season int) *lagged { return &lagged{make([]float64, season)} }

func (l *lagged) observe(minute int, count float64) { l.ring[minute%len(l.ring)] = count }

func (l *lagged) point(now int) float64 { return l.ring[now%len(l.ring)] }

// alphas are the smoothing factors that exponential smoothing chooses from.
var alphas = [...]float64{0.02, 0.05, 0.1, 0.2, 0.4, 0.8}

// smoothing is simple exponential smoothing: the factor with the least squared error
// so far, up to the minute until, is used.
type smoothing struct {
	level  [len(alphas)]float64
	square [len(alphas)]float64
	any    bool
	until  int
}

func (s *smoothing) observe(minute int, count float64) {
	if !s.any {
		for i := range s.level {
			s.level[i] = count
		}
		s.any = true
		return
	}
	for i, a := range alphas {
		e := count - s.level[i]
		if minute < s.until {
			s.square[i] += e * e
		}
		s.level[i] += a * e
	}
}

func (s *smoothing) point(int) float64 {
	best := 0
	for i := range s.square {
		if s.square[i] < s.square[best] {
			best = i
		}
	}
	return s.level[best]
}

// decomposed is Prophet alone. A function without a decomposition, which is too rare
// for one, has the mean of its history: what a flat trend without seasonalities is.
type decomposed struct {
	fitted *prophet.Fitted
	start  time.Time
	mean   float64
}

func (decomposed) observe(int, float64) {}

func (d decomposed) point(now int) float64 {
	if d.fitted == nil {
		return d.mean
	}
	return math.Max(0, d.fitted.Components(d.start.Add(time.Duration(now)*time.Minute)).Yhat)
}
