package forecast

import (
	"math"
	"time"

	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/features/prophet"
)

// level brings the decomposition to the level of the last hour: a trend that is
// extrapolated for a day, or a rhythm that the history was too short to show, moves
// yhat away from the counts, while its change within the hour stays right.
//
//	drift      mean of the last 60 counts - mean of yhat at four minutes spread over them
//	adjusted   yhat + drift, 0 where that is negative
//
// Both are NaN where there is no decomposition or no count.
type level struct {
	start   time.Time
	origins []features.Origin
}

const levelMinutes = 60

// levelAt are the minutes before now at which yhat is evaluated: the middles of the
// quarters of the hour. yhat is smooth, so four are as good as sixty.
var levelAt = [...]int{8, 23, 38, 53}

// Columns implements features.Extractor.
func (level) Columns() []string { return []string{"drift", "adjusted"} }

// Append implements features.Extractor.
func (l level) Append(row []float64, now int, past *features.History) []float64 {
	// The same decomposition at all minutes: that of now.
	var fitted *prophet.Fitted
	for i := len(l.origins) - 1; i >= 0 && fitted == nil; i-- {
		if l.origins[i].From <= now {
			fitted = l.origins[i].Fitted
		}
	}
	if fitted == nil {
		return append(row, math.NaN(), math.NaN())
	}
	n, mean := 0, 0.0
	for _, back := range levelAt {
		if back <= past.Len() {
			mean += l.yhat(fitted, now-back)
			n++
		}
	}
	if n == 0 {
		mean = l.yhat(fitted, now-1)
		n = 1
	}
	drift := past.Mean(levelMinutes) - mean/float64(n)
	return append(row, drift, max(0, l.yhat(fitted, now)+drift))
}

func (l level) yhat(f *prophet.Fitted, minute int) float64 {
	return f.Components(l.start.Add(time.Duration(minute) * time.Minute)).Yhat
}

// CountColumns implements features.Counter: both are counts.
func (level) CountColumns() []bool { return []bool{true, true} }

// Reach implements features.Reacher.
func (level) Reach() int { return levelMinutes }
