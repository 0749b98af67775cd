package sim

import (
	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Begin is the minute of the trace in which the replay begins, that of the warm-up.
func (w *Workload) Begin() int { return w.from }

// Begin is the minute in which a replay of t begins: the warm-up reaches back
// as far as the trace does.
func (d Draw) Begin(t *datasets.Trace) int {
	w := d.Window
	if w.Len() == 0 {
		w = t.Span
	}
	return min(max(w.From-d.WarmupMinutes, t.Span.From), w.From)
}

// CostS weighs waiting against memory in one number, in seconds: the sum of the
// latencies, and the wasted memory at the price of RUM, [decide.RUMMemory] GB s for a second
// (FeMux, EuroSys 2026; docs/models.md, decision 18).
func (r *Result) CostS() float64 { return costS(r.LatencySum, r.WastedGBS) }

// CostS is [Result.CostS] of a minute.
func (m MinuteSums) CostS() float64 { return costS(m.Latency, m.WastedGBS) }

func costS(latency decide.Time, wastedGBS float64) float64 {
	return latency.Seconds() + wastedGBS/decide.RUMMemory
}
