package forecast_test

import (
	"math"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// TestOutages: after an outage of minutes or hours, in which nothing arrives or nothing is known, forecasts are as good
// as before within ten minutes of its end.
func TestOutages(t *testing.T) {
	for _, gone := range []float64{0, math.NaN()} {
		for _, long := range []int{20, 240} {
			rt, err := forecast.NewRuntime(model(t), functions("rule"), start)
			if err != nil {
				t.Fatal(err)
			}
			const begin, level = 2000, 200
			rnd := seed.Stream(3, "outage")
			median, usual, after := 0.0, 0.0, 0.0
			for m := range begin + long + 60 {
				y := math.Round(level + math.Sqrt(level)*rnd.NormFloat64())
				switch off := math.Abs(y - median); {
				case m >= begin-1000 && m < begin:
					usual += off / 1000
				case m >= begin+long+10:
					after += off / 50
				}
				if m >= begin && m < begin+long {
					y = gone
				}
				median = rt.Step(m, []float64{y})[0].Median
			}
			if !(after < 1.3*usual) {
				t.Errorf("%v for %d minutes: from ten minutes after the end on the error is %v, usually %v", gone, long, after, usual)
			}
		}
	}
}
