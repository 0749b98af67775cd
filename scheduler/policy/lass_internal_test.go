package policy

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestGuaranteedShare: whatever others demand, a function gets what it demands up to its
// guaranteed share, an equal part of an equal part; and no more is given than there is.
func TestGuaranteedShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		apps := rapid.SliceOfN(rapid.Int32Range(0, 4), 1, 12).Draw(t, "apps")
		capacity := rapid.Float64Range(1, 100).Draw(t, "capacity")
		profiles := make([]decide.Profile, len(apps))
		demand := make([]float64, len(apps))
		members := make(map[int32]int)
		var p lass
		for f := range apps {
			profiles[f] = decide.Profile{App: apps[f], Memory: 1, CPU: 1}
			demand[f] = rapid.Float64Range(0.01, 60).Draw(t, "demand")
			members[apps[f]]++
			p.active = append(p.active, decide.FunctionID(f))
		}
		s, err := decide.NewState(profiles, []decide.InvokerSpec{{Memory: 1, Cores: 1}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		var given float64
		for f, v := range p.fair(s.Snapshot(), demand, capacity) {
			given += v
			guaranteed := capacity / float64(len(members)) / float64(members[apps[f]])
			if v > demand[f]+1e-9 || v < min(demand[f], guaranteed)-1e-9 {
				t.Fatalf("function %d of app %d gets %g: it demands %g and is guaranteed %g", f, apps[f], v, demand[f], guaranteed)
			}
		}
		if given > capacity+1e-9 {
			t.Fatalf("%g of %g are given", given, capacity)
		}
	})
}
