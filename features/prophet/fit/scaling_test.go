package fit_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/internal/seed"
)

// TestFarLevels fits noise of deviation 2 at levels far above it: sigma is that of the
// noise, with either scaling, for single fits and fleets, of models of every kind.
func TestFarLevels(t *testing.T) {
	const n = 400
	var times []time.Time
	for i := range n {
		times = append(times, monday.AddDate(0, 0, i))
	}
	for _, level := range []float64{0, 1e6, -1e7, 1e9} {
		y := make([]float64, n)
		for i := range y {
			y[i] = level + 8*math.Sin(2*math.Pi*float64(i)/7) + 0.05*float64(i) + 2*seed.Normal(seed.Key(3, "far"), uint64(i))
		}
		for _, scaling := range []fit.Scaling{"", fit.AbsMax, fit.MinMax} {
			for _, growth := range []prophet.Growth{prophet.Linear, prophet.Flat, prophet.Logistic} {
				if level == 0 && growth != prophet.Flat {
					continue // shares of a trend that begins at 0 are another model
				}
				for _, mode := range []prophet.Mode{prophet.Additive, prophet.Multiplicative} {
					if scaling != fit.MinMax && (growth == prophet.Logistic || mode == prophet.Multiplicative) || mode == prophet.Multiplicative && level != 1e6 {
						continue // a capacity so near is a limit, and shares so small have few digits
					}
					m := fit.DefaultModel()
					m.Scaling, m.Growth, m.SeasonalityMode, m.Cap = scaling, growth, mode, level+60
					m.Seasonalities = []prophet.Seasonality{weekTerm}
					label := fmt.Sprintf("level %g, %s, %s, %q", level, growth, mode, scaling)
					fitted, err := m.Fleet(t.Context(), fit.Grid{Start: monday, Step: day}, [][]float64{y}, 1)
					if err != nil {
						t.Fatal(label, err)
					}
					single, err := m.FitTimes(t.Context(), times, y)
					if err != nil {
						t.Fatal(label, err)
					}
					limit := 2.6
					if growth == prophet.Flat {
						limit = 7 // with what the slope leaves
					}
					for _, f := range []*prophet.Fitted{fitted[0], single} {
						if f.Noise() < 1.7 || f.Noise() > limit {
							t.Errorf("%s: noise %g, want 2", label, f.Noise())
						}
						var squares float64
						for i, v := range f.Forecast(times).Yhat {
							squares += (v - y[i]) * (v - y[i])
						}
						// 1e-16 of the level is its last digit.
						if deviation := math.Sqrt(squares / n); math.Abs(deviation-f.Noise()) > 0.15*f.Noise()+1e-14*math.Abs(level) {
							t.Errorf("%s: yhat is off by %g, the noise is %g", label, deviation, f.Noise())
						}
					}
				}
			}
		}
	}
}

// TestMinMax compares MinMax with AbsMax of values that were moved to [0, 1] before.
func TestMinMax(t *testing.T) {
	var times []time.Time
	var y, moved []float64
	for i := range 200 {
		times = append(times, monday.AddDate(0, 0, i))
		y = append(y, 50+float64(i%7)+0.1*float64(i)+seed.Normal(seed.Key(1, "minmax"), uint64(i)))
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range y {
		low, high = min(low, v), max(high, v)
	}
	for _, v := range y {
		moved = append(moved, (v-low)/(high-low))
	}
	m := fit.DefaultModel()
	m.Seasonalities = []prophet.Seasonality{weekTerm}
	want, err := m.FitTimes(t.Context(), times, moved)
	if err != nil {
		t.Fatal(err)
	}
	m.Scaling = fit.MinMax
	got, err := m.FitTimes(t.Context(), times, y)
	if err != nil {
		t.Fatal(err)
	}
	if got.Floor != low || math.Abs(got.YScale-(high-low)) > 1e-12 {
		t.Errorf("floor %g and scale %g, want %g and %g", got.Floor, got.YScale, low, high-low)
	}
	a, b := got.Forecast(times), want.Forecast(times)
	for i := range times {
		if math.Abs((a.Yhat[i]-low)/(high-low)-b.Yhat[i]) > 1e-9 || math.Abs(got.K-want.K) > 1e-9 {
			t.Fatalf("at %v yhat is %g, want %g", times[i], (a.Yhat[i]-low)/(high-low), b.Yhat[i])
		}
	}
	m.Scaling = "mean"
	if err := m.Validate(); err == nil {
		t.Error("a scaling that there is not is valid")
	}
}

// TestHolidaysMode gives holidays a mode apart from that of the seasonalities.
func TestHolidaysMode(t *testing.T) {
	m := fit.DefaultModel()
	m.Seasonalities = []prophet.Seasonality{weekTerm}
	m.HolidaysMode = prophet.Multiplicative
	event := prophet.Holiday{Name: "event"}
	own := prophet.Holiday{Name: "own", Mode: prophet.Additive}
	var y []float64
	for i := range 300 {
		v := 10 + 0.1*float64(i)
		switch i % 50 {
		case 20:
			v *= 1.5
			event.Dates = append(event.Dates, prophet.DayOf(monday)+prophet.Day(i))
		case 40:
			v += 7
			own.Dates = append(own.Dates, prophet.DayOf(monday)+prophet.Day(i))
		}
		y = append(y, v+0.01*seed.Normal(seed.Key(1, "holidays"), uint64(i)))
	}
	m.Holidays = []prophet.Holiday{event, own}
	fitted, err := m.Fleet(t.Context(), fit.Grid{Start: monday, Step: day}, [][]float64{y}, 1)
	if err != nil {
		t.Fatal(err)
	}
	f := fitted[0]
	if f.Holidays[0].Mode != prophet.Multiplicative || f.Holidays[1].Mode != "" || f.Seasonalities[0].Mode != "" {
		t.Errorf("modes %q, %q and of the seasonality %q", f.Holidays[0].Mode, f.Holidays[1].Mode, f.Seasonalities[0].Mode)
	}
	if effect := f.Beta[6]; math.Abs(effect-0.5) > 0.01 {
		t.Errorf("the effect is %g of the trend, want a half", effect)
	}
	m.HolidaysMode = "both"
	if err := m.Validate(); err == nil {
		t.Error("a mode that there is not is valid")
	}
}
