package main

import "testing"

func TestQuantileName(t *testing.T) {
	for p, want := range map[float64]string{0.5: "q50", 0.9: "q90", 0.07: "q7", 0.999: "q99.9", 0.005: "q0.5", 0.575: "q57.5", 0.9999999: "q99.99999"} {
		if got := quantileName(p); got != want {
			t.Errorf("%g is %s, expected %s", p, got, want)
		}
	}
}
