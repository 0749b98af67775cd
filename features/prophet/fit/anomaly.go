package fit

import (
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
)

// anomalyScore is the robust z-score from which a day is anomalous.
const anomalyScore = 4

// minDays is the number of days of one kind that are needed to tell what is usual.
const minDays = 4

// AnomalousDays finds the days of y whose totals are far from what is usual, each as
// a holiday of its own, called anomalous_2006-01-02: an outage or a burst then does
// not bend the trend or the seasonalities. Only training data may be given; a day
// that is not found has no column, so nothing is learned of later ones.
//
// A working day is compared with working days (Monday to Friday, UTC) and a day of a
// weekend with those, so that a weekly rhythm is not taken for an anomaly; with fewer
// than four days of a kind, none of that kind is judged. Days that y does not cover
// in full, or with missing values, are left out. A day is anomalous if
//
//	|total - median| / max(1.4826 MAD, sqrt(median)) > 4
//
// where MAD is the median of |total - median|, scaled to the standard deviation of a
// Gaussian, and the root is the deviation of a Poisson count, below which no
// difference means anything.
func AnomalousDays(g Grid, y []float64) []prophet.Holiday {
	type day struct {
		day   prophet.Day
		total float64
	}
	var kinds [2][]day // working days, weekends
	perDay := int((24 * time.Hour) / g.Step)
	if perDay < 1 || (24*time.Hour)%g.Step != 0 {
		return nil // a day is not a whole number of steps
	}
	for i := 0; i < len(y); {
		d := prophet.DayOf(g.At(i))
		var total float64
		n := 0
		for ; i < len(y) && prophet.DayOf(g.At(i)) == d; i++ {
			total += y[i]
			n++
		}
		if n < perDay || math.IsNaN(total) {
			continue
		}
		kind := 0
		if w := d.Time().Weekday(); w == time.Saturday || w == time.Sunday {
			kind = 1
		}
		kinds[kind] = append(kinds[kind], day{d, total})
	}
	var found []prophet.Day
	for _, days := range kinds {
		if len(days) < minDays {
			continue
		}
		totals := make([]float64, len(days))
		for i, d := range days {
			totals[i] = d.total
		}
		usual := median(totals)
		for i, d := range days {
			totals[i] = math.Abs(d.total - usual)
		}
		spread := max(1.4826*median(totals), math.Sqrt(math.Abs(usual)))
		for _, d := range days {
			if math.Abs(d.total-usual) > anomalyScore*spread {
				found = append(found, d.day)
			}
		}
	}
	slices.Sort(found)
	var out []prophet.Holiday
	for _, d := range found {
		out = append(out, prophet.Holiday{Name: "anomalous_" + d.String(), Dates: []prophet.Day{d}})
	}
	return out
}

// median sorts x.
func median(x []float64) float64 {
	slices.Sort(x)
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}
