// Package prometheus hands the metrics of a runner to Prometheus.
package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/incendio-faas/incendio/scheduler/runner"
)

// Metrics are collectors of all that runner.Measured names. They implement runner.Metrics and
// prometheus.Collector.
type Metrics struct {
	counters   []*prometheus.CounterVec
	gauges     []*prometheus.GaugeVec
	histograms []*prometheus.HistogramVec
	plain      []any // those without a label, looked up once: Counter, Gauge or Observer
	all        []prometheus.Collector
}

var (
	_ runner.Metrics       = (*Metrics)(nil)
	_ prometheus.Collector = (*Metrics)(nil)
)

// New returns the metrics of one runner; labels, which may be nil, are the same for all of
// them and tell several runners of one registry apart. Register it, and hand it to the runner
// as runner.Options.Metrics.
func New(labels map[string]string) *Metrics {
	list := runner.Measured()
	n := len(list)
	m := &Metrics{
		counters: make([]*prometheus.CounterVec, n), gauges: make([]*prometheus.GaugeVec, n), histograms: make([]*prometheus.HistogramVec, n),
		plain: make([]any, n),
	}
	for i, d := range list {
		var names []string
		if d.Label != "" {
			names = []string{d.Label}
		}
		switch d.Kind {
		case runner.Counter:
			v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help, ConstLabels: labels}, names)
			m.counters[i], m.all = v, append(m.all, v)
			if names == nil {
				m.plain[i] = v.WithLabelValues()
			}
		case runner.Gauge:
			v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help, ConstLabels: labels}, names)
			m.gauges[i], m.all = v, append(m.all, v)
			if names == nil {
				m.plain[i] = v.WithLabelValues()
			}
		case runner.Histogram:
			v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, ConstLabels: labels, Buckets: d.Buckets}, names)
			m.histograms[i], m.all = v, append(m.all, v)
			if names == nil {
				m.plain[i] = v.WithLabelValues()
			}
		}
	}
	return m
}

// Add implements runner.Metrics.
func (m *Metrics) Add(index int, label string, delta float64) {
	if p, ok := m.plain[index].(prometheus.Counter); ok {
		p.Add(delta)
		return
	}
	m.counters[index].WithLabelValues(label).Add(delta)
}

// Set implements runner.Metrics.
func (m *Metrics) Set(index int, label string, value float64) {
	if p, ok := m.plain[index].(prometheus.Gauge); ok {
		p.Set(value)
		return
	}
	m.gauges[index].WithLabelValues(label).Set(value)
}

// Observe implements runner.Metrics.
func (m *Metrics) Observe(index int, label string, value float64) {
	if p, ok := m.plain[index].(prometheus.Observer); ok {
		p.Observe(value)
		return
	}
	m.histograms[index].WithLabelValues(label).Observe(value)
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.all {
		c.Describe(to)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.all {
		c.Collect(to)
	}
}
