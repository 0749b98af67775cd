package forecast

import (
	"math"

	"github.com/incendio-faas/incendio/features"
)

// smooth has the level of the last minutes, and how the latest counts lie to it in
// units of the deviation that Poisson arrivals would have. Trees see differences of
// their columns only with many splits, and for a function of thousands of invocations
// a minute they must be right to a percent.
//
//	ewma_fast    exponentially weighted mean, factor 0.3
//	ewma_slow    the same, factor 0.06
//	surprise     lag_1 against ewma_slow
//	momentum     ewma_fast against ewma_slow
//	hour_shape   lag_60 against the mean of the 21 minutes around it: what happens at
//	             this minute of every hour
//
// "a against b" is the scaled residual (a - b) / sqrt(b + 1/4).
type smooth struct{}

// The factors, and the minutes after which a weight is below one percent of the first.
const (
	fastFactor, fastMinutes = 0.3, 13
	slowFactor, slowMinutes = 0.06, 75
)

// Columns that are levels.
const (
	FastColumn = "ewma_fast"
	SlowColumn = "ewma_slow"
)

// Columns implements features.Extractor.
func (smooth) Columns() []string {
	return []string{FastColumn, SlowColumn, "surprise", "momentum", "hour_shape"}
}

// Append implements features.Extractor.
func (smooth) Append(row []float64, now int, past *features.History) []float64 {
	ahead := now - past.Now()
	var fast, slow, fastWeight, slowWeight float64
	f, s := 1.0, 1.0
	for k := 1; k <= slowMinutes; k++ {
		if c := past.Lag(k); c == c {
			if k <= fastMinutes {
				fast += f * c
				fastWeight += f
			}
			slow += s * c
			slowWeight += s
		}
		f *= 1 - fastFactor
		s *= 1 - slowFactor
	}
	fast, slow = fast/fastWeight, slow/slowWeight // 0/0 is NaN: nothing is known
	shape := math.NaN()
	if around := past.Known(70-ahead) - past.Known(49-ahead); around > 0 {
		shape = ScaledResidual((past.Sum(70-ahead)-past.Sum(49-ahead))/float64(around), past.Lag(60-ahead))
	}
	return append(row, fast, slow, ScaledResidual(slow, past.Lag(1)), ScaledResidual(slow, fast), shape)
}

// CountColumns implements features.Counter: the levels are counts.
func (smooth) CountColumns() []bool { return []bool{true, true, false, false, false} }

// Reach implements features.Reacher.
func (smooth) Reach() int { return slowMinutes }
