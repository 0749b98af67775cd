package forecast_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// TestTreeProbe: a probe holds for its trees, and finds every other leaf, threshold or default that
// makes a difference to one of many rows.
func TestTreeProbe(t *testing.T) {
	r := seed.Stream(1, "probe")
	m, thresholds := drawTrees(r, 6, 6)
	load := func() *forecast.Ensemble {
		e, err := forecast.NewEnsemble(textOf(t, m))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := load()
	p, err := forecast.NewTreeProbe("forecast/x.txt", e)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(e); err != nil {
		t.Fatal(err)
	}
	const n = 1000
	rows, want, got := make([]float64, n*6), make([]float64, n), make([]float64, n)
	for i := range n {
		drawRow(r, rows[6*i:6*i+6], thresholds)
	}
	var s forecast.Scratch
	e.PredictRows(rows, want, &s)
	differ, missed := 0, 0
	check := func(what string) {
		t.Helper()
		other := load()
		err := p.Check(other)
		if err != nil && !strings.Contains(err.Error(), "forecast/x.txt") {
			t.Fatalf("error is %v, want one that names the file", err)
		}
		if other.PredictRows(rows, got, &s); !slices.Equal(got, want) {
			if differ++; err == nil {
				missed++
				t.Logf("%s is not found", what)
			}
		}
	}
	for i := range m.Trees {
		tree := &m.Trees[i]
		for k, v := range tree.LeafValue {
			tree.LeafValue[k] = v*1.001 + 1e-9
			check("a leaf")
			tree.LeafValue[k] = v
		}
		for n, d := range tree.DecisionType {
			if d.Categorical() {
				continue
			}
			v := tree.Threshold[n]
			for _, to := range []float64{math.Nextafter(v, math.Inf(1)), math.Nextafter(v, math.Inf(-1)), v + 1, v * 0.9} {
				tree.Threshold[n] = to
				check("a threshold")
			}
			tree.Threshold[n] = v
			tree.DecisionType[n] = d ^ 2
			check("a default")
			tree.DecisionType[n] = d
		}
	}
	t.Logf("%d changes that make a difference, %d not found; %d bytes of %d bytes of trees", differ, missed, len(p.Values)+len(p.Rows)+len(p.Sums), len(e.Text()))
	if differ < 40 || missed > differ/50 {
		t.Errorf("%d of %d changes are not found", missed, differ)
	}
}

// TestTreeProbeRefuses: a probe that is cut short or asks for what is not there is an error.
func TestTreeProbeRefuses(t *testing.T) {
	e := ensemble(t, "lag_1", 0.5, 0, 1)
	good, err := forecast.NewTreeProbe("forecast/x.txt", e)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*forecast.TreeProbe){
		"no values":       func(p *forecast.TreeProbe) { p.Values = nil },
		"more values":     func(p *forecast.TreeProbe) { p.Values = append(p.Values, 1) },
		"no rows":         func(p *forecast.TreeProbe) { p.Rows = nil },
		"columns of none": func(p *forecast.TreeProbe) { p.Rows = []byte{255, 255, 3} },
		"another value":   func(p *forecast.TreeProbe) { p.Rows = []byte{1, 1, 9} },
		"no sums":         func(p *forecast.TreeProbe) { p.Sums = nil },
		"another sum":     func(p *forecast.TreeProbe) { p.Sums[0]++ },
	} {
		p := *good
		p.Values, p.Rows, p.Sums = append([]byte{}, p.Values...), append([]byte{}, p.Rows...), append([]byte{}, p.Sums...)
		if change(&p); p.Check(e) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
