package policy

import (
	"math"
	"testing"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/timeseries"
)

// TestIceBreakerForecastsAWave: peaks that repeat over a part of the hour are forecast, and
// rounded, where the window is even about its middle, so that the line through it is level.
func TestIceBreakerForecastsAWave(t *testing.T) {
	for _, period := range []int{6, 10, 20, 60} {
		fourier, window := timeseries.NewFourier(iceBreakerWindow, 1, 10), make([]float64, iceBreakerWindow)
		wave := func(k int) float64 { return 20 + 10*math.Cos(2*math.Pi/float64(period)*(float64(k)-29.5)) }
		var f iceFunction
		for k := range 240 {
			f.next(wave(k), fourier, window)
			if want := math.Round(wave(k + 1)); k >= 59 && (k-59)%period == 0 && f.forecast != want {
				t.Fatalf("period %d, minute %d: forecast %g, want %g", period, k+1, f.forecast, want)
			}
		}
	}
}

func TestIceBreakerUtility(t *testing.T) {
	var f iceFunction
	for k := range iceBreakerRecent {
		r, p := 1.0, 1.0
		switch k {
		case 3, 4:
			p = 0 // missed
		case 7:
			p = 2 // in vain
		}
		f.peaks.add(r, iceBreakerWindow)
		f.forecasts.add(p, iceBreakerRecent)
	}
	// Components 0.5, 0, 0.2 and 0.9, their sum 1.6.
	want := (0.5*(1-0.5/1.6) + 0.2*(1-0.2/1.6) + 0.9*(1-0.9/1.6)) / 3
	if got := f.worth(0.5); math.Abs(got-want) > 1e-12 {
		t.Errorf("utility %v, want %v", got, want)
	}
}

// TestIceBreakerSplitsInvokers: containers go to the half of their tier while it has room without
// eviction, and to the other half then; the costly half is the one with more cores.
func TestIceBreakerSplitsInvokers(t *testing.T) {
	profiles := []decide.Profile{{Memory: 100, CPU: 1}, {Memory: 100, CPU: 1}, {Memory: 100, CPU: 1}}
	invokers := []decide.InvokerSpec{{Memory: 200, Cores: 2}, {Memory: 200, Cores: 8}, {Memory: 200, Cores: 8}, {Memory: 200, Cores: 2}}
	s, err := decide.NewState(profiles, invokers, 1)
	if err != nil {
		t.Fatal(err)
	}
	parts := IceBreaker(profiles, invokers, DefaultIceBreakerOptions())
	p := parts.Pool.(*iceBreaker)
	p.functions[0].tier, p.functions[1].tier = costly, cheap
	for k, want := range []decide.InvokerID{1, 2, 1, 2, 0, 3} {
		i, ok := parts.Placer.Place(s.Snapshot(), 0)
		if !ok || i != want {
			t.Fatalf("container %d of a costly function on %d, want %d", k, i, want)
		}
		s.NewContainer(0, i, decide.None)
	}
	if i, _ := parts.Placer.Place(s.Snapshot(), 1); i != 0 {
		t.Errorf("a cheap function on %d, want 0", i)
	}
}
