package prophet_test

import (
	"math"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
)

// TestTermsAddUp: with the trend they are the whole forecast, and holidays are one term.
func TestTermsAddUp(t *testing.T) {
	f := example()
	var times []time.Time
	for h := range 240 {
		times = append(times, start.Add(time.Duration(h)*time.Hour))
	}
	fc := f.Forecast(times)
	terms := fc.Terms()
	if len(terms) != 3 || terms[0].Name != "weekly" || terms[1].Name != "daily" || terms[2].Name != prophet.HolidayTerm {
		t.Fatalf("terms are %d: %q and so on, want weekly, daily and holiday", len(terms), terms[0].Name)
	}
	for i, at := range times {
		sum := fc.Trend[i]
		for _, c := range terms {
			sum += c.Value[i]
		}
		near(t, at, "sum of the terms", sum, fc.Yhat[i])
	}
	// The outage has the coefficient -0.75 on a day of its own; two days before, the
	// launch reaches it with 0.125: the largest effect is 0.75 of the scale, 50.
	if got := terms[2].MaxAbs(); math.Abs(got-37.5) > 6.3 {
		t.Errorf("largest effect of a holiday is %g, want 37.5 or, where days meet, 31.25", got)
	}
}

// TestSalience grows with an effect, by the logarithm, and is 0 without effects or noise.
func TestSalience(t *testing.T) {
	times := []time.Time{start.AddDate(0, 0, 8)} // the outage
	f := &prophet.Fitted{
		Growth: prophet.Flat, Start: start, End: start.AddDate(0, 0, 10), YScale: 10, M: 1, SigmaObs: 0.1, Observations: 10,
		Holidays: []prophet.Holiday{{Name: "outage", Dates: []prophet.Day{prophet.DayOf(times[0])}, PriorScale: 10}},
		Beta:     []float64{-0.5},
	}
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
	// An effect of 5 against noise of 1.
	if got, want := f.Salience(f.Forecast(times)), math.Log(51); math.Abs(got-want) > 1e-12 {
		t.Errorf("Salience = %g, want %g", got, want)
	}
	f.Beta[0] = 0
	if got := f.Salience(f.Forecast(times)); got != 0 {
		t.Errorf("Salience without an effect = %g, want 0", got)
	}
	f.Beta[0], f.SigmaObs = -0.5, 0
	if got := f.Salience(f.Forecast(times)); got != 0 {
		t.Errorf("Salience without noise = %g, want 0", got)
	}
}
