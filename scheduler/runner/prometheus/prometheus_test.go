package prometheus_test

import (
	"strings"
	"testing"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/incendio-faas/incendio/scheduler/runner"
	"github.com/incendio-faas/incendio/scheduler/runner/prometheus"
)

// filled is metrics in which each has a value.
func filled() *prometheus.Metrics {
	m := prometheus.New(map[string]string{"site": "a"})
	for i, d := range runner.Measured() {
		label := ""
		if d.Label != "" {
			label = "x"
		}
		switch d.Kind {
		case runner.Counter:
			m.Add(i, label, 2)
			m.Add(i, label, 1)
		case runner.Gauge:
			m.Set(i, label, 5)
			m.Set(i, label, 3)
		case runner.Histogram:
			m.Observe(i, label, 0.002)
		}
	}
	return m
}

// TestLint: names, units and helps are as Prometheus wants them.
func TestLint(t *testing.T) {
	registry := prom.NewPedanticRegistry()
	registry.MustRegister(filled())
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestValues: everything measured is gathered, with its label and its value.
func TestValues(t *testing.T) {
	registry := prom.NewPedanticRegistry()
	registry.MustRegister(filled())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]string{}
	for _, f := range families {
		by[f.GetName()] = f.String()
	}
	for _, d := range runner.Measured() {
		text, ok := by[d.Name]
		want := `value:3`
		if d.Kind == runner.Histogram {
			want = `sample_sum:0.002`
		}
		if !ok || !strings.Contains(strings.ReplaceAll(text, " ", ""), want) || d.Label != "" && !strings.Contains(text, `"x"`) || !strings.Contains(text, `"a"`) {
			t.Errorf("%s: %s, want %s", d.Name, text, want)
		}
	}
	if len(by) != len(runner.Measured()) {
		t.Errorf("%d metrics gathered, want %d", len(by), len(runner.Measured()))
	}
}
