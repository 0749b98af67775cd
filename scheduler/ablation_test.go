package scheduler_test

import (
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestLearnedRows: the rows of a bundle have names of their own, and none that a row
// without a bundle has.
func TestLearnedRows(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range scheduler.Baselines() {
		seen[r.Name] = true
	}
	for _, r := range scheduler.Learned() {
		if seen[r.Name] || r.Source == "" {
			t.Errorf("row %q from %q", r.Name, r.Source)
		}
		seen[r.Name] = true
	}
	if !seen[scheduler.IncendioName] || !seen[scheduler.WithoutScheduler] || !seen[scheduler.WithoutPredictor] {
		t.Errorf("rows %v", seen)
	}
}

// TestVariants: of an expected invocation the variant without the predictor prewarms
// nothing, and the others do.
func TestVariants(t *testing.T) {
	profiles := []decide.Profile{profile(decide.Second), profile(decide.Second)}
	for _, c := range []struct {
		name     string
		prewarms int
	}{{scheduler.IncendioName, 1}, {scheduler.WithoutScheduler, 1}, {scheduler.WithoutPredictor, 0}} {
		p := parts()
		p.Rate = []float64{0.5, 0.5}
		p.Forecast = &script{want: map[int][]float64{1: {0, 9}}}
		stack, err := scheduler.Ablated(c.name, p)
		if err != nil {
			t.Fatal(err)
		}
		if stack.Name != c.name {
			t.Errorf("stack %q is named %q", c.name, stack.Name)
		}
		s, err := scheduler.New(profiles, []decide.InvokerSpec{{Memory: 4 * gb, Cores: 4}}, stack, scheduler.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		handle(s, arrival(0, 0))
		prewarms := 0
		for _, d := range handle(s, tick(decide.Minute)) {
			if d.Kind == decide.Create && d.Request == decide.None && d.Function == 1 {
				prewarms++
			}
		}
		if prewarms != c.prewarms {
			t.Errorf("%s prewarms %d containers, want %d", c.name, prewarms, c.prewarms)
		}
	}
	if _, err := scheduler.Ablated("incendio-wo-x", parts()); err == nil || !strings.Contains(err.Error(), "incendio, incendio-wo-s, incendio-wo-p") {
		t.Errorf("unknown variant: %v", err)
	}
}
